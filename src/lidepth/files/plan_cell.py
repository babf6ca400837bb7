"""The model cell of a PLAN.yaml: its sections ``cell`` and ``protocol``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

from lidepth.errors import BadInput, LidepthError, OutOfRange
from lidepth.mechanism import modes
from lidepth.mechanism.growth import LAWS, Growth, InterlayerDiffusion, ReducedLaw
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.protocol import HOUR_S, Protocol, paper_protocol
from lidepth.mechanism.record import record_cell
from lidepth.virtual.plan import CampaignPlan

# As in files.plan: section, key: field and its unit (or type).  Films and area are the stack's.
SECTIONS: dict[str, dict[str, tuple[str, str | type]]] = {
    "cell": {
        "mode": ("mode", str), "law": ("law", str), "phase": ("phase", str),
        "kappa": ("li_per_silicon", float), "saturation": ("saturation", float),
        "start": ("start", float), "clock": ("clock_ua_cm2", "uA/cm^2"),
        "current_exponent": ("current_exponent", float),
        "diffusivity": ("diffusivity_nm2_cm2_uah", "nm^2*cm^2/uAh"),
        "inlet": ("inlet_nm_cm2_uah", "nm*cm^2/uAh"),
        "amplitude": ("amplitude_uah_cm2", "uAh/cm^2"), "scale": ("scale_uah_cm2", "uAh/cm^2"),
        "exponent": ("exponent", float),
        "silicon_diffusivity": ("silicon_diffusivity_cm2_s", "cm^2/s"),
        "silicon_decades": ("silicon_decades", float), "silicon_knee": ("silicon_knee", float),
        "anode_exchange": ("anode_exchange_ua_cm2", "uA/cm^2"),
        "cathode_exchange": ("cathode_exchange_ua_cm2", "uA/cm^2"),
        "resistance": ("resistance_ohm_cm2", "ohm*cm^2"), "temperature": ("temperature_k", "K"),
        "hysteresis_memory": ("hysteresis_memory", float),
        "resistance_growth": ("resistance_growth_cm2_uah", "cm^2/uAh"),
        "cathode_loss": ("cathode_loss_cm2_uah", "cm^2/uAh"),
        "capacity": ("stated_capacity_uah", "uAh"),
    },
    "protocol": {
        "pristine": ("storage_s", "s"), "cycles": ("cycles", int), "current": ("current_ua", "uA"),
        "later_current": ("later_current_ua", "uA"), "switch_cycle": ("switch_cycle", int),
        "charge_to": ("charge_v", "V"), "discharge_to": ("discharge_v", "V"),
        "rest": ("rest_s", "s"), "long_rest": ("long_rest_s", "s"),
        "long_rest_cycle": ("long_rest_cycle", int),
        "hold_from": ("hold_from", int), "hold_until": ("hold_until_ua", "uA"),
    },
}  # fmt: skip
_USUAL: dict[str, Any] = {"cycles": 3, "storage_s": 12 * HOUR_S, "long_rest_cycle": None}
_MODE = "kappa 4"
_GROWTH = {f.name for kind in (InterlayerDiffusion, ReducedLaw) for f in fields(kind)}


def with_model_cell(
    plan: CampaignPlan, cell: dict[str, Any], protocol: dict[str, Any], place: Callable[[str], str]
) -> CampaignPlan:
    """The plan with a model cell of its own films, run through a protocol and recorded.

    ``cell`` and ``protocol``: values of the sections by field; ``place`` names a section in
    messages.  Raises BadInput for words and films that the model does not know, OutOfRange for
    numbers that cannot be and for a protocol that the cell cannot follow.
    """
    with _named(place("cell")):
        made = _parameters(plan, cell)
    with _named(place("protocol")):
        phases = _protocol(protocol)
    return replace(plan, cell=record_cell(made, phases))


def published_plan(*, title: str, seed: int, cycles: int) -> CampaignPlan:
    """The published cell as the model has it, through so many cycles."""
    return with_model_cell(CampaignPlan(title=title, seed=seed), {}, {"cycles": cycles}, str)


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Put the section's place in front; the cell and the protocol name only themselves."""
    try:
        yield
    except LidepthError as error:
        if error.where in SECTIONS:
            error = type(error)(error.what, expected=error.expected, remedy=error.remedy)
        raise error.at(where) from error


def _parameters(plan: CampaignPlan, values: dict[str, Any]) -> CellParameters:
    base = modes.mode(values.get("mode", _MODE), _of_stack(plan))
    growth = {name: v for name, v in values.items() if name in _GROWTH}
    others = {name: v for name, v in values.items() if name not in _GROWTH | {"mode"}}
    return replace(base, growth=_growth(base.growth, growth), **others)


def _of_stack(plan: CampaignPlan) -> CellParameters:
    try:
        return CellParameters.from_stack(plan.stack, plan.area_cm2)
    except BadInput as error:
        raise BadInput(
            error.what, where="stack", expected=error.expected,
            remedy=error.remedy or "add 'cycling: {}': a cell that is told may be of any films",
        ) from error  # fmt: skip


def _growth(usual: Growth, values: dict[str, Any]) -> Growth:
    law = values.get("law", "diffusion")
    if law not in ("diffusion", *LAWS):
        raise BadInput(
            f"law {law!r} is not known", where="law", expected=", ".join(("diffusion", *LAWS))
        )
    kind = InterlayerDiffusion if law == "diffusion" else ReducedLaw
    own = {f.name for f in fields(kind)}
    stray = [name for name in values if name not in own | {"law"}]
    if stray:
        keys = {field: key for key, (field, _) in SECTIONS["cell"].items()}
        raise BadInput(
            f"{', '.join(keys[name] for name in stray)} means nothing to the law {law!r}",
            expected=", ".join(sorted(keys[name] for name in own)),
        )
    shared = {name: getattr(usual, name) for name in own if hasattr(usual, name)}
    return kind(**{name: v for name, v in (shared | values).items() if name in own})


def _protocol(values: dict[str, Any]) -> Protocol:
    wanted = _USUAL | values
    for key in ("cycles", "pristine", "rest", "long_rest", "switch_cycle", "hold_from"):
        value = wanted.get(SECTIONS["protocol"][key][0], 0)
        if value < 0:
            raise OutOfRange(f"{key} is negative: {value!r}", expected="zero or more")
    held = wanted.pop("hold_from", wanted["cycles"] + 1)
    return paper_protocol(**wanted, last_constant=held - 1)
