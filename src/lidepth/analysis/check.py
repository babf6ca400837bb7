"""The account of a run: how much there is of it, what is wrong with it, and when."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.backgrounds import Excess, excess_of
from lidepth.analysis.doubts import doubt_scale, doubtful_claims
from lidepth.analysis.electrochemistry.steps import find_steps
from lidepth.analysis.reduce import reduce_run
from lidepth.analysis.scale import edges_of, track_scale
from lidepth.errors import BadData
from lidepth.model.check import Finding, RunCheck, ScaleDoubt, ScaleTrack, Severity
from lidepth.model.cycling import Step
from lidepth.model.result import Run
from lidepth.model.spectra import UNUSABLE, Quality, SpectrumSeries
from lidepth.physics.stopping import stopping_source

Floats = NDArray[np.float64]

LONG_REST = 4.0
"""A rest this many times as long as the others of its kind is named."""

REMEDIES: dict[Quality, str] = {
    Quality.BEAM_OFF: "nothing, if the beam was off; otherwise look at shutter and detector",
    Quality.SHORT: "nothing for an interrupted spectrum; otherwise check the preset",
    Quality.GAP: "see whether files are missing",
    Quality.DUPLICATE: "remove the copy; if each spectrum holds the one before, clear the "
    "analyser between them",
    Quality.CLOCK_STEP: "check the clock of the analyser; give the right starts in monitor.csv",
    Quality.NO_MONITOR: "give monitor.csv",
    Quality.UNVERIFIED: "give the right starts in monitor.csv; restore a damaged run file from its "
    "sources (lidepth import)",
    Quality.GAIN_DRIFT: "nothing: the spectra are brought to the scale of the pristine ones before "
    "they are summed; look for temperature, bias or amplifier",
    Quality.PILE_UP: "count more slowly or shape more briefly; the loss is alike for all energies",
    Quality.SATURATED: "see which channel; look at the analyser's memory",
    Quality.MONITOR_STUCK: "check the monitor; its neighbours stand in for it",
    Quality.BACKGROUND_CHANGED: "see what changed at the instrument; the fit frees the background "
    "of every state",
    Quality.SCALE_DOUBTFUL: "nothing: what files claim is never used; do not use it elsewhere",
}


def check_run(run: Run) -> RunCheck:
    """Judge a run as it was put together, flags included."""
    series = run.series
    usable = series.usable
    source = stopping_source()
    total = series.data.values.sum(axis=1, dtype=np.int64).astype(np.float64)
    live = series.live_s
    findings = _flag_findings(series)
    track: ScaleTrack | None = None
    doubt: ScaleDoubt | None = None
    excess: Excess | None = None
    if usable.any():
        found = edges_of(run, source)
        track = track_scale(run, source, found=found)
        doubt = doubt_scale(run, source, found=found)
        excess = excess_of(run, found, track)
        findings += _scale_findings(run, track, doubt, doubtful_claims(run, source, found)[1])
        findings += _excess_findings(run, excess)
    else:
        findings.append(
            _finding(series, "unusable", "no spectrum can be used", severity="unusable")
        )
    steps = find_steps(run.log, series.origin) if run.log is not None else ()
    findings += _rest_findings(run, steps) + _missing_findings(run) + _clock_findings(run)
    rate = total[usable] / live[usable]
    monitor = series.monitor[usable]
    ratio = excess.ratio[usable] if excess is not None else np.full(0, np.nan)
    beyond, scatter = _monitor_scatter(total[usable], monitor, ratio)
    kinds = ("charge", "discharge", "rest")
    return RunCheck(
        title=run.title, detector=series.detector, spectra=len(series), channels=series.channels,
        start=series.origin, stop=_time(series, float(series.stop_s.max())),
        live_s=float(live.sum()), real_s=float(series.real_s.sum()), usable=int(usable.sum()),
        usable_live_s=float(live[usable].sum()),
        dead_share=1.0 - float(live.sum()) / max(float(series.real_s.sum()), 1e-9),
        rate_per_s=float(np.median(rate)) if rate.size else 0.0,
        rate_overdispersion=_overdispersion(total[usable], live[usable]),
        monitor_per_s=float(np.nanmedian(monitor / live[usable]))
        if np.isfinite(monitor).any()
        else float("nan"),
        monitor_overdispersion=beyond, monitor_scatter=scatter,
        flagged=flag_counts(series), findings=tuple(findings), track=track, doubt=doubt,
        steps={kind: sum(s.kind == kind for s in steps) for kind in kinds} if steps else {},
        cycles=max((s.cycle for s in steps), default=0),
    )  # fmt: skip


def flag_counts(series: SpectrumSeries) -> dict[str, int]:
    """Number of spectra with each flag that occurs, by its words."""
    counts = {flag.words: int(np.count_nonzero(series.flags & int(flag))) for flag in Quality}
    return {words: count for words, count in counts.items() if count and words}


def stretches(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of every unbroken stretch of marks."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _time(series: SpectrumSeries, second: float) -> np.datetime64:
    return series.origin + np.timedelta64(round(second * 1e9), "ns")


def _finding(
    series: SpectrumSeries, kind: str, words: str, *, start_s: float | None = None,
    stop_s: float | None = None, count: int = 0, remedy: str = "", severity: Severity = "note",
) -> Finding:  # fmt: skip
    return Finding(
        kind=kind, words=words, count=count, detector=series.detector, remedy=remedy,
        severity=severity, start=None if start_s is None else _time(series, start_s),
        stop=None if stop_s is None else _time(series, stop_s),
    )  # fmt: skip


def _flag_findings(series: SpectrumSeries) -> list[Finding]:
    findings = []
    for flag in Quality:
        marked = (series.flags & int(flag)) != 0
        if not flag or not marked.any():
            continue
        fate = "kept out of the sums" if flag & UNUSABLE else "used"
        for first, last in stretches(marked):
            start, stop = float(series.start_s[first]), float(series.stop_s[first : last + 1].max())
            number = last - first + 1
            if flag is Quality.GAP:
                findings += _gap_findings(series, first, last)
                continue
            findings.append(
                _finding(
                    series, flag.words,
                    f"{flag.words}: {_spectra(number)} over {_hours(stop - start)}, {fate}",
                    start_s=start, stop_s=stop, count=number, remedy=REMEDIES.get(flag, ""),
                    severity="warning",
                )
            )  # fmt: skip
    return findings


def _gap_findings(series: SpectrumSeries, first: int, last: int) -> list[Finding]:
    """The time without spectra before each of these: that is the gap, not the spectrum after it."""
    findings = []
    for number in range(max(first, 1), last + 1):
        start, stop = float(series.stop_s[:number].max()), float(series.start_s[number])
        findings.append(
            _finding(
                series, Quality.GAP.words,
                f"gap: no spectrum for {_hours(stop - start)}, up to {series.sources[number]}",
                start_s=start, stop_s=stop, count=1, remedy=REMEDIES[Quality.GAP],
                severity="warning",
            )
        )  # fmt: skip
    return findings


def _spectra(number: int) -> str:
    return "1 spectrum" if number == 1 else f"{number} spectra"


def _hours(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def _scale_findings(
    run: Run, track: ScaleTrack | None, doubt: ScaleDoubt | None, claimed: tuple[str, ...]
) -> list[Finding]:
    findings = []
    if doubt is not None and doubt.doubtful:
        findings.append(
            _finding(
                run.series, "scale doubtful", doubt.words, severity="warning",
                remedy="correct instrument.calibration or the stack in the experiment file",
            )
        )  # fmt: skip
    findings += [
        _finding(
            run.series, "scale doubtful", words, severity="warning",
            remedy=REMEDIES[Quality.SCALE_DOUBTFUL],
        )
        for words in claimed
    ]  # fmt: skip
    if track is None:
        findings.append(
            _finding(
                run.series, "scale unknown", "no two edges of the stack are seen: gain and offset "
                "cannot be followed", severity="warning",
            )
        )  # fmt: skip
    return findings


def _excess_findings(run: Run, excess: Excess) -> list[Finding]:
    findings = []
    piled = (run.series.flags & int(Quality.PILE_UP)) != 0
    if piled.any():
        share = float(np.median(excess.pile_up_share[piled]))
        words = (
            f"pairs counted as one: {100 * share:.2f} % of the "
            f"counts, as from a resolving time of {1e6 * excess.pair_s:.1f} us"
        )
        findings.append(_finding(run.series, "pile up", words))
    return findings + [_finding(run.series, "pile up", words) for words in excess.words]


def _rest_findings(run: Run, steps: tuple[Step, ...]) -> list[Finding]:
    """Rests that are much longer than the others after the same kind of step."""
    findings = []
    rests = [
        (steps[i - 1].kind, step)
        for i, step in enumerate(steps)
        if step.kind == "rest" and i and i + 1 < len(steps)
    ]
    if len(rests) < 3:
        return []
    usual = float(np.median([step.stop_s - step.start_s for _, step in rests]))
    for kind, step in rests:
        length = step.stop_s - step.start_s
        if length > LONG_REST * max(usual, 60.0):
            findings.append(
                _finding(
                    run.series, "long rest",
                    f"a rest of {_hours(length)} after the {kind} of cycle {step.cycle}, where "
                    f"{_hours(usual)} is usual",
                    start_s=step.start_s, stop_s=step.stop_s,
                )
            )  # fmt: skip
    return findings


def _missing_findings(run: Run) -> list[Finding]:
    """States of the cell that no usable spectrum shows."""
    if run.log is None or not np.any(run.pristine & run.series.usable):
        return []
    try:
        missing = reduce_run(run).missing
    except BadData:
        return []
    if not missing:
        return []
    return [
        _finding(
            run.series, "missing state", "no usable spectrum shows " + ", ".join(missing),
            remedy="nothing: the ledger has no row for them", severity="warning",
        )
    ]  # fmt: skip


def _clock_findings(run: Run) -> list[Finding]:
    notes = list(run.notes)
    findings = []
    if run.clock is not None:
        findings.append(
            _finding(
                run.series, "clocks", run.clock.words,
                severity="warning" if run.clock.doubtful else "note",
            )
        )  # fmt: skip
    return findings + [_finding(run.series, "clocks", note) for note in notes]


def _overdispersion(counts: Floats, exposure: Floats) -> float:
    """Variance of counts per exposure over that of Poisson counts of their mean rate."""
    if counts.size < 2 or counts.sum() <= 0:
        return float("nan")
    expected = counts.sum() / exposure.sum() * exposure
    return float(np.sum((counts - expected) ** 2 / expected) / (counts.size - 1))


def _monitor_scatter(total: Floats, monitor: Floats, ratio: Floats) -> tuple[float, float]:
    """Overdispersion of particles per monitor count, and its scatter beyond counting."""
    good = np.isfinite(monitor) & (monitor > 0) & (total > 0)
    if good.sum() < 3 or ratio.size != monitor.size:
        return float("nan"), float("nan")
    part = ratio[good]
    share = 0.5  # about half of the counts are of the particle of highest energy
    counting = 1.0 / (share * total[good]) + 1.0 / monitor[good]
    variance = float(np.nanvar(part, ddof=1))
    mean = float(np.mean(counting))
    return variance / mean, float(np.sqrt(max(variance - mean, 0.0)))
