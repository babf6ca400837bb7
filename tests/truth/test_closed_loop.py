"""The loop closed: a model cell, its raw files, their analysis, and what the verbs make of them.

Three cells that differ in law, phase and lithium per silicon, none of them known to the verbs but
by the files that ``lidepth simulate`` writes.  Stopping powers of the truth are ICRU 49's, those of
the analysis LunaSRIM's; the stack is printed slightly wrong.  Seeds were chosen before any was run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lidepth.cli import app

NIGHTLY = pytest.mark.nightly
PROTOCOL = """
title: loop
seed: {seed}
cell: {cell}
protocol: {{pristine: 24 h, cycles: 60, current: 10 uA, later_current: 20 uA, switch_cycle: 30,
           rest: 4 h, long_rest: 24 h, long_rest_cycle: 20}}
beam: {{flux: 2e7 1/cm^2/s}}
"""
CELLS = {
    ("charge", "diffusion", 4.0): "{kappa: 4, phase: charge, law: diffusion, "
    "diffusivity: 5 nm^2*cm^2/uAh}",
    ("time", "sqrt", 2.0): "{kappa: 2, phase: time, law: sqrt, amplitude: 5 uAh/cm^2, "
    "scale: 4500 uAh/cm^2}",
    ("discharge", "exponential", 3.0): "{kappa: 3, phase: discharge, law: exponential, "
    "amplitude: 2.5 uAh/cm^2, scale: 250 uAh/cm^2}",
}
SEEDS = dict(zip(CELLS, (201, 202, 203), strict=True))
ALIKE = {"diffusion": ("diffusion", "sqrt", "linear-parabolic")}
"""Behind a small resistance diffusion is a square root (docs/validation/identify.md)."""


def ran(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def looped(folder: Path, seed: int, cell: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What the verbs found, and the truth."""
    plan = folder / "plan.yaml"
    plan.write_text(PROTOCOL.format(seed=seed, cell=cell), encoding="utf-8")
    campaign, results, growth = (str(folder / name) for name in ("campaign", "results", "growth"))
    ran("simulate", str(plan), "--out", campaign)
    ran("analyze", campaign, "--stopping", "lunasrim", "--out", results)
    ran("mechanism", "growth", campaign, "--stopping", "lunasrim", "--out", growth)
    found = ran("mechanism", "identify", results, "--growth", f"{growth}/mechanism.json", "--json")
    truth = json.loads((folder / "campaign.truth.json").read_text(encoding="utf-8"))
    return json.loads(found), truth


@NIGHTLY
@pytest.mark.parametrize("told", CELLS, ids=lambda told: f"{told[0]}, {told[1]}")
def test_a_cell_is_found_again_from_its_raw_files(
    told: tuple[str, str, float], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Law and phase are never an unlikely answer, and the numbers lie in their 95 % intervals."""
    phase, law, kappa = told
    found, truth = looped(tmp_path, SEEDS[told], CELLS[told])
    odds = found["odds"]
    estimates = {one["name"]: one for one in found["estimates"]}
    record_property("found", json.dumps({"odds": odds, "estimates": found["estimates"][:3]}))
    # One in twenty: three cells, of which one may well have the less likely of two.
    assert odds["phase"][phase] > 0.05
    assert sum(odds["law"][name] for name in ALIKE.get(law, (law,))) > 0.5
    for name, true in (("kappa", kappa), ("bound at the end", truth["ledger"][-1]["qe_uAh"])):
        low, high = estimates[name]["bands"][0], estimates[name]["bands"][-1]
        assert low < true < high, (name, estimates[name])
