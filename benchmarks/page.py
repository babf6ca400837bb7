"""The page docs/benchmarks.md, made from docs/benchmarks.json."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from benchmarks.common import BUSY, Line
from benchmarks.rows import ROWS
from benchmarks.scaling import Growth

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, FIGURES = DOCS / "benchmarks.md", DOCS / "benchmarks.json"

_HEAD = """\
# Benchmarks

<!-- made by make bench; do not edit -->

`make bench` makes this page (`make bench ONLY=rebin` one section of it; `make peers` installs the
peers that are no dependency of lidepth, in a folder of their own; `python -m benchmarks --page`
writes it again from its figures, `docs/benchmarks.json`). Every figure is a ratio of two
times taken in turns in one process of one machine: *ratio* is the time of the peer, or of the
limit, over lidepth's, so above one lidepth is faster; in brackets the span over the rounds. A limit
is what the machine can do at all (memory, multiplication), measured beside it, or a time that was
agreed on.

The figure of merit is *accuracy per second*, 1 / (error × time): where there is a peer, lidepth's
over the peer's; else lidepth's own, per unit of the error and second. A fast wrong answer and a
slow right one can both lose.
"""


def read_figures(path: Path = FIGURES) -> dict[str, Any]:
    """What has been measured so far, by row."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def text(figures: dict[str, Any]) -> str:
    """The whole page."""
    parts = [_HEAD, _machines(figures)]
    parts += [_section(name, figures.get(name)) for name in ROWS]
    return "\n".join(parts)


def _machines(figures: dict[str, Any]) -> str:
    measured = {name: one for name, one in figures.items() if name in ROWS}
    if not measured:
        return "Nothing has been measured yet.\n"
    words, lines = {}, []
    for name, one in measured.items():
        words.setdefault(_machine(one), []).append(name)
    for machine, names in words.items():
        which = "" if len(words) == 1 else f" ({', '.join(names)})"
        lines.append(f"Measured on{which}: {machine}.\n")
    busy = [name for name, one in measured.items() if one["load"][0] > BUSY]
    if busy:
        worst = max(measured[name]["load"][0] for name in busy)
        lines.append(
            ":::{warning}\nOther processes were running when these began (load average up to "
            f"{worst:.1f}): {', '.join(busy)}. Ratios of single rounds may be far off.\n:::\n"
        )
    return "\n".join(lines)


def _machine(one: dict[str, Any]) -> str:
    at = one["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in at["libraries"].items())
    return (f"{at['processor']}, {at['cores']} cores, {at['system']}, Python {at['python']}, "
            f"{libraries}, {at['blas']}")  # fmt: skip


def _section(name: str, one: dict[str, Any] | None) -> str:
    row = ROWS[name]
    parts = [f"## {row.title}\n", f"{row.about}\n"]
    if one is None:
        return "\n".join([*parts, f"Not measured yet: `make bench ONLY={name}`.\n"])
    if "growths" in one:
        parts.append(_growths([Growth(**g) for g in one["growths"]]))
    else:
        parts.append(_lines([Line(**entry) for entry in one["lines"]]))
    before, after = one["load"]
    parts.append(
        f"`{one['command']}`, {one['when']}, {one['seconds']:.0f} s, load average {before:.1f} at "
        f"the start, {after:.1f} at the end"
        + (f", {one['peers']}" if one["peers"] else "") + ".\n"
    )  # fmt: skip
    return "\n".join(parts)


def _lines(lines: list[Line]) -> str:
    rows = [
        [
            one.ours, one.work, _time(one.ours_s), one.reference,
            one.missing or _time(one.reference_s), _ratio(one),
            _error(one.error, one.unit), _error(one.reference_error, one.unit), _merit(one),
            one.note,
        ]
        for one in lines
    ]  # fmt: skip
    head = ["what", "work", "time", "peer or limit", "its time", "ratio", "error", "its error",
            "accuracy per second", "besides"]  # fmt: skip
    return _table(head, rows)


def _growths(growths: list[Growth]) -> str:
    rows = [
        [
            g.what, f"{g.unit}: {', '.join(f'{n:,}' for n in g.counts)}",
            ", ".join(_time(s) for s in g.seconds), f"{g.exponent:.2f}", f"{g.expected:g}", g.note,
        ]
        for g in growths
    ]  # fmt: skip
    return _table(["what", "n", "time", "exponent", "by counting", "besides"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _ratio(one: Line) -> str:
    if one.ratio is None:
        return ""
    span = "" if one.low is None or one.high is None else f" ({_short(one.low)}–{_short(one.high)})"
    return f"**{_short(one.ratio)}**{span}"


def _merit(one: Line) -> str:
    if one.gain is not None:
        return f"{_short(one.gain)} × the peer's"
    if one.accuracy_per_s is None:
        return ""
    return f"{_short(one.accuracy_per_s)} /({one.unit} s)"


def _error(value: float | None, unit: str) -> str:
    return "" if value is None else f"{_short(value)} {unit}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1.0:
            return f"{_short(seconds * factor)} {unit}"
    return f"{_short(seconds * 1e9)} ns"


def _short(value: float) -> str:
    """Two or three digits; powers of ten where they are many."""
    if value == 0.0 or not math.isfinite(value):
        return f"{value:g}"
    power = math.floor(math.log10(abs(value)))
    if -3 <= power < 5:
        return f"{value:,.{max(0, 2 - power)}f}" if power < 2 else f"{value:,.0f}"
    digits = f"{value / 10.0**power:.1f}"
    return f"{digits}·10{str(power).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
