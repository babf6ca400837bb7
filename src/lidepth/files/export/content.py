"""What is exported: the spectra of every detector, the cycler log, and where all of it is from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, WrongFormat
from lidepth.files._text import read_text
from lidepth.files.assemble import assemble, detectors
from lidepth.files.experiment import Experiment, read_experiment
from lidepth.files.export.origin import provenance
from lidepth.files.gather import gather
from lidepth.files.records import Group, Progress
from lidepth.files.run_file import RunFile, is_run_file
from lidepth.model.cycling import CyclerLog
from lidepth.model.result import Run
from lidepth.model.spectra import Quality, SpectrumSeries

FLAGS = tuple(flag for flag in Quality if flag)
"""Every flag; its integer is its bit in ``flags``."""

_MAX_SUMMARY_BYTES = 256 * 1024**2


@dataclass(frozen=True, kw_only=True)
class Part:
    """The spectra of one detector, in order of time.

    ``label`` is its name for groups and files, empty for the only detector of the run;
    ``pristine`` (n,) marks the spectra of the fresh cell.
    """

    series: SpectrumSeries
    pristine: NDArray[np.bool_]
    group: Group
    label: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """One value per spectrum: name, values (n,), unit (empty for none) and what it is."""

    name: str
    values: NDArray[Any]
    units: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Content:
    """One run as it goes out; ``log`` is on the clock of the spectra."""

    experiment: Experiment
    parts: tuple[Part, ...]
    log: CyclerLog | None
    provenance: Mapping[str, Any]


def read_content(path: str | Path, *, progress: Progress | None = None) -> Content:
    """Read everything that an experiment.yaml describes or a run file holds, all detectors.

    Raises what ``read_run`` raises: a BadInput for a file that cannot be used and BadData for
    files that contradict each other.
    """
    if is_run_file(path):
        with RunFile.open(path) as run_file:
            experiment, recorded = run_file.experiment(), run_file.recorded()
    else:
        experiment = read_experiment(path)
        recorded = gather(experiment, progress=progress)
    runs = [assemble(recorded, experiment, detector=name) for name in detectors(recorded)]
    return content_of(runs, experiment)


def run_behind(path: Path) -> Path:
    """Return what to read for ``path``: itself, the experiment.yaml in it, or that of its results.

    Raises BadInput for a folder that has neither, or whose results do not name their run any more.
    """
    if not path.is_dir():
        return path
    if (path / "experiment.yaml").is_file():
        return path / "experiment.yaml"
    summary = path / "summary.json"
    if not summary.is_file():
        raise BadInput(
            "the folder holds neither a run nor results", where=str(path),
            expected="experiment.yaml, or the summary.json that lidepth analyze writes",
            remedy="name the experiment.yaml or the run file",
        )  # fmt: skip
    try:
        source = json.loads(read_text(summary, limit_bytes=_MAX_SUMMARY_BYTES))["source"]
        found = Path(source)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WrongFormat(
            "this does not name the run that the results are from", where=str(summary),
            expected="the summary.json that lidepth analyze writes",
            remedy="name the experiment.yaml or the run file instead of the results",
        ) from error  # fmt: skip
    if not found.is_file():
        raise BadInput(
            f"the run that these results are from, {source}, is not there", where=str(summary),
            expected="a path that holds from the current folder",
            remedy="name the experiment.yaml or the run file instead of the results",
        )  # fmt: skip
    return found


def content_of(runs: list[Run], experiment: Experiment) -> Content:
    """Return the content of ``runs``, one for each detector of one experiment."""
    names = _labels([run.series.detector for run in runs])
    parts = [
        Part(series=run.series, pristine=run.pristine, group="run", label=label)
        for run, label in zip(runs, names, strict=True)
    ] + [
        Part(
            series=run.background, pristine=np.zeros(len(run.background), bool),
            group="background", label=label,
        )
        for run, label in zip(runs, names, strict=True) if run.background is not None
    ]  # fmt: skip
    return Content(
        experiment=experiment, parts=tuple(parts), log=runs[0].log,
        provenance=provenance(
            experiment, [(part.group, part.series) for part in parts], runs[0].log
        ),
    )  # fmt: skip


def columns(part: Part) -> Iterator[Column]:
    """Yield what is known of each spectrum besides start and counts; unknown ones are left out."""
    series = part.series
    scale = series.claimed_scale
    claim = "scale that the file claims, not used, NaN where it claims none"
    numbers = (
        ("live_time", series.live_s, "s", "live time"),
        ("real_time", series.real_s, "s", "real time"),
        ("monitor", series.monitor, "counts", "beam-monitor counts, NaN where unknown"),
        ("claimed_offset", scale[:, 0], "keV", f"energy at channel 0 of the {claim}"),
        ("claimed_gain", scale[:, 1], "keV", f"energy per channel of the {claim}"),
    )
    for name, values, units, meaning in numbers:
        if not np.all(np.isnan(values)):
            yield Column(name=name, values=values, units=units, meaning=meaning)
    yield Column(name="flags", values=series.flags, units="", meaning="quality flags, one bit each")
    yield Column(
        name="pristine", values=part.pristine.astype(np.int8), units="",
        meaning="1 for spectra of the fresh cell",
    )  # fmt: skip
    texts = (
        ("source", series.sources, "file that the spectrum came from"),
        ("sha256", series.digests, "SHA-256 of that file"),
    )
    for name, words, meaning in texts:
        yield Column(name=name, values=np.array(words, object), units="", meaning=meaning)


def moment(time: np.datetime64) -> str:
    """Return a time as ISO 8601, as fine as it needs to be, without a time zone."""
    units = ("s", "ms", "us", "ns")
    unit = next(u for u in units if time.astype(f"datetime64[{u}]") == time)
    return str(np.datetime_as_string(time, unit))  # type: ignore[call-overload]


def _labels(names: list[str]) -> list[str]:
    """Return a name for each detector that every format and file system takes, each another."""
    if len(names) == 1:
        return [""]
    labels: list[str] = []
    for number, name in enumerate(names):
        label = re.sub(r"[^A-Za-z0-9_]+", "_", name)[:40].strip("_") or f"detector_{number}"
        lower = [one.lower() for one in labels]  # some file systems do not tell A from a
        labels.append(label if label.lower() not in lower else f"{label}_{number}")
    return labels
