"""``lidepth ensemble``: the ledger of a run many times over, to see its errors at work."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lidepth.cli._options import AsJson, DetectorName, RunPath, Stopping

if TYPE_CHECKING:
    from lidepth.model.ensemble import Ensemble

HELP = """
Find the ledger of a run many times over, from data or beliefs drawn again, to see whether its
stated errors hold.

\b
Goes in:
  experiment.yaml  or its folder, or a run file (*.lidepth)
Comes out, in --out:
  ensemble.csv     per row and region: stated error, scatter of the members,
                   what a linear model predicts for it, quantiles
  ensemble.json    the same for machines, with what the sampler achieved
  figures/         stated and found bands (SVG, PNG, CSV)
  members.sqlite   every member, kept as soon as it is made
\b
Kinds:
  bootstrap  counts of every spectrum drawn again from what was fitted
  resample   the spectra of every state drawn again with replacement
  prior      stack, stopping, scale, beam, charge drawn again as believed
  total      counts and beliefs: the whole error
  posterior  draws from the posterior of the fit, not from its Gaussian
\b
Examples:
  lidepth ensemble experiment.yaml --out scatter --members 100 --processes 4
  lidepth ensemble run.lidepth --out scatter --kind posterior
  lidepth ensemble run.lidepth --out scatter --scheduler tcp://head:8786

Interrupted or killed, nothing that was made is lost: give the same command
again and it goes on; with more --members it adds to them. Each member depends
on --seed and its number only, whoever makes it.

Exit codes: 0 done, 1 data problem (named), 2 wrong call, 4 cannot write.
"""


class KindName(enum.StrEnum):
    """What is drawn again."""

    bootstrap = "bootstrap"
    resample = "resample"
    prior = "prior"
    total = "total"
    posterior = "posterior"


class MethodName(enum.StrEnum):
    """Which ledger."""

    default = "default"
    smooth = "smooth"


def ensemble_verb(
    experiment: RunPath,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for members and results.")],
    kind: Annotated[KindName, typer.Option(help="What is drawn again.")] = KindName.bootstrap,
    members: Annotated[int, typer.Option(min=2, max=1_000_000, help="How many.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of the random numbers.")] = 1,
    method: Annotated[
        MethodName,
        typer.Option(help="default, or smooth: every spectrum in one smoother (bootstrap only)."),
    ] = MethodName.default,
    processes: Annotated[
        int, typer.Option(min=1, max=1024, help="How many processes of this machine work at it.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="A dask.distributed cluster that works at it, in place of "
            "processes of this machine: the address or the scheduler file of its scheduler.",
        ),
    ] = None,
    stopping: Stopping = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="'START .. STOP'", help="As for lidepth analyze."),
    ] = None,
    detector: DetectorName = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make an ensemble of one run, or go on with it."""
    from lidepth.analysis.ensemble import draw_members, prepare
    from lidepth.cli._progress import Bars
    from lidepth.cli._run import run_path, seconds, source_named
    from lidepth.files.assemble import assemble
    from lidepth.files.ensemble_store import NAME, MemberStore, fingerprint
    from lidepth.files.run_folder import read_recorded

    _check(out, processes, scheduler)
    with Bars() as bars:
        recorded, described = read_recorded(
            run_path(experiment), progress=bars.counted("reading spectra")
        )
        run = assemble(recorded, described, detector=detector)
        source = source_named(stopping or run.instrument.stopping)
        settings = {
            "kind": kind.value, "method": method.value, "seed": str(seed),
            "stopping": source.name, "detector": run.series.detector,
            "ranges": ", ".join(ranges or ()),
        }  # fmt: skip
        with MemberStore.open(out / NAME, fingerprint(run, described.text, settings)) as store:
            prepared = prepare(
                run, source, kind=kind.value, method=method.value,
                ranges=[seconds(text, run) for text in ranges or ()], progress=bars.staged(),
            )  # fmt: skip
            with _executor(processes, scheduler) as executor:
                made = draw_members(
                    prepared.problem, kind.value, seed=seed, members=members,
                    done=store.members(), executor=executor, keep=store.keep,
                    progress=bars.counted("drawing members"),
                )  # fmt: skip
        found = prepared.gather(made, seed)
    _write(out, found)
    _answer(out, found, as_json=as_json)


def _write(out: Path, found: Ensemble) -> None:
    from lidepth.files.ensemble_table import write_ensemble
    from lidepth.show.figures.ensembles import ensemble
    from lidepth.show.save import save_drawing

    write_ensemble(out, found)
    save_drawing(ensemble(found), out / "figures")


def _answer(out: Path, found: Ensemble, *, as_json: bool) -> None:
    from rich.console import Console

    from lidepth.files.ensemble_table import ensemble_json
    from lidepth.show.ensembles import ensemble_table, ensemble_words

    if as_json:
        typer.echo(ensemble_json(found))
        return
    console = Console(highlight=False)
    console.print(ensemble_table(found))
    console.print(ensemble_words(found))
    console.print(f"numbers  {out / 'ensemble.csv'}, ensemble.json, figures/", soft_wrap=True,
                  markup=False)  # fmt: skip


def _check(out: Path, processes: int, scheduler: str | None) -> None:
    """Refuse what cannot be meant before anything is read."""
    from lidepth.errors import UsageError
    from lidepth.files.ensemble_store import NAME

    if scheduler is not None and processes > 1:
        raise UsageError(
            "--processes and --scheduler are two ways of the same", expected="one of them",
            remedy="the cluster behind --scheduler has its own processes",
        )  # fmt: skip
    if out.exists() and not out.is_dir():
        raise UsageError(
            "this is a file, not a folder", where=f"--out {out}", expected="a folder, new or empty"
        )
    if out.is_dir() and any(out.iterdir()) and not (out / NAME).is_file():
        raise UsageError(
            "the folder is not empty, and not from an earlier 'lidepth ensemble'",
            where=f"--out {out}", expected="a folder that is new or empty, or one to go on with",
            remedy="choose another folder",
        )  # fmt: skip


@contextmanager
def _executor(processes: int, scheduler: str | None) -> Iterator[Executor | None]:
    """Who makes the members: nobody else, processes of this machine, or a cluster."""
    if scheduler is not None:
        with _cluster(scheduler) as cluster:
            yield cluster
    elif processes > 1:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        # Not forked: a copy of a process that has threads may wait for one that it has not.
        with ProcessPoolExecutor(
            processes, mp_context=get_context("spawn"), initializer=_deaf
        ) as pool:
            yield pool
    else:
        yield None


def _deaf() -> None:
    """Leave Ctrl-C to the parent: it sends its workers home itself."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    """A dask.distributed cluster.  Raises UsageError without dask, or when nobody answers."""
    from lidepth.errors import UsageError

    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "dask.distributed is not installed", where="--scheduler",
            expected="distributed", remedy="pip install 'lidepth[dask]', or use --processes",
        ) from error  # fmt: skip
    at = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
    try:
        client = Client(**at, timeout="20 s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no cluster answers ({error})", where=f"--scheduler {address}",
            expected="the address of a dask scheduler that runs, such as tcp://head:8786",
            remedy="start one with: dask scheduler; and workers with: dask worker tcp://...",
        ) from error  # fmt: skip
    with client:
        yield client.get_executor()
