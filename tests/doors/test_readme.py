"""The README keeps what it promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lidepth.files.experiment import read_experiment

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (code,) = re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return code


def test_the_quickstart_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = block("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102
    assert capsys.readouterr().out.count("immobilised, truly") == 3
    assert (tmp_path / "ledger.csv").is_file()


def test_the_experiment_shown_is_a_valid_one(tmp_path):
    (tmp_path / "experiment.yaml").write_text(block("yaml"))
    experiment = read_experiment(tmp_path / "experiment.yaml")
    assert len(experiment.stack) == 6


def test_the_commands_shown_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_every_verb_is_listed(lidepth):
    listed = set(re.findall(r"^\| `lidepth (\w+)", README, re.MULTILINE))
    shown = set(re.findall(r"^│ (\w+) ", lidepth("--help").stdout, re.MULTILINE))
    assert shown == listed


@pytest.mark.parametrize("name", re.findall(r"\]\(([^)h][^)]*)\)", README))
def test_every_local_link_leads_somewhere(name):
    assert (ROOT / name).is_file()
