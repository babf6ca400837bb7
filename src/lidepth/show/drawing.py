"""A figure together with the numbers drawn in it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadData
from lidepth.show.style import PNG_DPI, styled


class NothingToDraw(BadData):
    """The analysis does not hold what this figure shows."""


@dataclass(frozen=True)
class Drawing:
    """One figure, the table of everything drawn in it, and the caption it needs.

    ``data`` maps a column name to an array; a two-dimensional array is one column per last index.
    ``title`` is a short name for headings and for readers who cannot see the figure.
    """

    name: str
    figure: Any
    data: Mapping[str, NDArray[Any]]
    caption: str
    title: str = ""

    @cached_property
    def svg(self) -> bytes:
        """The figure as SVG; the same bytes for the same figure."""
        return _render(self.figure, "svg", {"Date": None, "Creator": "lidepth"})

    @cached_property
    def png(self) -> bytes:
        """The figure as PNG."""
        return _render(self.figure, "png", {"Software": "lidepth"})

    @cached_property
    def csv(self) -> str:
        """The drawn numbers as comma-separated columns; short columns end in empty cells."""
        columns = dict(_columns(self.data))
        rows = max((column.size for column in columns.values()), default=0)
        cells = [[_cell(value) for value in column] for column in columns.values()]
        padded = [column + [""] * (rows - len(column)) for column in cells]
        lines = [",".join(_quoted(name) for name in columns)]
        lines += [",".join(row) for row in zip(*padded, strict=True)]
        return "\n".join(lines) + "\n"


@styled
def _render(figure: Any, kind: str, metadata: dict[str, str | None]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure.set_dpi(PNG_DPI)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")  # arranged once; the next format keeps the places
    buffer = io.BytesIO()
    # Straight to the canvas: savefig would draw every figure twice.
    if kind == "svg":
        FigureCanvasSVG(figure).print_svg(buffer, metadata=metadata)
    else:
        FigureCanvasAgg(figure).print_png(buffer, metadata=metadata)
    return buffer.getvalue()


def _columns(data: Mapping[str, NDArray[Any]]) -> list[tuple[str, NDArray[Any]]]:
    columns: list[tuple[str, NDArray[Any]]] = []
    for name, values in data.items():
        array = np.asarray(values)
        if array.ndim < 2:
            columns.append((name, np.atleast_1d(array)))
        else:
            table = array.reshape(array.shape[0], -1)
            columns += [(f"{name}[{i}]", table[:, i]) for i in range(table.shape[1])]
    return columns


def _cell(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.7g}"
    return _quoted(str(value))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text
