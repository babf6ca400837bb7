"""Kills, full disks, flipped bits, cut logs: what was safe stays, what is wrong is found."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from lidepth.errors import BadInput, LidepthError, StoreError, WrongFormat
from lidepth.files.run_file import RunFile, check_integrity, database, repair, schema, store

sys.path.insert(0, str(Path(__file__).parent))
from made_runs import (
    TEXT,
    assert_same_log,
    assert_same_record,
    made_experiment,
    made_record,
    made_run,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks and kills as POSIX has them")

SPECTRA = 40
Ask = Callable[..., dict[str, Any]]

everyday_and_nightly = [
    pytest.param(15, id="everyday"),
    pytest.param(200, id="nightly", marks=pytest.mark.nightly),
]


@pytest.fixture(scope="module")
def child() -> Iterator[Ask]:
    """Ask a process that forks children which import ``SPECTRA`` made spectra."""
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("store_child.py"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdin is not None
    assert server.stdout is not None
    reader, writer = server.stdout, server.stdin

    def ask(path: Path, **request: Any) -> dict[str, Any]:
        (path.parent / "acks").unlink(missing_ok=True)
        wanted = {"spectra": SPECTRA, "path": str(path), "acks": str(path.parent / "acks")}
        writer.write(json.dumps(wanted | request) + "\n")
        writer.flush()
        answer: dict[str, Any] = json.loads(reader.readline())
        return answer

    with server:
        yield ask
        writer.close()


def whole_run(path: Path, spectra: int = SPECTRA, **how: int) -> Path:
    with RunFile.create(path, made_experiment(path.parent)) as run_file:
        run_file.add(made_run(spectra, **how))
    return path


def acknowledged(path: Path) -> int:
    """Spectra that the child said are safe, of this import."""
    acks = path.parent / "acks"
    lines = acks.read_text().split() if acks.exists() else []
    return int(lines[-1]) if lines else 0


def found(path: Path) -> int:
    """Spectra in the file, after making sure that they are the first ones, and right."""
    if not path.exists():
        return 0
    with RunFile.open(path) as run_file:
        records = run_file.recorded().records
    for number, record in enumerate(records):
        assert_same_record(record, made_record(number))
    return len(records)


def assert_complete(path: Path) -> None:
    assert found(path) == SPECTRA
    with RunFile.open(path) as run_file:
        assert run_file.experiment().text == TEXT
        assert_same_log(run_file.recorded().log, made_run(0).log)
    assert check_integrity(path).ok


def import_s(child: Ask, folder: Path) -> float:
    """How long a whole import takes on this machine at this hour, so that kills fall into it."""
    took = []
    for number in range(3):
        begin = perf_counter()
        child(folder / f"timed{number}.lidepth", commit=1)
        took.append(perf_counter() - begin)
    return sorted(took)[1]


@pytest.mark.parametrize("kills", everyday_and_nightly)
def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(
    child: Ask, tmp_path: Path, kills: int
) -> None:
    random = np.random.default_rng(kills)
    path, died, there, interrupted = tmp_path / "run0.lidepth", 0, 0, 0
    long_s = import_s(child, tmp_path)
    while died < kills:
        answer = child(path, delay_s=float(random.uniform(0.0, long_s)), commit=1)
        died += answer["signal"] == 9
        now = found(path)
        assert now >= there + acknowledged(path)
        interrupted += 0 < now < SPECTRA
        there = now
        if there == SPECTRA:
            path, there = tmp_path / f"run{died}.lidepth", 0
    assert interrupted >= kills // 10  # else the kills did not hit the import
    child(path)
    assert_complete(path)


def test_a_kill_at_every_store_call_of_a_commit_loses_nothing(child: Ask, tmp_path: Path) -> None:
    whole = child(tmp_path / "whole.lidepth", after=36, kill_at=10**9)
    assert whole["calls"] >= 4
    for torn in (False, True):
        for call in range(1, whole["calls"] + 1):
            path = tmp_path / f"run{call}{torn}.lidepth"
            answer = child(path, after=36, kill_at=call, torn=torn)
            assert answer["signal"] == 9
            assert acknowledged(path) == 36
            assert found(path) in (36, SPECTRA)
            assert child(path).get("error") is None
            assert_complete(path)


def test_a_kill_while_the_file_is_made_leaves_a_file_or_none(child: Ask, tmp_path: Path) -> None:
    call = 0
    while True:
        call += 2
        path = tmp_path / f"run{call}.lidepth"
        if child(path, kill_at=call, spectra=2)["signal"] != 9:
            break
        assert found(path) <= 2
        child(path)
        assert_complete(path)
    assert call > 10


@pytest.mark.parametrize(
    "levels", [pytest.param(12, id="everyday"),
               pytest.param(50, id="nightly", marks=pytest.mark.nightly)],
)  # fmt: skip
def test_a_full_disk_is_one_clear_error_at_every_fill_level(
    child: Ask, tmp_path: Path, levels: int
) -> None:
    whole = child(tmp_path / "whole.lidepth")
    assert "error" not in whole
    most = 1_500_000  # bytes: more than the log of this import takes
    failed = 0
    for level, limit in enumerate(np.linspace(0, most, levels).astype(int).tolist()):
        path = tmp_path / f"run{level}.lidepth"
        answer = child(path, limit=limit)
        assert answer["signal"] == 0
        if "error" in answer:
            failed += 1
            assert answer["error"] == "StoreError", answer["words"]
            assert "could not be written" in answer["words"]
        assert found(path) >= answer["acknowledged"]
        if level % 7 == 0:
            child(path)
            assert_complete(path)
    assert levels / 5 < failed < levels


def test_no_space_at_any_write_is_one_clear_error(child: Ask, tmp_path: Path) -> None:
    for call in (1, 2, 3, 5, 8, 13, 21, 34):
        path = tmp_path / f"run{call}.lidepth"
        answer = child(path, full_at=call, after=4)
        assert answer.get("error") == "StoreError"
        assert "disk is full" in answer["words"]
        assert found(path) == answer["acknowledged"] == acknowledged(path)
        child(path)
        assert_complete(path)


@pytest.mark.parametrize(
    "flips", [pytest.param(150, id="everyday"),
              pytest.param(1000, id="nightly", marks=pytest.mark.nightly)],
)  # fmt: skip
def test_a_flipped_bit_is_found_or_harmless(tmp_path: Path, flips: int) -> None:
    content = whole_run(tmp_path / "whole.lidepth", channels=512).read_bytes()
    random = np.random.default_rng(flips)
    path = tmp_path / "flipped.lidepth"
    outcomes = {"refused": 0, "flagged": 0, "harmless": 0}
    for _ in range(flips):
        data = bytearray(content)
        data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
        path.write_bytes(data)
        outcomes[outcome(path, channels=512)] += 1
    assert outcomes["refused"] > 0.02 * flips
    assert outcomes["flagged"] > 0.05 * flips


def outcome(path: Path, channels: int) -> str:
    """What reading a damaged file gives; fails where other data are accepted."""
    try:
        with RunFile.open(path) as run_file:
            recorded = run_file.recorded()
            assert run_file.experiment().text == TEXT
    except LidepthError as error:
        return "refused" if str(path) in str(error) else "refused without a name"
    assert len(recorded.records) == SPECTRA
    for number, record in enumerate(recorded.records):
        if record.verified:
            assert_same_record(record, made_record(number, channels))
    assert_same_log(recorded.log, made_run(0).log)
    damaged = not all(record.verified for record in recorded.records)
    if damaged:
        assert not check_integrity(path).ok
    return "flagged" if damaged else "harmless"


def test_a_spectrum_that_takes_the_name_of_another_is_not_mistaken_for_it(tmp_path: Path) -> None:
    path = whole_run(tmp_path / "run.lidepth", 20)
    data = path.read_bytes()
    assert data.count(b"spec_00014.Spe") == 1
    path.write_bytes(data.replace(b"spec_00014.Spe", b"spec_00012.Spe"))
    with RunFile.open(path) as run_file:
        records = run_file.recorded().records
    assert [number for number, record in enumerate(records) if not record.verified] == [14]


def test_a_table_whose_name_is_no_text_any_more_is_refused(tmp_path: Path) -> None:
    path = whole_run(tmp_path / "run.lidepth", 4)
    data = path.read_bytes()
    for word in (b"notes_no_update", b"CREATE TABLE spectra", b"spectra_no_delete"):
        for letter in range(len(word)):
            at = data.index(word) + letter
            path.write_bytes(data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :])
            with pytest.raises(WrongFormat), RunFile.open(path) as run_file:
                run_file.recorded()


def test_a_file_of_which_nothing_is_whole_is_told_so(tmp_path: Path) -> None:
    path = whole_run(tmp_path / "run.lidepth", 8)
    path.write_bytes(path.read_bytes()[:8192])
    with pytest.raises(WrongFormat, match="nothing can be saved"):
        repair(path)
    assert path.stat().st_size == 8192


def test_a_cycler_log_that_lost_rows_is_filled_by_another_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lidepth.files.run_file.encode.MAX_BLOCK_ROWS", 4)
    path = whole_run(tmp_path / "run.lidepth", 4)
    change(path, "cycler", "content")
    assert any("cycler" in problem for problem in repair(path).problems)
    with RunFile.open(path) as run_file, pytest.raises(WrongFormat, match="cycler log are lost"):
        run_file.recorded()
    with RunFile.open(path, write=True) as run_file:
        run_file.add(made_run(4))
        assert "recorded anew" in " ".join(run_file.notes)
    with RunFile.open(path) as run_file:
        assert_same_log(run_file.recorded().log, made_run(4).log)


def fields() -> list[tuple[str, str]]:
    return [
        (table.name, name)
        for table in schema.TABLES[schema.VERSION]
        for name in (*table.header[1:], *(("content",) if table.content else ()))
    ]


@pytest.mark.parametrize(("table", "field"), fields())
def test_a_change_of_any_field_is_found(tmp_path: Path, table: str, field: str) -> None:
    path = whole_run(tmp_path / "run.lidepth", 8)
    change(path, table, field)
    report = check_integrity(path)
    assert not report.ok
    assert any(table in problem for problem in report.problems)
    with pytest.raises(LidepthError) if table not in ("spectra", "notes") else ok():
        with RunFile.open(path) as run_file:
            records = run_file.recorded().records
            run_file.experiment()
        doubtful = [n for n, record in enumerate(records) if not record.verified]
        assert doubtful == [2]


def ok() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def change(path: Path, table: str, field: str) -> None:
    """Alter one field of the third row, or the only one, behind the back of the triggers."""
    connection = sqlite3.connect(path, isolation_level=None)
    name = f"{table}_no_update"
    query = "SELECT sql FROM sqlite_schema WHERE name=?"
    (trigger,) = connection.execute(query, (name,)).fetchone()
    connection.execute(f"DROP TRIGGER {name}")
    row = min(3, connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0])  # noqa: S608
    query = f"SELECT {field} FROM {table} WHERE id=?"  # noqa: S608
    (old,) = connection.execute(query, (row,)).fetchone()
    new: Any = 1
    if isinstance(old, bytes):
        new = old[:-1] + bytes([old[-1] ^ 1])
    elif isinstance(old, str):
        new = old + "x" if field != "dtype" else "u2"
    elif isinstance(old, int | float):
        new = old + 1
    connection.execute(f"UPDATE {table} SET {field}=? WHERE id=?", (new, row))  # noqa: S608
    connection.execute(trigger)
    connection.close()


@pytest.mark.parametrize(
    "cuts", [pytest.param(40, id="everyday"),
             pytest.param(600, id="nightly", marks=pytest.mark.nightly)],
)  # fmt: skip
def test_a_cut_log_or_one_with_garbage_behind_it_holds_what_was_committed(
    child: Ask, tmp_path: Path, cuts: int
) -> None:
    """The stand-in for a power cut: whatever the log's end, a whole number of commits is there."""
    run = tmp_path / "run.lidepth"
    child(run, kill_at=1, after=36)
    wal = Path(f"{run}-wal").read_bytes()
    assert len(wal) > 100_000
    random = np.random.default_rng(cuts)
    path = tmp_path / "cut.lidepth"
    seen = set()
    for number in range(cuts):
        shutil.copy(run, path)
        at = len(wal) if number % 3 == 0 else int(random.integers(len(wal) + 1))
        tail = random.bytes(int(random.integers(1, 50_000))) if number % 3 != 1 else b""
        Path(f"{path}-wal").write_bytes(wal[:at] + tail)
        Path(f"{path}-shm").unlink(missing_ok=True)
        there = found(path)
        seen.add(there)
        assert there % 4 == 0
        assert there >= (36 if at == len(wal) else 0)
    assert len(seen) > 3


