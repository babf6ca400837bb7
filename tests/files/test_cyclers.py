"""Every cycler format is read exactly, and real files agree with their own charge counters."""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lidepth.errors import BadInput, LidepthError, Truncated, WrongFormat, WrongUnit
from lidepth.files.cyclers import (
    CYCLER_FORMATS,
    ColumnMap,
    CyclerFormat,
    read_cycler,
    write_bdf_csv,
)
from lidepth.model.cycling import CyclerLog

sys.path.insert(0, str(Path(__file__).parents[1] / "hostile"))

import made_cyclers as made

START = np.datetime64(made.START, "ns")
CURRENT_UA = np.array(made.CURRENT_MA) * 1e3
GENERIC = ColumnMap(
    names={"elapsed": "t", "voltage": "U_cell", "current": "I_cell"},
    units={"elapsed": "s", "voltage": "V", "current": "uA"},
    start=START,
)
BEFORE = np.append(CURRENT_UA[1:], CURRENT_UA[-1])
"""What a reader makes of currents that flowed before their row."""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(content: bytes, name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return to_file


def assert_same(
    log: CyclerLog, *, current_ua: NDArray[np.float64] = CURRENT_UA, anchored: bool = True
) -> None:
    origin = START if anchored else log.time[0]
    assert log.anchored is anchored
    assert np.array_equal(log.seconds(origin), made.ELAPSED_S)
    # Formats write voltages with four decimals at least and some through single precision.
    np.testing.assert_allclose(log.voltage_v, made.VOLTAGE_V, rtol=2**-23)
    np.testing.assert_allclose(log.current_ua, current_ua, rtol=2**-23)


@pytest.mark.parametrize(
    ("key", "current_ua"),
    [
        ("lidepth", CURRENT_UA), ("bdf", CURRENT_UA), ("maccor days", CURRENT_UA),
        ("maccor minutes", CURRENT_UA), ("neware-csv", BEFORE), ("neware layers", BEFORE),
        ("arbin-csv", CURRENT_UA),
    ],
)  # fmt: skip
def test_a_text_is_recognised_and_read_exactly(
    write: Write, key: str, current_ua: NDArray[np.float64]
) -> None:
    maker, name = made.TEXTS[key]
    assert_same(read_cycler(write(maker(), name)), current_ua=current_ua)


@pytest.mark.parametrize("comma", [True, False])
@pytest.mark.parametrize("mean", [True, False])
def test_ec_lab_texts_are_read_with_commas_and_points(
    write: Write, comma: bool, mean: bool
) -> None:
    log = read_cycler(write(made.mpt(comma=comma, mean=mean), "a.mpt"))
    late = log.shifted(-30.0)  # the first row is written 30 s after the start
    assert_same(late, current_ua=BEFORE if mean else CURRENT_UA)
    assert list(log.vendor["Step Index"]) == [s - 1 for s in made.STEP]


def test_the_mean_current_of_ec_lab_gives_its_own_charge(write: Write) -> None:
    log = read_cycler(write(made.mpt(), "a.mpt"))
    # Seven digits behind the point are written.
    np.testing.assert_allclose(
        log.charge_uah, log.vendor["Net Capacity / Ah"] * 1e6, rtol=1e-6, atol=1e-9
    )


def test_what_was_written_as_current_is_kept_beside_what_holds(write: Write) -> None:
    log = read_cycler(write(made.neware_csv(), "a.csv"))
    np.testing.assert_allclose(log.vendor["Current / A"] * 1e6, CURRENT_UA, rtol=1e-12)


def test_a_maccor_current_between_samples_is_their_mean(write: Write) -> None:
    content = made.maccor_days().replace(b"0.000012000\t3.30000", b"0.000006000\t3.30000")
    log = read_cycler(write(content, "a.txt"))
    np.testing.assert_allclose(log.current_ua[3:7], [12.0, 9.0, 9.0, 12.0], rtol=1e-12)


def test_steps_of_a_layered_neware_csv_reach_their_rows(write: Write) -> None:
    log = read_cycler(write(made.neware_layers(), "a.csv"))
    assert list(log.vendor["Step Count"]) == made.STEP
    assert list(log.vendor["Step Type"]) == made.KIND


def test_a_neware_binary_is_read(write: Write) -> None:
    pytest.importorskip("fastnda")
    log = read_cycler(write(made.ndax(), "a.ndax"))
    assert_same(log, current_ua=BEFORE)
    assert list(log.vendor["Step Count"]) == made.STEP


def test_reading_neware_leaves_the_standard_decompressor_alone(write: Write) -> None:
    pytest.importorskip("fastnda")
    read_cycler(write(made.ndax(), "a.ndax"))
    with pytest.raises(zlib.error):
        zlib.decompress(b"not packed")


def test_an_arbin_spreadsheet_is_read(write: Write) -> None:
    pytest.importorskip("openpyxl")
    assert_same(read_cycler(write(made.arbin_xlsx(), "a.xlsx")))


@pytest.mark.parametrize("machine", [True, False])
def test_bdf_is_read_by_labels_and_by_machine_names(write: Write, machine: bool) -> None:
    log = read_cycler(write(made.bdf(machine=machine), "a.csv"))
    assert_same(log)
    assert list(log.vendor["Step Type"]) == made.KIND


def test_bdf_goes_out_and_comes_back(write: Write, tmp_path: Path) -> None:
    log = read_cycler(write(made.neware_csv(), "a.csv"))
    again = read_cycler(write_bdf_csv(tmp_path / "b.csv", log))
    assert np.array_equal(again.time, log.time)
    assert np.array_equal(again.voltage_v, log.voltage_v)
    np.testing.assert_allclose(again.current_ua, log.current_ua, rtol=2**-52)
    assert list(again.vendor["Step Type"]) == made.KIND


def test_a_current_against_its_own_step_names_is_refused_until_told(write: Write) -> None:
    content = made.bdf(sign=-1.0).replace(b"CC DChg", b"discharge").replace(b"CC Chg", b"charge")
    path = write(content, "a.csv")
    with pytest.raises(BadInput, match="sign of the current"):
        read_cycler(path)
    assert_same(read_cycler(path, columns=ColumnMap(positive="discharge")))


def test_a_generic_csv_is_read_as_it_is_described(write: Write) -> None:
    path = write(made.generic(), "d.csv")
    assert_same(read_cycler(path, key="csv", columns=GENERIC))
    free = ColumnMap(names=GENERIC.names, units=GENERIC.units)
    assert_same(read_cycler(path, key="csv", columns=free), anchored=False)
    turned = ColumnMap(names=GENERIC.names, units=GENERIC.units, positive="discharge", start=START)
    assert_same(read_cycler(path, key="csv", columns=turned), current_ua=-CURRENT_UA)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (ColumnMap(names=GENERIC.names), "unit of elapsed is not given"),
        (ColumnMap(names={**GENERIC.names, "current": "I_cel"}, units=GENERIC.units),
         "did you mean 'I_cell'"),
        (ColumnMap(names={"voltage": "U_cell", "current": "I_cell"}, units=GENERIC.units),
         "time or elapsed is not named"),
        (ColumnMap(names=GENERIC.names, units={**GENERIC.units, "current": "V"}), "quantity in uA"),
    ],
)  # fmt: skip
def test_a_generic_csv_is_never_guessed(write: Write, how: ColumnMap, message: str) -> None:
    with pytest.raises((BadInput, WrongUnit), match=re.escape(message)):
        read_cycler(write(made.generic(), "d.csv"), key="csv", columns=how)


