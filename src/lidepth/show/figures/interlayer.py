"""The interlayer as a slab: its shape and its odds against the cycle, and beside the default."""

from __future__ import annotations

from typing import Any

import numpy as np

from lidepth.model.interlayer import HIGH, LEVELS, LOW, MEDIAN, Interlayer
from lidepth.model.profile import DepthProfile
from lidepth.model.result import Analysis
from lidepth.show.arrange import Floats, depth_regions, shade, stairs, with_gaps
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import BLACK, BLUE, VERMILLION, bare, new_figure, styled, whole_numbers

COLOURS = {"charged": BLUE, "discharged": VERMILLION}
SHIFTS = {"charged": -0.08, "discharged": 0.08}  # side by side, where they would hide each other
QUANTITIES = (
    ("thickness_nm", "thickness (nm)", 1.0),
    ("width_nm", "width of the front (nm)", 1.0),
    ("enrichment", "enrichment (%)", 100.0),
)
DEEPEST_NM = 900.0


@styled
def interlayer(analysis: Analysis) -> Drawing:
    """Draw thickness, width, enrichment and odds per cycle, and one profile by both methods."""
    found = analysis.interlayer
    if found is None or not len(found):
        raise NothingToDraw("no slab was fitted")
    figure = new_figure(7.1, 4.3)
    panels = figure.subplot_mosaic("twe;bpp")
    data: dict[str, Any] = {}
    for key, (name, label, scale) in zip("twe", QUANTITIES, strict=True):
        data |= _quantity(panels[key], found, name, scale)
        panels[key].set(ylabel=label, yscale="log")
        panels[key].yaxis.set_major_formatter("{x:g}")
        panels[key].yaxis.set_minor_formatter(_some_minor)
    data |= _odds(panels["b"], found)
    for key in "tweb":
        panels[key].set_xlabel("cycle")
        whole_numbers(panels[key].xaxis)
        bare(panels[key])
    data |= _overlay(panels["p"], analysis, found)
    handles, labels = panels["t"].get_legend_handles_labels()
    panels["b"].legend(handles, labels, loc="best")
    return Drawing(
        name="interlayer", title="The interlayer as a slab", figure=figure, data=data,
        caption=_caption(analysis),
    )  # fmt: skip


def _caption(analysis: Analysis) -> str:
    found = analysis.interlayer
    run = found.run_ln_bayes if found is not None else float("nan")
    return (
        "Lithium added to the electrolyte, drawn as a plateau with a front below the anode. Upper "
        "row: thickness (twice the mean depth of that lithium), width (standard deviation of the "
        "front) and enrichment (plateau over the electrolyte's own lithium): median and 68 % band, "
        "errors common to all cycles included; a wide band that does not change from cycle to "
        "cycle is what was believed beforehand. Lower left: natural logarithm of the odds that the "
        "state has an interlayer against none, on a scale that is linear between -3 and 3 "
        f"(dashed); for the run as a whole it is {run:.0f}. Lower right: the last profile by the "
        "default method with its 68 % band, and the slab's. Where they differ beyond chance, the "
        "warnings say so: the slab is sure of itself only if lithium lies in a slab."
    ).replace(" -", " −")


def _some_minor(value: float, _: float) -> str:
    """Label the twos and fives between powers of ten."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _quantity(axes: Any, found: Interlayer, name: str, scale: float) -> dict[str, Any]:
    data: dict[str, Any] = {}
    values: Floats = scale * getattr(found, name)
    for state, colour in COLOURS.items():
        rows = np.flatnonzero(found.rows_of(state))
        if not rows.size:
            continue
        cycle, low, median, high = with_gaps(
            found.cycle[rows], *(values[rows, place] for place in (LOW, MEDIAN, HIGH))
        )
        if rows.size == 1:  # a band needs two points
            axes.plot([cycle[0]] * 2, [low[0], high[0]], color=colour, lw=0.8)
        cycle = cycle + SHIFTS[state]
        axes.fill_between(cycle, low, high, color=colour, alpha=0.16, lw=0)
        axes.plot(cycle, median, "o-", ms=2, lw=0.9, color=colour, label=state)
        data[f"{state}_cycle"] = found.cycle[rows]
        for place, level in enumerate(LEVELS):
            data[f"{state}_{name}_{100 * level:g}"] = getattr(found, name)[rows, place]
    return data


def _odds(axes: Any, found: Interlayer) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for state, colour in COLOURS.items():
        rows = np.flatnonzero(found.rows_of(state))
        if rows.size:
            axes.plot(
                found.cycle[rows] + SHIFTS[state], found.ln_bayes[rows], "o", ms=2.5, color=colour
            )
            data[f"{state}_ln_bayes"] = found.ln_bayes[rows]
            data[f"{state}_model_electrolyte_uAh"] = found.model_uah[rows, 1]
    axes.set_yscale("symlog", linthresh=3.0)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.axhline(0.0, color="#777777", lw=0.5)
    for level in (-3.0, 3.0):
        axes.axhline(level, color="#777777", lw=0.5, ls="--")
    axes.set_ylabel("ln B, interlayer against none")
    return data


def _overlay(axes: Any, analysis: Analysis, found: Interlayer) -> dict[str, Any]:
    """The last discharged profile, or the last one there is, by default and slab."""
    if not analysis.profiles or len(analysis.profiles) != len(found):
        axes.set_axis_off()
        return {}
    rows = np.flatnonzero(found.rows_of("discharged"))
    row = int(rows[-1]) if rows.size else len(found) - 1
    profile = analysis.profiles[row]
    inside = np.array([region == "electrolyte" for region in profile.regions])
    first = int(np.flatnonzero(inside)[0])
    last = int(np.searchsorted(profile.edges_nm[:-1], _deepest(profile)))
    edges = profile.edges_nm[first : last + 1]
    value, std = profile.change_per_nm[first:last], profile.std_per_nm[first:last]
    slab = (found.change_1e15[row] / profile.width_nm)[first:last]
    axes.set_xlim(0.0, float(edges[-1]))
    shade(axes, depth_regions(profile))
    axes.fill_between(
        np.repeat(edges, 2)[1:-1], np.repeat(value - std, 2), np.repeat(value + std, 2),
        color=BLACK, alpha=0.15, lw=0,
    )  # fmt: skip
    stairs(axes, value, edges, color=BLACK, lw=1.1, label="default")
    stairs(axes, slab, edges, color=VERMILLION, lw=1.1, label="slab")
    axes.axhline(0.0, color="#777777", lw=0.5)
    axes.set(
        xlabel="depth from the anode surface (nm of the pristine stack)",
        ylabel="change of lithium (10²² Li/cm³)",
    )
    axes.legend(title=profile.label, title_fontsize=7, loc="upper right")
    bare(axes)
    return {
        "depth_low_nm": edges[:-1], "depth_high_nm": edges[1:], "default_1e22_per_cm3": value,
        "default_std": std, "slab_1e22_per_cm3": slab,
    }  # fmt: skip


def _deepest(profile: DepthProfile) -> float:
    _, end = depth_regions(profile)["electrolyte"]
    return min(DEEPEST_NM, end)