def test_the_second_writer_is_refused_and_a_dead_one_leaves_no_lock(
    child: Ask, tmp_path: Path
) -> None:
    path = whole_run(tmp_path / "run.lidepth", 8)
    with RunFile.open(path, write=True):
        with pytest.raises(StoreError, match="another program is writing"):
            RunFile.open(path, write=True)
        answer = child(path)
        assert answer["error"] == "StoreError"
        assert "another program is writing" in answer["words"]
    assert child(path, kill_at=1)["signal"] == 9
    RunFile.open(path, write=True).close()


def test_a_reader_never_sees_half_a_commit_while_another_writes(tmp_path: Path) -> None:
    path = tmp_path / "run.lidepth"
    experiment = made_experiment(tmp_path)
    run = made_run(120)
    polls, stop = [0], threading.Event()
    trouble: list[BaseException] = []

    def poll() -> None:
        last = 0
        try:
            while not stop.is_set():
                there = found(path)
                assert there % 4 == 0
                assert there >= last
                last = there
                polls[0] += 1
        except BaseException as error:  # noqa: BLE001  # the test must hear of it
            trouble.append(error)

    with RunFile.create(path, experiment) as run_file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "COMMIT_SPECTRA", 4)
        reader = threading.Thread(target=poll)
        reader.start()
        run_file.add(run)
        stop.set()
        reader.join()
    assert not trouble, trouble
    assert polls[0] >= 2
    assert found(path) == 120


