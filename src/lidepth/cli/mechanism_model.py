"""``lidepth mechanism facts | audit | modes | simulate | predict``: the model cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lidepth.cli._json import say_json
from lidepth.cli._options import AsJson, Force, SomeOut
from lidepth.cli._tables import add_row, plain_table

if TYPE_CHECKING:
    from lidepth.mechanism.facts import Facts
    from lidepth.mechanism.history import CellHistory
    from lidepth.mechanism.parameters import CellParameters
    from lidepth.mechanism.predict import Prediction

FACTS = """
Hold what the paper states about its cell against the model cell.

\b
Runs three weeks of storage, then the paper's protocol: 30 cycles at 10 uA,
to 350 at 20 uA, CCCV to 364, rests of 1 h, one of 21 h after the first
charge; and a half cell with 200 nm of electrolyte.
\b
Goes in:
  --mode           how the cell loses capacity: 'kappa 4' and 'kappa 1'
                   lithium per moved silicon, 'resistance', 'cathode', 'none'
  --kappa, --phase the same by number: lithium per silicon, and what drives
                   silicon: charge, discharge, both, rest, time, concentration
  --stack, --area  other films
\b
Comes out:
  a row per statement: the paper's words, the model's number, the limits and
  why, and a verdict. Limits are ours, the paper prints few numbers; the
  model's kinetics were set by hand to the first charge. Rows that hold prove
  that the mechanism can be, not that it is.
\b
Examples:
  lidepth mechanism facts
  lidepth mechanism facts --mode 'kappa 1'
  lidepth mechanism facts --phase time --json

Exit codes: 0 done, whatever the verdicts; 1 cannot run (named), 2 wrong call.
"""

AUDIT = """
Do the paper's arithmetic again: areas, x and y, inventories, swelling.

\b
Comes out:
  a row per quantity: what is printed, what the films give, and whether the
  two agree, contradict each other or cannot be decided
\b
Examples:
  lidepth mechanism audit
  lidepth mechanism audit --stack 'Si 50 nm [anode] | Li3PO4 2 um @ 2.2 g/cm^3
      [electrolyte] | LiCoO2 550 nm @ 4.5 g/cm^3 [cathode]'
  lidepth mechanism audit --json

Exit codes: 0 done; 2 wrong call.
"""

SIMULATE = """
Run the model cell through the paper's protocol and draw what it does.

\b
Comes out:
  capacity, lithium bound and left behind for some cycles; with --out a folder:
  cell.csv         a row per cycle: capacities, ledger, x, y, interlayer
  figures/         voltage curves, capacity and losses against cycle and
                   against charge throughput, and Fig. 5e as computed states
  animation.gif    with --animation: lithium and silicon over the cycles
\b
Examples:
  lidepth mechanism simulate --cycles 30
  lidepth mechanism simulate --kappa 1 --out dying --json

A second or two, and some more the first time, while it is compiled.

Exit codes: 0 done; 1 cannot run (named), 2 wrong call, 4 cannot write.
"""

PREDICT = """
Predict the capacity to come, with bands, and what the paper's remedies would do.

\b
Cells are drawn about the model cell: film thicknesses by 5 and 3 %, diffusivity of
silicon and lithium per silicon by 20 %. Those are guesses; --from takes cells that
lidepth mechanism identify found likely. A mechanism that the model lacks is in no band.
\b
Comes out:
  as it is, with a protective layer that stops silicon, with 200 nm of electrolyte
  instead of 2 um, and with an electrolyte that is saturated with silicon from its
  making: capacity at the end, and when 80 % are left; with --out a folder:
  prediction.csv and .svg, .png, every cycle
\b
Examples:
  lidepth mechanism predict
  lidepth mechanism predict --cycles 1000 --current '20 uA' --out outlook
  lidepth mechanism predict --from identified/identify.json --draws 20

A third of a second per draw and remedy for 364 cycles.

Exit codes: 0 done; 1 cannot run (named), 2 wrong call, 4 cannot write.
"""

MODES = """
Show what tells one way of losing capacity from another.

\b
Comes out:
  a row per way (bound lithium with 4 or 1 Li per silicon, resistance, cathode
  material, none): capacity left and x of the charged cathode at cycle 250, gain by
  constant voltage at the end, change of normalised curves on charge and on
  discharge from cycle 31 to 350, lithium in the electrolyte
\b
Examples:
  lidepth mechanism modes
  lidepth mechanism modes --area '1.57 cm^2' --json

Exit codes: 0 done; 1 cannot run (named), 2 wrong call.
"""

Mode = Annotated[
    str,
    typer.Option(
        "--mode", metavar="MODE",
        help="'kappa 4', 'kappa 1', 'resistance', 'cathode' or 'none'.",
    ),
]  # fmt: skip
Kappa = Annotated[
    float | None, typer.Option("--kappa", min=0.0, help="Lithium bound per moved silicon.")
]
Phase = Annotated[
    str | None,
    typer.Option(
        "--phase", metavar="PHASE",
        help="What drives silicon: charge, discharge, both, rest, time, concentration, none.",
    ),
]  # fmt: skip
StackText = Annotated[
    str | None,
    typer.Option(
        "--stack", metavar="STACK",
        help="Films, such as 'Si 50 nm [anode] | Li3PO4 2 um @ 2.2 g/cm^3 [electrolyte] | ...'.",
    ),
]  # fmt: skip
Area = Annotated[
    str | None, typer.Option("--area", metavar="AREA", help="Such as '1.75 cm^2'; the default.")
]


def facts_verb(
    mode: Mode = "kappa 4", kappa: Kappa = None, phase: Phase = None, stack: StackText = None,
    area: Area = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Run the paper's protocol and compare statement by statement."""
    from lidepth.mechanism.facts import facts

    found = facts(_parameters(mode, kappa, phase, stack, area))
    if as_json:
        say_json({"mode": mode, "facts": _fact_rows(found), "failing": list(found.failing)})
        return
    _show_facts(found)


def audit_verb(stack: StackText = None, area: Area = None, as_json: AsJson = False) -> None:
    """Print the audit."""
    from lidepth.mechanism.audit import audit

    rows = [vars(row) for row in audit(_parameters("kappa 4", None, None, stack, area))]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        number = "" if math.isnan(row["value"]) else f": {row['value']:.4g} {row['unit']}"
        printed = f"printed: {row['printed']}; " if row["printed"] else ""
        _say(row["verdict"], f"{row['topic']}{number}", printed + row["remark"])


def modes_verb(stack: StackText = None, area: Area = None, as_json: AsJson = False) -> None:
    """Run every mode."""
    from lidepth.mechanism import modes

    base = _parameters("none", None, None, stack, area)
    found = [modes.observe(name, base) for name in modes.MODES]
    if as_json:
        say_json([vars(one) for one in found])
        return
    table = plain_table(
        "loss", "capacity\nleft", "x\ncharged", "CCCV\ngain %", "curves\nmV",
        "electrolyte\n% of charge",
    )  # fmt: skip
    for one in found:
        table.add_row(
            one.mode, f"{one.capacity_left:.2f}", f"{one.charged_x:.3f}",
            f"{100 * one.cccv_gain:.0f}", f"{one.charge_mv:.0f} / {one.discharge_mv:.0f}",
            f"{100 * one.qe_share:.0f}",
        )  # fmt: skip
    _print(table)


def simulate_verb(
    cycles: Annotated[int, typer.Option(min=1, max=5000, help="How many cycles.")] = 364,
    mode: Mode = "kappa 4", kappa: Kappa = None, phase: Phase = None, stack: StackText = None,
    area: Area = None,
    out: SomeOut = None,
    force: Force = False,
    animation: Annotated[
        bool, typer.Option("--animation", help="Write animation.gif, too; needs --out.")
    ] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Run the model cell."""
    from lidepth.errors import UsageError
    from lidepth.mechanism.cell import Cell
    from lidepth.mechanism.history import cycle_rows, run_protocol
    from lidepth.mechanism.protocol import paper_protocol

    if animation and out is None:
        raise UsageError("an animation needs a folder", where="--animation", remedy="give --out")
    cell = Cell(_parameters(mode, kappa, phase, stack, area))
    history = run_protocol(cell, paper_protocol(cycles))
    files = _write(out, history, force, animation) if out is not None else []
    rows = cycle_rows(history)
    if as_json:
        say_json({"mode": mode, "balance": history.balance(), "cycles": rows, "files": files})
        return
    columns = {
        "cycle": "cycle", "capacity_uAh": "capacity\nµAh", "qe_uAh": "electrolyte\nµAh",
        "qa_uAh": "residue\nµAh", "charged_x": "x\ncharged", "charged_y": "y\ncharged",
        "interlayer_nm": "interlayer\nnm",
    }  # fmt: skip
    table = plain_table(*columns.values())
    for row in rows:
        if row["cycle"] in (1, 2, 5, 10, 30, 31, 100, 200, 250, 300, 350, 364, cycles):
            add_row(table, *(f"{row[name]:.4g}" for name in columns))
    _print(table)
    if out is not None:
        typer.echo(f"numbers  {out / 'cell.csv'}, figures/")


def predict_verb(
    cycles: Annotated[int, typer.Option(min=1, max=5000, help="Up to which cycle.")] = 364,
    current: Annotated[
        str | None,
        typer.Option(
            metavar="CURRENT", help="Such as '20 uA'; otherwise the paper's protocol.",
        ),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, max=1000, help="Cells drawn.")] = 8,
    identified: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="JSON",
            help="identify.json: its cells, instead of the options about the cell.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 1,
    mode: Mode = "kappa 4", kappa: Kappa = None, phase: Phase = None, stack: StackText = None,
    area: Area = None,
    out: SomeOut = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Predict with bands."""
    from lidepth.cli._errors import as_usage
    from lidepth.mechanism.predict import spread, what_if
    from lidepth.mechanism.protocol import paper_protocol
    from lidepth.units import quantity

    if identified is None:
        cells = spread(_parameters(mode, kappa, phase, stack, area), draws, seed=seed)
    else:
        cells = _identified(identified, draws, seed)
    protocol = paper_protocol(cycles)
    if current is not None:
        with as_usage("--current"):
            held = quantity(current, "uA")
            protocol = paper_protocol(
                cycles, current_ua=held, later_current_ua=held, last_constant=cycles
            )
    found = what_if(cells, protocol)
    files = _write_prediction(out, found, force) if out is not None else []
    if as_json:
        say_json({"draws": len(cells), "seed": seed, "files": files,
               "predictions": [_prediction_row(one) for one in found]})  # fmt: skip
        return
    table = plain_table("cell", f"capacity\nat {cycles}, µAh", "bound\nµAh", "80 % left\nat cycle")
    for one in found:
        low, middle, high = one.capacity_uah[1:4, -1]
        early, half, late = one.cycles_to(0.8)
        when = f"{half:g} ({early:g} to {late:g})" if math.isfinite(half) else "not reached"
        add_row(table, one.name, f"{middle:.3g} ({low:.3g} to {high:.3g})",
             f"{one.qe_uah[2, -1]:.3g}", when)  # fmt: skip
    _print(table)
    if out is not None:
        typer.echo(f"numbers  {out / 'prediction.csv'}, .svg, .png")


def _identified(file: Path, draws: int, seed: int) -> tuple[CellParameters, ...]:
    """Some of the equally likely cells of an identification."""
    import numpy as np

    from lidepth.files.identify_json import read_cells

    cells = read_cells(file)
    chosen = np.random.default_rng(seed).permutation(len(cells))[:draws]
    return tuple(cells[int(k)] for k in chosen)


def _prediction_row(one: Prediction) -> dict[str, Any]:
    from lidepth.mechanism.predict import LEVELS

    return {
        "name": one.name, "levels": list(LEVELS), "cycle": one.cycle.tolist(),
        "capacity_uAh": one.capacity_uah.tolist(), "qe_uAh": one.qe_uah.tolist(),
        "cycles_to_80_percent": list(one.cycles_to(0.8)),
    }  # fmt: skip


def _write_prediction(out: Path, found: Sequence[Prediction], force: bool) -> list[str]:
    from lidepth.cli._folder import result_folder
    from lidepth.show.save import save_prediction

    with result_folder(out, verb="mechanism-predict", force=force) as folder:
        files = save_prediction(found, folder)
    return [str(out / file.name) for file in files]


def _parameters(
    mode: str, kappa: float | None, phase: str | None, stack: str | None, area: str | None
) -> CellParameters:
    from dataclasses import replace
    from typing import cast

    from lidepth.cli._errors import as_usage
    from lidepth.mechanism import growth as laws
    from lidepth.mechanism import modes
    from lidepth.mechanism.parameters import CellParameters
    from lidepth.model.stack import Stack
    from lidepth.units import quantity

    base = CellParameters()
    with as_usage("--area"):
        area_cm2 = base.area_cm2 if area is None else quantity(area, "cm^2")
    with as_usage("--stack" if stack else "--area"):
        if stack is not None:
            base = CellParameters.from_stack(Stack.parse(stack), area_cm2)
        base = replace(base, area_cm2=area_cm2)
    with as_usage("--mode"):
        found = modes.mode(mode, base)
    changes: dict[str, Any] = {}
    if kappa is not None:
        changes["li_per_silicon"] = kappa
    with as_usage("--phase"):
        if phase is not None:
            changes["phase"] = cast("laws.Phase", phase)
        return replace(found, growth=replace(found.growth, **changes))


def _fact_rows(found: Facts) -> list[dict[str, Any]]:
    return [vars(row) | {"verdict": row.verdict} for row in found.rows]


def _show_facts(found: Facts) -> None:
    for row in found.rows:
        number = f"{row.value:.3g} {row.unit}" if math.isfinite(row.value) else "no number"
        limits = f"accepted {row.low:g} to {row.high:g}: {row.reason}"
        _say(row.verdict, f"{row.name}: {number}", f"{row.where}: {row.statement}; {limits}")
    held = len(found.rows) - len(found.failing)
    typer.echo(f"{held} of {len(found.rows)} hold. The limits are ours, the kinetics set by hand.")


def _say(verdict: str, head: str, below: str) -> None:
    """A verdict and what it is about, and in small print why, folded under it."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    colour = {"holds": "green", "agrees": "green", "does not hold": "red", "contradiction": "red"}
    console = Console(highlight=False)
    console.print(Text.assemble((f"{verdict:14s}", colour.get(verdict, "")), head))
    console.print(Padding(Text(below, style="dim"), (0, 0, 0, 14)))


def _write(out: Path, history: CellHistory, force: bool, animation: bool) -> list[str]:
    from lidepth.cli._folder import result_folder
    from lidepth.files.cell import write_cell_csv
    from lidepth.show.animation import save_animation
    from lidepth.show.save import save_cell

    with result_folder(out, verb="mechanism-simulate", force=force) as folder:
        write_cell_csv(folder / "cell.csv", history)
        save_cell(history, folder / "figures")
        if animation:
            save_animation(history, folder / "animation.gif")
    names = ("cell.csv", "figures", *(["animation.gif"] if animation else []))
    return [str(out / name) for name in names]


def _print(table: Any) -> None:
    from rich.console import Console

    Console(highlight=False).print(table)
