"""A settled fit that can be done again with other data, and sent to other processes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.account import account, ledger_rows
from lidepth.analysis.calibrate import Calibrated, misfit_factor
from lidepth.analysis.ensemble.posterior import Arrow, walk
from lidepth.analysis.ensemble.redraw import (
    Sheets,
    Truth,
    beliefs_again,
    counts_again,
    parameters_again,
    spectra_again,
)
from lidepth.analysis.fit import (
    EMPTY,
    Observation,
    Solution,
    counting_information,
    solve,
)
from lidepth.analysis.forward import ForwardModel
from lidepth.analysis.invert import Inversion, whole_states
from lidepth.analysis.reduce import Reduction, rebin
from lidepth.analysis.scale import corrected_sum, track_scale
from lidepth.errors import NotConverged
from lidepth.model.cycling import StateSpectrum
from lidepth.model.ensemble import Kind
from lidepth.model.ledger import Ledger
from lidepth.model.result import Run
from lidepth.model.spectra import Quality
from lidepth.physics.stopping import stopping_source

Floats = NDArray[np.float64]

SWEEPS = 10
"""Sweeps of a posterior member; after these no row remembered its start (docs/ensembles.md)."""


class Draw(NamedTuple):
    """What one member found: ledger ``values`` (n, 3) in uAh, and as in ``model.ensemble.Member``.

    ``start`` and ``log_weight`` are None and 0 where there is no start.
    """

    values: Floats
    passes: int
    start: Floats | None = None
    log_weight: float = 0.0


class Problem(Protocol):
    """A fit that an ensemble can repeat; made of arrays, so that it can be pickled."""

    @property
    def rows(self) -> int:
        """Rows of its ledger."""
        ...

    def draw(self, kind: Kind, rng: np.random.Generator) -> Draw:
        """Do the fit again, with everything that ``kind`` names drawn from ``rng``."""
        ...


@dataclass(frozen=True, kw_only=True)
class StatesProblem:
    """The fit of all states (``method=default``).

    ``inversion`` without its predictions; ``expected`` (n, bins) counts where it settled;
    ``sheets`` one per observation, empty where nobody will resample.
    """

    inversion: Inversion
    mask: NDArray[np.bool_]
    expected: Floats
    sheets: tuple[Sheets, ...]

    @property
    def rows(self) -> int:
        """Rows of the ledger."""
        return len(self.inversion.observations) - 1

    def draw(self, kind: Kind, rng: np.random.Generator) -> Draw:
        """One member.  Raises NotConverged."""
        if kind == "posterior":
            return self._posterior(rng)
        return self._refit(*self.again(kind, rng))

    def again(self, kind: Kind, rng: np.random.Generator) -> tuple[ForwardModel, list[Observation]]:
        """Model and observations with what ``kind`` names drawn again."""
        inversion, model = self.inversion, self.inversion.model
        seen: list[Observation] = list(inversion.observations)
        solution = inversion.solution
        if kind == "resample":
            return model, spectra_again(seen, self.sheets, self.expected, rng)
        if kind in ("bootstrap", "total"):
            seen = counts_again(seen, self.expected, rng)
        if kind in ("prior", "total"):
            truth = None
            if kind == "total":
                whole = whole_states(inversion)
                truth = Truth(shared=solution.shared, states=solution.states, whole=whole)
            seen = beliefs_again(seen, rng, truth=truth)
            about = None if truth is None else solution.shared
            model = model.with_parameters(parameters_again(model.parameters, rng, about=about))
        return model, seen

    def _refit(self, model: ForwardModel, seen: Sequence[Observation]) -> Draw:
        start = self.inversion.solution
        solution = _settle(model, seen, self.mask, start)
        found = replace(self.inversion, model=model, observations=tuple(seen), solution=solution)
        return Draw(ledger_rows(found)[0], solution.passes)

    def _posterior(self, rng: np.random.Generator) -> Draw:
        arrow = Arrow.of(self.inversion.solution)
        walked = walk(arrow, self._misfit, self._prior_misfit, rng, sweeps=SWEEPS)
        return Draw(
            self._values(*walked.end), SWEEPS, self._values(*walked.start), walked.log_weight
        )

    def _values(self, shared: Floats, states: Floats) -> Floats:
        solution = replace(self.inversion.solution, shared=shared, states=states)
        return ledger_rows(replace(self.inversion, solution=solution))[0]

    def _misfit(self, place: int, shared: Floats, state: Floats) -> float:
        return misfit(
            self.inversion.model, self.inversion.observations[place], self.mask, shared, state
        )

    def _prior_misfit(self, shared: Floats) -> float:
        parameters = self.inversion.model.parameters
        off = shared - parameters.prior
        return float(0.5 * off @ parameters.precision @ off)


_TRIES = ((0.0, 0.1), (1.0, 0.1), (0.0, 0.3))
"""Damping and tolerance of each try.  A member may end where the expected counts of an empty bin
would become negative, and creep along there; a third of a standard error is near enough then."""


def _settle(
    model: ForwardModel, seen: Sequence[Observation], mask: NDArray[np.bool_], start: Solution
) -> Solution:
    """The fit from where it settled before; raises NotConverged."""
    *tries, last = _TRIES
    for damping, tolerance in tries:
        with suppress(NotConverged):
            return _solved(model, seen, mask, start, damping, tolerance)
    return _solved(model, seen, mask, start, *last)


def _solved(
    model: ForwardModel, seen: Sequence[Observation], mask: NDArray[np.bool_], start: Solution,
    damping: float, tolerance: float,
) -> Solution:  # fmt: skip
    return solve(
        model, seen, mask=mask, shared=start.shared, states=start.states, most=30,
        damping=damping, tolerance=tolerance,
    )  # fmt: skip


def misfit(
    model: ForwardModel, seen: Observation, mask: NDArray[np.bool_], shared: Floats, state: Floats
) -> float:
    """Half the deviance of one spectrum, with what is believed of its state.

    The same objective as that of ``analysis.fit``, without its slopes; infinite where it cannot be.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        expected = model.predict(shared, seen.setting, state).total[mask] + EMPTY
    if not (np.all(np.isfinite(expected)) and expected.min() > 0.5 * EMPTY):
        return float("inf")
    counts = seen.counts[mask]
    ratio = np.where(counts > 0, counts / expected, 1.0)
    found = float(np.sum(expected - counts + counts * np.log(ratio)))
    off = state - seen.prior
    found += 0.5 * float(off @ seen.precision @ off)
    whole = state + model.lift(seen.setting) @ shared
    for tie in seen.ties:
        miss = (tie.value - tie.state_row @ whole - tie.shared_row @ shared) / tie.std
        found += 0.5 * float(miss) ** 2
    return found


