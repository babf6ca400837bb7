"""``lidepth simulate``: a virtual campaign as the raw files a beamline would hand over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lidepth.cli._options import Force

HELP = """
Simulate a campaign event by event and write it as raw files, with the truth beside them.

\b
Goes in:
  PLAN.yaml        stack, instrument, beam, counting, and a cell:
                   cell, protocol   the model cell (as in 'lidepth mechanism
                                    simulate') and what a cycler does to it
                   cycling, growth  or a cell that is told: its capacity and
                                    growth cycle by cycle
                   What it leaves out is as in the published cell, so that
                   'title: my cell' is a whole plan, of the model cell
\b
Comes out:
  DIR/             spectra/*.Spe, monitor.csv, cycler.csv, experiment.yaml
  DIR.truth.json   the true ledger, step by step, and every true parameter
\b
Example:
  printf 'title: two cycles\\nprotocol: {cycles: 2}\\n' > plan.yaml
  lidepth simulate plan.yaml --out campaign
  lidepth analyze campaign --out results

The same plan and seed give the same files.

Exit codes: 0 done, 1 data problem (named), 2 wrong call, 4 cannot write.
"""


def simulate_verb(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="PLAN.yaml")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the raw files.")],
    force: Force = False,
) -> None:
    """Simulate one campaign."""
    from rich.console import Console

    from lidepth.cli._campaign import write_truth, write_virtual
    from lidepth.cli._folder import is_ours, result_folder
    from lidepth.cli._progress import Bars
    from lidepth.cli._run import source_named
    from lidepth.errors import UsageError
    from lidepth.files.plan import read_plan
    from lidepth.virtual.spectra import simulate_campaign

    beside = out.parent / f"{out.name}.truth.json"
    if beside.exists() and not is_ours(out, "simulate") and not force:
        raise UsageError(
            "the file exists", where=str(beside), remedy="choose another --out, or add --force"
        )
    with result_folder(out, verb="simulate", force=force) as folder, Bars() as bars:
        planned = read_plan(plan)
        campaign = simulate_campaign(
            planned, source=source_named(planned.instrument.stopping),
            progress=bars.counted("simulating spectra"),
        )  # fmt: skip
        write_virtual(folder, campaign)
    truth = write_truth(beside, campaign)
    hours = campaign.history.duration_s / 3600.0
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"campaign  {out}: {len(campaign.series)} spectra over {hours:.1f} h")
    console.print(f"truth     {truth}")
    console.print(f"next      lidepth analyze {out / 'experiment.yaml'} --out results")
