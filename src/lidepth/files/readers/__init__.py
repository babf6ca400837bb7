"""Readers of analyser files: one module per format, listed in ``FORMATS``.

A new format is one module with a ``Format`` and one line here; the table in the docs follows.
"""

from __future__ import annotations

from pathlib import Path

from lidepth.errors import WrongFormat
from lidepth.files._text import nearest, read_bytes, read_head
from lidepth.files.readers.amptek import AMPTEK
from lidepth.files.readers.chn import CHN
from lidepth.files.readers.cnf import CNF
from lidepth.files.readers.compass import COMPASS
from lidepth.files.readers.fastcomtec import FASTCOMTEC
from lidepth.files.readers.genie import GENIE
from lidepth.files.readers.iec import IEC
from lidepth.files.readers.n42 import N42
from lidepth.files.readers.nexus import NEXUS
from lidepth.files.readers.nicos import NICOS
from lidepth.files.readers.raw_spectrum import (
    MAX_CHANNELS,
    MAX_FILE_BYTES,
    Dialect,
    Format,
    RawSpectrum,
)
from lidepth.files.readers.spc import SPC
from lidepth.files.readers.spe import SPE
from lidepth.files.readers.text import TEXT

__all__ = [
    "FORMATS", "MAX_CHANNELS", "MAX_FILE_BYTES", "Dialect", "Format", "RawSpectrum",
    "format_of", "read_spectra", "read_spectrum",
]  # fmt: skip

FORMATS: tuple[Format, ...] = (
    SPE, SPC, CHN, CNF, N42, AMPTEK, GENIE, FASTCOMTEC, NICOS, COMPASS, IEC, TEXT, NEXUS,
)  # fmt: skip
"""Every format, in the order in which contents are tried where suffixes are shared."""

_HEAD = 4096


def read_spectra(
    path: str | Path, *, key: str = "", dialect: Dialect | None = None
) -> tuple[RawSpectrum, ...]:
    """Read every spectrum of one file.

    ``key`` names the format (``data.format``); without one, suffix and content decide.
    Raises WrongFormat for a file that no reader takes, and what the reader raises: Truncated,
    WrongFormat or OutOfRange with file and place.
    """
    file = Path(path)
    chosen = format_of(file, read_head(file, _HEAD), key=key)
    content = read_bytes(file, limit_bytes=chosen.limit_bytes)
    return chosen.parse(content, file, dialect or Dialect())


def read_spectrum(path: str | Path) -> RawSpectrum:
    """Read a file that holds one spectrum.

    Raises WrongFormat when it holds several, and what ``read_spectra`` raises.
    """
    found = read_spectra(path)
    if len(found) != 1:
        raise WrongFormat(
            f"the file holds {len(found)} spectra", where=str(path), expected="one",
            remedy="read it with read_spectra",
        )  # fmt: skip
    return found[0]


def format_of(path: Path, head: bytes, *, key: str = "") -> Format:
    """Return the format that ``key`` names, else the one that suffix and content show."""
    if key:
        named = [one for one in FORMATS if one.key == key]
        if named:
            return named[0]
        near = nearest(key, [one.key for one in FORMATS])
        raise WrongFormat(
            f"no format is called {key!r}", where=str(path),
            expected="one of " + ", ".join(one.key for one in FORMATS),
            remedy=f"did you mean {near!r}?" if near else "leave data.format out",
        )  # fmt: skip
    guessed = [one for one in FORMATS if not one.explicit]
    fitting = [one for one in guessed if path.suffix.lower() in one.suffixes]
    for one in fitting:
        if len(fitting) == 1 or one.recognises(head):
            return one
    known = sorted({suffix for one in guessed for suffix in one.suffixes})
    raise WrongFormat(
        f"no reader for files ending in {path.suffix!r}" if not fitting
        else f"the content is none of the formats that end in {path.suffix!r}",
        where=str(path), expected="one of " + ", ".join(known),
        remedy="let data.spectra match spectrum files only, such as spectra/*.Spe; for columns of "
        "numbers give data.format: text and data.dialect",
    )  # fmt: skip
