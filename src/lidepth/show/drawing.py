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

COMPRESSION = 4  # of PNG; more takes longer and gains little


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

    @property
    def svg(self) -> bytes:
        """The figure as SVG; the same bytes for the same figure."""
        return self._images[0]

    @property
    def png(self) -> bytes:
        """The figure as PNG."""
        return self._images[1]

    @cached_property
    def _images(self) -> tuple[bytes, bytes]:
        return _render(self.figure)

    @cached_property
    def csv(self) -> str:
        """The drawn numbers as comma-separated columns; short columns end in empty cells."""
        columns = dict(_columns(self.data))
        rows = max((column.size for column in columns.values()), default=0)
        cells = [_cells(column) for column in columns.values()]
        padded = [column + [""] * (rows - len(column)) for column in cells]
        lines = [",".join(_quoted(name) for name in columns)]
        lines += [",".join(row) for row in zip(*padded, strict=True)]
        return "\n".join(lines) + "\n"


@styled
def _render(figure: Any) -> tuple[bytes, bytes]:
    """Arrange a figure once, and draw it once as SVG and once as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure.set_dpi(PNG_DPI)
    canvas = FigureCanvasAgg(figure)  # one for layout and PNG: it remembers the sizes of texts
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    # Straight to the canvas: savefig would draw every figure twice.
    png, svg = io.BytesIO(), io.BytesIO()
    canvas.print_png(
        png, metadata={"Software": "lidepth"}, pil_kwargs={"compress_level": COMPRESSION}
    )
    FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": "lidepth"})
    return svg.getvalue(), png.getvalue()


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


def _cells(column: NDArray[Any]) -> list[str]:
    if np.issubdtype(column.dtype, np.floating):
        return [f"{value:.7g}" for value in column.tolist()]
    return [_quoted(str(value)) for value in column]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text
