"""smooth.nc: what the smoother says of every spectrum of a campaign, as NetCDF4."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lidepth.errors import BadData
from lidepth.files._netcdf import Variable, origin_of, text, write_netcdf
from lidepth.model.ledger import REGIONS
from lidepth.model.result import Analysis
from lidepth.model.track import NUISANCES, LithiumTrack

_PER_CELL = "1e15 cm-2"
_TIME = ("time",)
_NUISANCE_UNITS = ("1", "keV", "1", _PER_CELL)


def write_smooth_nc(path: str | Path, analysis: Analysis) -> None:
    """Write lithium per layer and per depth cell at every spectrum, nuisances and parameters.

    Dimensions time, layer, cell, cell_edge, nuisance and parameter; ``time`` counts seconds from
    the start of the first spectrum, which xarray turns into dates.  Raises BadData where the
    campaign was not smoothed, and StoreError; the file is written whole or not at all.
    """
    track = analysis.track
    if track is None:
        raise BadData(
            "the campaign was not smoothed", where=analysis.run.source,
            remedy="analyse with --method smooth",
        )  # fmt: skip
    cells = len(track.regions)
    sizes = {
        "time": len(track), "layer": len(REGIONS), "cell": cells, "cell_edge": cells + 1,
        "nuisance": len(NUISANCES), "parameter": len(track.shared),
    }  # fmt: skip
    attributes = {
        **origin_of(analysis),
        "smoothed": "yes" if track.smoothed else "no: a filter, each time by what came before it",
        "passes": track.passes,
        "log_evidence": track.log_evidence,
    }
    write_netcdf(Path(path), sizes, attributes, _variables(analysis, track))


def _variables(analysis: Analysis, track: LithiumTrack) -> Iterator[Variable]:
    origin = np.datetime_as_string(analysis.run.series.origin, unit="us").replace("T", " ")
    yield text("layer", ("layer",), REGIONS)
    yield text("region", ("cell",), track.regions)
    yield Variable(name="time", dims=_TIME, values=track.time_s, units=f"seconds since {origin}",
                   meaning="middle of the spectrum")  # fmt: skip
    yield Variable(name="spectrum", dims=_TIME, values=track.rows, meaning="row in the series")
    yield Variable(name="cycle", dims=_TIME, values=track.cycle)
    yield Variable(name="charge", dims=_TIME, values=track.charge_uah, units="uAh",
                   meaning="net charge since pristine, by the cycler")  # fmt: skip
    yield from _contents(track)
    yield Variable(name="edge_depth", dims=("cell_edge",), values=track.edges_nm, units="nm",
                   meaning="depth in the pristine stack")  # fmt: skip
    for name, values, meaning in (
        ("change", track.change_1e15, "lithium gained per cell since pristine, all isotopes"),
        ("change_std", track.change_std_1e15, "total standard uncertainty of the change"),
    ):
        yield Variable(name=name, dims=("time", "cell"), values=values, units=_PER_CELL,
                       meaning=meaning)  # fmt: skip
    yield from _nuisances(track)
    yield Variable(name="deviance", dims=_TIME, values=track.deviance, units="1",
                   meaning=f"Poisson deviance over {track.bins} bins")  # fmt: skip
    yield from _parameters(track)


def _contents(track: LithiumTrack) -> Iterator[Variable]:
    for name, values, meaning in (
        ("contents", track.contents_uah, "lithium in the anode, added to the electrolyte, missing "
         "from the cathode, whole cell"),
        ("contents_std", track.std_uah, "total standard uncertainty"),
        ("contents_stat", track.stat_uah, "the part left by counting, shared parameters known"),
    ):  # fmt: skip
        yield Variable(
            name=name, dims=("time", "layer"), values=values, units="uAh", meaning=meaning
        )


def _nuisances(track: LithiumTrack) -> Iterator[Variable]:
    yield text("nuisance", ("nuisance",), NUISANCES)
    yield text("nuisance_units", ("nuisance",), _NUISANCE_UNITS)
    yield Variable(name="nuisances", dims=("time", "nuisance"), values=track.nuisances,
                   meaning="beam and background as natural logarithms")  # fmt: skip
    yield Variable(name="nuisances_std", dims=("time", "nuisance"), values=track.nuisances_std,
                   meaning="total standard uncertainty")  # fmt: skip


def _parameters(track: LithiumTrack) -> Iterator[Variable]:
    shared, dims = track.shared, ("parameter",)
    yield text("parameter", dims, [one.name for one in shared])
    yield text("parameter_label", dims, [one.label for one in shared])
    yield text("parameter_units", dims, [one.unit for one in shared])
    for name, values, meaning in (
        ("parameter_value", [one.value for one in shared], "after all spectra"),
        ("parameter_std", [one.std for one in shared], "standard uncertainty after all spectra"),
        ("parameter_prior", [one.prior for one in shared], "before"),
        ("parameter_prior_std", [one.prior_std for one in shared], "infinite where none"),
    ):
        yield Variable(name=name, dims=dims, values=np.array(values), meaning=meaning)
