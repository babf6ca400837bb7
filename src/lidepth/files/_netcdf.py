"""Variables of a NetCDF4 file with units and meaning, and the attributes every file of ours has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth import __version__
from lidepth.files._provenance import files_digest, plain, versions
from lidepth.files._steady import steady
from lidepth.model.result import Analysis

_STRING = np.dtype("O", metadata={"vlen": str})  # how h5py marks text of any length


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One array of a file; ``dims`` names its dimensions."""

    name: str
    dims: tuple[str, ...]
    values: NDArray[Any]
    units: str = ""
    meaning: str = ""


def text(name: str, dims: tuple[str, ...], values: Sequence[str]) -> Variable:
    """Text as a variable."""
    return Variable(name=name, dims=dims, values=np.array(values, dtype=object))


def write_netcdf(
    path: Path, sizes: Mapping[str, int], attributes: Mapping[str, Any],
    variables: Iterable[Variable],
) -> None:  # fmt: skip
    """Write a whole file or none.  Raises StoreError."""
    import h5netcdf

    with steady(path) as disk, h5netcdf.File(disk, "w") as file:
        file.dimensions = dict(sizes)
        file.attrs.update(attributes)
        for variable in variables:
            _write(file, variable)


def origin_of(analysis: Analysis) -> dict[str, str]:
    """What every file says of the analysis it comes from."""
    run = analysis.run
    return {
        "title": run.title,
        "source": run.source,
        "detector": run.series.detector,
        "creator": f"lidepth {__version__}",
        "stopping": analysis.stopping,
        "stack": str(analysis.stack),
        "area_cm2": f"{run.area_cm2:.10g}",
        "depth_zero": "anode surface that faces the detector",
        "versions": json.dumps(versions()),
        "files_sha256": files_digest(run.series.sources, run.series.digests),
        "provenance": json.dumps(plain(analysis.provenance), ensure_ascii=False),
    }


def _write(file: Any, variable: Variable) -> None:
    """Create one variable in an open h5netcdf file."""
    is_text = variable.values.dtype == object
    kind = _STRING if is_text else variable.values.dtype
    packing = {} if is_text else {"compression": "gzip", "compression_opts": 4, "shuffle": True}
    target = file.create_variable(variable.name, variable.dims, dtype=kind, **packing)
    target[...] = variable.values
    if variable.units:
        target.attrs["units"] = variable.units
    if variable.meaning:
        target.attrs["long_name"] = variable.meaning
