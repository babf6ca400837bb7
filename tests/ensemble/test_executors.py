"""The same numbers whoever makes the members; lost workers and failed members are told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from toys import MEMBERS, SEED, Tiny, Toy

from lidepth.analysis.ensemble.drive import draw_members, generator, make_members
from lidepth.errors import NotConverged, WorkerLost
from lidepth.model.ensemble import Member


def processes(count: int = 2) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))


def assert_same(found: tuple[Member, ...], expected: tuple[Member, ...]) -> None:
    """To the last bit: every member was made on one thread, by the same operations."""
    assert [m.number for m in found] == [m.number for m in expected]
    for new, old in zip(found, expected, strict=True):
        np.testing.assert_array_equal(new.values, old.values)


def test_two_processes_find_what_one_finds(tiny: Tiny) -> None:
    with processes() as pool:
        found = draw_members(
            tiny.prepared.problem, "bootstrap", seed=SEED, members=MEMBERS, executor=pool
        )
    assert_same(found, tiny.members)


def test_a_dask_cluster_finds_what_one_process_finds(tiny: Tiny) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        found = draw_members(
            tiny.prepared.problem, "bootstrap", seed=SEED, members=MEMBERS,
            executor=client.get_executor(),
        )  # fmt: skip
    assert_same(found, tiny.members)


@pytest.mark.parametrize("chunk", [1, 4, 100])
@pytest.mark.parametrize("who", [None, ThreadPoolExecutor], ids=["serial", "threads"])
def test_neither_chunks_nor_the_order_of_arrival_change_a_member(
    chunk: int, who: Callable[[int], Executor] | None
) -> None:
    toy = Toy(dawdles=True)
    expected = make_members(toy, "bootstrap", 5, range(60))
    if who is None:
        found = draw_members(toy, "bootstrap", seed=5, members=60, chunk=chunk)
    else:
        with who(4) as pool:
            found = draw_members(toy, "bootstrap", seed=5, members=60, chunk=chunk, executor=pool)
    assert_same(found, expected)


def test_a_member_depends_on_its_number_and_the_seed_alone() -> None:
    spawned = np.random.SeedSequence(11).spawn(4)
    for number, child in enumerate(spawned):
        own = generator(11, number).standard_normal(5)
        np.testing.assert_array_equal(own, np.random.default_rng(child).standard_normal(5))
    assert generator(11, 0).integers(2**60) != generator(12, 0).integers(2**60)


def test_what_is_done_is_not_made_again_and_more_can_be_added() -> None:
    kept: list[Member] = []
    first = draw_members(Toy(), "bootstrap", seed=2, members=5, keep=kept.append)
    told: list[tuple[int, int]] = []
    both = draw_members(
        Toy(), "bootstrap", seed=2, members=8, done=first, keep=kept.append,
        progress=lambda done, whole: told.append((done, whole)),
    )  # fmt: skip
    assert [m.number for m in kept] == list(range(8))
    assert told == [(5, 8), (6, 8), (7, 8), (8, 8)]
    assert_same(both, make_members(Toy(), "bootstrap", 2, range(8)))


def test_a_member_that_does_not_settle_is_recorded_and_the_others_stay() -> None:
    drawn = draw_members(Toy(fails_above=2.0), "bootstrap", seed=3, members=100)
    failed = [m for m in drawn if m.failure]
    assert 0 < len(failed) <= 10
    assert {m.failure for m in failed} == {"too high"}
    assert all(np.isnan(m.values).all() for m in failed)
    assert all(np.isfinite(m.values).all() for m in drawn if not m.failure)


def test_too_many_failures_are_an_error_that_names_one() -> None:
    with pytest.raises(NotConverged, match="too high") as caught:
        draw_members(Toy(fails_above=0.0), "bootstrap", seed=3, members=100)
    assert "lidepth analyze" in caught.value.remedy


def test_a_lost_worker_is_named_and_what_had_come_back_is_kept() -> None:
    values = [m.values[0, 0] for m in make_members(Toy(), "bootstrap", 4, range(12))]
    last = max(values)
    assert values.index(last) > 3  # some members are finished before the worker dies
    kept: list[Member] = []
    with processes(1) as pool, pytest.raises(WorkerLost, match="worker is gone") as caught:
        draw_members(
            Toy(dies_above=0.999 * last), "bootstrap", seed=4, members=12, executor=pool,
            keep=kept.append,
        )  # fmt: skip
    assert "go on" in caught.value.remedy
    finished = draw_members(Toy(), "bootstrap", seed=4, members=12, done=kept)
    assert_same(finished, make_members(Toy(), "bootstrap", 4, range(12)))


@pytest.mark.nightly
def test_a_lost_worker_of_a_dask_cluster_is_named_too() -> None:
    distributed, dask = pytest.importorskip("distributed"), pytest.importorskip("dask")
    last = max(m.values[0, 0] for m in make_members(Toy(), "bootstrap", 4, range(12)))
    kept: list[Member] = []
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        pytest.raises(WorkerLost, match="KilledWorker"),
    ):
        draw_members(
            Toy(dies_above=0.999 * last), "bootstrap", seed=4, members=12, keep=kept.append,
            executor=client.get_executor(),
        )  # fmt: skip
    finished = draw_members(Toy(), "bootstrap", seed=4, members=12, done=kept)
    assert_same(finished, make_members(Toy(), "bootstrap", 4, range(12)))
