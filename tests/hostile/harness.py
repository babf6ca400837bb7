"""What every reader must survive: cuts, mutations, hostile sizes; only our errors come out."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np

from lidepth.errors import LidepthError

Read = Callable[[bytes], object]

SLOWEST_S = 2.0
FLOOR_BYTES = 4 * 1024**2
"""What importing and error messages may cost however small the file is."""


def cuts(content: bytes, *, every_below: int = 4096, further: int = 60) -> Iterator[bytes]:
    """The content cut at every byte up to 4 kB and at some places beyond."""
    for size in range(min(len(content), every_below)):
        yield content[:size]
    if len(content) > every_below:
        for size in np.linspace(every_below, len(content) - 1, further).astype(int):
            yield content[:size]


def mutations(content: bytes, *, number: int = 2000, seed: int = 20170306) -> Iterator[bytes]:
    """Bytes changed, dropped, doubled and swapped at random, a few at a time."""
    random = np.random.default_rng(seed)
    for _ in range(number):
        data = bytearray(content)
        for _ in range(int(random.integers(1, 5))):
            place = int(random.integers(len(data)))
            kind = int(random.integers(5))
            span = int(random.integers(1, 17))
            if kind == 0:
                data[place] = int(random.integers(256))
            elif kind == 1:
                data[place] ^= 1 << int(random.integers(8))
            elif kind == 2 and len(data) > span + 1:
                del data[place : place + span]
            elif kind == 3:
                data[place:place] = data[place : place + span]
            else:
                data[place : place + span] = bytes(random.integers(0, 256, span, dtype=np.uint8))
        yield bytes(data)


def outcome(read: Read, content: bytes) -> object | LidepthError:
    """What a reader makes of the content; any error that is not ours fails the test.

    Fails too when reading takes longer than SLOWEST_S.
    """
    begin = time.perf_counter()
    try:
        found: object = read(content)
    except LidepthError as error:
        found = error
    assert time.perf_counter() - begin < SLOWEST_S, "a reader hung"
    return found


def peak_bytes(read: Read, content: bytes) -> int:
    """The most memory that reading took, our errors included."""
    tracemalloc.start()
    try:
        outcome(read, content)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def assert_bounded(read: Read, content: bytes) -> None:
    """Reading takes at most ten times the memory of the file."""
    assert peak_bytes(read, content) <= 10 * len(content) + FLOOR_BYTES
