"""A series of spectra, with what was known when each was taken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lidepth.errors import BadData
from lidepth.model._arrays import require


class Quality(IntFlag):
    """What is wrong with a spectrum; a flag marks, nothing is ever deleted."""

    GOOD = 0
    BEAM_OFF = 1
    SHORT = 2
    GAP = 4
    DUPLICATE = 8
    CLOCK_STEP = 16
    NO_MONITOR = 32
    UNVERIFIED = 64
    GAIN_DRIFT = 128
    PILE_UP = 256
    SATURATED = 512
    MONITOR_STUCK = 1024
    BACKGROUND_CHANGED = 2048
    SCALE_DOUBTFUL = 4096

    @property
    def words(self) -> str:
        """The flags in words, for tables and reports."""
        return ", ".join(
            str(flag.name).lower().replace("_", " ") for flag in type(self) if flag and flag in self
        )


UNUSABLE = (
    Quality.BEAM_OFF | Quality.SHORT | Quality.DUPLICATE | Quality.UNVERIFIED | Quality.SATURATED
)
"""Flags that keep a spectrum out of the sums; it stays in the series and in every map."""


@dataclass(frozen=True)
class SpectrumSeries:
    """Spectra in order of time, as a scipp data array.

    ``data`` has the dimensions ``time`` (n) and ``channel`` (m), unit counts, and the coordinates
    ``start`` (datetime64[ns], UTC or the clock of the files), ``live_time`` and ``real_time`` (s),
    ``monitor`` (counts, NaN where unknown), ``flags`` (int64, see Quality), ``source`` (the
    file each spectrum came from), ``digest`` (its SHA-256), and ``claimed_offset`` and
    ``claimed_gain``, the energy scale that the file claims (keV, NaN where it claims none; never
    used for the analysis, only doubted).  ``detector`` names the input, empty for the only one.

    Build one with ``from_arrays``; the NumPy views below are read-only copies in plain shapes.
    """

    data: Any  # scipp.DataArray; scipp is loaded only when a series is built
    detector: str = ""

    @classmethod
    def from_arrays(
        cls,
        *,
        counts: ArrayLike,
        start: NDArray[np.datetime64],
        live_s: ArrayLike,
        real_s: ArrayLike,
        monitor: ArrayLike | None = None,
        flags: ArrayLike | None = None,
        sources: tuple[str, ...] = (),
        digests: tuple[str, ...] = (),
        claimed_scale: ArrayLike | None = None,
        detector: str = "",
    ) -> SpectrumSeries:
        """Check and freeze.

        ``counts`` (n, m) of non-negative whole numbers; ``claimed_scale`` (n, 2) offset and gain in
        keV, NaN where unknown; every other argument (n,).
        Raises BadData when shapes, signs or times cannot be.
        """
        import scipp as sc

        counts = np.asarray(counts)
        require(counts.ndim == 2 and counts.size > 0, "counts are a table of spectra by channels")
        n = counts.shape[0]
        if counts.dtype.kind not in "iu":  # a long run is not copied to see that it is whole
            require(bool(np.all(np.isfinite(counts))), "counts are finite")
            require(bool(np.all(counts == np.floor(counts))), "counts are whole numbers")
        require(bool(counts.min() >= 0), "counts are not negative")
        live = np.asarray(live_s, dtype=np.float64)
        real = np.asarray(real_s, dtype=np.float64)
        require(bool(np.all((live >= 0) & (real >= 0))), "live and real times are not negative")
        require(bool(np.all(live <= real * 1.01 + 1.0)), "live time does not exceed real time")
        known = np.full(n, np.nan) if monitor is None else np.asarray(monitor, dtype=np.float64)
        marks = np.zeros(n, np.int64) if flags is None else np.asarray(flags, dtype=np.int64)
        begin = np.asarray(start, dtype="datetime64[ns]")
        names = sources or tuple(f"#{i}" for i in range(n))
        hashes = digests or ("",) * n
        scale = np.full((n, 2), np.nan) if claimed_scale is None else np.asarray(claimed_scale)
        for label, column in (
            ("live_s", live), ("real_s", real), ("monitor", known), ("flags", marks),
            ("start", begin), ("sources", names), ("digests", hashes), ("claimed_scale", scale),
        ):  # fmt: skip
            require(len(column) == n, f"{label} has one entry per spectrum")
        return cls(
            sc.DataArray(
                _variable(_narrow(counts)),
                coords={
                    "start": sc.array(dims=["time"], values=begin, unit="ns"),
                    "live_time": sc.array(dims=["time"], values=live, unit="s"),
                    "real_time": sc.array(dims=["time"], values=real, unit="s"),
                    "monitor": sc.array(dims=["time"], values=known, unit="counts"),
                    "flags": sc.array(dims=["time"], values=marks, unit=None),
                    "source": sc.array(dims=["time"], values=list(names)),
                    "digest": sc.array(dims=["time"], values=list(hashes)),
                    "claimed_offset": sc.array(dims=["time"], values=scale[:, 0], unit="keV"),
                    "claimed_gain": sc.array(dims=["time"], values=scale[:, 1], unit="keV"),
                },
            ),
            detector,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arrays: scipp's own objects cannot be sent to another process."""
        columns = {
            "counts": np.array(self.counts), "start": self.start, "live_s": self.live_s,
            "real_s": self.real_s, "monitor": self.monitor, "flags": self.flags,
            "sources": self.sources, "digests": self.digests,
            "claimed_scale": self.claimed_scale, "detector": self.detector,
        }  # fmt: skip
        return _from_columns, (columns,)

    def _column(self, name: str) -> NDArray[Any]:
        values = np.array(self.data.coords[name].values)
        values.setflags(write=False)
        return values

    def __len__(self) -> int:
        return int(self.data.sizes["time"])

    @property
    def channels(self) -> int:
        """Number of channels of every spectrum."""
        return int(self.data.sizes["channel"])

    @property
    def counts(self) -> NDArray[np.signedinteger]:
        """Counts; shape (n, channels), a read-only view, 32 or 64 bits wide as they need."""
        values: NDArray[np.signedinteger] = np.asarray(self.data.values).view()
        values.setflags(write=False)
        return values

    @property
    def start(self) -> NDArray[np.datetime64]:
        """Start times, datetime64[ns]; shape (n,)."""
        return self._column("start")

    @property
    def live_s(self) -> NDArray[np.float64]:
        """Live times in s; shape (n,)."""
        return self._column("live_time")

    @property
    def real_s(self) -> NDArray[np.float64]:
        """Real times in s; shape (n,)."""
        return self._column("real_time")

    @property
    def monitor(self) -> NDArray[np.float64]:
        """Beam-monitor counts, NaN where unknown; shape (n,)."""
        return self._column("monitor")

    @property
    def flags(self) -> NDArray[np.int64]:
        """Quality flags as integers; shape (n,)."""
        return self._column("flags")

    @property
    def sources(self) -> tuple[str, ...]:
        """The file each spectrum came from."""
        return tuple(str(name) for name in self.data.coords["source"].values)

    @property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of each source file, empty where there is none."""
        return tuple(str(name) for name in self.data.coords["digest"].values)

    @property
    def claimed_scale(self) -> NDArray[np.float64]:
        """Offset and gain in keV that each file claims, NaN where it claims none; shape (n, 2)."""
        return np.stack([self._column("claimed_offset"), self._column("claimed_gain")], axis=1)

    @property
    def origin(self) -> np.datetime64:
        """Start of the first spectrum; times in seconds are counted from here."""
        return np.datetime64(self.start.min(), "ns")

    @property
    def start_s(self) -> NDArray[np.float64]:
        """Start times in s since the origin; shape (n,)."""
        return seconds(self.start, self.origin)

    @property
    def stop_s(self) -> NDArray[np.float64]:
        """End times in s since the origin; shape (n,)."""
        return self.start_s + self.real_s

    @property
    def usable(self) -> NDArray[np.bool_]:
        """True where no flag keeps the spectrum out of the sums; shape (n,)."""
        usable: NDArray[np.bool_] = (self.flags & int(UNUSABLE)) == 0
        return usable

    def flagged(self, where: NDArray[np.bool_], flag: Quality) -> SpectrumSeries:
        """Return the series with ``flag`` added where ``where`` (n,) is true."""
        if where.shape != (len(self),):
            raise BadData("broken promise: one mark per spectrum")
        return self.with_flags(np.where(where, self.flags | int(flag), self.flags))

    def part(self, where: NDArray[np.bool_]) -> SpectrumSeries:
        """Return the spectra for which ``where`` (n,) is true."""
        import scipp as sc

        return replace(self, data=self.data[sc.array(dims=["time"], values=where)].copy())

    def with_flags(self, flags: NDArray[np.int64]) -> SpectrumSeries:
        """Return the series with other flags (n,); the counts are shared, not copied."""
        import scipp as sc

        if flags.shape != (len(self),):
            raise BadData("broken promise: one set of flags per spectrum")
        marked = sc.array(dims=["time"], values=flags.astype(np.int64), unit=None)
        return replace(self, data=self.data.assign_coords(flags=marked))


def _from_columns(columns: dict[str, Any]) -> SpectrumSeries:
    """A series out of its pickle."""
    return SpectrumSeries.from_arrays(**columns)


def seconds(times: NDArray[np.datetime64], origin: np.datetime64) -> NDArray[np.float64]:
    """Times in s since ``origin``."""
    spans = (np.asarray(times, "datetime64[ns]") - origin).astype("timedelta64[ns]")
    return np.asarray(spans.astype(np.int64) / 1e9, dtype=np.float64)


def blank_counts(spectra: int, channels: int, *, wide: bool) -> NDArray[np.signedinteger]:
    """Room for counts (spectra, channels), 64 bits ``wide`` or 32, not yet set.

    A series made of consecutive rows of it takes them over; those of any other array it copies.
    """
    import scipp as sc

    sizes = {"time": spectra, "channel": channels}
    return np.asarray(
        _Room(sc.empty(sizes=sizes, dtype="int64" if wide else "int32", unit="counts"))
    )


class _Room:
    """A scipp variable as NumPy sees it; the base of every array that lies in it."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable
        self.__array_interface__ = variable.values.__array_interface__


def _variable(counts: NDArray[np.signedinteger]) -> Any:
    """Counts (n, m) as a scipp variable: a part of that of ``blank_counts``, or a copy."""
    import scipp as sc

    whole = counts.base if isinstance(counts.base, np.ndarray) else counts
    room: Any = whole.base
    if isinstance(room, _Room) and counts.flags.c_contiguous:
        first, within = divmod(counts.ctypes.data - whole.ctypes.data, whole.strides[0])
        part = room.variable["time", first : first + len(counts)]
        if within == 0 and part.shape == counts.shape:
            return part
    return sc.array(dims=["time", "channel"], values=counts, unit="counts")


def _narrow(counts: NDArray[Any]) -> NDArray[np.signedinteger]:
    """Whole counts in 32 bits, or 64 where they need them: a long run is kept in memory whole."""
    largest = int(counts.max())
    return counts.astype(np.int32 if largest < 2**31 else np.int64, copy=False)
