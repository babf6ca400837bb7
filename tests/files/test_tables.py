"""Results are written whole, with the promised columns, and read back."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5netcdf
import numpy as np
import pytest

from lidepth.errors import BadData, LidepthError, StoreError, WrongFormat
from lidepth.files.run_folder import read_run
from lidepth.files.tables import (
    LEDGER_COLUMNS,
    read_ledger_csv,
    write_ledger_csv,
    write_profiles_nc,
    write_summary_json,
)
from lidepth.model.calibration import FittedParameter, SelfCalibration, SpectrumFit
from lidepth.model.cycling import StateSpectrum
from lidepth.model.ledger import Ledger
from lidepth.model.profile import DepthProfile
from lidepth.model.result import Analysis, MovedSilicon

CELLS = 4


@pytest.fixture
def analysis(campaign: Callable[..., Path]) -> Analysis:
    run = read_run(campaign())
    parameter = FittedParameter(
        name="t0", label="packaging", unit="nm", prior=2000.0, prior_std=np.inf, value=2150.0,
        std=3.0,
    )  # fmt: skip
    fit = SpectrumFit(
        label="pristine", edges_kev=np.arange(5.0), counts=np.ones(4), model=np.ones(4),
        components={}, mask=np.ones(4, bool), live_s=480.0, parameters=1,
    )  # fmt: skip
    ledger = Ledger(
        method="default", cycle=np.array([1, 1]), state=("charged", "discharged"),
        time_s=np.array([1234567.8, 2e6]), values=np.arange(6.0).reshape(2, 3) / 3.0,
        covariance=np.eye(6), independent=0.25 * np.eye(6), flags=("", "short, gap"),
        balance_spent=False,
    )  # fmt: skip
    profile = DepthProfile(
        label="cycle 1 charged", cycle=1, state="charged", time_s=5.0,
        edges_1e15=np.arange(CELLS + 1.0), edges_nm=2.0 * np.arange(CELLS + 1.0),
        regions=("anode", "electrolyte", "electrolyte", "cathode"),
        lithium_1e15=np.full(CELLS, 3.0), pristine_1e15=np.ones(CELLS),
        covariance=4.0 * np.eye(CELLS), averaging_kernel=np.eye(CELLS),
        resolution_nm=np.array([1.0, 2.0, 3.0, np.nan]),
    )  # fmt: skip
    state = StateSpectrum(
        name="charged", cycle=1, start_s=0.0, stop_s=10.0, counts=np.ones(4), live_s=9.0,
        monitor=np.nan, indices=(0,),
    )  # fmt: skip
    silicon = MovedSilicon(
        cycle=np.array([1]), amount_1e15=np.array([5.0]), std_1e15=np.array([1.0]),
        film_1e15=250.0, mean_1e15=5.0, mean_std_1e15=1.0,
    )  # fmt: skip
    return Analysis(
        run=run, steps=(), states=(state,),
        calibration=SelfCalibration(parameters=(parameter,), covariance=np.eye(1), fit=fit),
        stack=run.stack.scaled(np.array([1.1, 1, 1, 1, 1, 1])), fits=(fit,),
        profiles=(profile, replace(profile, label="cycle 1 discharged", state="discharged")),
        ledgers={"default": ledger, "windows": replace(ledger, method="windows")},
        window_bias=np.zeros((2, 3)), information_uah=np.ones((2, 3)), silicon=silicon, common=(),
        state_parameters=((parameter,),), warnings=("nothing",), first_charge_uah=np.nan,
        stopping="icru49", provenance={"command": "analyze"},
    )  # fmt: skip


def test_the_ledger_has_the_promised_columns_and_comes_back(
    analysis: Analysis, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "ledger.csv"
    write_ledger_csv(path, analysis)
    head, first = path.read_text().splitlines()[:2]
    assert head == (
        "cycle,state,time_s,anode_uAh,anode_std_uAh,anode_stat_uAh,electrolyte_uAh,"
        "electrolyte_std_uAh,electrolyte_stat_uAh,cathode_uAh,cathode_std_uAh,cathode_stat_uAh,"
        "balance_uAh,balance_std_uAh,method,flags"
    )
    assert first.startswith("1,charged,1234567.8,0,1,0.5,0.333333,1,0.5,0.666667,1,0.5,")
    table = read_ledger_csv(path)
    assert tuple(table) == LEDGER_COLUMNS
    assert table["method"] == ["default"] * 2 + ["windows"] * 2
    assert table["flags"] == ["", "short, gap"] * 2
    assert table["cycle"] == [1, 1, 1, 1]
    np.testing.assert_allclose(table["balance_uAh"][:2], [-1 / 3, 2 / 3], rtol=1e-5)
    np.testing.assert_allclose(table["balance_std_uAh"], 3**0.5, rtol=1e-5)


def test_the_results_of_one_of_several_detectors_name_it(
    analysis: Analysis, tmp_path: Path
) -> None:
    series = replace(analysis.run.series, detector="PIPS-2")
    one = replace(analysis, run=replace(analysis.run, series=series))
    write_summary_json(tmp_path / "summary.json", one)
    assert json.loads((tmp_path / "summary.json").read_text())["detector"] == "PIPS-2"
    write_profiles_nc(tmp_path / "profiles.nc", one)
    with h5netcdf.File(tmp_path / "profiles.nc") as file:
        assert file.attrs["detector"] == "PIPS-2"


def test_pandas_reads_the_ledger(analysis: Analysis, tmp_path: Path) -> None:
    import pandas as pd

    write_ledger_csv(tmp_path / "ledger.csv", analysis)
    frame = pd.read_csv(tmp_path / "ledger.csv")
    assert frame.groupby("method").size().to_dict() == {"default": 2, "windows": 2}


@pytest.mark.parametrize(
    ("old", "new"), [("cycle,state", "cycl,state"), ("1,charged", "x,charged"), ("1,ch", "1,2,ch")]
)
def test_a_table_that_is_no_ledger_is_refused(
    analysis: Analysis, tmp_path: Path, old: str, new: str
) -> None:
    path = tmp_path / "ledger.csv"
    write_ledger_csv(path, analysis)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(WrongFormat, match="line"):
        read_ledger_csv(path)


def test_profiles_hold_bands_kernels_and_units(analysis: Analysis, tmp_path: Path) -> None:
    import h5netcdf

    path = tmp_path / "profiles.nc"
    write_profiles_nc(path, analysis)
    with h5netcdf.File(path, "r") as file:
        assert {name: dim.size for name, dim in file.dimensions.items()} == {
            "state": 2, "cell": CELLS, "cell_edge": CELLS + 1, "true_cell": CELLS,
        }  # fmt: skip
        np.testing.assert_array_equal(file["lithium"][...], 3.0)
        np.testing.assert_array_equal(file["pristine"][...], 1.0)
        np.testing.assert_array_equal(file["change_per_nm"][...], 1.0)
        np.testing.assert_array_equal(file["change_lower_68"][...], 0.0)
        np.testing.assert_allclose(file["change_per_nm_upper_95"][...], 1.0 + 1.959963985)
        np.testing.assert_array_equal(file["averaging_kernel"][1], np.eye(CELLS))
        assert file["change_per_nm"].attrs["units"] == "1e15 cm-2 nm-1"
        assert file["region"][0] in ("anode", b"anode")
        assert list(file["label"][...])[1] in ("cycle 1 discharged", b"cycle 1 discharged")
        assert json.loads(file.attrs["provenance"]) == {"command": "analyze"}
        assert np.isnan(file["resolution"][0, 3])


def test_profiles_on_two_grids_are_refused(analysis: Analysis, tmp_path: Path) -> None:
    other = replace(analysis.profiles[0], edges_1e15=1.5 * analysis.profiles[0].edges_1e15)
    with pytest.raises(BadData, match="depth cells"):
        write_profiles_nc(
            tmp_path / "p.nc", replace(analysis, profiles=(analysis.profiles[0], other))
        )
    with pytest.raises(BadData, match="no profile"):
        write_profiles_nc(tmp_path / "p.nc", replace(analysis, profiles=()))
    assert list(tmp_path.glob("*.nc")) == []


def test_the_summary_is_strict_json(analysis: Analysis, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_summary_json(path, analysis)
    summary = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert summary["stack"][0]["thickness_nm_before"] == 2000.0
    assert summary["stack"][0]["thickness_nm_after"] == 2200.0
    assert summary["stack"][2]["areal_density_1e15_per_cm2_after"] == pytest.approx(249.8, rel=1e-3)
    assert summary["calibration"][0]["value"] == 2150.0
    assert summary["calibration"][0]["prior_std"] is None
    assert summary["calibration"][0]["pull"] is None
    assert summary["states"][0]["fit"]["deviance"] == 0.0
    assert summary["first_charge_uah"] is None
    assert summary["moved_silicon"]["significance"] == 5.0
    assert summary["warnings"] == ["nothing"]
    assert len(summary["files_sha256"]) == 64
    assert summary["versions"]["lidepth"]


WRITERS = [write_ledger_csv, write_profiles_nc, write_summary_json]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_leaves_the_earlier_file_and_nothing_else(
    writer: Callable[[Path, Analysis], None],
    analysis: Analysis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "out" / "result"
    path.parent.mkdir()
    path.write_text("earlier")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match="No space left") as caught:
        writer(path, analysis)
    assert caught.value.exit_code == 4
    assert str(path) in caught.value.where
    assert path.read_text() == "earlier"
    assert [file.name for file in path.parent.iterdir()] == ["result"]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_that_is_a_file_is_refused(
    writer: Callable[[Path, Analysis], None], analysis: Analysis, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(StoreError):
        writer(tmp_path / "out" / "result", analysis)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("writer", WRITERS)
def test_a_disk_that_fills_while_writing_is_a_store_error(
    writer: Callable[[Path, Analysis], None],
    analysis: Analysis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def into_full(*, prefix: str, dir: Path) -> tuple[int, str]:
        link = dir / (prefix + "full")
        link.symlink_to("/dev/full")
        return os.open("/dev/null", os.O_RDONLY), str(link)

    monkeypatch.setattr("tempfile.mkstemp", into_full)
    with pytest.raises(LidepthError) as caught:
        writer(tmp_path / "result", analysis)
    assert type(caught.value) is StoreError
    assert not (tmp_path / "result").exists()
    assert [file for file in tmp_path.iterdir() if file.name.startswith(".result")] == []
