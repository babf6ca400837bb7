"""Problems that cost nothing, and what the tests share; other processes can import it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidepth.analysis.ensemble import Prepared
from lidepth.analysis.ensemble.problem import Draw
from lidepth.errors import NotConverged
from lidepth.model.ensemble import Kind, Member
from lidepth.model.result import Run

SEED, MEMBERS = 7, 3


@dataclass(frozen=True)
class Tiny:
    """The file, the run, its fit, and the first members made here one after the other."""

    file: Path
    run: Run
    prepared: Prepared
    members: tuple[Member, ...]


@dataclass(frozen=True, kw_only=True)
class Toy:
    """One row of three random numbers; fails or dies where the first is high enough."""

    fails_above: float = np.inf
    dies_above: float = np.inf
    dawdles: bool = False
    rows: int = 1

    def draw(self, kind: Kind, rng: np.random.Generator) -> Draw:  # noqa: ARG002
        values = rng.standard_normal((1, 3))
        if values[0, 0] > self.dies_above:
            os._exit(9)
        if values[0, 0] > self.fails_above:
            raise NotConverged("too high")
        if self.dawdles:
            time.sleep(float(rng.uniform(0.0, 0.02)))
        return Draw(values, 1)
