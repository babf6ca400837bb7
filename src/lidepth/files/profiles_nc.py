"""profiles.nc: every depth profile with its bands, as NetCDF4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadData
from lidepth.files._netcdf import Variable, origin_of, text, write_netcdf
from lidepth.model.profile import BAND_68, BAND_95, DepthProfile
from lidepth.model.result import Analysis

_PER_CELL = "1e15 cm-2"
_PER_NM = "1e15 cm-2 nm-1"


def write_profiles_nc(path: str | Path, analysis: Analysis) -> None:
    """Write lithium and its change against depth, per cell and per nm, with 68 and 95 % bands.

    Dimensions state, cell, cell_edge and true_cell (columns of the averaging kernels).  Raises
    BadData when there are no profiles or their depth cells differ, and StoreError; the file is
    written whole or not at all.
    """
    profiles = analysis.profiles
    _check_cells(profiles)
    cells = len(profiles[0].regions)
    sizes = {"state": len(profiles), "cell": cells, "cell_edge": cells + 1, "true_cell": cells}
    bands = "68 and 95 % of a normal distribution with the total standard uncertainty"
    write_netcdf(Path(path), sizes, {**origin_of(analysis), "bands": bands}, _variables(profiles))


def _check_cells(profiles: Sequence[DepthProfile]) -> None:
    if not profiles:
        raise BadData("there is no profile to write", expected="at least one state")
    first = profiles[0]
    for profile in profiles:
        if not np.array_equal(profile.edges_1e15, first.edges_1e15):
            raise BadData(
                f"the profiles of {profile.label!r} and {first.label!r} have different depth cells",
                expected="one grid for all states",
            )


def _variables(profiles: Sequence[DepthProfile]) -> Iterator[Variable]:
    first = profiles[0]
    yield text("label", ("state",), [one.label for one in profiles])
    yield text("state_name", ("state",), [one.state for one in profiles])
    yield text("region", ("cell",), first.regions)
    yield Variable(name="cycle", dims=("state",), values=np.array([p.cycle for p in profiles]))
    yield Variable(
        name="time", dims=("state",), values=np.array([p.time_s for p in profiles]), units="s",
        meaning="middle of the state, since the start of the first spectrum",
    )  # fmt: skip
    for name, edges, units in (
        ("edge_areal_density", first.edges_1e15, _PER_CELL), ("edge_depth", first.edges_nm, "nm"),
    ):  # fmt: skip
        yield Variable(name=name, dims=("cell_edge",), values=edges, units=units)
    lithium = np.stack([one.lithium_1e15 for one in profiles])
    pristine = np.stack([one.pristine_1e15 for one in profiles])
    std = np.stack([one.std_1e15 for one in profiles])
    width_nm = first.width_nm
    for suffix, scale, units in (("", 1.0, _PER_CELL), ("_per_nm", width_nm, _PER_NM)):
        yield from _banded("lithium", lithium / scale, std / scale, suffix, units)
        yield from _banded("change", (lithium - pristine) / scale, std / scale, suffix, units)
        yield _cells(f"pristine{suffix}", pristine / scale, units, "lithium before cycling")
    yield _cells(
        "resolution", np.stack([one.resolution_nm for one in profiles]), "nm",
        "full width at half maximum of the averaging kernel; NaN where the data do not reach",
    )  # fmt: skip
    yield Variable(
        name="averaging_kernel", dims=("state", "cell", "true_cell"), units="1",
        values=np.stack([one.averaging_kernel for one in profiles]),
        meaning="answer of the estimate in a cell to one true lithium atom in true_cell",
    )  # fmt: skip
    yield Variable(
        name="change_covariance", dims=("state", "cell", "true_cell"), units="1e30 cm-4",
        values=np.stack([one.covariance for one in profiles]),
        meaning="total covariance of the change, per cell",
    )  # fmt: skip


def _banded(
    name: str, values: NDArray[Any], std: NDArray[Any], suffix: str, units: str
) -> Iterator[Variable]:
    """Yield a quantity with its standard uncertainty and its bands; the width is the change's."""
    yield _cells(f"{name}{suffix}", values, units, f"{name}, all isotopes")
    yield _cells(f"{name}{suffix}_std", std, units, "total standard uncertainty of the change")
    for percent, factor in ((68, BAND_68), (95, BAND_95)):
        yield _cells(f"{name}{suffix}_lower_{percent}", values - factor * std, units, "band")
        yield _cells(f"{name}{suffix}_upper_{percent}", values + factor * std, units, "band")


def _cells(name: str, values: NDArray[Any], units: str, meaning: str) -> Variable:
    return Variable(name=name, dims=("state", "cell"), values=values, units=units, meaning=meaning)
