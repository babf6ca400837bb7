"""What the process that reads an HDF5 file does; ``nexus`` starts it and gives it the bytes.

Shapes, types and chunks are checked before anything is read, because an HDF5 file can announce far
more than it holds: only hard links are followed, only numbers of plain types are read, and what is
compressed is unpacked once with a limit before the library may unpack it.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, LidepthError, OutOfRange, WrongFormat
from lidepth.files._text import parse_time
from lidepth.files.readers._ascii import kev_per
from lidepth.files.readers._checked import COPY, Scale
from lidepth.files.readers._table import even_scale
from lidepth.files.readers.raw_spectrum import (
    MAX_CHANNELS,
    MAX_COUNTS,
    RawSpectrum,
)

if TYPE_CHECKING:
    import h5py

_DEPTH = 3
_MAX_LINKS = 10_000
_MAX_DETECTORS = 64
_MAX_CHUNK_BYTES = 2**24
_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3
_PIPELINES: list[list[int]] = [
    [], [_SHUFFLE], [_FLETCHER32], [_DEFLATE], [_SHUFFLE, _DEFLATE], [_DEFLATE, _FLETCHER32],
    [_SHUFFLE, _DEFLATE, _FLETCHER32],
]  # fmt: skip
_RAW = "use the raw spectra"
_OURS = "lidepth_layout"
_IN_S = {"s": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0,
         "minute": 60.0, "minutes": 60.0}  # fmt: skip
_H5 = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError,
       OverflowError, UnicodeError, MemoryError, NotImplementedError)  # fmt: skip
"""What h5py raises for damaged files."""


class _Reader:
    """Reads one file; keeps what the checks need."""

    def __init__(self, content: bytes, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256(content).hexdigest()
        self._cells = 2**18 + 16 * len(content)  # what spectra of few counts compress to
        self._links = 0
        self._zoned: tuple[str, ...] = ()

    def spectra(self, file: h5py.File) -> tuple[RawSpectrum, ...]:
        found: list[RawSpectrum] = []
        records: dict[str, int] = {}
        for where, entry in self._groups(file, "NXentry", depth=1):
            if where == "background" and self._dataset(entry, _OURS) is not None:
                continue  # blanks, beside the run in /entry
            detectors = list(self._groups(entry, "NXdetector", depth=_DEPTH))
            if not detectors:
                detectors = list(self._groups(entry, "NXdata", depth=1))
            detectors = [one for one in detectors if self._counts_of(one[1]) is not None]
            for name, group in detectors:
                title = self._title(name, group, alone=len(detectors) == 1)
                new = self._detector(entry, group, title, records.get(title, 0))
                records[title] = records.get(title, 0) + len(new)
                found += new
            if len(records) > _MAX_DETECTORS:
                raise OutOfRange(f"{len(records)} detectors", where=str(self._path), remedy=COPY,
                                 expected=f"at most {_MAX_DETECTORS}")  # fmt: skip
        if not found:
            raise WrongFormat(
                "the file holds no spectrum", where=str(self._path),
                expected="an NXentry with an NXdetector that has counts (time, channel)",
                remedy="export the spectra as NeXus, or as text",
            )  # fmt: skip
        return tuple(found)

    def _detector(
        self, entry: h5py.Group, group: h5py.Group, title: str, first: int
    ) -> list[RawSpectrum]:
        place = f"{self._path}, {group.name}"
        counts = self._whole(self._counts_of(group), place)
        number = len(counts)
        start, after_s = self._starts(entry, group, number)
        live_s = self._times(group, ("live_time",), number)
        real_s = self._times(group, ("real_time", "count_time"), number)
        if np.isnan(real_s).any():
            real_s = np.where(np.isnan(real_s), self._times(entry, ("duration",), number), real_s)
        monitor = self._monitor(entry, number)
        scale, remarks = self._scale(group, counts.shape[1])
        remarks += self._zoned
        return [
            RawSpectrum(
                counts=counts[i], start=None if start is None else start[i],
                live_s=float(live_s[i]), real_s=float(real_s[i]), calibration=scale,
                sha256=self._digest, detector=title, record=first + i,
                monitor=float(monitor[i]), remarks=remarks, after_s=float(after_s[i]),
            )
            for i in range(number)
        ]  # fmt: skip

    def _title(self, name: str, group: h5py.Group, *, alone: bool) -> str:
        """Name of the detector; none for the only one of our own files."""
        local = self._dataset(group, "local_name")
        known = self._string(local) if local is not None else None
        return "" if alone and known == "detector" else known or name

    def _counts_of(self, group: h5py.Group) -> h5py.Dataset | None:
        """The dataset of counts: named so, else the signal of the group."""
        signal = _text(group.attrs.get("signal"))
        for name in ("counts", signal, "data"):
            one = self._dataset(group, name) if name else None
            if one is not None and one.ndim in (1, 2):
                return one
        return None

    def _whole(self, dataset: h5py.Dataset | None, place: str) -> NDArray[np.int64]:
        """Read counts as (time, channel) int64."""
        shape = dataset.shape if dataset is not None else (0,)
        if not shape[-1] or not shape[0]:
            raise WrongFormat("no counts", where=place, expected="counts (time, channel)")
        if shape[-1] > MAX_CHANNELS:
            raise OutOfRange("more channels than any analyser has", where=place, remedy=COPY,
                             expected=f"at most {MAX_CHANNELS} channels")  # fmt: skip
        values = np.atleast_2d(self._numbers(dataset, place))
        if values.dtype.kind == "f" and not (np.floor(values) == values).all():
            raise WrongFormat("a count is not a whole number", where=place, remedy=_RAW,
                              expected="whole numbers from 0 up")  # fmt: skip
        if values.min() < 0 or values.max() >= MAX_COUNTS:
            raise OutOfRange("a count is negative or more than can be", where=place, remedy=_RAW,
                             expected="counts from 0 up to 2^53")  # fmt: skip
        return values.astype(np.int64)

    def _starts(
        self, entry: h5py.Group, group: h5py.Group, number: int
    ) -> tuple[NDArray[np.datetime64] | None, NDArray[np.float64]]:
        """Return starts (time,), None where unknown, and seconds since the first of all."""
        place = f"{self._path}, {group.name}/start_time"
        offsets = self._times(group, ("start_time",), number)
        since = None
        if self._dataset(group, "start_time") is not None:
            attributes = group["start_time"].attrs
            since = _text(attributes.get("start", attributes.get("offset")))
        if since is None:
            dataset = self._dataset(entry, "start_time")
            since = self._string(dataset) if dataset is not None else None
            if number == 1 and math.isnan(offsets[0]):
                offsets = np.zeros(1)
        offsets = np.where(np.isnan(offsets), 0.0, offsets) if number == 1 else offsets
        if since is None or not np.isfinite(offsets).all():
            return None, np.where(np.isfinite(offsets), offsets, 0.0)
        origin = self._moment(since, place)
        return origin + np.round(offsets * 1e9).astype("timedelta64[ns]"), offsets

    def _moment(self, text: str, place: str) -> np.datetime64:
        """Return an ISO time; one with a time zone becomes UTC, with a remark."""
        try:
            time = datetime.fromisoformat(text.strip())
        except ValueError:
            return parse_time(text, where=place)
        if time.utcoffset() is None:
            return parse_time(text, where=place)
        self._zoned = ("the start has a time zone and is given in UTC",)
        return parse_time(time.astimezone(UTC), where=place)

    def _times(self, group: h5py.Group, names: tuple[str, ...], number: int) -> NDArray[np.float64]:
        """Read seconds (time,) from the first of the datasets that is there, else NaN."""
        for name in names:
            dataset = self._dataset(group, name)
            if dataset is None or dataset.dtype.kind not in "iuf":
                continue
            place = f"{self._path}, {group.name}/{name}"
            unit = _text(dataset.attrs.get("units")) or "s"
            values = np.atleast_1d(self._numbers(dataset, place)).astype(np.float64)
            if unit not in _IN_S or values.shape not in ((number,), (1,)):
                raise WrongFormat(
                    f"{values.shape} values in {unit[:20]!r}", where=place,
                    expected=f"{number} times in seconds", remedy=COPY,
                )  # fmt: skip
            if (values < 0).any() or (values * _IN_S[unit] >= 1e10).any():
                raise OutOfRange("a time that cannot be", where=place, remedy=COPY,
                                 expected="times from 0 s up")  # fmt: skip
            return np.broadcast_to(values * _IN_S[unit], number).copy()
        return np.full(number, np.nan)

    def _monitor(self, entry: h5py.Group, number: int) -> NDArray[np.float64]:
        for _, group in self._groups(entry, "NXmonitor", depth=_DEPTH):
            for name in ("counts", "data", "integral"):
                dataset = self._dataset(group, name)
                if dataset is not None and dataset.shape in (
                    (number,),
                    () if number == 1 else None,
                ):
                    values = self._numbers(dataset, f"{self._path}, {group.name}/{name}")
                    return np.atleast_1d(values).astype(np.float64)
        return np.full(number, np.nan)

    def _scale(self, group: h5py.Group, channels: int) -> tuple[Scale | None, tuple[str, ...]]:
        dataset = self._dataset(group, "energy")
        if dataset is None:
            return None, ()
        place = f"{self._path}, {group.name}/energy"
        unit_kev = kev_per(_text(dataset.attrs.get("units")) or "")
        if dataset.ndim != 1 or math.isnan(unit_kev):
            return None, ("the energies have no unit of energy, or not one value per channel",)
        energies = self._numbers(dataset, place).astype(np.float64) * unit_kev
        if energies.size not in (channels, channels + 1) or not np.isfinite(energies).all():
            return None, ("the energies do not go with the channels",)
        try:
            return even_scale(energies[:channels], where=place), ()
        except BadInput:
            return None, ("the energies do not rise evenly and are left out",)

    def _groups(
        self, parent: h5py.Group, kind: str, *, depth: int
    ) -> Iterator[tuple[str, h5py.Group]]:
        """Yield (name, group) of one NeXus class, down to ``depth`` groups below ``parent``."""
        import h5py

        for name in parent:
            self._links += 1
            if self._links > _MAX_LINKS:
                raise OutOfRange("too many links", where=str(self._path), remedy=COPY,
                                 expected=f"at most {_MAX_LINKS}")  # fmt: skip
            if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
                continue
            if parent.get(name, getclass=True) is not h5py.Group:
                continue
            group = parent[name]
            if _text(group.attrs.get("NX_class")) == kind:
                yield str(name), group
            elif depth > 1:
                yield from self._groups(group, kind, depth=depth - 1)

    def _dataset(self, group: h5py.Group, name: str) -> h5py.Dataset | None:
        """A dataset by its name alone, reached by a hard link; None when there is none."""
        import h5py

        if "/" in name or name not in group:
            return None
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            return None
        return group[name] if group.get(name, getclass=True) is h5py.Dataset else None

    def _string(self, dataset: h5py.Dataset) -> str | None:
        import h5py

        if dataset.size != 1 or h5py.check_string_dtype(dataset.dtype) is None:
            return None
        return _text(np.ravel(dataset[()])[0])

    def _numbers(self, dataset: h5py.Dataset, place: str) -> NDArray[Any]:
        """Read a dataset of plain numbers, after everything that can be checked was."""
        kind = dataset.dtype
        if kind.kind not in "iuf" or kind.itemsize > 8 or dataset.is_virtual or dataset.external:
            raise WrongFormat(
                f"values of the type {str(kind)[:40]}, or kept in another file", where=place,
                expected="plain numbers in this file", remedy="export them as integers or floats",
            )  # fmt: skip
        if dataset.size > self._cells:
            raise OutOfRange(
                f"{dataset.size} values announced in a file too small for them", where=place,
                expected="no more than the file can hold", remedy=COPY,
            )  # fmt: skip
        if dataset.chunks is not None:
            self._check_chunks(dataset, place)
        return np.asarray(dataset[()])

    def _check_chunks(self, dataset: h5py.Dataset, place: str) -> None:
        """Unpack every compressed chunk with a limit: the library itself would set none."""
        nominal = math.prod(dataset.chunks) * dataset.dtype.itemsize
        plist = dataset.id.get_create_plist()
        filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
        if nominal > _MAX_CHUNK_BYTES or filters not in _PIPELINES:
            raise OutOfRange(
                f"chunks of {nominal} bytes, packed in the ways {filters}", where=place,
                expected=f"at most {_MAX_CHUNK_BYTES} bytes, gzip with or without shuffle",
                remedy="export them with gzip compression",
            )  # fmt: skip
        for i in range(dataset.id.get_num_chunks() if _DEFLATE in filters else 0):
            where = dataset.id.get_chunk_info(i).chunk_offset
            mask, packed = dataset.id.read_direct_chunk(where)
            machine = zlib.decompressobj()
            if mask == 0 and len(machine.decompress(packed, nominal + 1)) > nominal:
                raise OutOfRange("a chunk unpacks to more than its size", where=place,
                                 expected=f"{nominal} bytes", remedy=COPY)  # fmt: skip


def _text(value: Any) -> str | None:
    """Text of an attribute or scalar, None for anything else or more than 200 characters."""
    value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return str(value) if isinstance(value, str) and len(value) <= 200 else None


def _limit_time(size: int) -> None:
    """End this process after a second more of work, and one for every 2 MB: a loop ends so."""
    with suppress(ImportError):  # Windows: the parent's patience alone
        import resource

        limit_s = math.ceil(time.process_time() + 1.0 + size / 2e6)
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))


def main() -> None:
    """Read a file from standard input; write one line of JSON, then the counts as int64."""
    import h5py

    content, path = sys.stdin.buffer.read(), Path(sys.argv[1])
    _limit_time(len(content))
    try:
        with h5py.File.in_memory(content) as file:  # a file object would be read past its end
            found = _Reader(content, path).spectra(file)
    except LidepthError as error:
        said = {"kind": type(error).__name__, "what": error.what, "where": error.where,
                "expected": error.expected, "remedy": error.remedy}  # fmt: skip
        sys.stdout.write(json.dumps({"error": said}) + "\n")
        return
    except _H5 as error:
        said = {"kind": "WrongFormat", "what": f"the HDF5 file is damaged ({str(error)[:120]})",
                "where": str(path), "expected": "a whole NeXus file", "remedy": COPY}  # fmt: skip
        sys.stdout.write(json.dumps({"error": said}) + "\n")
        return
    spectra = [
        {"channels": one.counts.size, "start": None if one.start is None else str(one.start),
         "live_s": one.live_s, "real_s": one.real_s, "calibration": one.calibration,
         "sha256": one.sha256, "detector": one.detector, "record": one.record,
         "monitor": one.monitor, "remarks": one.remarks, "after_s": one.after_s}
        for one in found
    ]  # fmt: skip
    sys.stdout.buffer.write(json.dumps({"spectra": spectra}).encode() + b"\n")
    for one in found:
        sys.stdout.buffer.write(one.counts.tobytes())


if __name__ == "__main__":
    main()
