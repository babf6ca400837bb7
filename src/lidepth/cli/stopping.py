"""``lidepth stopping``: stopping powers and ranges."""

from __future__ import annotations

from typing import Annotated

import typer

from lidepth.cli._json import say_json
from lidepth.cli._options import AsJson

HELP = """
Print stopping powers and ranges of an ion in a material.

\b
Goes in:
  PROJECTILE  alpha, triton, proton, 4He, 3H, 7Li ...
  MATERIAL    a formula (Si, Li3PO4) or a name (Kapton, Mylar, air)
\b
Comes out, one row per energy:
  electronic and nuclear mass stopping power, MeV cm2/g
  total stopping power, keV/um (this is what the density is for)
  range along the path until rest (CSDA), g/cm2
\b
Examples:
  lidepth stopping alpha Kapton --energy '2000 keV'
  lidepth stopping alpha Kapton --energy '500..3000 keV' --points 10
  lidepth stopping triton Li3PO4 --density '2.32 g/cm^3' -e '2 MeV'
  lidepth stopping alpha Si --energy '1 MeV' --energy '2 MeV' --json

With --json: a list of objects with the keys of the table.

Exit codes: 0 done, 1 a table file cannot be used, 2 wrong call.
"""

COLUMNS = {
    "energy_keV": "energy\nkeV",
    "electronic_MeV_cm2_per_g": "electronic\nMeV cm²/g",
    "nuclear_MeV_cm2_per_g": "nuclear\nMeV cm²/g",
    "total_keV_per_um": "total\nkeV/µm",
    "csda_range_g_per_cm2": "CSDA range\ng/cm²",
}


def stopping_verb(
    projectile: Annotated[
        str, typer.Argument(metavar="PROJECTILE", help="alpha, triton, proton, 4He ...")
    ],
    material: Annotated[str, typer.Argument(metavar="MATERIAL", help="Formula or name.")],
    energy: Annotated[
        list[str],
        typer.Option(
            "--energy", "-e", metavar="ENERGY",
            help="Such as '2000 keV', or a range '500..3000 keV'. May be repeated.",
        ),
    ],
    points: Annotated[
        int, typer.Option(min=2, max=10000, help="Energies in a range, ends included.")
    ] = 11,
    density: Annotated[
        str | None,
        typer.Option(metavar="DENSITY", help="Such as '2.33 g/cm^3'; compounds need it."),
    ] = None,
    source: Annotated[
        str,
        typer.Option(metavar="SOURCE", help="icru49, lunasrim, srim-file:PATH or csv:PATH."),
    ] = "icru49",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Print stopping powers."""
    from contextlib import nullcontext

    from lidepth.cli._errors import as_usage
    from lidepth.cli._run import source_named
    from lidepth.model.material import Material
    from lidepth.physics import reactions
    from lidepth.physics.stopping import stopping_rows
    from lidepth.units import quantity

    with as_usage("PROJECTILE"):
        ion = reactions.projectile(projectile)
    with as_usage("MATERIAL"):
        changes = {} if density is None else {"density_g_cm3": quantity(density, "g/cm^3")}
        matter = Material.named(material, **changes)
    energies = [value for text in energy for value in energies_kev(text, points)]
    tables = source_named(source)
    with nullcontext() if ":" in source else as_usage("--energy"):
        rows = stopping_rows(tables, ion, matter, energies)
    if as_json:
        say_json(rows)
        return
    from rich.console import Console

    from lidepth.show.terminal import stopping_table

    title = f"{ion.name} in {matter.name}, {matter.density_g_cm3:g} g/cm³, {tables.name}"
    shown = [{words: row[key] for key, words in COLUMNS.items()} for row in rows]
    Console().print(stopping_table(shown, title=title))


def energies_kev(text: str, points: int) -> list[float]:
    """Return ``"2000 keV"`` as one energy, ``"500..3000 keV"`` as ``points`` of them."""
    from lidepth.cli._errors import as_usage
    from lidepth.errors import UsageError
    from lidepth.units import quantity

    where = f"--energy {text!r}"
    with as_usage(where):
        if ".." not in text:
            return [quantity(text, "keV")]
        first, last = (part.strip() for part in text.split("..", 1))
        unit = last.lstrip("+-.0123456789eE ") if first[-1:].isdigit() else ""
        low, high = quantity(f"{first} {unit}", "keV"), quantity(last, "keV")
    if not low < high:
        raise UsageError(
            "the range does not rise", where=where, expected="LOW..HIGH with a unit, as 1..2 MeV"
        )
    step = (high - low) / (points - 1)
    return [float(f"{low + i * step:.10g}") for i in range(points)]
