"""Binary and XML analyser files are read exactly; a second reader agrees on every real one."""

from __future__ import annotations

import io
import math
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lidepth.errors import WrongFormat
from lidepth.files.readers import FORMATS, RawSpectrum, read_spectra, read_spectrum
from lidepth.files.readers._specutils import decode
from lidepth.files.readers.chn import parse_chn
from lidepth.files.readers.cnf import parse_cnf
from lidepth.files.readers.n42 import parse_n42
from lidepth.files.readers.spc import parse_spc

sys.path.insert(0, str(Path(__file__).parents[1] / "hostile"))

import made_files as made

PATH = Path("a")
START = np.datetime64(made.START, "ns")
FLOAT_REL = 2.0**-23
"""What a 32-bit float may be off, twice over."""


@pytest.mark.parametrize("key", ["spc", "chn", "cnf"])
def test_everything_that_was_written_is_read(tmp_path: Path, key: str) -> None:
    content, name = made.MADE[key]()
    (tmp_path / name).write_bytes(content)
    spectrum = read_spectrum(tmp_path / name)
    np.testing.assert_array_equal(spectrum.counts, made.COUNTS)
    assert spectrum.counts.dtype == np.int64
    assert not spectrum.counts.flags.writeable
    assert spectrum.start == START
    assert (spectrum.live_s, spectrum.real_s) == (made.LIVE_S, made.REAL_S)
    assert spectrum.calibration == (made.OFFSET_KEV, made.GAIN_KEV)
    assert (spectrum.detector, spectrum.record) == ("", 0)
    assert [remark for remark in spectrum.remarks if "Genie counts" not in remark] == []
    assert len(spectrum.sha256) == 64


def test_counts_are_exact_where_32_bit_floats_are_not() -> None:
    counts = [2**24 + 1, 2**31 - 1, 1, 0, 5, 2**24 + 3, 7, 8]
    for spectrum in (
        parse_chn(made.chn(counts), PATH), parse_spc(made.spc(counts), PATH),
        parse_cnf(made.cnf(counts), PATH),
        parse_n42(made.n42(made.n42_measurement(
            start="2020-02-29T23:59:58", spectra=made.n42_spectrum("A", counts))), PATH)[0],
    ):  # fmt: skip
        assert spectrum.counts.tolist() == counts


def test_the_first_and_last_channels_of_a_chn_file_are_counts() -> None:
    import SpecUtils

    file = SpecUtils.SpecFile()
    assert file.loadFromChn(io.BytesIO(made.chn()))
    theirs = np.asarray(file.measurements()[0].gammaCounts())
    blanked = np.flatnonzero(theirs != made.COUNTS)
    assert blanked.tolist() == [0, 1, 62, 63]  # why we decode it ourselves
    np.testing.assert_array_equal(parse_chn(made.chn(), PATH).counts, made.COUNTS)


def test_65536_channels_are_read_though_their_number_does_not_fit_its_field() -> None:
    counts = np.arange(2**16)
    np.testing.assert_array_equal(parse_chn(made.chn(counts), PATH).counts, counts)


@pytest.mark.parametrize(("century", "year"), [(b"1", 2020), (b"0", 1920)])
def test_the_mark_of_the_century_decides_the_year(century: bytes, year: int) -> None:
    found = parse_chn(made.chn(century=century), PATH)
    assert found.start == np.datetime64(f"{year}-02-29T23:59:58", "ns")


def test_a_chn_file_without_a_date_has_no_start_and_a_wrong_one_is_refused() -> None:
    blank = made.chn()[:6] + bytes(2) + made.chn()[8:16] + bytes(12) + made.chn()[28:]
    assert parse_chn(blank, PATH).start is None
    with pytest.raises(WrongFormat, match="not a start time"):
        parse_chn(made.chn().replace(b"29Feb20", b"30Feb20"), PATH)


def test_zeros_or_channels_instead_of_energies_are_no_scale() -> None:
    for terms in ((0.0, 0.0, 0.0), (0.0, 1.0, 0.0)):
        assert parse_chn(made.chn(terms=terms), PATH).calibration is None
        assert parse_spc(made.spc(terms=terms), PATH).calibration is None
    assert parse_cnf(made.cnf(terms=(0.0, 0.0, 0.0)), PATH).calibration is None
    assert parse_n42(made.n42(scale="0 0 0"), PATH)[0].calibration is None


def test_a_calibration_block_of_unknown_kind_is_named_and_not_used() -> None:
    found = parse_chn(made.chn(tail_kind=7), PATH)
    assert found.calibration is None
    assert "unknown kind 7" in found.remarks[0]


