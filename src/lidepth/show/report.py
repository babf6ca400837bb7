"""The report: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import StoreError
from lidepth.model.calibration import FittedParameter
from lidepth.model.ledger import REGIONS, Ledger
from lidepth.model.result import Analysis
from lidepth.show import slab_words, trust, words
from lidepth.show.drawing import Drawing
from lidepth.show.figures import CAMPAIGN, DIAGNOSTICS, FIGURES
from lidepth.show.save import write_whole

Floats = NDArray[np.float64]
LARGEST_SVG = 350_000  # bytes; a bigger figure goes in as PNG
_NARROW_IN = 6.0  # a narrower figure is not blown up to the width of the page
WORRYING_PULL = 3.0
METHOD_WORDS = {
    "default": "default: state-dependent fit, both rests of a cycle tied by coulometry",
    "smooth": "smooth: every spectrum of the campaign in one smoother, with the charge between",
    "untied": "untied: each state by its own spectrum and the monitor, without the charge",
    "slab": "slab: an interlayer with a front instead of a smooth profile",
    "windows": "windows: fixed energy windows and Eq. 4 of Chen et al., 2018",
}


def write_report(
    path: Path,
    analysis: Analysis,
    drawings: Mapping[str, Drawing] | Iterable[Drawing],
    truth: Ledger | None = None,
) -> Path:
    """Write the self-contained report; ``truth`` is the ledger of a simulated run.

    Raises StoreError when the file cannot be written.
    """
    page = render_report(analysis, drawings, truth)
    return write_whole(Path(path), page.encode("utf-8"))


def render_report(
    analysis: Analysis,
    drawings: Mapping[str, Drawing] | Iterable[Drawing],
    truth: Ledger | None = None,
) -> str:
    """Return the report as HTML; every text from outside is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError

    environment = Environment(
        loader=PackageLoader("lidepth.show", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    try:
        template = environment.get_template("report.html.j2")
    except TemplateError as error:
        raise StoreError(
            "the report's template is missing",
            where="lidepth/show/templates/report.html.j2",
            remedy="install lidepth again",
        ) from error
    return str(template.render(_content(analysis, drawings, truth)))


def _content(
    analysis: Analysis,
    drawings: Mapping[str, Drawing] | Iterable[Drawing],
    truth: Ledger | None,
) -> dict[str, Any]:
    default = analysis.ledgers.get("default")
    table = analysis.diagnosis.sensitivity
    return {
        "title": analysis.run.label,
        "source": analysis.run.source,
        "summary": words.summary(analysis),
        "warnings": [
            {"text": words.typeset(warning), "advice": words.advice(warning)}
            for warning in dict.fromkeys((*analysis.warnings, *analysis.calibration.warnings))
        ],
        "methods": _methods(analysis),
        "cathode_check": words.cathode_check(analysis),
        "silicon": words.silicon_verdict(analysis.silicon),
        "losses": words.losses(analysis),
        "interlayer": slab_words.interlayer_words(analysis),
        "discharged": _rows(default, "discharged"),
        "ledgers": [(METHOD_WORDS.get(m, m), _rows(t)) for m, t in analysis.ledgers.items()],
        "remarks": {m: t.remark for m, t in analysis.ledgers.items() if t.remark},
        "balance_spent": bool(default is not None and default.balance_spent),
        **_figures(drawings),
        "checks": trust.checks(analysis),
        "sensitivity": trust.sensitivity_rows(analysis),
        "kinds": table.kinds if table is not None else (),
        "campaign": trust.campaign_facts(analysis.track),
        "window_bias": words.window_bias_words(analysis),
        "information": words.information_words(analysis),
        "modes": words.plain(analysis.modes) if math.isfinite(analysis.modes) else "",
        "exit_angle": f"{analysis.run.instrument.exit_angle_deg:g}",
        "isotope": words.isotope_printed(analysis.run.instrument.isotope),
        "stopping": analysis.stopping,
        "parameters_rows": _parameters(analysis),
        "stack": _stack_rows(analysis),
        "fits": _fit_rows(analysis),
        "state_names": _state_names(analysis),
        "provenance": {k: v for k, v in analysis.provenance.items() if k not in _facts(analysis)},
        "facts": _facts(analysis),
        "truth": _truth_rows(default, truth),
    }


def _figures(drawings: Mapping[str, Drawing] | Iterable[Drawing]) -> dict[str, Any]:
    """Figures by section, numbered through in the order of the page, and the missing ones."""
    given = _ordered(drawings)
    sections = {"campaign_figures": CAMPAIGN, "diagnostic_figures": DIAGNOSTICS}
    apart = {name for names in sections.values() for name in names}
    parts = {"figures": [d for d in given if d.name not in apart]}
    parts |= {part: [d for d in given if d.name in names] for part, names in sections.items()}
    numbers = iter(range(1, len(given) + 1))
    found: dict[str, Any] = {
        part: [_figure(next(numbers), d) for d in mine] for part, mine in parts.items()
    }
    drawn = {d.name for d in given}
    return {**found, "skipped": [n for n in FIGURES if n not in drawn and n not in CAMPAIGN]}


def _ordered(drawings: Mapping[str, Drawing] | Iterable[Drawing]) -> list[Drawing]:
    given = list(drawings.values() if isinstance(drawings, Mapping) else drawings)
    place = {name: number for number, name in enumerate(FIGURES)}
    return sorted(given, key=lambda drawing: place.get(drawing.name, len(place)))


def _figure(number: int, drawing: Drawing) -> dict[str, Any]:
    kind, content = "svg+xml", drawing.svg
    if len(content) > LARGEST_SVG:
        kind, content = "png", drawing.png
    return {
        "number": number,
        "name": drawing.name,
        "title": drawing.title or drawing.name,
        "caption": drawing.caption,
        "narrow": drawing.figure.get_figwidth() < _NARROW_IN,
        "source": f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}",
    }


def _rows(table: Ledger | None, state: str | None = None) -> list[dict[str, Any]]:
    if table is None:
        return []
    return [
        {
            "cycle": int(table.cycle[i]),
            "state": table.state[i],
            "parts": [
                {
                    "total": words.with_error(float(table.values[i, c]), float(table.std[i, c])),
                    "stat": words.small(float(table.stat[i, c])),
                }
                for c in range(len(REGIONS))
            ],
            "flags": table.flags[i],
        }
        for i in range(len(table))
        if state is None or table.state[i] == state
    ]


def _methods(analysis: Analysis) -> list[dict[str, Any]]:
    """Every method's discharged rows: the mean over the cycles and the last cycle."""
    found = []
    for method, table in analysis.ledgers.items():
        row = words.last_row(table)
        if row is None:
            continue
        values, std, balance, balance_std = words.mean_row(table, "discharged")
        spent = "spent" if table.balance_spent else ""
        found.append({
            "method": method,
            "lines": [
                {"what": f"mean of {int(table.rows_of('discharged').sum())} cycles",
                 "parts": _pairs(values, std),
                 "balance": spent or words.with_error(balance, balance_std)},
                {"what": f"cycle {table.cycle[row]}",
                 "parts": _pairs(table.values[row], table.std[row]),
                 "balance": spent
                 or words.with_error(float(table.balance[row]), float(table.balance_std[row]))},
            ],
        })  # fmt: skip
    return found


def _pairs(values: Floats, std: Floats) -> list[str]:
    return [words.with_error(float(v), float(s)) for v, s in zip(values, std, strict=True)]


def _parameters(analysis: Analysis) -> list[dict[str, Any]]:
    """Every parameter once: before, after the pristine spectrum, after the whole run."""
    pristine = {p.name: p for p in analysis.calibration.parameters}
    whole = {p.name: p for p in analysis.common}
    found = []
    for name in dict.fromkeys((*pristine, *whole)):
        first, last = pristine.get(name), whole.get(name)
        row = _parameter(last or pristine[name])
        row["pristine"] = words.with_error(first.value, first.std) if first else ""
        row["whole"] = words.with_error(last.value, last.std) if last else ""
        found.append(row)
    return found


def _parameter(parameter: FittedParameter) -> dict[str, Any]:
    known = math.isfinite(parameter.prior_std)
    return {
        "label": parameter.label or parameter.name,
        "unit": words.unit_printed(parameter.unit),
        "prior": words.with_error(parameter.prior, parameter.prior_std) if known else "free",
        "pull": f"{round(parameter.pull, 1) + 0.0:+.1f}".replace("-", "−") if known else "—",
        "worrying": known and abs(parameter.pull) > WORRYING_PULL,
    }


def _stack_rows(analysis: Analysis) -> list[dict[str, str]]:
    return [
        {
            "name": old.name,
            "material": words.subscripts(old.material.formula),
            "printed": f"{old.thickness_nm:.0f}",
            "fitted": f"{new.thickness_nm:.0f}",
            "areal": f"{new.areal_density_1e15:.0f}",
        }
        for old, new in zip(analysis.run.stack, analysis.stack, strict=True)
    ]


def _state_names(analysis: Analysis) -> list[str]:
    first = analysis.state_parameters[0] if analysis.state_parameters else ()
    return [
        f"{p.label or p.name} ({words.unit_printed(p.unit)})" if p.unit else p.label or p.name
        for p in first
    ]


def _fit_rows(analysis: Analysis) -> list[dict[str, Any]]:
    nuisances = analysis.state_parameters or ((),) * len(analysis.fits)
    return [
        {
            "label": fit.label,
            "live_h": f"{fit.live_s / 3600:.2f}",
            "counts": f"{np.sum(fit.counts):.0f}",
            "deviance": f"{fit.deviance:.0f}",
            "freedom": fit.degrees_of_freedom,
            "ratio": f"{fit.deviance / max(fit.degrees_of_freedom, 1):.2f}",
            "nuisances": [words.with_error(p.value, p.std) for p in parameters],
        }
        for fit, parameters in zip(analysis.fits, nuisances, strict=True)
    ]


def _facts(analysis: Analysis) -> dict[str, str]:
    series = analysis.run.series
    left_out = int(np.sum(~series.usable))
    return {
        "spectra": f"{len(series)} of {series.channels} channels, {left_out} left out by flag",
        "first spectrum": str(series.origin.astype("datetime64[s]")),
        "electrode area": f"{analysis.run.area_cm2:g} cm² ± {100 * analysis.run.area_rel_std:g} %",
        "stack": str(analysis.run.stack),
        "stopping": analysis.stopping,
        "cycler": "recorded" if analysis.run.log is not None else "not recorded",
        **({"clocks": clock.words} if (clock := analysis.run.clock) is not None else {}),
    }


def _truth_rows(default: Ledger | None, truth: Ledger | None) -> list[dict[str, str]]:
    """Mean and spread of found less true, per state and part; only for simulated runs."""
    if default is None or truth is None:
        return []
    place = {(int(c), s): i for i, (c, s) in enumerate(zip(truth.cycle, truth.state, strict=True))}
    rows = []
    for state in ("charged", "discharged"):
        mine = [i for i in np.flatnonzero(default.rows_of(state)).tolist()
                if (int(default.cycle[i]), state) in place]  # fmt: skip
        if not mine:
            continue
        theirs = [place[int(default.cycle[i]), state] for i in mine]
        error = default.values[mine] - truth.values[theirs]
        inside = np.abs(error) <= default.std[mine]
        for column, role in enumerate(REGIONS):
            rows.append({
                "state": state, "part": role,
                "bias": f"{error[:, column].mean():+.2f}".replace("-", "−"),
                "rms": f"{np.sqrt(np.mean(error[:, column] ** 2)):.2f}",
                "inside": f"{100 * inside[:, column].mean():.0f} %",
            })  # fmt: skip
    return rows
