"""Spectrum files are read exactly, or refused with file and line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from lidepth.errors import LidepthError, OutOfRange, Truncated, WrongFormat
from lidepth.files.raw import write_spe
from lidepth.files.readers import MAX_CHANNELS, read_spectrum
from lidepth.files.readers.spe import parse_spe

START = np.datetime64("2020-02-29T23:59:58", "ns")


def written(folder: Path, channels: int = 64) -> Path:
    path = folder / "a.Spe"
    counts = np.random.default_rng(1).poisson(1e5, channels)
    write_spe(path, counts, start=START, live_s=479.69, real_s=480.0, calibration=(2.0, 3.0),
              title="x")  # fmt: skip
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    spectrum = read_spectrum(path)
    np.testing.assert_array_equal(spectrum.counts, np.random.default_rng(1).poisson(1e5, 64))
    assert spectrum.counts.dtype == np.int64
    assert not spectrum.counts.flags.writeable
    assert spectrum.start == START
    assert (spectrum.live_s, spectrum.real_s) == (480.0, 480.0)
    assert spectrum.calibration == (2.0, 3.0)
    assert len(spectrum.sha256) == 64


def test_counts_are_exact_where_32_bit_floats_are_not(tmp_path: Path) -> None:
    path = tmp_path / "big.Spe"
    write_spe(path, np.array([2**24 + 1, 2**52 + 1]), start=START, live_s=1, real_s=1)
    assert read_spectrum(path).counts.tolist() == [2**24 + 1, 2**52 + 1]


def test_a_scale_of_zeros_is_no_scale(tmp_path: Path) -> None:
    write_spe(tmp_path / "a.spe", np.ones(4, int), start=START, live_s=1, real_s=1)
    assert read_spectrum(tmp_path / "a.spe").calibration is None


def test_windows_line_ends_latin1_remarks_and_missing_sections_are_fine() -> None:
    content = b"$SPEC_ID:\r\nL\xf6sung \xb5A\r\n$DATA:\r\n0 2\r\n1\r\n2\r\n3\r\n$ENDRECORD:\r\n"
    spectrum = parse_spe(content, Path("a.Spe"))
    assert spectrum.counts.tolist() == [1, 2, 3]
    assert spectrum.start is None
    assert math.isnan(spectrum.live_s)
    assert math.isnan(spectrum.real_s)


@pytest.mark.parametrize(
    ("scale", "expected", "says"),
    [
        ("$MCA_CAL:\n3\n2 3 0 keV\n", (2.0, 3.0), ""),
        ("$MCA_CAL:\n3\n0.002 0.003 0 MeV\n", (2.0, 3.0), ""),
        ("$mca_cal:\n3\n2 3 0\n", (2.0, 3.0), ""),
        ("$MCA_CAL:\n3\n2 3 1.5 keV\n", (2.0, 3.0), "bends by 4.5 channels"),
        ("$MCA_CAL:\n3\n0 0 0 keV\n$ENER_FIT:\n2 3\n", (2.0, 3.0), ""),
        ("$MCA_CAL:\n3\n2 3 0 mm\n", None, "'mm'"),
        ("$MCA_CAL:\n3\n2 -3 0 keV\n", None, "does not rise"),
        ("$MCA_CAL:\n3\n", None, ""),
    ],
)
def test_the_energy_scale_is_linear_in_kev_or_doubted(
    scale: str, expected: tuple[float, float] | None, says: str
) -> None:
    spectrum = parse_spe(f"$DATA:\n0 2\n1\n2\n3\n{scale}".encode(), Path("a.Spe"))
    assert spectrum.calibration == pytest.approx(expected)
    assert says in " ".join(spectrum.remarks)
    assert bool(spectrum.remarks) == bool(says)


BAD = [
    (b"  1\n  2", b"  1\n -2", OutOfRange, "line 9", "negative"),
    (b"  1\n  2", b"  1\n2.5", WrongFormat, "line 9", "2.5"),
    (b"  1\n  2", b"  1\nNaN", WrongFormat, "line 9", "NaN"),
    (b"  1\n  2", b"  1\n\0\0\0", WrongFormat, "line 9", "not a number of counts"),
    (b"  1\n  2", b"  1\n\xff\xfe2", WrongFormat, "line 9", "not a number of counts"),
    (b"  1\n  2", b"  1\n99999999999999999999999", OutOfRange, "line 8", "2^53"),
    (b"  1\n  2", b"  1\n  2\n 2", WrongFormat, "line 11", "3 channels but 4"),
    (b"0 2", b"0 3", Truncated, "line 11", "3 of 4"),
    (b"0 2", b"0 99999999", OutOfRange, "line 7", str(MAX_CHANNELS)),
    (b"0 2", b"0 9999999999999999999999", OutOfRange, "line 7", str(MAX_CHANNELS)),
    (b"0 2", b"5 7", WrongFormat, "line 7", "channel 5"),
    (b"0 2", b"-1 1", WrongFormat, "line 7", "channel range"),
    (b"0 2", b"0", WrongFormat, "line 7", "channel range"),
    (b"480 480", b"nan 480", WrongFormat, "line 5", "live time"),
    (b"480 480", b"-1 480", WrongFormat, "line 5", "live time"),
    (b"03/06/2017", b"13/06/2017", WrongFormat, "line 3", "month"),
    (b"$MEAS_TIM:", b"$DATA:\n0 0\n7\n$MEAS_TIM:", WrongFormat, "line 9", "more than one"),
    (b"$DATE_MEA:", b"#DATE_MEA:", WrongFormat, "line 1", "ORTEC"),
]  # fmt: skip
SMALL = b"\n$DATE_MEA:\n03/06/2017 09:00:00\n$MEAS_TIM:\n480 480\n$DATA:\n0 2\n  1\n  2\n  3\n"


@pytest.mark.parametrize(("old", "new", "kind", "place", "says"), BAD)
def test_a_broken_spectrum_is_refused(
    tmp_path: Path, old: bytes, new: bytes, kind: type[LidepthError], place: str, says: str
) -> None:
    assert old in SMALL
    path = tmp_path / "a.Spe"
    path.write_bytes(
        SMALL.lstrip().replace(old, new) if new[:1] == b"#" else SMALL.replace(old, new)
    )
    with pytest.raises(LidepthError) as caught:
        read_spectrum(path)
    assert type(caught.value) is kind
    assert str(path) in caught.value.where
    assert place in caught.value.where
    assert says in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xls").write_text("1\n2\n")
    with pytest.raises(WrongFormat, match="no reader"):
        read_spectrum(tmp_path / "a.xls")
    (tmp_path / "b.spe").write_bytes(b"SOFH\nPlatform: PC\n\x00\x01")
    with pytest.raises(WrongFormat, match="not an ORTEC"):
        read_spectrum(tmp_path / "b.spe")


def test_every_prefix_is_refused_or_complete(tmp_path: Path) -> None:
    path = written(tmp_path, channels=300)
    whole, content = read_spectrum(path), path.read_bytes()
    refused = 0
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        try:
            part = read_spectrum(path)
        except (Truncated, WrongFormat):
            refused += 1
            continue
        np.testing.assert_array_equal(part.counts, whole.counts)
        assert (part.start, part.live_s) == (whole.start, whole.live_s)
    assert refused > 300


def test_real_files_agree_with_specutils(shared: Path) -> None:
    import SpecUtils

    files = sorted(
        file
        for folder in ("mca", "ndp")
        for file in (shared / "data" / folder).rglob("*")
        if file.suffix.lower() == ".spe"
    )
    if not files:
        pytest.skip("no real .Spe files")
    for file in files:
        ours = read_spectrum(file)
        other = SpecUtils.SpecFile()
        other.loadFile(str(file), SpecUtils.ParserType.SpeIaea)
        theirs = other.measurements()[0]
        np.testing.assert_array_equal(ours.counts, np.asarray(theirs.gammaCounts()))
        assert ours.live_s == pytest.approx(theirs.liveTime(), rel=1e-6)
        assert ours.real_s == pytest.approx(theirs.realTime(), rel=1e-6)
        assert ours.start == np.datetime64(theirs.startTime(), "ns")
        invented = SpecUtils.EnergyCalType.UnspecifiedUsingDefaultPolynomial
        assert (ours.calibration is None) == (theirs.energyCalibrationModel() == invented)
        if ours.calibration is not None:
            assert ours.calibration == pytest.approx(theirs.calibrationCoeffs()[:2], rel=1e-5)
