"""From the name a user writes to a source of stopping powers."""

from __future__ import annotations

from collections.abc import Mapping

from lidepth.errors import BadInput
from lidepth.physics.stopping.csv_source import read_csv_file
from lidepth.physics.stopping.files import listed_files
from lidepth.physics.stopping.icru49 import Icru49Source
from lidepth.physics.stopping.lunasrim_source import LunasrimSource
from lidepth.physics.stopping.source import StoppingSource
from lidepth.physics.stopping.srim_file import read_srim_file
from lidepth.physics.stopping.tabulated import TabulatedSource

DEFAULT_SOURCE = "icru49"


def stopping_source(
    name_or_path: str = DEFAULT_SOURCE, *, bragg_factors: Mapping[str, float] | None = None
) -> StoppingSource:
    """Return the source called ``name_or_path``.

    ``icru49``; ``lunasrim`` or ``srim``; ``srim-file:PATH`` and ``csv:PATH``, where PATH is a
    file, a folder, or several of these with commas between.  ``bragg_factors`` multiplies the
    electronic stopping of compounds, by name or formula, in the first two.  Raises BadInput for
    anything else.
    """
    kind, _, rest = name_or_path.strip().partition(":")
    if bragg_factors and rest:
        raise BadInput(
            "Bragg factors do not apply to tables from files",
            where=name_or_path,
            remedy="leave bragg_factor out, or use the source icru49 or lunasrim",
        )
    if name_or_path.strip() == "icru49":
        return Icru49Source(bragg_factors=bragg_factors or {})
    if name_or_path.strip() in ("lunasrim", "srim"):
        return LunasrimSource(bragg_factors=bragg_factors or {})
    if kind == "srim-file" and rest:
        srim_files = listed_files(rest, (".txt", ".dat", ".srim", ""))
        tables = tuple(read_srim_file(path) for path in srim_files)
        return TabulatedSource(name=name_or_path.strip(), tables=tables)
    if kind == "csv" and rest:
        csv_files = listed_files(rest, (".csv",))
        tables = tuple(table for path in csv_files for table in read_csv_file(path))
        return TabulatedSource(name=name_or_path.strip(), tables=tables)
    raise BadInput(
        f"no stopping source is called {name_or_path!r}",
        expected="icru49, lunasrim, srim-file:PATH or csv:PATH",
    )
