"""Where the fits of an analysis settled, kept beside its results for the next analysis."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from lidepth import __version__
from lidepth.errors import LidepthError
from lidepth.files._store import write_text
from lidepth.files._text import read_text
from lidepth.model.result import Settled

NAME = "settled.json"
MAX_BYTES = 64 * 1024**2


def fingerprint(experiment_text: str, stopping: str) -> str:
    """Return what a kept start must agree with: the description, the source, the version."""
    return sha256("\0".join((experiment_text, stopping, __version__)).encode()).hexdigest()


def write_settled(path: Path, settled: Settled, *, belongs_to: str) -> None:
    """Keep a start as JSON; raises StoreError."""
    tree = {
        "for": belongs_to,
        "shared": settled.shared,
        "tied": {label: vector.tolist() for label, vector in settled.tied.items()},
        "untied": {label: vector.tolist() for label, vector in settled.untied.items()},
    }
    write_text(path, json.dumps(tree) + "\n")


def read_settled(path: Path, *, belongs_to: str) -> Settled | None:
    """Return a kept start; None where there is none, or it is damaged or of something else.

    A start may always be missing: it only saves time.
    """
    try:
        tree = json.loads(read_text(path, limit_bytes=MAX_BYTES))
        if tree["for"] != belongs_to:
            return None
        shared = {str(name): _finite(value) for name, value in tree["shared"].items()}
        return Settled(shared=shared, tied=_vectors(tree["tied"]), untied=_vectors(tree["untied"]))
    except (LidepthError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _vectors(tree: Mapping[str, Any]) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    return {
        str(label): np.array([_finite(value) for value in vector]) for label, vector in tree.items()
    }


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number
