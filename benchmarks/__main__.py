"""Run the benchmarks and write their page.

python -m benchmarks [--only NAME ...] [--page] [--peers FOLDER] [--tiny] [--docs FOLDER]

Each row is written as soon as it is measured, so that a run that was cut off goes on with
``--only``.  Figures of rows that are not run stay.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import page
from benchmarks.common import BUSY, TINY, Size, load, machine, version
from benchmarks.rows import ROWS
from benchmarks.scaling import Growth

PEERS = ("pycatima", "lunasrim", "ndp")


def measured(name: str, size: Size, *, command: str, begun: float) -> dict[str, Any]:
    """Run one row; ``begun`` is the load average when the whole run began."""
    start = time.perf_counter()
    lines = ROWS[name].run(size)
    key = "growths" if isinstance(lines[0], Growth) else "lines"
    peers = [f"{peer} {version(peer)}" for peer in PEERS if version(peer)]
    return {
        "command": command, "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "seconds": time.perf_counter() - start, "load": [begun, load()], "machine": machine(),
        "peers": ", ".join(peers) if name in ("transport", "reduction") else "",
        key: [asdict(one) for one in lines],
    }  # fmt: skip


def main(words: list[str] | None = None) -> int:
    """Measure the rows asked for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=list(ROWS),
        metavar="NAME",
        help="a row by name, more than once for several: " + ", ".join(ROWS),
    )
    parser.add_argument("--peers", type=Path, help="folder of peers installed by pip --target")
    parser.add_argument("--tiny", action="store_true", help="smallest sizes; writes no page")
    parser.add_argument(
        "--page", action="store_true", help="measure nothing, write the page again from the figures"
    )
    parser.add_argument("--docs", type=Path, default=page.DOCS, help="where page and figures go")
    chosen = parser.parse_args(words)
    if chosen.peers is not None and chosen.peers.is_dir():
        sys.path.append(str(chosen.peers.resolve()))
    begun = load()
    if begun > BUSY:
        print(f"the load average is {begun:.1f}: the page will say so", file=sys.stderr)
    figures_at, page_at = chosen.docs / page.FIGURES.name, chosen.docs / page.PAGE.name
    figures = page.read_figures(figures_at)
    if chosen.page:
        page_at.write_text(page.text(figures), encoding="utf-8")
        return 0
    for name in chosen.only or ROWS:
        print(f"{name} ...", flush=True)
        only = f" ONLY={name}" if chosen.only else ""
        one = measured(name, TINY if chosen.tiny else Size(), command=f"make bench{only}",
                       begun=begun)  # fmt: skip
        print(f"{name}: {one['seconds']:.0f} s")
        if chosen.tiny:
            continue
        figures[name] = one
        ordered = {key: figures[key] for key in ROWS if key in figures}
        figures_at.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
        page_at.write_text(page.text(ordered), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
