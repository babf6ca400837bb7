"""Damaged and hostile analyser files end in one of our errors, soon and in little memory."""

from __future__ import annotations

import struct
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lidepth.errors import LidepthError, OutOfRange, Truncated, WrongFormat
from lidepth.files.readers import FORMATS, Dialect, RawSpectrum

sys.path.insert(0, str(Path(__file__).parent))

import made_files as made
from harness import assert_bounded, cuts, mutations, outcome

FORMAT = {one.key: one for one in FORMATS}
KEYS = sorted(made.MADE)
KNOW_THEIR_LENGTH = ("chn", "cnf", "n42", "spc")
"""Formats that say how long a file is, so that no cut can go unseen."""


def reader(key: str) -> Callable[[bytes], tuple[RawSpectrum, ...]]:
    name = made.MADE[key]()[1]
    dialect = made.DIALECTS.get(key, Dialect())
    return lambda content: FORMAT[key].parse(content, Path(name), dialect)


def test_every_format_is_tried() -> None:
    in_a_process_of_its_own = {"nexus"}  # too slow for thousands of files: its own attacks
    assert set(made.MADE) == set(FORMAT) - in_a_process_of_its_own


@pytest.mark.parametrize("key", KEYS)
def test_the_good_file_is_read(key: str) -> None:
    spectra = reader(key)(made.MADE[key]()[0])
    assert spectra
    assert all(spectrum.counts.sum() > 0 for spectrum in spectra)


@pytest.mark.parametrize("key", KEYS)
def test_a_file_cut_anywhere_ends_in_our_error(key: str) -> None:
    read, (content, _) = reader(key), made.MADE[key]()
    for part in cuts(content):
        found = outcome(read, part)
        if key in KNOW_THEIR_LENGTH and part.rstrip(b"\n") != content.rstrip(b"\n"):
            assert isinstance(found, LidepthError), f"a cut at byte {len(part)} went unseen"


@pytest.mark.parametrize("key", KEYS)
def test_a_mutated_file_ends_in_our_error_or_in_possible_counts(key: str) -> None:
    read, (content, _) = reader(key), made.MADE[key]()
    for changed in mutations(content):
        found = outcome(read, changed)
        if isinstance(found, LidepthError):
            continue
        for spectrum in found:  # type: ignore[attr-defined]
            assert spectrum.counts.min() >= 0
            assert spectrum.calibration is None or np.all(np.isfinite(spectrum.calibration))


@pytest.mark.parametrize("key", KEYS)
def test_memory_stays_below_ten_times_the_file(key: str) -> None:
    read, (content, _) = reader(key), made.MADE[key]()
    read(content)  # imports are not the file's
    for changed in (content, *mutations(content, number=20, seed=3)):
        assert_bounded(read, changed)


def patched(content: bytes, place: int, form: str, *values: int) -> bytes:
    data = bytearray(content)
    struct.pack_into("<" + form, data, place, *values)
    return bytes(data)


CNF_ACQUISITION = 2048 + 48
BINARY = [
    ("chn", patched(made.chn(), 30, "H", 65535), Truncated, "65535 channels"),
    ("chn", patched(made.chn(), 30, "H", 0), Truncated, "65536 channels"),
    ("chn", patched(made.chn(), 30, "H", 63), WrongFormat, "follow the end"),
    ("chn", patched(made.chn(), 28, "H", 7), WrongFormat, "channel 7"),
    ("chn", patched(made.chn(), 36, "i", -5), OutOfRange, "-5 counts"),
    ("spc", patched(made.spc(), 64, "H", 65535), WrongFormat, "cannot hold 65535"),
    ("spc", patched(made.spc(), 62, "hH", 2048, 65535), Truncated, "65535 channels"),
    ("spc", patched(made.spc(), 60, "h", -3), WrongFormat, "record -3"),
    ("spc", patched(made.spc(), 34, "h", 999), Truncated, "calibration"),
    ("spc", patched(made.spc(), 34, "h", -9), WrongFormat, "number -9"),
    ("spc", patched(made.spc(), 128 * 3, "i", -5), OutOfRange, "-5 counts"),
    ("cnf", patched(made.cnf(), CNF_ACQUISITION + 0x89, "I", 10**9), WrongFormat, "1000000000"),
    ("cnf", patched(patched(made.cnf(), CNF_ACQUISITION + 0x89, "I", 10**9), 3072 + 42, "H",
                    10**9 % 2**16), OutOfRange, "1000000000"),
    ("cnf", patched(patched(made.cnf(), CNF_ACQUISITION + 0x89, "I", 2**20), 3072 + 42, "H", 0),
     Truncated, "1048576 channels"),
    ("cnf", patched(made.cnf(), 122, "I", 2**32 - 1), Truncated, "block 0x12000"),
    ("cnf", patched(made.cnf(), 2048 + 34, "HH", 65535, 65535), Truncated, "acquisition block"),
    ("cnf", patched(made.cnf(), CNF_ACQUISITION + 161, "Q", 2**63), WrongFormat, "start time"),
    ("cnf", patched(made.cnf(), CNF_ACQUISITION + 169, "Q", 2**63), WrongFormat, "real time"),
    ("cnf", patched(made.cnf(), 3584, "i", -5), OutOfRange, "-5 counts"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "content", "kind", "says"), BINARY)
