"""The examples of the documentation run as they stand."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lidepth.files.experiment import read_experiment
from lidepth.files.plan import read_plan

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def having(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


def label(page: Path) -> str:
    return str(page.relative_to(DOCS))


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small simulated run in ``campaign/``."""
    home = tmp_path_factory.mktemp("examples")
    (home / "plan.yaml").write_text("title: small\ncycling: {cycles: 1}\n", encoding="utf-8")
    for words in (
        ["simulate", "plan.yaml", "--out", "campaign"],
        ["import", "campaign/experiment.yaml", "--out", "campaign/run.lidepth"],
    ):
        subprocess.run(
            [sys.executable, "-m", "lidepth", *words],
            cwd=home, check=True, capture_output=True, timeout=300,
        )  # fmt: skip
    return home


@pytest.mark.parametrize("page", having("python"), ids=label)
def test_python(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    code = "\n".join(blocks(page, "python"))
    if "import yadg" in code:  # a plug-in's licence keeps it out of what the tests install
        pytest.importorskip("yadg")
    home = request.getfixturevalue("campaign") if "campaign/" in code else tmp_path
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        exec(compile(code, label(page), "exec"), {"__name__": "example"})  # noqa: S102


@pytest.mark.parametrize("page", having("yaml"), ids=label)
def test_experiments(page: Path, tmp_path: Path) -> None:
    whole = yaml.safe_load(blocks(DOCS / "experiment.md", "yaml")[0])
    for text in blocks(page, "yaml"):
        tree = yaml.safe_load(text)
        if set(tree) == {"data"}:  # a part: the rest is that of the first example
            tree = {**whole, "data": {**whole["data"], **tree["data"]}}
        file = tmp_path / "experiment.yaml"
        file.write_text(yaml.safe_dump(tree), encoding="utf-8")
        if page.stem == "simulate":
            assert read_plan(file).cell is not None
            continue
        assert read_experiment(file).stack.layer("anode").material.formula == "Si"


@pytest.mark.parametrize("page", having("console"), ids=label)
def test_commands_can_be_called_like_this(page: Path) -> None:
    from typer.main import get_command

    from lidepth.cli import app

    group = get_command(app)
    for line in "\n".join(blocks(page, "console")).splitlines():
        words = shlex.split(line, comments=True)
        if words[:2] != ["$", "lidepth"] or words[2].startswith("-"):
            continue
        group.commands[words[2]].make_context(words[2], words[3:])  # type: ignore[attr-defined]
