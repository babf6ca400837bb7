"""A run file holds what was recorded, only grows, and reads as the files it came from."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import zlib
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from lidepth.errors import BadData, StoreError, WrongFormat
from lidepth.files.assemble import assemble
from lidepth.files.experiment import read_experiment
from lidepth.files.gather import gather
from lidepth.files.raw import write_spe
from lidepth.files.records import Recorded
from lidepth.files.run_file import (
    Added,
    RunFile,
    append,
    check_integrity,
    database,
    encode,
    is_run_file,
    repair,
    schema,
)
from lidepth.files.run_folder import read_run
from lidepth.model.result import Run
from lidepth.model.spectra import UNUSABLE, Quality

sys.path.insert(0, str(Path(__file__).parents[1] / "hostile"))
from made_runs import (
    TEXT,
    assert_same_log,
    assert_same_record,
    made_experiment,
    made_log,
    made_record,
    made_run,
)

Campaign = Callable[..., Path]
SERIES = (
    "counts", "start", "live_s", "real_s", "monitor", "flags", "sources", "digests",
    "claimed_scale", "detector",
)  # fmt: skip


def imported(experiment_yaml: Path, out: Path | None = None) -> Path:
    path = out or experiment_yaml.with_name("run.lidepth")
    experiment = read_experiment(experiment_yaml)
    opened = RunFile.open(path, write=True) if path.exists() else RunFile.create(path, experiment)
    with opened as run_file:
        run_file.describe(experiment)
        run_file.add(gather(experiment))
    return path


def assert_same_run(found: Run, want: Run) -> None:
    for part in (found.series, want.series):
        assert part.counts.dtype == want.series.counts.dtype
    for name in SERIES:
        np.testing.assert_array_equal(getattr(found.series, name), getattr(want.series, name))
    np.testing.assert_array_equal(found.pristine, want.pristine)
    if want.log is None:
        assert found.log is None
    else:
        assert_same_log(found.log, want.log)
    same = ("title", "area_cm2", "area_rel_std", "stack")
    assert [getattr(found, name) for name in same] == [getattr(want, name) for name in same]
    assert (found.background is None) == (want.background is None)
    if want.background is not None and found.background is not None:
        np.testing.assert_array_equal(found.background.counts, want.background.counts)


def test_a_run_file_reads_as_the_files_it_came_from(campaign: Campaign) -> None:
    experiment = campaign(extra_data={"background": "empty/*.Spe"})
    write_spe(experiment.parent / "empty" / "a.Spe", np.ones(64, int),
              start=np.datetime64("2019-12-31T00:00:00"), live_s=480, real_s=480)  # fmt: skip
    shutil.copy(
        experiment.parent / "spectra" / "spec_00006.Spe",
        experiment.parent / "spectra" / "spec_00006 copy.Spe",
    )
    run = read_run(imported(experiment))
    assert_same_run(run, read_run(experiment))
    assert np.sum(run.series.flags & int(Quality.DUPLICATE) != 0) == 1


def test_the_shared_campaigns_read_the_same_from_a_run_file(shared: Path, tmp_path: Path) -> None:
    experiment = shared / "campaigns" / "quick" / "experiment.yaml"
    assert_same_run(read_run(imported(experiment, tmp_path / "q.lidepth")), read_run(experiment))


def test_importing_again_adds_only_what_is_new(campaign: Campaign) -> None:
    experiment = campaign()
    later = [experiment.parent / "spectra" / f"spec_0000{n}.Spe" for n in (8, 9)]
    for file in later:
        file.rename(file.with_suffix(".later"))
    monitor = experiment.with_name("monitor.csv")
    whole = monitor.read_text()
    monitor.write_text("".join(
        line for line in whole.splitlines(keepends=True)
        if not line.startswith(("spec_00008", "spec_00009"))
    ))  # fmt: skip
    path = imported(experiment)
    assert len(read_run(path).series) == 10
    for file in later:
        file.with_suffix(".later").rename(file)
    monitor.write_text(whole)
    with RunFile.open(path, write=True) as run_file:
        found = gather(read_experiment(experiment))
        assert run_file.add(found) == Added(spectra=2, cycler_rows=0, known=10)
        assert run_file.add(found) == Added(spectra=0, cycler_rows=0, known=12)
    run, want = read_run(path), read_run(experiment)
    assert_same_run(run, want)


def test_what_monitor_csv_says_later_of_a_known_spectrum_is_kept_beside_what_it_said(
    campaign: Campaign,
) -> None:
    experiment = campaign()
    path = imported(experiment)
    monitor = experiment.with_name("monitor.csv")
    monitor.write_text(monitor.read_text().replace("T00:08:00,479.69", "T00:08:00,470.5"))
    imported(experiment, path)
    assert read_run(path).series.live_s[1] == 470.5
    assert_same_run(read_run(path), read_run(experiment))
    connection = sqlite3.connect(path)
    query = "SELECT noted_live_s FROM notes WHERE spectrum_id = 2 ORDER BY id"
    assert connection.execute(query).fetchall() == [(479.69,), (470.5,)]
    connection.close()


def test_a_file_whose_content_changed_is_recorded_again_and_said(campaign: Campaign) -> None:
    experiment = campaign()
    path = imported(experiment)
    write_spe(experiment.parent / "spectra" / "spec_00003.Spe", np.full(64, 25),
              start=np.datetime64("2020-01-01T00:24:00"), live_s=480, real_s=480)  # fmt: skip
    imported(experiment, path)
    assert_same_run(read_run(path), read_run(experiment))
    with RunFile.open(path) as run_file:
        run_file.recorded()
        assert any("1 spectra were recorded again" in note for note in run_file.notes)
    assert check_integrity(path).spectra == 13


def test_every_field_of_a_record_survives(tmp_path: Path) -> None:
    path = tmp_path / "run.lidepth"
    run = made_run(80, rows=70_000)
    with RunFile.create(path, made_experiment(tmp_path)) as run_file:
        assert run_file.add(run) == Added(spectra=80, cycler_rows=70_000, known=0)
    with RunFile.open(path) as run_file:
        found = run_file.recorded()
        experiment = run_file.experiment()
    for one, other in zip(found.records, run.records, strict=True):
        assert_same_record(one, other)
    assert_same_log(found.log, run.log)
    assert found.log is not None
    assert found.log.source == "cycler.csv"  # no folder of some computer
    assert experiment.text == TEXT
    assert experiment.data.folder == tmp_path


@pytest.mark.parametrize("most", [0, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**53 - 1])
def test_counts_of_any_size_survive(most: int) -> None:
    counts = np.arange(100, dtype=np.int64) % (most + 1)
    counts[17] = most
    dtype, digest, content = encode.pack_counts(counts)
    into = np.empty(100, np.int64)
    planes = encode.unpack_counts(content, digest, channels=100, dtype=dtype)
    assert planes is not None
    encode.join_planes(planes, into=into)
    np.testing.assert_array_equal(into, counts)
    with pytest.raises(BadData):
        encode.pack_counts(-counts - 1)


def test_the_counts_of_a_long_run_are_in_memory_once(campaign: Campaign) -> None:
    experiment = campaign()
    with RunFile.open(imported(experiment)) as run_file:
        recorded = run_file.recorded()
    series = assemble(recorded, read_experiment(experiment)).series
    for row, record in zip(series.counts, recorded.records, strict=True):
        assert np.shares_memory(row, record.raw.counts)
        np.testing.assert_array_equal(row, record.raw.counts)


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(WrongFormat):
        encode.unpack(zlib.compress(bytes(10**7)), 4096)


def test_a_growing_cycler_log_adds_its_new_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "run.lidepth"
    with RunFile.create(path, made_experiment(tmp_path)) as run_file:
        for rows, new in ((300, 300), (300, 0), (500, 200)):
            run = Recorded(records=(), log=made_log(rows))
            assert run_file.add(run).cycler_rows == new
            assert_same_log(run_file.recorded().log, made_log(rows))
        assert run_file.notes == ()


def test_a_cycler_log_that_begins_otherwise_replaces_the_old_one_which_stays(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.lidepth"
    with RunFile.create(path, made_experiment(tmp_path)) as run_file:
        run_file.add(Recorded(records=(), log=made_log(300)))
        other = made_log(200, first=0.5)
        assert run_file.add(Recorded(records=(), log=other)).cycler_rows == 200
        assert "does not begin as the one recorded before" in run_file.notes[0]
        assert_same_log(run_file.recorded().log, other)
    connection = sqlite3.connect(path)
    kept = connection.execute("SELECT series, row_count FROM cycler ORDER BY id").fetchall()
    connection.close()
    assert kept == [(1, 300), (2, 200)]


def test_every_text_of_experiment_yaml_is_kept_once(campaign: Campaign) -> None:
    experiment = campaign()
    path = imported(experiment)
    imported(experiment, path)
    experiment.write_text(experiment.read_text().replace("title: small", "title: larger"))
    imported(experiment, path)
    connection = sqlite3.connect(path)
    texts = connection.execute("SELECT experiment, versions FROM settings ORDER BY id").fetchall()
    connection.close()
    assert [text.splitlines()[0] for text, _ in texts] == ["title: small", "title: larger"]
    assert "lidepth" in json.loads(texts[0][1])
    assert read_run(path).title == "larger"


def test_nothing_can_be_changed_or_removed(tmp_path: Path) -> None:
    path = tmp_path / "run.lidepth"
    with RunFile.create(path, made_experiment(tmp_path)) as run_file:
        run_file.add(made_run(4))
    connection = sqlite3.connect(path)
    for table in schema.TABLES[schema.VERSION]:
        for sql in (f"DELETE FROM {table.name}", f"UPDATE {table.name} SET id = id + 1"):  # noqa: S608
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                connection.execute(sql)
    connection.close()


def test_a_damaged_spectrum_is_flagged_keeps_its_place_and_is_left_out_of_sums(
    campaign: Campaign,
) -> None:
    experiment = campaign()
    path = imported(experiment)
    connection = sqlite3.connect(path)
    (content,) = connection.execute("SELECT content FROM spectra WHERE id = 6").fetchone()
    connection.close()
    data = path.read_bytes()
    assert data.count(content) == 1
    path.write_bytes(data.replace(content, content[:20] + bytes([content[20] ^ 4]) + content[21:]))
    want, found = read_run(experiment).series, read_run(path).series
    np.testing.assert_array_equal(found.start, want.start)
    assert found.flags[5] & int(Quality.UNVERIFIED)
    assert int(Quality.UNVERIFIED) & int(UNUSABLE)
    assert found.counts[5].sum() == 0
    assert not found.usable[5]
    others = np.arange(12) != 5
    np.testing.assert_array_equal(found.counts[others], want.counts[others])
    assert not (found.flags[others] & int(Quality.UNVERIFIED)).any()
    report = check_integrity(path)
    assert (report.ok, report.damaged) == (False, (6,))
    imported(experiment, path)
    assert_same_run(read_run(path), read_run(experiment))
    assert repair(path).ok
    assert check_integrity(path) == replace(report, ok=True, problems=(), damaged=(), spectra=12)
    assert_same_run(read_run(path), read_run(experiment))


def old_run_file(path: Path, spectra: int = 20) -> Path:
    """A run file as schema 0 had it: without the columns ``detector`` and ``after_s``."""
    database.create(path, version=0)
    connection = sqlite3.connect(path)
    tables = {table.name: table for table in schema.TABLES[0]}
    totals = dict.fromkeys(tables, 0)

    def insert(name: str, content: bytes | None = None, **values: object) -> None:
        table = tables[name]
        totals[name] += 1
        given = {"import_id": 1, **values, "id": totals[name]}
        header = [given[column] for column in table.header[:-1]]
        row = [*header, encode.row_sum(name, header), *([content] if table.content else [])]
        marks = ",".join("?" * len(row))
        connection.execute(f"INSERT INTO {name} VALUES ({marks})", row)  # noqa: S608

    insert("settings", at="2020", versions="{}", experiment=TEXT)
    for number in range(spectra):
        record = made_record(number)
        raw = record.raw
        dtype, digest, content = encode.pack_counts(raw.counts)
        offset, gain = raw.calibration or (None, None)
        insert(
            "spectra", source=record.source, record=raw.record, sha256=raw.sha256,
            grp=record.group, start_ns=encode.nanoseconds(raw.start),
            live_s=encode.known(raw.live_s), real_s=raw.real_s, monitor=raw.monitor,
            offset_kev=offset, gain_kev=gain, remarks=json.dumps(raw.remarks), flags=0,
            channels=64, dtype=dtype, content_sum=digest, content=content,
        )  # fmt: skip
        insert(
            "notes", spectrum_id=number + 1, noted_start_ns=encode.nanoseconds(record.noted_start),
            noted_live_s=encode.known(record.noted_live_s),
            noted_monitor=encode.known(record.noted_monitor), noted_line=record.noted_line,
            pristine=int(record.pristine),
        )  # fmt: skip
    counted = {f"{table.name}_rows": totals[table.name] for table in schema.GROWING}
    insert("imports", at="2020", lidepth="0.0", what="all", **counted)
    connection.commit()
    connection.close()
    return path


def assert_old_records(recorded: Recorded, spectra: int = 20) -> None:
    for number, found in enumerate(recorded.records):
        want = made_record(number)
        assert_same_record(found, replace(want, raw=replace(want.raw, detector="", after_s=0.0)))
    assert len(recorded.records) == spectra


def test_an_older_schema_is_read_through_a_copy_and_renewed_only_when_asked(
    tmp_path: Path,
) -> None:
    path = old_run_file(tmp_path / "run.lidepth")
    before = path.read_bytes()
    with RunFile.open(path) as run_file:
        assert "keeps schema 0" in run_file.notes[0]
        assert_old_records(run_file.recorded())
        assert run_file.experiment().title == "made"
        assert run_file.path == path
    with pytest.raises(WrongFormat, match=r"(?s)older schema 0.*--repair"):
        RunFile.open(path, write=True)
    assert check_integrity(path).ok
    assert path.read_bytes() == before
    assert repair(path).ok
    assert (tmp_path / "run.lidepth.schema-0").read_bytes() == before
    with RunFile.open(path, write=True) as run_file:
        assert run_file.notes == ()
        assert_old_records(run_file.recorded())
        run_file.add(Recorded(records=(), log=made_log()))


def test_a_damaged_older_file_is_not_migrated_in_silence(tmp_path: Path) -> None:
    path = old_run_file(tmp_path / "run.lidepth")
    data = path.read_bytes()
    at = data.index(b"spec_00007")
    path.write_bytes(data[:at] + b"spec_00070"[:10] + data[at + 10 :])
    with pytest.raises(WrongFormat, match="damaged"):
        RunFile.open(path)
    assert repair(path).damaged == (8,)
    with RunFile.open(path) as run_file:
        assert len(run_file.recorded().records) == 19


def test_an_older_file_that_claims_to_be_of_this_schema_is_refused(tmp_path: Path) -> None:
    path = old_run_file(tmp_path / "run.lidepth")
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={schema.VERSION}")
    connection.close()
    with pytest.raises(WrongFormat, match="tables"):
        RunFile.open(path)


def test_a_run_file_is_told_from_an_experiment_by_its_name_or_its_first_bytes(
    campaign: Campaign, tmp_path: Path
) -> None:
    experiment = campaign()
    path = imported(experiment)
    assert is_run_file(path)
    other = tmp_path / "renamed.db"
    shutil.copy(path, other)
    assert is_run_file(other)
    assert not is_run_file(experiment)
    assert not is_run_file(tmp_path)
    assert_same_run(read_run(other), read_run(experiment))


def test_a_finished_import_leaves_one_ordinary_file_that_can_be_copied(campaign: Campaign) -> None:
    path = imported(campaign())
    beside = {file.name for file in path.parent.glob("run.lidepth*")}
    assert beside == {"run.lidepth", "run.lidepth-writer"}
    assert path.with_name("run.lidepth-writer").stat().st_size == 0
    with RunFile.open(path) as run_file:
        assert run_file.notes == ()


def test_nobody_writes_over_a_run_file(campaign: Campaign) -> None:
    experiment = campaign()
    path = imported(experiment)
    with pytest.raises(StoreError, match="exists"):
        RunFile.create(path, read_experiment(experiment))


def test_ten_lines_of_python_read_a_run_file_without_lidepth(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "run_file.md").read_text(encoding="utf-8")
    lines = page.split("```python\n")[1].split("```")[0]
    assert len(lines.strip().splitlines()) <= 10
    with RunFile.create(tmp_path / "run.lidepth", made_experiment(tmp_path)) as run_file:
        run_file.add(made_run(9))
    names: dict[str, object] = {}
    exec(lines.replace('"campaign/run.lidepth"', repr(str(tmp_path / "run.lidepth"))), names)  # noqa: S102
    spectra = names["spectra"]
    assert isinstance(spectra, list)
    for number, (_, start, counts) in enumerate(spectra):
        want = made_record(number).raw
        np.testing.assert_array_equal(counts, want.counts)
        assert start == want.start


def test_the_parts_of_a_record_are_the_columns_of_its_tables() -> None:
    """A field added to Record or RawSpectrum must find its column, or it would be lost."""
    from lidepth.files.readers import RawSpectrum
    from lidepth.files.records import Record

    kept = {
        "counts": "content", "start": "start_ns", "calibration": "offset_kev", "group": "grp",
        "noted_start": "noted_start_ns", "verified": "flags", "raw": "id",
    }  # fmt: skip
    columns = {*schema.SPECTRA.header, *schema.NOTES.header, "content"}
    for kind in (Record, RawSpectrum):
        for part in fields(kind):
            assert kept.get(part.name, part.name) in columns


def test_lidepth_import_says_what_it_did_for_people_and_machines(campaign: Campaign) -> None:
    from typer.testing import CliRunner

    from lidepth.cli import app

    experiment = campaign()
    out = experiment.parent / "made" / "run.lidepth"

    def call(*more: str) -> str:
        words = ["import", str(experiment), "--out", str(out), *more]
        answer = CliRunner().invoke(app, words)
        assert answer.exit_code == 0, answer.output
        return answer.stdout

    first = call()
    assert "added     12 spectra, 97 cycler rows" in first
    answer = json.loads(call("--json"))
    assert set(answer) == {"out", "added", "known", "spectra", "cycler_rows", "flags", "notes"}
    assert answer["added"] == {"spectra": 0, "cycler_rows": 0}
    assert (answer["known"], answer["spectra"], answer["cycler_rows"]) == (12, 12, 97)
    wrong = CliRunner().invoke(app, ["import", str(experiment), "--out", str(out) + ".txt"])
    assert wrong.exit_code == 2
    blocked = CliRunner().invoke(
        app, ["import", str(experiment), "--out", str(experiment / "run.lidepth")]
    )
    assert blocked.exit_code == 4


def test_only_the_appender_writes_rows() -> None:
    home = Path(append.__file__).parent
    writers = {file.name for file in home.glob("*.py") if "INSERT INTO" in file.read_text()}
    assert writers == {"append.py"}
