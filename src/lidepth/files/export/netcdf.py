"""netCDF: a run as one netCDF4 file, after the CF conventions, that xarray opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth import __version__
from lidepth.files._steady import SteadyFile, steady
from lidepth.files.export.content import FLAGS, Content, Part, columns, moment
from lidepth.files.export.hdf5 import (
    PACKING,
    Counter,
    blocks,
    chunk_shape,
    energy_std_kev,
)
from lidepth.files.export.origin import as_json
from lidepth.files.records import Progress
from lidepth.model.calibration import Calibration
from lidepth.model.cycling import CyclerLog

_STRING = np.dtype("O", metadata={"vlen": str})  # how h5py marks text of any length


def write_netcdf(path: str | Path, content: Content, *, progress: Progress | None = None) -> None:
    """Write one netCDF4 file, whole or not at all, with one block of spectra in memory at a time.

    The only detector lies at the root, several in a group each; blanks in ``background``.
    Raises StoreError.
    """
    import h5netcdf

    counter = Counter(content, progress)
    with steady(Path(path)) as file, h5netcdf.File(file, "w") as root:
        root.attrs.update({
            "Conventions": "CF-1.11", "title": content.experiment.title,
            "source": content.experiment.source, "creator": f"lidepth {__version__}",
            "files_sha256": content.provenance["files_sha256"],
        })  # fmt: skip
        _add(root, "provenance", (), as_json(content.provenance), long_name="JSON")
        if content.log is not None:
            _cycler(root, content.log)
        for part in content.parts:
            names = ["background"] * (part.group == "background") + [part.label] * bool(part.label)
            group = root.create_group("/".join(names)) if names else root
            _part(group, part, content)
            _counts(group, part, counter, file)


def _add(
    group: Any, name: str, dims: tuple[str, ...], values: Any, units: str = "", **attributes: Any
) -> Any:
    """Write one variable."""
    array = np.asarray(values)
    text = array.dtype.kind in "OU"
    packing = PACKING if dims and not text else {}
    variable = group.create_variable(
        name, dims, dtype=_STRING if text else array.dtype, **packing
    )  # fmt: skip
    variable[...] = values
    variable.attrs.update({"units": units} if units else {})
    variable.attrs.update(attributes)
    return variable


def _times(group: Any, name: str, times: NDArray[np.datetime64], meaning: str) -> None:
    """Write times as whole numbers of the coarsest unit that has them exactly."""
    steps = {"seconds": 10**9, "milliseconds": 10**6, "microseconds": 10**3, "nanoseconds": 1}
    origin = times[0].astype("datetime64[s]")
    past = (times - origin).astype("timedelta64[ns]").astype(np.int64)
    unit = next(unit for unit, step in steps.items() if not np.any(past % step))
    since = moment(origin).replace("T", " ")
    _add(
        group, name, (name,), past // steps[unit], f"{unit} since {since}",
        calendar="proleptic_gregorian", standard_name="time", long_name=meaning,
    )  # fmt: skip


def _cycler(root: Any, log: CyclerLog) -> None:
    root.dimensions["cycler_time"] = len(log.time)
    _times(root, "cycler_time", log.time, "on the clock of the spectra")
    _add(root, "voltage", ("cycler_time",), log.voltage_v, "V", long_name="voltage of the cell")
    _add(
        root, "current", ("cycler_time",), log.current_ua, "uA",
        long_name="current of the cell, charge positive, holds until the next row",
    )  # fmt: skip


def _part(group: Any, part: Part, content: Content) -> None:
    """Write one detector but for its counts."""
    series = part.series
    group.dimensions.update({"time": len(series), "channel": series.channels})
    group.dimensions["edge"] = 2
    group.attrs["detector"] = series.detector or "detector"
    _times(group, "time", series.start, "start of the spectrum")
    _add(group, "channel", ("channel",), np.arange(series.channels, dtype=np.int32), "1")
    _energy(group, content.experiment.instrument.calibration, series.channels)
    for column in columns(part):
        variable = _add(
            group, column.name, ("time",), column.values, column.units, long_name=column.meaning
        )
        if column.name == "flags":
            masks = np.array([int(flag) for flag in FLAGS], dtype=column.values.dtype)
            variable.attrs["flag_masks"] = masks
            variable.attrs["flag_meanings"] = " ".join(str(flag.name).lower() for flag in FLAGS)


def _energy(group: Any, scale: Calibration, channels: int) -> None:
    edges = scale.edges_kev(channels)
    middle = np.arange(channels) + 0.5
    _add(
        group, "energy", ("channel",), 0.5 * (edges[:-1] + edges[1:]), "keV",
        long_name="middle of the channel", bounds="energy_bounds",
        ancillary_variables="energy_std",
    )  # fmt: skip
    _add(group, "energy_bounds", ("channel", "edge"), np.stack([edges[:-1], edges[1:]], axis=1),
         "keV")  # fmt: skip
    _add(
        group, "energy_std", ("channel",), energy_std_kev(scale.covariance, middle), "keV",
        long_name="standard uncertainty of energy, fully correlated through offset and gain",
    )  # fmt: skip
    numbers = {
        "offset": (scale.offset_kev, "keV"),
        "gain": (scale.gain_kev, "keV"),
        "offset_variance": (scale.covariance[0, 0], "keV2"),
        "gain_variance": (scale.covariance[1, 1], "keV2"),
        "offset_gain_covariance": (scale.covariance[0, 1], "keV2"),
    }
    for name, (value, units) in numbers.items():
        _add(group, f"calibration_{name}", (), value, units)


def _counts(group: Any, part: Part, counter: Counter, file: SteadyFile) -> None:
    counts = part.series.counts
    variable = group.create_variable(
        "counts", ("time", "channel"), dtype=counts.dtype, chunks=chunk_shape(*counts.shape),
        **PACKING,
    )  # fmt: skip
    variable.attrs.update({
        "units": "counts", "coordinates": "energy", "ancillary_variables": "flags",
        "uncertainty": "Poisson: the variance of a count is the count",
    })  # fmt: skip
    for block in blocks(counts):
        variable[block] = counts[block]
        file.check()
        counter.add(block.stop - block.start)
