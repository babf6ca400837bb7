"""The Monte Carlo against the closed formulas, and against itself."""

from __future__ import annotations

import ast
import inspect
from functools import lru_cache

import numpy as np
import pytest

from lidepth.errors import BadData, OutOfRange
from lidepth.model.stack import Stack
from lidepth.physics import montecarlo
from lidepth.physics.broadening import energy_widths
from lidepth.physics.montecarlo import sigma68, simulate
from lidepth.physics.reactions import projectile
from lidepth.physics.stopping import stopping_source
from lidepth.physics.transport import StackTransport, stack_transport

BIRTH_KEV = {"alpha": 2055.0, "triton": 2727.0}
CELL = Stack.parse(
    "Cu 150 nm @ 8.96 g/cm^3 | Si 50 nm @ 2.33 g/cm^3 | Li3PO4 2 um @ 2.5 g/cm^3"
    " | LiCoO2 550 nm @ 5.05 g/cm^3 | Pt 200 nm @ 21.45 g/cm^3"
)
HISTORIES = 6000


@lru_cache(maxsize=2)
def transport(name: str) -> StackTransport:
    return stack_transport(CELL, stopping_source("icru49"), projectile(name))


def run(name: str = "alpha", edge: int = 3, angle: float = 0.0, **changes):
    settings = {
        "depth_1e15": float(CELL.interfaces_1e15[edge]),
        "birth_energy_kev": BIRTH_KEV[name],
        "emission_angle_deg": angle,
        "histories": HISTORIES,
        "seed": 7,
    }
    stopping = [table.stopping for table in transport(name).tables]
    return simulate(CELL, stopping, projectile(name), **{**settings, **changes})


def formula(name: str, edge: int, angle: float, fixed: str):
    return energy_widths(
        transport(name).at_angle(angle),
        CELL,
        projectile(name),
        depth_1e15=CELL.interfaces_1e15[edge],
        birth_energy_kev=BIRTH_KEV[name],
        fixed_direction=fixed,
    )


@pytest.mark.parametrize("angle", [0.0, 30.0, 45.0, 60.0])
def test_without_noise_every_history_has_the_energy_of_the_range_tables(angle):
    got = run(angle=angle, histories=1, straggling=False, scattering=False).exit_energy_kev[0]
    expected = float(
        transport("alpha").at_angle(angle).exit_energy(CELL.interfaces_1e15[3], 2055.0)
    )
    # The midpoint rule in 50 steps of up to 30 keV: some 0.1 keV.
    assert got == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize("name", ["alpha", "triton"])
@pytest.mark.parametrize("angle", [0.0, 30.0, 45.0, 60.0])
def test_widths_of_particles_sent_off_in_one_direction_are_those_of_the_formula(name, angle):
    histories = run(name, angle=angle)
    expected = float(formula(name, 3, angle, "birth").total_kev)
    # 6000 histories fix a sigma68 to 1.2 %; three of these, and 2 % for the formula's first order.
    assert sigma68(histories.exit_energy_kev[histories.left]) == pytest.approx(expected, rel=0.056)


@pytest.mark.parametrize(("name", "angle"), [("alpha", 30.0), ("triton", 45.0), ("triton", 60.0)])
def test_widths_seen_by_a_far_detector_are_those_of_the_formula(name, angle):
    histories = run(name, angle=angle, histories=40_000, emission_half_width_deg=25.0)
    seen = histories.leaving_near(angle, 0.75)
    expected = float(formula(name, 3, angle, "exit").total_kev)
    # About 1200 seen: 2.7 % standard error, three of them; the window itself adds less than 1 %.
    assert sigma68(seen) == pytest.approx(expected, rel=0.09)


def test_the_far_detector_formula_falls_short_where_scattering_is_large():
    histories = run(angle=45.0, histories=40_000, emission_half_width_deg=25.0)
    ratio = sigma68(histories.leaving_near(45.0, 0.75)) / float(
        formula("alpha", 3, 45.0, "exit").total_kev
    )
    # Known limit of the first order at 45 deg: 15 to 30 % too narrow; 3 % statistics.
    assert 1.0 < ratio < 1.35


def test_the_same_seed_gives_the_same_histories_and_another_does_not():
    one, two, three = (run(histories=50, seed=seed).exit_energy_kev for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


def test_half_the_step_gives_the_same_width():
    coarse, fine = (sigma68(run(angle=30.0, steps=steps).exit_energy_kev) for steps in (24, 96))
    # Two sigma68 of 6000 histories each: 1.7 % of their ratio, three times.
    assert coarse == pytest.approx(fine, rel=0.05)


def test_particles_that_stop_have_no_energy():
    histories = run(edge=5, angle=60.0, histories=500)
    assert not histories.left.all()
    assert np.all(histories.exit_energy_kev[~histories.left] == 0.0)


def test_a_birth_at_the_surface_comes_out_unchanged():
    histories = run(depth_1e15=0.0, histories=5)
    np.testing.assert_array_equal(histories.exit_energy_kev, 2055.0)


def test_the_monte_carlo_uses_no_range_table():
    tree = ast.parse(inspect.getsource(montecarlo))
    names = {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }  # fmt: skip
    assert not names & {"RangeTable", "range_of_root", "root_of_range", "energy_after"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"depth_1e15": -1.0}, OutOfRange),
        ({"depth_1e15": 1e9}, OutOfRange),
        ({"histories": 0}, OutOfRange),
    ],
)
def test_what_cannot_be_is_refused(changes, error):
    with pytest.raises(error):
        run(**changes)


def test_one_stopping_function_per_layer_is_required():
    with pytest.raises(BadData):
        simulate(
            CELL, [], projectile("alpha"), depth_1e15=1.0, birth_energy_kev=2055.0,
            emission_angle_deg=0.0, histories=1, seed=1,
        )  # fmt: skip
