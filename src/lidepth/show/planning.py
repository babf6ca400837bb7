"""A plan as a table for the terminal, and in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table

from lidepth.analysis.planning.answer import Answer, Need

_HEAD = ("", "error", "needed", "without\ncoulometry", "counting\ntime", "cycles", "distance",
         "FWHM")  # fmt: skip
_STEPS_S = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 0.0))
_NEVER = "—"
_WORTH_SAYING = 0.05


def plan_table(answers: Sequence[Answer]) -> Table:
    """Return one row per question; every need with the others held as planned."""
    table = Table(title="What each question needs, all else as planned", title_justify="left")
    alone = any(math.isfinite(answer.alone) for answer in answers)
    for name in _HEAD:
        if alone or not name.startswith("without"):
            table.add_column(name, justify="right")
    for number, answer in enumerate(answers, start=1):
        needs = {need.name: need for need in answer.needs}
        cells = [str(number), *(_amount(v, answer.unit) for v in (answer.error, answer.target))]
        cells += [_amount(answer.alone, answer.unit)] if alone else []
        cells += [
            need_words(needs.get(name)) for name in ("counting time", "cycles", "distance", "FWHM")
        ]
        table.add_row(*cells, style=None if answer.enough else "yellow")
    return table


def plan_lines(answers: Sequence[Answer]) -> list[str]:
    """Return a sentence per question, and what was assumed."""
    lines = []
    for number, answer in enumerate(answers, start=1):
        lines.append(f"{number}  {answer.question}: {verdict(answer)}")
        lines.append(f"   limited by {limits_words(answer.limits)}")
        lines += [f"   {remark}" for remark in answer.remarks]
    return lines


def verdict(answer: Answer) -> str:
    """Say whether the plan suffices, and if not, what would."""
    reached = (
        f"{_amount(answer.error, answer.unit)} of {_amount(answer.target, answer.unit)} needed"
    )
    if answer.enough:
        return f"the plan suffices ({reached})"
    if answer.reachable:
        time = duration(answer.need("counting time").value)
        return f"not yet ({reached}); {time} would suffice ({answer.time_label})"
    floor = _amount(answer.floor, answer.unit)
    others = [
        f"{need.name} {need_words(need)}"
        for need in answer.needs
        if need.possible and need.name != "counting time"
    ]
    nothing = "no number of cycles" if "cycles" in answer.time_label else "no counting time"
    words = f"{nothing} suffices ({reached}): the error stays above {floor}"
    if others:
        return f"{words}; what would: " + " or ".join(others)
    return f"{words}, set by {limits_words(answer.floor_limits)}"


def limits_words(limits: Sequence[tuple[str, float]], most: int = 2) -> str:
    """Return the leading limits with the share of the variance that each holds."""
    shown = [(name, share) for name, share in limits if share >= _WORTH_SAYING][:most]
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in shown)


def need_words(need: Need | None) -> str:
    """Return a need with its unit, or a dash where nothing suffices."""
    if need is None:
        return ""
    if not need.possible:
        return _NEVER
    if need.unit == "s":
        return duration(need.value)
    bound = "≥ " if need.remark.endswith("at least") else ""
    if need.unit == "":
        return f"{need.value:.0f}"
    if need.unit == "x":
        return f"{bound}{need.value:.2g} ×"
    return f"{bound}{need.value:.3g} {need.unit}"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, least in _STEPS_S:
        if seconds >= 2.0 * least:
            return f"{seconds / (least or 1.0):.3g} {unit}"
    return _NEVER


def _amount(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return ""
    short = "%" if unit.startswith("%") else unit.replace("uAh", "µAh")
    return f"{value:.3g} {short}".strip()
