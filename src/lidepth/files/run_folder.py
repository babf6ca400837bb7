"""A folder of spectra, monitor and cycler log, read into one Run."""

from __future__ import annotations

from pathlib import Path

from lidepth.files.assemble import assemble
from lidepth.files.experiment import read_experiment
from lidepth.files.gather import gather
from lidepth.files.records import Progress
from lidepth.model.result import Run


def read_run(
    path: str | Path, *, detector: str | None = None, progress: Progress | None = None
) -> Run:
    """Read everything that an experiment.yaml describes.

    ``detector`` chooses one of several.  Raises a BadInput for a file that cannot be used and
    BadData for files that contradict each other; each names the file and what to do.
    """
    experiment = read_experiment(path)
    return assemble(gather(experiment, progress=progress), experiment, detector=detector)