@pytest.mark.parametrize("day", ["03/02/2021", "02.03.2021", "2021-03-02"])
def test_wall_times_of_a_generic_csv_are_taken_only_when_clear(write: Write, day: str) -> None:
    content = f"at,U,I\n{day} 01:00:00,3,1\n{day} 02:00:00,3,1\n".encode()
    how = ColumnMap(
        names={"time": "at", "voltage": "U", "current": "I"}, units={"voltage": "V", "current": "A"}
    )
    path = write(content, "a.csv")
    if "/" in day:
        with pytest.raises(BadInput, match="day or the month first"):
            read_cycler(path, key="csv", columns=how)
    else:
        assert read_cycler(path, key="csv", columns=how).time[0] == np.datetime64("2021-03-02T01")


def test_local_times_become_utc_across_the_doubled_hour(write: Write) -> None:
    shown = ["01:30", "02:30", "02:45", "02:15", "02:45", "03:15"]
    rows = "".join(f"2021-10-31 {hour}:00,3.0,1.0\n" for hour in shown)
    path = write(f"time,voltage_V,current_uA\n{rows}".encode(), "cycler.csv")
    log = read_cycler(path, columns=ColumnMap(time_zone="Europe/Amsterdam"))
    minutes = (log.time - np.datetime64("2021-10-30T23:30")) / np.timedelta64(1, "m")
    assert list(minutes) == [0.0, 60.0, 75.0, 105.0, 135.0, 165.0]
    with pytest.raises(BadInput, match="time runs backwards"):
        read_cycler(path)


