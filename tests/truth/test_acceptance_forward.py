"""Acceptance of the forward model: row 1 of the table, and the smoother's short cut through it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from acceptance import C1, DWELL_S, MANY, Cell, Summed, plan_of, told
from numpy.typing import NDArray

from lidepth.analysis.build import build_model
from lidepth.analysis.calibrate import calibrate
from lidepth.analysis.campaign.cellstate import BACK, CATHODE, FLUX, HATS, OFFSET, SILICON
from lidepth.analysis.campaign.smooth import Campaign, campaign_of, starting_point
from lidepth.analysis.forward import ANODE as ANODE_PLACE
from lidepth.analysis.forward import CATHODE as CATHODE_PLACE
from lidepth.analysis.forward import ForwardModel, Setting
from lidepth.analysis.invert import invert
from lidepth.analysis.parameters import shared_parameters
from lidepth.analysis.reduce import reduce_run
from lidepth.model.calibration import Calibration
from lidepth.model.material import Material
from lidepth.model.result import Run
from lidepth.model.stack import Stack
from lidepth.physics.montecarlo import sigma68, simulate
from lidepth.physics.reactions import projectile
from lidepth.physics.response import EdgeEnergies, propagate
from lidepth.physics.stopping import StoppingSource, stopping_source, total
from lidepth.virtual.plan import CampaignPlan, Cycling
from lidepth.virtual.spectra import simulate_campaign
from lidepth.virtual.transit import Passage

Floats = NDArray[np.float64]

pytestmark = pytest.mark.nightly

SHARED = Summed(stopping_source("icru49"))
PARTICLES = ("alpha", "triton")
SETTING = Setting(exposure=1.0, live_s=1.0)
LITHIUM_PER_SILICON = 3.0
HISTORIES = 20_000  # know a mean to 0.3 keV and a width to 0.5 %


@lru_cache
def run() -> Run:
    return Cell.of(plan_of(C1), SHARED).measured(MANY)


def model_of(run: Run, source: StoppingSource) -> ForwardModel:
    return build_model(run, source, cycles=1).with_parameters(
        shared_parameters(run.stack, run.instrument, rate=3e-3, background=0.002)
    )


@lru_cache
def ways(particle: str, lithium_1e15: float) -> tuple[ForwardModel, EdgeEnergies]:
    """Analysis: exit energies and straggling with so much lithium moved into the anode."""
    model = model_of(run(), SHARED)
    state = np.zeros(model.state_size)
    state[[ANODE_PLACE, CATHODE_PLACE]] = lithium_1e15
    shared = model.parameters.start
    (tables,) = (p for p in model.particles if p.name == particle)
    column = model.column(tables, shared, SETTING, model.gained(shared, SETTING, state))
    return model, propagate(column)


def charged_stack(lithium_1e15: float) -> Stack:
    """The cell with lithium in its silicon and out of its cathode, as materials of their own."""
    layers = list(run().stack.layers)
    for place, sign in ((2, 1.0), (4, -1.0)):
        layer = layers[place]
        atoms = {s: f * layer.areal_density_1e15 for s, f in layer.material.fractions.items()}
        atoms["Li"] = atoms.get("Li", 0.0) + sign * lithium_1e15
        formula = "".join(f"{s}{n / max(atoms.values()):.6f}" for s, n in atoms.items() if n > 0)
        other = Material(formula=formula, density_g_cm3=layer.material.density_g_cm3)
        thickness = sum(atoms.values()) / other.atoms_1e15_per_nm
        layers[place] = replace(layer, material=other, thickness_nm=thickness)
    return Stack(layers=tuple(layers))


@pytest.mark.parametrize("particle", PARTICLES)
@pytest.mark.parametrize("charged", [False, True], ids=["pristine", "charged"])
def test_means_and_widths_are_those_of_a_monte_carlo(particle: str, charged: bool) -> None:
    """Row 1: at every interface of the cell within 0.8 keV and 3 %."""
    film = run().stack.layer("anode").areal_density_1e15
    lithium = LITHIUM_PER_SILICON * film if charged else 0.0
    model, found = ways(particle, lithium)
    stack, ion = charged_stack(lithium), projectile(particle)
    stopping = [lambda e, m=layer.material: total(SHARED, ion, m, e) for layer in stack]
    (birth,) = (p.birth_kev for p in model.particles if p.name == particle)
    means, widths = [], []
    for layer in range(2, 6):  # the fronts of anode, electrolyte, cathode, and its back
        walked = simulate(
            stack, stopping, ion, depth_1e15=float(stack.interfaces_1e15[layer]),
            birth_energy_kev=birth, emission_angle_deg=0.0, histories=HISTORIES, seed=layer,
            scattering=False,
        ).exit_energy_kev  # fmt: skip
        edge = int(np.searchsorted(model.grid.layer, layer))
        means.append(found.exit_kev[edge] - walked.mean())
        widths.append(np.sqrt(found.variance_kev2[edge]) / sigma68(walked) - 1.0)
    told(
        f"row 1, Monte Carlo, {particle}, {charged=}",
        means=np.array(means),
        widths=np.array(widths),
    )
    assert np.abs(means).max() <= 0.8, means
    assert np.abs(widths).max() <= 0.03, widths


@pytest.mark.parametrize("particle", PARTICLES)
@pytest.mark.parametrize("charge", [0.0, 1.0], ids=["pristine", "charged"])
def test_means_and_widths_are_those_of_the_virtual_cell(particle: str, charge: float) -> None:
    """Row 1: the same bounds, at every edge of the analysis's cells."""
    cell = Cell.of(plan_of(C1), SHARED)
    uah = charge * cell.plan.cycling.first_charge_uah
    model, found = ways(particle, cell.plan.li_1e15(uah))
    history = cell.history
    contents = np.array([[uah, 0.0, uah]])
    out = Passage(particle, history, SHARED).out(
        history.lithium_1e15(contents), history.silicon_1e15(contents), 0.0
    )
    first = model.grid.stack.index("anode")
    edges = np.flatnonzero(np.append(model.grid.layer, first) >= first)
    depth = model.grid.depth_nm[edges] - run().stack.interfaces_nm[first]
    fine = np.concatenate([[0.0], np.cumsum(history.cells.width_nm)])
    energy = np.interp(depth, fine, out.energy_kev[:, 0])
    sigma = np.interp(depth, fine, out.sigma_kev[:, 0])
    means = found.exit_kev[edges] - energy
    widths = np.sqrt(found.variance_kev2[edges]) / sigma - 1.0
    told(
        f"row 1, virtual, {particle}, {charge=}", mean=float(np.abs(means).max()),
        width=float(np.abs(widths).max()),
    )  # fmt: skip
    assert np.abs(means).max() <= 0.8, means
    assert np.abs(widths).max() <= 0.03, widths


