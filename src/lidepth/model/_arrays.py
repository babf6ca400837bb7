"""Read-only arrays and checks at birth, shared by the nouns."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lidepth.errors import BadData


def readonly(values: ArrayLike) -> NDArray[np.float64]:
    """Return a float copy that nobody can write to."""
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def require(holds: bool, promise: str) -> None:
    """Raise BadData unless the promise holds."""
    if not holds:
        raise BadData(f"broken promise: {promise}")
