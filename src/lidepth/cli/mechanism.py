"""``lidepth mechanism``: statements about how a cell ages, tested on a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lidepth.cli import mechanism_identify
from lidepth.cli import mechanism_model as model
from lidepth.cli._json import say_json
from lidepth.cli._options import AsJson, DetectorName, Force, SomeOut, Stopping

if TYPE_CHECKING:
    from lidepth.model.mechanism import Mechanism

HELP = """
Test statements about how a cell ages, on a run or on a model of the cell.

\b
  lidepth mechanism growth RUN     when does the interlayer grow, does the
                                   cathode stay whole, what is left in the anode
  lidepth mechanism identify RESULTS   law, phase, kappa and losses from a
                                   ledger and voltage curves together
  lidepth mechanism facts          the paper's statements against a model cell
  lidepth mechanism audit          the paper's arithmetic, done again
  lidepth mechanism modes          what tells one loss from another
  lidepth mechanism simulate       run the model cell and draw what it does
  lidepth mechanism predict        capacity to come, and what remedies would do
"""

GROWTH = """
Say when the interlayer grows, with odds, and test what was published about the cell.

\b
Goes in:
  RUN              experiment.yaml or the folder it is in, or a run file
                   (*.lidepth); with a cycler log
\b
Comes out:
  a table of statements: what the publication says, what this run says, log
  odds (ln B; 5 means 150 to 1) and a verdict; with --out a folder:
  mechanism.json   all of it for machines
  figures/         odds, shares, B - A and D - C as measured and corrected,
                   growth of every phase, the long rest, cathode and residue
\b
Examples:
  lidepth mechanism growth experiment.yaml
  lidepth mechanism growth run.lidepth --out ageing --json

A minute or more: every spectrum is weighed under each hypothesis.

Exit codes: 0 done, whatever the verdicts; 1 data problem (named), 2 wrong
call, 4 cannot write.
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def root() -> None:
    """Test statements about how a cell ages."""


app.command("facts", help=model.FACTS)(model.facts_verb)
app.command("audit", help=model.AUDIT)(model.audit_verb)
app.command("modes", help=model.MODES)(model.modes_verb)
app.command("simulate", help=model.SIMULATE)(model.simulate_verb)
app.command("identify", help=mechanism_identify.IDENTIFY)(mechanism_identify.identify_verb)
app.command("predict", help=model.PREDICT)(model.predict_verb)


@app.command("growth", help=GROWTH)
def growth_verb(
    file: Annotated[
        Path, typer.Argument(metavar="RUN", help="experiment.yaml, its folder, or a run file.")
    ],
    out: SomeOut = None,
    stopping: Stopping = None,
    detector: DetectorName = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Test the statements about growth on one run."""
    from lidepth.analysis.statements.examine import examine_growth
    from lidepth.cli._progress import Bars
    from lidepth.cli._run import run_path, source_named
    from lidepth.files.mechanism import mechanism_tree
    from lidepth.files.run_folder import read_run

    with Bars() as bars:
        told = bars.counted("reading spectra")
        run = read_run(run_path(file), detector=detector, progress=told)
        source = source_named(stopping or run.instrument.stopping)
        found = examine_growth(run, source, progress=bars.staged())
    files = _write(out, found, force) if out is not None else []
    if as_json:
        say_json(mechanism_tree(found) | {"files": files})
        return
    _show(found)
    if out is not None:
        typer.echo(f"numbers  {out / 'mechanism.json'}, figures/")


def _write(out: Path, found: Mechanism, force: bool) -> list[str]:
    from lidepth.cli._folder import result_folder
    from lidepth.files.mechanism import write_mechanism
    from lidepth.show.save import save_mechanism

    with result_folder(out, verb="mechanism", force=force) as folder:
        write_mechanism(folder / "mechanism.json", found)
        save_mechanism(found, folder / "figures")
    return [str(out / name) for name in ("mechanism.json", "figures")]


def _show(found: Mechanism) -> None:
    from rich.console import Console

    from lidepth.show import words
    from lidepth.show.terminal import warnings_panel

    console = Console(highlight=False)
    console.print(_table(found))
    growth = found.growth
    chances = ", ".join(f"{name} {words.chance(p)}" for name, p in growth.probability.items())
    console.print(f"when it grows: {chances}", soft_wrap=True)
    cycles = growth.cycles_to_decide()
    console.print(
        f"decided (ln B > 5 against every other) after cycle {cycles}" if cycles else
        "not decided: no answer has ln B > 5 against every other",
    )  # fmt: skip
    console.print(
        f"contrast {growth.shares.contrast:+.2f} ± {growth.shares.contrast_std:.2f} (without leak "
        f"{growth.shares_without_leak.contrast:+.2f}); leak {100 * growth.leak:+.2f} ± "
        f"{100 * growth.leak_std:.2f} % of the anode's lithium", soft_wrap=True,
    )  # fmt: skip
    console.print(warnings_panel(found.warnings))


def _table(found: Mechanism) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("published", "this run", "ln B", "verdict"):
        table.add_column(name, justify="right" if name == "ln B" else "left")
    for one in found.statements:
        odds = f"{one.log_odds:+.1f}" if one.verdict != "not tested" else "—"
        table.add_row(escape(one.paper), escape(one.found), odds, one.verdict, end_section=True)
    return table