def test_every_particle_is_counted_once() -> None:
    """Row 1: on an axis wide enough, counts are those born, to 1e-9."""
    wide = Calibration(offset_kev=-300.0, gain_kev=3.7)
    made = run()
    model = model_of(replace(made, instrument=replace(made.instrument, calibration=wide)), SHARED)
    shared, state = model.parameters.start, np.zeros(model.state_size)
    state[[ANODE_PLACE, CATHODE_PLACE]] = 700.0
    at = model.predict(shared, SETTING, state)
    counted = sum(float(counts.sum()) for counts in at.raw.values())
    born = sum(model.share(p, shared) for p in model.particles) * float(at.born.sum())
    told("row 1, counts", error=counted / born - 1.0)
    assert counted == pytest.approx(born, rel=1e-9)


# --- the smoother's response --------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """A campaign of three cycles, linear about the fit of its states."""

    campaign: Campaign
    shared: Floats
    states: Floats


@lru_cache
def prepared() -> Prepared:
    source = stopping_source("icru49")
    plan = CampaignPlan(seed=2, cycling=Cycling(current_ua=30.0))
    made = simulate_campaign(plan, source=source).run
    reduction = reduce_run(made)
    calibrated = calibrate(made, build_model(made, source, cycles=3), reduction.pristine)
    campaign = campaign_of(made, reduction, calibrated)
    return Prepared(campaign, *starting_point(campaign, invert(made, calibrated, reduction)))


def test_between_anchors_the_response_is_the_exact_one() -> None:
    """Row 1: no bin of thirty spectra is off by more than 0.3 of its standard error."""
    campaign, shared, states = prepared().campaign, prepared().shared, prepared().states
    linear, seen, mask = campaign.linearisation, campaign.spectra, campaign.calibrated.mask
    worst, distance = 0.0, 0.0
    for (first, last), i in zip(pairwise(campaign.anchors), range(len(states)), strict=False):
        begin, end = (
            linear.anchor(int(campaign.anchors[j]), shared, states[j]) for j in (i, i + 1)
        )
        k = int(first + last) // 2
        _, (fast,), (state,) = linear._between(np.array([k]), begin, end)
        setting = Setting(
            exposure=float(seen.exposure[k]), live_s=float(seen.live_s[k]),
            run_fraction=float(seen.run_fraction[k]), cycle=1.0,
        )  # fmt: skip
        exact = campaign.cell.expected(shared, setting, state)[mask]
        sigma = np.sqrt(exact * DWELL_S / seen.live_s[k] / MANY)
        worst = max(worst, float(np.max(np.abs(fast - exact) / sigma)))
        distance = max(distance, float(np.sqrt(np.sum(((fast - exact) / sigma) ** 2))))
    told("row 1, fast response", worst=worst, all_bins=distance)
    assert worst <= 0.3


def test_the_jacobian_is_that_of_finite_differences() -> None:
    """Row 1: every column of the smoother's derivatives to 1e-2 of its largest entry."""
    campaign, shared = prepared().campaign, prepared().shared
    cell, state = campaign.cell, prepared().states[len(prepared().states) // 2]
    setting = Setting(exposure=1e4, live_s=1e4, run_fraction=0.5, cycle=1.0)
    _, by_state, by_shared, _ = cell.linearised(shared, setting, state)
    steps = np.full(cell.size, 1e-3)
    steps[[FLUX, OFFSET, BACK, CATHODE, SILICON]] = [1e-4, 0.02, 1e-3, 0.5, 0.5]
    assert steps.size > HATS
    worst = {}
    for place, step in enumerate(steps):
        move = step * np.eye(cell.size)[place]
        up, down = (cell.expected(shared, setting, state + s * move) for s in (0.5, -0.5))
        worst[f"state {place}"] = _off(by_state[:, place], (up - down) / step)
    for place, item in enumerate(cell.items):
        step = 0.01 * item.scale
        move = step * np.eye(cell.shared)[place]
        up, down = (cell.expected(shared + s * move, setting, state) for s in (0.5, -0.5))
        worst[item.name] = _off(by_shared[:, place], (up - down) / step)
    name = max(worst, key=lambda key: worst[key])
    told("row 1, Jacobian", worst=worst[name], where=name)
    assert worst[name] <= 1e-2, (name, worst[name])


def _off(found: Floats, difference: Floats) -> float:
    """Largest difference of two columns over the largest entry; zero where both are."""
    largest = float(np.abs(difference).max())
    return float(np.abs(found - difference).max()) / largest if largest > 0 else 0.0
