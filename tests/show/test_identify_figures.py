"""Figures of an identification show its numbers; what has none is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.identify_study import drawn

from lidepth.mechanism.identify.found import Identification
from lidepth.mechanism.identify.identify import identify
from lidepth.show.drawing import NothingToDraw
from lidepth.show.figures.identify import (
    IDENTIFIED,
    identified_losses,
    identified_next,
    identified_odds,
    identified_pairs,
)
from lidepth.show.save import save_identification


@pytest.fixture(scope="module")
def found() -> Identification:
    return identify(drawn(112).seen, draws=60)


@pytest.mark.parametrize("draw", IDENTIFIED, ids=lambda draw: draw.__name__)
def test_every_figure_has_image_numbers_and_caption(draw, found: Identification) -> None:
    drawing = draw(found)
    assert drawing.name == draw.__name__
    assert drawing.png.startswith(b"\x89PNG")
    assert drawing.csv.count("\n") > 2
    assert len(drawing.caption) > 80
    assert draw(found).svg == drawing.svg


def test_odds_in_the_figure_are_those_found(found: Identification) -> None:
    data = identified_odds(found).data
    assert data["probability"].sum() == pytest.approx(1.0)
    assert data["ln_evidence"].max() == 0.0


def test_without_losses_and_growth_their_figures_are_left_out(
    found: Identification, tmp_path: Path
) -> None:
    nothing = replace(found, losses=(), next_steps=(), samples=np.full_like(found.samples, np.nan))
    for draw in (identified_losses, identified_next, identified_pairs):
        with pytest.raises(NothingToDraw):
            draw(nothing)
    names = {file.stem for file in save_identification(nothing, tmp_path)}
    assert names == {"identified_growth", "identified_odds", "identified_numbers"}
