"""The command line.  Every verb has a file of its own and loads what it needs when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from lidepth import __version__
from lidepth.cli import (
    analyze,
    check,
    cite,
    cycler,
    demo,
    ensemble,
    export,
    import_,
    mechanism,
    plan,
    schema,
    simulate,
    stopping,
)
from lidepth.cli._errors import Verbs

HELP = """
Neutron depth profiling of batteries: from raw spectra to a lithium ledger.

In: a folder of detector spectra, a beam monitor, a cycler log and an
experiment.yaml that describes cell and instrument. Out: lithium depth
profiles, a ledger of who holds the lithium with its uncertainties, figures,
and a report in one HTML file.

\b
First steps:
  lidepth demo              a simulated cell, analysed; under a minute
  lidepth analyze experiment.yaml --out results
                            your own data
  lidepth import experiment.yaml --out run.lidepth
                            keep a run, safe and whole, in one file
  lidepth VERB --help       what goes in, what comes out, an example

\b
Exit codes:
  0    done
  1    the data cannot be used; file, place and remedy are named
  2    the command was called wrongly
  4    a result could not be written (disk full, no permission)
  130  interrupted
"""

app = typer.Typer(
    name="lidepth",
    cls=Verbs,
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lidepth {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Neutron depth profiling of batteries: from raw spectra to a lithium ledger."""


app.command("analyze", help=analyze.HELP)(analyze.analyze_verb)
app.command("check", help=check.HELP)(check.check_verb)
app.command("cycler", help=cycler.HELP)(cycler.cycler_verb)
app.command("demo", help=demo.HELP)(demo.demo_verb)
app.command("ensemble", help=ensemble.HELP)(ensemble.ensemble_verb)
app.command("export", help=export.HELP)(export.export_verb)
app.command("import", help=import_.HELP)(import_.import_verb)
app.command("plan", help=plan.HELP)(plan.plan_verb)
app.add_typer(mechanism.app, name="mechanism")
app.command("simulate", help=simulate.HELP)(simulate.simulate_verb)
app.command("stopping", help=stopping.HELP)(stopping.stopping_verb)
app.command("schema", help=schema.HELP)(schema.schema_verb)
app.command("cite", help=cite.HELP)(cite.cite_verb)


def main() -> None:
    """Run the command line; leaves with an exit code."""
    app(prog_name="lidepth")
