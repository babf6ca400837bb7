"""The slab beside the default: its ledger, the interlayer, and where the two disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis._threads import one_thread
from lidepth.analysis.account import account
from lidepth.analysis.calibrate import Calibrated
from lidepth.analysis.fit import Observation, Solution, inverse_of, normal
from lidepth.analysis.forward import HATS
from lidepth.analysis.invert import Inversion, first_charge_uah
from lidepth.analysis.reduce import Reduction
from lidepth.analysis.slab.disagreement import difference_covariance, model_error
from lidepth.analysis.slab.evidence import front_grid, posterior, quantiles_of
from lidepth.analysis.slab.linear import Quadratic, quadratics, slab_rows
from lidepth.analysis.slab.model import (
    AMOUNT_STD,
    SLAB_SIZE,
    SlabModel,
    slab_model,
    slab_observations,
    starting_states,
)
from lidepth.analysis.slab.settle import Settled, settle_all
from lidepth.analysis.slab.together import growth_covariance, run_ln_bayes, shared_believed
from lidepth.analysis.slab.warn import interlayer_warnings
from lidepth.model.interlayer import Interlayer, NestedEvidence
from lidepth.model.ledger import Ledger
from lidepth.model.result import Run

Floats = NDArray[np.float64]

NESTED_SEED = 20181
_REMARK = (
    "a slab in the electrolyte instead of a smooth profile, each state by its own spectrum{tied}; "
    "stack, stopping and moved silicon are the default's. Efficient where lithium lies in a slab, "
    "too sure of itself where it does not: to be read beside the default"
)


@dataclass(frozen=True, kw_only=True)
class SlabStates:
    """Every state's slab where it settled, the shared parameters held.

    ``shared`` and ``shared_covariance`` are those of the default without its profile, the latter
    as the default's fit left it; ``observations`` pristine first, ``quadratics`` and ``settled``
    without it.
    """

    slab: SlabModel
    observations: tuple[Observation, ...]
    settled: tuple[Settled, ...]
    quadratics: tuple[Quadratic, ...]
    shared: Floats
    shared_covariance: Floats
    amount_std_1e15: float


@dataclass(frozen=True, kw_only=True)
class FoundInterlayer:
    """The interlayer, the slab's ledger, and what a reader must be warned of."""

    interlayer: Interlayer
    ledger: Ledger
    warnings: tuple[str, ...]


@one_thread
def find_interlayer(
    run: Run, reduction: Reduction, calibrated: Calibrated, inversion: Inversion, default: Ledger,
    *, widen: float, nested: bool = False,
) -> FoundInterlayer:  # fmt: skip
    """Fit slabs, weigh the evidence for an interlayer, and compare with the default's ledger.

    ``widen`` as in account; ``nested`` puts the first and the last state to nested sampling too,
    which raises BadInput where dynesty is not installed.
    """
    states = slab_states(run, calibrated, inversion)
    as_inversion = _as_inversion(inversion, states)
    remark = _REMARK.format(tied=" and the charge" if inversion.tied else "")
    ledger = account(run, reduction, as_inversion, method="slab", widen=widen, remark=remark)
    covariance = difference_covariance(
        inversion, states.slab, states.quadratics, as_inversion.solution.local[1:],
        as_inversion.solution.leverage[1:], widen=widen,
    ) / inversion.per_uah**2  # fmt: skip
    interlayer = _interlayer(
        states, calibrated, ledger, default, covariance, widen=widen,
        nested=_sampled(states, calibrated, reduction, widen=widen) if nested else (),
    )  # fmt: skip
    unsettled = [
        state.label
        for state, one in zip(reduction.states, states.settled, strict=True)
        if not one.converged
    ]
    return FoundInterlayer(
        interlayer=interlayer, ledger=ledger,
        warnings=tuple(interlayer_warnings(interlayer, unsettled)),
    )  # fmt: skip


def slab_states(run: Run, calibrated: Calibrated, inversion: Inversion) -> SlabStates:
    """Settle every state's slab and expand its likelihood there."""
    slab = slab_model(inversion.model)
    kept = len(slab.parameters)
    shared = inversion.solution.shared[:kept]
    amount_std = AMOUNT_STD * max(first_charge_uah(run), 1.0) * inversion.per_uah
    seen = slab_observations(inversion, slab, amount_std_1e15=amount_std)
    settled = settle_all(
        slab, seen[1:], calibrated.mask, shared, starting_states(inversion, slab)[1:]
    )
    expanded = quadratics(slab, seen[1:], calibrated.mask, shared, [one.state for one in settled])
    return SlabStates(
        slab=slab, observations=seen, settled=tuple(settled), quadratics=tuple(expanded),
        shared=shared, shared_covariance=inversion.solution.shared_covariance[:kept, :kept],
        amount_std_1e15=amount_std,
    )  # fmt: skip


