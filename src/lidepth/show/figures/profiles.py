"""Change of lithium against depth, and how sharp the depth is."""

from __future__ import annotations

from typing import Any

import numpy as np

from lidepth.model.profile import DepthProfile
from lidepth.model.result import Analysis
from lidepth.show.arrange import depth_regions, name_spans, profiles_of, shade, shown_cycles, stairs
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import BLUE, CYCLE_COLOURS, bare, new_figure, styled

KERNELS = 12


@styled
def charged_profiles(analysis: Analysis) -> Drawing:
    """Draw the change of lithium against depth of the charged cell."""
    return _profiles(analysis, "charged")


@styled
def discharged_profiles(analysis: Analysis) -> Drawing:
    """Draw the change of lithium against depth of the discharged cell."""
    return _profiles(analysis, "discharged")


def _profiles(analysis: Analysis, state: str) -> Drawing:
    every = {profile.cycle: profile for profile in profiles_of(analysis, state)}
    chosen = [every[cycle] for cycle in shown_cycles(sorted(every))]
    spans = depth_regions(chosen[0])
    figure = new_figure(7.1, 3.5)
    near, far = figure.subplots(1, 2, width_ratios=[1.0, 4.6])
    split = spans["anode"][1] if "anode" in spans else 0.0
    for axes, low, high in ((near, 0.0, split), (far, split, float(chosen[0].edges_nm[-1]))):
        axes.set_xlim(low, high)
        shade(axes, spans, names=False)
        axes.axhline(0.0, color="#777777", lw=0.5)
        for profile, colour in zip(chosen, CYCLE_COLOURS, strict=False):
            _curve(axes, profile, colour, (low, high), band=axes is far)
        _limit(axes, chosen, low, high)
        _areal_axis(axes, chosen[0])
    _anode_errors(near, chosen, split)
    near.set(ylabel="change of lithium (10²² Li/cm³)")
    near.set_xticks([0.0, split], ["0", f"{split:.0f}"])
    far.set_xlabel("depth from the anode surface (nm of the pristine stack)")
    near.set_title("anode", fontsize=7, loc="center", color="#444444")
    name_spans(far, {role: span for role, span in spans.items() if role != "anode"})
    _plateau_axis(far, chosen[0])
    far.legend(title="cycle", loc="lower left", ncols=2, title_fontsize=7)
    return Drawing(
        name=f"{state}_profiles",
        title=f"Lithium against depth, {state}",
        figure=figure,
        data=_profile_data(chosen),
        caption=_profile_caption(state),
    )


def _profile_caption(state: str) -> str:
    return (
        f"Change of lithium since pristine against depth in the {state} cell, for selected "
        "cycles; the anode, at the left, has its own scale. Bands and error bars: 68 %, total "
        "(counting, pristine reference, energy scale, stack and stopping), strongly correlated "
        "between neighbouring depths and between cycles. Lower axis: nm of the pristine stack, "
        "which rests on densities; upper axis: areal density, which is what the particles measure. "
        "Right axis: relative to the lithium of the pristine electrolyte. Features narrower than "
        "the resolution length are the prior's."
    )


def _curve(
    axes: Any, profile: DepthProfile, colour: str, span: tuple[float, float], *, band: bool
) -> None:
    first, last = np.searchsorted(profile.edges_nm, (span[0] - 1e-6, span[1] - 1e-6)).tolist()
    edges = profile.edges_nm[first : last + 1]
    value, std = profile.change_per_nm[first:last], profile.std_per_nm[first:last]
    if band:
        axes.fill_between(np.repeat(edges, 2)[1:-1], np.repeat(value - std, 2),
                          np.repeat(value + std, 2), color=colour, alpha=0.18, lw=0)  # fmt: skip
    stairs(axes, value, edges, color=colour, lw=1.1, label=str(profile.cycle))


def _anode_errors(axes: Any, profiles: list[DepthProfile], split: float) -> None:
    """Error bars side by side, where bands of many cycles would cover each other."""
    for number, (profile, colour) in enumerate(zip(profiles, CYCLE_COLOURS, strict=False)):
        place = split * (number + 0.5) / len(profiles)
        cell = int(np.searchsorted(profile.edges_nm, place, side="right")) - 1
        value, std = profile.change_per_nm[cell], profile.std_per_nm[cell]
        axes.plot([place, place], [value - std, value + std], "_-", ms=4, color=colour)


def _limit(axes: Any, profiles: list[DepthProfile], low: float, high: float) -> None:
    values = []
    for profile in profiles:
        inside = (profile.edges_nm[:-1] >= low - 1e-6) & (profile.edges_nm[1:] <= high + 1e-6)
        for sign in (-1.0, 1.0):
            values.append((profile.change_per_nm + sign * profile.std_per_nm)[inside])
    joined = np.concatenate([*values, [0.0]])
    reach = float(np.ptp(joined)) or 1.0
    axes.set_ylim(float(joined.min()) - 0.06 * reach, float(joined.max()) + 0.14 * reach)