def states_problem(
    run: Run, reduction: Reduction, calibrated: Calibrated, inversion: Inversion, *,
    sheets: bool = False,
) -> tuple[StatesProblem, Ledger]:  # fmt: skip
    """Pack a fit for an ensemble, with the ledger that it states."""
    widen = misfit_factor(calibrated.result.fit)
    stated = account(run, reduction, inversion, method="default", widen=widen, remark="")
    expected = np.array([prediction.total for prediction in inversion.solution.predictions])
    bare = replace(inversion, solution=replace(inversion.solution, predictions=()))
    states = (reduction.pristine, *reduction.states)
    piles = tuple(_sheets(run, state, calibrated.per_bin) for state in states) if sheets else ()
    return (
        StatesProblem(inversion=bare, mask=calibrated.mask, expected=expected, sheets=piles),
        stated,
    )


def _sheets(run: Run, state: StateSpectrum, per_bin: int) -> Sheets:
    """The spectra of one state in the fit's bins; drifted ones on the scale of the reference."""
    series, rows = run.series, np.array(state.indices, dtype=np.int64)
    drifted = bool(np.any(series.flags[rows] & int(Quality.GAIN_DRIFT)))
    track = track_scale(run, stopping_source()) if drifted else None
    counts = [
        rebin(
            corrected_sum(run, track, rows[i : i + 1])
            if track is not None
            else series.counts[row].astype(np.float64),
            per_bin,
        )
        for i, row in enumerate(rows)
    ]
    live, real = series.live_s[rows], series.real_s[rows]
    beam = series.monitor[rows] * live / np.where(real > 0, real, 1.0)
    stuck = (series.flags[rows] & int(Quality.MONITOR_STUCK)) != 0
    if stuck.any() or not (state.monitor > 0 and np.all(beam > 0)):
        beam = live
    return Sheets(counts=np.array(counts), exposure=beam / beam.sum(), live_s=live / live.sum())


def predicted_covariance(problem: StatesProblem, kind: Kind) -> Floats:
    """Covariance of the ledger if the fit were linear, for what ``kind`` draws again; (3n, 3n).

    With the information H = F + P of counts and beliefs: F-part H^-1 F H^-1, P-part H^-1 P H^-1,
    both together, and the posterior, H^-1 (docs/ensembles.md).
    """
    inversion = problem.inversion
    solution = inversion.solution
    _, rows, borders = ledger_rows(inversion)
    border = np.concatenate(borders)
    reach = border @ solution.shared_covariance
    own = [row @ block for row, block in zip(rows, solution.local[1:], strict=True)]
    if kind in ("total", "posterior"):
        return reach @ border.T + _blocks([o @ row.T for o, row in zip(own, rows, strict=True)])
    counted = _counted(problem, reach, own)
    if kind == "prior":
        return predicted_covariance(problem, "total") - counted
    return counted


def _counted(problem: StatesProblem, reach: Floats, own: list[Floats]) -> Floats:
    """The part of the counts: each spectrum's noise, by its own state and by what is shared."""
    inversion, solution = problem.inversion, problem.inversion.solution
    information = counting_information(
        inversion.model, inversion.observations, problem.mask, solution.shared, solution.states
    )
    common = np.zeros_like(solution.shared_covariance)
    both = np.zeros((len(reach), len(reach)))
    blocks = []
    for place, ((a, b, c), lever) in enumerate(zip(information, solution.leverage, strict=True)):
        common += lever.T @ a @ lever + lever.T @ b + b.T @ lever + c
        if place:
            mine = own[place - 1]
            blocks.append(mine @ a @ mine.T)
            both[3 * place - 3 : 3 * place] = mine @ (a @ lever + b) @ reach.T
    return reach @ common @ reach.T + both + both.T + _blocks(blocks)


def _blocks(blocks: list[Floats]) -> Floats:
    size = 3 * len(blocks)
    matrix = np.zeros((size, size))
    for place, block in enumerate(blocks):
        matrix[3 * place : 3 * place + 3, 3 * place : 3 * place + 3] = block
    return matrix
