"""Which run a verb is about, with which stopping powers, and which part of its time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lidepth.model.result import Run
    from lidepth.physics.stopping import StoppingSource


def run_path(given: Path) -> Path:
    """Return the file that describes or holds a run: of a folder, its experiment.yaml."""
    return given / "experiment.yaml" if given.is_dir() else given


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
