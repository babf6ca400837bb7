"""A run, from the folder of its files or from a run file."""

from __future__ import annotations

from pathlib import Path

from lidepth.files.assemble import assemble, detectors
from lidepth.files.experiment import read_experiment
from lidepth.files.gather import gather
from lidepth.files.records import Progress
from lidepth.files.run_file import RunFile, is_run_file
from lidepth.model.result import Run


def read_run(
    path: str | Path, *, detector: str | None = None, progress: Progress | None = None
) -> Run:
    """Read everything that an experiment.yaml describes, or a run file (``*.lidepth``) holds.

    ``detector`` chooses one of several.  Raises a BadInput for a file that cannot be used and
    BadData for files that contradict each other; each names the file and what to do.
    """
    if is_run_file(path):
        with RunFile.open(path) as run_file:
            return assemble(run_file.recorded(), run_file.experiment(), detector=detector)
    experiment = read_experiment(path)
    return assemble(gather(experiment, progress=progress), experiment, detector=detector)


def read_runs(path: str | Path, *, progress: Progress | None = None) -> tuple[Run, ...]:
    """Read the run of every detector; raises what ``read_run`` raises."""
    if is_run_file(path):
        with RunFile.open(path) as run_file:
            recorded, experiment = run_file.recorded(), run_file.experiment()
    else:
        experiment = read_experiment(path)
        recorded = gather(experiment, progress=progress)
    names = detectors(recorded)
    return tuple(assemble(recorded, experiment, detector=name) for name in names)
