"""The wheel holds what the package needs at run time."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = out.glob("lidepth-*.whl")
    return file


def test_the_wheel_holds_tables_templates_and_types(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    data = (ROOT / "src").rglob("*")
    wanted = {
        file.relative_to(ROOT / "src").as_posix()
        for file in data
        if file.is_file() and file.suffix in {".py", ".csv", ".j2", ".typed", ".md"}
    }
    assert {"lidepth/py.typed", "lidepth/physics/data/icru49_elements.csv",
            "lidepth/show/templates/report.html.j2"} <= wanted  # fmt: skip
    assert wanted <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]


def test_the_wheel_carries_licence_and_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        texts = {n.split("/")[-1]: archive.read(n).decode() for n in archive.namelist()
                 if ".dist-info/" in n}  # fmt: skip
    assert "lidepth = lidepth.cli:main" in texts["entry_points.txt"]
    assert "BSD 3-Clause" in texts["LICENSE"]
    assert "License-Expression: BSD-3-Clause" in texts["METADATA"]
