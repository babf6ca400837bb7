"""The command line: help that teaches, answers for people and machines, errors, exit codes."""

from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lidepth import __version__

VERBS = (
    "analyze", "check", "cycler", "export", "import", "demo", "simulate", "stopping", "schema",
    "cite",
)  # fmt: skip
STOPPING_KEYS = {
    "projectile", "material", "energy_keV", "electronic_MeV_cm2_per_g",
    "nuclear_MeV_cm2_per_g", "total_keV_per_um", "csda_range_g_per_cm2", "source",
}  # fmt: skip


def entries(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_the_root_help_lists_every_verb_and_the_exit_codes(lidepth):
    answer = lidepth("--help")
    assert answer.exit_code == 0
    assert all(re.search(rf"\b{verb}\b", answer.stdout) for verb in VERBS)
    assert all(word in answer.stdout for word in ("First steps", "Exit codes", "130"))


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_teaches(lidepth, verb):
    answer = lidepth(verb, "--help")
    assert answer.exit_code == 0
    assert f"  lidepth {verb}" in answer.stdout
    assert "Example" in answer.stdout
    assert "Exit codes: 0 done" in answer.stdout
    assert "\x1b" not in answer.stdout


@pytest.mark.parametrize("verb", ["analyze", "simulate", "stopping"])
def test_the_help_says_what_goes_in_and_what_comes_out(lidepth, verb):
    text = lidepth(verb, "--help").stdout
    assert "Goes in" in text
    assert "Comes out" in text


def test_the_module_runs_as_the_command_does():
    answer = subprocess.run(
        [sys.executable, "-m", "lidepth", "--version"], capture_output=True, text=True, check=True
    )
    assert answer.stdout == f"lidepth {__version__}\n"


@pytest.mark.parametrize(
    "call",
    [
        ["frobnicate"],
        ["analyze"],
        ["analyze", "experiment.yaml"],
        ["analyze", "experiment.yaml", "--out", "x", "--method", "guess"],
        ["demo", "--cycles", "0"],
        ["stopping", "alpha", "Si"],
        ["stopping", "electron", "Si", "--energy", "1 MeV"],
        ["stopping", "alpha", "Xy3", "--energy", "1 MeV"],
        ["stopping", "alpha", "Si", "--energy", "1000"],
        ["stopping", "alpha", "Si", "--energy", "1 nm"],
        ["stopping", "alpha", "Si", "--energy", "20 MeV"],
        ["stopping", "alpha", "Si", "--energy", "3..1 MeV"],
        ["stopping", "alpha", "Si", "--energy", "1..3"],
        ["stopping", "alpha", "Li3PO4", "--energy", "1 MeV"],
        ["stopping", "alpha", "Si", "--energy", "1 MeV", "--source", "guess"],
        ["stopping", "alpha", "Si", "--energy", "1 MeV", "--density", "heavy"],
    ],
)
def test_a_wrong_call_ends_with_2_and_says_what_was_wrong(lidepth, call):
    answer = lidepth(*call)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert "rror" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_stopping_answers_machines_with_exactly_the_agreed_keys(lidepth):
    answer = lidepth("stopping", "alpha", "Kapton", "--energy", "2000 keV", "--json")
    (row,) = json.loads(answer.stdout)
    assert set(row) == STOPPING_KEYS
    assert (row["projectile"], row["material"], row["energy_keV"]) == ("alpha", "Kapton", 2000.0)
    assert row["electronic_MeV_cm2_per_g"] == pytest.approx(1451.0, rel=0.01)  # ASTAR
    assert row["source"] == "icru49"


def test_energies_may_be_listed_or_given_as_a_range(lidepth):
    answer = lidepth(
        "stopping", "triton", "Si", "-e", "1 MeV", "-e", "500..2500 keV", "--points", 5, "--json"
    )
    energies = [row["energy_keV"] for row in json.loads(answer.stdout)]
    assert energies == [1000.0, 500.0, 1000.0, 1500.0, 2000.0, 2500.0]


def test_the_density_changes_only_the_stopping_per_length(lidepth):
    call = ("stopping", "alpha", "Li3PO4", "-e", "1 MeV", "--json", "--density")
    (light,), (dense,) = (json.loads(lidepth(*call, d).stdout) for d in ("2 g/cm^3", "4 g/cm^3"))
    assert dense.pop("total_keV_per_um") == pytest.approx(2 * light.pop("total_keV_per_um"))
    assert dense == pytest.approx(light)


def test_stopping_prints_a_table_that_fits_80_columns(lidepth):
    answer = lidepth("stopping", "alpha", "Kapton", "--energy", "500..3000 keV")
    lines = answer.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert all(word in answer.stdout for word in ("alpha in Kapton", "MeV cm²/g", "CSDA range"))
    assert "…" not in answer.stdout


def test_a_stopping_table_that_is_not_there_is_a_data_problem(lidepth, tmp_path):
    source = f"csv:{tmp_path / 'none.csv'}"
    answer = lidepth("stopping", "alpha", "Si", "-e", "1 MeV", "--source", source)
    assert answer.exit_code == 1
    assert "none.csv" in answer.stderr


def test_schema_is_the_json_schema_of_an_experiment(lidepth):
    schema = json.loads(lidepth("schema").stdout)
    assert set(schema["properties"]) == {"title", "cell", "instrument", "data"}


def test_cite_names_the_paper_in_bibtex(lidepth):
    text = lidepth("cite").stdout
    assert "@article{chen2018" in text
    assert "1801430" in text
    assert __version__ in text


def test_simulate_writes_raw_files_and_the_truth_beside_them(small_campaign):
    assert {"spectra", "monitor.csv", "cycler.csv", "experiment.yaml"} <= set(
        entries(small_campaign)
    )
    truth = json.loads(small_campaign.with_name("campaign.truth.json").read_text())
    assert truth["title"] == "small"
    assert len(truth["ledger"]) == 1
    assert len(entries(small_campaign / "spectra")) == truth["n_spectra"]


def test_simulate_runs_the_model_cell_and_the_same_seed_gives_the_same_files(lidepth, tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "title: model\nseed: 4\ncell: {kappa: 2, phase: both}\n"
        "protocol: {cycles: 2, pristine: 2 h, current: 40 uA, hold_from: 2}\n"
        "beam: {gaps: [[1 h, 90 min]]}\ncounting: {tail_fraction: 2 %, dwell: 16 min}\n"
    )
    for name in ("one", "two"):
        assert lidepth("simulate", plan, "--out", tmp_path / name).exit_code == 0
    names = entries(tmp_path / "one" / "spectra")
    files = [f"spectra/{name}" for name in names] + ["monitor.csv", "cycler.csv", "experiment.yaml"]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    truth = json.loads((tmp_path / "one.truth.json").read_text())
    assert truth == json.loads((tmp_path / "two.truth.json").read_text())
    growth = truth["config"]["cell"]["growth"]
    assert (growth["law"], growth["li_per_silicon"], growth["phase"]) == ("diffusion", 2.0, "both")
    assert truth["n_spectra"] == len(names)
    answer = lidepth("cycler", tmp_path / "one", "--json")
    assert answer.exit_code == 0, answer.stderr
    cycles = json.loads(answer.stdout)["cycles"]
    assert len(cycles) == 2


def test_simulate_renews_its_own_folder(lidepth, small_plan, tmp_path):
    out = tmp_path / "again"
    plan = tmp_path / "plan.yaml"
    plan.write_text(small_plan.read_text())
    assert lidepth("simulate", plan, "--out", out).exit_code == 0
    before = len(entries(out / "spectra"))
    plan.write_text(small_plan.read_text().replace("pristine: 6 h", "pristine: 4 h"))
    (out / "notes.txt").write_text("mine")
    assert lidepth("simulate", plan, "--out", out).exit_code == 0
    assert len(entries(out / "spectra")) == before - 15
    assert (out / "notes.txt").read_text() == "mine"
    assert entries(tmp_path) == ["again", "again.truth.json", "plan.yaml"]


def test_simulate_does_not_overwrite_the_truth_of_something_else(lidepth, small_plan, tmp_path):
    (tmp_path / "new.truth.json").write_text("mine")
    answer = lidepth("simulate", small_plan, "--out", tmp_path / "new")
    assert answer.exit_code == 2
    assert entries(tmp_path) == ["new.truth.json"]


def test_analyze_writes_every_result(lidepth, small_campaign, tmp_path):
    out = tmp_path / "made" / "results"
    answer = lidepth("analyze", small_campaign / "experiment.yaml", "--out", out)
    assert answer.exit_code == 0, answer.stderr
    assert {"ledger.csv", "profiles.nc", "summary.json", "figures", "report.html"} <= set(
        entries(out)
    )
    kinds = {file.suffix for file in (out / "figures").iterdir()}
    assert kinds == {".svg", ".png", ".csv"}
    assert entries(out.parent) == ["results"]
    assert "Lithium ledger" in answer.stdout
    assert str(out / "report.html") in answer.stdout
    assert answer.stderr == ""
    summary = json.loads((out / "summary.json").read_text())
    assert summary["title"] == "small"


@pytest.mark.usefixtures("few_figures")
def test_analyze_answers_machines(lidepth, small_campaign, tmp_path):
    answer = lidepth(
        "analyze", small_campaign, "-o", tmp_path / "out", "--method", "windows",
        "--range", "1 h .. 3 h", "--json",
    )  # fmt: skip
    assert answer.exit_code == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["method"] == "windows"
    assert {row["method"] for row in found["ledger"]} == {"windows"}
    assert all(Path(name).exists() for name in found["files"])


@pytest.mark.usefixtures("few_figures")
def test_the_demo_shows_found_beside_true_and_leaves_a_campaign(lidepth, tmp_path):
    out = tmp_path / "demo"
    answer = lidepth("demo", "--cycles", 1, "--seed", 3, "--out", out)
    assert answer.exit_code == 0, answer.stderr
    assert {"campaign", "campaign.truth.json", "report.html", "ledger.csv"} <= set(entries(out))
    assert (out / "campaign" / "experiment.yaml").is_file()
    assert answer.stdout.count("  truth") == 2
    assert all(len(line) <= 80 for line in answer.stdout.splitlines() if str(out) not in line)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["source"] == str(out / "campaign" / "experiment.yaml")


def test_bad_data_is_named_and_nothing_is_written(lidepth, small_campaign, tmp_path):
    broken = tmp_path / "campaign"
    shutil.copytree(small_campaign, broken)
    file = broken / "experiment.yaml"
    file.write_text(file.read_text().replace("monitor:", "monitr:"))
    answer = lidepth("analyze", file, "--out", tmp_path / "deep" / "out")
    assert answer.exit_code == 1
    assert str(file) in answer.stderr
    assert "monitr" in answer.stderr
    assert "did you mean 'monitor'" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert entries(tmp_path) == ["campaign"]


def test_a_missing_experiment_is_named(lidepth, tmp_path):
    answer = lidepth("analyze", tmp_path / "none.yaml", "--out", tmp_path / "out")
    assert answer.exit_code == 1
    assert str(tmp_path / "none.yaml") in answer.stderr
    assert entries(tmp_path) == []


@pytest.mark.parametrize(
    "text", ["1 h", "3 h .. 1 h", "1 .. 2", "2020-01-01 .. soon", "..", "a..b"]
)
def test_a_time_range_that_is_none_is_a_wrong_call(lidepth, small_campaign, tmp_path, text):
    answer = lidepth("analyze", small_campaign, "--out", tmp_path / "out", "--range", text)
    assert answer.exit_code == 2
    assert text in answer.stderr
    assert entries(tmp_path) == []


def test_a_folder_in_other_use_is_refused(lidepth, small_plan, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    answer = lidepth("simulate", small_plan, "--out", tmp_path / "photos")
    assert answer.exit_code == 2
    assert "--force" in answer.stderr
    assert entries(tmp_path / "photos") == ["cat.png"]
    assert lidepth("simulate", small_plan, "--out", tmp_path / "photos", "--force").exit_code == 0
    assert {"cat.png", "experiment.yaml"} <= set(entries(tmp_path / "photos"))


def test_a_folder_below_a_file_is_a_disk_problem(lidepth, small_plan, tmp_path):
    (tmp_path / "file").write_text("")
    answer = lidepth("simulate", small_plan, "--out", tmp_path / "file" / "out")
    assert answer.exit_code == 4
    assert str(tmp_path / "file" / "out") in answer.stderr


def test_a_file_is_no_folder(lidepth, small_plan, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert lidepth("simulate", small_plan, "--out", tmp_path / "file").exit_code == 2
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("trouble", "code", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 4, "No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_trouble_half_way_leaves_nothing_behind(
    lidepth, small_plan, tmp_path, monkeypatch, trouble, code, words
):
    from lidepth.virtual import spectra

    def fail(*_, **__):
        raise trouble

    monkeypatch.setattr(spectra, "simulate_campaign", fail)
    answer = lidepth("simulate", small_plan, "--out", tmp_path / "deep" / "out")
    assert answer.exit_code == code
    assert words in answer.stderr
    assert entries(tmp_path) == []
