"""The folder of results is whole or as it was, and other people's files stay."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lidepth.cli._folder import result_folder
from lidepth.errors import StoreError


def write(out: Path, *names: str, force: bool = False) -> None:
    with result_folder(out, verb="analyze", force=force) as folder:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"new {name}")


def files(out: Path) -> set[str]:
    return {f.relative_to(out).as_posix() for f in out.rglob("*") if f.is_file()}


def test_a_new_folder_is_as_open_as_any_other(tmp_path):
    write(tmp_path / "out", "a", "figures/b")
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert files(tmp_path / "out") == {"a", "figures/b", ".lidepth-analyze.json"}


def test_an_earlier_result_is_replaced_and_notes_stay(tmp_path):
    out = tmp_path / "out"
    write(out, "a", "figures/old", "gone/x")
    (out / "figures" / "notes").write_text("mine")
    write(out, "a", "figures/new")
    assert files(out) == {"a", "figures/new", "figures/notes", ".lidepth-analyze.json"}
    assert not (out / "gone").exists()


def test_after_a_failure_the_earlier_result_is_untouched(tmp_path):
    out = tmp_path / "out"
    write(out, "a")

    def fail_half_way() -> None:
        with result_folder(out, verb="analyze", force=False) as folder:
            (folder / "a").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert (out / "a").read_text() == "new a"
    assert os.listdir(tmp_path) == ["out"]


def test_a_list_that_points_outside_removes_nothing_there(tmp_path):
    out = tmp_path / "out"
    write(out, "a")
    (tmp_path / "precious").write_text("mine")
    names = ["../precious", str(tmp_path / "precious"), 5]
    (out / ".lidepth-analyze.json").write_text(json.dumps({"files": names}))
    write(out, "a")
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize("damaged", ["", "[]", "{}", '{"files": 3}', '{"files": "ab"}'])
def test_a_damaged_list_is_no_obstacle(tmp_path, damaged):
    out = tmp_path / "out"
    write(out, "a", "b")
    (out / ".lidepth-analyze.json").write_text(damaged)
    write(out, "a")
    assert files(out) == {"a", "b", ".lidepth-analyze.json"}


def test_a_full_disk_at_the_last_moment_is_named(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(StoreError, match="No space left"):
        write(tmp_path / "out", "a")
    assert os.listdir(tmp_path) == []
