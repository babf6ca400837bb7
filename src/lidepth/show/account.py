"""The account of a run or of loose spectra on a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lidepth.model.check import Finding, RunCheck, SpectrumCheck

MOST_FINDINGS = 40


def run_account(check: RunCheck) -> RenderableType:
    """Return the account of one detector: facts, flags, findings with their times."""
    title = check.title + (f", detector {check.detector}" if check.detector else "")
    facts = Table.grid(padding=(0, 2))
    rows = {
        "spectra": f"{check.spectra} of {check.channels} channels, {check.usable} usable "
        f"({100 * check.usable_live_s / max(check.live_s, 1e-9):.1f} % of the live time)",
        "time": f"{_when(check.start)} to {_when(check.stop)}",
        "exposure": f"{check.live_s / 3600:.1f} h live, {100 * check.dead_share:.3f} % dead",
        "rate": f"{check.rate_per_s:.2f} counts/s, variance {check.rate_overdispersion:.2f} times "
        "that of counting",
        "monitor": _monitor(check),
        "scale": _scale(check),
        "cycler": _steps(check),
        "flags": ", ".join(f"{n} {words}" for words, n in check.flagged.items()) or "none",
    }
    for name, words in rows.items():
        facts.add_row(name, Text(words))
    parts: list[RenderableType] = [Text(title, style="bold"), facts]
    if check.findings:
        parts.append(_findings(check.findings))
    return Group(*parts)


def _monitor(check: RunCheck) -> str:
    if not math.isfinite(check.monitor_per_s):
        return "none"
    words = f"{check.monitor_per_s:.2f} counts/s"
    if math.isfinite(check.monitor_scatter):
        words += (
            f"; particles per monitor count scatter by {100 * check.monitor_scatter:.2f} % beyond "
            f"counting (variance {check.monitor_overdispersion:.2f} times that of counting)"
        )
    return words


def _scale(check: RunCheck) -> str:
    if check.track is None:
        return "cannot be followed"
    moved, std = check.track.moved_kev, check.track.moved_std_kev
    if not np.any(np.isfinite(moved)):
        return "cannot be followed"
    place = int(np.nanargmax(np.abs(moved) / std))
    return (
        f"most significant change {moved[place]:+.1f} +- {std[place]:.1f} keV at the edge known "
        f"best, {abs(moved[place]) / std[place]:.1f} standard deviations"
    )


def _steps(check: RunCheck) -> str:
    if not check.steps:
        return "none"
    kinds = ", ".join(f"{n} {kind}s" for kind, n in check.steps.items())
    return f"{check.cycles} cycles: {kinds}"


def _findings(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, padding=(0, 2), title="Findings", title_justify="left")
    for name in ("from", "to", "what"):
        table.add_column(name, no_wrap=name != "what")
    for finding in findings[:MOST_FINDINGS]:
        words = Text(finding.words, style="yellow" if finding.severity != "note" else "")
        if finding.remedy:
            words.append(f" ({finding.remedy})", style="dim")
        table.add_row(_when(finding.start), _when(finding.stop), words)
    if len(findings) > MOST_FINDINGS:
        table.caption = f"{len(findings) - MOST_FINDINGS} more with --json"
    return table


def _when(time: Any) -> str:
    return "" if time is None else str(np.datetime_as_string(time, "m")).replace("T", " ")


def loose_account(checks: Sequence[SpectrumCheck]) -> RenderableType:
    """Return one row per spectrum, then the claimed scales and the doubts."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("file", "channels", "start", "live s", "counts/s", "line", "FWHM", "line keV"):
        table.add_column(
            name, justify="left" if name in ("file", "start") else "right", no_wrap=True
        )
    for check in checks:
        line, known = check.line, math.isfinite(check.energy_kev)
        rate = check.counts / check.live_s if check.live_s > 0 else math.nan
        table.add_row(
            Text(check.source), str(check.channels), _when(check.start)[2:], f"{check.live_s:.5g}",
            f"{rate:.0f}", "" if line is None else f"{line.channel:.1f}",
            "" if line is None else f"{line.fwhm:.1f}", f"{check.energy_kev:.0f}" if known else "",
        )  # fmt: skip
    table.caption = "line: the highest that stands out, and its width, in channels; keV as claimed"
    parts: list[RenderableType] = [table]
    claims = [check.scale for check in checks if check.scale is not None]
    for claim in dict.fromkeys(claims):
        parts.append(
            Text(
                f"claimed scale of {claims.count(claim)} spectra: {claim[0]:.5g} keV + "
                f"{claim[1]:.6g} keV per channel"
            )
        )
    parts += [
        Text(f"{check.source}: {doubt}", style="yellow")
        for check in checks
        for doubt in check.doubts
    ]
    return Group(*parts)