@pytest.mark.parametrize(("bend", "named"), [(0.5 * 3.25 / 64**2, False), (2 * 3.25 / 64**2, True)])
def test_a_bend_of_more_than_a_channel_is_named(bend: float, named: bool) -> None:
    terms = (made.OFFSET_KEV, made.GAIN_KEV, bend)
    for spectrum in (
        parse_chn(made.chn(terms=terms), PATH), parse_spc(made.spc(terms=terms), PATH),
        parse_cnf(made.cnf(terms=terms), PATH),
        parse_n42(made.n42_2006(scale=f"2.5 3.25 {bend}"), PATH)[0],
    ):  # fmt: skip
        assert spectrum.calibration == (made.OFFSET_KEV, made.GAIN_KEV)
        assert any("bends by 2 channels" in remark for remark in spectrum.remarks) == named


def test_times_kept_in_the_first_two_channels_are_named() -> None:
    counts = made.COUNTS.copy()
    counts[:2] = int(made.LIVE_S), int(made.REAL_S)
    for spectrum in (
        parse_chn(made.chn(counts), PATH), parse_spc(made.spc(counts), PATH),
        parse_cnf(made.cnf(counts), PATH),
    ):  # fmt: skip
        assert any("channels 0 and 1" in remark for remark in spectrum.remarks)


def test_a_real_spc_is_read_and_broken_counts_are_refused() -> None:
    np.testing.assert_array_equal(parse_spc(made.spc(real=True), PATH).counts, made.COUNTS)
    with pytest.raises(WrongFormat, match=r"300\.5 is no number of counts"):
        parse_spc(made.spc(np.array([300.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), real=True), PATH)


def test_two_start_times_that_differ_are_named() -> None:
    found = parse_spc(made.spc(late_days=1 / 24), PATH)
    assert found.start == START
    assert any("3600 s apart" in remark for remark in found.remarks)
    since_1970 = (made.datetime(1979, 1, 1) - made.datetime(1970, 1, 1)).days
    assert parse_spc(made.spc(late_days=since_1970), PATH).remarks == ()  # other programs' day 0


def test_energies_in_mev_become_kev() -> None:
    terms = (0.0025, 0.00325, 0.0)
    assert parse_cnf(made.cnf(terms=terms, unit="MeV"), PATH).calibration == pytest.approx(
        (2.5, 3.25), rel=1e-12
    )
    found = parse_n42(made.n42_2006(unit="MeV", scale="0.0025 0.00325"), PATH)
    assert found[0].calibration == pytest.approx((2.5, 3.25), rel=1e-12)
    strange = parse_cnf(made.cnf(unit="mm"), PATH)
    assert strange.calibration is None
    assert "'mm'" in strange.remarks[0]


def test_the_start_of_a_cnf_file_is_exact_to_its_ticks() -> None:
    ticks = ((made.START - made.datetime(1858, 11, 17)) // timedelta(seconds=1)) * 10**7 + 1250000
    found = parse_cnf(made.cnf(start_ticks=ticks), PATH)
    assert found.start == START + np.timedelta64(125, "ms")
    assert parse_cnf(made.cnf(start_ticks=0), PATH).start is None


def test_several_detectors_and_records_of_an_n42_file_keep_their_places() -> None:
    found = parse_n42(made.n42(), PATH)
    assert [(one.detector, one.record, one.counts.size) for one in found] == [
        ("A", 0, 64), ("B", 0, 40), ("A", 1, 64), ("B", 1, 40),
    ]  # fmt: skip
    for one in found:
        np.testing.assert_array_equal(one.counts, made.COUNTS[: one.counts.size])
        assert (one.live_s, one.real_s) == (made.LIVE_S, made.REAL_S)
        assert one.calibration == (made.OFFSET_KEV, made.GAIN_KEV)
    assert found[2].start - found[0].start == np.timedelta64(8, "m")


def test_n42_of_2006_takes_time_and_scale_from_around_the_spectrum() -> None:
    found = parse_n42(made.n42_2006(), PATH)
    assert [(one.detector, one.start, one.live_s, one.real_s) for one in found] == [
        ("A1", START, made.LIVE_S, made.REAL_S), ("A2", START, made.LIVE_S, made.REAL_S),
    ]  # fmt: skip
    assert found[0].calibration == (made.OFFSET_KEV, made.GAIN_KEV)  # not that of the FWHM


def measured(start: str = "2020-02-29T23:59:58", **spectrum: str) -> bytes:
    return made.n42(made.n42_measurement(start=start, spectra=made.n42_spectrum("A", **spectrum)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "start", "utc"),
    [
        ("2020-02-29T23:59:58", "2020-02-29T23:59:58", False),
        ("2020-02-29T23:59:58.25Z", "2020-02-29T23:59:58.25", True),
        ("2020-03-01T01:59:58+02:00", "2020-02-29T23:59:58", True),
        ("2020-02-29T18:29:58-05:30", "2020-02-29T23:59:58", True),
    ],
)
def test_a_start_with_a_zone_becomes_utc_and_says_so(text: str, start: str, utc: bool) -> None:
    found = parse_n42(measured(text), PATH)[0]
    assert found.start == np.datetime64(start, "ns")
    assert any("UTC" in remark for remark in found.remarks) == utc


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT1.5S", 1.5), ("PT1H2M3.5S", 3723.5), ("P1DT1S", 86401.0), ("PT419999.69S", 419999.69),
     ("PT5M", 300.0), ("", math.nan)],
)  # fmt: skip
def test_durations_are_exact(text: str, seconds: float) -> None:
    found = parse_n42(measured(live=text), PATH)[0]
    assert found.live_s == pytest.approx(seconds, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (measured(live="-PT1S"), "not a duration"), (measured(live="1.5"), "not a duration"),
        (measured(live="P"), "not a duration"), (measured("yesterday"), "not a start time"),
        (measured("2020-02-30T00:00:00"), "not a start time"),
        (measured(scale="other"), "'other' is not in the file"),
        (measured().replace(b"</ChannelData>", b"</ChannelData><ChannelData>1</ChannelData>"),
         "more than one ChannelData"),
    ],
)  # fmt: skip
def test_what_a_library_would_guess_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(WrongFormat, match=says):
        parse_n42(content, PATH)


