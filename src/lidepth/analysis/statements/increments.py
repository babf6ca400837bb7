"""A chain whose electrolyte changes by increments: one unknown profile per epoch, paid by a clock.

The state x of the smoother is followed by D, what the present epoch adds to some parts of x.  As
the clock of the epoch goes from 0 to 1, x gains D; at its end D is drawn anew.  What the clock is
(charge, discharge, rest, ...) is the hypothesis; D and its prior are the same for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.campaign.chain import Evidence, Move
from lidepth.analysis.statements.phases import Clock

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Increments:
    """What an epoch may add: ``places`` (d,) in the state, ``covariance`` (d, d) of D.

    ``memory`` (epochs,) is the correlation of each epoch's D with that of the one before.
    """

    places: NDArray[np.int64]
    covariance: Floats
    memory: Floats

    @property
    def size(self) -> int:
        """Length d of D."""
        return int(self.places.size)


def padded(evidence: Sequence[Evidence], extra: int) -> list[Evidence]:
    """Evidence about states with ``extra`` further parts, of which the measurements say nothing."""
    if not extra:
        return list(evidence)
    wide = []
    for seen in evidence:
        n = seen.state.size
        a = np.zeros((n + extra, n + extra))
        a[:n, :n] = seen.a
        b = np.vstack([seen.b, np.zeros((extra, seen.b.shape[1]))])
        state = np.concatenate([seen.state, np.zeros(extra)])
        wide.append(seen._replace(a=a, b=b, state=state))
    return wide


def growing(steps: Sequence[Move], clock: Clock, added: Increments) -> list[Move]:
    """The moves of the smoother, with D added by the clock."""
    return [_widened(step, *clock.pieces(k), added) for k, step in enumerate(steps)]


def _widened(step: Move, begun: int, pieces: list[float], added: Increments) -> Move:
    """One move: x' = step(x) + sum over epochs of D * piece, D drawn anew between two pieces."""
    n, d = step.keep.size, added.size
    gain, stay = pieces[0], 1.0  # x gains gain * D; D stays times stay
    to_x = to_both = to_d = 0.0  # covariances of the two in units of D's prior
    for epoch, piece in enumerate(pieces[1:], start=begun):
        memory = float(added.memory[epoch])
        fresh = 1.0 - memory**2 if epoch else 1.0
        gain, stay = gain + memory * stay * piece, memory * stay
        to_x += 2.0 * memory * piece * to_both + piece**2 * (memory**2 * to_d + fresh)
        to_both = memory * to_both + piece * (memory**2 * to_d + fresh)
        to_d = memory**2 * to_d + fresh
    noise = np.zeros((n + d, n + d))
    noise[:n, :n] = step.noise
    noise[np.ix_(added.places, added.places)] += to_x * added.covariance
    noise[np.ix_(added.places, np.arange(n, n + d))] += to_both * added.covariance
    noise[np.ix_(np.arange(n, n + d), added.places)] += to_both * added.covariance
    noise[n:, n:] = to_d * added.covariance
    mix = np.zeros((n + d, n + d))
    mix[added.places, np.arange(n, n + d)] = gain
    lever = step.lever
    if lever is not None:
        lever = np.vstack([lever, np.zeros((d, lever.shape[1]))])
    return Move(
        keep=np.concatenate([step.keep, np.full(d, stay)]),
        push=np.concatenate([step.push, np.zeros(d)]), lever=lever, noise=noise,
        mix=mix if gain else None,
    )  # fmt: skip
