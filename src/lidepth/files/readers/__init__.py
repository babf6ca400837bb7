"""Readers of analyser files: one module per format, chosen by the suffix of the file name.

A new format is one function ``bytes, path -> RawSpectrum`` and one line in ``READERS``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lidepth.errors import WrongFormat
from lidepth.files._text import read_bytes
from lidepth.files.readers.raw_spectrum import MAX_CHANNELS, MAX_FILE_BYTES, RawSpectrum
from lidepth.files.readers.spe import parse_spe

__all__ = ["MAX_CHANNELS", "MAX_FILE_BYTES", "READERS", "RawSpectrum", "read_spectrum"]

READERS: dict[str, Callable[[bytes, Path], RawSpectrum]] = {".spe": parse_spe}
"""Reader by lower-case suffix."""


def read_spectrum(path: str | Path) -> RawSpectrum:
    """Read one spectrum file, in the format that its suffix names.

    Raises WrongFormat for a suffix without a reader, and what the reader raises: Truncated,
    WrongFormat or OutOfRange with file and line.
    """
    file = Path(path)
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise WrongFormat(
            f"no reader for files ending in {file.suffix!r}", where=str(file),
            expected="one of " + ", ".join(READERS),
            remedy="let data.spectra match spectrum files only, such as spectra/*.Spe",
        )  # fmt: skip
    return reader(read_bytes(file, limit_bytes=MAX_FILE_BYTES), file)
