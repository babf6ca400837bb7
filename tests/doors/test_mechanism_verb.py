"""``lidepth mechanism growth``: statements with odds, for people and for machines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

TOPICS = {
    "cathode", "residue is kinetic", "interlayer", "growth on charge", "no growth at rest",
    "long rest",
}  # fmt: skip


def test_the_help_teaches(lidepth):
    answer = lidepth("mechanism", "growth", "--help")
    assert answer.exit_code == 0
    assert all(word in answer.stdout for word in ("Goes in", "Comes out", "Examples", "ln B"))
    assert "mechanism growth" in lidepth("mechanism", "--help").stdout


def test_a_short_campaign_gets_odds_figures_and_no_false_certainty(
    lidepth, small_campaign: Path, tmp_path: Path
):
    out = tmp_path / "ageing"
    answer = lidepth("mechanism", "growth", small_campaign, "--out", out, "--json")
    assert answer.exit_code == 0, answer.output
    tree = json.loads(answer.stdout)
    assert {one["topic"] for one in tree["statements"]} >= TOPICS
    growth = tree["growth"]
    assert sum(growth["probability"].values()) == pytest.approx(1.0)
    assert max(growth["ln_evidence"].values()) == 0.0
    # One cycle of 40 uAh says little of when growth happens, and must not claim to.
    assert growth["cycles_to_decide"] is None
    assert growth["shares"]["contrast_std"] > 0.5  # half of what charge and both differ by
    verdicts = {one["topic"]: one["verdict"] for one in tree["statements"]}
    assert verdicts["residue is kinetic"] == verdicts["cathode"] == "not tested"
    assert tree["cathode"] == []
    assert json.loads((out / "mechanism.json").read_text())["statements"] == tree["statements"]
    drawn = {file.name for file in (out / "figures").iterdir()}
    assert {"growth_odds.svg", "growth_shares.png", "growth_per_phase.csv"} <= drawn
    assert "growth_maps.svg" not in drawn  # of one cycle there is no map


def test_without_a_cycler_log_nothing_can_be_said(lidepth, small_campaign: Path, tmp_path: Path):
    folder = tmp_path / "bare"
    shutil.copytree(small_campaign, folder)
    file = folder / "experiment.yaml"
    kept = [line for line in file.read_text().splitlines() if "cycler" not in line]
    file.write_text("\n".join(kept) + "\n  pristine: spectra/spec_00000.Spe\n")
    answer = lidepth("mechanism", "growth", folder)
    assert answer.exit_code == 1
    assert "no cycler log" in answer.stderr  # the folder's name says cycler, too
