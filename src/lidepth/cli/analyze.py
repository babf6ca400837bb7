"""``lidepth analyze``: from the files of a run to profiles, ledger, figures and report."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lidepth.model.result import Run
    from lidepth.physics.stopping import StoppingSource

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
    experiment: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT|RUN", help="experiment.yaml or the folder it is in, or a run file."
        ),
    ],
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
    stopping: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="icru49, lunasrim, srim-file:PATH or csv:PATH; otherwise as in experiment.yaml.",
        ),
    ] = None,
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
    detector: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which detector to analyse, where a run has several."),
    ] = None,
    evidence: Annotated[
        Evidence,
        typer.Option(
            help="Odds of an interlayer. laplace: in closed form, every state; nested: the first "
            "and last states also by nested sampling, some ten seconds each (needs "
            "lidepth[evidence])."
        ),
    ] = Evidence.laplace,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that holds other files.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON on stdout.")] = False,
) -> None:  # fmt: skip
    """Analyse one run."""
    from rich.console import Console

    from lidepth.analysis import analyze
    from lidepth.cli import _results
    from lidepth.cli._folder import result_folder
    from lidepth.cli._progress import Bars
    from lidepth.files import settled
    from lidepth.files.assemble import assemble
    from lidepth.files.run_file import is_run_file
    from lidepth.files.run_folder import keep_recorded, read_recorded
    from lidepth.physics.stopping.ensemble import stopping_ensemble
    from lidepth.show.terminal import ledger_table

    file = experiment / "experiment.yaml" if experiment.is_dir() else experiment
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
        typer.echo(
            json.dumps(_results.as_json(analysis, out, method.value), indent=2, ensure_ascii=False)
        )
    else:
        _results.show_results(
            Console(), analysis, out, ledger_table(analysis.ledgers[method.value])
        )


def source_named(name: str) -> StoppingSource:
    """Return a stopping source; a name that cannot be one is a wrong call, a bad file is not."""
    from contextlib import nullcontext

    from lidepth.cli._errors import as_usage
    from lidepth.physics.stopping import stopping_source

    with nullcontext() if ":" in name else as_usage(f"stopping source {name!r}"):
        return stopping_source(name)


def seconds(text: str, run: Run) -> tuple[float, float]:
    """Return ``START .. STOP`` as seconds since the first spectrum of ``run``."""
    from lidepth.cli._errors import as_usage
    from lidepth.errors import UsageError
    from lidepth.files._text import parse_time
    from lidepth.units import quantity

    where = f"--range {text!r}"
    ends = [part.strip() for part in text.split("..")]
    wrong = UsageError(
        "this is not a time range", where=where,
        expected="START .. STOP, as ISO times or such as '30 h .. 31 h'",
    )  # fmt: skip
    if len(ends) != 2 or not all(ends):
        raise wrong
    values = []
    with as_usage(where):
        for end in ends:
            if end[:4].isdigit() and end[4:5] == "-":
                since = parse_time(end, where=where) - run.series.origin
                values.append(float(since.astype("timedelta64[ns]").astype(int)) * 1e-9)
            else:
                values.append(quantity(end, "s", where=where))
    if not values[1] > values[0]:
        raise wrong
    return values[0], values[1]
