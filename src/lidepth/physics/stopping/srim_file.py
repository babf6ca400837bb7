"""Reader of the stopping and range tables that SRIM's SR Module writes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from lidepth.errors import Truncated, WrongFormat, WrongUnit
from lidepth.physics.stopping.files import read_text
from lidepth.physics.stopping.tabulated import StoppingPoints

_ION = re.compile(r"Ion\s*=\s*\S+\s*\[\s*(\d+)\]\s*,\s*Mass\s*=\s*([\d.]+)\s*amu", re.IGNORECASE)
_ATOM = re.compile(r"^\s*([A-Z][a-z]?)\s+(\d+)\s+([\d.]+)\s+([\d.]+)\s*$")
_NUMBER = r"[\d.]+(?:[eE][+-]?\d+)?"
_POINT = re.compile(rf"^\s*({_NUMBER})\s*(eV|keV|MeV|GeV)\s+({_NUMBER})\s+({_NUMBER})\s")
_FACTOR = re.compile(rf"^\s*({_NUMBER})\s+(\S.*?)\s*$")
_ENERGY_KEV = {"eV": 1e-3, "keV": 1.0, "MeV": 1e3, "GeV": 1e6}
_PER_1E15 = "ev/(1e15atoms/cm2)"


def read_srim_file(path: Path) -> StoppingPoints:
    """Return the stopping powers of one SR Module table, converted by its own factor list.

    Raises WrongFormat, Truncated or WrongUnit, with file and line, for anything else.
    """
    lines = [re.sub(r"(?<=\d),(?=\d)", ".", line) for line in read_text(path).splitlines()]
    ion = next((match for line in lines if (match := _ION.search(line))), None)
    if ion is None:
        raise WrongFormat(
            "this is not a stopping table of SRIM",
            where=str(path),
            expected='the text an SR Module run saves, with a line "Ion = Helium [2] , Mass = ..."',
        )
    energy, electronic, nuclear = _points(lines, path)
    scale = _scale_to_kev_1e15(lines, path)
    return StoppingPoints(
        atomic_number=int(ion[1]),
        mass_u=_float(ion[2], path, "the ion's mass"),
        fractions=_composition(lines, path),
        energy_kev=energy,
        electronic_kev_1e15=electronic * scale,
        nuclear_kev_1e15=nuclear * scale,
        where=str(path),
    )


def _float(text: str, path: Path, what: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise WrongFormat(f"{what} {text!r} is not a number", where=str(path)) from error


def _composition(lines: list[str], path: Path) -> dict[str, float]:
    percent: dict[str, float] = {}
    for line in lines:
        match = _ATOM.match(line)
        if match:
            share = _float(match[3], path, "an atomic percent")
            percent[match[1]] = percent.get(match[1], 0.0) + share
    whole = sum(percent.values())
    if not 99.0 < whole < 101.0:
        raise WrongFormat(
            f"the atomic percents of the target add up to {whole:g}",
            where=str(path),
            expected="a table headed Target Composition that adds up to 100",
        )
    return {symbol: share / whole for symbol, share in percent.items()}


def _points(lines: list[str], path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = []
    for number, line in enumerate(lines, start=1):
        match = _POINT.match(line + " ")
        if match:
            place = Path(f"{path}, line {number}")
            energy = _float(match[1], place, "the energy") * _ENERGY_KEV[match[2]]
            rows.append(
                (energy, _float(match[3], place, "dE/dx"), _float(match[4], place, "dE/dx"))
            )
    if not rows:
        raise Truncated(
            "no line with an energy and two stopping powers",
            where=str(path),
            expected='lines such as "  10.00 keV   2.469E-01  5.211E-02   1088 A ..."',
        )
    values = np.array(rows)
    return values[:, 0], values[:, 1], values[:, 2]


def _scale_to_kev_1e15(lines: list[str], path: Path) -> float:
    start = next(
        (i for i, line in enumerate(lines) if "multiply stopping by" in line.lower()), None
    )
    if start is None:
        raise Truncated(
            "the list of stopping units at the end is missing",
            where=str(path),
            expected='the lines under "Multiply Stopping by ... for Stopping Units"',
            remedy="save the whole SRIM table again",
        )
    for number, line in enumerate(lines[start + 1 :], start=start + 2):
        match = _FACTOR.match(line)
        if match and re.sub(r"\s", "", match[2]).lower() == _PER_1E15:
            factor = _float(match[1], Path(f"{path}, line {number}"), "the factor")
            return factor * 1e-3
    raise WrongUnit(
        "no factor for eV / (1E15 atoms/cm2)",
        where=f"{path}, line {start + 1}",
        expected="that unit in the list at the end of the SRIM table",
    )
