"""PLAN.yaml, the plan of a virtual campaign; and the truth of one as JSON."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from lidepth.errors import BadInput, LidepthError, UnknownKey
from lidepth.files._text import nearest, parse_time, read_text
from lidepth.files._yaml import MAX_BYTES, load_yaml
from lidepth.files.experiment_text import LayerText, Quantity
from lidepth.files.plan_cell import SECTIONS as MODEL_SECTIONS
from lidepth.files.plan_cell import with_model_cell
from lidepth.model.calibration import Calibration
from lidepth.model.instrument import Detector, Instrument
from lidepth.model.material import Material
from lidepth.model.stack import Layer, Stack
from lidepth.units import quantity
from lidepth.virtual.plan import Beam, CampaignPlan, Counting, Cycling, Growth
from lidepth.virtual.spectra import VirtualCampaign

# Section, key: field of the plan and its unit (or, for pure numbers and words, their type).
_SECTIONS: dict[str, dict[str, tuple[str, str | type]]] = {
    "cycling": {
        "pristine": ("pristine_s", "s"), "cycles": ("cycles", int),
        "first_charge": ("first_charge_uah", "uAh"), "current": ("current_ua", "uA"),
        "later_current": ("later_current_ua", "uA"), "switch_cycle": ("switch_cycle", int),
        "rest": ("rest_s", "s"), "long_rest_cycle": ("long_rest_cycle", int),
        "long_rest": ("long_rest_s", "s"), "residue": ("residue", "%"),
        "residue_wander": ("residue_wander", "%"), "cathode_loss": ("cathode_loss", "%"),
        "hold_cycle": ("hold_cycle", int), "hold": ("hold_s", "s"),
        "hold_released": ("hold_released", "%"),
        "coulomb_loss": ("coulomb_loss", "%"),
    },
    "growth": {
        "driver": ("driver", str), "fast": ("fast", "%"), "fast_cycles": ("fast_cycles", float),
        "slow": ("slow", "%"), "shape": ("shape", str),
        "saturation": ("saturation_li_cm3", "1/cm^3"), "width": ("width_nm", "nm"),
        "li_per_silicon": ("li_per_silicon", float), "silicon_cap": ("silicon_cap", "%"),
    },
    "beam": {
        "flux": ("flux_cm2_s", "1/cm^2/s"), "aperture": ("aperture_cm2", "cm^2"),
        "solid_angle": ("solid_angle_sr", "sr"), "wander": ("wander_rel", "%"),
        "wander_time": ("wander_s", "s"), "monitor": ("monitor_cps", "1/s"),
        "monitor_efficiency": ("monitor_efficiency", "%"),
        "monitor_drift": ("monitor_drift", "%"), "gaps": ("off", list),
    },
    "counting": {
        "dwell": ("dwell_s", "s"), "channels": ("channels", int),
        "tail_fraction": ("tail_fraction", "%"), "tail": ("tail_kev", "keV"),
        "roughness": ("roughness_nm", "nm"), "gain_drift": ("gain_drift", "%"),
        "offset_drift": ("offset_drift_kev", "keV"), "threshold": ("threshold_kev", "keV"),
        "background_slope": ("background_slope", "1/s/keV"),
        "background_decay": ("background_kev", "keV"),
        "background_flat": ("background_flat", "1/s/keV"), "dark": ("dark_cps", "1/s"),
    },
    **MODEL_SECTIONS,
}  # fmt: skip
_TOLD = ("cycling", "growth")
# Key of instrument: the unit; each may be preceded by true_ where truth and print differ.
_INSTRUMENT = {
    "exit_angle": "deg", "exit_angle_spread": "deg", "fwhm": "keV", "offset": "keV", "gain": "keV",
}  # fmt: skip


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlanLayerText(LayerText):
    """One layer as printed, with what is true of it where that differs."""

    true_thickness: Quantity | None = Field(None, description="default: as printed")
    stopping_scale: float = Field(1.0, description="true stopping power over tables")


def _section(name: str) -> type[BaseModel]:
    kinds: dict[type, Any] = {
        int: int | None, float: float | None, str: str | None, list: list[list[Quantity]] | None,
    }  # fmt: skip
    fields: dict[str, Any] = {
        key: (kinds[unit] if isinstance(unit, type) else Quantity | None, None)
        for key, (_, unit) in _SECTIONS[name].items()
    }
    return create_model(f"{name.title()}Text", __base__=_Keys, **fields)


_INSTRUMENT_FIELDS: dict[str, Any] = {
    prefix + key: (Quantity | None, None) for key in _INSTRUMENT for prefix in ("", "true_")
}
InstrumentPlanText = create_model(
    "InstrumentPlanText", __base__=_Keys, dead_time=(Quantity | None, None),
    stopping=(str | None, None), **_INSTRUMENT_FIELDS,
)  # fmt: skip
_SECTION_FIELDS: dict[str, Any] = {name: (_section(name) | None, None) for name in _SECTIONS}
_SECTION_FIELDS["instrument"] = (InstrumentPlanText | None, None)
PlanText = create_model(
    "PlanText", __base__=_Keys, title=(str, "virtual campaign"), seed=(int, 1),
    start=(str | datetime | date | None, None), area=(Quantity | None, None),
    stack=(list[PlanLayerText] | None, None), fine_cell=(Quantity | None, None),
    **_SECTION_FIELDS,
)  # fmt: skip


class _Places:
    """Names file, line and key of every value."""

    def __init__(self, file: Path, lines: Mapping[str, int]) -> None:
        self._file, self._lines = file, lines

    def __call__(self, dotted: str) -> str:
        known = dotted
        while known and known not in self._lines:
            known = re.sub(r"(\.?[^.\[]+|\[\d+\])$", "", known)
        line = f", line {self._lines[known]}" if known else ""
        return f"{self._file}{line}, {dotted}"


def read_plan(path: str | Path) -> CampaignPlan:
    """Read and check a PLAN.yaml; what it leaves out is as in the published cell.

    The cell is the model cell, run through its protocol, unless ``cycling`` or ``growth`` tell
    another.  Raises UnknownKey, WrongUnit, OutOfRange, WrongFormat or another BadInput; each names
    the file, the line and the key.
    """
    file = Path(path)
    tree, lines = load_yaml(read_text(file, limit_bytes=MAX_BYTES), file)
    place = _Places(file, lines)
    _refuse_old_cell(tree, place)
    try:
        text = PlanText.model_validate(tree)
    except ValidationError as error:
        raise _refusal(error, place) from error
    given = text.model_dump(exclude_none=True)
    try:
        return _plan(given, place)
    except LidepthError as error:
        if str(file) in error.where:
            raise
        raise error.at(str(file)) from error


def _plan(given: dict[str, Any], place: _Places) -> CampaignPlan:
    changes: dict[str, Any] = {"title": given["title"], "seed": given["seed"]}
    if "start" in given:
        changes["start"] = str(parse_time(given["start"], where=place("start")))
    for key, field, unit in (("area", "area_cm2", "cm^2"), ("fine_cell", "cell_nm", "nm")):
        if key in given:
            changes[field] = quantity(given[key], unit, where=place(key))
    if "stack" in given:
        changes |= _stacks(given["stack"], place)
    if "instrument" in given:
        changes |= _instruments(given["instrument"], place)
    for name, kind in (
        ("cycling", Cycling), ("growth", Growth), ("beam", Beam), ("counting", Counting),
    ):  # fmt: skip
        if name in given:
            values = _values(name, given[name], place)
            try:
                changes[name] = kind(**values)
            except LidepthError as error:
                raise error.at(place(name)) from error
    return _with_cell(CampaignPlan(**changes), given, place)


def _with_cell(plan: CampaignPlan, given: dict[str, Any], place: _Places) -> CampaignPlan:
    """A plan that tells its cell as it is, any other with the model cell."""
    told, modelled = ([k for k in keys if k in given] for keys in (_TOLD, MODEL_SECTIONS))
    if told and modelled:
        raise BadInput(
            f"{modelled[0]!r} is about the model cell, {told[0]!r} about a cell that is told",
            where=place(told[0]), expected="cell and protocol, or cycling and growth, not both",
            remedy=f"remove {' and '.join(told)}, or {' and '.join(modelled)}",
        )  # fmt: skip
    if told:
        plan.require_first_charge()
        return plan
    cell, protocol = (_values(name, given.get(name, {}), place) for name in ("cell", "protocol"))
    return with_model_cell(plan, cell, protocol, place)


def _refuse_old_cell(tree: Mapping[str, Any], place: _Places) -> None:
    cell = tree.get("cell")
    if cell is not None and not isinstance(cell, Mapping):
        raise BadInput(
            f"cell is {cell!r}", where=place("cell"), expected="the model cell: keys and values",
            remedy="for the size of fine cells write fine_cell: 4 nm",
        )  # fmt: skip


def _values(name: str, given: dict[str, Any], place: _Places) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in given.items():
        field, unit = _SECTIONS[name][key]
        where = f"{name}.{key}"
        if unit is list:
            values[field] = tuple(_gap(gap, f"{where}[{i}]", place) for i, gap in enumerate(value))
        else:
            values[field] = (
                quantity(value, unit, where=place(where)) if isinstance(unit, str) else value
            )
    return values


def _gap(gap: list[Any], dotted: str, place: _Places) -> tuple[float, float]:
    if len(gap) != 2:
        raise BadInput(
            f"{gap!r} is not an interval", where=place(dotted), expected="[START, STOP], two times"
        )
    start, stop = (quantity(time, "s", where=place(dotted)) for time in gap)
    return start, stop


def _stacks(layers: list[dict[str, Any]], place: _Places) -> dict[str, Any]:
    printed, true = [], []
    for i, layer in enumerate(layers):
        try:
            printed.append(_layer(layer, "thickness"))
            key = "true_thickness" if "true_thickness" in layer else "thickness"
            true.append(_layer(layer, key))
        except LidepthError as error:
            raise error.at(place(f"stack[{i}]")) from error
    return {
        "stack": Stack(layers=tuple(true)),
        "printed_stack": Stack(layers=tuple(printed)),
        "stopping_scales": tuple(layer["stopping_scale"] for layer in layers),
    }


def _layer(layer: dict[str, Any], thickness: str) -> Layer:
    changes = {}
    if "density" in layer:
        changes["density_g_cm3"] = quantity(layer["density"], "g/cm^3", where="density")
    for key in ("li6_fraction", "b10_fraction"):
        if key in layer:
            share = str(layer[key])
            changes[key] = (
                quantity(share, "%", where=key) if share.endswith("%") else _number(share, key)
            )
    return Layer(
        material=Material.named(layer["material"], **changes),
        thickness_nm=quantity(layer[thickness], "nm", where=thickness),
        name=layer["name"], role=layer.get("role"),
        thickness_rel_std=quantity(layer["uncertainty"], "%", where="uncertainty"),
    )  # fmt: skip


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadInput(f"{text!r} is not a number", where=where, expected="0 to 1") from error


def _instruments(given: dict[str, Any], place: _Places) -> dict[str, Any]:
    usual = CampaignPlan().instrument
    values = {
        "exit_angle": usual.exit_angle_deg, "exit_angle_spread": usual.exit_angle_spread_deg,
        "fwhm": usual.detector.fwhm_kev, "offset": usual.calibration.offset_kev,
        "gain": usual.calibration.gain_kev,
    }  # fmt: skip
    dead_s = usual.detector.dead_time_s
    if "dead_time" in given:
        dead_s = quantity(given["dead_time"], "s", where=place("instrument.dead_time"))

    def build(prefix: str) -> Instrument:
        for key, unit in _INSTRUMENT.items():
            if prefix + key in given:
                where = place(f"instrument.{prefix}{key}")
                values[key] = quantity(given[prefix + key], unit, where=where)
        return Instrument(
            detector=Detector(fwhm_kev=values["fwhm"], dead_time_s=dead_s),
            calibration=Calibration(offset_kev=values["offset"], gain_kev=values["gain"]),
            exit_angle_deg=values["exit_angle"],
            exit_angle_spread_deg=values["exit_angle_spread"],
            stopping=given.get("stopping", usual.stopping),
        )

    try:
        return {"printed_instrument": build(""), "instrument": build("true_")}
    except LidepthError as error:
        if error.where:
            raise
        raise error.at(place("instrument")) from error


def _refusal(error: ValidationError, place: _Places) -> BadInput:
    problems = error.errors(include_url=False, include_input=False)
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    dotted, names = "", []
    for part in problem["loc"]:
        dotted += f"[{part}]" if isinstance(part, int) else f".{part}" if dotted else str(part)
        names += [] if isinstance(part, int) else [part]
    if problem["type"] != "extra_forbidden":
        return BadInput(
            str(problem["msg"]), where=place(dotted),
            expected="a value of the kind the key asks for",
        )  # fmt: skip
    known = _known_keys(names[:-1])
    near = nearest(str(names[-1]), known)
    return UnknownKey(
        f"unknown key {names[-1]!r}", where=place(dotted), expected="one of " + ", ".join(known),
        remedy=f"did you mean {near!r}?" if near else "remove it",
    )  # fmt: skip


def _known_keys(parents: list[str]) -> list[str]:
    if not parents:
        return list(PlanText.model_fields)
    if parents[0] == "stack":
        return list(PlanLayerText.model_fields)
    if parents[0] == "instrument":
        return list(InstrumentPlanText.model_fields)
    return list(_SECTIONS.get(parents[0], {}))


def truth_json(campaign: VirtualCampaign) -> str:
    """The truth of a virtual campaign as JSON text.

    ``ledger``: per cycle, in uAh, charge passed and lithium immobilised in the electrolyte (qe),
    left in the anode (qa) and missing from the cathode (qc), at the end of the discharge and, with
    ``_charged``, of the charge; ``moved_si_1e15``: silicon that left the anode, 1e15/cm2.
    ``phases``: start s, end s, kind, cycle, current uA.  ``config``: every true parameter; that of
    a model cell has ``cell``, that of a told one ``cycling`` and ``growth``.
    """
    plan, steps = campaign.plan, campaign.history.steps
    content = {
        "title": plan.title,
        "seed": plan.seed,
        "li_per_uAh_1e15": plan.li_1e15(1.0),
        "ledger": _ledger_rows(campaign),
        "phases": [[s.start_s, s.stop_s, s.kind, s.cycle, s.current_ua] for s in steps],
        "n_spectra": len(campaign.series),
        "true_stack": str(plan.stack),
        "printed_stack": str(plan.believed_stack),
        "stopping_scales": list(plan.scales),
        "config": _config(plan),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _config(plan: CampaignPlan) -> dict[str, Any]:
    names = ("beam", "counting") if plan.cell else (*_TOLD, "beam", "counting")
    parts: dict[str, Any] = {"cell": dict(plan.cell.parameters)} if plan.cell else {}
    return parts | {name: dataclasses.asdict(getattr(plan, name)) for name in names}


def _ledger_rows(campaign: VirtualCampaign) -> list[dict[str, float]]:
    history, rows = campaign.history, []
    moved = dict(zip(campaign.silicon.cycle, campaign.silicon.amount_1e15, strict=True))
    for cycle in dict.fromkeys(s.cycle for s in history.steps if s.cycle > 0):
        row: dict[str, float] = {"cycle": cycle}
        for kind, suffix in (("charge", "_charged"), ("discharge", "")):
            own = [k for k, s in enumerate(history.steps) if s.cycle == cycle and s.kind == kind]
            row[f"q_{kind}_uAh"] = abs(sum(history.steps[k].charge_uah for k in own))
            end = history.contents_uah(history.steps[own[-1]].stop_s)[0]
            ends = (float(value) for value in end)
            for name, value in zip(("qa", "qe", "qc"), ends, strict=True):
                row[f"{name}{suffix}_uAh"] = value
        row["moved_si_1e15"] = float(moved[np.int64(cycle)])
        rows.append(row)
    return rows
