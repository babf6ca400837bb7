"""Points of a NICOS run: one gzipped text of counts per detector beside a YAML file.

NICOS writes ``<name>.yaml`` and ``<name>_<number>.gz`` for every point.  Either may be named: the
YAML file gives all detectors of the point, a ``.gz`` file its own.  The number is the name of the
detector.  The YAML file names no other file that is opened; spectra are found by their names only,
and only in its own folder.
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, OutOfRange, Truncated, WrongFormat
from lidepth.files._text import parse_time, read_bytes
from lidepth.files._yaml import MAX_BYTES, load_yaml
from lidepth.files.readers._ascii import number, whole_counts
from lidepth.files.readers._checked import COPY
from lidepth.files.readers.raw_spectrum import Dialect, Format, RawSpectrum

_GZIP = b"\x1f\x8b"
_MAX_PACKED_BYTES = 1024**2
_MAX_TEXT_BYTES = 512 * 1024
"""Room for 64k channels, the most that the analysers have, of seven digits each."""
_MAX_DETECTORS = 16

_NUMBERED = re.compile(r"(.+)_(\d{1,3})\.gz", re.IGNORECASE)
_MONITOR = re.compile(r"mon(?:itor)?_?\d*", re.IGNORECASE)
_YAML_HEAD = re.compile(rb"^(?:format|measurement):", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class _Point:
    """What the YAML file says: start, real time in s, counts of the monitor, remarks."""

    start: np.datetime64 | None = None
    real_s: float = math.nan
    monitor: float = math.nan
    remarks: tuple[str, ...] = ("no .yaml file lies beside it to say when it was taken",)


def _recognises(head: bytes) -> bool:
    return head.startswith(_GZIP) or _YAML_HEAD.search(head) is not None


def _parse(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:  # noqa: ARG001
    named = _NUMBERED.fullmatch(path.name)
    if content.startswith(_GZIP):
        if named is None:
            raise WrongFormat(
                f"the name {path.name[:60]!r} does not number its detector", where=str(path),
                expected="a name such as run_0000000012_1.gz", remedy="keep the names of NICOS",
            )  # fmt: skip
        beside = _beside(path.with_name(f"{named[1]}.yaml"), path.parent)
        text = read_bytes(beside, limit_bytes=MAX_BYTES) if beside is not None else b""
        point = _point(text, beside) if beside is not None else _Point()
        return (_spectrum(content, path, text, point, named[2]),)
    point = _point(content, path)
    files = _numbered_files(path)
    if not files:
        raise BadInput(
            "no spectrum lies beside this file", where=str(path),
            expected=f"files such as {path.stem}_1.gz in the same folder",
            remedy="copy the .gz files together with the .yaml files",
        )  # fmt: skip
    return tuple(
        _spectrum(read_bytes(file, limit_bytes=_MAX_PACKED_BYTES), file, content, point, number_)
        for number_, file in files
    )


def _numbered_files(path: Path) -> list[tuple[str, Path]]:
    """Return (number, file) of the spectra of this point, in the order of their numbers."""
    names = [(str(n), path.with_name(f"{path.stem}_{n}.gz")) for n in range(_MAX_DETECTORS)]
    beside = [(number_, _beside(file, path.parent)) for number_, file in names]
    return [(number_, file) for number_, file in beside if file is not None]


def _beside(file: Path, folder: Path) -> Path | None:
    """Return the file if it is there; refuses one that lies elsewhere behind a link."""
    if not file.is_file():
        return None
    if file.resolve().parent != folder.resolve():
        raise BadInput(
            "a link out of the folder of the point is not followed", where=str(file),
            expected="a file in the same folder", remedy="copy the file there",
        )  # fmt: skip
    return file


def _spectrum(packed: bytes, path: Path, text: bytes, point: _Point, detector: str) -> RawSpectrum:
    return RawSpectrum(
        counts=_counts(packed, path), start=point.start, live_s=math.nan, real_s=point.real_s,
        calibration=None, sha256=hashlib.sha256(text + packed).hexdigest(), detector=detector,
        monitor=point.monitor, remarks=point.remarks,
    )  # fmt: skip


def _counts(packed: bytes, path: Path) -> NDArray[np.int64]:
    body = _unpacked(packed, path)
    shape = {len(line.split()) for line in body.splitlines()[:2]}
    if len(shape) != 1 or (shape != {1} and body.count(b"\n") != 1) or not body.endswith(b"\n"):
        raise WrongFormat(
            "this is not a spectrum in one dimension", where=str(path),
            expected="one count per line, each ended by a line end",
            remedy="leave images out of data.spectra",
        )  # fmt: skip
    counts = whole_counts(body, path=path, first_line=1)
    if not counts.size:
        raise Truncated("no counts", where=str(path), expected="one per line", remedy=COPY)
    return counts


def _unpacked(packed: bytes, path: Path) -> bytes:
    """Return the text, unpacking no more than a spectrum can be."""
    machine = zlib.decompressobj(wbits=31)
    try:
        body = machine.decompress(packed, _MAX_TEXT_BYTES + 1)
    except zlib.error as error:
        raise WrongFormat(
            f"the compressed counts are damaged ({error})", where=str(path),
            expected="a whole gzip file", remedy=COPY,
        ) from error  # fmt: skip
    if len(body) > _MAX_TEXT_BYTES:
        raise OutOfRange(
            "the counts unpack to more than any spectrum", where=str(path),
            expected=f"at most {_MAX_TEXT_BYTES} bytes", remedy="check that this is a spectrum",
        )  # fmt: skip
    if not machine.eof:
        raise Truncated("the compressed counts end too early", where=str(path),
                        expected="a whole gzip file", remedy=COPY)  # fmt: skip
    if machine.unused_data:
        raise WrongFormat("more follows after the compressed counts", where=str(path),
                          expected="one gzip file", remedy=COPY)  # fmt: skip
    return body


def _point(content: bytes, path: Path) -> _Point:
    if len(content) > MAX_BYTES:
        raise OutOfRange("the file is too large to describe a point", where=str(path),
                         expected=f"at most {MAX_BYTES} bytes")  # fmt: skip
    try:
        tree, _ = load_yaml(content.decode("utf-8"), path)
    except UnicodeDecodeError as error:
        raise WrongFormat("the file is not UTF-8 text", where=str(path),
                          expected="YAML as NICOS writes it", remedy=COPY) from error  # fmt: skip
    measured = tree.get("measurement")
    history = measured.get("history") if isinstance(measured, dict) else None
    if not isinstance(measured, dict) or not isinstance(history, dict):
        raise WrongFormat(
            "this is not a point of NICOS", where=str(path),
            expected="measurement with history and devices",
            remedy="let data.spectra match the files of the points",
        )  # fmt: skip
    start = _moment(history.get("started"), path)
    stop = _moment(history.get("stopped"), path)
    values = dict(_values(measured.get("devices")))
    remarks: tuple[str, ...] = ()
    real_s = values.get("timer", math.nan)
    if not math.isfinite(real_s) and start is not None and stop is not None and stop > start:
        real_s = float((stop - start) / np.timedelta64(1, "s"))
        remarks += ("no timer: the real time is that between start and stop, in whole seconds",)
    monitors = sorted(name for name in values if _MONITOR.fullmatch(name))
    if len(monitors) > 1:
        remarks += (f"the monitor is {monitors[0]}; {', '.join(monitors[1:])} left out",)
    monitor = values[monitors[0]] if monitors else math.nan
    return _Point(start=start, real_s=real_s, monitor=monitor, remarks=remarks)


def _moment(value: Any, path: Path) -> np.datetime64 | None:
    if value is None:
        return None
    try:
        return parse_time(value, where=f"{path}, measurement.history")
    except (AttributeError, TypeError) as error:
        raise WrongFormat(f"{str(value)[:40]!r} is not a time", remedy=COPY,
                          where=f"{path}, measurement.history",
                          expected="a time such as 2017-03-06T09:00:00") from error  # fmt: skip


def _values(devices: Any) -> Iterable[tuple[str, float]]:
    """Yield (name, value) of the devices that have a number; the first of a list counts."""
    for device in devices if isinstance(devices, list) else ():
        if not isinstance(device, dict):
            continue
        value = device.get("value")
        value = value[0] if isinstance(value, list) and value else value
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        amount = number(str(value)) if plain else math.nan
        if 0 <= amount < 1e15:
            yield str(device.get("name")), amount


NICOS = Format(
    key="nicos", maker="NICOS (MLZ)", suffixes=(".yaml", ".yml", ".gz"), parse=_parse,
    recognises=_recognises,
    note="a .yaml file per point with gzipped counts beside it, one .gz file per detector",
)  # fmt: skip
