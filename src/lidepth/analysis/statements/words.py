"""The publication's statements, one by one, and what a run says of each."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lidepth.model.mechanism import (
    DECIDED,
    GrowthOdds,
    LongRest,
    Mechanism,
    PhaseGrowth,
    Residue,
    Statement,
    Trend,
    verdict_of,
)

WORDS = {
    "charge": "on charge", "discharge": "on discharge", "both": "with either current",
    "time": "with time", "rest": "at rest", "none": "not at all",
}  # fmt: skip


def statements_of(found: Mechanism) -> tuple[Statement, ...]:
    """All statements, in the order of the publication."""
    return (
        _cathode(found.cathode),
        *_residue(found.residue_trend, found.residue),
        _grows(found.growth),
        _on_charge(found.growth, found.phases),
        _at_rest(found.growth),
        *_long_rest(found.long_rest),
    )


def _statement(topic: str, paper: str, found: str, log_odds: float) -> Statement:
    return Statement(
        topic=topic, paper=paper, found=found, log_odds=log_odds, verdict=verdict_of(log_odds)
    )


def _cathode(trends: tuple[Trend, ...]) -> Statement:
    """By each spectrum alone, because the tied fit takes the cathode's lithium from the charge."""
    paper = "the cathode does not deteriorate (Fig. 3a)"
    by_method = {one.method: one for one in trends}
    one = by_method.get("untied")
    if one is None:
        return _statement("cathode", paper, "fewer than three charged states", math.nan)
    found = (
        f"charged cathode changes by {one.slope:+.3f} ± {one.slope_std:.3f} µAh per cycle "
        f"(spectra alone; ageing would be ± {one.prior_std:.2f})"
    )
    return _statement("cathode", paper, found, one.log_odds)


def _residue(kept: Trend | None, held: Residue) -> Iterator[Statement]:
    if kept is not None:
        yield _statement(
            "residue", "the lithium left in the anode is about constant (Fig. 3e)",
            f"anode after discharge changes by {kept.slope:+.3f} ± {kept.slope_std:.3f} µAh per "
            "cycle", kept.log_odds,
        )  # fmt: skip
    found = held.reason or (
        f"{held.released:.2f} ± {held.released_std:.2f} of {held.current_only:.2f} µAh come out "
        "at constant voltage"
    )
    yield _statement(
        "residue is kinetic", "most of it comes out at constant voltage (Fig. S3)", found,
        held.log_odds,
    )  # fmt: skip


def _grows(growth: GrowthOdds) -> Statement:
    log_odds = -growth.log_odds("none")
    return _statement(
        "interlayer", "an interlayer grows in the electrolyte (Fig. 3)",
        f"growth {WORDS[growth.best] if growth.best != 'none' else 'is not seen'}, "
        f"ln B {log_odds:+.1f} against none", log_odds,
    )  # fmt: skip


def _on_charge(growth: GrowthOdds, phases: PhaseGrowth) -> Statement:
    """Against the best other answer; "both" is the one that is hardest to tell from it."""
    log_odds = growth.log_odds("charge")
    shares = growth.shares
    others = {name: value for name, value in growth.probability.items() if name != "charge"}
    rival = max(others, key=lambda name: others[name])
    (up, up_std), (down, down_std) = phases.mean("charge"), phases.mean("discharge")
    found = (
        f"contrast {shares.contrast:+.2f} ± {shares.contrast_std:.2f}; probability "
        f"{growth.probability['charge']:.2g}, next {WORDS[rival]} {others[rival]:.2g}; first "
        f"{phases.top_nm:.0f} nm gain {up:+.2f} ± {up_std:.2f} µAh per charge, "
        f"{down:+.2f} ± {down_std:.2f} per discharge"
    )
    return _statement("growth on charge", "it grows only on charge (Fig. 5b, d)", found, log_odds)


def _at_rest(growth: GrowthOdds) -> Statement:
    log_odds = -growth.log_odds("rest")
    share, std = growth.shares.mean[2], growth.shares.std[2]
    return _statement(
        "no growth at rest", "it does not grow by itself (storage, Fig. 5c)",
        f"share at rest {share:.2f} ± {std:.2f}; ln B {log_odds:+.1f} against growth at rest",
        log_odds,
    )  # fmt: skip


def _long_rest(rest: LongRest | None) -> Iterator[Statement]:
    paper = "no growth in 21 h of rest after the first charge (Fig. 5c)"
    if rest is None:
        yield _statement("long rest", paper, "no rest after a charge lasts 4 h", math.nan)
        return
    yield _statement(
        "long rest", paper,
        f"{rest.hours:.1f} h after charge {rest.cycle}: first {rest.top_nm:.0f} nm gain "
        f"{1e3 * rest.rate_uah_h:+.0f} ± {1e3 * rest.rate_std:.0f} nAh per hour", -rest.log_odds,
    )  # fmt: skip


def warnings_of(found: Mechanism) -> tuple[str, ...]:
    """What a reader should know before quoting a verdict."""
    growth = found.growth
    warnings = []
    if growth.best != "none" and abs(growth.log_odds(growth.best)) < DECIDED:
        warnings.append(
            f"growth {WORDS[growth.best]} leads by less than ln B = {DECIDED:g}: quote the odds, "
            "not the name"
        )
    if abs(growth.leak) > 2.0 * growth.leak_std + growth.leak_prior_std:
        warnings.append(
            f"{100 * growth.leak:.1f} % of the anode's lithium appears as the electrolyte's: "
            "stack, scale or stopping of lithium are off"
        )
    if growth.best == "none":
        warnings.append("no growth is seen: shares and contrast mean nothing")
    bound = growth.shares.best.min()
    if growth.best != "none" and bound < -2.0 * float(
        growth.shares.covariance.diagonal().max() ** 0.5
    ):
        warnings.append("the most likely shares are impossible by more than two errors")
    return tuple(warnings)
