"""The documentation says everything that there is to say: keys, columns, figures, verbs."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import pytest

from lidepth.analysis import parameters
from lidepth.analysis.campaign.motion import Wander
from lidepth.analysis.statements import growth
from lidepth.analysis.statements.ledgers import AGEING
from lidepth.files.plan import _SECTIONS
from lidepth.files.tables import LEDGER_COLUMNS
from lidepth.mechanism.identify.compare import SAMPLED, STRAYS
from lidepth.mechanism.identify.forward import HALF_V, REACH_X, REACH_Y, SETTLED_V
from lidepth.mechanism.identify.laws import SHAPES
from lidepth.mechanism.identify.priors import Prior
from lidepth.model.mechanism import DECIDED
from lidepth.model.spectra import Quality
from lidepth.show.figures import FIGURES
from lidepth.show.figures.identify import IDENTIFIED
from lidepth.show.figures.mechanism import MECHANISM

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
VERBS = (
    "analyze", "cycler", "import", "mechanism growth", "mechanism facts",
    "mechanism audit", "mechanism modes", "mechanism simulate",
    "mechanism predict", "mechanism identify", "plan", "simulate", "demo", "stopping",
    "cite", "schema",
)  # fmt: skip


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", DOCS / "_ext" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_key_of_an_experiment_has_unit_and_meaning(tables: ModuleType) -> None:
    assert set(tables.KEYS) == set(tables.experiment_keys())
    assert all(unit and len(meaning) > 10 for unit, meaning in tables.KEYS.values())


def test_every_key_of_an_experiment_is_on_its_page(tables: ModuleType) -> None:
    text = tables.filled(page("experiment.md"))
    missing = [key for key in tables.experiment_keys() if f"| `{key.split('.')[-1]}` |" not in text]
    assert not missing
    assert "%%TABLE" not in text


def test_every_marker_has_a_table(tables: ModuleType) -> None:
    for file in PAGES:
        text = file.read_text(encoding="utf-8")
        for marker in re.findall(r"^%%TABLE.*$", text, re.MULTILINE):
            filled = tables.filled(marker)
            assert filled != marker, file
            assert filled.strip(), file


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_explained(name: str) -> None:
    assert f"`{name}`" in page("results.md")


@pytest.mark.parametrize("name", LEDGER_COLUMNS)
def test_every_column_of_the_ledger_is_explained(name: str) -> None:
    assert f"`{name}`" in page("results.md")


def test_every_key_of_a_plan_is_on_its_page() -> None:
    text = page("simulate.md")
    for section, keys in _SECTIONS.items():
        rows = "".join(re.findall(rf"^\| `{section}`.*$", text, re.MULTILINE))
        assert not [key for key in keys if f"`{key}`" not in rows], section


def test_every_quality_flag_is_explained() -> None:
    text = page("quality.md")
    assert all(f"| {flag.words} |" in text for flag in Quality if flag)


@pytest.mark.parametrize("draw", MECHANISM, ids=lambda draw: draw.__name__)
def test_every_figure_of_the_statements_is_explained(draw: Callable[..., object]) -> None:
    assert f"`{draw.__name__}`" in page("physics/mechanism.md")


@pytest.mark.parametrize("draw", IDENTIFIED, ids=lambda draw: draw.__name__)
def test_every_figure_of_the_identification_is_explained(draw: Callable[..., object]) -> None:
    assert f"`{draw.__name__}`" in page("physics/identify.md")


def test_the_choices_of_the_identification_are_stated() -> None:
    text, prior = page("physics/identify.md"), Prior()
    for said in (
        f"{100 * prior.growth_low:g} to {100 * prior.growth_high:g} % of the first",
        f"{prior.kappa_low:g} to {prior.kappa_high:g}, even",
        f"{100 * prior.most_film:g} % of the film",
        f"± {100 * prior.silicon_rel:g} %, ± {100 * prior.cathode_rel:g} %",
        f"{prior.resistance_gain:g} ({prior.resistance_gain_spread:g})",
        f"{100 * prior.cathode_loss:g} % ({prior.cathode_loss_spread:g})",
        f"0 ± {100 * prior.leak:g} %", f"{1e3 * prior.potential_v:g} mV", f"{1e3 * HALF_V:g} mV",
        f"{1e3 * SETTLED_V:g} mV", f"{REACH_X:g} in x and {REACH_Y:g} in y", f"ln B = {SAMPLED:g}",
    ):  # fmt: skip
        assert said in text, said
    assert "0 ± 3·10⁻⁴" in text
    usual, more, most = (1e3 * HALF_V * stray for stray in STRAYS)
    assert f"{usual:g} mV as a whole\n(or {more:g} or {most:g} mV" in text
    assert prior.loss_rel == 3e-4
    for shape in SHAPES:
        assert f"| `{shape.name}` |" in text
        assert not shape.meaning or f"{shape.middle:g} ({shape.spread:g})" in text


def test_the_choices_of_the_growth_test_are_stated() -> None:
    text = page("physics/mechanism.md")
    for said in (
        f"{100 * growth.LEAK_STD:g} %", f"{100 * growth.QUIET:g} %",
        f"{100 * growth.SILICON_GROWTH:g} %", f"{100 * AGEING:g} %", f"ln B = {DECIDED:g}",
    ):  # fmt: skip
        assert said in text, said


def test_every_prior_is_stated(tables: ModuleType) -> None:
    constants = {
        name for name in vars(parameters)
        if name.isupper() and isinstance(getattr(parameters, name), float)
    }  # fmt: skip
    assert set(tables.PRIORS) == constants


def test_every_width_of_the_wander_is_stated() -> None:
    rows = {
        line.rsplit("`", 2)[1]: line
        for line in page("physics/campaign.md").splitlines()
        if line.startswith("| ") and line.rstrip(" |").endswith("`")
    }
    wander = asdict(Wander())
    stated = {"offset_kev": "0.5 keV"} | {
        name: f"{100 * width:g} %" for name, width in wander.items()
        if name not in ("offset_kev", "idle_days")
    }  # fmt: skip
    for name, width in stated.items():
        assert f"| {width} |" in rows[name], name
    assert f"{wander['idle_days']:g} days (`idle_days`)" in page("physics/campaign.md")
    assert wander["offset_kev"] == 0.5


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_explained(tables: ModuleType, verb: str) -> None:
    assert f"## lidepth {verb}\n" in tables.filled(page("cli.md"))


def test_every_option_is_explained(tables: ModuleType) -> None:
    commands = tables.commands()
    assert set(VERBS) <= set(commands)
    for text in commands.values():
        for line in text.splitlines():
            if line.startswith("| `-"):
                assert len(line.split("|")[2].strip()) > 5, line


def test_every_decision_has_a_date_and_what_speaks_against_it() -> None:
    records = sorted((DOCS / "why").glob("0*.md"))
    assert len(records) >= 8
    for number, record in enumerate(records, start=1):
        text = record.read_text(encoding="utf-8")
        assert text.startswith(f"# {number:04d} ")
        assert re.search(r"^20\d\d-\d\d-\d\d$", text, re.MULTILINE)
        assert re.search(r"^Context\n:.*^Decision\n:.*^Against it\n:", text, re.M | re.S), record


def test_the_code_refers_to_decisions_that_exist() -> None:
    for file in (DOCS.parent / "src").rglob("*.py"):
        for number in re.findall(r"docs/why/(\d{4})", file.read_text(encoding="utf-8")):
            assert (DOCS / "why" / f"{number}.md").is_file(), file


def test_the_pages_build_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    pytest.importorskip("pydata_sphinx_theme")
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(DOCS), str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
