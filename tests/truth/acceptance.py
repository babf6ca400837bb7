"""States of a virtual cell, measured many times: what the acceptance tests are about.

The truth is lidepth.virtual's: cells of 4 nm, transit step by step, stopping summed over the
elements.  A spectrum is the expected one with Poisson noise.  All figures in per cent of the first
charge, in the order anode, electrolyte, cathode.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.account import account
from lidepth.analysis.build import build_model
from lidepth.analysis.calibrate import Calibrated, calibrate, misfit_factor
from lidepth.analysis.invert import Inversion, invert
from lidepth.analysis.parameters import (
    COMPOUND_STOPPING,
    CONTENT,
    COULOMB_LOSS,
    ELEMENT_STOPPING,
)
from lidepth.analysis.reduce import Reduction, reduce_run
from lidepth.model.calibration import Calibration
from lidepth.model.ledger import Ledger
from lidepth.model.material import Material
from lidepth.model.result import Run
from lidepth.model.spectra import SpectrumSeries
from lidepth.model.stack import Layer, Stack
from lidepth.physics.reactions import Projectile
from lidepth.physics.stopping import StoppingSource, stopping_source
from lidepth.virtual.cycler import log_of
from lidepth.virtual.expected import ExpectedSpectra, expected_spectra
from lidepth.virtual.history import History, history_of
from lidepth.virtual.plan import CampaignPlan, Cycling, Growth, Shape, paper_stack

Floats = NDArray[np.float64]

DWELL_S = 480.0
PRISTINE = 100  # spectra of 8 minutes
FEW, MANY = 7.5, 30.0  # spectra of a state; the former is the published rest of an hour
RESIDUE = 0.10
_GROWTH_CYCLES = 9.0
STACK = paper_stack(2000.0)


def told(name: str, **figures: object) -> None:
    """Add figures for the docs, a line of JSON, to the file that LIDEPTH_FIGURES names, if any."""
    if file := os.environ.get("LIDEPTH_FIGURES"):
        plain = {k: np.round(v, 4).tolist() if isinstance(v, np.ndarray) else v
                 for k, v in figures.items()}  # fmt: skip
        with Path(file).open("a") as lines:
            lines.write(json.dumps({"name": name, **plain}) + "\n")


@dataclass(frozen=True, kw_only=True)
class State:
    """One true state: the end of charge or of discharge of one cycle."""

    name: str
    cycle: int
    electrolyte: float  # of the first charge
    half: str
    shape: Shape = "front"
    width_nm: float = 40.0

    @property
    def row(self) -> int:
        """Its row in a ledger of the two rests of its cycle."""
        return 0 if self.half == "charged" else 1


C1 = State(name="c1", cycle=1, electrolyte=0.12, half="charged")
C30 = State(name="c30", cycle=30, electrolyte=0.34, half="discharged")
C250 = State(name="c250", cycle=250, electrolyte=0.49, half="discharged")
TAILED = State(
    name="c250 exponential", cycle=250, electrolyte=0.49, half="discharged", shape="exponential",
    width_nm=150.0,
)  # fmt: skip
STATES = (C1, C30, C250, TAILED)


def plan_of(state: State, *, silicon_cap: float = 0.0, coulomb_loss: float = 0.0) -> CampaignPlan:
    """A cell that comes to ``state`` quickly and rests there for the longest rest of any test."""
    grown = -math.expm1(-state.cycle / _GROWTH_CYCLES)
    return CampaignPlan(
        stack=STACK, printed_stack=STACK,
        growth=Growth(
            fast=state.electrolyte / grown, fast_cycles=_GROWTH_CYCLES, slow=0.0,
            shape=state.shape, width_nm=state.width_nm, silicon_cap=silicon_cap,
        ),
        cycling=Cycling(
            cycles=state.cycle, pristine_s=PRISTINE * DWELL_S, rest_s=MANY * DWELL_S,
            coulomb_loss=coulomb_loss, current_ua=600.0, switch_cycle=10_000, residue=RESIDUE,
            residue_wander=0.0,
        ),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell with what is expected of its pristine state and the two rests of its last cycle."""

    plan: CampaignPlan
    history: History
    expected: ExpectedSpectra

    @classmethod
    def of(cls, plan: CampaignPlan, source: StoppingSource) -> Cell:
        """Carry particles out of the three states."""
        history = history_of(plan)
        contents = np.vstack([np.zeros(3), history.truth().values[-2:]])
        expected = expected_spectra(history, contents, source)
        return cls(plan=plan, history=history, expected=expected)

    @property
    def true(self) -> Floats:
        """The two rows of the true ledger, per cent; (2, 3)."""
        return 100.0 * self.history.truth().values[-2:] / self.plan.cycling.first_charge_uah

    def measured(
        self, spectra: float, *, rng: np.random.Generator | None = None,
        pristine: Floats | None = None,
    ) -> Run:  # fmt: skip
        """A run of three spectra: pristine, charged, discharged, the latter of ``spectra`` x 8 min.

        Without ``rng`` the counts are those expected, rounded; ``pristine`` takes counts that are
        there already.
        """
        plan, steps = self.plan, self.history.steps
        start = np.array([steps[0].start_s, steps[-3].start_s, steps[-1].start_s])
        real = DWELL_S * np.array([PRISTINE, spectra, spectra])
        dead_s = plan.instrument.detector.dead_time_s
        live = real / (1.0 + self.expected.beam_cps.sum(axis=1) * dead_s)
        mean, beam = self.expected.counts(live), plan.beam.monitor_cps * real
        counts, monitor = np.round(mean), np.round(beam)
        if rng is not None:
            counts, monitor = rng.poisson(mean).astype(np.float64), rng.poisson(beam)
        if pristine is not None:
            counts[0], monitor[0] = pristine, beam[0]
        series = SpectrumSeries.from_arrays(
            counts=counts, live_s=live, real_s=real, monitor=monitor,
            start=np.datetime64(plan.start, "ns") + (start * 1e9).astype("timedelta64[ns]"),
        )  # fmt: skip
        return Run(
            title=plan.title, area_cm2=plan.area_cm2, stack=plan.believed_stack,
            instrument=plan.believed_instrument, series=series,
            log=log_of(self.history, rng or np.random.default_rng(0)),
            pristine=np.array([True, False, False]), source="acceptance",
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The stages of one analysis, and its ledger."""

    run: Run
    reduction: Reduction
    calibrated: Calibrated
    inversion: Inversion
    ledger: Ledger

    @property
    def found(self) -> Floats:
        """Rows of the ledger, per cent; (2, 3)."""
        return 100.0 * self.ledger.values / FIRST_UAH

    @property
    def std(self) -> Floats:
        """Their stated standard uncertainties; (2, 3)."""
        return 100.0 * self.ledger.std / FIRST_UAH


FIRST_UAH = Cycling().first_charge_uah


def fitted(run: Run, source: StoppingSource, *, cycles: int) -> Fitted:
    """The default method, without the checks beside it."""
    reduction = reduce_run(run)
    calibrated = calibrate(run, build_model(run, source, cycles=cycles), reduction.pristine)
    return inverted(run, reduction, calibrated)


def inverted(run: Run, reduction: Reduction, calibrated: Calibrated) -> Fitted:
    """Fit the states and account."""
    inversion = invert(run, calibrated, reduction)
    widen = misfit_factor(calibrated.result.fit)
    ledger = account(run, reduction, inversion, method="default", widen=widen, remark="")
    return Fitted(
        run=run, reduction=reduction, calibrated=calibrated, inversion=inversion, ledger=ledger
    )


def noise_free(
    state: State, truth: StoppingSource, source: StoppingSource, *,
    change: Callable[[CampaignPlan], CampaignPlan] = lambda plan: plan,
) -> tuple[Fitted, Floats]:  # fmt: skip
    """Fit the expected spectra of 30 x 8 min themselves, and the true rows beside it.

    Counts are rounded: an error of 0.3 where Poisson's is ten and more.
    """
    cell = Cell.of(change(plan_of(state)), truth)
    return fitted(cell.measured(MANY), source, cycles=state.cycle), cell.true


# --- draws --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Draws:
    """One state, drawn many times: misses and stated errors, per cent; (draws, 3) each."""

    miss: Floats
    std: Floats

    @property
    def z(self) -> Floats:
        """Misses in stated standard errors."""
        return np.asarray(self.miss / self.std)

    def inside(self, sigmas: float) -> Floats:
        """Share of draws whose truth lies within ``sigmas``; (3,)."""
        return np.asarray((np.abs(self.z) < sigmas).mean(axis=0))


@lru_cache
def drawn(state: State, draws: int = 80) -> dict[float, Draws]:
    """Draw cells, each as its print lets believe, and their spectra; by number of spectra.

    Layers, stopping, lithium content, area, energy scale, resolution and lost charge are off by
    what the analysis believes of them, so that stated intervals, which carry all that, should hold
    the truth as often as they say.  A pristine spectrum is shared by the two lengths of a state.
    """
    source = stopping_source("icru49")
    miss = {spectra: np.zeros((draws, 3)) for spectra in (FEW, MANY)}
    std = {spectra: np.zeros((draws, 3)) for spectra in (FEW, MANY)}
    for number in range(draws):
        rng = np.random.default_rng([STATES.index(state), number])
        cell = Cell.of(varied(state, rng), source)
        area = cell.plan.area_cm2 * math.exp(0.02 * rng.standard_normal())
        first: Fitted | None = None
        for spectra in (MANY, FEW):
            pristine = None if first is None else first.run.series.counts[0]
            run = replace(cell.measured(spectra, rng=rng, pristine=pristine), area_cm2=area)
            if first is None:
                one = first = fitted(run, source, cycles=state.cycle)
            else:
                one = inverted(run, reduce_run(run), first.calibrated)
            miss[spectra][number] = (one.found - cell.true)[state.row]
            std[spectra][number] = one.std[state.row]
    return {spectra: Draws(miss=miss[spectra], std=std[spectra]) for spectra in (FEW, MANY)}


def varied(state: State, rng: np.random.Generator) -> CampaignPlan:
    """A plan whose truth differs from the print as far as the print allows."""
    # Silicon as far as the analysis takes it for likely at that cycle, and never back.
    cap = rng.uniform(0.0, 0.12 if state.cycle == 1 else 0.30)
    # Lost on charge alone; believed to be lost either way, sqrt(2) COULOMB_LOSS of each.
    halves = math.sqrt(2.0) if state == C1 else 2.0
    lost = halves * COULOMB_LOSS * abs(rng.standard_normal())
    plan = plan_of(state, silicon_cap=float(cap), coulomb_loss=float(lost))
    layers, scales = [], []
    for layer in STACK:
        compound = len(layer.material.composition) > 1
        off = np.clip(rng.standard_normal(2), -2.0, 2.0)
        scales.append(math.exp((COMPOUND_STOPPING if compound else ELEMENT_STOPPING) * off[0]))
        layers.append(_real(layer.scaled(math.exp(layer.thickness_rel_std * off[1])), rng))
    made = plan.instrument
    believed = replace(
        made,
        detector=replace(made.detector, fwhm_kev=18.0 * math.exp(0.10 * rng.standard_normal())),
        calibration=Calibration(
            offset_kev=made.calibration.offset_kev + 3.0 * float(rng.standard_normal()),
            gain_kev=made.calibration.gain_kev + 0.006 * float(rng.standard_normal()),
        ),
    )
    return replace(
        plan, stack=Stack(layers=tuple(layers)), printed_stack=STACK,
        stopping_scales=tuple(scales), printed_instrument=believed,
    )  # fmt: skip


def _real(layer: Layer, rng: np.random.Generator) -> Layer:
    """A film with as much lithium as a sputtered one has, not as its formula says."""
    content = 1.0 + CONTENT * float(rng.standard_normal())
    formula = {"Li3PO4": f"Li{3 * content:.4f}PO4", "LiCoO2": f"Li{content:.4f}CoO2"}.get(
        layer.material.formula
    )
    if formula is None:
        return layer
    return replace(layer, material=replace(layer.material, formula=formula))


class Summed:
    """A source that sums over elements, as the virtual cell does.

    With it truth and analysis share their stopping: what then differs is what a test changes.
    """

    def __init__(self, source: StoppingSource) -> None:
        self._source = source
        self.name = f"{source.name}, summed over elements"

    def electronic(self, projectile: Projectile, material: Material, energy_kev: Floats) -> Floats:
        return self._sum("electronic", projectile, material, energy_kev)

    def nuclear(self, projectile: Projectile, material: Material, energy_kev: Floats) -> Floats:
        return self._sum("nuclear", projectile, material, energy_kev)

    def relative_std(
        self, projectile: Projectile, material: Material, energy_kev: Floats
    ) -> Floats:
        return self._source.relative_std(projectile, material, energy_kev)

    def _sum(
        self, kind: str, projectile: Projectile, material: Material, energy_kev: Floats
    ) -> Floats:
        parts = [
            share
            * getattr(self._source, kind)(
                projectile, Material(formula=symbol, density_g_cm3=1.0), energy_kev
            )
            for symbol, share in material.fractions.items()
        ]
        return np.asarray(np.sum(parts, axis=0))
