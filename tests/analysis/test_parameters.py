"""What is believed of the stack before the data."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made import described_run

from lidepth.analysis.build import build_model
from lidepth.analysis.parameters import (
    BEND_STOPPING,
    COMPOUND_STOPPING,
    SHAPE_STOPPING,
    shared_parameters,
)
from lidepth.model.stack import Stack
from lidepth.physics.stopping import stopping_source

SULPHIDE = (
    "Kapton 2000 nm | Cu 150 nm | Si 50 nm [anode] | Li3PS4 2000 nm @ 1.9 g/cm^3 [electrolyte] "
    "| LiCoO2 550 nm @ 4.45 g/cm^3 [cathode] | Pt 200 nm"
)


def priors(stack: Stack) -> dict[str, float]:
    run = replace(described_run(), stack=stack)
    model = build_model(run, stopping_source("icru49"), cycles=3)
    parameters = shared_parameters(
        stack, run.instrument, rate=1.0, background=1.0, disputed=model.disputed
    )
    return {item.name: item.std for item in parameters.items}


def test_a_sulphide_s_stopping_is_believed_less_than_an_oxide_s() -> None:
    found = priors(Stack.parse(SULPHIDE))
    # Sulphur is one of the elements in which the default source misses SRIM's alphas by 10 to 20 %.
    for name, usual in (
        ("stopping", COMPOUND_STOPPING), ("shape", SHAPE_STOPPING), ("bend", BEND_STOPPING),
    ):  # fmt: skip
        assert found[f"{name}:3"] > 1.3 * usual
        assert found[f"{name}:4"] == pytest.approx(usual)


def test_the_published_cell_s_stopping_is_believed_as_usual() -> None:
    found = priors(described_run().stack)
    assert found["stopping:3"] == found["stopping:4"] == COMPOUND_STOPPING
