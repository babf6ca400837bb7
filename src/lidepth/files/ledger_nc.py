"""ledger.nc: the ledgers with their whole covariance, and moved silicon, as NetCDF4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, LidepthError, WrongFormat
from lidepth.files._netcdf import Variable, origin_of, text, write_netcdf
from lidepth.files._text import read_head
from lidepth.model.ledger import REGIONS, Ledger
from lidepth.model.result import Analysis, MovedSilicon
from lidepth.model.stack import Stack

METHODS = ("default", "untied", "smooth")
"""Ledgers worth an inference; windows and slab stay in ledger.csv."""
_MOST_ROWS = 3000  # two covariances of 650 MB; 364 cycles have 730
_REMEDY = "use the ledger.nc that lidepth analyze wrote"


@dataclass(frozen=True, kw_only=True)
class LedgerFile:
    """What ledger.nc holds: ledgers by method, moved silicon, and where they come from.

    ``stack`` as calibrated; ``source`` the experiment or run file that was analysed.
    """

    ledgers: Mapping[str, Ledger]
    silicon: MovedSilicon
    stack: Stack
    area_cm2: float
    title: str
    source: str
    detector: str


def write_ledger_nc(path: str | Path, analysis: Analysis) -> None:
    """Write the ledgers METHODS with covariances, and moved silicon.

    Dimensions ``<method>_row``, ``<method>_entry`` (row by row anode, electrolyte, cathode),
    ``region`` and ``silicon_cycle``.  Raises StoreError; the file is written whole or not at all.
    """
    ledgers = {name: analysis.ledgers[name] for name in METHODS if name in analysis.ledgers}
    sizes = {"region": len(REGIONS), "silicon_cycle": analysis.silicon.cycle.size}
    for name, ledger in ledgers.items():
        sizes |= {f"{name}_row": len(ledger), f"{name}_entry": 3 * len(ledger)}
    attributes = origin_of(analysis) | {
        "methods": " ".join(ledgers),
        "balance_spent": " ".join(name for name in ledgers if ledgers[name].balance_spent),
        "silicon_film_1e15_per_cm2": analysis.silicon.film_1e15,
        "silicon_mean_1e15_per_cm2": analysis.silicon.mean_1e15,
        "silicon_mean_std_1e15_per_cm2": analysis.silicon.mean_std_1e15,
    }  # fmt: skip
    write_netcdf(Path(path), sizes, attributes, _variables(ledgers, analysis.silicon))


def _variables(ledgers: Mapping[str, Ledger], silicon: MovedSilicon) -> Iterator[Variable]:
    yield text("region", ("region",), REGIONS)
    yield Variable(name="silicon_cycle_number", dims=("silicon_cycle",), values=silicon.cycle)
    for name, values in (("silicon", silicon.amount_1e15), ("silicon_std", silicon.std_1e15)):
        yield Variable(name=name, dims=("silicon_cycle",), values=values, units="1e15 cm-2")
    for name, ledger in ledgers.items():
        rows, entries = (f"{name}_row",), f"{name}_entry"
        yield text(f"{name}_state", rows, ledger.state)
        yield text(f"{name}_flags", rows, ledger.flags)
        yield Variable(name=f"{name}_cycle", dims=rows, values=ledger.cycle)
        yield Variable(
            name=f"{name}_time", dims=rows, values=ledger.time_s, units="s",
            meaning="middle of the state, since the start of the first spectrum",
        )  # fmt: skip
        yield Variable(
            name=f"{name}_values", dims=(*rows, "region"), values=ledger.values, units="uAh",
            meaning="lithium in the anode, added to the electrolyte, missing from the cathode",
        )  # fmt: skip
        for kind, values in (
            ("covariance", ledger.covariance), ("independent", ledger.independent)
        ):  # fmt: skip
            yield Variable(
                name=f"{name}_{kind}", dims=(entries, entries), values=values, units="uAh2"
            )


def read_ledger_nc(path: str | Path) -> LedgerFile:
    """Read ledger.nc; sizes and numbers are checked.

    Raises BadInput where the file cannot be read, WrongFormat where it is no ledger.nc.
    """
    file = Path(path)
    if read_head(file, 8) != b"\x89HDF\r\n\x1a\n":
        raise WrongFormat("this is no NetCDF4", where=str(file), remedy=_REMEDY)
    import h5netcdf

    try:
        with h5netcdf.File(file, "r") as tree:
            return _read(tree, str(file))
    except LidepthError:
        raise
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise WrongFormat(
            f"this is no ledger ({error})", where=str(file), remedy=_REMEDY
        ) from error


def _read(tree: Any, where: str) -> LedgerFile:
    names = str(tree.attrs["methods"]).split()
    if not names or not set(names) <= set(METHODS):
        raise WrongFormat(f"methods {names!r} are not known", where=where, remedy=_REMEDY)
    attributes = {
        key: str(tree.attrs[key]) for key in ("title", "source", "detector", "stack", "area_cm2")
    }
    cycles = (_size(tree, "silicon_cycle", where),)
    silicon = MovedSilicon(
        cycle=_array(tree, "silicon_cycle_number", where, cycles).astype(np.int64),
        amount_1e15=_array(tree, "silicon", where, cycles),
        std_1e15=_array(tree, "silicon_std", where, cycles),
        film_1e15=float(tree.attrs["silicon_film_1e15_per_cm2"]),
        mean_1e15=float(tree.attrs["silicon_mean_1e15_per_cm2"]),
        mean_std_1e15=float(tree.attrs["silicon_mean_std_1e15_per_cm2"]),
    )  # fmt: skip
    return LedgerFile(
        ledgers={name: _ledger(tree, name, where) for name in names}, silicon=silicon,
        stack=Stack.parse(attributes["stack"]), area_cm2=float(attributes["area_cm2"]),
        title=attributes["title"], source=attributes["source"], detector=attributes["detector"],
    )  # fmt: skip


def _ledger(tree: Any, name: str, where: str) -> Ledger:
    rows = _size(tree, f"{name}_row", where)
    if rows == 0:
        raise WrongFormat(f"{name}: a ledger of no rows", where=where, remedy=_REMEDY)
    square = (3 * rows, 3 * rows)
    values = _array(tree, f"{name}_values", where, (rows, 3))
    covariance = _array(tree, f"{name}_covariance", where, square)
    scale = float(np.abs(covariance).max(initial=0.0))
    if np.any(np.diag(covariance) < 0) or np.abs(covariance - covariance.T).max() > 1e-9 * scale:
        raise WrongFormat(
            f"{name}: this covariance is none", where=where, expected="symmetric, no variance < 0",
            remedy=_REMEDY,
        )  # fmt: skip
    return Ledger(
        method=name, cycle=_array(tree, f"{name}_cycle", where, (rows,)).astype(np.int64),
        state=_words(tree, f"{name}_state"), flags=_words(tree, f"{name}_flags"),
        time_s=_array(tree, f"{name}_time", where, (rows,)), values=values, covariance=covariance,
        independent=_array(tree, f"{name}_independent", where, square),
        balance_spent=name in str(tree.attrs["balance_spent"]).split(),
    )  # fmt: skip


def _size(tree: Any, name: str, where: str) -> int:
    size = int(tree.dimensions[name].size)
    if size > _MOST_ROWS:
        raise WrongFormat(
            f"{name}: {size} rows", where=where, expected=f"at most {_MOST_ROWS}", remedy=_REMEDY
        )
    return size


def _array(tree: Any, name: str, where: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    found = tuple(tree.variables[name].shape)
    if found != shape:  # before anything is read
        raise WrongFormat(
            f"{name} has the shape {found}", where=where, expected=str(shape), remedy=_REMEDY
        )
    values = np.asarray(tree.variables[name][...], dtype=np.float64)
    if not np.all(np.isfinite(values)):
        raise BadInput(f"{name} holds numbers that are none", where=where, remedy=_REMEDY)
    return values


def _words(tree: Any, name: str) -> tuple[str, ...]:
    return tuple(
        one.decode() if isinstance(one, bytes) else str(one) for one in tree.variables[name][...]
    )
