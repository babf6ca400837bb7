"""``lidepth mechanism facts | audit | modes | simulate | predict`` for people and for machines."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest


@pytest.mark.parametrize("verb", ["facts", "audit", "modes", "simulate", "predict"])
def test_the_help_teaches(lidepth, verb: str):
    answer = lidepth("mechanism", verb, "--help")
    assert answer.exit_code == 0
    assert all(word in answer.stdout for word in ("Comes out", "Examples", "Exit codes"))
    assert f"mechanism {verb}" in lidepth("mechanism", "--help").stdout


def test_facts_are_told_to_people_and_to_machines(lidepth):
    answer = lidepth("mechanism", "facts", "--json")
    assert answer.exit_code == 0, answer.output
    tree = json.loads(answer.stdout)
    assert {row["verdict"] for row in tree["facts"]} == {"holds", "does not hold"}
    assert tree["failing"] == [r["name"] for r in tree["facts"] if r["verdict"] != "holds"]
    told = lidepth("mechanism", "facts", "--mode", "kappa 1").stdout
    assert "does not hold cathode intact" in told
    assert "hold. The limits are ours" in told


def test_the_audit_follows_the_films(lidepth):
    rows = {row["topic"]: row for row in json.loads(lidepth("mechanism", "audit", "--json").stdout)}
    assert rows["which electrode limits"]["verdict"] == "contradiction"
    assert rows["radii"]["value"] is None
    stack = "Si 75 nm [anode] | Li3PO4 2 um @ 2.2 g/cm^3 [electrolyte] | " \
        "LiCoO2 550 nm @ 5.06 g/cm^3 [cathode]"  # fmt: skip
    told = lidepth("mechanism", "audit", "--stack", stack).stdout
    assert "agrees        which electrode limits" in told


def test_a_cell_is_run_drawn_and_written(lidepth, tmp_path: Path):
    out = tmp_path / "cell"
    answer = lidepth(
        "mechanism", "simulate", "--cycles", "3", "--kappa", "0", "--out", out, "--json"
    )
    assert answer.exit_code == 0, answer.output
    tree = json.loads(answer.stdout)
    assert tree["balance"] < 1e-8
    assert [row["qe_uAh"] for row in tree["cycles"]] == [0.0, 0.0, 0.0]
    table = list(csv.DictReader((out / "cell.csv").read_text().splitlines()))
    assert float(table[2]["capacity_uAh"]) == pytest.approx(tree["cycles"][2]["capacity_uAh"])
    drawn = {file.name for file in (out / "figures").iterdir()}
    assert {"cell_states.svg", "cell_curves.png", "cell_capacity.csv"} <= drawn
    assert lidepth("mechanism", "simulate", "--animation").exit_code == 2
    again = lidepth("mechanism", "simulate", "--cycles", "2", "--out", out)
    assert again.exit_code == 0
    assert "interlayer" in again.stdout


def test_remedies_are_predicted_with_bands(lidepth, tmp_path: Path):
    out = tmp_path / "outlook"
    call = ("mechanism", "predict", "--cycles", "3", "--draws", "3", "--current", "20 uA")
    tree = json.loads(lidepth(*call, "--out", out, "--json").stdout)
    left = {one["name"]: one["qe_uAh"][2][-1] for one in tree["predictions"]}
    assert left["as it is"] > 1.0 > left["protective layer"] == 0.0
    assert {file.suffix for file in map(Path, tree["files"])} == {".csv", ".svg", ".png"}
    assert all(Path(file).is_file() for file in tree["files"])
    assert "not reached" in lidepth(*call).stdout
    assert lidepth("mechanism", "predict", "--current", "20").exit_code == 2


def test_every_way_of_dying_is_told_apart(lidepth):
    tree = json.loads(lidepth("mechanism", "modes", "--json").stdout)
    assert {row["mode"] for row in tree} == {"kappa 4", "kappa 1", "resistance", "cathode", "none"}
    assert "resistance" in lidepth("mechanism", "modes", "--area", "1.6 cm^2").stdout


@pytest.mark.parametrize(
    "wrong",
    [
        ("--mode", "old age"), ("--phase", "weekends"), ("--area", "3"), ("--area", "0 cm^2"),
        ("--stack", "Si 50 nm [anode]"), ("--kappa", "-1"),
    ],
)  # fmt: skip
def test_wrong_calls_are_named(lidepth, wrong: tuple[str, str]):
    answer = lidepth("mechanism", "simulate", "--cycles", "1", *wrong)
    assert answer.exit_code == 2, answer.output
    assert wrong[0] in answer.stderr
