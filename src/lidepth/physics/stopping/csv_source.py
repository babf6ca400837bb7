"""Reader of a user's own stopping powers, as CSV.

    # projectile: alpha
    # material: Li3PO4
    # density_g_cm3: 2.4            (only for keV_per_um)
    energy_keV, electronic_MeV_cm2_per_g, nuclear_MeV_cm2_per_g
    10, 351.2, 80.4
    ...

The unit is part of the column's name: energy_keV or energy_MeV; electronic_ and nuclear_ followed
by keV_per_1e15 or eV_per_1e15 (per 1e15 atoms/cm2), MeV_cm2_per_g, or keV_per_um.  The nuclear
column may be missing; the universal curve then stands in.  Other columns are ignored.  Projectile
and material come from columns of these names, else from the comment lines, else from a file name
such as ``alpha_in_Li3PO4.csv``.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from lidepth.errors import BadInput, Truncated, WrongFormat, WrongUnit
from lidepth.model.material import Material
from lidepth.physics.reactions import projectile
from lidepth.physics.stopping.files import read_text
from lidepth.physics.stopping.source import Array
from lidepth.physics.stopping.tabulated import StoppingPoints

_ENERGY_KEV = {"kev": 1.0, "mev": 1e3}
_STOPPING_UNITS = ("keV_per_1e15", "eV_per_1e15", "MeV_cm2_per_g", "keV_per_um")
_Row = tuple[int, dict[str, str]]


def read_csv_file(path: Path) -> list[StoppingPoints]:
    """Return the stopping powers of one file, one table per projectile and material.

    Raises BadInput or one of its kinds, with file and line, for anything it cannot use.
    """
    comments, header, rows = _split(read_text(path), path)
    groups: dict[tuple[str, str], list[_Row]] = {}
    for number, row in rows:
        pair = tuple(
            row.get(key) or comments.get(key) or _from_name(path, position)
            for position, key in enumerate(("projectile", "material"))
        )
        groups.setdefault((pair[0], pair[1]), []).append((number, row))
    return [
        _points(path, particle, material, group, header, comments)
        for (particle, material), group in groups.items()
    ]


def _split(text: str, path: Path) -> tuple[dict[str, str], list[str], list[_Row]]:
    comments: dict[str, str] = {}
    header: list[str] = []
    rows: list[_Row] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            key, _, value = line.lstrip("# \t").partition(":")
            comments[key.strip().lower()] = value.strip()
        elif line.strip():
            cells = [cell.strip() for cell in next(csv.reader([line]))]
            if not header:
                header = cells
                continue
            if len(cells) != len(header):
                raise WrongFormat(
                    f"{len(cells)} columns where the header has {len(header)}",
                    where=f"{path}, line {number}",
                )
            rows.append((number, dict(zip(header, cells, strict=True))))
    if not rows:
        raise Truncated(
            "no stopping powers",
            where=str(path),
            expected="a header line such as energy_keV, electronic_MeV_cm2_per_g, then numbers",
        )
    return comments, header, rows


def _from_name(path: Path, position: int) -> str:
    parts = path.stem.split("_in_")
    if len(parts) != 2:
        raise BadInput(
            f"the {('projectile', 'material')[position]} is not named",
            where=str(path),
            expected='comment lines "# projectile: alpha" and "# material: Li3PO4", or a file '
            "name such as alpha_in_Li3PO4.csv",
        )
    return parts[position]


def _points(
    path: Path,
    particle: str,
    material_name: str,
    rows: list[_Row],
    header: list[str],
    comments: dict[str, str],
) -> StoppingPoints:
    where = f"{path}, {particle} in {material_name}"
    try:
        ion = projectile(particle)
        material = Material.named(material_name, density_g_cm3=_density(comments, path))
    except BadInput as error:
        raise error.at(str(path)) from error
    has_density = "density_g_cm3" in comments
    column, factor = _energy_column(header, path)
    energies = _column(rows, column, path) * factor
    electronic = _stopping_column("electronic", rows, header, material, has_density, path)
    if electronic is None:
        raise WrongFormat(
            "no column of electronic stopping",
            where=str(path),
            expected="electronic_ followed by one of " + ", ".join(_STOPPING_UNITS),
        )
    return StoppingPoints(
        atomic_number=ion.atomic_number,
        mass_u=ion.mass_u,
        fractions=material.fractions,
        energy_kev=energies,
        electronic_kev_1e15=electronic,
        nuclear_kev_1e15=_stopping_column("nuclear", rows, header, material, has_density, path),
        where=where,
    )


def _density(comments: dict[str, str], path: Path) -> float:
    text = comments.get("density_g_cm3", "1")
    try:
        return float(text)
    except ValueError as error:
        raise WrongFormat(f"density_g_cm3 {text!r} is not a number", where=str(path)) from error


def _energy_column(header: list[str], path: Path) -> tuple[str, float]:
    for column in header:
        word, _, unit = column.partition("_")
        if word.lower() == "energy" and unit.lower() in _ENERGY_KEV:
            return column, _ENERGY_KEV[unit.lower()]
    raise WrongUnit(
        "no column of energies with a unit", where=str(path), expected="energy_keV or energy_MeV"
    )


def _stopping_column(
    kind: str,
    rows: list[_Row],
    header: list[str],
    material: Material,
    has_density: bool,
    path: Path,
) -> Array | None:
    for column in header:
        word, _, unit = column.partition("_")
        if word.lower() == kind:
            scale = _scale(unit, material, has_density, f"{path}, column {column}")
            return _column(rows, column, path) * scale
    return None


def _scale(unit: str, material: Material, has_density: bool, where: str) -> float:
    """Return what turns ``unit`` into keV per 1e15 atoms/cm2."""
    if unit == "keV_per_um" and not has_density:
        raise WrongUnit(
            "keV_per_um needs a density",
            where=where,
            remedy='add a comment line such as "# density_g_cm3: 2.4"',
        )
    scales = {
        "keV_per_1e15": 1.0,
        "eV_per_1e15": 1e-3,
        "MeV_cm2_per_g": material.mass_mg_cm2_per_1e15,
        "keV_per_um": 1e-3 / material.atoms_1e15_per_nm,
    }
    if unit not in scales:
        raise WrongUnit(
            f"{unit or 'no unit'} is not a unit of stopping power",
            where=where,
            expected="one of " + ", ".join(_STOPPING_UNITS),
        )
    return scales[unit]


def _column(rows: list[_Row], column: str, path: Path) -> Array:
    values = []
    for number, row in rows:
        try:
            values.append(float(row[column]))
        except ValueError as error:
            raise WrongFormat(
                f"{row[column]!r} is not a number",
                where=f"{path}, line {number}, column {column}",
            ) from error
    return np.array(values, dtype=np.float64)
