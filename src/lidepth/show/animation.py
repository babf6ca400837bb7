"""Lithium and silicon of a model cell over its cycles, as a moving picture."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.mechanism.depth import CellProfile, profile_of
from lidepth.mechanism.history import CellHistory
from lidepth.show.figures.cell import PER_NM3, need_cycles
from lidepth.show.save import write_whole
from lidepth.show.style import BLACK, BLUE, ROLE_SHADES, VERMILLION, bare, new_figure, styled

FRAMES, PER_SECOND = 40, 8
_DPI = 100
_DEPTH_NM = 300.0


def chosen_cycles(history: CellHistory, frames: int = FRAMES) -> NDArray[np.int64]:
    """Cycles that are shown: evenly in the root of their number, because growth slows down so."""
    need_cycles(history)
    last = history.cycles.size - 1
    places = np.unique(np.round(np.linspace(0.0, np.sqrt(last), frames) ** 2).astype(np.int64))
    return np.asarray(history.cycles[places])


def save_animation(history: CellHistory, path: Path, cycles: Sequence[int] | None = None) -> Path:
    """Write a GIF with a frame per cycle: charged and discharged profiles, and the capacity.

    Raises NothingToDraw without a whole cycle and StoreError when the disk refuses.
    """
    shown = chosen_cycles(history) if cycles is None else np.asarray(cycles)
    return write_whole(Path(path), _gif(history, shown))


@styled
def _gif(history: CellHistory, shown: NDArray[np.int64]) -> bytes:
    from matplotlib.animation import PillowWriter
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = new_figure(7.1, 2.8)
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3, width_ratios=[1.2, 1.2, 1.0])
    pairs = dict(
        zip(
            history.cycles.tolist(),
            zip(history.ends("charge"), history.ends("discharge"), strict=True), strict=True,
        )
    )  # fmt: skip
    handle, name = tempfile.mkstemp(suffix=".gif")  # the writer wants a name, not a buffer
    os.close(handle)
    try:
        writer = PillowWriter(fps=PER_SECOND)
        with writer.saving(figure, name, _DPI):
            for number in shown.tolist():
                full, empty = pairs[number]
                _frame(axes, history, number, profile_of(full), profile_of(empty))
                writer.grab_frame()
        return Path(name).read_bytes()
    finally:
        os.unlink(name)


def _frame(
    axes: Any, history: CellHistory, number: int, full: CellProfile, empty: CellProfile
) -> None:
    lithium, silicon, capacity = axes
    thickest = -1.1 * max(-float(s.edges_nm[0]) for s in (full, profile_of(history.states[0])))
    for panel, name, top in ((lithium, "lithium_per_nm", 75.0), (silicon, "silicon_per_nm", 55.0)):
        panel.clear()
        for profile, colour, label in (
            (empty, BLUE, "discharged"), (full, VERMILLION, "charged"),
        ):  # fmt: skip
            values = PER_NM3 * getattr(profile, name)
            panel.stairs(values, profile.edges_nm, color=colour, baseline=None, label=label)
        panel.axvspan(-1e4, 0.0, color=ROLE_SHADES["anode"], lw=0, zorder=-2)
        panel.set(xlim=(min(thickest, -190.0), _DEPTH_NM), ylim=(0, top), xlabel="depth (nm)")
        bare(panel)
    lithium.set(title="lithium per nm³")
    silicon.set(title="silicon per nm³")
    silicon.legend(loc="upper right")
    capacity.clear()
    known = history.capacity_uah()
    capacity.plot(history.cycles, known, color=BLACK, lw=0.8)
    place = int(np.searchsorted(history.cycles, number))
    capacity.plot([number], [known[place]], "o", color=VERMILLION)
    capacity.set(title=f"cycle {number}: {known[place]:.1f} µAh", xlabel="cycle", ylim=(0, None))
    bare(capacity)
