"""The main job, raw files to report, against the minute it may take.

    python benchmarks/bench_pipeline.py [experiment.yaml]

Without an experiment a virtual 30-cycle campaign is written first (not counted).  Each part is
also given as a ratio to the time it takes merely to parse the same files, in the same run.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lidepth.analysis import analyze
from lidepth.files.raw import write_campaign
from lidepth.files.run_folder import read_run
from lidepth.physics.stopping import stopping_source
from lidepth.show.report import write_report
from lidepth.show.save import save_figures
from lidepth.virtual.plan import CampaignPlan, Cycling
from lidepth.virtual.spectra import VirtualCampaign, simulate_campaign

LIMIT_S = 60.0
PARTS = ("read", "analyse", "draw and report")


def campaign(folder: Path) -> Path:
    plan = CampaignPlan(cycling=Cycling(cycles=30), seed=4)
    return written(simulate_campaign(plan, source=stopping_source("icru49")), folder)


def written(made: VirtualCampaign, folder: Path) -> Path:
    """Write the files of a simulated campaign; returns its experiment file."""
    plan = made.plan
    return write_campaign(
        folder / "campaign", title=plan.title, area_cm2=plan.area_cm2,
        stack=plan.believed_stack, instrument=plan.believed_instrument, series=made.series,
        log=made.log,
    )  # fmt: skip


def timed(experiment: Path, folder: Path) -> dict[str, float]:
    """Seconds of reading, analysing, and drawing with the report."""
    marks = [time.perf_counter()]
    run = read_run(experiment)
    marks.append(time.perf_counter())
    analysis = analyze(run, stopping_source("icru49"))
    marks.append(time.perf_counter())
    saved = save_figures(analysis, folder / "figures")
    write_report(folder / "report.html", analysis, saved.drawings)
    marks.append(time.perf_counter())
    spent = [b - a for a, b in itertools.pairwise(marks)]
    print(f"{len(run.series)} spectra of {run.series.channels} channels, "
          f"{len(analysis.states)} states")  # fmt: skip
    return dict(zip(PARTS, spent, strict=True))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        experiment = Path(sys.argv[1]) if len(sys.argv) > 1 else campaign(folder)
        parts = timed(experiment, folder)
    read, fit, draw = parts.values()
    for label, seconds in parts.items():
        print(f"{label:16s}{seconds:7.1f} s   {seconds / read:6.1f} x reading")
    total = read + fit + draw
    print(
        f"{'raw to report':16s}{total:7.1f} s   {total / LIMIT_S:6.2f} x the {LIMIT_S:.0f} s limit"
    )
    command = [sys.executable, "-c", "import lidepth"]
    empty = [sys.executable, "-c", "pass"]
    start = time.perf_counter()
    subprocess.run(command, check=True)
    middle = time.perf_counter()
    subprocess.run(empty, check=True)
    bare = time.perf_counter() - middle
    print(
        f"import lidepth  {middle - start - bare:7.3f} s beyond an empty interpreter (limit 0.5 s)"
    )


if __name__ == "__main__":
    main()
