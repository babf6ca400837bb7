"""Small good files of the formats that no library reads; ``made_files`` lists them with the rest.

The writers follow the layouts on their own: they share nothing with the readers.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from lidepth.files.readers import Dialect

START = datetime(2020, 2, 29, 23, 59, 58)
LIVE_S, REAL_S = 479.75, 480.5
OFFSET_KEV, GAIN_KEV = 2.5, 3.25
COUNTS = np.random.default_rng(20170307).poisson(300.0, 64)

DPP = "<<DP5 CONFIGURATION>>\r\nRESC=Y;    Reset\r\n<<DP5 CONFIGURATION END>>\r\n"


def amptek(
    counts: Sequence[int] = COUNTS,
    *,
    points: str = f"0 {OFFSET_KEV}\r\n60 {OFFSET_KEV + 60 * GAIN_KEV}",
    label: str = "keV",
    start: str = f"{START:%m/%d/%Y %H:%M:%S}",
    tail: str = DPP,
) -> bytes:
    scale = f"<<CALIBRATION>>\r\nLABEL - {label}\r\n{points}\r\n" if label else ""
    header = (
        "<<PMCA SPECTRUM>>\r\nTAG - live_data\r\nDESCRIPTION - \r\nGAIN - 3\r\nTHRESHOLD - 0\r\n"
        f"LIVE_MODE - 0\r\nPRESET_TIME - 0\r\nLIVE_TIME - {LIVE_S}\r\nREAL_TIME - {REAL_S}\r\n"
        f"START_TIME - {start}\r\nSERIAL_NUMBER - 0\r\n{scale}<<ROI>>\r\n2 5\r\n"
    )
    rows = "".join(f"{count}\r\n" for count in counts)
    return f"{header}<<DATA>>\r\n{rows}<<END>>\r\n{tail}".encode()


LYNX_HEADER = (
    f"Detector:   Lynx A\nLabel:  made\nStart time: {START:%a %b %d %H:%M:%S} EDT {START:%Y}\n"
    f"Live time:  {LIVE_S}\nReal time:  {REAL_S}\nComp. value: 0\nStatus:     Idle\nSpectrum:\n"
)


def genie(
    counts: Sequence[int] = COUNTS, *, header: str = LYNX_HEADER, row: str = "{i} {count}\n"
) -> bytes:
    rows = (
        row.format(i=i, count=count, energy=OFFSET_KEV + GAIN_KEV * i)
        for i, count in enumerate(counts)
    )
    return (header + "".join(rows)).encode()


LYNX_CSV_HEADER = (
    f"Start Time, {START:%a %b %d %H:%M:%S} GMT-0600 {START:%Y}\n"
    f"Energy calibration, Offset: {OFFSET_KEV}, Slope: {GAIN_KEV}, Quadratic: 0.0\n"
    f"Live Time (s), {LIVE_S}\nReal Time (s), {REAL_S}\nElapsed Computational, 0\nSpectrum\n"
    "Channel, Energy(keV), Counts\n"
)


def adc(
    number: int, *, active: int = 1, total: int = int(COUNTS.sum()), unit: str = "keV",
    bend: float = 0.0, offset: float = OFFSET_KEV, gain: float = GAIN_KEV,
) -> str:  # fmt: skip
    return (
        f"[ADC{number}]\r\nrange=64\r\nactive={active}\r\nrealtime={REAL_S}\r\n"
        f"livetime={LIVE_S}\r\nTOTALSUM={total}\r\ncaluse=1\r\ncaloff={offset}\r\n"
        f"calfact={gain}\r\ncalfact2={bend}\r\ncalunit={unit}\r\n"
        f"cmline0={START:%m/%d/%Y %H:%M:%S}.250 - 00:07:58.750 \r\n"
    )


def mpa(
    counts: Sequence[int] = COUNTS, *, sections: str = adc(1) + adc(3), heading: str = "",
    extra: str = "",
) -> bytes:  # fmt: skip
    """Two converters, the first and the third, and a map of both."""
    size = heading or f"{len(counts)} "
    rows = "".join(f"{count}\r\n" for count in counts)
    turned = "".join(f"{count}\r\n" for count in counts[::-1])
    return (
        "[MPA4A] 1504 FW 4.12\r\nmpafmt=asc\r\nsephead=0\r\n"
        f"{sections}[MAP0]\r\nxdim=2\r\n[DATA0,{size}]\r\n{rows}[DATA2,{size}]\r\n{turned}"
        f"[CDAT0,4 ]\r\n1\r\n2\r\n3\r\n4\r\n{extra}"
    ).encode()


def mcd(counts: Sequence[int] = COUNTS, *, channels: int = 64) -> bytes:
    return (
        f"REPORT-FILE from {START:%m/%d/%Y %H:%M:%S}.250 - 00:07:58.750  written 03/01/2020\r\n"
        f"REALTIME: {REAL_S}     \r\nTOTALSUM: {sum(counts)}       \r\nLIVETIME: {LIVE_S}     \r\n"
        f"cmline0={START:%m/%d/%Y %H:%M:%S}.250 - 00:07:58.750 \r\nrange={channels}\r\nfmt=asc\r\n"
        f"caluse=1 \r\ncaloff={OFFSET_KEV}\r\ncalfact={GAIN_KEV}\r\ncalfact2=0\r\n"
        "calfact3=0\r\ncalunit=keV\r\n"
    ).encode()


def column(counts: Sequence[int] = COUNTS) -> bytes:
    return "".join(f"{count}\r\n" for count in counts).encode()


def gz(counts: Sequence[int] = COUNTS) -> bytes:
    return gzip.compress("".join(f"{count}\n" for count in counts).encode(), mtime=0)


def point(
    *, started: str = f"{START:%Y-%m-%dT%H:%M:%S}", devices: str = "", more: str = ""
) -> bytes:
    """What NICOS says of one point."""
    listed = devices or (
        "    -   name: timer\n        unit: s\n        value: 480.5\n        status: idle\n"
        "    -   name: mon0\n        unit: cts\n        value: [28800]\n"
        "    -   name: mon1\n        unit: cts\n        value: 14400\n"
        "    -   name: chn1\n        unit: cps\n        value: [100.0, 48000]\n"
    )
    return (
        "instrument:\n    name: NDP\n    facility: MLZ\nformat:\n    identifier: MLZ.MARIA.2.0-"
        "beta1\n    units:\n        angle: deg\nexperiment:\n    number: p1\n    authors: []\n"
        f"measurement:\n    number: 12\n    history:\n        started: '{started}'\n"
        f"        stopped: '2020-03-01T00:07:59'\n    devices:\n{listed}{more}"
    ).encode()


COMPASS_HEADER = "BOARD;CHANNEL;TIMETAG;ENERGY;ENERGYSHORT;FLAGS\n"
DWELL_S = 60.0


def events(seconds: float = 130.0, number: int = 400) -> list[tuple[int, int, int, int]]:
    """(channel, time tag in ps, energy, flags) of two inputs of one board, in order of time."""
    random = np.random.default_rng(20170308)
    tags = np.sort(random.integers(0, round(seconds * 1e12), number))
    tags[-1] = round(seconds * 1e12)
    energies = random.integers(0, 64, number)
    flags = np.where(np.arange(number) % 50 == 7, 0xC000, 0x4000)
    return list(zip((np.arange(number) % 2).tolist(), tags.tolist(), energies.tolist(),
                    flags.tolist(), strict=True))  # fmt: skip


def compass(
    rows: Sequence[tuple[int, int, int, int]] | None = None, *, header: str = COMPASS_HEADER
) -> bytes:
    listed = events() if rows is None else rows
    return (header + "".join(f"0;{c};{t};{e};0;0x{f:x}\n" for c, t, e, f in listed)).encode()


def iec(
    counts: Sequence[int] = COUNTS, *, channels: int | None = None,
    dates: str = "02/29/20 23:59:58", points: str = "",
    terms: tuple[float, ...] = (OFFSET_KEV, GAIN_KEV, 0.0, 0.0),
) -> bytes:  # fmt: skip
    size = len(counts) if channels is None else channels
    lines = ["MADE  HPGE   0   0     0", f"{LIVE_S:13.2f}{REAL_S:13.2f}{size:6d}", dates]
    lines += ["".join(f"{term:15.8E}" for term in terms), " 0.00000000E+00" * 4]
    lines += ["made", "", "", "", "", points, *[" 0.000000000E+00" * 4] * 35, *[""] * 12]
    padded = [*counts, *[0] * (-len(counts) % 5)]
    lines += [
        f"{i:6d}" + "".join(f"{count:10d}" for count in padded[i : i + 5])
        for i in range(0, len(padded), 5)
    ]
    return "".join(f"A004{line:<64}\r\n" for line in lines).encode()


def text(counts: Sequence[int] = COUNTS) -> bytes:
    rows = (f"{i}\t{OFFSET_KEV + GAIN_KEV * i:.4f}\t{count}\n" for i, count in enumerate(counts))
    return ("made by hand\n# comment\n" + "".join(rows)).encode()


def nexus(
    counts: Any = None, *, change: Callable[[Any], object] | None = None, **packing: Any
) -> bytes:
    """One detector, three spectra, a monitor; ``change`` may alter the open file."""
    import h5py

    values = np.stack([COUNTS, COUNTS[::-1], COUNTS // 2]) if counts is None else counts
    room = io.BytesIO()
    with h5py.File(room, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        detector = entry.create_group("instrument").create_group("det1")
        entry["instrument"].attrs["NX_class"] = "NXinstrument"
        detector.attrs["NX_class"] = "NXdetector"
        detector.create_dataset("counts", data=values, **packing)
        number = np.shape(values)[0]
        for name, each in (("live_time", LIVE_S), ("real_time", REAL_S)):
            detector.create_dataset(name, data=np.full(number, each)).attrs["units"] = "s"
        start = detector.create_dataset("start_time", data=480.5 * np.arange(number))
        start.attrs.update({"units": "s", "start": START.isoformat()})
        edges = OFFSET_KEV + GAIN_KEV * np.arange(np.shape(values)[-1] + 1)
        detector.create_dataset("energy", data=edges).attrs["units"] = "keV"
        monitor = entry.create_group("monitor")
        monitor.attrs["NX_class"] = "NXmonitor"
        monitor.create_dataset("data", data=28800.0 + np.arange(number))
        if change is not None:
            change(file)
    return room.getvalue()


MADE: dict[str, Callable[[], tuple[bytes, str]]] = {
    "amptek": lambda: (amptek(), "a.mca"),
    "genie": lambda: (genie(), "a.txt"),
    "fastcomtec": lambda: (mpa(), "a.mpa"),
    "nicos": lambda: (gz(), "a_1.gz"),
    "compass": lambda: (compass(), "a.csv"),
    "iec": lambda: (iec(), "a.iec"),
    "text": lambda: (text(), "a.dat"),
}
"""Without NeXus, whose reader starts a process for every file."""

DIALECTS = {
    "compass": Dialect(dwell_s=DWELL_S, channels=64),
    "text": Dialect(columns=("channel", "energy", "counts"), delimiter="\t", skip=1),
}
