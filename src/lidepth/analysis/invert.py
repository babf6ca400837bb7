"""From spectra to lithium: the fit of the whole run, and the states without coulometry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis._threads import one_thread
from lidepth.analysis.calibrate import Calibrated
from lidepth.analysis.electrochemistry.steps import find_steps
from lidepth.analysis.fit import Observation, Progress, Solution, Tie, solve, state_prior
from lidepth.analysis.forward import ANODE, CATHODE, ForwardModel, Setting, region_rows
from lidepth.analysis.parameters import with_working
from lidepth.analysis.reduce import Reduction, rebin
from lidepth.constants import LI_ATOMS_PER_UAH
from lidepth.model.cycling import StateSpectrum
from lidepth.model.result import Run, Settled

Floats = NDArray[np.float64]

# Prior widths of one step of the electrolyte's mean profile and of one state's deviation from it,
# as fractions of the electrolyte's own lithium at the interface and in the bulk (docs/why/0003).
STEP_AMPLITUDE, STEP_BULK = 0.25, 0.004
DEVIATION_AMPLITUDE, DEVIATION_BULK = 0.05, 0.002

MONITOR_STABILITY = 0.003  # how well a beam monitor follows the beam on the cell over a run
_UNMONITORED = 0.05  # how well a reactor's beam holds without a monitor
_UNCOUNTED_CYCLE = 2.0  # without a log any state may be one in which silicon has moved
CONSERVATION = 0.002  # lithium that leaves the stack under the beam, of the first charge
COULOMB_FLOOR_UAH = 5e-4  # rounding of a logged current


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """A fit of states: the model, what was seen, where it settled.

    ``per_uah`` is the lithium of 1 uAh on the nominal electrode area, in 1e15 Li/cm2.
    """

    model: ForwardModel
    observations: tuple[Observation, ...]
    solution: Solution
    per_uah: float
    tied: bool
    conserved: bool


def lithium_per_uah(run: Run) -> float:
    """Areal density of the lithium that 1 uAh moves, in 1e15 Li/cm2."""
    return LI_ATOMS_PER_UAH / run.area_cm2 / 1e15


@one_thread
def invert(
    run: Run, calibrated: Calibrated, reduction: Reduction, *, earlier: Settled | None = None,
    progress: Progress | None = None,
) -> Inversion:  # fmt: skip
    """Fit all states and the pristine one together.

    Lithium is conserved within 0.2 % of the first charge; where a cycler log exists, the lithium
    missing from the cathode is tied to the charge.  ``earlier`` is where a fit of the same run,
    shorter then, has settled.
    """
    model = working_model(run, calibrated.model)
    tied = run.log is not None
    seen = _observations(run, model, calibrated, reduction, tied=tied, conserved=True)
    extra = len(model.parameters) - len(calibrated.model.parameters)
    start = np.concatenate([calibrated.solution.shared, model.parameters.start[-extra:]])
    states = _starting_states(run, model, reduction)
    damping = 0.1
    if earlier is not None and earlier.shared:
        names = (parameter.name for parameter in model.parameters.items)
        start = np.array(
            [earlier.shared.get(name, value) for name, value in zip(names, start, strict=True)]
        )
        states, damping = _resumed(states, reduction, earlier.tied), 0.0
    solution = solve(
        model, seen, mask=calibrated.mask, shared=start, states=states, most=40, damping=damping,
        progress=progress,
    )  # fmt: skip
    return Inversion(
        model=model, observations=tuple(seen), solution=solution, per_uah=lithium_per_uah(run),
        tied=tied, conserved=True,
    )  # fmt: skip


@one_thread
def untie(
    run: Run, calibrated: Calibrated, reduction: Reduction, tied: Inversion, *,
    earlier: Settled | None = None,
) -> Inversion:  # fmt: skip
    """Fit each state again by its spectrum and the monitor alone.

    Neither coulometry nor conservation is used state by state; stack, scale and mean profile are
    those of the tied fit and their covariance is carried along.  ``earlier`` as for ``invert``.
    """
    model = tied.model
    seen = _observations(
        run, model, calibrated, reduction, tied=False, conserved=False,
        amplitude=STEP_AMPLITUDE, bulk=STEP_BULK,
    )  # fmt: skip
    solution = solve(
        model, seen, mask=calibrated.mask, shared=tied.solution.shared,
        states=_resumed(
            tied.solution.states, reduction, earlier.untied if earlier is not None else {}
        ),
        hold_shared=True, most=40,
    )  # fmt: skip
    solution = replace(solution, shared_covariance=tied.solution.shared_covariance)
    return replace(tied, observations=tuple(seen), solution=solution, tied=False, conserved=False)


def working_model(run: Run, model: ForwardModel) -> ForwardModel:
    """Add to the model the parameters that only a working cell shows."""
    hats = model.basis.covariance(amplitude=STEP_AMPLITUDE, bulk=STEP_BULK)
    return model.with_parameters(with_working(model.parameters, run, knots=model.knots, hats=hats))


def _observations(
    run: Run, model: ForwardModel, calibrated: Calibrated, reduction: Reduction, *, tied: bool,
    conserved: bool, amplitude: float = DEVIATION_AMPLITUDE, bulk: float = DEVIATION_BULK,
) -> list[Observation]:  # fmt: skip
    deviation = model.basis.covariance(amplitude=amplitude, bulk=bulk)
    last = max((state.time_s for state in reduction.states), default=1.0)
    seen = [calibrated.observation]
    for state in reduction.states:
        setting, flux_std = _setting(run, reduction.pristine, state, last)
        free, prior, precision = state_prior(model, flux_std=flux_std, deviation=deviation)
        seen.append(
            Observation(
                label=state.label, counts=rebin(state.counts, calibrated.per_bin),
                setting=setting, free=free, prior=prior, precision=precision,
                ties=_ties(run, model, state, tied=tied, conserved=conserved),
            )
        )  # fmt: skip
    return seen


def _setting(
    run: Run, pristine: StateSpectrum, state: StateSpectrum, last_s: float
) -> tuple[Setting, float]:
    """Exposure by the monitor where there is one, by live time else; and how sure it is."""
    monitored = state.monitor > 0 and pristine.monitor > 0
    exposure, std = state.live_s, _UNMONITORED
    if monitored:
        exposure = state.monitor / (pristine.monitor / pristine.live_s)
        counting = 1.0 / state.monitor + 1.0 / pristine.monitor
        std = math.sqrt(counting + MONITOR_STABILITY**2)
    setting = Setting(
        exposure=exposure, live_s=state.live_s, run_fraction=state.time_s / last_s,
        cycle=float(state.cycle) if run.log is not None else _UNCOUNTED_CYCLE,
    )  # fmt: skip
    return setting, std


def _ties(
    run: Run, model: ForwardModel, state: StateSpectrum, *, tied: bool, conserved: bool
) -> tuple[Tie, ...]:
    per_uah = lithium_per_uah(run)
    anode, electrolyte, cathode = region_rows(model)
    ties = []
    if conserved:
        scale = per_uah * max(first_charge_uah(run), 1.0)
        ties.append(
            Tie(
                state_row=anode + electrolyte - cathode,
                shared_row=np.zeros(len(model.parameters)), value=0.0,
                std=CONSERVATION * scale,
            )
        )  # fmt: skip
    if tied and np.isfinite(state.charge_uah):
        # The charge is the whole cell's; its lithium per area goes down as the area goes up.
        row = np.zeros(len(model.parameters))
        row[model.parameters.index["area"]] = per_uah * state.charge_uah
        std = per_uah * math.hypot(state.charge_std_uah, COULOMB_FLOOR_UAH)
        ties.append(
            Tie(state_row=cathode, shared_row=row, value=per_uah * state.charge_uah, std=std)
        )
    return tuple(ties)


def first_charge_uah(run: Run) -> float:
    """Charge of the first charging step; without a log what the anode could hold."""
    if run.log is not None:
        for step in find_steps(run.log, run.series.origin):
            if step.kind == "charge":
                return step.charge_uah
    silicon = run.stack.layer("anode").areal_density_1e15
    return 3.0 * silicon / lithium_per_uah(run)


def _starting_states(run: Run, model: ForwardModel, reduction: Reduction) -> Floats:
    states = np.zeros((len(reduction.states) + 1, model.state_size))
    for place, state in enumerate(reduction.states, start=1):
        charge = state.charge_uah
        if not np.isfinite(charge):
            charge = first_charge_uah(run) * (0.6 if state.name == "charged" else 0.1)
        states[place, ANODE] = 0.8 * charge * lithium_per_uah(run)
        states[place, CATHODE] = charge * lithium_per_uah(run)
    return states


def _resumed(states: Floats, reduction: Reduction, earlier: Mapping[str, Floats]) -> Floats:
    """Starting states (n + 1, size) with those put in that an earlier fit has settled."""
    resumed = states.copy()
    for place, state in enumerate(reduction.states, start=1):
        found = earlier.get(state.label)
        if found is not None and found.shape == states[place].shape:
            resumed[place] = found
    return resumed


def settled(reduction: Reduction, tied: Inversion, untied: Inversion | None) -> Settled:
    """Keep where the fits have settled, for the analysis of the same run when it has grown."""

    def by_label(inversion: Inversion) -> dict[str, Floats]:
        states = inversion.solution.states[1:]
        return {s.label: vector for s, vector in zip(reduction.states, states, strict=True)}

    names = (parameter.name for parameter in tied.model.parameters.items)
    values = map(float, tied.solution.shared)
    return Settled(
        shared=dict(zip(names, values, strict=True)), tied=by_label(tied),
        untied=by_label(untied) if untied is not None else {},
    )  # fmt: skip


def whole_states(inversion: Inversion) -> Floats:
    """State vectors with the shared mean profile added, pristine first; (n + 1, state size)."""
    shared = inversion.solution.shared
    return np.array(
        [
            state + inversion.model.lift(seen.setting) @ shared
            for state, seen in zip(inversion.solution.states, inversion.observations, strict=True)
        ]
    )


def levers(inversion: Inversion) -> Sequence[Floats]:
    """How each whole state moves with the shared parameters, pristine first."""
    return [
        lever + inversion.model.lift(seen.setting)
        for lever, seen in zip(inversion.solution.leverage, inversion.observations, strict=True)
    ]
