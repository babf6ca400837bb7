"""The campaign as one measurement: lithium at every spectrum, and what was taken from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lidepth.model.ledger import REGIONS
from lidepth.model.result import Analysis
from lidepth.model.track import NUISANCES, LithiumTrack
from lidepth.show.arrange import Floats, error_lines, with_gaps, with_time_gaps
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import (
    BLACK,
    BLUE,
    DIVERGING,
    GREEN,
    GREY,
    NO_DATA,
    PURPLE,
    ROLE_COLOURS,
    VERMILLION,
    bare,
    colour_bar,
    new_figure,
    styled,
)

MOST_POINTS = 3000  # of a line; more is not seen and makes the file heavy
MOST_COLUMNS = 500  # of the map
GAP = 3.0  # lengths of a spectrum without one that make a gap
TRACKS = (
    ("flux", NUISANCES.index("beam"), 100.0, "beam against\nmonitor (%)"),
    ("offset", NUISANCES.index("offset_kev"), 1.0, "energy offset\n(keV)"),
    ("background", NUISANCES.index("background"), 100.0, "background\n(%)"),
)
HOURS = "time since the first spectrum (h)"


def track_of(analysis: Analysis) -> LithiumTrack:
    """The smoother's track; NothingToDraw without."""
    if analysis.track is None or not len(analysis.track):
        raise NothingToDraw("the campaign was not smoothed", expected="--method smooth")
    return analysis.track


