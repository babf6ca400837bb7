"""Writing figures, each file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lidepth.errors import StoreError
from lidepth.mechanism.history import CellHistory
from lidepth.mechanism.identify.found import Identification
from lidepth.mechanism.predict import Prediction
from lidepth.model.electrochemistry import Electrochemistry
from lidepth.model.ledger import Ledger
from lidepth.model.mechanism import Mechanism
from lidepth.model.result import Analysis
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.figures import CYCLING, FIGURES, TAKES_TRUTH
from lidepth.show.figures.cell import CELL
from lidepth.show.figures.identify import IDENTIFIED
from lidepth.show.figures.mechanism import MECHANISM
from lidepth.show.figures.prediction import prediction

Progress = Callable[[str, int, int], None]
"""Called with a figure's name, its number from 1 and how many there are."""


@dataclass(frozen=True)
class SavedFigures:
    """What was drawn and written; ``skipped`` maps a figure's name to why it was left out."""

    drawings: Mapping[str, Drawing]
    files: tuple[Path, ...]
    skipped: Mapping[str, str]


def draw_figures(
    analysis: Analysis, truth: Ledger | None = None, progress: Progress | None = None
) -> tuple[dict[str, Drawing], dict[str, str]]:
    """Draw every figure that the analysis has data for; say why the others are missing."""
    drawings: dict[str, Drawing] = {}
    skipped: dict[str, str] = {}
    for number, (name, draw) in enumerate(FIGURES.items(), start=1):
        if progress is not None:
            progress(name, number, len(FIGURES))
        try:
            extra = {"truth": truth} if name in TAKES_TRUTH else {}
            drawings[name] = draw(analysis, **extra)
        except NothingToDraw as reason:
            skipped[name] = reason.what
    return drawings, skipped


def save_figures(
    analysis: Analysis,
    folder: Path,
    truth: Ledger | None = None,
    progress: Progress | None = None,
) -> SavedFigures:
    """Write every figure as SVG, PNG and its numbers as CSV into ``folder``.

    Raises StoreError when the folder or a file cannot be written.
    """
    drawings, skipped = draw_figures(analysis, truth, progress)
    files = [file for drawing in drawings.values() for file in save_drawing(drawing, folder)]
    return SavedFigures(drawings, tuple(files), skipped)


def save_drawing(drawing: Drawing, folder: Path) -> list[Path]:
    """Write one figure as SVG, PNG and its numbers as CSV.

    Raises StoreError when the folder or a file cannot be written.
    """
    contents = {"svg": drawing.svg, "png": drawing.png, "csv": drawing.csv.encode("utf-8")}
    return [
        write_whole(Path(folder) / f"{drawing.name}.{kind}", content)
        for kind, content in contents.items()
    ]


def save_cycling(found: Electrochemistry, folder: Path) -> tuple[Path, ...]:
    """Write the figures of a cycler log alone as SVG, PNG and CSV; what has no data is left out.

    Raises StoreError when the folder or a file cannot be written.
    """
    return _save_all([partial(draw, found) for draw in CYCLING], folder)


def save_mechanism(found: Mechanism, folder: Path) -> tuple[Path, ...]:
    """Write the figures of the statements about ageing; what has no data is left out.

    Raises StoreError when the folder or a file cannot be written.
    """
    return _save_all([partial(draw, found) for draw in MECHANISM], folder)


def save_cell(history: CellHistory, folder: Path) -> tuple[Path, ...]:
    """Write the figures of a model cell; what has no data is left out.

    Raises StoreError when the folder or a file cannot be written.
    """
    return _save_all([partial(draw, history) for draw in CELL], folder)


def save_identification(found: Identification, folder: Path) -> tuple[Path, ...]:
    """Write the figures of an identification; what has no data is left out.

    Raises StoreError when the folder or a file cannot be written.
    """
    return _save_all([partial(draw, found) for draw in IDENTIFIED], folder)


def save_prediction(found: Sequence[Prediction], folder: Path) -> tuple[Path, ...]:
    """Write the figure of a prediction; its numbers hold every cycle.

    Raises StoreError when the folder or a file cannot be written.
    """
    return _save_all([partial(prediction, found)], folder)


def _save_all(draws: Sequence[Callable[[], Drawing]], folder: Path) -> tuple[Path, ...]:
    files: list[Path] = []
    for draw in draws:
        try:
            drawing = draw()
        except NothingToDraw:
            continue
        files += save_drawing(drawing, folder)
    return tuple(files)


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file so that it is either the old one or the new one, never half of one.

    Raises StoreError when the disk refuses.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # as an ordinary file; mkstemp makes it private
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise StoreError(
            f"cannot write: {error.strerror or error}",
            where=str(path),
            remedy="free space on the disk or choose a folder that can be written",
        ) from error
    return path
