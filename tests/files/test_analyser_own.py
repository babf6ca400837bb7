"""Formats with readers of our own: what a small independent writer wrote comes back exactly."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lidepth.errors import BadInput, LidepthError, OutOfRange, Truncated, WrongFormat
from lidepth.files.readers import Dialect, RawSpectrum, read_spectra, read_spectrum
from lidepth.files.readers._table import Columns, read_columns

sys.path.insert(0, str(Path(__file__).parents[1] / "hostile"))

import made_own_files as made

Write = Callable[..., tuple[RawSpectrum, ...]]
SCALE = pytest.approx((made.OFFSET_KEV, made.GAIN_KEV), rel=1e-12)
START = np.datetime64(made.START, "ns")


@pytest.fixture
def read(tmp_path: Path) -> Write:
    """Write a file, and files beside it, and read the first."""

    def write(
        name: str, content: bytes, *, key: str = "", dialect: Dialect | None = None,
        **beside: bytes,
    ) -> tuple[RawSpectrum, ...]:  # fmt: skip
        (tmp_path / name).write_bytes(content)
        for other, data in beside.items():
            (tmp_path / other.replace("__", ".")).write_bytes(data)
        return read_spectra(tmp_path / name, key=key, dialect=dialect)

    return write


def as_written(spectrum: RawSpectrum, *, scale: bool = True) -> None:
    np.testing.assert_array_equal(spectrum.counts, made.COUNTS)
    assert spectrum.counts.dtype == np.int64
    assert (spectrum.live_s, spectrum.real_s) == (made.LIVE_S, made.REAL_S)
    assert abs(spectrum.start - START) < np.timedelta64(1, "s")
    assert spectrum.calibration == SCALE if scale else spectrum.calibration is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mca", made.amptek()),
        ("a.mca", made.amptek(tail="")),
        ("a.mca", made.amptek().replace(b"\r\n", b"\n")),
        ("a.txt", made.genie(header=made.LYNX_CSV_HEADER, row="{i}, {energy}, {count}\n")),
        ("a.csv", made.genie(header=made.LYNX_CSV_HEADER, row="{i}, {energy}, {count}\n")),
        ("a.txt", made.genie(row="{i}\t{energy}\t{count}\r\n")),
        ("a.iec", made.iec()),
        ("a.iec", made.iec().replace(b"\r\n", b"\n")),
        ("a.iec", made.iec(terms=(0.0,) * 4, points=" 2.50000000E+00 0.00000000E+00"
                           " 3.50000000E+01 1.00000000E+01")),
    ],
)  # fmt: skip
def test_counts_times_and_scale_come_back(read: Write, name: str, content: bytes) -> None:
    (spectrum,) = read(name, content)
    as_written(spectrum)
    assert spectrum.remarks == ()


def test_a_lynx_file_without_energies_has_no_scale(read: Write) -> None:
    as_written(read("a.txt", made.genie())[0], scale=False)


def test_the_gain_of_the_amplifier_is_no_energy_scale(read: Write) -> None:
    as_written(read("a.mca", made.amptek(label=""))[0], scale=False)


@pytest.mark.parametrize(("label", "size"), [("eV", 1e-3), ("Energy (keV)", 1.0), ("MeV", 1e3)])
def test_the_label_names_the_unit_of_the_points(read: Write, label: str, size: float) -> None:
    (spectrum,) = read("a.mca", made.amptek(points="0 10\n10 30", label=label))
    assert spectrum.calibration == pytest.approx((10 * size, 2 * size))


def test_points_in_channels_are_no_scale(read: Write) -> None:
    (spectrum,) = read("a.mca", made.amptek(label="Channel"))
    assert spectrum.calibration is None
    assert "'Channel'" in spectrum.remarks[0]


def test_one_point_makes_no_scale_and_crooked_ones_are_named(read: Write) -> None:
    assert read("a.mca", made.amptek(points="100 500"))[0].calibration is None
    (spectrum,) = read("a.mca", made.amptek(points="0 0\n10 30\n20 40"))
    assert "off a straight line" in spectrum.remarks[0]


def test_mpa_holds_one_detector_for_each_converter(read: Write) -> None:
    first, third = read("a.mpa", made.mpa())
    as_written(first)
    assert (first.detector, third.detector) == ("ADC1", "ADC3")
    np.testing.assert_array_equal(third.counts, made.COUNTS[::-1])
    assert first.remarks == ("left out: CDAT0 (two-dimensional or calculated)",)


@pytest.mark.parametrize(
    "sections",
    [made.adc(1, unit="usec"), made.adc(1, offset=0.0, gain=1.0), "[ADC1]\r\ncaluse=0\r\n"],
)
def test_mpa_scales_that_are_none(read: Write, sections: str) -> None:
    assert read("a.mpa", made.mpa(sections=sections))[0].calibration is None


def test_mpa_says_when_the_header_counts_otherwise(read: Write) -> None:
    (spectrum, _) = read("a.mpa", made.mpa(sections=made.adc(1, total=7)))
    assert "announces 7 counts" in spectrum.remarks[0]


def test_asc_takes_times_and_scale_from_the_report_beside_it(read: Write) -> None:
    as_written(read("a.asc", made.column(), a__mcd=made.mcd())[0])


def test_asc_alone_says_that_it_knows_no_times(read: Write) -> None:
    (spectrum,) = read("a.asc", made.column())
    assert spectrum.start is None
    assert np.isnan(spectrum.live_s)
    assert "beside it" in spectrum.remarks[0]


@pytest.mark.parametrize("report", [{}, {"a__mcd": made.mcd()}])
def test_asc_with_a_channel_missing_is_refused(read: Write, report: dict[str, bytes]) -> None:
    with pytest.raises(Truncated, match="63 channels"):
        read("a.asc", made.column(made.COUNTS[:-1]), **report)


@pytest.mark.parametrize("entry", ["p_0000000012.yaml", "p_0000000012_2.gz"])
def test_a_nicos_point_gives_its_detectors(tmp_path: Path, entry: str) -> None:
    files = {
        "p_0000000012.yaml": made.point(), "p_0000000012_1.gz": made.gz(made.COUNTS[::-1]),
        "p_0000000012_2.gz": made.gz(),
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    spectra = {one.detector: one for one in read_spectra(tmp_path / entry)}
    assert set(spectra) == ({"1", "2"} if entry.endswith("yaml") else {"2"})
    np.testing.assert_array_equal(spectra["2"].counts, made.COUNTS)
    assert (spectra["2"].start, spectra["2"].real_s) == (START, 480.5)
    assert spectra["2"].monitor == 28800
    assert spectra["2"].remarks == ("the monitor is mon0; mon1 left out",)


def test_a_nicos_point_without_timer_lasts_from_start_to_stop(read: Write) -> None:
    (spectrum,) = read("p_1.yaml", made.point(devices="    - {name: a, value: 1}\n"),
                       p_1_1__gz=made.gz())  # fmt: skip
    assert spectrum.real_s == 481.0
    assert np.isnan(spectrum.monitor)


LIST = Dialect(dwell_s=made.DWELL_S, channels=64)


@pytest.mark.parametrize("header", ["", made.COMPASS_HEADER])
@pytest.mark.parametrize("dwell_s", [60.0, 7.5, 1000.0])
def test_list_mode_gives_spectra_of_any_dwell_time(
    read: Write, header: str, dwell_s: float
) -> None:
    spectra = read("a.csv", made.compass(header=header),
                   dialect=Dialect(dwell_s=dwell_s, channels=64, start=START))  # fmt: skip
    events = made.events()
    for name in ("0/0", "0/1"):
        mine = [one for one in spectra if one.detector == name]
        kept = [e for c, _, e, _ in events if c == int(name[-1])]
        total = sum(one.counts for one in mine)
        np.testing.assert_array_equal(total, np.bincount(kept, minlength=64))
        assert [one.record for one in mine] == list(range(len(mine)))
        assert sum(one.real_s for one in mine) == pytest.approx(130.0, abs=1e-9)
        for i, one in enumerate(mine):
            inside = [e for c, t, e, _ in events if c == int(name[-1])
                      and min(int(t // (dwell_s * 1e12)), len(mine) - 1) == i]  # fmt: skip
            np.testing.assert_array_equal(one.counts, np.bincount(inside, minlength=64))
            assert one.start == START + np.timedelta64(round(i * dwell_s * 1e9), "ns")
            assert one.after_s == i * dwell_s
            assert np.isnan(one.live_s)


def test_list_mode_without_a_start_says_only_how_late_each_spectrum_is(read: Write) -> None:
    spectra = read("a.csv", made.compass(), dialect=LIST)
    assert {one.start for one in spectra} == {None}
    assert [one.after_s for one in spectra] == [0.0, 60.0, 120.0] * 2


def test_list_mode_counts_flagged_events_and_those_beyond_the_last_channel(read: Write) -> None:
    rows = [(0, 1, 5, 0x8000), (0, 2, 6, 0x400), (0, 3, 99, 0x4000), (0, 4, 7, 0x8), (0, 5, 8, 0)]
    (spectrum,) = read("a.csv", made.compass(rows), dialect=LIST)
    assert np.flatnonzero(spectrum.counts).tolist() == [5, 6, 8]
    assert spectrum.remarks == (
        "1 of 5 events piled up", "1 of 5 events saturated",
        "1 of 5 events beyond channel 63, left out",
    )  # fmt: skip


def test_list_mode_needs_a_dwell_time(read: Write) -> None:
    with pytest.raises(BadInput, match=r"data\.spectra\.dwell"):
        read("a.csv", made.compass())


def test_list_mode_that_goes_on_in_a_second_file_starts_where_the_first_ended(read: Write) -> None:
    rows = [(0, 130 * 10**12, 1, 0), (0, 170 * 10**12, 2, 0), (0, 200 * 10**12, 3, 0)]
    spectra = read("a.csv", made.compass(rows, header=""), dialect=LIST)
    assert [(one.after_s, one.real_s) for one in spectra] == [(130.0, 50.0), (180.0, 20.0)]


def test_a_clock_that_was_reset_within_the_list_is_refused(read: Write) -> None:
    rows = [(0, 10**13, 1, 0), (0, 0, 2, 4)]
    with pytest.raises(OutOfRange, match="run back by 10 s"):
        read("a.csv", made.compass(rows), dialect=LIST)


@pytest.mark.parametrize(
    ("dates", "start", "remarks"),
    [
        ("09/12/21 10:54:31 08/25/21 11:34:36", "2021-09-12T10:54:31", 0),
        ("29/02/20 10:54:31", "2020-02-29T10:54:31", 0),
        ("09/12/21 10:54:31", "2021-09-12T10:54:31", 1),
        ("12/12/21 10:54:31", "2021-12-12T10:54:31", 0),
    ],
)
def test_iec_dates_are_ordered_by_what_is_possible(
    read: Write, dates: str, start: str, remarks: int
) -> None:
    (spectrum,) = read("a.iec", made.iec(dates=dates))
    assert spectrum.start == np.datetime64(start)
    assert len(spectrum.remarks) == remarks


@pytest.mark.parametrize(
    ("content", "dialect"),
    [
        (made.text(), made.DIALECTS["text"]),
        (made.column(), Dialect()),
        (made.column().replace(b"\r\n", b".0000E+00\n"), Dialect()),
        (b"".join(b"%d;x;%d\n" % (i + 1, c) for i, c in enumerate(made.COUNTS)),
         Dialect(columns=("channel", "-", "counts"), delimiter=";")),
    ],
)  # fmt: skip
def test_columns_are_read_as_the_dialect_says(
    read: Write, content: bytes, dialect: Dialect
) -> None:
    (spectrum,) = read("a.dat", content, key="text", dialect=dialect)
    np.testing.assert_array_equal(spectrum.counts, made.COUNTS)
    assert spectrum.calibration == (SCALE if "energy" in dialect.columns else None)
    assert spectrum.start is None


def test_text_is_never_guessed(read: Write) -> None:
    for name in ("a.dat", "a.txt", "a.csv", "a.xy"):
        with pytest.raises(WrongFormat, match="text"):
            read(name, made.text())


@pytest.mark.parametrize(
    ("content", "columns", "kind", "says"),
    [
        (b"1 2\n3\n", ("channel", "counts"), WrongFormat, "line 2"),
        (b"0 2\n2 4\n", ("channel", "counts"), WrongFormat, "one by one"),
        (b"65 2\n66 4\n", ("channel", "counts"), WrongFormat, "from 0 or 1"),
        (b"1 2\n2 4\n4 4\n", ("energy", "counts"), WrongFormat, "evenly"),
        (b"2 2\n1 4\n", ("energy", "counts"), WrongFormat, "evenly"),
        (b"1.5\n", ("counts",), WrongFormat, "whole number"),
        (b"nan\n", ("counts",), WrongFormat, "nan"),
        (b"-1\n", ("counts",), OutOfRange, "negative"),
        (b"1e300\n", ("counts",), OutOfRange, "more than can be"),
        (b"# only a comment\n", ("counts",), Truncated, "no rows"),
        (b"1 2\n", ("channel", "energy"), WrongFormat, "name the counts once"),
    ],
)
def test_text_that_is_not_as_the_dialect_says_is_refused(
    read: Write, content: bytes, columns: tuple[str, ...], kind: type[LidepthError], says: str
) -> None:
    with pytest.raises(kind, match=says):
        read("a.dat", content, key="text", dialect=Dialect(columns=columns))


def test_text_without_a_last_line_end_is_read_with_a_remark(read: Write) -> None:
    (spectrum,) = read("a.dat", made.column().rstrip(), key="text")
    assert "cut off" in spectrum.remarks[0]


@pytest.mark.parametrize("packing", [{}, {"compression": "gzip", "shuffle": True}])
def test_nexus_gives_one_record_per_time(read: Write, packing: dict[str, object]) -> None:
    spectra = read("a.nxs", made.nexus(**packing))
    as_written(spectra[0])
    assert [one.record for one in spectra] == [0, 1, 2]
    assert {one.detector for one in spectra} == {"det1"}
    np.testing.assert_array_equal(spectra[1].counts, made.COUNTS[::-1])
    assert spectra[2].start == START + np.timedelta64(961, "s")
    assert [one.monitor for one in spectra] == [28800, 28801, 28802]


def test_nexus_times_with_a_zone_become_utc(read: Write) -> None:
    def zoned(file: object) -> None:
        file["entry/instrument/det1/start_time"].attrs["start"] = "2020-03-01T01:59:58+02:00"  # type: ignore[index]

    (spectrum, *_) = read("a.nxs", made.nexus(change=zoned))
    assert spectrum.start == START
    assert "UTC" in spectrum.remarks[0]


def test_our_own_nexus_export_reads_back(campaign: Callable[..., Path], tmp_path: Path) -> None:
    from lidepth.files.export.content import read_content
    from lidepth.files.export.nexus import write_nexus

    content = read_content(campaign())
    write_nexus(tmp_path / "a.nxs", content)
    series, spectra = content.parts[0].series, read_spectra(tmp_path / "a.nxs")
    np.testing.assert_array_equal(np.stack([one.counts for one in spectra]), series.counts)
    assert [one.live_s for one in spectra] == series.live_s.tolist()
    assert [one.real_s for one in spectra] == series.real_s.tolist()
    assert [one.monitor for one in spectra] == series.monitor.tolist()
    assert [one.after_s for one in spectra] == series.start_s.tolist()
    assert spectra[0].start == series.origin
    assert spectra[0].calibration == pytest.approx((2.0, 3.0))
    assert spectra[0].detector == ""


REAL = [
    ("mca/mcareader/demo.mca", 2048, 96897, (1 / 6, 0.05)),
    ("mca/mcareader/demo2.mca", 2048, 96897, (1 / 6, 0.05)),
    ("mca/mcareader/demoNoCal.mca", 2048, 96897, None),
    ("mca/nasagamma/gui_test_data_3He.mca", 512, 196716, None),
    ("ndp/am241_vac_asc/example_hist_100v_00mm_vac.asc", 8192, 12194, None),
    *(
        (f"mca/becquerel_samples/hpge_dummy_test_{name}.iec", 2048, 74305419, scale)
        for name, scale in (
            ("01", (-0.0155656, 0.8)), ("02a", (-0.0155656, 0.8)), ("02b", (-0.0155656, 0.8)),
            ("03", (7.0228247, 0.79602547)), ("04", (-0.22918151, 0.80063147)),
            ("05", (0.22382421, 0.80029902)),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "channels", "total", "scale"), REAL)
def test_real_files_are_read_right(
    shared: Path, name: str, channels: int, total: int, scale: tuple[float, float] | None
) -> None:
    spectrum = read_spectrum(shared / "data" / name)
    assert (spectrum.counts.size, spectrum.counts.sum()) == (channels, total)
    assert spectrum.calibration == (None if scale is None else pytest.approx(scale, rel=1e-6))


@pytest.mark.parametrize("name", [name for name, *_ in REAL if name.endswith(".mca")])
def test_amptek_counts_and_times_agree_with_specutils(shared: Path, name: str) -> None:
    library = pytest.importorskip("SpecUtils")
    file = library.SpecFile()
    file.loadFile(str(shared / "data" / name), library.ParserType.Auto)
    theirs, ours = file.measurements()[0], read_spectrum(shared / "data" / name)
    np.testing.assert_array_equal(ours.counts, np.array(theirs.gammaCounts()))
    assert ours.live_s == theirs.liveTime()
    assert ours.real_s == pytest.approx(theirs.realTime(), rel=1e-7)  # 32-bit floats there


def test_real_columns_agree_with_numpy(shared: Path) -> None:
    folder = shared / "data/ndp"
    files = [(file, ("channel", "counts")) for file in sorted(folder.glob("rbs_odf_gan/RBS*.odf"))]
    assert len(files) == 10
    files.append((folder / "am241_pips_chn/ra224/radio_measures.xy", ("energy", "counts")))
    for file, columns in files:
        (ours,) = read_spectra(file, key="text", dialect=Dialect(columns=columns))
        np.testing.assert_array_equal(ours.counts, np.loadtxt(file)[:, 1])
    assert ours.calibration == pytest.approx((-1.619689, 5.240234), rel=1e-6)


def test_canberra_accuspec_files_are_refused_by_name(shared: Path) -> None:
    with pytest.raises(WrongFormat, match="AccuSpec"):
        read_spectrum(shared / "data/mca/xylib/03yag02.mca")


def columns_of(body: bytes, *names: str) -> Columns:
    return read_columns(body, names=names, delimiter="", path=Path("a.txt"), first_line=9)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \n"])
def test_plain_rows_read_at_once_are_those_read_word_by_word(end: bytes) -> None:
    """An empty line at the end is enough for the careful way."""
    counts = np.random.default_rng(1).integers(0, 10**15, 300)
    rows = b"".join(b"\t%d  %d%s" % (i, n, end) for i, n in enumerate(counts.tolist()))
    at_once, carefully = (columns_of(body, "channel", "counts") for body in (rows, rows + b"\n"))
    np.testing.assert_array_equal(at_once.counts, counts)
    np.testing.assert_array_equal(carefully.counts, counts)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"0 1\n1 2\n3 3\n", WrongFormat), (b"0 1\n1 2 3\n", WrongFormat),
        (b"0 1\n1 -2\n", OutOfRange), (b"0 1\n1 9007199254740993\n", OutOfRange),
        (b"0 1\n1 2.5\n", WrongFormat), (b"0 1\n1\n2 3\n4\n", WrongFormat),
    ],
)  # fmt: skip
def test_rows_that_are_not_plain_are_refused_as_before(
    body: bytes, error: type[LidepthError]
) -> None:
    with pytest.raises(error):
        columns_of(body, "channel", "counts")
