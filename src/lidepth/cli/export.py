"""``lidepth export``: a whole run for other programs."""

from __future__ import annotations

import enum
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from lidepth.cli._json import say_json
from lidepth.cli._options import AsJson

HELP = """
Write a run for other programs: all spectra, the cycler log, the cell, and where it is all from.

\b
Goes in:
  EXPERIMENT       experiment.yaml or the folder it is in, a run file
                   (*.lidepth), or a folder of results: then the run that
                   they were made from
\b
Comes out, as --out:
  --to nexus       one NeXus file (HDF5): counts with their errors and
                   units, for scippnexus, nexusformat, NeXpy, h5py
  --to netcdf      one netCDF4 file, for xarray and everything that reads CF
  --to csv         a folder: spectra.csv, counts.csv.gz, energy.csv,
                   cycler.csv (Battery Data Format), provenance.json
\b
Examples:
  lidepth export experiment.yaml --to nexus --out run.nxs
  lidepth export results --to csv --out tables

Each carries versions, settings, and the SHA-256 of every file behind it.
A file that is there is kept unless --force is given; a folder from an
earlier export is renewed. Nothing is left half written.

Exit codes: 0 done, 1 data problem (named), 2 wrong call, 4 cannot write.
"""


class Target(enum.StrEnum):
    """Where to."""

    nexus = "nexus"
    netcdf = "netcdf"
    csv = "csv"


def export_verb(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="experiment.yaml, run file, or results."),
    ],
    to: Annotated[Target, typer.Option("--to", help="Format.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File; for csv a folder.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file, or write among other files.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Export one run."""
    from rich.console import Console

    from lidepth.cli._progress import Bars
    from lidepth.files.export.content import read_content, run_behind
    from lidepth.files.export.csv import write_csv
    from lidepth.files.export.netcdf import write_netcdf
    from lidepth.files.export.nexus import write_nexus

    write = {Target.nexus: write_nexus, Target.netcdf: write_netcdf, Target.csv: write_csv}[to]
    with Bars() as bars, _place(out, to, force=force) as place:
        content = read_content(run_behind(run), progress=bars.counted("reading spectra"))
        write(place, content, progress=bars.counted("writing spectra"))
    spectra = sum(len(part.series) for part in content.parts)
    if as_json:
        found = {
            "title": content.experiment.title, "out": str(out), "format": to.value,
            "spectra": spectra, "files_sha256": content.provenance["files_sha256"],
        }  # fmt: skip
        say_json(found)
    else:
        console = Console(soft_wrap=True, highlight=False, markup=False)
        console.print(f"exported  {spectra} spectra as {to.value}: {out}")


def _place(out: Path, to: Target, *, force: bool) -> AbstractContextManager[Path]:
    """Return where to write; a place in other use is refused before anything is read."""
    from lidepth.cli._folder import result_folder
    from lidepth.errors import UsageError

    if to is Target.csv:
        return result_folder(out, verb="export", force=force)
    if out.is_dir():
        raise UsageError(
            "this is a folder, not a file", where=f"--out {out}", expected="the name of a file",
            remedy="add a name, such as run.nxs",
        )  # fmt: skip
    if out.exists() and not force:
        raise UsageError(
            "the file exists", where=f"--out {out}", expected="a new file",
            remedy="choose another name, or add --force to replace it",
        )  # fmt: skip
    return nullcontext(out)
