"""``lidepth cycler``: any cycler log, for people and machines."""

from __future__ import annotations

import csv
import json

import pytest

from lidepth.files.electrochemistry import CYCLE_COLUMNS, STEP_COLUMNS

ROWS = """time,voltage_V,current_uA
2020-01-01T00:00:00,3.0,0
2020-01-01T01:00:00,3.0,10
2020-01-01T02:00:00,3.5,10
2020-01-01T03:00:00,3.9,10
2020-01-01T04:00:00,4.0,0
2020-01-01T05:00:00,3.9,-10
2020-01-01T06:00:00,3.5,-10
2020-01-01T07:30:00,3.1,0
2020-01-01T08:00:00,3.2,0
"""


@pytest.fixture
def log_file(tmp_path):
    file = tmp_path / "cycler.csv"
    file.write_text(ROWS)
    return file


def test_a_log_is_shown_as_cycles_and_steps(lidepth, log_file):
    answer = lidepth("cycler", log_file)
    assert answer.exit_code == 0, answer.stderr
    assert "30.0000" in answer.stdout
    assert "25.0000" in answer.stdout
    assert "83.33" in answer.stdout
    assert "CC" in answer.stdout


def test_machines_get_cycles_steps_agreement_and_losses(lidepth, log_file):
    found = json.loads(lidepth("cycler", log_file, "--nominal", "60 uAh", "--json").stdout)
    (cycle,) = found["cycles"]
    assert set(cycle) == set(CYCLE_COLUMNS)
    assert cycle["charge_uAh"] == pytest.approx(30.0)
    assert cycle["efficiency"] == pytest.approx(25.0 / 30.0)
    assert cycle["charge_c_rate_per_h"] == pytest.approx(1.0 / 6.0)
    assert cycle["discharge_soc_after"] == pytest.approx(5.0 / 60.0)
    assert [step["mode"] for step in found["steps"]] == ["rest", "CC", "rest", "CC", "rest"]
    assert {"counter", "worst", "rules"} <= set(found["agreement"])
    assert found["moved_uAh"] == pytest.approx(55.0)
    assert {"loss", "verdict", "why"} <= set(found["losses"][0])


def test_out_gets_tables_the_log_and_figures(lidepth, log_file, tmp_path):
    out = tmp_path / "cycling"
    assert lidepth("cycler", log_file, "--out", out).exit_code == 0
    with open(out / "cycles.csv", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert tuple(row) == CYCLE_COLUMNS
    assert float(row["discharge_uAh"]) == pytest.approx(25.0)
    with open(out / "steps.csv", encoding="utf-8") as stream:
        assert tuple(next(csv.reader(stream))) == STEP_COLUMNS
    assert (out / "figures" / "capacity.svg").is_file()
    again = json.loads(lidepth("cycler", out / "cycler.csv", "--json").stdout)
    assert again["cycles"][0]["charge_uAh"] == pytest.approx(30.0)


def test_a_file_with_the_other_sign_is_read_when_that_is_said(lidepth, tmp_path):
    rows = ["Test Time / s,Voltage / V,Current / A"]
    rows += [f"{60 * i},{3.0 + 0.01 * i},{-1e-5}" for i in range(60)]
    rows += [f"{60 * i},{4.2 - 0.01 * i},{1e-5}" for i in range(60, 120)]
    file = tmp_path / "log.csv"
    file.write_text("\n".join(rows) + "\n")
    found = json.loads(lidepth("cycler", file, "--positive", "discharge", "--json").stdout)
    assert [step["kind"] for step in found["steps"]] == ["charge", "discharge"]


def test_an_experiment_brings_stack_and_area(lidepth, small_campaign, tmp_path):
    out = tmp_path / "cycling"
    answer = lidepth("cycler", small_campaign, "--out", out)
    assert answer.exit_code == 0, answer.stderr
    assert (out / "figures" / "composition.csv").is_file()
    assert all(len(line) <= 80 for line in answer.stdout.splitlines() if "/" not in line)


def test_a_stack_can_be_given_on_the_command_line(lidepth, log_file, tmp_path):
    layers = "Si 50 nm [anode] | Li3PO4 2 um @ 2.3 g/cm^3 | LiCoO2 550 nm @ 4.45 g/cm^3 [cathode]"
    out = tmp_path / "cycling"
    answer = lidepth("cycler", log_file, "--stack", layers, "--area", "1.79 cm^2", "--out", out)
    assert answer.exit_code == 0, answer.stderr
    assert (out / "figures" / "composition.png").is_file()


@pytest.mark.parametrize(
    "options",
    [("--stack", "Si 50 nm"), ("--stack", "Si", "--area", "1 cm^2"), ("--area", "1 m"),
     ("--nominal", "60"), ("--begins", "rest")],
)  # fmt: skip
def test_a_wrong_call_is_told(lidepth, log_file, options):
    answer = lidepth("cycler", log_file, *options)
    assert answer.exit_code == 2
    assert answer.stdout == ""


def test_a_log_without_current_and_a_file_that_is_none_are_data_problems(lidepth, tmp_path):
    still = tmp_path / "still.csv"
    still.write_text("\n".join(line if i == 0 else line.rsplit(",", 1)[0] + ",0"
                               for i, line in enumerate(ROWS.split())) + "\n")  # fmt: skip
    answer = lidepth("cycler", still)
    assert answer.exit_code == 1
    assert "no current" in answer.stderr
    assert lidepth("cycler", tmp_path / "none.csv").exit_code == 1
