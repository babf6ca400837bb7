"""Problems that cost nothing, in a module that other processes can import."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np

from lidepth.analysis.ensemble.problem import Draw
from lidepth.errors import NotConverged
from lidepth.model.ensemble import Kind


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
