from __future__ import annotations

import csv
import io
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from fake_analysis import fake_analysis

from lidepth.errors import StoreError
from lidepth.model.diagnosis import Diagnosis
from lidepth.model.result import MovedSilicon
from lidepth.show.arrange import (
    alpha_grid,
    exposure_s,
    rebinned,
    regions_kev,
    shown_cycles,
    state_rates,
    with_gaps,
)
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.figures import CAMPAIGN, CYCLING, FIGURES
from lidepth.show.save import draw_figures, save_figures, write_whole


@pytest.mark.parametrize("name", list(FIGURES))
def test_every_figure_draws_finite_numbers_with_a_caption(drawings, name):
    drawing = drawings[name]
    assert isinstance(drawing, Drawing)
    assert drawing.name == name
    assert drawing.title
    assert len(drawing.caption) > 80
    numbers = {k: v for k, v in drawing.data.items() if np.asarray(v).dtype.kind in "fi"}
    assert numbers
    for column, values in numbers.items():
        unknown_allowed = column in (
            "fitted_rel_std", "pull_pristine",  # not fitted, not then
            "gain", "edge_shift_kev",  # no edge seen
        )  # fmt: skip
        flagged_rows = name in ("operando_map", "run_map") and column == "change_per_s_kev"
        if not (unknown_allowed or flagged_rows):
            assert np.all(np.isfinite(values)), column


@pytest.mark.parametrize("name", ["setup", "ledger", "operando_map", "charged_profiles"])
def test_svg_png_and_csv_are_what_they_say(drawings, name):
    drawing = drawings[name]
    assert b"<svg" in drawing.svg[:600]
    assert drawing.png.startswith(b"\x89PNG")
    rows = list(csv.reader(io.StringIO(drawing.csv)))
    assert len({len(row) for row in rows}) == 1
    assert rows[0][0] == next(iter(drawing.data))


def test_drawing_leaves_matplotlib_as_it_was(analysis):
    before = dict(matplotlib.rcParams)
    FIGURES["ledger"](analysis)
    assert dict(matplotlib.rcParams) == before


def test_the_same_analysis_gives_the_same_bytes(analysis, drawings):
    assert FIGURES["silicon"](analysis).svg == drawings["silicon"].svg


def test_the_flagged_hour_is_not_drawn_as_data(drawings):
    data = drawings["operando_map"].data
    empty = np.isnan(data["change_per_s_kev"]).all(axis=1)
    assert empty.any()
    middle = 0.5 * (data["time_start_h"] + data["time_stop_h"])[empty]
    assert np.all((middle > 130 * 8 / 60 - 0.5) & (middle < 137 * 8 / 60 + 0.5))


def test_ledger_draws_values_total_and_independent_errors(analysis, drawings):
    table = analysis.ledgers["default"]
    rows = table.rows_of("discharged")
    data = drawings["ledger"].data
    assert np.array_equal(data["discharged_electrolyte_uAh"], table.values[rows, 1])
    assert np.array_equal(data["discharged_electrolyte_std_uAh"], table.std[rows, 1])
    assert np.array_equal(data["discharged_electrolyte_stat_uAh"], table.stat[rows, 1])
    assert "spent" in drawings["ledger"].caption


def test_stack_marks_the_fitted_layers_errors(drawings):
    data = drawings["stack"].data
    collector = list(data["layer"]).index("anode collector")
    assert data["fitted_rel_std"][collector] == pytest.approx(0.04 / 1.34)
    assert np.isnan(data["fitted_rel_std"][-1])
    assert data["pull"].max() == pytest.approx(6.8)


def test_of_many_parameters_the_largest_pulls_are_drawn(analysis):
    one = analysis.common[0]
    many = tuple(
        replace(one, name=f"stopping:{i}", label=f"layer {i} stopping", value=1 + 0.001 * i)
        for i in range(60)
    )
    drawing = FIGURES["stack"](replace(analysis, common=many))
    pulls = drawing.data["pull"]
    assert pulls.size == 36
    assert pulls.max() == pytest.approx(6.8)
    assert "36 with the largest pulls" in drawing.caption
    assert drawing.png


def test_rebinning_keeps_counts():
    rng = np.random.default_rng(1)
    edges = np.cumsum(rng.uniform(1.0, 4.0, 101))
    counts = rng.poisson(30.0, (3, 100)).astype(float)
    grid = np.linspace(edges[0] - 5, edges[-1] + 5, 23)
    assert np.allclose(rebinned(counts, edges, grid).sum(axis=1), counts.sum(axis=1))
    assert np.allclose(rebinned(counts, edges, edges), counts)


