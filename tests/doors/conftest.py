"""A small virtual campaign for the doors, and a way to call the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lidepth.cli import app

SMALL_PLAN = """
title: small
cycling: {pristine: 6 h, cycles: 1, first_charge: 40 uAh, current: 40 uA, rest: 2 h}
beam: {flux: 1.5e7 1/cm^2/s}
"""


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "80"}.items():
        monkeypatch.setenv(name, value)
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def lidepth() -> Callable[..., object]:
    """Call ``lidepth`` with arguments; returns exit_code, stdout, stderr."""
    runner = CliRunner()

    def call(*arguments: object) -> object:
        return runner.invoke(app, [str(a) for a in arguments], prog_name="lidepth")

    return call


@pytest.fixture(scope="session")
def small_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plan") / "plan.yaml"
    file.write_text(SMALL_PLAN)
    return file


@pytest.fixture(scope="session")
def small_campaign(small_plan: Path) -> Path:
    """Folder of a campaign that ``lidepth simulate`` wrote."""
    out = small_plan.parent / "campaign"
    result = CliRunner().invoke(app, ["simulate", str(small_plan), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def few_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw two figures instead of all."""
    from lidepth.show import save

    few = {name: save.FIGURES[name] for name in ("setup", "ledger")}
    monkeypatch.setattr(save, "FIGURES", few)
