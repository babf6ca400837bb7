"""House rules that no linter checks for us, read off the syntax tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "lidepth"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST = 450

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
            assert caught not in {"", "Exception", "BaseException"}, node.lineno


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
