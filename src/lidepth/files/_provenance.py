"""Where results come from: versions, hashes, and plain JSON values."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from lidepth import __version__


def plain(value: Any) -> Any:
    """Return ``value`` in plain JSON types, ten digits of a number; NaN and infinity: None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.10g}") if math.isfinite(value) else None
    return value if value is None else str(value)


def known(value: Any) -> Any:
    """Return ``value`` in JSON types, numbers to their last digit; NaN and infinity become None."""
    if isinstance(value, dict):
        return {name: known(one) for name, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return known(value.tolist())
    if isinstance(value, list | tuple):
        return [known(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def versions() -> dict[str, str]:
    """Versions of lidepth, Python and the libraries that numbers depend on."""
    found = {"lidepth": __version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "numba", "scipp", "periodictable"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def files_digest(sources: Sequence[str], digests: Sequence[str]) -> str:
    """Return one SHA-256 over the names and hashes of all spectra, independent of their order."""
    lines = sorted(f"{digest}  {name}" for name, digest in zip(sources, digests, strict=True))
    return sha256("\n".join(lines).encode()).hexdigest()
