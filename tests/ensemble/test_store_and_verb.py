"""Members on disk outlive what made them; lidepth ensemble goes on where it was."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from toys import MEMBERS, SEED, Tiny
from typer.testing import CliRunner

from lidepth.cli import app
from lidepth.errors import BadData, StoreError, WrongFormat
from lidepth.files.ensemble_store import NAME, MemberStore, fingerprint
from lidepth.files.ensemble_table import ENSEMBLE_COLUMNS
from lidepth.model.ensemble import Member

OURS = {"seed": "1", "kind": "bootstrap"}


def member(number: int, value: float = 1.0, failure: str = "") -> Member:
    values = np.full((2, 3), np.nan if failure else value + number)
    return Member(
        number=number, values=values, start=np.full((2, 3), np.nan), log_weight=-0.5, passes=3,
        seconds=0.25, failure=failure,
    )  # fmt: skip


def test_what_was_kept_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    made = [member(0, 1 / 3), member(2, failure="it did not settle"), member(1, -1e-300)]
    with MemberStore.open(tmp_path / NAME, OURS) as store:
        for one in made:
            store.keep(one)
        store.keep(member(0, 99.0))  # made twice, by two processes: the first stays
    with MemberStore.open(tmp_path / NAME, OURS) as store:
        found = store.members()
    assert [m.number for m in found] == [0, 1, 2]
    for old in made:
        np.testing.assert_array_equal(found[old.number].values, old.values)
        np.testing.assert_array_equal(found[old.number].start, old.start)
        assert found[old.number].failure == old.failure
        assert (found[old.number].log_weight, found[old.number].passes) == (-0.5, 3)


def test_another_seed_is_refused_by_name(tmp_path: Path) -> None:
    MemberStore.open(tmp_path / NAME, OURS).__exit__()
    with pytest.raises(BadData, match="seed is different") as caught:
        MemberStore.open(tmp_path / NAME, {**OURS, "seed": "2"})
    assert '"seed": "1"' in caught.value.remedy
    assert str(tmp_path / NAME) in str(caught.value)


def test_a_damaged_member_is_left_out_to_be_made_again(tmp_path: Path) -> None:
    with MemberStore.open(tmp_path / NAME, OURS) as store:
        for number in range(3):
            store.keep(member(number))
    connection = sqlite3.connect(tmp_path / NAME)
    (content,) = connection.execute("SELECT content FROM member WHERE number = 1").fetchone()
    flipped = bytes([content[0] ^ 1]) + content[1:]
    connection.execute("UPDATE member SET content = ? WHERE number = 1", (flipped,))
    connection.commit()
    connection.close()
    with MemberStore.open(tmp_path / NAME, OURS) as store:
        assert [m.number for m in store.members()] == [0, 2]
        store.keep(member(1))
        assert [m.number for m in store.members()] == [0, 1, 2]


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"not a database, but long enough to be looked at" * 30)
    with pytest.raises(WrongFormat, match="not a database of members"):
        MemberStore.open(tmp_path / NAME, OURS)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot keep the members"):
        MemberStore.open(tmp_path / "file" / NAME, OURS)


def test_the_fingerprint_follows_the_data_and_the_settings(tiny: Tiny) -> None:
    base = fingerprint(tiny.run, "text", OURS)
    assert fingerprint(tiny.run, "text", OURS) == base
    other = fingerprint(tiny.run, "text 2", {**OURS, "seed": "3"})
    assert {n for n in base if base[n] != other[n]} == {"the experiment file", "seed"}
    flags = tiny.run.series.flags.copy()
    flags[5] |= 1
    flagged = type(tiny.run)(**{**vars(tiny.run), "series": tiny.run.series.with_flags(flags)})
    changed = fingerprint(flagged, "text", OURS)
    assert {n for n in base if base[n] != changed[n]} == {"the spectra"}


# --- the verb --------------------------------------------------------------------------------


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["ensemble", *map(str, arguments)], prog_name="lidepth")
    return result.exit_code, result.output


def members_in(file: Path) -> int:
    if not file.is_file():
        return 0
    connection = sqlite3.connect(file)
    try:
        return int(connection.execute("SELECT count(*) FROM member").fetchone()[0])
    except sqlite3.OperationalError:  # the tables are not there yet
        return 0
    finally:
        connection.close()


def test_killed_and_started_again_it_finds_what_it_would_have_found(
    tiny: Tiny, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    wish = [tiny.file, "--out", out, "--seed", SEED]
    code = "from lidepth.cli import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "ensemble", *map(str, wish), "--members", "500"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    limit = time.monotonic() + 120.0
    while members_in(out / NAME) < 1 and time.monotonic() < limit and child.poll() is None:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    kept = members_in(out / NAME)
    assert kept >= 1
    exit_code, output = call(*wish, "--members", MEMBERS, "--json")
    assert exit_code == 0, output
    with MemberStore.open(out / NAME, about(out / NAME)) as store:
        found = store.members()[:MEMBERS]
    for new, old in zip(found, tiny.members, strict=True):
        np.testing.assert_array_equal(new.values, old.values)
    answer = json.loads(output)
    assert (answer["members"], answer["kind"], answer["seed"]) == (MEMBERS, "bootstrap", SEED)
    expected = tiny.prepared.gather(tiny.members, SEED)
    rows = answer["rows"]
    assert len(rows) == 3 * len(tiny.prepared.stated)
    np.testing.assert_allclose([row["std_uAh"] for row in rows], expected.std.ravel(), rtol=1e-8)
    with open(out / "ensemble.csv", encoding="utf-8", newline="") as stream:
        assert next(csv.reader(stream)) == list(ENSEMBLE_COLUMNS)
    assert (out / "figures" / "ensemble.svg").stat().st_size > 1000
    # What it was begun with decides: another seed is not mixed in.
    exit_code, output = call(tiny.file, "--out", out, "--seed", SEED + 1, "--members", MEMBERS)
    assert exit_code == 1
    assert "seed is different" in output


def about(file: Path) -> dict[str, str]:
    connection = sqlite3.connect(file)
    try:
        return dict(connection.execute("SELECT name, content FROM about"))
    finally:
        connection.close()


def test_a_folder_in_other_use_is_left_alone(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    exit_code, output = call(tiny.file, "--out", tmp_path)
    assert exit_code == 2
    assert "not from an earlier 'lidepth ensemble'" in output
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_processes_and_a_scheduler_are_not_both_meant(tiny: Tiny, tmp_path: Path) -> None:
    exit_code, output = call(
        tiny.file, "--out", tmp_path / "out", "--processes", 2, "--scheduler", "tcp://head:1"
    )
    assert exit_code == 2
    assert "two ways of the same" in output


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from lidepth.cli.ensemble import _cluster
    from lidepth.errors import UsageError

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"lidepth\[dask\]"), _cluster("tcp://head:8786"):
        pass


def test_the_smoother_has_no_other_kind_than_bootstrap(tiny: Tiny, tmp_path: Path) -> None:
    exit_code, output = call(
        tiny.file, "--out", tmp_path / "out", "--method", "smooth", "--kind", "posterior"
    )
    assert exit_code == 2
    assert "no ensemble of the kind posterior" in output
