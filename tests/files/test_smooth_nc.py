"""The smoother's track as NetCDF, and what summary.json says of it and of the diagnostics."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "show"))
from fake_analysis import fake_analysis

from lidepth.errors import BadData
from lidepth.files.smooth_nc import write_smooth_nc
from lidepth.files.tables import write_summary_json
from lidepth.model.diagnosis import Diagnosis
from lidepth.model.result import Analysis
from lidepth.model.track import NUISANCES


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return fake_analysis(2)


def test_xarray_reads_the_whole_track(analysis: Analysis, tmp_path: Path) -> None:
    import xarray as xr

    track = analysis.track
    assert track is not None
    write_smooth_nc(tmp_path / "smooth.nc", analysis)
    with xr.open_dataset(tmp_path / "smooth.nc", engine="h5netcdf") as data:
        first = analysis.run.series.origin + np.timedelta64(round(track.time_s[0] * 1e9), "ns")
        assert abs(data["time"].values[0] - first) < np.timedelta64(1, "ms")
        np.testing.assert_array_equal(
            data["contents"].sel(layer="electrolyte"), track.contents_uah[:, 1]
        )
        np.testing.assert_array_equal(data["contents_std"], track.std_uah)
        np.testing.assert_array_equal(data["contents_stat"], track.stat_uah)
        np.testing.assert_array_equal(data["change"], track.change_1e15)
        np.testing.assert_array_equal(data["change_std"], track.change_std_1e15)
        np.testing.assert_array_equal(data["edge_depth"], track.edges_nm)
        for number, name in enumerate(NUISANCES):
            np.testing.assert_array_equal(
                data["nuisances"].sel(nuisance=name), track.nuisances[:, number]
            )
        assert list(data["nuisance_units"].values) == ["1", "keV", "1", "1e15 cm-2"]
        loss = data.sel(parameter="loss")
        assert float(loss["parameter_value"]) == track["loss"].value
        assert float(loss["parameter_std"]) == track["loss"].std
        assert data["contents"].attrs["units"] == "uAh"
        assert data.attrs["smoothed"] == "yes"
        assert data.attrs["log_evidence"] == track.log_evidence
        assert data.attrs["stopping"] == "icru49"


def test_a_run_that_was_not_smoothed_has_no_track_to_write(
    analysis: Analysis, tmp_path: Path
) -> None:
    with pytest.raises(BadData, match="not smoothed"):
        write_smooth_nc(tmp_path / "smooth.nc", replace(analysis, track=None))
    assert list(tmp_path.iterdir()) == []


def read(analysis: Analysis, folder: Path) -> dict[str, object]:
    write_summary_json(folder / "summary.json", analysis)
    found: dict[str, object] = json.loads((folder / "summary.json").read_text())
    return found


def test_the_summary_tells_smoother_and_diagnostics(analysis: Analysis, tmp_path: Path) -> None:
    found = read(analysis, tmp_path)
    assert analysis.track is not None
    smoother, told = found["smoother"], found["diagnostics"]
    assert isinstance(smoother, dict)
    assert isinstance(told, dict)
    assert smoother["spectra"] == len(analysis.track)
    assert smoother["shared"][0]["name"] == "loss"
    strip, table = analysis.diagnosis.strip, analysis.diagnosis.sensitivity
    assert strip is not None
    assert table is not None
    assert told["residuals"]["rows"] == len(strip)
    assert told["residuals"]["of"] == "spectra"
    assert abs(told["residuals"]["largest_sigma"]) == pytest.approx(np.abs(strip.scan_z).max())
    first = told["sensitivity"]["parameters"][0]
    assert first["per_prior_std_uah"]["charged"]["anode"] == table.rows[0].believed[0, 0]
    assert first["per_std_left_uah"]["discharged"]["cathode"] == table.rows[0].share[1, 2]
    assert told["sensitivity"]["parameters"][3]["prior_std"] is None
    assert [one["modes"] for one in told["modes"]] == [6] * len(analysis.states)
    assert [one["name"] for one in told["ensemble"]["sources"]][-1] == "lunasrim"


def test_what_was_not_done_is_null(analysis: Analysis, tmp_path: Path) -> None:
    found = read(replace(analysis, track=None, diagnosis=Diagnosis()), tmp_path)
    assert found["smoother"] is None
    assert found["diagnostics"] == dict.fromkeys(("residuals", "modes", "sensitivity", "ensemble"))
