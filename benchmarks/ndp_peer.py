"""NIST's ``ndp`` on the shared case: its files, its settings, its output.

It is called as the installed program that it is, and given what favours it: one homogeneous film
(it has one parabola for all depths), exact energies at eleven thicknesses in place of TRIM's, the
sample counted with the reference's line so that branch and cross section cancel.
"""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.boron import (
    CELL_EDGES_NM,
    CHANNELS,
    GAIN_KEV,
    MONITOR_WINDOW,
    OFFSET_KEV,
    OXIDE,
    REFERENCE_1E15,
    REFERENCE_STD_1E15,
    SEEN_NM,
    Profile,
)
from benchmarks.common import NotInstalled
from lidepth.physics.reactions import reactions_of
from lidepth.physics.stopping import stopping_source
from lidepth.physics.transport import RangeTable, energy_after, total_stopping

Floats = NDArray[np.float64]

THICK_NM = (10.0, 25.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 600.0, 800.0)
_IONS = 200
_ZERO_CHANNEL = 2077  # the channel of 1472 keV, as its example has it
_BIN = 21  # channels, as its example has it
_KINDS = {"sam": "Sam", "bgd": "Bgd", "ref": "Ref"}
_COLUMNS = ["Channels", "Energy", "Depth", "Counts", "Atoms/cm2", "Atoms/cm2 Uncert", "Atoms/cm3",
            "Atoms/cm3 Uncert"]  # fmt: skip


def prepare(folder: Path, files: dict[str, list[Path]]) -> Callable[[], Path]:
    """Write its inputs; the call that is returned reduces them and names the output."""
    try:
        package = importlib.import_module("ndp")
    except ImportError as error:
        raise NotInstalled("ndp is not installed (make peers)") from error
    _trim_files(folder)
    (folder / "config.json").write_text(json.dumps(_config()), encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(_schema(folder, files)), encoding="utf-8")

    def reduce() -> Path:
        data = package.ndpData()
        data.readconfig(str(folder / "config.json"))
        with warnings.catch_warnings():  # it divides by counts of zero
            warnings.simplefilter("ignore")
            data.runschema(str(folder / "schema.json"))
        return folder / "ndp.csv"

    return reduce


def read_profile(path: Path) -> Profile:
    """Its output in the cells of the truth: density between its points by straight lines."""
    rows = [r.split(",") for r in path.read_text(encoding="utf-8").splitlines()]
    start = next(n for n, row in enumerate(rows) if row[0] == _COLUMNS[0]) + 1
    table = np.array([[float(x) for x in row] for row in rows[start:-1]])
    depth, per_cm2, per_cm2_std, per_cm3, std = table[:, [2, 4, 5, 6, 7]].T
    order = np.argsort(depth)
    fine = CELL_EDGES_NM[0] + (np.arange(20 * (CELL_EDGES_NM.size - 1)) + 0.5)
    fine = fine * (CELL_EDGES_NM[1] - CELL_EDGES_NM[0]) / 20.0

    def in_cells(values: Floats) -> Floats:
        return np.interp(fine, depth[order], values[order]).reshape(-1, 20).mean(axis=1)

    # Binned columns are means per channel; what the resolution carries past the surface counts.
    inside = (depth > -100.0) & (depth < SEEN_NM)
    return Profile(
        edges_nm=CELL_EDGES_NM, per_cm3=in_cells(per_cm3), std_per_cm3=in_cells(std),
        total_1e15=float(per_cm2[inside].sum() * _BIN * 1e-15),
        total_std_1e15=float(np.sqrt(np.sum(per_cm2_std[inside] ** 2)) * _BIN * 1e-15),
    )  # fmt: skip


def _trim_files(folder: Path) -> None:
    """TRANSMIT files with the exact mean energy and a few keV of spread; twelve header lines."""
    alpha = reactions_of("10B")[0].light
    table = RangeTable(
        stopping=total_stopping(stopping_source(), alpha.projectile, OXIDE), max_energy_kev=2000.0
    )
    spread = 5.0 * np.linspace(-2.0, 2.0, _IONS)
    for thick in THICK_NM:
        mean = float(energy_after(table, alpha.energy_kev, thick * OXIDE.atoms_1e15_per_nm))
        head = [" "] * 9 + [f" TRANSMIT of He (1472 keV) ==> film({thick:g} nm)"] + [" "] * 2
        rows = [
            f"T {n + 1:6d} 2 {_fortran((mean + shift) * 1e3)} {round(thick * 1e5)}E-04 .0E+00"
            for n, shift in enumerate(spread)
        ]
        (folder / f"trim_{thick:04.0f}.txt").write_text("\n".join([*head, *rows]) + "\n",
                                                        encoding="utf-8")  # fmt: skip


def _fortran(value_ev: float) -> str:
    """As .1466694E+07."""
    return f".{round(value_ev):07d}E+07"


def _config() -> dict[str, Any]:
    energy = reactions_of("10B")[0].light.energy_kev
    return {
        "Configuration": "made", "Beam Energy": energy, "Num Channels": CHANNELS,
        "Zero Channel": _ZERO_CHANNEL, "Mon Peak Channels": list(MONITOR_WINDOW),
        "Calib Coeffs": [GAIN_KEV, OFFSET_KEV],
    }  # fmt: skip


def _schema(folder: Path, files: dict[str, list[Path]]) -> dict[str, Any]:
    place = str(folder) + "/"  # it adds file names to paths without a separator
    sets = {
        f"{theirs} {part}": {"Path": place, "Files": [p.name for p in files[f"{ours} {name}"]]}
        for ours, theirs in _KINDS.items() for part, name in (("Dat", "dat"), ("Mon", "mon"))
    }  # fmt: skip
    barns = 3600.48
    return {
        "Operations": ["Eval", "Load", "Norm", "Correct", "Absolute", "Bin", "Save"],
        "Eval": ["TRIM"], "Load": list(sets), "Norm": ["Sam", "Ref", "Bgd"],
        "Corr": ["Sam", "Ref"],
        "Absolute": {
            "Ref Atom": "B", "Ref Cross Sec": barns, "Ref Abundance": 1.0,
            "Ref Conc": REFERENCE_1E15 * 1e15, "Ref Conc Uncert": REFERENCE_STD_1E15 * 1e15,
            "Atom": "B", "Cross Sec": barns, "Abundance": 1.0, "Branch Frac": 1.0,
        },
        "Bin": _BIN, "Save": {"Columns": _COLUMNS, "Path": place, "Filename": "ndp.csv"},
        "TRIM": [{"Path": place, "Files": [f"trim_{t:04.0f}.txt" for t in THICK_NM]}], **sets,
    }  # fmt: skip