def _areal_axis(axes: Any, profile: DepthProfile) -> None:
    nm, areal = profile.edges_nm, profile.edges_1e15
    upper = axes.secondary_xaxis(
        1.0 if not axes.get_ylabel() else "top",
        functions=(lambda x: _through(x, nm, areal), lambda x: _through(x, areal, nm)),
    )
    low, high = axes.get_xlim()
    if high - low < 200.0:
        upper.set_xticks([float(_through(x, nm, areal)) for x in (low, high)])
        upper.xaxis.set_major_formatter("{x:.0f}")
    else:
        upper.set_xlabel("areal density (10¹⁵ atoms/cm²)")


def _through(x: Any, from_: Any, to: Any) -> Any:
    """Interpolate, and go on straight beyond both ends."""
    x = np.asarray(x, dtype=np.float64)
    first = (to[1] - to[0]) / (from_[1] - from_[0])
    last = (to[-1] - to[-2]) / (from_[-1] - from_[-2])
    inside = np.interp(x, from_, to)
    return inside + np.minimum(x - from_[0], 0) * first + np.maximum(x - from_[-1], 0) * last


def _plateau_axis(axes: Any, profile: DepthProfile) -> None:
    cells = np.array([region == "electrolyte" for region in profile.regions])
    before = (profile.pristine_1e15 / profile.width_nm)[cells]
    plateau = float(np.median(before)) if before.size else 0.0
    if plateau > 0:
        right = axes.secondary_yaxis("right", functions=(
            lambda y: np.asarray(y) / plateau, lambda y: np.asarray(y) * plateau))  # fmt: skip
        right.set_ylabel("relative to the pristine electrolyte")


def _profile_data(profiles: list[DepthProfile]) -> dict[str, Any]:
    first = profiles[0]
    data: dict[str, Any] = {
        "depth_low_nm": first.edges_nm[:-1], "depth_high_nm": first.edges_nm[1:],
        "depth_low_1e15": first.edges_1e15[:-1], "depth_high_1e15": first.edges_1e15[1:],
        "region": np.array(first.regions),
    }  # fmt: skip
    for profile in profiles:
        data[f"cycle_{profile.cycle}_1e22_per_cm3"] = profile.change_per_nm
        data[f"cycle_{profile.cycle}_std"] = profile.std_per_nm
    return data


@styled
def resolution(analysis: Analysis) -> Drawing:
    """Draw averaging kernels and the resolution length of the last state against depth."""
    if not analysis.profiles:
        raise NothingToDraw("there is no profile")
    profile = analysis.profiles[-1]
    figure = new_figure(7.1, 3.0)
    fan, length = figure.subplots(1, 2, width_ratios=[1.5, 1.0])
    middle = 0.5 * (profile.edges_nm[1:] + profile.edges_nm[:-1])
    rows = np.unique(np.linspace(0, middle.size - 1, KERNELS).round().astype(int))
    kernels = profile.averaging_kernel[rows] / profile.width_nm
    spans = depth_regions(profile)
    for axes in (fan, length):
        axes.set_xlim(0.0, float(profile.edges_nm[-1]))
        shade(axes, spans)
        axes.set_xlabel("depth from the anode surface (nm)")
        bare(axes)
    import matplotlib

    shades = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.85, rows.size))
    for row, kernel, colour in zip(rows, kernels, shades, strict=True):
        fan.plot(middle, kernel, color=colour, lw=0.9)
        fan.plot(middle[row], 0.0, "|", color=colour, ms=6)
    fan.set_ylabel("averaging kernel (1/nm)")
    # The anode's own kernel is many times higher; it leaves the frame so that the others show.
    below = [float(np.nanmax(k)) for r, k in zip(rows, kernels, strict=True)
             if profile.regions[r] != "anode"]  # fmt: skip
    top = max(below, default=0.0) or float(np.nanmax(kernels)) or 1.0
    fan.set_ylim(-0.35 * top, 1.35 * top)
    known = np.isfinite(profile.resolution_nm)
    stairs(length, profile.resolution_nm, profile.edges_nm, color=BLUE, lw=1.1)
    peak = float(profile.resolution_nm[known].max()) if known.any() else 1.0
    length.set(ylabel="resolution length, FWHM (nm)", ylim=(0.0, 1.2 * peak))
    return Drawing(
        name="resolution",
        title="Depth resolution",
        figure=figure,
        data={
            "depth_nm": middle[known],
            "resolution_nm": profile.resolution_nm[known],
            "kernel_depth_nm": middle,
            "kernel_centre_nm": middle[rows],
            "kernel_per_nm": kernels.T,
        },
        caption=(
            f"How sharply {profile.label} is resolved in depth. Left: averaging kernels; each "
            "curve says from which true depths the estimate at its tick is made up; the one of "
            "the anode, a thin layer, leaves the frame. "
            + (
                "In the cathode the kernels vanish because the charge, not the spectrum, says how "
                "much lithium is missing there. " * ("untied" in analysis.ledgers)
            )
            + "Right: full width at half maximum of the kernels, in steps of whole depth cells; "
            "where it is missing, the data say nothing and the profile is the prior's. "
            "No errors are drawn; kernels follow from the fit itself."
        ),
    )
