"""A plan drawn and told: nothing is computed, nothing is left unsaid."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from lidepth.analysis.planning import Answer, Need
from lidepth.show.drawing import NothingToDraw
from lidepth.show.figures.planning import planning
from lidepth.show.planning import duration, need_words, plan_lines, plan_table, verdict

TIME_S = np.geomspace(60.0, 1e6, 9)
ANSWER = Answer(
    question="5 % loss in the electrolyte", quantity="lithium in the electrolyte",
    unit="% of the first charge", target=1.5, error=2.0, alone=4.0, floor=0.2, planned_s=3600.0,
    time_s=TIME_S, curve=np.hypot(2.0 * np.sqrt(3600.0 / TIME_S), 0.2),
    time_label="counting time of a state",
    needs=(
        Need(name="counting time", value=6400.0, planned=3600.0, unit="s"),
        Need(name="cycles", value=2.0, planned=1.0, unit=""),
        Need(name="distance", value=math.nan, planned=1.0, unit="x", remark="not at 0.25"),
        Need(name="FWHM", value=50.0, planned=18.0, unit="keV", remark="this wide at least"),
    ),
    limits=(("counting", 0.9), ("energy scale", 0.07), ("stack", 0.01)),
    floor_limits=(("stack", 0.8),), remarks=("the first charge is taken as 60 uAh",),
)  # fmt: skip
NEVER = replace(
    ANSWER, floor=1.8,
    needs=tuple(replace(need, value=math.nan) for need in ANSWER.needs),
)  # fmt: skip


def test_every_question_has_a_panel_and_its_numbers():
    drawing = planning([ANSWER, NEVER, ANSWER])
    visible = [axes for axes in drawing.figure.axes if axes.get_visible()]
    assert len(visible) == 3
    assert np.array_equal(drawing.data["error_2"], NEVER.curve)
    assert float(drawing.data["target_1"][0]) == 1.5
    assert drawing.png.startswith(b"\x89PNG")
    assert planning([ANSWER]).svg == planning([ANSWER]).svg
    assert len(drawing.caption) > 80


def test_the_target_the_floor_and_the_plan_are_drawn_where_they_are():
    (axes,) = planning([ANSWER]).figure.axes
    levels = {tuple(line.get_ydata()) for line in axes.get_lines()}
    assert {(1.5, 1.5), (0.2, 0.2), (2.0,)} <= levels
    low, high = axes.get_ylim()
    assert low < 0.2
    assert high > float(ANSWER.curve.max())


def test_no_question_is_nothing_to_draw():
    with pytest.raises(NothingToDraw):
        planning([])


def test_the_table_has_a_row_per_question_and_fits_a_terminal():
    console = Console(width=80, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(plan_table([ANSWER, NEVER]))
    text = captured.get()
    assert "107 min" in text
    assert "≥ 50 keV" in text
    assert "4 %" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_verdicts_say_what_would_do_or_why_nothing_does():
    assert verdict(ANSWER) == (
        "not yet (2 % of 1.5 % needed); 107 min would suffice (counting time of a state)"
    )
    assert verdict(replace(ANSWER, error=1.0)).startswith("the plan suffices")
    assert verdict(NEVER).endswith("the error stays above 1.8 %, set by stack 80 %")
    nearer = replace(NEVER, needs=(replace(NEVER.needs[0]), replace(ANSWER.needs[2], value=0.5)))
    assert verdict(nearer).endswith("what would: distance 0.5 ×")
    lines = plan_lines([ANSWER])
    assert lines[1].strip() == "limited by counting 90 %, energy scale 7 %"
    assert lines[2].strip() == "the first charge is taken as 60 uAh"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(30.0, "30 s"), (150.0, "2.5 min"), (8000.0, "2.22 h"), (4e5, "4.63 d"), (math.nan, "—")],
)
def test_times_are_told_in_the_unit_that_suits_them(seconds, words):
    assert duration(seconds) == words


def test_an_impossible_need_is_a_dash_and_a_missing_one_nothing():
    assert need_words(NEVER.needs[0]) == "—"
    assert need_words(None) == ""
    assert need_words(ANSWER.needs[1]) == "2"