def test_a_file_removed_under_the_writer_is_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "COMMIT_SPECTRA", 4)
    path = tmp_path / "run.lidepth"
    done: list[int] = []

    def remove(spectra: int, _: int) -> None:
        done.append(spectra)
        if spectra == 8:
            path.unlink()

    with (
        RunFile.create(path, made_experiment(tmp_path)) as run_file,
        pytest.raises(StoreError, match="removed or replaced"),
    ):
        run_file.add(made_run(), progress=remove)
    assert done == [4, 8]


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_a_store_error(tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    path = whole_run(folder / "run.lidepth", 8)
    folder.chmod(0o500)
    try:
        with pytest.raises(StoreError):
            RunFile.open(path, write=True)
        with pytest.raises(StoreError):
            RunFile.create(folder / "other.lidepth", made_experiment(folder))
        assert found(path) == 8
    finally:
        folder.chmod(0o700)


def test_a_log_to_recover_where_nothing_can_be_written_is_read_from_a_copy(
    child: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.lidepth"
    child(path, kill_at=1, after=36)
    real = database._connect

    def refuse(file: Path, mode: str) -> sqlite3.Connection:
        if file == path:
            raise StoreError("unable to open database file")
        return real(file, mode)

    monkeypatch.setattr(database, "_connect", refuse)
    with RunFile.open(path) as run_file:
        assert "copy" in run_file.notes[0]
        assert len(run_file.recorded().records) == 36


def test_without_shared_memory_a_rollback_journal_takes_over_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sqlite3.connect

    def without(name: Any, **how: Any) -> sqlite3.Connection:
        if "mode=rw" in str(name):
            name += "&vfs=unix-dotfile"  # locks by a file: no shared memory, so no WAL
        return real(name, **how)

    monkeypatch.setattr(sqlite3, "connect", without)
    path = tmp_path / "run.lidepth"
    with RunFile.create(path, made_experiment(tmp_path)) as run_file:
        run_file.add(made_run())
        assert "no shared memory" in run_file.notes[0]
        assert not Path(f"{path}-wal").exists()
    assert_complete(path)


def test_on_a_network_file_system_a_rollback_journal_takes_over_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "network_kind", lambda path: "nfs4")  # noqa: ARG005
    path = tmp_path / "run.lidepth"
    with RunFile.create(path, made_experiment(tmp_path)) as run_file:
        run_file.add(made_run())
        assert "network (nfs4)" in run_file.notes[0]
        assert found(path) == SPECTRA
    assert_complete(path)


def test_the_kind_of_a_file_system_is_that_of_the_nearest_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = f"/dev/a / ext4 rw 0 0\nhost:/x {tmp_path} nfs4 rw 0 0\nt {tmp_path}/in tmpfs rw 0 0\n"
    monkeypatch.setattr(Path, "read_text", lambda self, **how: mounts)  # noqa: ARG005
    assert database.network_kind(tmp_path / "run.lidepth") == "nfs4"
    assert database.network_kind(tmp_path / "in" / "run.lidepth") == ""
    assert database.network_kind(Path("/elsewhere/run.lidepth")) == ""


@pytest.mark.parametrize("seed", range(6))
def test_repair_saves_every_row_that_can_be_verified(tmp_path: Path, seed: int) -> None:
    path = whole_run(tmp_path / "run.lidepth", channels=512)
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(seed)
    if seed == 0:  # the page of a table itself
        place = data.index(b"\x0d", 2 * database.PAGE_BYTES + 1)
    else:  # somewhere in the rows
        place = data.index(f"spec_{5 * seed:05d}".encode(), 2 * database.PAGE_BYTES)
    data[place : place + 400] = bytes(random.integers(0, 256, 400, dtype=np.uint8))
    path.write_bytes(data)
    before = check_integrity(path)
    assert not before.ok
    report = repair(path)
    assert report.ok
    assert path.with_name("run.lidepth.damaged").read_bytes() == data
    assert check_integrity(path).ok
    with RunFile.open(path) as run_file:
        records = [r for r in run_file.recorded().records if r.verified]
    lost_notes = sum("notes" in problem for problem in before.problems)
    assert len(records) >= SPECTRA - len(before.damaged) - lost_notes
    for record in records:
        assert_same_record(record, made_record(int(record.source[13:18]), 512))
    with RunFile.open(path, write=True) as run_file:
        run_file.describe(made_experiment(tmp_path))
        run_file.add(made_run(channels=512))
    with RunFile.open(path) as run_file:
        recorded = run_file.recorded()
    assert len(recorded.records) == SPECTRA
    for record in recorded.records:
        assert record.verified
        assert_same_record(record, made_record(int(record.source[13:18]), 512))
    assert_same_log(recorded.log, made_run(0).log)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"SQLite format 3\0", "no run file"),
        (b"title: no\n" * 40, "no run file"),
        (bytes(4096), "no run file"),
    ],
)
def test_what_is_no_run_file_is_refused(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "run.lidepth"
    path.write_bytes(content)
    for what in (RunFile.open, check_integrity, repair):
        with pytest.raises(BadInput, match=kind):
            what(path)


def test_another_database_and_one_with_foreign_triggers_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.lidepth"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE spectra (a)")
    connection.close()
    with pytest.raises(WrongFormat, match="no run file"):
        RunFile.open(other)
    path = whole_run(tmp_path / "run.lidepth", 4)
    connection = sqlite3.connect(path)
    connection.execute("CREATE VIEW v AS SELECT * FROM spectra")
    connection.close()
    with pytest.raises(WrongFormat, match="tables"):
        RunFile.open(path)


def test_a_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    path = whole_run(tmp_path / "run.lidepth", 4)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={schema.VERSION + 1}")
    connection.close()
    with pytest.raises(
        WrongFormat, match=rf"(?s)schema {schema.VERSION + 1},.*newer lidepth"
    ) as caught:
        RunFile.open(path)
    assert str(path) in str(caught.value)
