"""What NeXus and netCDF share: packing, counts in blocks, the error of an energy scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.files.export.content import Content
from lidepth.files.records import Progress

PACKING: dict[str, Any] = {"compression": "gzip", "compression_opts": 2, "shuffle": True}
"""What every HDF5 library can read; level 4 takes twice the time for a tenth of the size."""

_CHUNK_CELLS = 2**18


def chunk_shape(spectra: int, channels: int) -> tuple[int, int]:
    """Return a chunk of whole spectra, about 1 MiB of them."""
    return min(spectra, max(1, _CHUNK_CELLS // channels)), channels


def blocks(counts: NDArray[Any]) -> Iterator[slice]:
    """Yield slices of whole chunks along the first dimension: how much is in memory at once."""
    spectra, channels = counts.shape
    rows = 4 * chunk_shape(spectra, channels)[0]
    for start in range(0, spectra, rows):
        yield slice(start, min(start + rows, spectra))


class Counter:
    """Tells ``progress`` how many of all spectra of the content are written."""

    def __init__(self, content: Content, progress: Progress | None) -> None:
        self._done = 0
        self._whole = sum(len(part.series) for part in content.parts)
        self._progress = progress

    def add(self, spectra: int) -> None:
        """Count ``spectra`` more."""
        self._done += spectra
        if self._progress is not None:
            self._progress(self._done, self._whole)


def energy_std_kev(covariance: NDArray[np.float64], channel: NDArray[Any]) -> NDArray[np.float64]:
    """Return the standard uncertainty of the energies at ``channel`` (m,), in keV; shape (m,).

    First-order propagation through offset + gain * channel, exact as this is linear.
    """
    (offset, both), (_, gain) = covariance
    place = np.asarray(channel, dtype=np.float64)
    return np.asarray(np.sqrt(offset + 2.0 * both * place + gain * place**2))
