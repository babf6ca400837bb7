"""Attacks that fit one format each: bombs, links out of the folder, sizes no file can hold."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lidepth.errors import BadInput, LidepthError, OutOfRange, Truncated, WrongFormat
from lidepth.files.readers import FORMATS, Dialect, read_spectra

sys.path.insert(0, str(Path(__file__).parent))

import made_own_files as made
from harness import assert_bounded, outcome

FORMAT = {one.key: one for one in FORMATS}
HUGE = 10**9


def reader(key: str, name: str = "a_1.gz") -> Callable[[bytes], object]:
    dialect = made.DIALECTS.get(key, Dialect())
    return lambda content: FORMAT[key].parse(content, Path(name), dialect)


def row(energy: int, tag: int = 5) -> bytes:
    return made.compass([(0, tag, energy, 0)])


ATTACKS = [
    ("amptek", made.amptek([10**30]), OutOfRange, "more counts than can be"),
    ("amptek", made.amptek([-3]), OutOfRange, "-3 is negative"),
    ("amptek", made.amptek().replace(b"<<END>>", b""), Truncated, "no <<END>>"),
    ("amptek", made.amptek(tail=made.DPP[:40]), Truncated, "within <<DP5"),
    ("amptek", made.amptek() + made.amptek(), WrongFormat, "twice"),
    ("amptek", made.amptek(start="13/13/2020 00:00:00"), WrongFormat, "start time"),
    ("genie", made.genie(row="1000000000 {count}\n"), WrongFormat, "one by one"),
    ("genie", made.genie(row="{i} {count} 1 1\n"), WrongFormat, "4 columns"),
    ("genie", made.genie(header=made.LYNX_HEADER * 40), WrongFormat, "not a spectrum exported"),
    ("genie", made.genie(header="Live time: nan\n"), WrongFormat, "not a time in seconds"),
    ("genie", made.genie(header="Live time (h): 3\n"), WrongFormat, "'h'"),
    ("fastcomtec", made.mpa(heading=f"{HUGE} "), OutOfRange, "more channels"),
    ("fastcomtec", made.mpa(heading="65 "), Truncated, "64 of 65"),
    ("fastcomtec", made.mpa(heading="63 "), WrongFormat, "64 numbers"),
    ("fastcomtec", made.mpa(extra="[X]\r\n" * 300), WrongFormat, "sections"),
    ("fastcomtec", made.mpa(extra="[DATA0,1 ]\r\n1\r\n"), WrongFormat, "twice"),
    ("fastcomtec", made.mpa().replace(b"fmt=asc", b"fmt=dat"), WrongFormat, "'dat'"),
    ("nicos", gzip.compress(b"0\n" * 10**7, mtime=0), OutOfRange, "more than any spectrum"),
    ("nicos", gzip.compress(bytes(10**8), mtime=0), OutOfRange, "more than any spectrum"),
    ("nicos", made.gz() + made.gz(), WrongFormat, "more follows"),
    ("nicos", made.gz()[:-3], Truncated, "too early"),
    ("nicos", gzip.compress(b"1 2\n3 4\n", mtime=0), WrongFormat, "one dimension"),
    ("nicos", gzip.compress(b"-1\n", mtime=0), OutOfRange, "negative"),
    ("compass", row(HUGE), OutOfRange, "1000000000 cannot be the energy"),
    ("compass", row(1, tag=HUGE * 10**12), WrongFormat, "not an event"),
    ("compass", row(1) + row(1, tag=4 * 10**18)[47:], OutOfRange, "would become"),
    ("compass", made.compass(header="TIMETAG;CALIB_ENERGY\n"), WrongFormat, "ENERGY"),
    ("compass", row(1).replace(b";1;", b";1.5;"), WrongFormat, "not an event"),
    ("compass", row(1).replace(b"0x0", b"zz"), WrongFormat, "flags"),
    ("compass", row(1).replace(b"0x0", b"0x" + b"0" * 30 + b"1"), WrongFormat, "too long"),
    ("compass", row(1).replace(b"\n0;", b"\n70000;"), WrongFormat, "not an event"),
    ("compass", row(1)[:-3], Truncated, "middle of a row"),
    ("iec", made.iec(channels=HUGE), WrongFormat, "line 2"),
    ("iec", made.iec(channels=99_999), Truncated, "of 99999 channels"),
    ("iec", made.iec(channels=60), WrongFormat, "more than the 60"),
    ("iec", made.iec(channels=0), WrongFormat, "no number of channels"),
    ("iec", made.iec().replace(b"A004    10", b"A004    15"), WrongFormat, "channel 10"),
    ("text", b"\n1000000000\t1\t1\n", WrongFormat, "one by one"),
    ("text", b"\n" * 5 * 10**6, OutOfRange, "more channels"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "content", "kind", "says"), ATTACKS)
def test_what_cannot_be_is_refused(
    key: str, content: bytes, kind: type[LidepthError], says: str
) -> None:
    found = outcome(reader(key), content)
    assert type(found) is kind, found
    assert says in str(found)
    assert_bounded(reader(key), content)


def test_a_long_list_of_events_takes_little_memory_beside_the_file() -> None:
    content = made.compass(made.events(seconds=3600.0, number=20_000))
    assert_bounded(reader("compass"), content)


YAML = [
    made.point(more="    extra: " + "[" * 5000),
    made.point(more="    a: &x [1]\n    b: *x\n"),
    made.point(more="    a: !!python/object/apply:os.system ['echo']\n"),
    made.point(started="yesterday"),
    b"measurement: 3\n",
    b"format:\n  - " + b"x" * 300_000,
    b"measurement:\n  history:\n    started: 7\n",
    b"measurement: \xff\n",
]


@pytest.mark.parametrize("content", YAML)
def test_hostile_yaml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p_1.gz").write_bytes(made.gz())
    (tmp_path / "p.yaml").write_bytes(content)
    found = outcome(lambda _: read_spectra(tmp_path / "p.yaml", key="nicos"), content)
    assert isinstance(found, BadInput), found


def test_a_point_opens_no_file_that_its_yaml_names(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "secret_1.gz").write_bytes(made.gz())
    names = "".join(f"    {key}: ../secret\n" for key in ("file", "image", "filename"))
    (folder / "p.yaml").write_bytes(made.point(more=names))
    with pytest.raises(BadInput, match="no spectrum lies beside"):
        read_spectra(folder / "p.yaml")


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "secret.gz").write_bytes(made.gz())
    (folder / "p.yaml").write_bytes(made.point())
    (folder / "p_1.gz").symlink_to(tmp_path / "secret.gz")
    with pytest.raises(BadInput, match="link out of the folder"):
        read_spectra(folder / "p.yaml")


def counts_of(file: Any) -> Any:
    return file["entry/instrument/det1"]


def replaced(value: Any = None, **how: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del counts_of(file)["counts"]
        counts_of(file).create_dataset("counts", data=value, **how)

    return change


def linked_out(file: Any) -> None:
    import h5py

    del counts_of(file)["counts"]
    counts_of(file)["counts"] = h5py.ExternalLink("/etc/passwd", "/counts")


def virtual(file: Any) -> None:
    import h5py

    del counts_of(file)["counts"]
    layout = h5py.VirtualLayout(shape=(3, 64), dtype="i8")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "counts", shape=(3, 64))  # noqa: S108
    counts_of(file).create_virtual_dataset("counts", layout)


def bomb(file: Any) -> None:
    """A chunk of 1 kB that unpacks to 64 MiB."""
    del counts_of(file)["counts"]
    data = counts_of(file).create_dataset(
        "counts", shape=(2, 64), chunks=(2, 64), dtype="i8", compression="gzip"
    )
    data.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**26), 9))


HDF5 = [
    (replaced(shape=(1, HUGE), dtype="i4"), OutOfRange, "more channels"),
    (replaced(shape=(HUGE, 64), dtype="i4", chunks=(1, 64)), OutOfRange, "announced in a file"),
    (replaced(shape=(4, 64), dtype="i8", chunks=(10**6, 64), maxshape=(None, 64),
              compression="gzip"), OutOfRange, "chunks of"),
    (bomb, OutOfRange, "unpacks to more"),
    (linked_out, WrongFormat, "no spectrum"),
    (virtual, WrongFormat, "another file"),
    (replaced(np.zeros((2, 4), dtype=[("a", "i4"), ("b", "i4")])), WrongFormat, "of the type"),
    (replaced(np.array([["a", "b"]], dtype="S1")), WrongFormat, "of the type"),
    (replaced(np.full((1, 8), -1)), OutOfRange, "negative"),
    (replaced(np.full((1, 8), 0.5)), WrongFormat, "whole number"),
    (replaced(np.full((1, 8), np.nan)), WrongFormat, "whole number"),
    (replaced(np.zeros((0, 8))), WrongFormat, "no counts"),
    (lambda file: counts_of(file)["live_time"].attrs.update({"units": "parsec"}), WrongFormat,
     "parsec"),
    (lambda file: counts_of(file).attrs.update({"NX_class": np.zeros(3)}), WrongFormat,
     "no spectrum"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "kind", "says"), HDF5)
def test_hostile_hdf5_is_refused(
    change: Callable[[Any], None], kind: type[LidepthError], says: str
) -> None:
    with pytest.raises(kind, match=says):
        reader("nexus")(made.nexus(change=change))


@pytest.mark.parametrize("size", [8, 100, 2000, 13_000])
def test_a_cut_hdf5_file_is_refused(size: int) -> None:
    with pytest.raises(WrongFormat, match="damaged"):
        reader("nexus")(made.nexus()[:size])


def test_an_hdf5_file_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from lidepth.files.readers import nexus

    monkeypatch.setattr(nexus, "_PATIENCE_S", 0.01)
    with pytest.raises(WrongFormat, match="does not end"):
        reader("nexus")(made.nexus())


def test_an_hdf5_library_that_crashes_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    crashed = subprocess.CompletedProcess([], -11, b"", b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: crashed)
    with pytest.raises(WrongFormat, match="library fails"):
        reader("nexus")(made.nexus())


@pytest.mark.nightly
def test_mutated_hdf5_ends_in_our_error() -> None:
    from harness import mutations

    for content in mutations(made.nexus(), number=500):
        try:
            for spectrum in reader("nexus")(content):  # type: ignore[attr-defined]
                assert spectrum.counts.min() >= 0
        except LidepthError:
            continue