def test_an_hour_that_cannot_be_told_is_refused(write: Write) -> None:
    content = b"time,voltage_V,current_uA\n2021-10-31 02:30:00,3,1\n2021-10-31 02:40:00,3,1\n"
    with pytest.raises(BadInput, match="came twice"):
        read_cycler(write(content, "a.csv"), columns=ColumnMap(time_zone="Europe/Amsterdam"))


def test_a_start_that_is_given_wins(write: Write) -> None:
    start = np.datetime64("2020-01-01T00:00:00", "ns")
    for key in ("maccor days", "neware-csv", "bdf"):
        maker, name = made.TEXTS[key]
        assert read_cycler(write(maker(), name), columns=ColumnMap(start=start)).time[0] == start


def test_maccor_dates_that_may_be_either_are_asked_for(write: Write) -> None:
    content = made.maccor_days().replace(b"02/27/2021", b"02/03/2021")
    with pytest.raises(BadInput, match="day or the month first"):
        read_cycler(write(content, "a.txt"))


def test_time_that_runs_back_is_refused_with_its_line(write: Write) -> None:
    lines = made.neware_csv().split(b"\n")
    lines[5], lines[8] = lines[8], lines[5]
    with pytest.raises(BadInput, match=r"line 7: time runs backwards"):
        read_cycler(write(b"\n".join(lines), "a.csv"))


def test_a_file_of_nobody_names_the_way_out(write: Write) -> None:
    with pytest.raises(WrongFormat, match=r"data\.cycler\.format: csv"):
        read_cycler(write(b"t,U,I\n0,3,1\n1,3,1\n", "a.csv"))
    with pytest.raises(WrongFormat, match="yadg"):
        read_cycler(write(b"BIO-LOGIC MODULAR FILE", "a.mpr"))
    with pytest.raises(WrongFormat, match="did you mean 'maccor'"):
        read_cycler(write(made.own(), "a.csv"), key="macor")


@pytest.mark.parametrize(
    ("name", "content", "module"),
    [
        ("a.ndax", made.ndax, "fastnda"), ("a.xlsx", made.arbin_xlsx, "openpyxl"),
        ("a.res", lambda: b"\0\1\0\0Standard Jet DB".ljust(3 * 4096, b"\0"), "access_parser"),
    ],
)  # fmt: skip
def test_a_missing_library_is_named_with_its_remedy(
    write: Write, monkeypatch: pytest.MonkeyPatch, name: str, content: Callable[[], bytes],
    module: str,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadInput, match=r"pip install 'lidepth\["):
        read_cycler(write(content(), name))


class _Entry:
    """Stands for an entry point of an installed package."""

    name, value = "made", "made:FORMAT"

    def __init__(self, found: object) -> None:
        self.found = found

    def load(self) -> object:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def _plug(monkeypatch: pytest.MonkeyPatch, found: object) -> None:
    monkeypatch.setattr("lidepth.files.cyclers.entry_points", lambda **_: [_Entry(found)])


def test_an_installed_plug_in_reads_its_files(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path, how: ColumnMap) -> CyclerLog:
        return CyclerLog(
            time=how.start + np.arange(2), voltage_v=np.ones(2), current_ua=np.ones(2),
            source=str(path),
        )  # fmt: skip

    _plug(monkeypatch, CyclerFormat(key="made", maker="us", suffixes=(".made",), read=read))
    log = read_cycler(write(b"content", "a.made"), columns=ColumnMap(start=START))
    assert log.time[0] == START


