"""The section of the report that says whether the analysis can be trusted, and the campaign's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lidepth.model.diagnosis import ResidualStrip, SensitivityTable, SourceEnsemble
from lidepth.model.ledger import REGIONS
from lidepth.model.result import Analysis
from lidepth.model.track import LithiumTrack
from lidepth.show import words
from lidepth.show.figures.sensitivity import step_printed

WORRYING_PULL = 3.0
MOST_ROWS = 16  # of the table of sensitivities; the rest is in summary.json


def checks(analysis: Analysis) -> list[dict[str, Any]]:
    """One line per diagnostic: what was looked at, what was found, whether it is as it should be.

    ``good`` is None where nothing can be said.
    """
    found = analysis.diagnosis
    lines = [
        _strip(found.strip), _pulls(analysis), _beam(analysis), _modes(analysis),
        _leaning(found.sensitivity, analysis), _sources(found.ensemble),
    ]  # fmt: skip
    return [line for line in lines if line is not None]


def _line(what: str, found: str, bad: str, good: bool | None, figure: str) -> dict[str, Any]:
    return {"what": what, "found": found, "bad": bad, "good": good, "figure": figure}


def _strip(strip: ResidualStrip | None) -> dict[str, Any] | None:
    if strip is None or not strip.scan_z.size:
        return None
    place = int(np.abs(strip.scan_z).argmax())
    z, excess = float(strip.scan_z[place]), 100 * float(strip.scan_excess[place])
    rows = "states" if strip.labels else "rows in time"
    bad_rows = int(strip.beyond.sum())
    found = (
        f"the sum of the run strays most by {z:+.1f} σ ({excess:+.2g} % of the counts) at "
        f"{strip.scan_kev[place]:.0f} keV, where chance explains {strip.limit:.1f}; {bad_rows} of "
        f"{len(strip)} {rows} go beyond {strip.row_limit:.1f} σ"
    )
    return _line(
        "Does the model explain the counts, at all times and energies?", words.typeset(found),
        "a window beyond what chance explains, above all at a layer’s edge",
        abs(z) <= strip.limit and bad_rows == 0, "residual_strip",
    )  # fmt: skip


def _pulls(analysis: Analysis) -> dict[str, Any] | None:
    every = {p.name: p for p in (*analysis.calibration.parameters, *analysis.common)}
    known = [p for p in every.values() if math.isfinite(p.pull)]
    if not known:
        return None
    worst = max(known, key=lambda p: abs(p.pull))
    found = f"largest of {len(known)} pulls: {worst.label or worst.name}, {worst.pull:+.1f} σ"
    return _line(
        "Is the cell what its description says?", words.typeset(found),
        f"a pull beyond {WORRYING_PULL:g}: description, stopping powers or geometry are wrong",
        abs(worst.pull) <= WORRYING_PULL, "stack",
    )  # fmt: skip


def _beam(analysis: Analysis) -> dict[str, Any] | None:
    moved = [
        (abs(p.value - p.prior) / p.prior_std, p, state.label)
        for state, parameters in zip(analysis.states, analysis.state_parameters, strict=False)
        for p in parameters
        if math.isfinite(p.prior_std) and p.prior_std > 0
    ]
    if not moved:
        return None
    size, p, label = max(moved, key=lambda one: one[0])
    return _line(
        "Did beam, energy scale and background stay where they were?",
        f"farthest from what was believed: {p.label or p.name} of {label}, {size:.1f} of its "
        "prior’s standard deviations",
        "beyond some three, or a swing that follows the charge",
        size <= WORRYING_PULL, "nuisances",
    )  # fmt: skip


def _modes(analysis: Analysis) -> dict[str, Any] | None:
    if not math.isfinite(analysis.modes):
        return None
    return _line(
        "How much of a profile is measured?",
        f"the counts of one state know {words.plain(analysis.modes)} independent shapes of the "
        "electrolyte’s profile better than the prior",
        "fewer than three: then only the amount is measured",
        analysis.modes >= 3, "modes",
    )  # fmt: skip


def _leaning(table: SensitivityTable | None, analysis: Analysis) -> dict[str, Any] | None:
    if table is None or not table.rows:
        return None
    worst = max(table.rows, key=lambda row: float(np.abs(row.believed).max()))
    kind, region = np.unravel_index(int(np.abs(worst.believed).argmax()), worst.believed.shape)
    move, common = float(worst.believed[kind, region]), float(table.common[kind, region])
    found = (
        f"most on {worst.label}: one standard deviation more in what was believed of it moves the "
        f"{REGIONS[region]}, {table.kinds[kind]}, by {move:+.2f} µAh"
        f"{_share(move, analysis)}; stated common error {common:.2f} µAh"
    )
    return _line(
        "What does the ledger lean on?", words.typeset(found),
        "a move larger than the stated common error", abs(move) <= common, "sensitivity",
    )  # fmt: skip


def _share(move: float, analysis: Analysis) -> str:
    whole = analysis.first_charge_uah
    known = math.isfinite(whole) and whole > 0
    return f" ({100 * move / whole:+.1f} % of the first charge)" if known else ""


def _sources(found: SourceEnsemble | None) -> dict[str, Any]:
    what = "Does it depend on whose stopping powers are used?"
    if found is None:
        return _line(what, "not asked for; run again with --ensemble stopping",
                     "a move larger than the stated common error", None, "ensemble")  # fmt: skip
    kinds = list(dict.fromkeys(found.state))
    moves = np.array([found.moves(kind) for kind in kinds])  # (kinds, sources, 3)
    common = np.array([
        found.common[[state == kind for state in found.state]].mean(axis=0) for kind in kinds
    ])  # fmt: skip
    beyond = np.abs(moves) / np.maximum(common, 1e-9)[:, None]
    kind, source, region = np.unravel_index(int(beyond[..., :2].argmax()), beyond[..., :2].shape)
    text = (
        f"of {len(found.names) - 1} others {found.names[source]} moves the ledger most: the "
        f"{REGIONS[region]}, {kinds[kind]}, by {moves[kind, source, region]:+.2f} µAh, where the "
        f"stated common error is {common[kind, region]:.2f} µAh"
    )
    return _line(what, words.typeset(text), "a move larger than the stated common error",
                 bool(beyond[kind, source, region] <= 1.0), "ensemble")  # fmt: skip


def sensitivity_rows(analysis: Analysis) -> list[dict[str, Any]]:
    """The sensitivity table for print: moves of anode and electrolyte, the worse kind of state."""
    table = analysis.diagnosis.sensitivity
    if table is None:
        return []
    return [
        {
            "label": row.label,
            "prior": f"{row.prior_std:.2g}" if math.isfinite(row.prior_std) else "free",
            "std": f"{row.std:.2g}",
            "step": step_printed(row),
            "blocks": [
                [_moved(block[k, c]) for k in range(len(table.kinds)) for c in range(len(REGIONS))]
                for block in (row.believed, row.forced, row.share)
            ],
        }
        for row in table.rows[:MOST_ROWS]
    ]


def _moved(value: float) -> str:
    return "" if abs(value) < 0.005 else f"{value:+.2f}".replace("-", "−")


def campaign_facts(track: LithiumTrack | None) -> list[str]:
    """What the smoother was and found, in sentences; empty without one."""
    if track is None or not len(track):
        return []
    facts = [
        f"{len(track)} spectra, {track.passes} passes; deviance per bin and spectrum "
        f"{float(np.mean(track.deviance)) / max(track.bins, 1):.3f} (below one where bins are "
        "nearly empty)."
    ]
    last = [
        f"{words.with_error(float(track.contents_uah[-1, i]), float(track.std_uah[-1, i]))} µAh"
        for i in range(len(REGIONS))
    ]
    facts.append(
        f"At the last spectrum {last[0]} in the anode, {last[1]} added to the electrolyte, "
        f"{last[2]} missing from the cathode."
    )
    for name, when in (("loss", "charging"), ("loss_discharge", "discharging")):
        lost = next((p for p in track.shared if p.name == name), None)
        if lost is not None:
            facts.append(
                f"Share of the charge on {when} that moved no lithium: "
                f"{words.with_error(100 * lost.value, 100 * lost.std, '%')}, believed beforehand "
                f"to be within {100 * lost.prior_std:g} %."
            )
    return facts
