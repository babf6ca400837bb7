"""House rules that no linter checks for us, read off the syntax tree."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "lidepth"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST = 450
MODULE_OF = {
    "pyyaml": "yaml", "sandiaspecutils": "SpecUtils", "access-parser": "access_parser",
}  # fmt: skip

every_file = pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def undocumented(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name.startswith("_"):
                continue
            if ast.get_docstring(node) is None:
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node.body, f"{prefix}{node.name}.")


@every_file
def test_nothing_prints_and_nothing_catches_everything(file):
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"print", "eval", "exec"}, node.lineno
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else ""
            everything = caught in {"", "Exception", "BaseException"}
            # Other people's readers raise anything: then it is raised again at once, as ours.
            (only, *more) = node.body
            as_ours = isinstance(only, ast.Raise) and only.cause is not None and not more
            assert not everything or (caught == "Exception" and as_ours), node.lineno


@every_file
def test_nothing_is_left_for_later(file):
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", file.read_text(encoding="utf-8"))


@every_file
def test_everything_public_is_documented(file):
    module = tree(file)
    assert ast.get_docstring(module)
    assert list(undocumented(module.body)) == []


@every_file
def test_no_file_is_longer_than_a_room(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_everything_imported_is_a_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"]]
    kinds = ("lunasrim", "neware", "arbin", "dask", "evidence", "pybamm")
    needed += [line for name in kinds for line in extras[name]]
    names = [re.split(r"[<>=~\[; ]", line)[0].lower() for line in needed]
    declared = {MODULE_OF.get(name, name) for name in names} | {"lidepth"}
    imported = set()
    for file in FILES:
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    assert imported - set(sys.stdlib_module_names) <= declared
