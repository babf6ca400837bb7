"""One small good file of every cycler format, written on its own: nothing shared with the readers.

The test that all of them tell: three rows of rest, four of charge, four of discharge.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta

START = datetime(2021, 2, 27, 13, 59, 58)
ELAPSED_S = [0.0, 60.0, 120.0, 120.0, 180.0, 240.0, 300.0, 300.0, 360.0, 420.0, 480.0]
VOLTAGE_V = [3.0, 3.001, 3.002, 3.1, 3.2, 3.3, 3.4, 3.3, 3.2, 3.1, 3.05]
CURRENT_MA = [0.0, 0.0, 0.0, 0.012, 0.012, 0.012, 0.012, -0.011, -0.011, -0.011, -0.011]
STEP = [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
KIND = ["Rest"] * 3 + ["CC Chg"] * 4 + ["CC DChg"] * 4
ROWS = list(zip(ELAPSED_S, VOLTAGE_V, CURRENT_MA, STEP, KIND, strict=True))


def _at(elapsed_s: float) -> datetime:
    return START + timedelta(seconds=elapsed_s)


def _hms(elapsed_s: float) -> str:
    whole = int(elapsed_s)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def own() -> bytes:
    rows = [f"{_at(t).isoformat()},{v:.4f},{i * 1e3:.3f}\n" for t, v, i, _, _ in ROWS]
    return ("time,voltage_V,current_uA\n" + "".join(rows)).encode()


def bdf(*, machine: bool = False, sign: float = 1.0) -> bytes:
    head = (
        "test_time_second,voltage_volt,current_ampere,unix_time_second,step_count,step_type"
        if machine
        else "Test Time / min,Voltage / V,Current / mA,Unix Time / s,Step Count / 1,Step Type / 1"
    )
    lines = [head]
    for t, v, i, s, kind in ROWS:
        unix = (_at(t) - datetime(1970, 1, 1)).total_seconds()
        shown = (f"{t:.3f}", i / 1e3) if machine else (f"{t / 60:.3f}", i)
        lines.append(f"{shown[0]},{v},{sign * shown[1]:.9f},{unix:.3f},{s},{kind}")
    return ("\n".join(lines) + "\n").encode()


def mpt(*, comma: bool = True, mean: bool = True, start: str = "02/27/2021 13:59:58.000") -> bytes:
    columns = ["mode", "Ns", "time/s", "<I>/mA" if mean else "I/mA", "Ewe/V", "(Q-Qo)/mA.h"]
    header = [
        "EC-Lab ASCII FILE", "Nb header lines : 7                          ", "",
        f"Acquisition started on : {start}", "Electrode surface area : 0.001 cm²", "",
        "\t".join(columns) + "\t",
    ]  # fmt: skip
    rows = []
    charge = 0.0
    for k, (t, v, i, s, _) in enumerate(ROWS):
        before = ELAPSED_S[k - 1] if k else 0.0
        charge += i * (t - before) / 3600
        row = f"1\t{s - 1}\t{t + 30:.6E}\t{i:.7E}\t{v:.7E}\t{charge:.7E}\t"
        rows.append(row.replace(".", ",") if comma else row)
    return ("\r\n".join([*header, *rows]) + "\r\n").encode("latin-1")


def maccor_days() -> bytes:
    names = ["Rec#", "Cyc#", "Step", "TestTime", "StepTime", "Amp-hr", "Watt-hr", "Amps", "Volts",
             "State", "ES", "DPt Time"]  # fmt: skip
    lines = ["Today's Date:\t14 December 2020\tDate of Test:\t11 December 2020", "\t".join(names)]
    for k, (t, v, i, s, kind) in enumerate(ROWS, start=1):
        state = {"R": "R", "C": "D" if "DChg" in kind else "C"}[kind[0]]
        lines.append(
            f"{k}\t0\t{s}\t  0d {_hms(t)}\t  0d 00:00:0\t0.00000\t0.00000\t"
            f"{abs(i) / 1e3:.9f}\t{v:.5f}"
            f"\t{state}\t1\t{_at(t):%m/%d/%Y %H:%M:%S}"
        )
    return ("\n".join(lines) + "\n").encode()


def maccor_minutes() -> bytes:
    names = ["Rec", "Cycle P", "Cycle C", "Step", "TestTime", "StepTime", "Cap. [Ah]", "Ener. [Wh]",
             "Current [A]", "Voltage [V]", "Md", "ES", "DPT Time"]  # fmt: skip
    lines = ["Name:\tmade", "Started\t2/27/2021 1:59:58 PM", "", "\t".join(names), ""]
    for k, (t, v, i, s, kind) in enumerate(ROWS, start=1):
        state = {"R": "R", "C": "D" if "DChg" in kind else "C"}[kind[0]]
        lines.append(
            f"{k}\t0\t1\t{s}\t{t / 60:.6f}\t0.0\t0.0\t0.0\t"
            f"{abs(i) / 1e3:.9f}\t{v:.4f}\t{state}\t1\t"
            f"{_at(t):%m/%d/%Y %I:%M:%S %p}\t"
        )
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")


def neware_csv() -> bytes:
    lines = [
        "DataPoint,Cycle Index,Step Index,Step Type,Time,Total Time,Current(A),Voltage(V),Date"
    ]
    for k, (t, v, i, s, kind) in enumerate(ROWS, start=1):
        lines.append(f"{k},1,{s},{kind},{_hms(t)},{_hms(t)},{i / 1e3:.9f},{v:.4f},{_at(t)}")
    return ("\n".join(lines) + "\n").encode()


def neware_layers() -> bytes:
    lines = [
        "Cycle Index,Chg. Cap.(Ah),DChg. Cap.(Ah),Eff(%),Chg. Energy(Wh),DChg. Energy(Wh),a,b",
        ",Step Index,Step Number,Step Type,Step Time,Capacity(Ah)",
        ",,DataPoint,Time,Total Time,Current(A),Voltage(V),Date,Power(W)",
    ]
    last = 0
    for k, (t, v, i, s, kind) in enumerate(ROWS, start=1):
        if s != last:
            step = f"{s},{s},{kind},00:02:00,0.0"
            lines.append(
                f"1,0.1,0.1,99.0,0.1,0.1,00:02:00,00:02:00,{step}" if k == 1 else f",{step}"
            )
            last = s
        lines.append(f",,{k},{_hms(t)},{_hms(t)},{i / 1e3:.9f},{v:.4f},{_at(t)},0.0000")
    return ("\n".join(lines) + "\n").encode()


_ROW = struct.Struct("<xIIBB5xQii4x4qH5Bi8x")
_NEWARE_KIND = {"CC Chg": 1, "CC DChg": 2, "Rest": 4}


def ndc() -> bytes:
    """Rows of 87 bytes on a page of 4 kB, behind bits that say which are in use and a page."""
    rows = []
    begun = {s: t for t, s in reversed(list(zip(ELAPSED_S, STEP, strict=True)))}
    for k, (t, v, i, s, kind) in enumerate(ROWS, start=1):
        at = _at(t)
        rows.append(_ROW.pack(
            k, 0, s, _NEWARE_KIND[kind], round((t - begun[s]) * 1e3), round(v * 1e4),
            round(i * 1e4), 0, 0, 0, 0, at.year, at.month, at.day,
            at.hour, at.minute, at.second, -10,
        ))  # fmt: skip
    head = bytes([1, 0, 5]).ljust(4096, b"\0")
    used = sum(1 << k for k in range(len(rows))).to_bytes(128, "little")
    return head + (b"\0" * 4 + used + b"".join(rows)).ljust(4096, b"\0")


def ndax(extra: dict[str, bytes] | None = None) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("VersionInfo.xml", b"<?xml version='1.0'?><root><config/></root>")
        archive.writestr("data.ndc", ndc())
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return stream.getvalue()


def arbin_csv() -> bytes:
    lines = ["Date_Time,Test_Time(s),Step_Index,Cycle_Index,Voltage(V),Current(A)"]
    for t, v, i, s, _ in ROWS:
        lines.append(f"{_at(t):%m/%d/%Y %H:%M:%S},{t:.4f},{s},1,{v},{i / 1e3:.9f}")
    return ("\n".join(lines) + "\n").encode()


def arbin_xlsx() -> bytes:
    """A workbook of the fewest parts, written as XML by hand."""
    names = ["Date_Time", "Test_Time(s)", "Step_Index", "Cycle_Index", "Voltage(V)", "Current(A)"]
    head = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in names)
    rows = [f'<row r="1">{head}</row>']
    for k, (t, v, i, s, _) in enumerate(ROWS, start=2):
        day = (_at(t) - datetime(1899, 12, 30)).total_seconds() / 86400
        cells = f'<c s="1"><v>{day!r}</v></c>' + "".join(
            f"<c><v>{value!r}</v></c>" for value in (t, s, 1, v, i / 1e3)
        )
        rows.append(f'<row r="{k}">{cells}</row>')
    return workbook(f"<sheetData>{''.join(rows)}</sheetData>")


_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_DOC = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACK = "http://schemas.openxmlformats.org/package/2006"


def workbook(sheet: str, *, before: str = "") -> bytes:
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACK}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override '
        'PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        'spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override '
        'PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        'spreadsheetml.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACK}/relationships"><Relationship Id="r1" '
        f'Type="{_DOC}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_DOC}"><sheets><sheet name="Channel_1_1" '
        'sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACK}/relationships"><Relationship '
        f'Id="r1" Type="{_DOC}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" '
        f'Type="{_DOC}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f"<styleSheet {_MAIN}>"
        "<fonts><font/></fonts><fills><fill><patternFill/></fill></fills><borders>"
        '<border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs><xf numFmtId="0"/>'
        '<xf numFmtId="22"/></cellXfs><cellStyles><cellStyle name="Normal" xfId="0"/></cellStyles>'
        "</styleSheet>",
        "xl/worksheets/sheet1.xml": f"{before}<worksheet {_MAIN}>{sheet}</worksheet>",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return stream.getvalue()


def generic() -> bytes:
    lines = ["operator;someone", "", "t;U_cell;I_cell;note"]
    lines += [f"{t:.2f};{v:.4f};{i * 1e3:.3f};ok".replace(".", ",") for t, v, i, _, _ in ROWS]
    return ("\n".join(lines) + "\n").encode()


TEXTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "lidepth": (own, "cycler.csv"), "bdf": (bdf, "a.bdf.csv"), "biologic": (mpt, "a.mpt"),
    "maccor days": (maccor_days, "a.txt"), "maccor minutes": (maccor_minutes, "b.txt"),
    "neware-csv": (neware_csv, "a.csv"), "neware layers": (neware_layers, "b.csv"),
    "arbin-csv": (arbin_csv, "c.csv"), "csv": (generic, "d.csv"),
}  # fmt: skip
"""Writer and file name of every format of text."""