def test_numbers_in_a_header_that_cannot_be_are_refused(
    key: str, content: bytes, kind: type[LidepthError], says: str
) -> None:
    assert_bounded(reader(key), content)
    found = outcome(reader(key), content)
    assert type(found) is kind, found
    assert says in str(found)


def n42_counts(text: str, code: str = "CountedZeroes") -> bytes:
    spectrum = made.n42_spectrum("A", code=code, text=text)
    return made.n42(made.n42_measurement(start="2020-02-29T23:59:58", spectra=spectrum))


LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">'
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)
N42 = [
    (n42_counts("1 0 1000000000 1"), OutOfRange, "1e+09 channels"),
    (n42_counts("0 100000 " * 40), OutOfRange, "4e+06 channels"),
    (n42_counts("0 9007199254740993 1"), OutOfRange, "cannot be"),
    (n42_counts("1 0 -5 1"), OutOfRange, "-5"),
    (n42_counts("1 0 2.5 1"), WrongFormat, "2.5"),
    (n42_counts("1 2 0"), WrongFormat, "no length"),
    (n42_counts("1 2 x 4", "None"), WrongFormat, "'x'"),
    (n42_counts("1 2 nan 4", "None"), WrongFormat, "'nan'"),
    (n42_counts("1 -2 4", "None"), OutOfRange, "-2"),
    (n42_counts("1 2e300 4", "None"), OutOfRange, "2e+300"),
    (n42_counts("1 2 4", "zip"), WrongFormat, "'zip'"),
    (made.n42().replace(b"<RadInst", b'<!DOCTYPE x [<!ENTITY a "b">]><RadInst', 1), WrongFormat,
     "document type"),
    (made.n42().replace(b"<RadInst", LAUGHS.encode() + b"<RadInst", 1), WrongFormat,
     "document type"),
    (made.n42().replace(b"<RadInst", b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><RadInst', 1),
     WrongFormat, "document type"),
    (made.n42().replace(b"PT480", b"&a;480", 1), WrongFormat, "damaged"),
    (made.n42("<a>" * 100_000 + "</a>" * 100_000), WrongFormat, "64 levels"),
    (made.n42().replace(b"utf-8", b"utf-7"), WrongFormat, "N42"),
    (b"<html><body>not found</body></html>", WrongFormat, "'html'"),
    (b"\x1f\x8b" + bytes(100), WrongFormat, "not an N42"),
    (made.n42("<a/>"), WrongFormat, "no spectrum"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "says"), N42)
def test_hostile_xml_is_refused(content: bytes, kind: type[LidepthError], says: str) -> None:
    assert_bounded(reader("n42"), content)
    found = outcome(reader("n42"), content)
    assert type(found) is kind, found
    assert says in str(found)


def test_many_empty_elements_cost_no_memory() -> None:
    """As a tree they would take thirty times the file."""
    content = made.n42("<a/>" * 100_000)
    tracemalloc.start()
    try:
        with pytest.raises(WrongFormat, match="no spectrum"):
            reader("n42")(content)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(content)
    finally:
        tracemalloc.stop()
