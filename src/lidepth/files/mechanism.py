"""The statements about ageing as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lidepth.errors import WrongFormat
from lidepth.files._provenance import known
from lidepth.files._store import write_text
from lidepth.files._text import read_text
from lidepth.model.mechanism import HYPOTHESES, PHASES, Mechanism, Shares

_MOST_BYTES = 16 * 1024**2


def mechanism_tree(found: Mechanism) -> dict[str, Any]:
    """Everything but the maps (which are in the figures' CSV); unknown numbers are null.

    Charges in uAh, log odds as natural logarithms.
    """
    growth, phases, rest = found.growth, found.phases, found.long_rest
    tree = {
        "title": found.title,
        "statements": [asdict(one) for one in found.statements],
        "growth": {
            "best": growth.best,
            "ln_evidence": dict(zip(HYPOTHESES, growth.log_evidence.tolist(), strict=True)),
            "probability": growth.probability,
            "cycles_to_decide": growth.cycles_to_decide(),
            "shares": _shares(growth.shares),
            "shares_without_leak": _shares(growth.shares_without_leak),
            "leak": growth.leak, "leak_std": growth.leak_std,
            "leak_prior_std": growth.leak_prior_std,
            "by_cycle": [
                {"cycle": int(cycle), **dict(zip(HYPOTHESES, row.tolist(), strict=True))}
                for cycle, row in zip(growth.cycles, growth.by_cycle, strict=True)
            ],
        },
        "phases": [
            {"cycle": int(cycle), "kind": kind, "start_s": start, "stop_s": stop,
             "top_uAh": value, "top_std_uAh": std}
            for cycle, kind, start, stop, value, std in zip(
                phases.cycle, phases.kind, phases.start_s, phases.stop_s, phases.top_uah,
                phases.top_std, strict=True,
            )
        ],
        "top_nm": phases.top_nm,
        "per_phase": {
            kind: dict(zip(("mean_uAh", "std_uAh"), phases.mean(kind), strict=True))
            for kind in PHASES
        },
        "long_rest": None if rest is None else {
            "cycle": rest.cycle, "hours": rest.hours, "growth_uAh": rest.growth_uah,
            "growth_std_uAh": rest.growth_std, "rate_uAh_h": rest.rate_uah_h,
            "rate_std_uAh_h": rest.rate_std, "ln_odds_of_growth": rest.log_odds,
        },
        "cathode": [asdict(one) for one in found.cathode],
        "residue_trend": None if found.residue_trend is None else asdict(found.residue_trend),
        "residue": asdict(found.residue),
        "warnings": list(found.warnings),
    }  # fmt: skip
    answer: dict[str, Any] = known(tree)
    return answer


def write_mechanism(file: Path, found: Mechanism) -> Path:
    """Write the statements as JSON; returns ``file``.  Raises StoreError."""
    write_text(file, json.dumps(mechanism_tree(found), indent=1, ensure_ascii=False) + "\n")
    return file


def _shares(shares: Shares) -> dict[str, Any]:
    return {
        "best": dict(zip(PHASES, shares.best.tolist(), strict=True)),
        "covariance": shares.covariance,
        "mean": dict(zip(PHASES, shares.mean.tolist(), strict=True)),
        "std": dict(zip(PHASES, shares.std.tolist(), strict=True)),
        "contrast": shares.contrast, "contrast_std": shares.contrast_std,
        "probability_of_more_on_charge": shares.probability,
    }  # fmt: skip


def read_phase_odds(file: Path) -> dict[str, float]:
    """Log evidence of every answer to when it grows, from mechanism.json; the best is nought.

    Raises BadInput where the file cannot be read, WrongFormat where it holds no odds.
    """
    try:
        found = json.loads(read_text(file, limit_bytes=_MOST_BYTES))["growth"]["ln_evidence"]
        return {name: float(found[name]) for name in HYPOTHESES}
    except (ValueError, KeyError, TypeError) as error:
        raise WrongFormat(
            f"there are no odds of phases in this file ({error})", where=str(file),
            expected="the mechanism.json that lidepth mechanism growth wrote",
        ) from error  # fmt: skip
