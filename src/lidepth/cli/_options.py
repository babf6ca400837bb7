"""Options that several verbs take, each with one name and one description."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunPath = Annotated[
    Path,
    typer.Argument(
        metavar="EXPERIMENT|RUN", help="experiment.yaml or the folder it is in, or a run file."
    ),
]
SomeOut = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the results.")]
Stopping = Annotated[
    str | None,
    typer.Option(
        "--stopping", metavar="SOURCE",
        help="icru49, lunasrim, srim-file:PATH or csv:PATH; otherwise as in experiment.yaml.",
    ),
]  # fmt: skip
DetectorName = Annotated[
    str | None,
    typer.Option(
        "--detector", metavar="NAME", help="Which detector to analyse, where a run has several."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON on stdout.")]
