"""An identification as JSON, and its cells read back to predict with."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

import numpy as np

from lidepth.errors import WrongFormat
from lidepth.files._provenance import known
from lidepth.files._store import write_text
from lidepth.files._text import read_text
from lidepth.mechanism.growth import Growth, InterlayerDiffusion, ReducedLaw
from lidepth.mechanism.identify.found import BANDS, Identification
from lidepth.mechanism.parameters import CellParameters

KIND = "lidepth identification"
MOST_CELLS = 10_000
_LIMIT_BYTES = 64 * 1024**2
_CELL = (
    "area_cm2", "silicon_nm", "silicon_g_cm3", "electrolyte_nm", "electrolyte_g_cm3", "cathode_nm",
    "cathode_g_cm3", "silicon_diffusivity_cm2_s", "resistance_ohm_cm2",
    "resistance_growth_cm2_uah", "cathode_loss_cm2_uah",
)  # fmt: skip
_LAWS: dict[str, type[InterlayerDiffusion] | type[ReducedLaw]] = {
    "diffusion": InterlayerDiffusion, "closed form": ReducedLaw,
}  # fmt: skip
_REMEDY = "use the identify.json that lidepth mechanism identify wrote"


def identify_tree(found: Identification, *, with_cells: bool = True) -> dict[str, Any]:
    """Everything that was found; unknown numbers are null.

    Charges in uAh of the whole cell, log odds as natural logarithms; ``cells`` are equally likely
    model cells.
    """
    tree = {
        "kind": KIND, "title": found.title, "seed": found.seed,
        "odds": {"phase": found.odds("phase"), "law": found.odds("law")},
        "hypotheses": [asdict(one) for one in found.hypotheses],
        "throughput_over_cycle_number_ln_b": found.throughput_log_odds,
        "levels": list(BANDS),
        "estimates": [asdict(one) for one in found.estimates],
        "capacity_lost_uAh": dict(zip(("mean", "std"), found.capacity_lost_uah, strict=True)),
        "losses": [asdict(one) | {"told_by": one.told_by} for one in found.losses],
        "next": [asdict(one) for one in found.next_steps],
        "remarks": list(found.remarks),
    }  # fmt: skip
    if with_cells:
        tree |= {
            "names": list(found.names), "samples": found.samples,
            "cells": [_cell(cell) for cell in found.cells],
        }  # fmt: skip
    answer: dict[str, Any] = known(tree)
    return answer


def write_identify(file: Path, found: Identification) -> Path:
    """Write an identification as JSON; returns ``file``.  Raises StoreError."""
    text = json.dumps(identify_tree(found), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(file, text + "\n")
    return file


def _cell(cell: CellParameters) -> dict[str, Any]:
    growth = cell.growth
    kind = next(name for name, law in _LAWS.items() if isinstance(growth, law))
    return {name: getattr(cell, name) for name in _CELL} | {
        "growth": {"kind": kind} | asdict(growth)
    }


def read_cells(file: str | Path) -> tuple[CellParameters, ...]:
    """The equally likely cells of an identify.json; potentials and grid are the model's own.

    Raises WrongFormat where it is none, and what a cell raises that cannot be.
    """
    path = Path(file)
    try:
        tree = json.loads(read_text(path, limit_bytes=_LIMIT_BYTES))
    except (ValueError, RecursionError) as error:
        raise WrongFormat(f"this is no JSON ({error})", where=str(path), remedy=_REMEDY) from error
    cells = tree.get("cells") if isinstance(tree, dict) and tree.get("kind") == KIND else None
    if not isinstance(cells, list) or not 0 < len(cells) <= MOST_CELLS:
        raise WrongFormat(
            "there are no cells in this file", where=str(path),
            expected=f"an identification with 1 to {MOST_CELLS} cells", remedy=_REMEDY,
        )  # fmt: skip
    return tuple(_read_cell(one, f"{path}, cell {k}") for k, one in enumerate(cells))


def _read_cell(one: object, where: str) -> CellParameters:
    if not isinstance(one, dict) or set(one) != {*_CELL, "growth"}:
        raise WrongFormat("this is no cell", where=where, remedy=_REMEDY)
    numbers = {name: _number(one[name], name, where) for name in _CELL}
    return CellParameters(growth=_growth(one["growth"], where), **cast("Any", numbers))


def _growth(one: object, where: str) -> Growth:
    kind = one.get("kind") if isinstance(one, dict) else None
    law = _LAWS.get(kind) if isinstance(kind, str) else None
    if law is None or not isinstance(one, dict):
        raise WrongFormat("this is no law of growth", where=where, remedy=_REMEDY)
    names = {field.name for field in fields(law)}
    if set(one) != names | {"kind"}:
        raise WrongFormat("this law has other numbers", where=where, remedy=_REMEDY)
    values = {
        name: str(one[name]) if name in ("phase", "law") else _number(one[name], name, where)
        for name in names
    }
    return law(**cast("Any", values))


def _number(value: object, name: str, where: str) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not math.isfinite(cast("float", value)):
        raise WrongFormat(f"{name} = {value!r} is no number", where=where, remedy=_REMEDY)
    return float(np.float64(cast("float", value)))
