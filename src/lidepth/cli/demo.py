"""``lidepth demo``: the published cell, simulated, then analysed as any user's run would be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lidepth.cli._options import Force

if TYPE_CHECKING:
    from rich.table import Table

    from lidepth.model.ledger import Ledger

HELP = """
Simulate the published cell, analyse it from its raw files, and compare with the truth.

The cell is the model cell of 'lidepth mechanism': voltage, capacity and what
the interlayer takes follow from it, not from a plan. The analysis sees what a
beamline hands over (spectra, monitor, cycler log and a stack printed slightly
wrong) and nothing of the truth, which is drawn into the report afterwards.

\b
Comes out, in --out:
  campaign/             raw files as 'lidepth analyze' reads them
  campaign.truth.json   what was really so
  report.html, ledger.csv, ledger.nc, profiles.nc, summary.json, figures/
\b
Examples:
  lidepth demo
  lidepth demo --out demo-report --cycles 5 --seed 7

Twelve cycles take half a minute; in three the interlayer is hardly seen.

Exit codes: 0 done, 2 wrong call, 4 cannot write.
"""


def demo_verb(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for everything.")] = Path(
        "lidepth-demo"
    ),
    cycles: Annotated[int, typer.Option(min=1, max=100, help="Charges and discharges.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another campaign.")] = 1,
    force: Force = False,
) -> None:
    """Simulate, analyse, compare."""
    import dataclasses

    from rich.console import Console

    from lidepth.analysis import analyze
    from lidepth.cli import _results
    from lidepth.cli._campaign import write_truth, write_virtual
    from lidepth.cli._folder import result_folder
    from lidepth.cli._progress import Bars
    from lidepth.files.plan_cell import published_plan
    from lidepth.files.run_folder import read_run
    from lidepth.physics.stopping import stopping_source
    from lidepth.virtual.spectra import simulate_campaign

    plan = published_plan(title=f"virtual cell, {cycles} cycles", seed=seed, cycles=cycles)
    source = stopping_source(plan.instrument.stopping)
    with result_folder(out, verb="demo", force=force) as folder, Bars() as bars:
        campaign = simulate_campaign(
            plan, source=source, progress=bars.counted("simulating spectra")
        )
        file = write_virtual(folder / "campaign", campaign)
        write_truth(folder / "campaign.truth.json", campaign)
        run = read_run(file, progress=bars.counted("reading spectra"))
        run = dataclasses.replace(run, source=str(out / "campaign" / file.name))
        analysis = analyze(run, stopping_source(run.instrument.stopping), progress=bars.staged())
        _results.write_results(
            folder, analysis, truth=campaign.truth, progress=bars.named("drawing")
        )
    table = truth_table(analysis.ledgers["default"], campaign.truth)
    _results.show_results(Console(), analysis, out, table)


def truth_table(found: Ledger, true: Ledger) -> Table:
    """Return found and true lithium, row by row."""
    from rich import box
    from rich.table import Table

    from lidepth.model.ledger import REGIONS
    from lidepth.show.words import with_error

    place = {key: i for i, key in enumerate(zip(true.cycle.tolist(), true.state, strict=True))}
    title = "Lithium in µAh: found ± total standard uncertainty, and the truth"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("cycle", justify="right")
    table.add_column("state")
    for region in REGIONS:
        table.add_column(region, justify="right")
    for i, key in enumerate(zip(found.cycle.tolist(), found.state, strict=True)):
        if key in place:
            pairs = zip(found.values[i], found.std[i], strict=True)
            table.add_row(str(key[0]), key[1], *(with_error(float(v), float(s)) for v, s in pairs))
            truth = (f"{value:.2f}" for value in true.values[place[key]])
            table.add_row("", "  truth", *truth, style="cyan")
    return table
