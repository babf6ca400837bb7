"""ledger.nc keeps every covariance, and what is no ledger.nc is refused by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import h5netcdf
import numpy as np
import pytest
from benchmarks.identify_study import drawn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mechanism"))
from made_results import analysis_of

from lidepth.errors import BadInput, WrongFormat
from lidepth.files.ledger_nc import read_ledger_nc, write_ledger_nc


@pytest.fixture
def written(tmp_path: Path, campaign: Callable[..., Path]) -> Path:
    path = tmp_path / "ledger.nc"
    write_ledger_nc(path, analysis_of(campaign(), drawn(112).seen))
    return path


def test_a_ledger_comes_back_with_its_covariance(written: Path) -> None:
    seen = drawn(112).seen
    file = read_ledger_nc(written)
    assert set(file.ledgers) == {"default", "untied"}
    ledger = file.ledgers["default"]
    assert np.array_equal(ledger.values[:, 1], seen.electrolyte_uah)
    assert np.array_equal(ledger.covariance[1::3, 1::3], seen.covariance)
    assert np.array_equal(ledger.cycle, seen.row_cycle)
    assert ledger.state[:2] == ("charged", "discharged")
    assert (ledger.balance_spent, file.ledgers["untied"].balance_spent) == (True, False)
    assert file.silicon.std_1e15.tolist() == [20.0, 18.0]
    assert file.silicon.film_1e15 == 250.0
    assert file.stack.layer("anode").thickness_nm == 50.0
    assert file.area_cm2 == pytest.approx(1.79)
    assert file.source.endswith("experiment.yaml")


def edited(path: Path, change: Callable[[h5netcdf.File], None]) -> Path:
    with h5netcdf.File(path, "a") as file:
        change(file)
    return path


def spoil(name: str, value: float) -> Callable[[h5netcdf.File], None]:
    def change(file: h5netcdf.File) -> None:
        values = file.variables[name][...]
        values[0, 1] = value
        file.variables[name][...] = values

    return change


def negative(file: h5netcdf.File) -> None:
    file.variables["default_covariance"][...] *= -1.0


def renamed(file: h5netcdf.File) -> None:
    file.attrs["methods"] = "default windows"


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (spoil("default_covariance", 7.0), WrongFormat, "covariance is none"),
        (negative, WrongFormat, "covariance is none"),
        (spoil("default_values", np.nan), BadInput, "default_values"),
        (renamed, WrongFormat, "methods"),
    ],
)
def test_a_damaged_ledger_is_refused(
    written: Path, change: Callable[[h5netcdf.File], None], kind: type[BadInput], said: str
) -> None:
    with pytest.raises(kind, match=said):
        read_ledger_nc(edited(written, change))


def test_what_is_no_ledger_is_refused(written: Path, tmp_path: Path) -> None:
    whole = written.read_bytes()
    for name, content in (("cut", whole[: len(whole) // 2]), ("text", b"cycle,state\n1,x\n")):
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(WrongFormat, match=r"no ledger|no NetCDF4"):
            read_ledger_nc(file)
    with h5netcdf.File(tmp_path / "other.nc", "w") as file:
        file.attrs["title"] = "something else"
    with pytest.raises(WrongFormat, match="no ledger"):
        read_ledger_nc(tmp_path / "other.nc")
    with pytest.raises(BadInput, match="cannot be opened"):
        read_ledger_nc(tmp_path / "none.nc")


def test_a_file_that_claims_too_much_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """A chunked variable of a hundred thousand million numbers takes no room until it is read."""
    size = 300_000
    with h5netcdf.File(tmp_path / "huge.nc", "w") as file:
        for name in ("title", "source", "detector", "stack"):
            file.attrs[name] = "Si 50 nm"
        file.attrs["area_cm2"], file.attrs["methods"] = 1.0, "default"
        file.dimensions = {"silicon_cycle": size, "default_row": size}
        file.create_variable("silicon", ("silicon_cycle",), "f8", chunks=(10,))
    with pytest.raises(WrongFormat, match="300000 rows"):
        read_ledger_nc(tmp_path / "huge.nc")
