"""Figures of a cycler log, and what the report says of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lidepth.analysis.electrochemistry.examine import examine
from lidepth.model.cycling import CyclerLog
from lidepth.show.drawing import NothingToDraw
from lidepth.show.figures import CYCLING
from lidepth.show.figures.cycling import capacity, composition, normalised_curves, voltage_curves
from lidepth.show.report import render_report
from lidepth.show.save import save_cycling

START = np.datetime64("2020-01-01", "ns")


def log_of(*phases: tuple[float, float, float, float], beat_s: float = 60.0) -> CyclerLog:
    """Hours, current in uA, first and last voltage of each phase."""
    hours, currents, lows, highs = np.array(phases).T
    ends = np.cumsum(hours) * 3600.0
    time = np.unique(np.concatenate([np.arange(0.0, ends[-1], beat_s), [0.0], ends]))
    phase = np.minimum(np.searchsorted(ends, time, side="right"), hours.size - 1)
    share = (time - (ends - hours * 3600.0)[phase]) / (hours[phase] * 3600.0)
    return CyclerLog(
        time=START + (time * 1e9).round().astype("timedelta64[ns]"),
        voltage_v=lows[phase] + share * (highs - lows)[phase], current_ua=currents[phase],
    )  # fmt: skip


REST, CHARGE, DISCHARGE = (1.0, 0.0, 3.5, 3.5), (4.0, 10.0, 3.0, 4.0), (4.0, -10.0, 4.0, 3.0)
FAST = ((2.0, 20.0, 3.1, 4.0), (2.0, -20.0, 3.9, 3.0))


def test_curves_of_two_currents_get_panels_of_their_own() -> None:
    found = examine(log_of(REST, CHARGE, REST, DISCHARGE, REST, *FAST, REST))
    titles = [axes.get_title("left") for axes in voltage_curves(found).figure.axes]
    assert sorted(titles) == [
        "charge, 10 µA", "charge, 20 µA", "discharge, 10 µA", "discharge, 20 µA",
    ]  # fmt: skip


def test_the_drawn_numbers_are_those_of_the_log() -> None:
    found = examine(log_of(REST, CHARGE, REST, DISCHARGE, REST))
    data = voltage_curves(found).data
    assert data["charge_1_V"][0] == 3.0
    assert data["charge_1_time_h"][-1] == pytest.approx(4.0, abs=0.02)
    assert np.all(np.diff(normalised_curves(found).data["charge_1_share"]) > 0)
    drawn = capacity(found).data
    assert drawn["charge_uAh"] == pytest.approx([40.0])
    assert drawn["efficiency_percent"] == pytest.approx([100.0])
    assert drawn["moved_after_uAh"] == pytest.approx([80.0])


def test_a_log_of_one_half_cycle_is_drawn_without_its_other_half() -> None:
    found = examine(log_of(REST, CHARGE, REST))
    figures = [draw(found) for draw in CYCLING[:-1]]
    assert all(figure.png for figure in figures)
    with pytest.raises(NothingToDraw):
        composition(found)


def test_a_log_that_is_cut_on_both_sides_has_no_curves() -> None:
    found = examine(log_of(CHARGE, DISCHARGE))
    for draw in CYCLING:
        with pytest.raises(NothingToDraw):
            draw(found)


def test_figures_of_a_log_alone_are_written_with_their_numbers(tmp_path) -> None:
    files = save_cycling(examine(log_of(REST, CHARGE, REST, DISCHARGE, REST)), tmp_path)
    assert len(files) == 3 * 4
    assert {file.suffix for file in files} == {".svg", ".png", ".csv"}


def test_the_report_says_what_the_curves_exclude_and_cannot_tell(analysis) -> None:
    page = render_report(analysis, {})
    for statement in analysis.electrochemistry.losses:
        assert f"{statement.loss}: {statement.verdict}." in page
    assert "What the voltage curves tell" in page
    without = render_report(replace(analysis, electrochemistry=None), {})
    assert "What the voltage curves tell" not in without