@pytest.mark.parametrize("found", [ImportError("gone"), "not a format"])
def test_a_broken_plug_in_is_named(
    write: Write, monkeypatch: pytest.MonkeyPatch, found: object
) -> None:
    _plug(monkeypatch, found)
    with pytest.raises(BadInput, match="plug-in 'made'"):
        read_cycler(write(b"content", "a.made"))


def test_keys_are_unique_and_extras_real() -> None:
    keys = [one.key for one in CYCLER_FORMATS]
    assert len(set(keys)) == len(keys)
    assert {one.extra for one in CYCLER_FORMATS} == {"", "neware", "arbin"}


@pytest.mark.parametrize(("name", "rows"), [("cp", 121), ("gcpl.issue_149", 132)])
def test_the_plug_in_of_the_docs_agrees_with_the_text_export(
    shared: Path, name: str, rows: int
) -> None:
    pytest.importorskip("yadg")
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    module: dict[str, object] = {}
    exec(re.findall(r"```python\n(\"\"\"lidepth_mpr.*?)```", page, re.DOTALL)[0], module)  # noqa: S102
    found = module["MPR"]
    assert isinstance(found, CyclerFormat)
    folder = shared / "data" / "echem" / "yadg"
    ours = read_cycler(folder / f"{name}.mpt")
    theirs = found.read(folder / f"{name}.mpr", ColumnMap())
    assert theirs.time.size == rows
    assert np.max(np.abs(ours.time - theirs.time)) < np.timedelta64(1, "us")
    # Single precision, in which .mpr holds voltages.
    np.testing.assert_allclose(ours.voltage_v, theirs.voltage_v, rtol=2**-22)
    # A row of 0.4 ms, with times to 0.25 us, carries 6e-4 of its own small charge.
    scale = np.max(np.abs(ours.charge_uah))
    np.testing.assert_allclose(ours.charge_uah, theirs.charge_uah, atol=1e-6 * scale)


# Real files.  Rows; then by how much, in %, the charge of a step or half cycle may differ from the
# file's own counter.  0.1 % is what we promise; where it is more, the file itself is coarser.
STEP_CHARGE = "Step Capacity / Ah"
REAL = {
    "cellpy/neware_uio.csv": (9065, 0.1), "cellpy/maccor_001.txt": (6704, 0.1),
    "cellpy/maccor_002.txt": (7446, 0.1), "cellpy/20260302_IFE_BTS85_2_9_8_1.ndax": (252951, 0.1),
    # Times in whole seconds: 0.5 s of the first charge's 171 s.
    "cellpy/nw_regular_export_ife_example.csv": (9295, 0.3),
    # The counter and the current of the vendor differ by range: 0.1179 mA against 0.1198 mA.
    "navani/test.ndax": (1464, 0.2),
    # Steps of 5 s and 0.05 uA of resolution in 50 uA and 5 uA.
    "navani/test.nda": (439, 0.5),
    "cellpy/20160805_test001_45_cc_01.res": (10261, 0.1), "navani/arbin_example.res": (2150, 0.1),
    "navani/bs542_004_gr_li_50ua_50mv_1v_191020_Channel_11.xlsx": (4526, 0.1),
    "yadg/cp.mpt": (121, 0.1), "yadg/gcpl.issue_149.mpt": (132, 0.1),
}  # fmt: skip


def counter(log: CyclerLog) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The vendor's charge in Ah, and a number for each step in which it counts on."""
    vendor = log.vendor
    if "half cycle" in vendor:
        return vendor["Net Capacity / Ah"], vendor["half cycle"]
    step = vendor.get("Step Count", vendor["Step Index"]) + 1e4 * vendor["Cycle Count"]
    if STEP_CHARGE in vendor:
        return vendor[STEP_CHARGE], step
    return vendor["Charging Capacity / Ah"] - vendor["Discharging Capacity / Ah"], step


