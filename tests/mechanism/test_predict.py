"""Predictions have the bands of their draws, and remedies do what they are for."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from lidepth.errors import BadInput, OutOfRange
from lidepth.mechanism.growth import ReducedLaw
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.predict import LEVELS, REMEDIES, predict, remedied, spread, what_if
from lidepth.mechanism.protocol import paper_protocol
from lidepth.show.drawing import NothingToDraw
from lidepth.show.figures.prediction import prediction

PROTOCOL = paper_protocol(4, current_ua=20.0, long_rest_s=3600.0)


def test_draws_have_the_scatter_that_was_asked_for() -> None:
    cells = spread(CellParameters(), 400, seed=3, rel_std={"silicon_nm": 0.05,
                   "growth.li_per_silicon": 0.2})  # fmt: skip
    for values, middle, std in (
        ([c.silicon_nm for c in cells], 50.0, 0.05),
        ([c.growth.li_per_silicon for c in cells], 4.0, 0.2),
    ):
        logs = np.log(np.array(values) / middle)
        # Of 400 draws the mean is good to a twentieth of a sigma, sigma to 3.5 %: three of each.
        assert abs(logs.mean()) < 0.15 * std
        assert logs.std() == pytest.approx(std, rel=0.11)
    again = spread(CellParameters(), 3, seed=3)
    assert [c.silicon_nm for c in again] == [
        c.silicon_nm for c in spread(CellParameters(), 3, seed=3)
    ]


def test_a_law_is_spread_by_what_it_has() -> None:
    (cell,) = spread(CellParameters(growth=ReducedLaw()), 1)
    assert cell.growth.li_per_silicon != 4.0
    for name in ("growth.diffusivity_nm2_cm2_uah", "silicon_cells", "colour"):
        with pytest.raises(BadInput, match=name):
            spread(CellParameters(growth=ReducedLaw()), 1, rel_std={name: 0.1})
    with pytest.raises(OutOfRange):
        spread(CellParameters(), 1, rel_std={"silicon_nm": -0.1})


def test_bands_are_quantiles_and_one_cell_has_none() -> None:
    alone = predict([CellParameters()], PROTOCOL)
    assert np.ptp(alone.capacity_uah, axis=0) == pytest.approx(0.0, abs=1e-12)
    found = predict(spread(CellParameters(), 6), PROTOCOL)
    assert found.capacity_uah.shape == (len(LEVELS), 4)
    assert np.all(np.diff(found.capacity_uah, axis=0) >= 0)
    assert found.capacity_uah[2] == pytest.approx(alone.capacity_uah[0], rel=0.1)
    with pytest.raises(BadInput, match="one cell at least"):
        predict([], PROTOCOL)


def test_remedies_keep_the_lithium_and_cost_what_they_cost() -> None:
    found = {one.name: one for one in what_if([CellParameters()], PROTOCOL)}
    assert set(found) == set(REMEDIES)
    assert found["as it is"].qe_uah[2, -1] > 1.0
    for name in ("protective layer", "saturated electrolyte"):
        assert found[name].qe_uah[2, -1] == pytest.approx(0.0, abs=1e-9)
        assert np.all(found[name].capacity_uah[2] > found["as it is"].capacity_uah[2])
    thin = remedied(CellParameters(), "thin electrolyte")
    assert thin.resistance_ohm_cm2 == pytest.approx(100.0)
    with pytest.raises(BadInput, match="prayer"):
        remedied(CellParameters(), "prayer")


def test_the_end_is_found_where_the_curve_passes_it() -> None:
    found = predict([CellParameters()], PROTOCOL)
    curve = found.capacity_uah[2]
    share = 0.5 * float(curve[1] + curve[2]) / float(curve[0])
    assert found.cycles_to(share) == (3.0, 3.0, 3.0)
    assert found.cycles_to(0.1) == (math.inf,) * 3


def test_a_prediction_is_drawn_with_all_its_bands() -> None:
    found = what_if(spread(CellParameters(), 2), PROTOCOL, REMEDIES[:2])
    drawing = prediction(found)
    assert np.array_equal(drawing.data["as it is capacity q50 uAh"], found[0].capacity_uah[2])
    assert len(drawing.data) == 1 + 2 * 2 * len(LEVELS)
    with pytest.raises(NothingToDraw):
        prediction([])
    with pytest.raises(NothingToDraw):
        prediction([replace(found[0], cycle=np.array([], dtype=np.int64))])
