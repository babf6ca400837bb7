"""The set-up and the stack, drawn to scale."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lidepth.model.result import Analysis
from lidepth.model.stack import Layer, Stack
from lidepth.show.drawing import Drawing
from lidepth.show.style import BLUE, GREEN, GREY, VERMILLION, new_figure, styled
from lidepth.show.words import subscripts

LAYER_COLOURS = {"anode": "#4d4d4d", "electrolyte": "#f3c58f", "cathode": "#8fb8dc"}
OTHER_COLOURS = ("#dfe3e6", "#c9a27a", "#b9bec4")
INCIDENCE_DEG = 60.0  # of the drawn beam, from the surface normal; only a drawing


@styled
def setup(analysis: Analysis) -> Drawing:
    """Draw beam, monitor, cell and detector, and beside them the fitted stack to scale."""
    figure = new_figure(7.1, 3.3)
    scene, column = figure.subplots(1, 2, width_ratios=[1.25, 1.0])
    _scene(scene, analysis.run.instrument.exit_angle_deg)
    _column(column, analysis.stack)
    scene.set_title("set-up (not to scale)")
    column.set_title("stack as fitted (to scale)")
    layers = tuple(analysis.stack)
    angle = analysis.run.instrument.exit_angle_deg
    return Drawing(
        name="setup",
        title="Set-up and stack",
        figure=figure,
        data={
            "layer": np.array([layer.name for layer in layers]),
            "material": np.array([layer.material.formula for layer in layers]),
            "thickness_nm": np.array([layer.thickness_nm for layer in layers]),
            "areal_density_1e15": np.array([layer.areal_density_1e15 for layer in layers]),
        },
        caption=(
            "Set-up and cell. Left: neutrons pass the beam monitor and reach the cell; alphas and "
            f"tritons leave it towards the detector at {angle:g}° to the surface normal. "
            "Right: the layers of the cell from the detector side (top) inwards, with the "
            "thicknesses found by the fit of the pristine spectrum and the run, to scale. "
            "Thicknesses in nm rest on the stated densities; what the particles measure is areal "
            "density."
        ),
    )


def _scene(axes: Any, exit_angle_deg: float) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import Affine2D

    axes.set(xlim=(-4.3, 3.0), ylim=(-1.7, 4.4), aspect="equal", anchor="NW")
    axes.axis("off")
    for depth, colour in enumerate(("#c9a27a", "#4d4d4d", "#f3c58f", "#8fb8dc", "#b9bec4")):
        axes.add_patch(Rectangle((-2.0, -0.2 - 0.2 * depth), 4.0, 0.2, fc=colour, ec="none"))
    axes.text(0.0, -1.2, "cell", ha="center", va="top")
    slope = math.radians(INCIDENCE_DEG)
    away = np.array([-math.sin(slope), math.cos(slope)])
    _arrow(axes, away * 4.7, away * 0.12, GREY, 2.2)
    turn = Affine2D().rotate_deg(-(90 - INCIDENCE_DEG)).translate(*(away * 2.7))
    axes.add_patch(
        Rectangle((-0.17, -0.5), 0.34, 1.0, fc="white", ec="black", transform=turn + axes.transData)
    )
    axes.text(*(away * 2.7 + [-0.15, -0.62]), "beam\nmonitor", ha="right", va="top", fontsize=7)
    axes.text(*(away * 4.3 + [0.1, 0.35]), "neutrons", ha="center", va="bottom", color="#555555")
    _exit(axes, exit_angle_deg, Rectangle, Affine2D)


def _exit(axes: Any, angle_deg: float, patch: Any, affine: Any) -> None:
    angle = math.radians(angle_deg)
    out = np.array([math.sin(angle), math.cos(angle)])
    side = np.array([out[1], -out[0]])
    axes.plot([0, 0], [0, 2.9], color="black", lw=0.6, ls=(0, (4, 3)))
    for shift, colour in ((-0.16, BLUE), (0.16, GREEN)):
        _arrow(axes, side * shift, side * shift + out * 3.2, colour, 1.2)
    turn = affine().rotate_deg(-angle_deg).translate(*(out * 3.4))
    axes.add_patch(
        patch((-0.9, -0.12), 1.8, 0.3, fc="#333333", ec="none", transform=turn + axes.transData)
    )
    axes.text(*(out * 3.4 + [0.2, 0.45]), "detector", ha="center", va="bottom")
    axes.text(*(out * 1.9 - side * 0.35), "alpha", ha="right", va="center", color=BLUE)
    axes.text(*(out * 1.9 + side * 0.35), "triton", ha="left", va="center", color=GREEN)
    axes.text(
        side[0] * 0.5 + out[0] * 0.8,
        0.45,
        f"exit angle {angle_deg:g}°",
        ha="left",
        va="bottom",
        fontsize=7,
    )


def _arrow(axes: Any, start: Any, stop: Any, colour: str, width: float) -> None:
    style = {"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=tuple(stop), xytext=tuple(start), arrowprops=style)


def _column(axes: Any, stack: Stack) -> None:
    edges = stack.interfaces_nm
    total = float(edges[-1])
    middles = 0.5 * (edges[1:] + edges[:-1])
    for number, layer in enumerate(stack):
        axes.bar(0.5, layer.thickness_nm, 1.0, bottom=edges[number], color=_colour(layer, number),
                 edgecolor="white", linewidth=0.4)  # fmt: skip
    for layer, middle, place in zip(stack, middles, _spread(middles, 0.085 * total), strict=True):
        axes.plot([1.0, 1.12, 1.2], [middle, place, place], color="#777777", lw=0.5)
        weight = "bold" if layer.role else "normal"
        axes.text(1.23, place, layer.name, va="bottom", fontsize=7, fontweight=weight)
        text = f"{subscripts(layer.material.formula)}, {layer.thickness_nm:.0f} nm"
        axes.text(1.23, place, text, va="top", fontsize=7, color="#444444")
    axes.annotate("to the detector", (0.5, 0.0), (0.5, -0.09 * total), ha="center", fontsize=7,
                  color=VERMILLION,
                  arrowprops={"arrowstyle": "<-", "color": VERMILLION, "lw": 0.8})  # fmt: skip
    axes.set(xlim=(0, 2.7), ylim=(1.03 * total, -0.13 * total), ylabel="depth (nm)", xticks=[])
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _colour(layer: Layer, number: int) -> str:
    return LAYER_COLOURS.get(layer.role or "", OTHER_COLOURS[number % len(OTHER_COLOURS)])


def _spread(places: Any, gap: float) -> list[float]:
    """Move label places apart until neighbours are ``gap`` apart, close to where they were."""
    spread = np.array(places, dtype=np.float64)
    for _ in range(200):
        short = gap - np.diff(spread)
        if np.all(short <= 1e-6 * gap):
            break
        push = np.maximum(short, 0.0) / 2.0
        spread[:-1] -= push
        spread[1:] += push
    return [float(place) for place in spread]
