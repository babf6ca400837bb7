"""``lidepth analyze``: from the files of a run to profiles, ledger, figures and report."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from lidepth.cli._json import say_json
from lidepth.cli._options import AsJson, DetectorName, Force, RunPath, Stopping

HELP = """
Turn the raw files of a run into depth profiles, a lithium ledger, figures and a report.

\b
Goes in:
  experiment.yaml  cell, instrument and where the data lie
                   (all its keys: lidepth schema)
  the files that it names: spectra, beam monitor, cycler log
  or RUN.lidepth   a run file that lidepth import has written
\b
Comes out, in --out:
  report.html      everything, in one file that needs no network
  ledger.csv       lithium per region, cycle, state and method, in uAh,
                   with uncertainties
  ledger.nc        the same with all covariances, for mechanism identify
  profiles.nc      lithium against depth with 68 and 95 % bands (NetCDF4)
  smooth.nc        the same at every spectrum, with --method smooth
  summary.json     calibrated stack, fit quality, warnings, versions, hashes
  figures/         every figure as SVG, PNG and CSV
  run.lidepth      everything that was read, safe in one file (not where
                   a run file went in)
\b
Examples:
  lidepth analyze experiment.yaml --out results
  lidepth analyze experiment.yaml --out results --stopping csv:tables/ --json
  lidepth analyze experiment.yaml --out results --range '30 h .. 31 h'

A folder from an earlier analyze is renewed; any other that is not empty
needs --force. Nothing is left half written. While the run goes on, analyze
again into the same folder: what was read and fitted before is a start.

Exit codes: 0 done, 1 data problem (named), 2 wrong call, 4 cannot write.
"""


RUN_FILE = "run.lidepth"


class Ensemble(enum.StrEnum):
    """Sets of analyses to compare the result with."""

    stopping = "stopping"


class Method(enum.StrEnum):
    """How spectra become lithium."""

    default = "default"
    smooth = "smooth"
    slab = "slab"
    windows = "windows"


class Evidence(enum.StrEnum):
    """How the odds of an interlayer are found."""

    laplace = "laplace"
    nested = "nested"


def analyze_verb(
    experiment: RunPath,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    method: Annotated[
        Method,
        typer.Option(
            help="Ledger to print. default: state-dependent fit; smooth: every spectrum of the "
            "campaign in one smoother (takes longer; needs a cycler log); slab: an interlayer with "
            "a front instead of a smooth profile; windows: fixed energy windows and Eq. 4 of Chen "
            "et al. (2018). The files hold all that were made."
        ),
    ] = Method.default,
    stopping: Stopping = None,
    alternative: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="Another source, to see how much the result depends on it. May be repeated.",
        ),
    ] = None,
    ensemble: Annotated[
        Ensemble | None,
        typer.Option(
            help="stopping: compare with a set of sources that differ as published ones do "
            "(compounds 4 % up and down, icru49, lunasrim if installed). Each takes one more "
            "fit of the run."
        ),
    ] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option(
            "--range", metavar="'START .. STOP'",
            help="A further time range to analyse: ISO times, or times since the first spectrum "
            "such as '30 h .. 31 h'. May be repeated.",
        ),
    ] = None,
    detector: DetectorName = None,
    evidence: Annotated[
        Evidence,
        typer.Option(
            help="Odds of an interlayer. laplace: in closed form, every state; nested: the first "
            "and last states also by nested sampling, some ten seconds each (needs "
            "lidepth[evidence])."
        ),
    ] = Evidence.laplace,
    force: Force = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Analyse one run."""
    from rich.console import Console

    from lidepth.analysis import analyze
    from lidepth.cli import _results
    from lidepth.cli._folder import result_folder
    from lidepth.cli._progress import Bars
    from lidepth.cli._run import run_path, seconds, source_named
    from lidepth.files import settled
    from lidepth.files.assemble import assemble
    from lidepth.files.run_file import is_run_file
    from lidepth.files.run_folder import keep_recorded, read_recorded
    from lidepth.physics.stopping.ensemble import stopping_ensemble
    from lidepth.show.terminal import ledger_table

    file = run_path(experiment)
    with result_folder(out, verb="analyze", force=force) as folder, Bars() as bars:
        told = bars.counted("reading spectra")
        if is_run_file(file):
            recorded, described = read_recorded(file)
        else:
            recorded, described = keep_recorded(
                file, folder / RUN_FILE, earlier=out / RUN_FILE, progress=told
            )
        run = assemble(recorded, described, detector=detector)
        source = source_named(stopping or run.instrument.stopping)
        ours = settled.fingerprint(described.text, f"{source.name} {run.series.detector}")
        analysis = analyze(
            run, source,
            ranges=[seconds(text, run) for text in ranges or ()],
            alternative=[
                *(source_named(name) for name in alternative or ()),
                *(stopping_ensemble(run.stack, source) if ensemble else ()),
            ],
            earlier=settled.read_settled(out / settled.NAME, belongs_to=ours),
            smoother=method is Method.smooth,
            nested=evidence is Evidence.nested,
            progress=bars.staged(),
        )  # fmt: skip
        settled.write_settled(folder / settled.NAME, analysis.settled, belongs_to=ours)
        _results.write_results(folder, analysis, progress=bars.named("drawing"))
    if as_json:
        say_json(_results.as_json(analysis, out, method.value))
    else:
        _results.show_results(
            Console(), analysis, out, ledger_table(analysis.ledgers[method.value])
        )
