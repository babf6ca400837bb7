"""One small good file of every analyser format, for the tests of readers and for the hostile ones.

``MADE`` maps the key of a format to a function that returns (content, file name).  The writers
follow the layouts on their own: they share nothing with the readers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import datetime

import made_own_files as own
import numpy as np

from lidepth.files.readers import Dialect

START = datetime(2020, 2, 29, 23, 59, 58)
LIVE_S, REAL_S = 479.7, 480.02
OFFSET_KEV, GAIN_KEV = 2.5, 3.25

COUNTS = np.random.default_rng(20170306).poisson(300.0, 64)
"""No channel is empty, the first two and the last two included."""


def spe(counts: Sequence[int] = COUNTS) -> bytes:
    lines = [
        "$SPEC_ID:", "made", "$DATE_MEA:", f"{START:%m/%d/%Y %H:%M:%S}",
        "$MEAS_TIM:", f"{LIVE_S} {REAL_S}", "$DATA:", f"0 {len(counts) - 1}",
        *(f"{count:8d}" for count in counts), "$ENER_FIT:", f"{OFFSET_KEV} {GAIN_KEV}",
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n").encode()


def chn(
    counts: Sequence[int] = COUNTS,
    *,
    terms: tuple[float, float, float] = (OFFSET_KEV, GAIN_KEV, 0.0),
    century: bytes = b"1",
    start: datetime = START,
    tail_kind: int = -102,
) -> bytes:
    header = struct.pack(
        "<hhh2sII7s1s4sHH", -1, 1, 1, f"{start:%S}".encode(), round(REAL_S * 50),
        round(LIVE_S * 50), f"{start:%d%b%y}".encode(), century, f"{start:%H%M}".encode(), 0,
        len(counts) % 2**16,
    )  # fmt: skip
    tail = struct.pack("<hh3f", tail_kind, 0, *terms).ljust(512, b"\0")
    return header + np.asarray(counts, "<u4").tobytes() + tail


def spc(
    counts: Sequence[int] = COUNTS,
    *,
    real: bool = False,
    terms: tuple[float, float, float] = (OFFSET_KEV, GAIN_KEV, 0.0),
    late_days: float = 0.0,
) -> bytes:
    """Records: header, acquisition, calibration, spectrum, one for the end."""
    counts = np.asarray(counts)
    room = -(-counts.size // 32)
    words = [0] * 64
    words[0], words[1], words[4], words[17] = 1, 5 if real else 1, 2, 3
    words[30], words[31], words[32] = 4, room, counts.size
    words[20] = words[27] = words[28] = 4 + room
    first = bytearray(struct.pack("<64h", *(word - 2**16 * (word > 2**15) for word in words)))
    days = (START - datetime(1979, 1, 1)).total_seconds() / 86400 + late_days
    struct.pack_into("<fd", first, 68, days, days)
    struct.pack_into("<ff", first, 90, REAL_S, LIVE_S)
    name = b"made.SPC".ljust(16)
    date = f"{START:%d-%b-%y}1".upper().encode().ljust(12) + f"{START:%H:%M:%S}".encode().ljust(10)
    times = f"{round(LIVE_S):10d}{round(REAL_S):10d}".encode()
    acquisition = (name + date + times).ljust(128, b"\0")
    calibration = struct.pack("<4h3f3f", 0, 0, 0, 0, 0, 0, 0, *terms).ljust(128, b"\0")
    data = counts.astype("<f4" if real else "<i4").tobytes().ljust(128 * room, b"\0")
    return bytes(first) + acquisition + calibration + data + bytes(128)


def cnf(
    counts: Sequence[int] = COUNTS,
    *,
    terms: tuple[float, float, float] = (OFFSET_KEV, GAIN_KEV, 0.0),
    unit: str = "keV",
    start_ticks: int | None = None,
) -> bytes:
    """File header, acquisition block, spectrum block."""
    counts = np.asarray(counts)
    scale_at, clock_at = 200, 160
    acquisition, spectrum = 2048, 2048 + 1024
    length = spectrum + 512 + 4 * counts.size
    head = bytearray(2048)
    head[0:2] = b"\0\x04"
    struct.pack_into("<II", head, 6, 2048, length)
    blocks = {}
    for number, (kind, begin) in enumerate(((0x12000, acquisition), (0x12005, spectrum))):
        block = bytearray(48)
        struct.pack_into("<I", block, 0, kind)
        struct.pack_into("<I", block, 10, begin)
        struct.pack_into("<H", block, 16, 48)
        if kind == 0x12000:
            struct.pack_into("<HH", block, 34, scale_at, clock_at)
        else:
            struct.pack_into("<HH", block, 40, 464, counts.size)
        blocks[kind] = bytes(block)
        head[112 + 48 * number : 160 + 48 * number] = block
    common = bytearray(1024 - 48)
    common[128:132] = b"PHA+"
    struct.pack_into("<I", common, 0x89, counts.size)
    ticks = start_ticks
    if ticks is None:
        since = START - datetime(1858, 11, 17)
        ticks = (since.days * 86400 + since.seconds) * 10**7
    down = [2**64 - round(seconds * 1e7) for seconds in (REAL_S, LIVE_S)]
    struct.pack_into("<QQQ", common, clock_at + 1, ticks, *down)
    for place, term in enumerate(terms):
        # PDP-11: four times the value, the two halves swapped
        low, high = struct.unpack("<2s2s", struct.pack("<f", 4 * term))
        common[scale_at + 68 + 4 * place : scale_at + 72 + 4 * place] = high + low
    common[scale_at + 92 : scale_at + 108] = unit.encode().ljust(16)
    data = bytes(464) + counts.astype("<u4").tobytes()
    return bytes(head) + blocks[0x12000] + bytes(common) + blocks[0x12005] + data


def counted_zeroes(counts: Sequence[int]) -> str:
    words, run = [], 0
    for count in [*counts, -1]:
        if count == 0:
            run += 1
            continue
        words += [f"0 {run}"] if run else []
        run = 0
        words += [str(count)] if count > 0 else []
    return " ".join(words)


def n42(measurements: str = "", *, scale: str = f"{OFFSET_KEV} {GAIN_KEV} 0") -> bytes:
    """N42 of 2012: two detectors at two times, unless other measurements are given."""
    both = n42_spectrum("A") + n42_spectrum("B", COUNTS[:40], code="None")
    slices = measurements or "".join(
        n42_measurement(start=f"2020-02-29T23:{minute}:58Z", spectra=both) for minute in (51, 59)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<RadInstrumentData xmlns="http://physics.nist.gov/N42/2011/N42">\n'
        '<RadDetectorInformation id="A"><RadDetectorCategoryCode>Gamma</RadDetectorCategoryCode>'
        '</RadDetectorInformation>\n<RadDetectorInformation id="B"><RadDetectorCategoryCode>Gamma'
        "</RadDetectorCategoryCode></RadDetectorInformation>\n"
        f'<EnergyCalibration id="scale"><CoefficientValues>{scale}</CoefficientValues>'
        f"</EnergyCalibration>\n{slices}</RadInstrumentData>\n"
    ).encode()


def n42_measurement(*, start: str, spectra: str, real: str = f"PT{REAL_S}S") -> str:
    return (
        "<RadMeasurement><MeasurementClassCode>Foreground</MeasurementClassCode>"
        f"<StartDateTime>{start}</StartDateTime><RealTimeDuration>{real}</RealTimeDuration>\n"
        f"{spectra}</RadMeasurement>\n"
    )


def n42_spectrum(
    detector: str,
    counts: Sequence[int] = COUNTS,
    *,
    code: str = "CountedZeroes",
    live: str = f"PT{LIVE_S}S",
    scale: str = "scale",
    text: str = "",
) -> str:
    packed = counted_zeroes(counts) if code == "CountedZeroes" else " ".join(map(str, counts))
    return (
        f'<Spectrum radDetectorInformationReference="{detector}" '
        f'energyCalibrationReference="{scale}"><LiveTimeDuration>{live}</LiveTimeDuration>'
        f'<ChannelData compressionCode="{code}">{text or packed}</ChannelData></Spectrum>\n'
    )


def n42_2006(*, unit: str = "keV", scale: str = f"{OFFSET_KEV} {GAIN_KEV} 0") -> bytes:
    spectra = "".join(
        f'<Spectrum Detector="{name}" SampleNumber="1"><RealTime>PT{REAL_S}S</RealTime>'
        f"<LiveTime>PT{LIVE_S}S</LiveTime><SourceType>Item</SourceType>"
        f'<Calibration Type="Energy" EnergyUnits="{unit}"><Equation Model="Polynomial">'
        f"<Coefficients>{scale}</Coefficients></Equation></Calibration>"
        '<Calibration Type="FWHM"><Equation Model="Polynomial"><Coefficients>7 8 9'
        "</Coefficients></Equation></Calibration>"
        f'<ChannelData Compression="CountedZeroes">{counted_zeroes(COUNTS)}</ChannelData>'
        "</Spectrum>\n"
        for name in ("A1", "A2")
    )
    return (
        '<?xml version="1.0"?>\n<N42InstrumentData xmlns="http://physics.nist.gov/Divisions/Div846/'
        'Gp4/ANSIN4242/2005/ANSIN4242"><Measurement><InstrumentInformation><InstrumentType>Portal'
        "</InstrumentType></InstrumentInformation><DetectorData><StartTime>2020-02-29T23:59:58"
        "</StartTime><SampleRealTime>PT480.02S</SampleRealTime><DetectorMeasurement>"
        f"<SpectrumMeasurement>{spectra}</SpectrumMeasurement></DetectorMeasurement></DetectorData>"
        "</Measurement></N42InstrumentData>\n"
    ).encode()


MADE: dict[str, Callable[[], tuple[bytes, str]]] = {
    "spe": lambda: (spe(), "a.Spe"),
    "spc": lambda: (spc(), "a.Spc"),
    "chn": lambda: (chn(), "a.Chn"),
    "cnf": lambda: (cnf(), "a.cnf"),
    "n42": lambda: (n42(), "a.n42"),
    **own.MADE,
}

DIALECTS: dict[str, Dialect] = {**own.DIALECTS}
"""What a format needs to be told, where its file does not say it."""