def test_slices_without_spectra_and_derived_spectra_are_passed_over_with_a_remark() -> None:
    empty = made.n42_measurement(start="2020-02-29T23:00:00", spectra="<GrossCounts/>")
    good = made.n42_measurement(start="2020-02-29T23:59:58", spectra=made.n42_spectrum("A"))
    derived = f"<DerivedData>{made.n42_spectrum('A')}</DerivedData>"
    found = parse_n42(made.n42(empty + good + empty + derived), PATH)
    assert len(found) == 1
    assert "2 measurements without a spectrum were passed over" in found[0].remarks
    assert "1 derived spectra were passed over" in found[0].remarks


def test_a_spectrum_that_the_file_calls_background_says_so() -> None:
    content = measured().replace(b">Foreground<", b">Background<")
    assert "the file calls this spectrum 'Background'" in parse_n42(content, PATH)[0].remarks


def test_a_prefix_that_is_never_declared_is_no_obstacle() -> None:
    content = measured().replace(b"</RadInst", b"<Maker:x/></RadInst")
    assert len(parse_n42(content, PATH)) == 1


def test_a_file_that_the_library_understands_otherwise_is_refused() -> None:
    def second(content: bytes, counts: NDArray[np.int64], live_s: float) -> None:
        decode(content, PATH, loader="loadFromBinarySpc", counts=counts, live_s=live_s,
               real_s=made.REAL_S)  # fmt: skip

    second(made.spc(), made.COUNTS, made.LIVE_S)
    with pytest.raises(WrongFormat, match="the counts of this file do not agree"):
        second(made.spc(), made.COUNTS + 1, made.LIVE_S)
    with pytest.raises(WrongFormat, match="the times of this file do not agree"):
        second(made.spc(), made.COUNTS, made.LIVE_S + 0.01)
    with pytest.raises(WrongFormat, match="finds 0 spectra"):
        second(b"not a spectrum", made.COUNTS, made.LIVE_S)


# Real files


def real_files(shared: Path, suffix: str) -> list[Path]:
    files = [
        file
        for folder in ("mca", "ndp")
        for file in sorted((shared / "data" / folder).rglob("*"))
        if file.suffix.lower() == suffix
    ]
    if not files:
        pytest.skip(f"no real {suffix} files")
    return files


def second_reading(file: Path) -> list[Any]:
    import SpecUtils

    other = SpecUtils.SpecFile()
    other.loadFile(str(file), SpecUtils.ParserType.Auto)
    return list(other.measurements())


