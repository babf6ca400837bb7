"""What analyze and demo have in common: every result as a file, and the answer on the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from lidepth.files.ledger_nc import write_ledger_nc
from lidepth.files.profiles_nc import write_profiles_nc
from lidepth.files.smooth_nc import write_smooth_nc
from lidepth.files.tables import read_ledger_csv, write_ledger_csv, write_summary_json
from lidepth.model.ledger import Ledger
from lidepth.model.result import Analysis
from lidepth.show.report import write_report
from lidepth.show.save import save_figures
from lidepth.show.terminal import summary_panel, warnings_panel

NAMES = (
    "report.html", "ledger.csv", "ledger.nc", "profiles.nc", "smooth.nc", "summary.json", "figures",
)  # fmt: skip


def write_results(
    folder: Path,
    analysis: Analysis,
    *,
    truth: Ledger | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Write ledger.csv and .nc, profiles.nc, summary.json, figures/ and report.html.

    All into ``folder``. And smooth.nc, where the campaign was smoothed.
    """
    write_ledger_csv(folder / "ledger.csv", analysis)
    write_ledger_nc(folder / "ledger.nc", analysis)
    write_profiles_nc(folder / "profiles.nc", analysis)
    if analysis.track is not None:
        write_smooth_nc(folder / "smooth.nc", analysis)
    write_summary_json(folder / "summary.json", analysis)
    saved = save_figures(analysis, folder / "figures", truth=truth, progress=progress)
    write_report(folder / "report.html", analysis, saved.drawings, truth)


def warnings_of(analysis: Analysis) -> list[str]:
    """Every warning once, in order."""
    return list(dict.fromkeys((*analysis.warnings, *analysis.calibration.warnings)))


def show_results(console: Console, analysis: Analysis, out: Path, table: RenderableType) -> None:
    """Print summary, ``table``, warnings and where the files are."""
    console.print(summary_panel(analysis))
    console.print(table)
    console.print(warnings_panel(warnings_of(analysis)))
    console.print(f"report   {out / 'report.html'}", soft_wrap=True, highlight=False, markup=False)
    smooth = "smooth.nc, " if analysis.track is not None else ""
    console.print(
        f"numbers  {out / 'ledger.csv'}, ledger.nc, profiles.nc, {smooth}summary.json, figures/",
        soft_wrap=True, highlight=False, markup=False,
    )  # fmt: skip


def as_json(analysis: Analysis, out: Path, method: str) -> dict[str, Any]:
    """Return the answer, with the ledger of ``method``, for machines; unknown numbers are NaN."""
    columns = read_ledger_csv(out / "ledger.csv")
    rows = [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
        if row[list(columns).index("method")] == method
    ]
    names = [name for name in NAMES if name != "smooth.nc" or analysis.track is not None]
    return {
        "title": analysis.run.title,
        "detector": analysis.run.series.detector,
        "out": str(out),
        "files": [str(out / name) for name in names],
        "stopping": analysis.stopping,
        "method": method,
        "ledger": rows,
        "warnings": warnings_of(analysis),
    }
