"""How steady a run was: rate, monitor, energy scale and flags against time."""

from __future__ import annotations

from typing import Any

import numpy as np

from lidepth.model.result import Analysis
from lidepth.model.spectra import UNUSABLE, Quality
from lidepth.show.arrange import error_lines
from lidepth.show.drawing import Drawing
from lidepth.show.style import BLACK, BLUE, GREEN, GREY, VERMILLION, bare, new_figure, styled


@styled
def quality(analysis: Analysis) -> Drawing:
    """Draw count rate, monitor, shift of the energy scale and flags against time."""
    series = analysis.run.series
    hours = (0.5 * (series.start_s + series.stop_s)) / 3600.0
    live = np.maximum(series.live_s, 1e-9)
    rate = series.data.values.sum(axis=1) / live
    monitor = series.monitor / np.maximum(series.real_s, 1e-9)
    figure = new_figure(7.1, 5.6)
    panels = figure.subplots(4, 1, sharex=True, height_ratios=[1, 1, 1.4, 1.1])
    marks = {"marker": ".", "ms": 1.6, "ls": "none"}
    panels[0].plot(hours, rate, color=BLACK, **marks)
    panels[0].set_ylabel("counts/s")
    if np.isfinite(monitor).any():
        panels[1].plot(hours, monitor, color=BLUE, **marks)
    else:
        panels[1].text(0.5, 0.5, "no monitor", transform=panels[1].transAxes, ha="center")
    panels[1].set_ylabel("monitor/s")
    data: dict[str, Any] = {
        "time_h": hours, "rate_per_s": rate, "monitor_per_s": monitor, "flags": series.flags,
    }  # fmt: skip
    data |= _scale(panels[2], analysis)
    _flags(panels[3], analysis)
    for axes in panels:
        bare(axes)
    panels[3].set_xlabel("time since the first spectrum (h)")
    return Drawing(
        name="quality",
        title="Steadiness of the run",
        figure=figure,
        data=data,
        caption=(
            "Count rate and monitor of every spectrum; shift of the edges of alphas and tritons "
            "against the pristine spectrum, in groups of spectra, with standard uncertainties "
            "that include what moving lithium leaves (the part that follows the charge is taken "
            "off); flagged spectra: grey, in no sum; red, used."
        ),
    )


def _scale(axes: Any, analysis: Analysis) -> dict[str, Any]:
    """Shift of each edge, and of the fitted scale where it is known best."""
    track = analysis.scale
    axes.axhline(0.0, color="#bbbbbb", lw=0.6)
    axes.set_ylabel("shift (keV)")
    if track is None:
        axes.text(0.5, 0.6, "no two edges are seen", transform=axes.transAxes, ha="center")
        return {}
    hours = track.time_s / 3600.0
    colours = {("triton", "top"): GREEN, ("alpha", "bottom"): BLUE}
    for number, mark in enumerate(track.landmarks):
        colour = colours.get((mark.particle, mark.edge))
        if colour is None or not np.isfinite(track.shift_kev[:, number]).any():
            continue
        shift, std = track.shift_kev[:, number], track.shift_std_kev[:, number]
        error_lines(axes, hours, shift - std, shift + std, color=colour, lw=0.4, alpha=0.5)
        axes.plot(hours, shift, ".", ms=2.5, color=colour, label=mark.label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", ncols=3)
    finite = np.abs(track.shift_kev[np.isfinite(track.shift_kev)])
    reach = max(12.0, 1.2 * float(np.percentile(finite, 98.0))) if finite.size else 12.0
    axes.set_ylim(-reach, reach)
    return {
        "group_time_h": hours, "offset_kev": track.offset_kev,
        "offset_std_kev": track.offset_std_kev, "gain": track.gain, "gain_std": track.gain_std,
        "edge_shift_kev": track.shift_kev,
    }  # fmt: skip


def _flags(axes: Any, analysis: Analysis) -> None:
    series = analysis.run.series
    kinds = [flag for flag in Quality if flag and np.any(series.flags & int(flag))]
    begin, length = series.start_s / 3600.0, (series.stop_s - series.start_s) / 3600.0
    for row, flag in enumerate(kinds):
        marked = np.flatnonzero(series.flags & int(flag))
        bars = list(zip(begin[marked].tolist(), length[marked].tolist(), strict=True))
        colour = GREY if flag & UNUSABLE else VERMILLION
        axes.broken_barh(bars, (row - 0.35, 0.7), color=colour, lw=0.3)
    if kinds:
        axes.set_yticks(range(len(kinds)), [flag.words for flag in kinds])
    else:
        axes.set_yticks([0], ["no flag"])
    axes.set_ylim(max(len(kinds), 1) - 0.5, -0.5)