def agrees(ours: RawSpectrum, theirs: Any, *, start_s: float, each_channel: bool) -> None:
    assert (ours.counts.size, ours.counts.sum()) == (
        theirs.numGammaChannels(), theirs.gammaCountSum(),
    )  # fmt: skip
    if each_channel:
        np.testing.assert_array_equal(ours.counts, np.asarray(theirs.gammaCounts()))
    assert ours.live_s == pytest.approx(theirs.liveTime(), rel=FLOAT_REL)
    assert ours.real_s == pytest.approx(theirs.realTime(), rel=FLOAT_REL)
    apart = np.datetime64(theirs.startTime(), "ns") - ours.start
    assert abs(apart / np.timedelta64(1, "s")) <= start_s
    invented = "UnspecifiedUsingDefaultPolynomial" in str(theirs.energyCalibrationModel())
    assert (ours.calibration is None) == invented
    if ours.calibration is not None:
        assert ours.calibration == pytest.approx(theirs.calibrationCoeffs()[:2], rel=FLOAT_REL)


# The library rounds the start of a .cnf by up to 6.2 s; all other times are the same.
@pytest.mark.parametrize(
    ("suffix", "start_s"), [(".spc", 0.0), (".chn", 0.0), (".cnf", 6.2), (".n42", 0.0)]
)
def test_real_files_agree_with_specutils(shared: Path, suffix: str, start_s: float) -> None:
    for file in real_files(shared, suffix):
        theirs: dict[tuple[str, int], Any] = {}
        records: dict[str, int] = {}
        readings = second_reading(file)
        several = len({one.detectorName() for one in readings}) > 1
        for one in readings:
            name = one.detectorName() if several else ""
            theirs[name, records.get(name, 0)] = one
            records[name] = records.get(name, 0) + 1
        ours = read_spectra(file)
        assert {(one.detector, one.record) for one in ours} == set(theirs)
        for one in ours:
            # A portal's file holds 1,064 spectra: every channel of each twentieth, sums of all.
            agrees(one, theirs[one.detector, one.record], start_s=start_s,
                   each_channel=one.record % 20 == 0)  # fmt: skip


def test_real_chn_files_hold_what_three_lines_of_numpy_find(shared: Path) -> None:
    for file in real_files(shared, ".chn"):
        content, ours = file.read_bytes(), read_spectrum(file)
        channels = int.from_bytes(content[30:32], "little")
        assert ours.counts.tolist() == np.frombuffer(content, "<i4", channels, 32).tolist()
        real, live = np.frombuffer(content, "<i4", 2, 8) * 0.02
        assert (ours.live_s, ours.real_s) == pytest.approx((live, real), rel=1e-12)


def test_the_radium_run_of_92_hours_lasts_as_long_as_its_name_says(shared: Path) -> None:
    file = next(one for one in real_files(shared, ".chn") if one.name.startswith("radio_measures"))
    ours = read_spectrum(file)
    assert ours.start == np.datetime64("2023-07-16T14:01:42", "ns")
    assert ours.real_s == 331983.14  # a 32-bit float has 331983.125
    assert ours.start + np.timedelta64(round(ours.real_s), "s") < np.datetime64("2023-07-21")


def pair(shared: Path, first: str, second: str) -> tuple[RawSpectrum, RawSpectrum]:
    folder = shared / "data" / "mca" / "becquerel_samples"
    return read_spectrum(next(folder.glob(first))), read_spectrum(next(folder.glob(second)))


def test_one_spectrum_as_spc_and_as_spe_is_the_same(shared: Path) -> None:
    one, two = pair(shared, "Alcatraz14.Spc", "Alcatraz14.spe")
    np.testing.assert_array_equal(one.counts, two.counts)
    assert (one.start, one.live_s) == (two.start, two.live_s)
    assert one.real_s == pytest.approx(two.real_s, abs=2.1e-5)  # printed as 905.41998
    assert one.calibration == pytest.approx(two.calibration, abs=5e-5)  # printed as 0.5783


def test_one_spectrum_as_cnf_and_as_spe_is_the_same_one_channel_apart(shared: Path) -> None:
    one, two = pair(shared, "01122014*.cnf", "01122014*.spe")
    np.testing.assert_array_equal(one.counts[:-1], two.counts[1:])
    assert any("Genie counts channels from 1" in remark for remark in one.remarks)
    assert (one.live_s, one.real_s) == (two.live_s, two.real_s)
    assert two.start == np.datetime64("2014-01-12T15:12:28")
    assert one.start == two.start + np.timedelta64(125, "ms")  # the .spe has whole seconds
    assert one.calibration == pytest.approx(two.calibration, abs=5e-3)  # printed as -0.21


def test_every_format_of_a_library_is_registered() -> None:
    known = {one.key: one.reads_with for one in FORMATS}
    assert [known[key] for key in ("spe", "spc", "chn", "cnf", "n42")] == [
        "", "SandiaSpecUtils", "", "SandiaSpecUtils", "",
    ]  # fmt: skip
