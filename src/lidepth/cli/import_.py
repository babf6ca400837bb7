"""``lidepth import``: what was recorded of a run, into one file that keeps it safe."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lidepth.cli._json import say_json
from lidepth.cli._options import AsJson

if TYPE_CHECKING:
    from lidepth.files.experiment import Experiment
    from lidepth.files.records import Recorded
    from lidepth.files.run_file import Added, RunFile

HELP = """
Keep everything that was recorded of a run in one file: spectra, monitor, cycler, settings.

\b
Goes in:
  experiment.yaml  and the files that it names
\b
Comes out:
  RUN.lidepth      an SQLite database that only grows; every spectrum and row
                   has a checksum. analyze, check and export read it as they
                   read experiment.yaml.
\b
Examples:
  lidepth import experiment.yaml --out run.lidepth
  lidepth analyze run.lidepth --out results
\b
While the run goes on, import again: what is there is known, what is new is
added. An import that was interrupted goes on where it stopped. Nothing is
ever changed or removed; a spectrum that looks wrong is flagged.

Exit codes: 0 done, 1 data problem (named), 2 wrong call, 4 cannot write.
"""


def import_verb(
    experiment: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT", help="experiment.yaml, or the folder it is in.")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="RUN.lidepth", help="The run file, new or to add to."),
    ],
    as_json: AsJson = False,
) -> None:
    """Import one run."""
    from rich.console import Console

    from lidepth.cli._progress import Bars
    from lidepth.cli._run import run_path
    from lidepth.errors import UsageError
    from lidepth.files.experiment import read_experiment
    from lidepth.files.gather import gather
    from lidepth.files.run_file import RunFile, is_run_file
    from lidepth.files.run_folder import kept_spectra

    if out.suffix.lower() != ".lidepth" and not (out.is_file() and is_run_file(out)):
        raise UsageError("this is not the name of a run file", where=f"--out {out}",
                         expected="a name that ends in .lidepth")  # fmt: skip
    described = read_experiment(run_path(experiment))
    with Bars() as bars:
        there = out.exists()
        # A first import that cannot read its files leaves no run file.
        found = None if there else gather(described, progress=bars.counted("reading spectra"))
        # Another import may have begun it meanwhile: then opening says so.
        begun = out.exists()
        opened = RunFile.open(out, write=True) if begun else RunFile.create(out, described)
        with opened as run_file:
            if found is None:
                kept = kept_spectra(run_file, described)
                found = gather(described, kept=kept, progress=bars.counted("reading spectra"))
            run_file.describe(described)
            added = run_file.add(found, progress=bars.counted("writing"))
            answer = _answer(run_file, added, out)
    if as_json:
        say_json(answer)
    else:
        _show(Console(soft_wrap=True, highlight=False, markup=False), answer)


def _answer(run_file: RunFile, added: Added, out: Path) -> dict[str, Any]:
    recorded, experiment = run_file.recorded(), run_file.experiment()
    flags, doubts = _flags(recorded, experiment)
    return {
        "out": str(out),
        "added": {"spectra": added.spectra, "cycler_rows": added.cycler_rows},
        "known": added.known,
        "spectra": len(recorded.records),
        "cycler_rows": 0 if recorded.log is None else int(recorded.log.time.size),
        "flags": flags,
        "notes": [*run_file.notes, *doubts],
    }


def _flags(recorded: Recorded, experiment: Experiment) -> tuple[dict[str, int], list[str]]:
    """Count the flags of all detectors; what cannot be put into order yet is a note, no error."""
    from lidepth.errors import LidepthError
    from lidepth.files.assemble import assemble, detectors
    from lidepth.model.spectra import Quality

    counted: Counter[str] = Counter()
    doubts = []
    for detector in detectors(recorded):
        try:
            series = assemble(recorded, experiment, detector=detector).series
        except LidepthError as error:
            doubts.append(f"not ready to be analysed: {error.what} ({error.where})")
            continue
        for flag in Quality:
            marked = int(((series.flags & int(flag)) != 0).sum())
            counted.update({flag.words: marked} if marked else {})
    return dict(counted), doubts


def _show(console: Any, answer: dict[str, Any]) -> None:
    added = answer["added"]
    console.print(f"run file  {answer['out']}")
    console.print(f"added     {added['spectra']} spectra, {added['cycler_rows']} cycler rows")
    console.print(
        f"known     {answer['known']} spectra; "
        f"now {answer['spectra']} spectra, {answer['cycler_rows']} cycler rows"
    )
    flagged = ", ".join(f"{words} {number}" for words, number in answer["flags"].items())
    console.print(f"flagged   {flagged or 'none'}")
    for note in answer["notes"]:
        console.print(f"note      {note}")
    console.print(f"next      lidepth analyze {answer['out']} --out results")
