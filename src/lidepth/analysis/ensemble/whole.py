"""From a run to an ensemble of its ledgers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis._threads import single
from lidepth.analysis.ensemble.drive import Progress, draw_members
from lidepth.analysis.ensemble.problem import Problem, predicted_covariance, states_problem
from lidepth.analysis.ensemble.smoothed import campaign_problem
from lidepth.analysis.run import fit_run
from lidepth.errors import BadData, UsageError
from lidepth.model.ensemble import Ensemble, Kind, Member
from lidepth.model.ledger import Ledger
from lidepth.model.result import Run
from lidepth.physics.stopping import StoppingSource

Floats = NDArray[np.float64]

Method = Literal["default", "smooth"]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A run fitted once: the ``problem`` that members repeat, the ledger that it ``stated``.

    ``predicted`` (3n, 3n): covariance by a linear model for this ``kind``, NaN where there is none.
    """

    kind: Kind
    method: Method
    problem: Problem
    stated: Ledger
    predicted: Floats

    def gather(self, made: Sequence[Member], seed: int) -> Ensemble:
        """Put members together; raises BadData when fewer than two settled."""
        good = [member for member in made if not member.failure]
        if len(good) < 2:
            raise BadData(
                f"{len(good)} members settled: they have no scatter", where="the ensemble",
                expected="at least two, better a hundred", remedy="ask for more members",
            )  # fmt: skip
        return Ensemble(
            kind=self.kind, method=self.method, seed=seed, stated=self.stated,
            predicted=self.predicted, numbers=np.array([m.number for m in good]),
            values=np.array([m.values for m in good]),
            weights=np.full(len(good), 1.0 / len(good)),
            starts=np.array([m.start for m in good]),
            log_weights=np.array([m.log_weight for m in good]),
            seconds=np.array([m.seconds for m in good]),
            failed=tuple((m.number, m.failure) for m in made if m.failure),
        )  # fmt: skip


def prepare(
    run: Run, source: StoppingSource, *, kind: Kind = "bootstrap", method: Method = "default",
    ranges: Sequence[tuple[float, float]] = (),
    progress: Callable[[str, float], None] | None = None,
) -> Prepared:  # fmt: skip
    """Fit a run once, and pack the fit so that it can be repeated anywhere.

    Always from the same start and on one thread of linear algebra: what is prepared again is the
    same to the last bit, so that an ensemble can be gone on with.
    Raises BadData where the data cannot carry the analysis, UsageError for a kind that the method
    has not.
    """
    if method == "smooth" and kind != "bootstrap":
        raise UsageError(
            f"no ensemble of the kind {kind} is made of the smoother", where=f"kind {kind}",
            expected="bootstrap", remedy="take the default method for the other kinds",
        )  # fmt: skip
    with single():
        reduction, calibrated, inversion = fit_run(run, source, ranges, progress=progress)
        if method == "smooth":
            smoothed, stated = campaign_problem(
                run, reduction, calibrated, inversion, progress=progress
            )
            unknown = np.full(stated.covariance.shape, np.nan)
            return Prepared(
                kind=kind, method=method, problem=smoothed, stated=stated, predicted=unknown
            )
        problem, stated = states_problem(
            run, reduction, calibrated, inversion, sheets=kind == "resample"
        )
        return Prepared(
            kind=kind, method=method, problem=problem, stated=stated,
            predicted=predicted_covariance(problem, kind),
        )  # fmt: skip


def ensemble(
    run: Run, source: StoppingSource, *, kind: Kind = "bootstrap", members: int = 200,
    seed: int = 1, method: Method = "default", executor: Executor | None = None,
    done: Iterable[Member] = (), keep: Callable[[Member], None] | None = None,
    progress: Progress | None = None,
) -> Ensemble:  # fmt: skip
    """The ledger of a run, ``members`` times over.

    ``kind``: "bootstrap" draws the counts of every spectrum again from what was fitted,
    "resample" takes the spectra of every state with replacement, "prior" draws again what was
    believed beforehand (stack, stopping, scale, beam, charge ...), "total" counts and beliefs,
    "posterior" draws from the posterior of the fit.  The numbers of a member depend on ``seed``
    and its own number only.  ``executor`` is any of ``concurrent.futures``, such as
    ``ProcessPoolExecutor`` or ``distributed.Client(...).get_executor()``; without one everything
    is done here.  ``done`` members are not made again; ``keep`` is told of each new one.
    Raises what ``analyze`` raises, NotConverged when a tenth of the members failed, WorkerLost
    when the executor broke.
    """
    prepared = prepare(run, source, kind=kind, method=method)
    made = draw_members(
        prepared.problem, kind, seed=seed, members=members, done=done, executor=executor,
        keep=keep, progress=progress,
    )  # fmt: skip
    return prepared.gather(made, seed)
