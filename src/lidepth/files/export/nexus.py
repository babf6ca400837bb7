"""NeXus: a run as HDF5 that scippnexus, nexusformat and plain h5py open.

Layout, which lidepth's own NeXus reader relies on (change both or neither):
/entry/instrument/DETECTOR/{counts, counts_errors, start_time, live_time, real_time, monitor,
energy, flags, pristine, source, sha256}; blanks lie in the same way in /background.  DETECTOR is
``detector`` for the only one.  ``start_time`` is in s since its attribute ``start`` (ISO 8601).
``counts`` (spectra, channels) are whole numbers kept as floats, since scipp takes variances for
floats only: 32 bits below 2**24 counts, where those are exact, else 64.  ``energy`` holds
channels + 1 edges.  docs/export.md describes the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lidepth import __version__
from lidepth.files._steady import SteadyFile, steady
from lidepth.files.export.content import FLAGS, Column, Content, Part, columns, moment
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
from lidepth.model.spectra import seconds
from lidepth.model.stack import Layer

LAYOUT = "lidepth run 1"
"""Name and version of the layout, in ``lidepth_layout`` of every entry."""

_EXACT_IN_32_BITS = 2**24
_AXES = ["start_time", "energy"]


def write_nexus(path: str | Path, content: Content, *, progress: Progress | None = None) -> None:
    """Write one NeXus file, whole or not at all, with one block of spectra in memory at a time.

    Raises StoreError.
    """
    import h5py

    counter = Counter(content, progress)
    with steady(Path(path)) as file, h5py.File(file, "w") as root:
        root.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": _creator()})
        root.attrs.update({"HDF5_Version": h5py.version.hdf5_version})
        entry = _entry(root, "entry", content)
        for part in content.parts:
            if part.group == "background" and "background" not in root:
                _entry(root, "background", content)
            _part(root["background" if part.group == "background" else "entry"], part, content)
            _counts(root, part, counter, file)
        _sample(entry, content)
        _cycler(entry, content)
        _provenance(entry, content)


def _creator() -> str:
    return f"lidepth {__version__}"


def _group(parent: Any, name: str, kind: str, **attributes: Any) -> Any:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    group.attrs.update(attributes)
    return group


def _set(group: Any, name: str, value: Any, units: str = "", meaning: str = "") -> Any:
    """Write one dataset: text, a number, or a column; columns are packed."""
    values = np.asarray(value)
    if values.dtype.kind in "OU":
        import h5py

        dataset = group.create_dataset(name, data=value, dtype=h5py.string_dtype())
    else:
        dataset = group.create_dataset(name, data=values, **(PACKING if values.ndim else {}))
    if units:
        dataset.attrs["units"] = units
    if meaning:
        dataset.attrs["long_name"] = meaning
    return dataset


def _entry(root: Any, name: str, content: Content) -> Any:
    """Write what an entry says of itself; ``entry`` has the run, ``background`` the blanks."""
    group = "background" if name == "background" else "run"
    chosen = [part.series for part in content.parts if part.group == group]
    start = min(one.origin for one in chosen)
    stop_s = max(
        float(series.stop_s.max() + (series.origin - start) / np.timedelta64(1, "s"))
        for series in chosen
    )
    stop = start + np.timedelta64(round(stop_s * 1e3), "ms")
    entry = _group(root, name, "NXentry", default=_beside("data", _first(content, group).label))
    _set(entry, "title", content.experiment.title)
    _set(entry, "start_time", moment(start))
    _set(entry, "end_time", moment(stop))
    _set(entry, "duration", (stop - start) / np.timedelta64(1, "s"), "s")
    program = _set(entry, "program_name", "lidepth")
    program.attrs["version"] = __version__
    _set(entry, "lidepth_layout", LAYOUT)
    instrument = _group(entry, "instrument", "NXinstrument")
    _set(instrument, "name", "neutron depth profiling")
    source = _group(instrument, "source", "NXsource")
    _set(source, "probe", "neutron")
    return entry


def _first(content: Content, group: str) -> Part:
    return next(part for part in content.parts if part.group == group)


def _beside(name: str, label: str) -> str:
    return f"{name}_{label}" if label else name


def _part(entry: Any, part: Part, content: Content) -> None:
    """Write one detector but for its counts, which come block by block."""
    series, instrument = part.series, content.experiment.instrument
    place = part.label or "detector"
    detector = _group(entry["instrument"], place, "NXdetector", signal="counts", axes=_AXES)
    _set(detector, "local_name", series.detector or "detector")
    _set(detector, "description", "charged-particle detector, one spectrum per start_time")
    resolution = instrument.detector
    _set(detector, "dead_time", resolution.dead_time_s, "s", "dead time per count")
    _set(detector, "energy_resolution", resolution.fwhm_kev, "keV", "full width at half maximum")
    _set(detector, "energy_resolution_errors", resolution.fwhm_kev * resolution.fwhm_rel_std, "keV")
    _set(detector, "exit_angle", instrument.exit_angle_deg, "deg", "surface normal to particles")
    _set(detector, "exit_angle_spread", instrument.exit_angle_spread_deg, "deg", "one std")
    start = _set(detector, "start_time", series.start_s, "s", "start of each spectrum")
    start.attrs["start"] = moment(series.origin)
    detector.attrs["start_time_indices"] = 0
    _energy(detector, instrument.calibration, series.channels)
    for column in columns(part):
        _column(detector, column)
    data = _group(entry, _beside("data", part.label), "NXdata", signal="counts", axes=_AXES)
    data.attrs.update({"start_time_indices": 0, "energy_indices": 1})
    _set(data, "title", content.experiment.title)
    _link(data, "start_time", start)
    _link(data, "energy", detector["energy"])
    if "monitor" in detector:
        monitor = _group(
            entry, _beside("monitor", part.label), "NXmonitor",
            signal="data", axes=["start_time"], start_time_indices=0,
        )  # fmt: skip
        _set(monitor, "mode", "timer")
        _link(monitor, "start_time", start)
        _link(monitor, "data", detector["monitor"])
        std = _set(monitor, "data_errors", np.sqrt(series.monitor), "counts", "Poisson")
        std.attrs["note"] = "square root of the counts"


def _energy(detector: Any, scale: Calibration, channels: int) -> None:
    """Write the edges of the channels.

    Their errors are no ``energy_errors``, which readers take for independent variances: they come
    from one offset and one gain.
    """
    _set(detector, "energy", scale.edges_kev(channels), "keV", "edges of the channels")
    _set(
        detector, "energy_uncertainty",
        energy_std_kev(scale.covariance, np.arange(channels + 1)), "keV",
        "standard uncertainty of each edge, fully correlated through offset and gain",
    )  # fmt: skip
    detector.attrs.update({"energy_indices": 1, "energy_uncertainty_indices": 1})
    offset_std, gain_std = np.sqrt(np.diag(scale.covariance))
    values = (("offset", scale.offset_kev, offset_std), ("gain", scale.gain_kev, gain_std))
    for name, value, std in values:
        _set(detector, f"calibration_{name}", value, "keV")
        _set(detector, f"calibration_{name}_errors", std, "keV")
    _set(
        detector, "calibration_covariance", scale.covariance[0, 1], "keV^2",
        "covariance of offset and gain",
    )  # fmt: skip


def _column(detector: Any, column: Column) -> None:
    dataset = _set(detector, column.name, column.values, column.units, column.meaning)
    detector.attrs[f"{column.name}_indices"] = 0
    if column.name == "flags":
        dataset.attrs["flag_masks"] = np.array([int(flag) for flag in FLAGS], np.int64)
        dataset.attrs["flag_meanings"] = " ".join(str(flag.name).lower() for flag in FLAGS)


def _link(group: Any, name: str, dataset: Any) -> None:
    """Let ``group`` show a dataset that lies elsewhere, in the way of NeXus."""
    group[name] = dataset
    dataset.attrs["target"] = dataset.name


def _counts(root: Any, part: Part, counter: Counter, file: SteadyFile) -> None:
    entry = root["background" if part.group == "background" else "entry"]
    detector = entry["instrument"][part.label or "detector"]
    counts = part.series.counts
    kind = np.float32 if counts.max() < _EXACT_IN_32_BITS else np.float64
    made = {}
    for name, meaning in (("counts", "counts"), ("counts_errors", "Poisson: root of the counts")):
        # bytes of a root do not go together: in order, roots take half the room of shuffled ones
        packing = {**PACKING, "shuffle": name == "counts"}
        made[name] = detector.create_dataset(
            name, shape=counts.shape, dtype=kind, chunks=chunk_shape(*counts.shape), **packing
        )
        made[name].attrs.update({"units": "counts", "long_name": meaning})
        _link(entry[_beside("data", part.label)], name, made[name])
    for block in blocks(counts):
        values = counts[block].astype(kind)
        made["counts"][block] = values
        made["counts_errors"][block] = np.sqrt(values)
        file.check()
        counter.add(block.stop - block.start)


def _sample(entry: Any, content: Content) -> None:
    """Write the cell: electrode area and layers, detector side first."""
    experiment = content.experiment
    sample = _group(entry, "sample", "NXsample")
    _set(sample, "name", experiment.title)
    _set(sample, "type", "sample")
    _set(sample, "description", str(experiment.stack))
    _set(sample, "area", experiment.area_cm2, "cm^2", "electrode")
    _set(sample, "area_errors", experiment.area_cm2 * experiment.area_rel_std, "cm^2")
    for number, layer in enumerate(experiment.stack, start=1):
        _layer(_group(sample, f"layer_{number:02d}", "NXsample_component"), layer, number)


def _layer(group: Any, layer: Layer, number: int) -> None:
    material = layer.material
    _set(group, "name", layer.name)
    _set(group, "chemical_formula", material.formula)
    _set(group, "position", number, meaning="counted from the detector side")
    _set(group, "role", layer.role or "none")
    _set(group, "density", material.density_g_cm3, "g/cm^3")
    _set(group, "thickness", layer.thickness_nm, "nm")
    _set(group, "thickness_errors", layer.thickness_nm * layer.thickness_rel_std, "nm")
    _set(group, "areal_density", layer.areal_density_1e15 * 1e15, "1/cm^2", "atoms of all kinds")
    _set(group, "li6_fraction", material.li6_fraction, "dimensionless", "of the lithium atoms")
    _set(group, "b10_fraction", material.b10_fraction, "dimensionless", "of the boron atoms")


def _cycler(entry: Any, content: Content) -> None:
    log = content.log
    if log is None:
        return
    cycler = _group(entry, "cycler", "NXcollection")
    _set(cycler, "source", log.source)
    origin = log.time[0]
    columns = (("voltage", log.voltage_v, "V"), ("current", log.current_ua, "uA"))
    for name, values, units in columns:
        group = _group(cycler, name, "NXlog", signal="value", axes=["time"], time_indices=0)
        _set(group, "value", values, units, f"{name} of the cell" + _SIGN.get(name, ""))
        if "time" in cycler["voltage"]:
            _link(group, "time", cycler["voltage"]["time"])
            continue
        time = _set(group, "time", seconds(log.time, origin), "s", "on the clock of the spectra")
        time.attrs["start"] = moment(origin)


_SIGN = {"current": ", charge positive, holds until the next row"}


def _provenance(entry: Any, content: Content) -> None:
    process = _group(entry, "provenance", "NXprocess")
    _set(process, "program", "lidepth")
    _set(process, "version", __version__)
    notes = (
        ("experiment", "application/yaml", content.experiment.text, "experiment.yaml"),
        ("record", "application/json", as_json(content.provenance), "provenance.json"),
    )
    for name, kind, text, file in notes:
        note = _group(process, name, "NXnote")
        _set(note, "type", kind)
        _set(note, "file_name", file)
        _set(note, "data", text)
