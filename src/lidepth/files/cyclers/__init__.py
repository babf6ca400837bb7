"""Readers of cycler files: one module per format, listed in ``CYCLER_FORMATS``.

Every reader returns a CyclerLog: current positive on charge, and what else the file had under its
Battery Data Format name in ``vendor``.  Installed packages may add formats through the entry-point
group ``lidepth.cyclers``; each names a CyclerFormat.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

from lidepth.errors import BadInput, WrongFormat
from lidepth.files._text import nearest, read_head
from lidepth.files.cyclers.arbin import ARBIN_CSV, ARBIN_RES, ARBIN_XLSX
from lidepth.files.cyclers.bdf import BDF, write_bdf_csv
from lidepth.files.cyclers.biologic import MPT
from lidepth.files.cyclers.format import ColumnMap, CyclerFormat
from lidepth.files.cyclers.generic import GENERIC
from lidepth.files.cyclers.maccor import MACCOR
from lidepth.files.cyclers.neware import NEWARE, NEWARE_CSV
from lidepth.files.cyclers.own_csv import OWN_CSV
from lidepth.model.cycling import CyclerLog

__all__ = ["CYCLER_FORMATS", "ColumnMap", "CyclerFormat", "read_cycler", "write_bdf_csv"]

CYCLER_FORMATS: tuple[CyclerFormat, ...] = (
    OWN_CSV, BDF, MPT, NEWARE, NEWARE_CSV, ARBIN_XLSX, ARBIN_RES, ARBIN_CSV, MACCOR, GENERIC,
)  # fmt: skip
"""Every format, in the order in which contents are tried where suffixes are shared."""

PLUGINS = "lidepth.cyclers"
"""The entry-point group of formats that other packages bring."""

_HEAD = 4096

_ELSEWHERE = {
    ".h5": "give the cycler's own file, not an archive made from it",
    ".mpr": "export the measurement as text (.mpt) from EC-Lab, or install a plug-in for .mpr; "
    "the page on formats has one of 30 lines that uses yadg",
}


def read_cycler(path: str | Path, *, key: str = "", columns: ColumnMap | None = None) -> CyclerLog:
    """Read one cycler file.

    ``key`` names the format (``data.cycler.format``); without one, suffix and content decide.
    Raises WrongFormat for a file that no reader takes, and what the reader raises: Truncated,
    WrongFormat, OutOfRange or another BadInput with file and place.
    """
    file = Path(path)
    return _format_of(file, read_head(file, _HEAD), key).read(file, columns or ColumnMap())


def _format_of(path: Path, head: bytes, key: str) -> CyclerFormat:
    suffix = path.suffix.lower()
    found = _chosen(CYCLER_FORMATS, suffix, head, key)
    if found is not None:
        return found
    added = _plugins()
    found = _chosen(added, suffix, head, key)
    if found is not None:
        return found
    known = (*CYCLER_FORMATS, *added)
    if key:
        near = nearest(key, [one.key for one in known])
        raise WrongFormat(
            f"no cycler format is called {key!r}", where=str(path),
            expected="one of " + ", ".join(one.key for one in known),
            remedy=f"did you mean {near!r}?" if near else "leave data.cycler.format out",
        )  # fmt: skip
    suffixes = {s for one in known if not one.explicit for s in one.suffixes}
    raise WrongFormat(
        "the columns are those of no known cycler" if suffix in suffixes
        else f"no cycler reader for files ending in {path.suffix!r}",
        where=str(path), expected="one of " + ", ".join(sorted(suffixes)),
        remedy=_ELSEWHERE.get(
            suffix, "name the columns with data.cycler.format: csv and data.cycler.columns"
        ),
    )  # fmt: skip


def _chosen(
    formats: tuple[CyclerFormat, ...], suffix: str, head: bytes, key: str
) -> CyclerFormat | None:
    """Return the format that ``key`` names, else the one that suffix and content show."""
    if key:
        return next((one for one in formats if one.key == key), None)
    fitting = [one for one in formats if suffix in one.suffixes and not one.explicit]
    if len(fitting) == 1:
        return fitting[0]
    return next((one for one in fitting if one.recognises(head)), None)


def _plugins() -> tuple[CyclerFormat, ...]:
    """Return the formats of installed packages; loaded only for files that are not our own's."""
    found = []
    for entry in entry_points(group=PLUGINS):
        try:
            one = entry.load()
        except Exception as error:  # another package's code may raise anything
            raise BadInput(
                f"the plug-in {entry.name!r} cannot be loaded ({type(error).__name__}: {error})",
                where=entry.value, expected="a CyclerFormat", remedy="reinstall or remove it",
            ) from error  # fmt: skip
        if not isinstance(one, CyclerFormat):
            raise BadInput(
                f"the plug-in {entry.name!r} is no CyclerFormat", where=entry.value,
                expected="a CyclerFormat", remedy="correct its entry point",
            )  # fmt: skip
        found.append(one)
    return tuple(found)
