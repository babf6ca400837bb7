"""A run, from the folder of its files or from a run file."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from lidepth.errors import BadData, LidepthError
from lidepth.files.assemble import assemble, detectors
from lidepth.files.experiment import Description, Experiment, read_description, read_experiment
from lidepth.files.gather import Kept, gather
from lidepth.files.readers import RawSpectrum
from lidepth.files.records import Progress, Recorded
from lidepth.files.run_file import LEASE_SUFFIX, RunFile, is_run_file
from lidepth.model.result import Run


def read_run(
    path: str | Path, *, detector: str | None = None, progress: Progress | None = None
) -> Run:
    """Read everything that an experiment.yaml describes, or a run file (``*.lidepth``) holds.

    ``detector`` chooses one of several.  Raises a BadInput for a file that cannot be used and
    BadData for files that contradict each other; each names the file and what to do.
    """
    return assemble(*read_recorded(path, progress=progress), detector=detector)


def read_runs(path: str | Path, *, progress: Progress | None = None) -> tuple[Run, ...]:
    """Read the run of every detector; raises what ``read_run`` raises."""
    recorded, experiment = read_recorded(path, progress=progress)
    names = detectors(recorded)
    return tuple(assemble(recorded, experiment, detector=name) for name in names)


def read_recorded(
    path: str | Path, *, progress: Progress | None = None
) -> tuple[Recorded, Experiment]:
    """Return what was recorded, unaltered, and its description; raises what ``read_run`` raises."""
    if is_run_file(path):
        with RunFile.open(path) as run_file:
            recorded, experiment = run_file.recorded(), run_file.experiment()
        if recorded.log is None and experiment.data.cycler is not None:
            raise BadData(
                "the cycler log is not in this run file", where=str(path),
                expected=f"the log of {experiment.data.cycler.glob}, which experiment.yaml names",
                remedy=f"import the run once more: lidepth import experiment.yaml --out {path}",
            )  # fmt: skip
        return recorded, experiment
    experiment = read_experiment(path)
    return gather(experiment, progress=progress), experiment


def read_described(path: str | Path) -> Description:
    """Return what an experiment.yaml, or the one in a run file, says of sample and instrument.

    Nothing that was recorded is read.  Raises what ``read_run`` raises.
    """
    if is_run_file(path):
        with RunFile.open(path) as run_file:
            return run_file.experiment()
    return read_description(path)


def keep_recorded(
    path: str | Path, keep: Path, *, earlier: Path | None = None, progress: Progress | None = None
) -> tuple[Recorded, Experiment]:
    """Read what an experiment.yaml names, and keep it in the new run file ``keep``.

    ``earlier`` is a run file of the same run when it was shorter: it is continued, and what it
    holds is not decoded again.  Raises what ``read_run`` raises, and StoreError.
    """
    experiment = read_experiment(path)
    try:
        return _kept(experiment, keep, earlier, progress), experiment
    finally:  # nobody else knows of the new file yet, so nobody waits for its writer
        Path(f"{keep}{LEASE_SUFFIX}").unlink(missing_ok=True)


def _kept(
    experiment: Experiment, keep: Path, earlier: Path | None, progress: Progress | None
) -> Recorded:
    if earlier is not None and earlier.is_file() and is_run_file(earlier):
        # What cannot be continued is begun anew: the files themselves are all there.
        with suppress(LidepthError):
            shutil.copyfile(earlier, keep)
            with RunFile.open(keep, write=True) as run_file:
                return _add(run_file, experiment, progress)
        keep.unlink(missing_ok=True)
    with RunFile.create(keep, experiment) as run_file:
        return _add(run_file, experiment, progress)


def kept_spectra(run_file: RunFile, experiment: Experiment) -> Kept:
    """Return what a run file holds, by file and SHA-256; nothing if it is now read otherwise."""
    if run_file.experiment().data.spectra != experiment.data.spectra:
        return {}
    kept: dict[tuple[str, str], list[RawSpectrum]] = {}
    for record in run_file.recorded().records:
        if record.verified:
            kept.setdefault((record.source, record.raw.sha256), []).append(record.raw)
    return kept


def _add(run_file: RunFile, experiment: Experiment, progress: Progress | None) -> Recorded:
    recorded = gather(experiment, kept=kept_spectra(run_file, experiment), progress=progress)
    run_file.describe(experiment)
    run_file.add(recorded)
    return recorded
