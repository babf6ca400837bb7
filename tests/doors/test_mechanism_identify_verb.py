"""``lidepth mechanism identify`` for people and for machines, and predict from what it found."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.identify_study import drawn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mechanism"))
from made_results import results_of

from lidepth.errors import WrongFormat
from lidepth.files.identify_json import read_cells


@pytest.fixture
def results(tmp_path: Path, campaign: Callable[..., Path]) -> Path:
    case = drawn(112)
    return results_of(tmp_path, campaign, case.seen, case.history.voltage_v)


def test_the_help_teaches(lidepth):
    answer = lidepth("mechanism", "identify", "--help")
    assert answer.exit_code == 0
    assert all(word in answer.stdout for word in ("Goes in", "Comes out", "Examples", "Exit codes"))
    assert "mechanism identify" in lidepth("mechanism", "--help").stdout


def test_results_are_identified_and_predicted_from(lidepth, results: Path, tmp_path: Path):
    out = tmp_path / "identified"
    answer = lidepth(
        "mechanism", "identify", results, "--out", out, "--silicon", "8 +- 2 nm", "--stored",
        "504 h", "--json",
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    tree = json.loads(answer.stdout)
    assert "cells" not in tree
    assert sum(tree["odds"]["phase"].values()) == pytest.approx(1.0)
    assert len(tree["hypotheses"]) == 37
    names = {file.name for file in (out / "figures").iterdir()}
    assert {"identified_growth.svg", "identified_odds.png", "identified_losses.csv"} <= names
    whole = json.loads((out / "identify.json").read_text(encoding="utf-8"))
    assert whole["odds"] == tree["odds"]
    assert len(whole["cells"]) == len(whole["samples"]) == len(read_cells(out / "identify.json"))
    call = ("mechanism", "predict", "--from", out / "identify.json", "--draws", "4")
    to_come = lidepth(*call, "--cycles", "3", "--json")
    assert to_come.exit_code == 0, to_come.output
    assert json.loads(to_come.stdout)["draws"] == 4
    whole["cells"][0]["growth"]["kind"] = "magic"
    for text in (json.dumps(whole), "{", "[]", json.dumps({"kind": "x", "cells": [1]})):
        (tmp_path / "bad.json").write_text(text, encoding="utf-8")
        with pytest.raises(WrongFormat):
            read_cells(tmp_path / "bad.json")


def test_the_ledger_can_speak_alone(lidepth, results: Path):
    tree = json.loads(lidepth("mechanism", "identify", results, "--no-curves", "--json").stdout)
    assert tree["losses"] == []
    assert any("no voltage curves" in remark for remark in tree["remarks"])


def test_a_person_reads_odds_numbers_losses_and_what_to_do(lidepth, results: Path, tmp_path: Path):
    odds = dict.fromkeys(("charge", "both", "time", "rest", "none"), -3.0) | {"discharge": 0.0}
    file = tmp_path / "mechanism.json"
    file.write_text(json.dumps({"growth": {"ln_evidence": odds}}), encoding="utf-8")
    answer = lidepth("mechanism", "identify", results, "--kappa", "4 +- 0.5", "--growth", file)
    assert answer.exit_code == 0, answer.output
    told = answer.stdout
    assert all(word in told for word in ("phase ", "law ", "kappa", "inventory", "as now", "ln B"))


@pytest.mark.parametrize(
    ("option", "code"),
    [
        (("--kappa", "4"), 2), (("--kappa", "-4 +- 1"), 2), (("--silicon", "4 +- 1"), 2),
        (("--silicon", "4 +- 0 nm"), 2), (("--silicon", "4 +- 1 nm at cycle 999"), 2),
        (("--method", "windows"), 2), (("--stored", "504"), 2),
    ],
)  # fmt: skip
def test_a_wrong_call_is_told(lidepth, results: Path, option: tuple[str, ...], code: int):
    assert lidepth("mechanism", "identify", results, *option).exit_code == code


def test_missing_files_are_named(lidepth, results: Path, tmp_path: Path):
    nowhere = lidepth("mechanism", "identify", tmp_path)
    assert nowhere.exit_code == 1
    assert "ledger.nc" in nowhere.stderr
    lost = lidepth("mechanism", "identify", results, "--run", tmp_path / "gone.yaml")
    assert lost.exit_code == 1
    (tmp_path / "odd.json").write_text("{}", encoding="utf-8")
    odd = lidepth("mechanism", "identify", results, "--growth", tmp_path / "odd.json")
    assert odd.exit_code == 1
    assert "odds of phases" in odd.stderr


def test_a_run_without_a_cycler_log_cannot_be_identified(
    lidepth, results: Path, campaign: Callable[..., Path]
):
    bare = campaign("bare", log=None)
    answer = lidepth("mechanism", "identify", results, "--run", bare)
    assert answer.exit_code == 1
    assert "cycler log" in answer.stderr
