"""Where an export comes from: versions, settings, and the hash of every file behind it."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lidepth.files._provenance import files_digest, plain, versions
from lidepth.files.experiment import Experiment
from lidepth.files.records import Group
from lidepth.files.run_file import is_run_file
from lidepth.model.cycling import CyclerLog
from lidepth.model.spectra import SpectrumSeries


def provenance(
    experiment: Experiment,
    series: Sequence[tuple[Group, SpectrumSeries]],
    log: CyclerLog | None,
) -> dict[str, Any]:
    """Return what every format carries, in plain JSON types.

    ``files`` names each file once with its use and its SHA-256, null for a cycler file that only
    the run file has read; ``files_sha256`` is one hash over all spectra, ``log_sha256`` one over
    times (ns), voltages (V) and currents (uA) as they go out; ``experiment_yaml`` the settings as
    they were written, ``settings`` as they were understood, in the units of their names.
    """
    spectra = {
        (source, digest): group
        for group, one in series
        for source, digest in zip(one.sources, one.digests, strict=True)
    }
    files = [
        {"file": source, "sha256": digest or None, "use": "spectra" if use == "run" else use}
        for (source, digest), use in spectra.items()
    ]
    names = [source for source, _ in spectra]
    return {
        "program": "lidepth",
        "versions": {**versions(), **_libraries()},
        "experiment": experiment.source,
        "experiment_sha256": hashlib.sha256(experiment.text.encode()).hexdigest(),
        "experiment_yaml": experiment.text,
        "settings": _settings(experiment),
        "files": files + _others(experiment, log),
        "files_sha256": files_digest(names, [digest for _, digest in spectra]),
        "log_sha256": _log_sha256(log) if log is not None else None,
    }


def as_json(record: Any) -> str:
    """Return a provenance as JSON text."""
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _libraries() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("h5py", "h5netcdf")}


def _settings(experiment: Experiment) -> dict[str, Any]:
    data = experiment.data
    cycler = {"cycler": asdict(data.cycler)} if data.cycler is not None else {}
    read: dict[str, Any] = plain({
        "title": experiment.title,
        "area_cm2": experiment.area_cm2,
        "area_rel_std": experiment.area_rel_std,
        "stack": str(experiment.stack),
        "instrument": asdict(experiment.instrument),
        "spectra": asdict(data.spectra),
        **cycler,
        "pristine": data.pristine,
        "clock_offset_s": data.clock_offset_s,
    })  # fmt: skip
    return read


def _others(experiment: Experiment, log: CyclerLog | None) -> list[dict[str, Any]]:
    """Return the files beside the spectra: monitor table and cycler logs."""
    if is_run_file(experiment.source):
        return [{"file": log.source, "sha256": None, "use": "cycler"}] if log is not None else []
    data = experiment.data
    found = [("monitor", data.monitor)] if data.monitor is not None else []
    if data.cycler is not None:
        pattern = str(Path(glob.escape(str(data.folder))) / data.cycler.glob)
        found += [("cycler", Path(name)) for name in sorted(glob.glob(pattern, recursive=True))]
    return [
        {"file": _shown(file, data.folder), "sha256": _sha256(file), "use": use}
        for use, file in found
    ]


def _shown(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


def _log_sha256(log: CyclerLog) -> str:
    columns = (log.time.astype("<i8"), log.voltage_v.astype("<f8"), log.current_ua.astype("<f8"))
    return hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()


def _sha256(file: Path) -> str:
    """Return the hash of a file that has been read just before."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