def _as_inversion(inversion: Inversion, states: SlabStates) -> Inversion:
    """The slabs in the form that the ledger is made from."""
    local = [np.zeros((SLAB_SIZE, SLAB_SIZE))]
    leverage = [np.zeros((SLAB_SIZE, states.shared.size))]
    for one, seen in zip(states.quadratics, states.observations[1:], strict=True):
        block, lever = _local(states.slab, one, seen)
        local.append(block)
        leverage.append(lever)
    vectors = np.array([np.zeros(SLAB_SIZE), *(one.state for one in states.settled)])
    solution = Solution(
        shared=states.shared, states=vectors, shared_covariance=states.shared_covariance,
        local=tuple(local), leverage=tuple(leverage), predictions=(),
        passes=max((one.passes for one in states.settled), default=0),
        objective=sum(one.normal.objective for one in states.settled),
    )  # fmt: skip
    return Inversion(
        model=states.slab, observations=states.observations, solution=solution,
        per_uah=inversion.per_uah, tied=inversion.tied, conserved=inversion.conserved,
    )  # fmt: skip


def _local(slab: SlabModel, one: Quadratic, seen: Observation) -> tuple[Floats, Floats]:
    """Covariance of a slab's state with the shared parameters held, and its lever on them."""
    rows = slab_rows(slab, one.state)
    m = len(rows)
    precision = rows.T @ one.curvature[:m, :m] @ rows
    precision[HATS:, HATS:] += seen.precision[HATS:, HATS:]
    block = inverse_of(precision)
    return block, -block @ rows.T @ one.curvature[:m, m:]


def _interlayer(
    states: SlabStates, calibrated: Calibrated, ledger: Ledger,
    default: Ledger, covariance: Floats, *, widen: float, nested: tuple[NestedEvidence, ...],
) -> Interlayer:  # fmt: skip
    grid = front_grid(states.slab)
    found = [
        posterior(
            one, grid, shared_covariance=states.shared_covariance * widen**2,
            amount_std_1e15=states.amount_std_1e15,
        )
        for one in states.quadratics
    ]  # fmt: skip
    shapes = quantiles_of(states.slab, grid, found, scale=_areal(states))
    difference = ledger.values - default.values
    std = np.sqrt(np.maximum(np.diag(covariance), 0.0)).reshape(-1, 3)
    electrolyte = np.arange(len(ledger)) * 3 + 1
    of_electrolyte = covariance[np.ix_(electrolyte, electrolyte)]
    return Interlayer(
        cycle=ledger.cycle, state=ledger.state,
        amount_1e15=np.array([one.amount for one in found]),
        amount_std_1e15=np.array([one.amount_std for one in found]),
        thickness_nm=shapes.thickness_nm, width_nm=shapes.width_nm, enrichment=shapes.enrichment,
        thickness_known=shapes.thickness_known, width_known=shapes.width_known,
        ln_bayes=np.array([one.ln_bayes for one in found]),
        run_ln_bayes=_run_ln_bayes(states, calibrated), change_1e15=_changes(states),
        disagreement_uah=difference, disagreement_std_uah=std,
        model_uah=model_error(difference, std),
        mean_disagreement_uah=float(difference[:, 1].mean()),
        mean_disagreement_std_uah=float(np.sqrt(max(of_electrolyte.mean(), 0.0))),
        nested=nested,
    )  # fmt: skip


def _areal(states: SlabStates) -> float:
    """The electrolyte's fitted areal density over the printed one: nm of the fitted stack."""
    number = states.slab.grid.stack.index("electrolyte")
    return states.slab.parameters.get(states.shared, f"areal:{number}", 1.0)


def _run_ln_bayes(states: SlabStates, calibrated: Calibrated) -> float:
    slab, seen = states.slab, states.observations
    held = np.zeros(SLAB_SIZE)
    pristine = normal(slab, seen[0], calibrated.mask, states.shared, held, True)
    information, gradient = shared_believed(slab, states.shared, pristine)
    return run_ln_bayes(
        states.quadratics, front_grid(slab, reaches=16, widths=5),
        amounts=growth_covariance(slab, seen[1:], amount_std_1e15=states.amount_std_1e15),
        shared_information=information, shared_gradient=gradient,
    )  # fmt: skip


def _changes(states: SlabStates) -> Floats:
    """Change of lithium in the cells that profiles show; (n, cells)."""
    slab = states.slab
    kept = slab.grid.layer >= slab.grid.stack.index("anode")
    return np.array(
        [
            slab.gained(states.shared, seen.setting, one.state)[kept]
            for one, seen in zip(states.settled, states.observations[1:], strict=True)
        ]
    )


def _sampled(
    states: SlabStates, calibrated: Calibrated, reduction: Reduction, *, widen: float
) -> tuple[NestedEvidence, ...]:
    """Nested sampling of the first and the last state of each kind."""
    from lidepth.analysis.slab.nested import sample_state

    names = [state.name for state in reduction.states]
    places = sorted({*map(names.index, names), *(_last(names, name) for name in names)})
    return tuple(
        sample_state(
            states.slab, states.observations[1 + place], calibrated.mask, states.shared,
            states.quadratics[place], shared_covariance=states.shared_covariance * widen**2,
            amount_std_1e15=states.amount_std_1e15, scale=_areal(states), seed=NESTED_SEED + place,
        )
        for place in places
    )  # fmt: skip


def _last(names: Sequence[str], name: str) -> int:
    return max(place for place, one in enumerate(names) if one == name)
