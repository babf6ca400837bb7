"""A folder of csv files: a table of the spectra, their counts, the cycler log, provenance.json."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lidepth.files._store import replacing, write_text
from lidepth.files.cyclers.bdf import write_bdf_csv
from lidepth.files.export.content import Content, Part, moment
from lidepth.files.export.hdf5 import Counter, energy_std_kev
from lidepth.files.export.origin import as_json
from lidepth.files.records import Progress
from lidepth.model.spectra import Quality

SPECTRA_COLUMNS = (
    "spectrum", "group", "detector", "start", "live_s", "real_s", "monitor_counts",
    "total_counts", "flags", "flag_names", "pristine", "source", "sha256",
)  # fmt: skip


def write_csv(folder: str | Path, content: Content, *, progress: Progress | None = None) -> None:
    """Write spectra.csv, counts.csv.gz, energy.csv, cycler.csv and provenance.json into a folder.

    With several detectors, or blanks, there is a file of counts and one of energies for each.
    Raises StoreError; each file is written whole or not at all.
    """
    home = Path(folder)
    counter = Counter(content, progress)
    _table(home / "spectra.csv", SPECTRA_COLUMNS, _rows(content))
    first = 0
    for part in content.parts:
        ends = "".join(f"_{word}" for word in (part.label, part.group) if word not in ("", "run"))
        _energy(home / f"energy{ends}.csv", part, content)
        _counts(home / f"counts{ends}.csv.gz", part, first, counter)
        first += len(part.series)
    if content.log is not None:
        write_bdf_csv(home / "cycler.csv", content.log)
    write_text(home / "provenance.json", as_json(content.provenance))


def harmless(text: str) -> str:
    """Return a cell that a spreadsheet does not take for a formula: an apostrophe goes before it.

    For text from elsewhere that begins with = + - @, a tab or a carriage return.
    """
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") and text else text


def _table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with (
        replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _rows(content: Content) -> Iterable[Sequence[Any]]:
    number = 0
    for part in content.parts:
        series = part.series
        live_s, real_s, monitor, flags = series.live_s, series.real_s, series.monitor, series.flags
        start, sources, digests = series.start, series.sources, series.digests
        for i in range(len(series)):
            yield (
                number, part.group, harmless(series.detector), moment(start[i]),
                _number(live_s[i]), _number(real_s[i]), _number(monitor[i]),
                int(series.counts[i].sum(dtype=np.int64)), int(flags[i]),
                Quality(int(flags[i])).words.replace(", ", "; "),
                int(part.pristine[i]), harmless(sources[i]), digests[i],
            )  # fmt: skip
            number += 1


def _number(value: float) -> str:
    """Return the shortest text that reads back as this number, empty for NaN."""
    return "" if math.isnan(value) else repr(float(value)).removesuffix(".0")


def _energy(path: Path, part: Part, content: Content) -> None:
    scale = content.experiment.instrument.calibration
    edges = scale.edges_kev(part.series.channels)
    std = energy_std_kev(scale.covariance, np.arange(part.series.channels) + 0.5)
    rows = (
        (i, _number(edges[i]), _number(edges[i + 1]), _number(std[i]))
        for i in range(part.series.channels)
    )
    _table(path, ("channel", "lower_keV", "upper_keV", "middle_std_keV"), rows)


def _counts(path: Path, part: Part, first: int, counter: Counter) -> None:
    """Write one row per spectrum, one column per channel; the time stamp in gzip is left out."""
    counts = part.series.counts
    with (
        replacing(path) as temporary,
        open(temporary, "wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=4, mtime=0) as stream,
    ):
        names = ",".join(map(str, range(counts.shape[1])))
        stream.write(f"spectrum,{names}\n".encode())
        for number, row in enumerate(counts, start=first):
            stream.write(f"{number},{','.join(map(str, row.tolist()))}\n".encode())
            counter.add(1)
