"""Members made here or by others, through any ``concurrent.futures.Executor``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from contextlib import closing, contextmanager
from itertools import islice

import numpy as np

from lidepth.analysis._threads import one_thread, single
from lidepth.analysis.ensemble.problem import Problem
from lidepth.errors import NotConverged, WorkerLost
from lidepth.model.ensemble import Kind, Member

Progress = Callable[[int, int], None]
"""Called with (members made, members wanted)."""

AHEAD = 32
"""Tasks given to an executor before the first of them is back: each carries the problem along."""

MOST_FAILED = 0.1
"""Share of the members that may fail before the ensemble says nothing any more."""


def generator(seed: int, number: int) -> np.random.Generator:
    """The random numbers of member ``number``: those of ``SeedSequence(seed).spawn``."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))


@one_thread
def make_members(
    problem: Problem, kind: Kind, seed: int, numbers: Sequence[int]
) -> tuple[Member, ...]:
    """Make some members, on one thread; this is what an executor runs.

    A member whose fit does not settle is returned with the reason.
    """
    return tuple(_make(problem, kind, seed, number) for number in numbers)


def _make(problem: Problem, kind: Kind, seed: int, number: int) -> Member:
    begin = time.perf_counter()
    unknown = np.full((problem.rows, 3), np.nan)
    try:
        drawn = problem.draw(kind, generator(seed, number))
    except (NotConverged, np.linalg.LinAlgError) as error:
        what = error.what if isinstance(error, NotConverged) else f"singular matrix ({error})"
        return Member(
            number=number, values=unknown, start=unknown, failure=what,
            seconds=time.perf_counter() - begin,
        )  # fmt: skip
    return Member(
        number=number, values=drawn.values,
        start=unknown if drawn.start is None else drawn.start, log_weight=drawn.log_weight,
        passes=drawn.passes, seconds=time.perf_counter() - begin,
    )  # fmt: skip


def draw_members(
    problem: Problem, kind: Kind, *, seed: int, members: int, done: Iterable[Member] = (),
    executor: Executor | None = None, chunk: int = 1, keep: Callable[[Member], None] | None = None,
    progress: Progress | None = None,
) -> tuple[Member, ...]:  # fmt: skip
    """Members 0 to ``members`` - 1, in order; those in ``done`` are not made again.

    ``executor`` makes ``chunk`` at a time; without one they are made here.  ``keep`` is called
    with each as it comes, so that nothing made is lost whatever happens to the rest.
    Raises NotConverged when too many failed, WorkerLost when the executor broke.
    """
    made = {member.number: member for member in done if member.number < members}
    missing = [number for number in range(members) if number not in made]
    chunks = [missing[i : i + chunk] for i in range(0, len(missing), chunk)]
    if progress is not None:
        progress(len(made), members)
    # Closed, so that nothing is made any more when a member cannot be kept.
    with closing(_made(problem, kind, seed, chunks, executor)) as arriving:
        for some in arriving:
            for member in some:
                if keep is not None:
                    keep(member)
                made[member.number] = member
                _require_settled(made.values(), members)
                if progress is not None:
                    progress(len(made), members)
    return tuple(made[number] for number in range(members))


def _made(
    problem: Problem, kind: Kind, seed: int, chunks: Sequence[Sequence[int]],
    executor: Executor | None,
) -> Generator[tuple[Member, ...]]:  # fmt: skip
    if executor is None:
        for numbers in chunks:
            yield make_members(problem, kind, seed, numbers)
        return
    waiting = iter(chunks)
    pending: set[Future[tuple[Member, ...]]] = set()

    def give(count: int) -> None:
        for numbers in islice(waiting, count):
            pending.add(executor.submit(make_members, problem, kind, seed, numbers))

    # Threads of this process share one limit: it is set once, around them all.
    with single():
        try:
            with _lost_workers():
                give(AHEAD)
            while pending:
                ready, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in ready:
                    with _lost_workers():
                        found = future.result()
                        give(1)
                    yield found
        finally:
            for future in pending:
                future.cancel()


@contextmanager
def _lost_workers() -> Iterator[None]:
    """Within, a worker that is gone is our error; what it was working on is lost, nothing else."""
    try:
        yield
    except _lost() as error:
        raise WorkerLost(
            f"a worker is gone, or took the others along ({type(error).__name__})",
            where="the executor of the ensemble",
            expected="workers that live until they are sent home, with memory for one fit each",
            remedy="look at their memory, use fewer of them; members that came back are kept, run "
            "the same again to go on",
        ) from error


def _lost() -> tuple[type[BaseException], ...]:
    """What executors raise when a worker is gone; of dask's only where it is in use."""
    known: tuple[type[BaseException], ...] = (BrokenExecutor, CancelledError)
    scheduler, comm = (sys.modules.get(f"distributed.{name}") for name in ("scheduler", "comm"))
    if scheduler is not None and comm is not None:
        known += (scheduler.KilledWorker, comm.CommClosedError)
    return known


def _require_settled(made: Collection[Member], members: int) -> None:
    """Raise NotConverged when more members failed than an ensemble can bear."""
    failed = [member for member in made if member.failure]
    if len(failed) > max(MOST_FAILED * members, 1.0):
        raise NotConverged(
            f"{len(failed)} of the first {len(made)} members of the ensemble did not settle; "
            f"member {failed[0].number}: {failed[0].failure}",
            expected=f"at most {MOST_FAILED:.0%} of {members}",
            remedy="look at the warnings of lidepth analyze: a stack, a scale or a pristine "
            "spectrum that only just lets the fit settle",
        )