def _thinned(track: LithiumTrack) -> Any:
    """Rows to draw as a line."""
    return slice(None, None, max(-(-len(track) // MOST_POINTS), 1))


def _band(axes: Any, at: Floats, value: Floats, std: Floats, colour: str) -> None:
    """A line with its 68 % band, broken where no spectrum was taken."""
    at, value, std = with_gaps(at, value, std)
    axes.fill_between(at, value - std, value + std, color=colour, alpha=0.22, lw=0)
    axes.plot(at, value, color=colour, lw=0.8)


@styled
def campaign(analysis: Analysis) -> Drawing:
    """Draw lithium per region at every spectrum under the voltage, states of the default on it."""
    track, some = track_of(analysis), _thinned(track_of(analysis))
    hours = track.time_s[some] / 3600.0
    figure = new_figure(7.1, 5.4)
    panels = figure.subplots(4, 1, sharex=True, height_ratios=[0.8, 1.4, 1.4, 1.2])
    _voltage(panels[0], analysis, float(hours[0]), float(hours[-1]))
    for axes, column in ((panels[1], 2), (panels[2], 0), (panels[3], 1)):
        _content(axes, analysis, track, column, some)
    charge = with_gaps(hours, track.charge_uah[some])
    look = {"color": VERMILLION, "lw": 0.7, "ls": (0, (3, 2))}
    panels[1].plot(*charge, label="charge by the cycler", **look)
    panels[1].legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2, borderpad=0.0)
    panels[3].set_xlabel(HOURS)
    figure.align_ylabels(panels)
    return Drawing(
        name="campaign", title="Lithium at every spectrum", figure=figure,
        data={
            "time_h": hours, "cycle": track.cycle[some], "charge_uAh": track.charge_uah[some],
            **{f"{role}_{kind}": values[some, c] for c, role in enumerate(REGIONS)
               for kind, values in (("uAh", track.contents_uah), ("std_uAh", track.std_uah),
                                    ("stat_uAh", track.stat_uah))},
        },
        caption=(
            "Lithium missing from the cathode, in the anode and added to the electrolyte, at every "
            "spectrum, from all spectra of the run and the charge between them (smoother); above, "
            "the cell's voltage. Bands: 68 %, total, with terms common to all times. Open symbols: "
            "states of the default method, for comparison, with the errors that are their own. "
            "Symbols that lie off the band, beyond both errors, would say that one of the two "
            "methods is wrong. Lithium is conserved and the charge is believed up to a fitted "
            "loss: that anode and electrolyte add up to the cathode tests nothing."
        ),
    )  # fmt: skip


def _voltage(axes: Any, analysis: Analysis, first_h: float, last_h: float) -> None:
    log = analysis.run.log
    axes.set_ylabel("voltage (V)")
    bare(axes)
    if log is None:
        return
    hours = log.seconds(analysis.run.series.origin) / 3600.0
    inside = np.flatnonzero((hours >= first_h) & (hours <= last_h))
    inside = inside[:: max(inside.size // MOST_POINTS, 1)]
    axes.plot(hours[inside], log.voltage_v[inside], color=BLACK, lw=0.6)


def _content(axes: Any, analysis: Analysis, track: LithiumTrack, column: int, some: slice) -> None:
    role = REGIONS[column]
    colour = ROLE_COLOURS[role]
    hours, value = track.time_s[some] / 3600.0, track.contents_uah[some, column]
    std = track.std_uah[some, column]
    _band(axes, hours, value, std, colour)
    axes.axhline(0.0, color="#bbbbbb", lw=0.5)
    default = analysis.ledgers.get("default")
    if default is not None and len(default):
        at, mine = default.time_s / 3600.0, default.values[:, column]
        stat = default.stat[:, column]
        error_lines(axes, at, mine - stat, mine + stat, color="#555555", lw=0.6)
        axes.plot(at, mine, "o", mfc="white", mec="#555555", ms=2.8, mew=0.6,
                  label="states, default method")  # fmt: skip
    axes.set_ylabel({"anode": "anode (µAh)", "electrolyte": "electrolyte\n(µAh)",
                     "cathode": "missing from\ncathode (µAh)"}[role])  # fmt: skip
    bare(axes)


@styled
def campaign_map(analysis: Analysis) -> Drawing:
    """Draw the change of lithium against depth and time, the layers each in its own colours."""
    track = track_of(analysis)
    start, stop, change, std = _columns(analysis, track)
    figure = new_figure(7.1, 4.8)
    roles = [role for role in REGIONS if role in track.regions]
    panels = figure.subplots(
        len(roles), 1, sharex=True, squeeze=False, height_ratios=[0.7, 2.6, 1.0][: len(roles)]
    )[:, 0]
    for axes, role in zip(panels, roles, strict=True):
        cells = np.flatnonzero([region == role for region in track.regions])
        edges_h, image = with_time_gaps(start, stop, change[:, cells])
        _, sure = with_time_gaps(start, stop, change[:, cells] / np.maximum(std[:, cells], 1e-12))
        mesh = _depth_image(axes, track, cells, edges_h, image, sure)
        label = "change of lithium (10²² Li/cm³)" if role == "electrolyte" else ""
        colour_bar(figure, mesh, axes, label, pad=0.01, aspect=10)
        axes.set_ylabel(f"{role}\ndepth (nm)")
    panels[-1].set_xlabel(HOURS)
    return Drawing(
        name="campaign_map", title="Change of lithium against depth and time", figure=figure,
        data={
            "start_h": start, "stop_h": stop, "depth_low_nm": track.edges_nm[:-1],
            "depth_high_nm": track.edges_nm[1:], "region": np.array(track.regions),
            "change_1e22_per_cm3": change, "std_1e22_per_cm3": std,
        },
        caption=(
            "Change of lithium since pristine against depth below the anode's surface and time, "
            "from the smoother; each layer has its own colours, red more, blue less. Dotted where "
            "the change in the electrolyte is less than two total standard uncertainties from "
            "nought: no structure there is measured. Depth is that of the pristine stack, and "
            "nothing narrower than the resolution length can show. Grey: no spectrum. In the "
            "electrolyte, red that comes and goes with the charge at the anode's side would be "
            "lithium of the anode seen in the wrong place."
        ),
    )  # fmt: skip


def _columns(analysis: Analysis, track: LithiumTrack) -> tuple[Floats, Floats, Floats, Floats]:
    """Start and stop (h) of neighbouring spectra together, mean change and its error per nm."""
    series, step = analysis.run.series, max(-(-len(track) // MOST_COLUMNS), 1)
    start, stop = series.start_s[track.rows], series.stop_s[track.rows]
    gaps = np.flatnonzero(start[1:] - stop[:-1] > GAP * np.median(stop - start)) + 1
    first = np.union1d(np.arange(0, len(track), step), gaps)
    last = np.append(first[1:], len(track)) - 1
    number = np.diff(np.append(first, len(track)))[:, None]
    change = np.add.reduceat(track.change_1e15, first, axis=0) / number / track.width_nm
    # neighbours share nearly all of their error
    std = np.add.reduceat(track.change_std_1e15, first, axis=0) / number / track.width_nm
    return start[first] / 3600.0, stop[last] / 3600.0, change, std


def _depth_image(
    axes: Any, track: LithiumTrack, cells: Any, edges_h: Floats, image: Floats, sure: Floats
) -> Any:
    depth = track.edges_nm[np.append(cells, cells[-1] + 1)]
    finite = np.abs(image[np.isfinite(image)])
    limit = float(np.percentile(finite, 99.0)) if finite.size else 1.0
    mesh = axes.pcolorfast(edges_h, depth, np.ma.masked_invalid(image.T), cmap=DIVERGING,
                           vmin=-(limit or 1.0), vmax=limit or 1.0)  # fmt: skip
    axes.set(ylim=(depth[-1], depth[0]), xlim=(edges_h[0], edges_h[-1]), facecolor=NO_DATA)
    if track.regions[cells[0]] == "electrolyte" and min(sure.shape) >= 2:
        middle_h, middle = 0.5 * (edges_h[1:] + edges_h[:-1]), 0.5 * (depth[1:] + depth[:-1])
        dots = axes.contourf(middle_h, middle, np.abs(np.nan_to_num(sure.T)), levels=[0.0, 2.0],
                      colors="none", hatches=["...."])  # fmt: skip
        dots.set(edgecolor="#8c8c8c", linewidth=0.0)
    return mesh


@styled
def campaign_losses(analysis: Analysis) -> Drawing:
    """Draw the charge that moved no lithium and the silicon that moved, against time."""
    track, some = track_of(analysis), _thinned(track_of(analysis))
    hours = track.time_s[some] / 3600.0
    missing = (track.charge_uah - track.contents_uah[:, 2])[some]
    std = track.std_uah[some, 2]
    silicon = track.nuisances[some, NUISANCES.index("silicon_1e15")]
    silicon_std = track.nuisances_std[some, NUISANCES.index("silicon_1e15")]
    figure = new_figure(7.1, 3.4)
    panels = figure.subplots(2, 1, sharex=True)
    for axes, value, error, colour, label in (
        (panels[0], missing, std, PURPLE, "charge that moved\nno lithium (µAh)"),
        (panels[1], silicon, silicon_std, GREEN, "moved silicon\n(10¹⁵ Si/cm²)"),
    ):
        _band(axes, hours, value, error, colour)
        axes.axhline(0.0, color=GREY, lw=0.5)
        axes.set_ylabel(label)
        bare(axes)
    panels[1].set_xlabel(HOURS)
    figure.align_ylabels(panels)
    return Drawing(
        name="campaign_losses", title="Charge lost and silicon moved", figure=figure,
        data={
            "time_h": hours, "lost_charge_uAh": missing, "lost_charge_std_uAh": std,
            "silicon_1e15": silicon, "silicon_std_1e15": silicon_std,
        },
        caption=(
            "Above: charge of the cycler less the lithium that the smoother finds missing from "
            "the cathode: charge that moved no lithium (side reactions, leakage). Below: silicon "
            "that has left the anode for the electrolyte. Bands: 68 %, total. A line that leaves "
            "nought by more than two bands is a finding; it is believed only if the default "
            "method's untied cathode says the same."
        ),
    )  # fmt: skip


@styled
def nuisances(analysis: Analysis) -> Drawing:
    """Draw beam, energy offset, background and gain along the run: states, smoother, edges."""
    if not analysis.state_parameters and analysis.track is None and analysis.scale is None:
        raise NothingToDraw("no state was fitted")
    figure = new_figure(7.1, 5.2)
    panels = figure.subplots(4, 1, sharex=True)
    data: dict[str, Any] = {}
    for axes, (name, place, scale, label) in zip(panels, TRACKS, strict=False):
        data |= _nuisance(axes, analysis, name, place, scale)
        axes.set_ylabel(label)
    data |= _gain(panels[3], analysis)
    panels[3].set(ylabel="gain (‰)", xlabel=HOURS)
    for axes in panels:
        axes.axhline(0.0, color="#bbbbbb", lw=0.5, zorder=0.5)
        bare(axes)
    figure.align_ylabels(panels)
    return Drawing(
        name="nuisances", title="Beam, energy scale and background along the run", figure=figure,
        data=data,
        caption=(
            "What the fit had to allow for. Points: beam against the monitor, energy offset and "
            "background of each state, default method, 68 %; grey band: what was believed of them "
            "beforehand. "
            + "Lines with bands: the same at every spectrum, from the smoother. "
            * (analysis.track is not None)
            + "Gain: from the edges of alphas and tritons alone, against the pristine spectrum. "
            "Points about nought within the grey band are good. A slow drift is taken care of; a "
            "step, or a swing that follows the charge, is lithium or an instrument taken for the "
            "other: look at that time."
        ),
    )  # fmt: skip


def _nuisance(axes: Any, analysis: Analysis, name: str, place: int, scale: float) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if analysis.track is not None and len(analysis.track):
        track, some = analysis.track, _thinned(analysis.track)
        hours, value = track.time_s[some] / 3600.0, scale * track.nuisances[some, place]
        std = scale * track.nuisances_std[some, place]
        _band(axes, hours, value, std, BLUE)
        data |= {"time_h": hours, f"{name}_smooth": value, f"{name}_smooth_std": std}
    found = [
        (state.time_s / 3600.0, parameter)
        for state, parameters in zip(analysis.states, analysis.state_parameters, strict=False)
        for parameter in parameters
        if parameter.name == name
    ]
    if found:
        at = np.array([time for time, _ in found])
        value = scale * np.array([p.value - p.prior for _, p in found])
        std = scale * np.array([p.std for _, p in found])
        prior = scale * float(np.median([p.prior_std for _, p in found]))
        axes.axhspan(-prior, prior, color="#ececec", lw=0, zorder=0)
        error_lines(axes, at, value - std, value + std, color=BLACK, lw=0.7)
        axes.plot(at, value, "o", color=BLACK, ms=2.6)
        reach = 1.25 * float(np.max(np.abs(value) + std))
        if reach < prior:  # a wide prior must not make the points invisible
            axes.set_ylim(-max(reach, 0.3 * prior), max(reach, 0.3 * prior))
        data |= {"state_time_h": at, f"{name}_state": value, f"{name}_state_std": std}
    return data


def _gain(axes: Any, analysis: Analysis) -> dict[str, Any]:
    track = analysis.scale
    if track is None:
        axes.text(0.5, 0.6, "no two edges are seen", transform=axes.transAxes, ha="center")
        return {}
    known = np.isfinite(track.gain) & np.isfinite(track.gain_std)
    hours = track.time_s[known] / 3600.0
    value, std = 1e3 * (track.gain[known] - 1.0), 1e3 * track.gain_std[known]
    error_lines(axes, hours, value - std, value + std, color=GREEN, lw=0.4, alpha=0.6)
    axes.plot(hours, value, ".", color=GREEN, ms=3)
    return {"group_time_h": hours, "gain_permille": value, "gain_std_permille": std}
