"""Progress bars: on a terminal only, and on stderr, so that results can be piped."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Bars:
    """One bar per piece of work, made when its first report comes."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
            console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._progress.stop()

    def counted(self, label: str) -> Callable[[int, int], None]:
        """Return a callback for (done, all)."""
        return lambda done, whole: self._show(label, label, done / max(whole, 1))

    def named(self, label: str) -> Callable[[str, int, int], None]:
        """Return a callback for (name, number from 1, all)."""
        return lambda name, number, whole: self._show(
            label, f"{label}: {name}", (number - 1) / max(whole, 1)
        )

    def staged(self) -> Callable[[str, float], None]:
        """Return a callback for (stage, fraction of the stage that is done)."""
        return lambda stage, fraction: self._show(stage, stage, fraction)

    def _show(self, label: str, text: str, fraction: float) -> None:
        if label not in self._tasks:
            for task in self._tasks.values():
                self._progress.update(task, completed=1.0)
            self._tasks[label] = self._progress.add_task(text, total=1.0)
        self._progress.update(self._tasks[label], description=text, completed=fraction)
