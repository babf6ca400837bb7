"""``lidepth check``: the account of a run, or of loose spectra."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lidepth.cli._json import say_json
from lidepth.cli._options import AsJson

if TYPE_CHECKING:
    from lidepth.files.run_file import IntegrityReport
    from lidepth.model.check import RunCheck, SpectrumCheck

HELP = """
Say what a run holds and what is wrong with it, with times; nothing is altered.

\b
Goes in:
  PATHS   experiment.yaml or its folder, a run file (*.lidepth),
          or loose spectrum files of any analyser
\b
Comes out:
  of a run: spectra, times, rates, steadiness of beam and monitor, every
  quality flag with its time ranges, energy scale, clocks, rests, and
  what to do; of every detector
  of loose files: channels, times, rate, highest line and its width, the
  energy scale that the file claims, and why it cannot be right
\b
Examples:
  lidepth check experiment.yaml
  lidepth check run.lidepth --repair
  lidepth check measured/*.Spe --lines 210Po --json

--repair saves what can be verified of a damaged run file into a new one; the
damaged file is kept beside it.

Exit codes: 0 done, whatever was flagged; 1 data that cannot be used: a file
that cannot be read, a damaged run file, a run without a usable spectrum;
2 wrong call, 4 cannot write.
"""


def check_verb(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATHS", help="A run, or loose spectrum files.")
    ],
    lines: Annotated[
        str | None,
        typer.Option(
            "--lines", metavar="SOURCE",
            help="What the loose spectra show: 241Am, 210Po, 224Ra ..., or an energy "
            "such as '5304 keV'.",
        ),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Save what can be saved of a damaged run file.")
    ] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Check one run, or loose spectra."""
    from rich.console import Console

    from lidepth.cli._run import run_path
    from lidepth.errors import UsageError
    from lidepth.files.run_file import is_run_file

    console = Console(highlight=False)
    first = paths[0]
    if repair and not (len(paths) == 1 and is_run_file(first)):
        raise UsageError("--repair is for one run file", expected="lidepth check RUN --repair")
    if len(paths) == 1 and (first.is_dir() or first.suffix in (".yaml", ".yml")):
        _run(run_path(first), None, console, as_json=as_json)
    elif len(paths) == 1 and is_run_file(first):
        _run(first, _integrity(first, repair=repair), console, as_json=as_json)
    else:
        _loose(paths, lines, console, as_json=as_json)


def _integrity(file: Path, *, repair: bool) -> IntegrityReport:
    from lidepth.files.run_file import check_integrity
    from lidepth.files.run_file import repair as repair_file

    return repair_file(file) if repair else check_integrity(file)


def _run(file: Path, whole: IntegrityReport | None, console: Any, *, as_json: bool) -> None:
    from lidepth.analysis.check import check_run
    from lidepth.cli._progress import Bars
    from lidepth.errors import LidepthError
    from lidepth.files.run_folder import read_runs
    from lidepth.show.account import run_account

    with Bars() as bars:
        try:
            runs = read_runs(file, progress=bars.counted("reading spectra"))
        except LidepthError:
            if whole is not None:  # what became of the file comes first
                _say_whole(whole, console, as_json=as_json)
            if whole is None or whole.ok:
                raise
            raise typer.Exit(1) from None
        checks = [check_run(run) for run in runs]
    if as_json:
        answer: dict[str, Any] = {"detectors": [run_json(check) for check in checks]}
        if whole is not None:
            answer["file"] = _whole_json(whole)
        say_json(answer)
    else:
        for check in checks:
            console.print(run_account(check))
        if whole is not None:
            _say_whole(whole, console, as_json=False)
    bad = (whole is not None and not whole.ok) or not all(c.can_be_used for c in checks)
    if bad or not checks:
        raise typer.Exit(1)


def _whole_json(whole: IntegrityReport) -> dict[str, Any]:
    return {"ok": whole.ok, "problems": list(whole.problems), "damaged": list(whole.damaged)}


def _say_whole(whole: IntegrityReport, console: Any, *, as_json: bool) -> None:
    """Say whether the run file is sound, by itself where its run cannot be put together."""
    if as_json:
        answer = {"detectors": [], "file": _whole_json(whole)}
        say_json(answer)
        return
    console.print("file      whole" if whole.ok else "file      damaged:", markup=False)
    for problem in whole.problems:
        console.print(f"  {problem}", markup=False)


def _loose(paths: list[Path], lines: str | None, console: Any, *, as_json: bool) -> None:
    from lidepth.analysis.lines import lines_kev
    from lidepth.cli._errors import as_usage, say
    from lidepth.files.loose import check_files
    from lidepth.show.account import loose_account

    with as_usage("--lines"):
        known = lines_kev(lines) if lines is not None else ()
    checks, refused = check_files(paths, known)
    if as_json:
        answer = [spectrum_json(c) for c in checks]
        answer += [{"source": path.name, "error": str(error)} for path, error in refused]
        say_json(answer)
    elif checks:
        console.print(loose_account(checks))
    for _, error in refused:
        say(error)
    if refused:
        raise typer.Exit(max(error.exit_code for _, error in refused))


def run_json(check: RunCheck) -> dict[str, Any]:
    """The account of one detector for machines; unknown numbers are NaN."""
    names = (
        "title", "detector", "spectra", "channels", "live_s", "real_s", "usable", "usable_live_s",
        "dead_share", "rate_per_s", "rate_overdispersion", "monitor_per_s",
        "monitor_overdispersion", "monitor_scatter", "cycles",
    )  # fmt: skip
    answer = {name: getattr(check, name) for name in names}
    answer |= {"start": _iso(check.start), "stop": _iso(check.stop)}
    answer |= {"flagged": dict(check.flagged), "steps": dict(check.steps)}
    answer["findings"] = [
        {
            "kind": f.kind, "words": f.words, "start": _iso(f.start), "stop": _iso(f.stop),
            "count": f.count, "severity": f.severity, "remedy": f.remedy,
        }
        for f in check.findings
    ]  # fmt: skip
    if check.track is not None:
        columns = ("time_s", "offset_kev", "offset_std_kev", "gain", "gain_std", "moved_kev")
        answer["scale"] = {name: getattr(check.track, name).tolist() for name in columns} | {
            "remark": check.track.words
        }
    if check.doubt is not None:
        answer["scale_doubt"] = {
            "doubtful": check.doubt.doubtful, "sigma": check.doubt.sigma,
            "words": check.doubt.words,
        }  # fmt: skip
    return answer


def spectrum_json(check: SpectrumCheck) -> dict[str, Any]:
    """The account of one loose spectrum for machines."""
    line = check.line
    return {
        "source": check.source, "detector": check.detector, "channels": check.channels,
        "counts": check.counts, "start": _iso(check.start), "live_s": check.live_s,
        "real_s": check.real_s,
        "scale": None if check.scale is None else list(check.scale),
        "line_channel": None if line is None else line.channel,
        "line_fwhm_channels": None if line is None else line.fwhm,
        "line_keV": check.energy_kev, "fwhm_keV": check.fwhm_kev,
        "doubts": list(check.doubts), "error": None,
    }  # fmt: skip


def _iso(time: Any) -> str | None:
    import numpy as np

    return None if time is None else str(np.datetime_as_string(time, "s"))
