"""Damaged and hostile cycler files end in one of our errors, soon and in little memory."""

from __future__ import annotations

import io
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lidepth.errors import LidepthError, OutOfRange, WrongFormat
from lidepth.files.cyclers import ColumnMap, read_cycler
from lidepth.model.cycling import CyclerLog

sys.path.insert(0, str(Path(__file__).parent))

import made_cyclers as made
from harness import FLOOR_BYTES, assert_bounded, cuts, mutations, outcome

GENERIC = ColumnMap(
    names={"elapsed": "t", "voltage": "U_cell", "current": "I_cell"},
    units={"elapsed": "s", "voltage": "V", "current": "uA"},
)
Read = Callable[[bytes], CyclerLog]


@pytest.fixture(autouse=True)
def no_plug_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for them takes 10 ms, ten thousand times over."""
    monkeypatch.setattr("lidepth.files.cyclers.entry_points", lambda **_: ())


@pytest.fixture
def reader(tmp_path: Path) -> Callable[[str], Read]:
    """Give what reads bytes as a file of this name."""

    def of(name: str) -> Read:
        path = tmp_path / name
        how = {"key": "csv", "columns": GENERIC} if name == made.TEXTS["csv"][1] else {}

        def read(content: bytes) -> CyclerLog:
            path.write_bytes(content)
            return read_cycler(path, **how)

        return read

    return of


@pytest.mark.parametrize("key", made.TEXTS)
def test_a_text_cut_within_a_row_is_refused(reader: Callable[[str], Read], key: str) -> None:
    maker, name = made.TEXTS[key]
    content, read = maker(), reader(name)
    whole = read(content)
    for cut in cuts(content):
        found = outcome(read, cut)
        # Only whole lines may pass: of those nothing shows that there were more.
        if isinstance(found, CyclerLog):
            rows = found.time.size
            assert cut.endswith(b"\n") or content.startswith(
                (cut + b"\r", cut + b"\n", cut + b"\t")
            )
            assert np.array_equal(found.time, whole.time[:rows])
            assert np.array_equal(found.voltage_v, whole.voltage_v[:rows])
            assert np.array_equal(_written(found), _written(whole)[:rows])


def _written(log: CyclerLog) -> NDArray[np.float64]:
    return log.vendor.get("Current / A", log.current_ua)


@pytest.mark.parametrize("key", made.TEXTS)
def test_mutated_texts_end_in_a_log_or_our_error(reader: Callable[[str], Read], key: str) -> None:
    maker, name = made.TEXTS[key]
    refused = sum(
        isinstance(outcome(reader(name), bad), LidepthError)
        for bad in mutations(maker(), number=200)
    )
    assert refused > 20


@pytest.mark.nightly
@pytest.mark.parametrize("key", made.TEXTS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_mutated_texts_end_in_a_log_or_our_error(
    reader: Callable[[str], Read], key: str, seed: int
) -> None:
    maker, name = made.TEXTS[key]
    for bad in mutations(maker(), seed=seed):
        outcome(reader(name), bad)


@pytest.mark.parametrize("key", made.TEXTS)
def test_long_texts_take_little_memory(reader: Callable[[str], Read], key: str) -> None:
    maker, name = made.TEXTS[key]
    content = maker()
    rows = content.rstrip(b"\n").split(b"\n")
    long = b"\n".join([*rows, *[rows[-1]] * 8_000]) + b"\n"
    read = reader(name)
    tracemalloc.start()  # it slows reading too much to watch the clock as well
    try:
        assert read(long).time.size > 8_000
        assert tracemalloc.get_traced_memory()[1] <= 10 * len(long) + FLOOR_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        b"," * 3_000_000, b"\n" * 3_000_000, b'"' * 3_000_000, b"Voltage / V," * 100_000,
        b"time,voltage_V,current_uA\n" + b"9" * 3_000_000,
        b"EC-Lab ASCII FILE\nNb header lines : 999999\n", b"\xff\xfe" + "a,b".encode("utf-16"),
    ],
    ids=["commas", "ends", "quotes", "headings", "digits", "header lines", "utf-16"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.csv", "a.mpt", "a.txt"])
def test_hostile_texts_are_refused(
    reader: Callable[[str], Read], name: str, content: bytes
) -> None:
    assert isinstance(outcome(reader(name), content), LidepthError)
    assert_bounded(reader(name), content)


def bomb(name: str, size: int = 64 * 1024**2) -> bytes:
    stream = io.BytesIO()
    archive = zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open(name, "w") as member:
        for _ in range(size // 2**20):
            member.write(bytes(2**20))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "member"), [("a.ndax", "data.ndc"), ("a.xlsx", "xl/workbook.xml")]
)
def test_zip_bombs_are_refused_before_they_open(
    reader: Callable[[str], Read], name: str, member: str
) -> None:
    content = bomb(member)
    with pytest.raises(OutOfRange, match="far more than its size"):
        reader(name)(content)
    assert_bounded(reader(name), content)


DECLARED = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_entities_are_refused(reader: Callable[[str], Read], encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>{DECLARED}<root><config/></root>'
    with pytest.raises(WrongFormat, match="declares entities"):
        reader("a.ndax")(made.ndax({"TestInfo.xml": text.encode(encoding)}))
    with pytest.raises(WrongFormat, match="declares entities"):
        reader("a.xlsx")(made.workbook("<sheetData/>", before=DECLARED))


def test_a_cell_at_the_far_end_of_a_sheet_costs_nothing(reader: Callable[[str], Read]) -> None:
    pytest.importorskip("openpyxl")
    far = made.workbook(
        '<sheetData><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    )
    assert isinstance(outcome(reader("a.xlsx"), far), LidepthError)
    assert_bounded(reader("a.xlsx"), far)


@pytest.mark.parametrize(
    ("name", "maker", "module"),
    [("a.ndax", made.ndax, "fastnda"), ("a.xlsx", made.arbin_xlsx, "openpyxl")],
)
def test_archives_that_are_cut_or_mutated_are_refused(
    reader: Callable[[str], Read], name: str, maker: Callable[[], bytes], module: str
) -> None:
    pytest.importorskip(module)
    content = maker()
    reader(name)(content)
    for cut in cuts(content, every_below=200, further=100):
        assert isinstance(outcome(reader(name), cut), LidepthError)
    for bad in mutations(content, number=150):
        outcome(reader(name), bad)


@pytest.mark.filterwarnings("ignore")  # fastnda warns of versions that it does not know
def test_neware_pages_of_any_content_end_in_a_log_or_our_error(
    reader: Callable[[str], Read], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutations inside of the archive, which its checksums would otherwise catch first."""
    pytest.importorskip("fastnda")
    good = made.ndc()
    for bad in mutations(good, number=300):
        monkeypatch.setattr(made, "ndc", lambda bad=bad: bad)
        outcome(reader("a.ndax"), made.ndax())


def test_neware_and_arbin_files_of_noise_are_refused(reader: Callable[[str], Read]) -> None:
    noise = np.random.default_rng(5).integers(0, 256, 20_000, dtype=np.uint8).tobytes()
    heads = {"a.nda": b"NEWARE", "a.ndax": b"PK\3\4", "a.res": b"\0\1\0\0Standard Jet DB\0",
             "a.xlsx": b"PK\3\4"}  # fmt: skip
    for name, head in heads.items():
        assert isinstance(outcome(reader(name), head + noise), LidepthError)
