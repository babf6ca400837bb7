"""How a figure looks: fonts, lines, colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito, "Color Universal Design" (2008): distinct for every kind of colour vision.
BLACK, GREY = "#000000", "#8a8a8a"
ORANGE, SKY, GREEN = "#e69f00", "#56b4e9", "#009e73"
YELLOW, BLUE, VERMILLION, PURPLE = "#f0e442", "#0072b2", "#d55e00", "#cc79a7"

ROLE_COLOURS = {"anode": BLACK, "electrolyte": VERMILLION, "cathode": BLUE}
ROLE_SHADES = {"anode": "#efefef", "electrolyte": "#fdf1e2", "cathode": "#e3eef7"}
PART_COLOURS = {"alpha": BLUE, "triton": GREEN, "background": GREY}
CYCLE_COLOURS = (VERMILLION, BLUE, ORANGE, GREEN, PURPLE, GREY, SKY)
DIVERGING = "RdBu_r"
NO_DATA = "#d9d9d9"  # the ground of maps, where nothing was measured
DOUBLE_COLUMN_IN, SINGLE_COLUMN_IN = 7.1, 3.5
PNG_DPI = 150

RC: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: the same letters everywhere
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "axes.linewidth": 0.6,
    "axes.titlelocation": "left",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "patch.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "errorbar.capsize": 1.5,
    "mathtext.fontset": "dejavusans",
    "mathtext.default": "regular",
    "svg.fonttype": "path",
    "svg.hashsalt": "lidepth",
    "savefig.facecolor": "white",
    "figure.facecolor": "white",
    "axes.unicode_minus": True,
    "text.usetex": False,
}

P = ParamSpec("P")
T = TypeVar("T")


def styled(function: Callable[P, T]) -> Callable[P, T]:
    """Run ``function`` with the figure style in force, and leave matplotlib as it was."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(RC)
            return function(*args, **kwargs)

    return inside


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure that arranges itself; drawn without any display."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def bare(axes: Any) -> None:
    """Take away the frame lines on the right and above."""
    axes.spines[["top", "right"]].set_visible(False)


def colour_bar(figure: Any, mesh: Any, axes: Any, label: str = "", **how: Any) -> None:
    """Add a colour bar beside ``axes`` with arrows for values beyond it, in a thin frame."""
    bar = figure.colorbar(mesh, ax=axes, extend="both", label=label, **how)
    bar.outline.set_linewidth(0.5)


def plain_logarithms(axes: Any) -> None:
    """Label logarithmic axes with plain numbers, at 1, 2 and 5 of a decade where few fit in."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() != "log":
            continue
        low, high = axis.get_view_interval()
        wide = high > 100.0 * low
        axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def whole_numbers(axis: Any) -> None:
    """Put ticks on whole numbers only, as for cycles."""
    axis.set_major_locator(
        MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )
