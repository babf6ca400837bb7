"""``lidepth cycler``: what a cycler file says by itself."""

from __future__ import annotations

import enum
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lidepth.cli._json import say_json
from lidepth.cli._options import AsJson, Force, SomeOut

if TYPE_CHECKING:
    from lidepth.analysis.electrochemistry.agreement import Agreement
    from lidepth.model.cycling import CyclerLog
    from lidepth.model.electrochemistry import Electrochemistry, HalfCycle
    from lidepth.model.stack import Stack

HELP = """
Show what a cycler file says by itself: steps, cycles, curves, and what they exclude.

\b
Goes in:
  FILE             a cycler file of any known format, an experiment.yaml or
                   the folder it is in, or a run file (*.lidepth)
\b
Comes out:
  a table of cycles and steps, how they agree with the file's own counters,
  and which losses of capacity the curves exclude; with --out a folder:
  cycles.csv       capacities, efficiencies, energies, rates, shapes
  steps.csv        every constant current, constant voltage and rest
  cycler.csv       the log in the Battery Data Format
  figures/         voltage, normalised, capacity, dQ/dV, compositions
\b
Examples:
  lidepth cycler cycler.csv
  lidepth cycler test.ndax --out cycling --json
  lidepth cycler cell.mpt --area '1.79 cm^2' --stack 'Si 50 nm [anode] |
    Li3PO4 2 um @ 2.32 g/cm^3 | LiCoO2 550 nm @ 4.45 g/cm^3 [cathode]'

Exit codes: 0 done, 1 data problem (named), 2 wrong call, 4 cannot write.
"""
FEW_STEPS = 30


class Direction(enum.StrEnum):
    """Which way the lithium goes."""

    charge = "charge"
    discharge = "discharge"


def cycler_verb(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Cycler file, experiment.yaml or run file.")
    ],
    out: SomeOut = None,
    key: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help="Format of the file; else found from it."),
    ] = "",
    positive: Annotated[
        Direction, typer.Option(help="What a positive current does (BDF, csv).")
    ] = Direction.charge,
    begins: Annotated[
        Direction | None,
        typer.Option(help="What a cycle begins with; otherwise found from the log."),
    ] = None,
    nominal: Annotated[
        str | None,
        typer.Option(
            metavar="CHARGE", help="Such as '60 uAh': the capacity behind rates and states of "
            "charge; otherwise that of the first half cycle.",
        ),
    ] = None,
    stack: Annotated[
        str | None,
        typer.Option(
            metavar="LAYERS", help="The cell, for its compositions: 'Si 50 nm [anode] | ... "
            "[cathode]'; otherwise as in experiment.yaml.",
        ),
    ] = None,
    area: Annotated[
        str | None,
        typer.Option(metavar="AREA", help="Electrode area, such as '1.79 cm^2'; with --stack."),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show one cycler log."""
    from rich.console import Console

    from lidepth.analysis.electrochemistry.agreement import agreement
    from lidepth.analysis.electrochemistry.examine import examine
    from lidepth.cli._errors import as_usage
    from lidepth.errors import UsageError
    from lidepth.model.stack import Stack
    from lidepth.units import quantity

    if stack is not None and area is None:
        raise UsageError("the layers need an area", where="--stack", expected="--area as well")
    layers = area_cm2 = nominal_uah = None
    with as_usage("--stack"):
        layers = Stack.parse(stack) if stack else None
    with as_usage("--area"):
        area_cm2 = quantity(area, "cm^2") if area else None
    with as_usage("--nominal"):
        if nominal:
            nominal_uah = quantity(nominal.replace("Ah", "A*h"), "uA*h")
    log, described, area_rel_std = _read(file, key, positive)
    if described is not None:
        layers, area_cm2 = layers or described[0], area_cm2 or described[1]
    found = examine(
        log, begins=begins.value if begins else None, nominal_uah=nominal_uah, stack=layers,
        area_cm2=area_cm2 or math.nan, area_rel_std=area_rel_std,
    )  # fmt: skip
    compared = agreement(log, found.cycles)
    files = _write(out, log, found, force) if out is not None else []
    if as_json:
        say_json(_answer(log, found, compared, files))
        return
    _show(Console(soft_wrap=False, highlight=False, markup=False), log, found, compared)
    if out is not None:
        typer.echo(f"numbers  {out / 'cycles.csv'}, steps.csv, cycler.csv, figures/")


def _read(
    file: Path, key: str, positive: Direction
) -> tuple[CyclerLog, tuple[Stack, float] | None, float]:
    """Return the log, stack and area where a description of the cell came with it."""
    from lidepth.cli._run import run_path
    from lidepth.errors import BadData
    from lidepth.files.cyclers import ColumnMap, read_cycler
    from lidepth.files.experiment import read_experiment
    from lidepth.files.gather import gather_log
    from lidepth.files.run_file import RunFile, is_run_file

    path = run_path(file)
    if path.suffix.lower() in (".yaml", ".yml"):
        experiment = read_experiment(path)
        log = gather_log(experiment)
    elif path.is_file() and is_run_file(path):
        with RunFile.open(path) as run_file:
            experiment, log = run_file.experiment(), run_file.recorded().log
    else:
        columns = ColumnMap(positive=positive.value)
        return read_cycler(path, key=key, columns=columns), None, 0.02
    if log is None:
        raise BadData(
            "this run has no cycler log", where=str(path), expected="data.cycler",
            remedy="name the cycler's file in experiment.yaml",
        )  # fmt: skip
    return log, (experiment.stack, experiment.area_cm2), experiment.area_rel_std


def _write(out: Path, log: CyclerLog, found: Electrochemistry, force: bool) -> list[str]:
    from lidepth.cli._folder import result_folder
    from lidepth.files.cyclers import write_bdf_csv
    from lidepth.files.electrochemistry import write_cycles_csv, write_steps_csv
    from lidepth.show.save import save_cycling

    with result_folder(out, verb="cycler", force=force) as folder:
        write_cycles_csv(folder / "cycles.csv", found)
        write_steps_csv(folder / "steps.csv", found.steps)
        write_bdf_csv(folder / "cycler.csv", log)
        save_cycling(found, folder / "figures")
    return [str(out / name) for name in ("cycles.csv", "steps.csv", "cycler.csv", "figures")]


def _answer(
    log: CyclerLog, found: Electrochemistry, compared: Agreement, files: list[str]
) -> dict[str, Any]:
    from dataclasses import asdict

    from lidepth.files.electrochemistry import cycle_rows, step_rows

    return {
        "source": log.source,
        "rows": int(log.time.size),
        "start": str(log.time[0].astype("datetime64[ms]")) if log.anchored else None,
        "nominal_uAh": found.nominal_uah,
        "moved_uAh": found.moved_uah,
        "cycles": cycle_rows(found),
        "steps": step_rows(found.steps),
        "agreement": asdict(compared),
        "losses": [asdict(statement) for statement in found.losses],
        "files": files,
    }


def _show(console: Any, log: CyclerLog, found: Electrochemistry, compared: Agreement) -> None:
    hours = float((log.time[-1] - log.time[0]).astype("timedelta64[ns]").astype(int)) / 3.6e12
    console.print(f"{log.source}: {log.time.size} rows, {hours:.4g} h", soft_wrap=True)
    console.print(
        f"nominal {_charge(found.nominal_uah)}, moved either way {_charge(found.moved_uah)}"
    )
    console.print(_cycle_table(found))
    if len(found.steps) <= FEW_STEPS:
        console.print(_step_table(found))
    else:
        modes = [step.mode for step in found.steps]
        counted = ", ".join(f"{modes.count(m)} {m}" for m in dict.fromkeys(modes))
        console.print(f"{len(modes)} steps: {counted}; all of them with --out or --json")
    for line in _compared(compared):
        console.print(line)
    for statement in found.losses:
        console.print(f"{statement.loss}: {statement.verdict}. {statement.statement}")
        console.print(f"  {statement.observation}", style="dim")


def _cycle_table(found: Electrochemistry) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    factor, prefix = _prefix(max(half.capacity_uah for half in found.halves))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in (
        "cycle", f"charge\n{prefix}Ah", f"discharge\n{prefix}Ah", "efficiency\n%",
        "rate\n1/h", "constant\nvoltage %", "shape\nmV",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    shapes = {(s.kind, s.cycle): s.rms_mv for s in found.shapes}
    for cycle in found.cycles:
        pair = (cycle.charge, cycle.discharge)
        table.add_row(
            str(cycle.number), *(_amount(half, factor) for half in pair),
            _number(100 * cycle.efficiency, 2),
            "/".join(dict.fromkeys(f"{found.rate_per_h(h):.2g}" for h in pair if h is not None)),
            "/".join(f"{100 * h.cv_gain:.1f}" for h in pair if h is not None and h.has_cv),
            "/".join(f"{shapes[h.kind, h.cycle]:.1f}" for h in pair
                     if h is not None and (h.kind, h.cycle) in shapes),
        )  # fmt: skip
    return table


def _step_table(found: Electrochemistry) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    factor, prefix = _prefix(max(abs(step.charge_uah) for step in found.steps))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("step", "held", "from\ns", "to\ns", f"charge\n{prefix}Ah", "current\nµA",
                 "ends at\nV"):  # fmt: skip
        table.add_column(name, justify="left" if name in ("step", "held") else "right")
    for step in found.steps:
        rest = step.mode == "rest"
        table.add_row(
            step.kind, "" if rest else step.mode, f"{step.start_s:.0f}", f"{step.stop_s:.0f}",
            "" if rest else f"{step.charge_uah * factor:.4g}",
            "" if rest else f"{step.current_ua:.4g}", f"{step.end_v:.4f}",
        )  # fmt: skip
    return table


def _compared(compared: Agreement) -> list[str]:
    lines = []
    if compared.counter:
        lines.append(
            f"charge agrees with the file's own counter within {100 * compared.worst:.2g} % in "
            f"every half cycle, {100 * abs(compared.total):.2g} % in all"
        )
    if compared.boundaries:
        found = compared.boundaries - compared.missed
        more = f"; {compared.extra} more are ours alone" if compared.extra else ""
        lines.append(f"found {found} of the file's {compared.boundaries} changes of step{more}")
    if compared.maker_cycles:
        lines.append(f"cycles {compared.cycles}; the file counts {compared.maker_cycles}")
    return lines


def _amount(half: HalfCycle | None, factor: float) -> str:
    if half is None:
        return "—"
    return f"{half.capacity_uah * factor:.4f}" + ("" if half.whole else " cut")


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "—"


def _prefix(value_uah: float) -> tuple[float, str]:
    if value_uah >= 2e6:
        return 1e-6, ""
    return (1e-3, "m") if value_uah >= 2e3 else (1.0, "µ")


def _charge(value_uah: float) -> str:
    factor, prefix = _prefix(value_uah)
    return f"{value_uah * factor:.5g} {prefix}Ah"