@pytest.mark.parametrize("name", REAL)
def test_real_files_hold_the_charge_they_count(shared: Path, name: str) -> None:
    path = shared / "data" / "echem" / name
    for one in CYCLER_FORMATS:
        if path.suffix in one.suffixes and one.extra:
            pytest.importorskip({"neware": "fastnda", "arbin": "openpyxl"}[one.extra])
            pytest.importorskip({".res": "access_parser"}.get(path.suffix, "numpy"))
    rows, allowed_percent = REAL[name]
    log = read_cycler(path)
    assert log.time.size == rows
    assert log.anchored
    theirs, step = counter(log)
    ours = log.charge_uah / 1e6
    edges = np.r_[0, np.flatnonzero(np.diff(step)) + 1, step.size]
    checked = 0
    for first, last in zip(edges[:-1], edges[1:] - 1, strict=True):
        counted = theirs[last] - theirs[first]
        if last - first > 1 and abs(counted) > 1e-3 * np.ptp(theirs):
            passed = ours[last] - ours[first]
            assert abs(passed) == pytest.approx(abs(counted), rel=allowed_percent / 100)
            checked += 1
    assert checked


def test_the_real_bdf_counts_discharge_as_positive(shared: Path) -> None:
    path = shared / "data" / "echem" / "cellpy" / "batmo_bdf.csv"
    with pytest.raises(BadInput, match="sign of the current"):
        read_cycler(path)
    log = read_cycler(path, columns=ColumnMap(positive="discharge"))
    assert not log.anchored
    assert np.all(log.current_ua[log.vendor["Step Type"] == "charge"] > 0)


def pec(shared: Path, current: str, unit: str) -> CyclerLog:
    how = ColumnMap(
        names={"elapsed": "Total Time (Seconds)", "time": "Real Time", "voltage": "Voltage (mV)",
               "current": current},
        units={"elapsed": "s", "voltage": "mV", "current": unit},
    )  # fmt: skip
    return read_cycler(shared / "data" / "echem" / "cellpy" / "pec.csv", key="csv", columns=how)


def test_a_real_pec_csv_is_read_by_its_columns(shared: Path) -> None:
    log = pec(shared, "Current (mA)", "mA")
    assert log.time[0] == np.datetime64("2019-02-22T16:23:27")
    # The counters are read through the same door, as if they were currents.
    charged = pec(shared, "Charge Capacity (mAh)", "uA").current_ua * 1e3
    flowed = np.clip(np.diff(charged), 0.0, None).sum()  # it begins anew in every cycle
    ours = np.diff(log.charge_uah)
    assert np.sum(ours[ours > 0]) == pytest.approx(flowed, rel=1e-3)


def test_a_real_custom_csv_is_read_by_its_columns(shared: Path) -> None:
    how = ColumnMap(
        names={"elapsed": "test_time", "voltage": "voltage", "current": "current"},
        units={"elapsed": "s", "voltage": "V", "current": "mA"},
    )
    path = shared / "data" / "echem" / "cellpy" / "custom_data_001.csv"
    log = read_cycler(path, key="csv", columns=how)
    assert log.time.size == 2442
    assert log.voltage_v[0] == 1.14


def test_neware_unix_times_that_jump_back_do_not_matter(shared: Path) -> None:
    pytest.importorskip("fastnda")
    log = read_cycler(shared / "data" / "echem" / "cellpy" / "20260302_IFE_BTS85_2_9_8_1.ndax")
    assert np.any(np.diff(log.vendor["Unix Time / s"]) < 0)
    assert np.all(np.diff(log.time) >= np.timedelta64(0))


def test_an_arbin_database_agrees_with_cellpys_reading_of_it(shared: Path) -> None:
    pytest.importorskip("access_parser")
    import h5py

    folder = shared / "data" / "echem" / "cellpy"
    log = read_cycler(folder / "20160805_test001_45_cc_01.res")
    with h5py.File(folder / "20160805_test001_45_cc.h5") as archive:
        theirs = archive["CellpyData/raw/table"][()]["values_block_1"]
    assert np.array_equal(log.vendor["Test Time / s"], theirs[:, 0])
    assert np.array_equal(log.vendor["Current / A"], theirs[:, 2])
    assert np.array_equal(log.voltage_v, theirs[:, 3])


@pytest.mark.parametrize("name", ["20160805_test001_45_cc.h5", "biol.mpr"])
def test_real_files_of_no_reader_are_refused(shared: Path, name: str) -> None:
    with pytest.raises(LidepthError, match="to do"):
        read_cycler(shared / "data" / "echem" / "cellpy" / name)


def test_a_cut_row_is_named_as_cut(write: Write) -> None:
    content = made.neware_csv()
    with pytest.raises(Truncated, match="line 12"):
        read_cycler(write(content[:-25], "a.csv"))
