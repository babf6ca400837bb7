"""Spectra in NeXus files (HDF5): every NXdetector of every NXentry, one record per time.

The file is read in a process of its own: the HDF5 library can loop for ever, or crash, on a file
with one wrong byte, and a process can be ended.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from lidepth import errors
from lidepth.errors import LidepthError, WrongFormat
from lidepth.files.readers._checked import COPY
from lidepth.files.readers.raw_spectrum import Dialect, Format, RawSpectrum

_MAGIC = b"\x89HDF\r\n\x1a\n"
_PATIENCE_S = 20.0
"""Starting takes a fraction of a second; the other process ends itself when its work runs on."""


def _recognises(head: bytes) -> bool:
    return head.startswith(_MAGIC)


def _parse(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:  # noqa: ARG001
    if not content.startswith(_MAGIC):
        raise WrongFormat(
            "this is not a NeXus file in HDF5", where=str(path), expected="an HDF5 file",
            remedy="NeXus files in XML or HDF4 are not read: convert them with nxconvert",
        )  # fmt: skip
    command = [sys.executable, "-m", "lidepth.files.readers._hdf5", str(path)]
    try:
        done = subprocess.run(  # noqa: S603
            command, input=content, capture_output=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _damaged(path, "reading it does not end") from error
    line, newline, data = done.stdout.partition(b"\n")
    if done.returncode or not newline:
        raise _damaged(path, "the HDF5 library fails on it")
    told = json.loads(line)
    if "error" in told:
        raise _said(told["error"])
    spectra, place = [], 0
    for one in told["spectra"]:
        counts = np.frombuffer(data, dtype=np.int64, count=one.pop("channels"), offset=place)
        place += counts.nbytes
        start, scale = one.pop("start"), one.pop("calibration")
        spectra.append(
            RawSpectrum(
                counts=counts, start=None if start is None else np.datetime64(start, "ns"),
                calibration=None if scale is None else (scale[0], scale[1]),
                remarks=tuple(one.pop("remarks")), **one,
            )
        )  # fmt: skip
    return tuple(spectra)


def _said(error: dict[str, str]) -> LidepthError:
    """The error of the other process, which is one of ours."""
    kind: type[LidepthError] = getattr(errors, error.pop("kind"))
    return kind(error.pop("what"), **error)


def _damaged(path: Path, why: str) -> WrongFormat:
    return WrongFormat(f"the HDF5 file is damaged ({why})", where=str(path),
                       expected="a whole NeXus file", remedy=COPY)  # fmt: skip


NEXUS = Format(
    key="nexus", maker="NeXus", suffixes=(".nxs", ".nx", ".h5", ".hdf5", ".hdf"), parse=_parse,
    recognises=_recognises, reads_with="h5py",
    note="NXdetector with counts (time, channel) in an NXentry; our own export reads back",
)  # fmt: skip