def test_a_state_at_half_the_beam_is_scaled_up(analysis):
    grid = alpha_grid(analysis, 10.0)
    half = tuple(replace(state, monitor=state.monitor / 2) for state in analysis.states)
    _, full, _ = state_rates(analysis, "charged", grid)[0]
    _, weak, _ = state_rates(replace(analysis, states=half), "charged", grid)[0]
    assert np.allclose(weak.value, 2 * full.value)


@pytest.mark.parametrize(
    ("monitor", "beam"), [(np.nan, 1.0), (5.0, np.nan), (0.0, 1.0), (5.0, 0.0)]
)
def test_without_a_usable_monitor_live_time_counts(monitor, beam):
    assert exposure_s(7.0, monitor, beam) == 7.0


def test_shown_cycles_follow_the_paper_where_they_exist():
    assert shown_cycles(list(range(1, 251))) == [1, 2, 10, 30, 100, 250]
    assert shown_cycles([1]) == [1]
    assert shown_cycles(list(range(1, 9)))[-1] == 8


def test_one_cycle_skips_the_cycle_maps_and_says_why():
    drawn, skipped = draw_figures(fake_analysis(1))
    assert set(skipped) == {"charged_map", "discharged_map", "run_map"}
    assert "one cycle" in skipped["charged_map"]
    assert all(drawing.svg for drawing in drawn.values())


def test_without_a_cycler_the_map_against_time_is_skipped():
    _, skipped = draw_figures(fake_analysis(2, cycler=False))
    cycling = {draw.__name__ for draw in CYCLING}
    assert set(skipped) == {"operando_map", "run_map", *cycling, *CAMPAIGN}
    assert skipped["operando_map"] == "no cycler was recorded"


def test_the_map_of_the_whole_run_covers_every_cycle(analysis, drawings):
    hours = drawings["run_map"].data["time_stop_h"][-1]
    steps = [step for step in analysis.steps if step.cycle >= 1]
    assert hours == pytest.approx((steps[-1].stop_s - steps[0].start_s) / 3600, abs=0.2)
    assert hours > drawings["operando_map"].data["time_stop_h"][-1]


def test_lines_break_where_cycles_are_missing():
    x, y = with_gaps(np.array([1, 2, 3, 6, 7]), np.arange(5.0))
    assert np.flatnonzero(np.isnan(x)).tolist() == np.flatnonzero(np.isnan(y)).tolist() == [3]
    assert with_gaps(np.array([4]), np.array([1.0]))[0].tolist() == [4.0]


def test_a_parameter_seen_twice_shows_both_pulls(analysis):
    first = analysis.calibration.parameters[0]
    later = replace(first, value=first.value + first.prior_std)
    data = FIGURES["stack"](replace(analysis, common=(later,))).data
    assert data["pull"][0] == pytest.approx(data["pull_pristine"][0] + 1.0)


def test_the_anode_does_not_spoil_the_colours_of_the_map(drawings):
    axes = drawings["charged_map"].figure.axes[0]
    limit = axes.images[0].get_clim()[1]
    assert limit < 0.5 * np.abs(drawings["charged_map"].data["change_per_s_kev"]).max()


def test_an_analysis_without_states_still_draws_the_pristine_figures(analysis):
    none = np.zeros(0)
    bare = replace(
        analysis, states=(), fits=(), profiles=(), ledgers={}, steps=(), provenance={},
        electrochemistry=None, interlayer=None, window_bias=np.zeros((0, 3)), track=None,
        scale=None, diagnosis=Diagnosis(),
        information_uah=np.zeros((0, 3)), state_parameters=(),
        silicon=MovedSilicon(
            cycle=np.zeros(0, np.int64), amount_1e15=none, std_1e15=none, film_1e15=0.0,
            mean_1e15=0.0, mean_std_1e15=0.0,
        ),
    )  # fmt: skip
    drawn, skipped = draw_figures(bare)
    assert set(drawn) == {"setup", "pristine", "stack", "quality"}
    assert all(skipped.values())
    assert regions_kev(bare) == {}
    with pytest.raises(NothingToDraw):
        state_rates(bare, "charged", alpha_grid(bare, 10.0))


def test_save_figures_writes_three_files_each_and_no_litter(tmp_path, monkeypatch, analysis):
    few = {name: FIGURES[name] for name in ("setup", "silicon")}
    monkeypatch.setattr("lidepth.show.save.FIGURES", few)
    seen = []
    saved = save_figures(analysis, tmp_path / "figures", progress=lambda *step: seen.append(step))
    assert seen == [("setup", 1, 2), ("silicon", 2, 2)]
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == sorted(f"{n}.{k}" for n in few for k in ("svg", "png", "csv"))
    assert sorted(path.name for path in saved.files) == names


def test_a_disk_that_refuses_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot write"):
        write_whole(tmp_path / "file" / "figure.svg", b"x")
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreError):
        write_whole(tmp_path / "taken", b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]
