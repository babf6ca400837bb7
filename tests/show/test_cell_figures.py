"""Figures of a model cell show the numbers of its history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lidepth.mechanism.cell import Cell
from lidepth.mechanism.history import CellHistory, run_protocol
from lidepth.mechanism.protocol import Phase, Protocol, paper_protocol
from lidepth.show.animation import chosen_cycles, save_animation
from lidepth.show.drawing import NothingToDraw
from lidepth.show.figures.cell import CELL, cell_capacity, cell_curves, cell_states, state_times


@pytest.fixture(scope="module")
def history() -> CellHistory:
    return run_protocol(Cell(), paper_protocol(3))


@pytest.mark.parametrize("draw", CELL)
def test_every_figure_has_image_numbers_and_caption(draw, history: CellHistory) -> None:
    drawing = draw(history)
    assert drawing.png.startswith(b"\x89PNG")
    assert drawing.csv.count("\n") > 2
    assert len(drawing.caption) > 80
    assert draw(history).svg == drawing.svg


def test_the_five_states_are_those_of_figure_5e(history: CellHistory) -> None:
    drawing = cell_states(history, [1])
    data = drawing.data
    charged = history.profile(state_times(history, 1)["charged"])
    assert np.array_equal(data["cycle1_charged_Li_per_nm3"], 10.0 * charged.lithium_per_nm)
    anode = charged.layer == 0
    # Lithium comes with charging and mostly leaves; the film swells; the interlayer stays.
    for name, full in (("pristine", False), ("charged", True), ("discharged", False)):
        lithium = data[f"cycle1_{name}_Li_per_nm3"]
        assert (lithium[anode].mean() > 30.0) == full
        assert (data[f"cycle1_{name}_from_nm"][0] < -100.0) == full
    near = int(np.argmax(charged.layer == 1))
    silicon = [
        float(data[f"cycle1_{name}_Si_per_nm3"][near])
        for name in ("pristine", "charging", "charged", "discharging", "discharged")
    ]
    assert silicon[0] == 0.0
    assert silicon[0] < silicon[1] < silicon[2]
    assert silicon[3:] == pytest.approx([silicon[2]] * 2, rel=1e-9)


def test_capacities_are_drawn_against_cycle_and_throughput(history: CellHistory) -> None:
    data = cell_capacity(history).data
    assert np.array_equal(data["capacity_uAh"], history.capacity_uah())
    assert data["throughput_mAh"][-1] * 1e3 == pytest.approx(history.capacity_uah("charge").sum())
    assert data["sum_uAh"] == pytest.approx(data["cathode_uAh"], abs=1e-8)


def test_curves_begin_and_end_at_the_cut_offs(history: CellHistory) -> None:
    data = cell_curves(history).data
    assert data["cycle_2_charge_V"][-1] == pytest.approx(4.0, abs=1e-6)
    assert data["cycle_2_discharge_V"][-1] == pytest.approx(3.0, abs=1e-6)


def test_without_a_whole_cycle_there_is_nothing_to_draw() -> None:
    rest = Protocol(phases=(Phase(kind="rest", cycle=0, current_ua=0.0, longest_s=60.0),))
    history = run_protocol(Cell(), rest)
    for draw in CELL:
        with pytest.raises(NothingToDraw):
            draw(history)
    with pytest.raises(NothingToDraw, match="cycle 9"):
        state_times(history, 9)


def test_the_animation_has_a_frame_per_chosen_cycle(history: CellHistory, tmp_path: Path) -> None:
    from PIL import Image

    assert chosen_cycles(history).tolist() == [1, 2, 3]
    file = save_animation(history, tmp_path / "cell.gif", [1, 3])
    with Image.open(file) as picture:
        assert picture.n_frames == 2
        assert picture.size == (710, 280)
        first = np.asarray(picture.convert("RGB"))
        picture.seek(1)
        assert not np.array_equal(first, np.asarray(picture.convert("RGB")))
    assert {entry.name for entry in tmp_path.iterdir()} == {"cell.gif"}
