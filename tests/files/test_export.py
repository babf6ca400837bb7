"""A run that was exported is the same run, in every format and for every library that opens it."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lidepth.cli import app
from lidepth.errors import BadInput, WrongFormat
from lidepth.files._steady import SteadyFile
from lidepth.files.experiment import Experiment, read_experiment
from lidepth.files.export.content import Content, content_of, read_content, run_behind
from lidepth.files.export.csv import harmless, write_csv
from lidepth.files.export.hdf5 import energy_std_kev
from lidepth.files.export.netcdf import write_netcdf
from lidepth.files.export.nexus import write_nexus
from lidepth.files.gather import gather
from lidepth.files.readers import read_spectra
from lidepth.files.run_file import RunFile
from lidepth.files.run_folder import read_run
from lidepth.model.calibration import Calibration
from lidepth.model.result import Run
from lidepth.model.spectra import Quality, SpectrumSeries

# scipp squares the errors it reads: a root in 32 bits, squared, is known to one part in 2^23.
SINGLE = 2.0**-23


@pytest.fixture
def experiment(campaign: Callable[..., Path]) -> Path:
    return campaign(title="a <run> & more")


@pytest.fixture
def content(experiment: Path) -> Content:
    return read_content(experiment)


def odd_series(spectra: int, channels: int, detector: str, largest: int = 100) -> SpectrumSeries:
    """Spectra with everything that is awkward: odd times, flags, unknown monitors, odd names."""
    rng = np.random.default_rng(spectra)
    start = np.datetime64("2017-03-06T09:00:00.123456789", "ns")
    monitor = rng.poisson(1000.0, spectra).astype(float)
    monitor[0] = np.nan
    return SpectrumSeries.from_arrays(
        counts=rng.integers(0, largest, (spectra, channels), endpoint=True),
        start=start + np.timedelta64(480_001_002_003, "ns") * np.arange(spectra),
        live_s=np.linspace(479.1, 479.7, spectra), real_s=np.full(spectra, 480.0),
        monitor=monitor, flags=np.arange(spectra) % 7,
        sources=tuple(f"=cmd|{detector}{i}" for i in range(spectra)),
        digests=tuple(sha256(f"{detector}{i}".encode()).hexdigest() for i in range(spectra)),
        detector=detector,
    )  # fmt: skip


def made(experiment: Path, *series: SpectrumSeries, background: SpectrumSeries | None = None):
    """Content of several detectors, without files of spectra."""
    about = read_experiment(experiment)
    runs = [
        Run(
            title=about.title, area_cm2=about.area_cm2, stack=about.stack,
            instrument=about.instrument, series=one, log=read_run(experiment).log,
            pristine=np.arange(len(one)) < 2, background=background,
        )
        for one in series
    ]  # fmt: skip
    return content_of(runs, about)


def nexus_of(content: Content, tmp_path: Path) -> Path:
    file = tmp_path / "run.nxs"
    write_nexus(file, content)
    return file


# NeXus


def test_scippnexus_reads_counts_with_unit_variance_edges_and_times(content, tmp_path):
    scippnexus = pytest.importorskip("scippnexus")
    series = content.parts[0].series
    with scippnexus.File(nexus_of(content, tmp_path)) as file:
        counts = file["entry/instrument/detector"][()]["counts"]
        energy = content.experiment.instrument.calibration.edges_kev(series.channels)
        assert counts.dims == ("start_time", "energy")
        assert str(counts.unit) == "counts"
        np.testing.assert_array_equal(counts.values, series.counts)
        np.testing.assert_allclose(counts.variances, series.counts, rtol=2 * SINGLE)
        assert counts.coords.is_edges("energy")
        np.testing.assert_array_equal(counts.coords["energy"].values, energy)
        assert counts.coords["energy"].variances is None  # its errors are not independent
        assert str(counts.coords["energy"].unit) == "keV"
        np.testing.assert_array_equal(counts.coords["start_time"].values, series.start)
        np.testing.assert_array_equal(counts.coords["live_time"].values, series.live_s)
        assert str(counts.coords["live_time"].unit) == "s"
        np.testing.assert_array_equal(counts.coords["flags"].values, series.flags)
        assert tuple(counts.coords["sha256"].values) == series.digests
        part = file["entry/data"]["start_time", 3:5]
        np.testing.assert_array_equal(part.values, series.counts[3:5])


def test_scippnexus_reads_log_monitor_and_layers(content, tmp_path):
    scippnexus = pytest.importorskip("scippnexus")
    entry = scippnexus.load(nexus_of(content, tmp_path))["entry"]
    log = content.log
    for name, values, unit in (("voltage", log.voltage_v, "V"), ("current", log.current_ua, "µA")):
        column = entry["cycler"][name]
        np.testing.assert_array_equal(column.values, values)
        np.testing.assert_array_equal(column.coords["time"].values, log.time)
        assert str(column.unit) == unit
    monitor = entry["monitor"]["data"]
    np.testing.assert_allclose(monitor.variances, monitor.values, rtol=1e-15)
    stack = content.experiment.stack
    for number, layer in enumerate(stack, start=1):
        found = entry["sample"][f"layer_{number:02d}"]
        assert found["chemical_formula"] == layer.material.formula
        assert found["thickness"].value == layer.thickness_nm
        std_nm = layer.thickness_nm * layer.thickness_rel_std
        assert found["thickness"].variance == pytest.approx(std_nm**2)
        assert found["density"].unit == "g/cm^3"


def test_nexusformat_finds_the_default_plot_with_its_errors(content, tmp_path):
    nexusformat = pytest.importorskip("nexusformat.nexus")
    with nexusformat.nxload(nexus_of(content, tmp_path)) as root:
        plot = root.get_default()
        assert plot.nxpath == "/entry/data"
        assert [axis.nxname for axis in plot.nxaxes] == ["start_time", "energy"]
        np.testing.assert_array_equal(plot.nxsignal.nxvalue, content.parts[0].series.counts)
        assert plot.nxerrors.nxname == "counts_errors"
        assert plot.is_plottable()


def test_every_number_in_nexus_that_has_a_dimension_has_a_unit(content, tmp_path):
    bare = []

    def look(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f" and "units" not in item.attrs:
            bare.append(name)

    with h5py.File(nexus_of(content, tmp_path)) as file:
        file.visititems(look)
        flags = file["entry/instrument/detector/flags"].attrs
        names = flags["flag_meanings"].split()
        assert [Quality[name.upper()] for name in names] == flags["flag_masks"].tolist()
    assert bare == []


def test_our_own_reader_reads_back_what_was_exported(content, tmp_path):
    series = content.parts[0].series
    found = read_spectra(nexus_of(content, tmp_path))
    np.testing.assert_array_equal([one.counts for one in found], series.counts)
    np.testing.assert_array_equal([one.start for one in found], series.start)
    np.testing.assert_array_equal([one.live_s for one in found], series.live_s)
    np.testing.assert_array_equal([one.real_s for one in found], series.real_s)
    np.testing.assert_array_equal([one.monitor for one in found], series.monitor)
    assert {one.calibration for one in found} == {(2.0, 3.0)}


def test_several_detectors_and_blanks_lie_side_by_side(experiment, tmp_path):
    scippnexus = pytest.importorskip("scippnexus")
    first, second = odd_series(5, 5, "PIPS 1/a"), odd_series(4, 5, "PIPS-1-a")
    blank = odd_series(3, 8, "PIPS 1/a")
    content = made(experiment, first, second, background=blank)
    root = scippnexus.load(nexus_of(content, tmp_path))
    detectors = root["entry"]["instrument"]
    assert set(detectors) == {"PIPS_1_a", "PIPS_1_a_1", "name", "source"}
    for label, series in (("PIPS_1_a", first), ("PIPS_1_a_1", second)):
        counts = detectors[label]["counts"]
        assert detectors[label]["local_name"] == series.detector
        np.testing.assert_array_equal(counts.values, series.counts)
        np.testing.assert_array_equal(counts.coords["flags"].values, series.flags)
        np.testing.assert_array_equal(counts.coords["start_time"].values, series.start)
        np.testing.assert_array_equal(counts.coords["monitor"].values, series.monitor)
    blanks = root["background"]["instrument"]["PIPS_1_a"]["counts"]
    np.testing.assert_array_equal(blanks.values, blank.counts)


@pytest.mark.parametrize("largest", [2**24 - 1, 2**24, 2**45])
def test_no_count_is_rounded(experiment, tmp_path, largest):
    series = odd_series(3, 6, "", largest=largest)
    content = made(experiment, series)
    with h5py.File(nexus_of(content, tmp_path)) as file:
        counts = file["entry/instrument/detector/counts"]
        np.testing.assert_array_equal(counts[()].astype(np.int64), series.counts)


def test_a_run_of_one_spectrum_is_a_run(experiment, tmp_path):
    scippnexus = pytest.importorskip("scippnexus")
    content = made(experiment, odd_series(1, 4, ""))
    root = scippnexus.load(nexus_of(content, tmp_path))
    assert root["entry"]["instrument"]["detector"]["counts"].sizes == {"start_time": 1, "energy": 4}
    assert "monitor" not in root["entry"]  # none is known


# netCDF


def test_xarray_opens_counts_times_flags_and_units(content, tmp_path):
    xarray = pytest.importorskip("xarray")
    file = tmp_path / "run.nc"
    write_netcdf(file, content)
    series, log = content.parts[0].series, content.log
    with xarray.open_dataset(file, engine="h5netcdf") as found:
        assert found.counts.dims == ("time", "channel")
        assert found.counts.attrs["units"] == "counts"
        np.testing.assert_array_equal(found.counts, series.counts)
        np.testing.assert_array_equal(found.time, series.start)
        np.testing.assert_array_equal(found.live_time, series.live_s)
        np.testing.assert_array_equal(found.flags, series.flags)
        assert found.flags.attrs["flag_meanings"].split()[0] == "beam_off"
        assert found.flags.attrs["flag_masks"].tolist() == [int(f) for f in Quality if f]
        assert tuple(found.source.values) == series.sources
        np.testing.assert_array_equal(found.cycler_time, log.time)
        np.testing.assert_array_equal(found.current, log.current_ua)
        edges = content.experiment.instrument.calibration.edges_kev(series.channels)
        np.testing.assert_array_equal(found.energy_bounds[:, 0], edges[:-1])
        np.testing.assert_array_equal(found.energy_bounds[:, 1], edges[1:])
        assert {v.attrs["units"] for v in (found.energy, found.energy_std)} == {"keV"}


def test_netcdf_keeps_every_nanosecond_and_gives_each_detector_a_group(experiment, tmp_path):
    xarray = pytest.importorskip("xarray")
    first, second, blank = odd_series(5, 6, "a"), odd_series(4, 7, "b"), odd_series(2, 6, "a")
    file = tmp_path / "run.nc"
    write_netcdf(file, made(experiment, first, second, background=blank))
    places = {"a": first, "b": second, "background/a": blank}
    for group, series in places.items():
        with xarray.open_dataset(file, group=group, engine="h5netcdf") as found:
            np.testing.assert_array_equal(found.time, series.start)
            np.testing.assert_array_equal(found.counts, series.counts)
            np.testing.assert_array_equal(found.monitor, series.monitor)


# csv


def test_pandas_reads_the_folder_of_csv(content, tmp_path):
    write_csv(tmp_path, content)
    series, log = content.parts[0].series, content.log
    spectra = pd.read_csv(tmp_path / "spectra.csv", index_col="spectrum", parse_dates=["start"])
    counts = pd.read_csv(tmp_path / "counts.csv.gz", index_col="spectrum")
    energy = pd.read_csv(tmp_path / "energy.csv", index_col="channel")
    cycler = pd.read_csv(tmp_path / "cycler.csv")
    np.testing.assert_array_equal(counts, series.counts)
    np.testing.assert_array_equal(spectra["start"], series.start)
    np.testing.assert_array_equal(spectra["live_s"], series.live_s)
    np.testing.assert_array_equal(spectra["monitor_counts"], series.monitor)
    np.testing.assert_array_equal(spectra["flags"], series.flags)
    np.testing.assert_array_equal(spectra["total_counts"], series.counts.sum(axis=1))
    assert tuple(spectra["sha256"]) == series.digests
    np.testing.assert_array_equal(energy["lower_keV"], 2.0 + 3.0 * np.arange(series.channels))
    np.testing.assert_array_equal(cycler["Voltage / V"], log.voltage_v)
    # the division to amperes and back may cost a unit in the last place
    np.testing.assert_allclose(cycler["Current / A"] * 1e6, log.current_ua, rtol=4e-16)


def test_no_cell_from_elsewhere_is_a_formula(experiment, tmp_path):
    series = odd_series(3, 4, "@SUM(A1)")
    write_csv(tmp_path, made(experiment, series, odd_series(2, 4, "b")))
    table = pd.read_csv(tmp_path / "spectra.csv", dtype=str, keep_default_na=False)
    for column in ("detector", "source"):
        assert not table[column].str.match(r"[=+\-@\t\r]").any()
    assert table["source"][0] == "'=cmd|@SUM(A1)0"
    assert table["detector"][0] == "'@SUM(A1)"
    assert {"counts_SUM_A1.csv.gz", "counts_b.csv.gz"} <= {f.name for f in tmp_path.iterdir()}


def test_harmless_text_stays_as_it_is():
    assert harmless("spectra/run=1.Spe") == "spectra/run=1.Spe"
    assert [harmless(f"{sign}x")[0] for sign in "=+-@\t\r"] == ["'"] * 6
    assert harmless("") == ""


# provenance


def records_of(content: Content, folder: Path) -> list[dict[str, object]]:
    write_nexus(folder / "run.nxs", content)
    write_netcdf(folder / "run.nc", content)
    write_csv(folder / "tables", content)
    with h5py.File(folder / "run.nxs") as file:
        nexus = file["entry/provenance/record/data"].asstr()[()]
        assert file["entry/provenance/experiment/data"].asstr()[()] == content.experiment.text
    with h5py.File(folder / "run.nc") as file:
        netcdf = file["provenance"].asstr()[()]
    return [json.loads(t) for t in (nexus, netcdf, (folder / "tables/provenance.json").read_text())]


def test_every_format_carries_the_same_provenance(content, experiment, tmp_path):
    nexus, netcdf, table = records_of(content, tmp_path / "out")
    assert nexus == netcdf == table
    assert nexus["experiment_yaml"] == experiment.read_text()
    assert nexus["settings"]["area_cm2"] == 1.79
    assert {"lidepth", "python", "numpy", "h5py"} <= set(nexus["versions"])


def test_the_hash_of_every_file_behind_a_run_is_there(content, experiment):
    home = experiment.parent
    named = {one["file"]: one["sha256"] for one in content.provenance["files"]}
    behind = [home / "monitor.csv", home / "cycler.csv", *(home / "spectra").iterdir()]
    assert named == {
        file.relative_to(home).as_posix(): sha256(file.read_bytes()).hexdigest() for file in behind
    }


def test_a_run_file_exports_the_same_run(content, experiment, tmp_path):
    about: Experiment = read_experiment(experiment)
    with RunFile.create(tmp_path / "run.lidepth", about) as run_file:
        run_file.add(gather(about))
    kept = read_content(tmp_path / "run.lidepth")
    assert kept.provenance["files_sha256"] == content.provenance["files_sha256"]
    assert kept.provenance["log_sha256"] == content.provenance["log_sha256"]
    np.testing.assert_array_equal(kept.parts[0].series.counts, content.parts[0].series.counts)
    write_nexus(tmp_path / "a.nxs", kept)


def test_the_same_run_gives_the_same_bytes(content, tmp_path):
    for folder in ("a", "b"):
        records_of(content, tmp_path / folder)
    for name in ("run.nxs", "run.nc", "tables/counts.csv.gz", "tables/spectra.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_the_error_of_an_energy_follows_offset_and_gain():
    scale = Calibration(offset_kev=1.0, gain_kev=3.0, covariance=[[9.0, -0.02], [-0.02, 4e-4]])
    channel = np.array([0.0, 50.0, 1000.0])
    draws = np.random.default_rng(1).multivariate_normal([1.0, 3.0], scale.covariance, 200_000)
    energies = draws[:, :1] + draws[:, 1:] * channel
    # the spread of the spread of 200,000 draws is 1/sqrt(400,000) = 0.16 %; four of them
    np.testing.assert_allclose(
        energy_std_kev(scale.covariance, channel), energies.std(axis=0), rtol=0.0064
    )


# whole or not at all


FULL = """
import os, resource, signal, sys
from pathlib import Path
from lidepth.errors import StoreError
from lidepth.files.export.content import read_content
from lidepth.files.export import csv, netcdf, nexus
content = read_content(sys.argv[1])
home = Path(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for limit in (200, 3_000, 9_000, 20_000, 40_000):
    for name, write in (
        ("run.nxs", nexus.write_nexus), ("run.nc", netcdf.write_netcdf), ("csv", csv.write_csv)
    ):
        (home / name).parent.mkdir(exist_ok=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            write(home / name, content)
            found = "whole"
        except StoreError as error:
            found = "refused" if "File too large" in str(error) else repr(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        print(name, limit, found)
        if found == "refused":
            names = sorted(os.listdir(home)), sorted(os.listdir(home / "csv"))
            assert not any(n[:1] == "." for n in (*names[0], *names[1])), names
            assert name == "csv" or name not in names[0], names
"""


def test_a_full_disk_is_one_clear_error_and_leaves_nothing_half(experiment, tmp_path):
    pytest.importorskip("resource")
    home = tmp_path / "out"
    (home / "csv").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(experiment), str(home)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")  # HDF5 alone ends in a segmentation fault
    outcomes = [line.split() for line in done.stdout.splitlines()]
    assert len(outcomes) == 15
    assert {outcome for *_, outcome in outcomes} <= {"refused", "whole"}
    refused = {name: [o for n, _, o in outcomes if n == name].count("refused") for name in
               ("run.nxs", "run.nc", "csv")}  # fmt: skip
    assert all(count >= 2 for count in refused.values()), refused


def test_after_a_failure_hdf5_still_reads_what_it_believes_to_have_written(tmp_path):
    with SteadyFile(tmp_path / "x") as file:
        file.write(b"on the disk")
        file._failure = OSError("full")
        file.seek(3)
        file.write(b"in memory only")
        file.seek(30)
        file.write(b"end")
        file.seek(0)
        assert file.read(40) == b"on in memory only" + bytes(13) + b"end" + bytes(7)
        with pytest.raises(OSError, match="full"):
            file.check()
    assert (tmp_path / "x").read_bytes() == b"on the disk"


def test_large_runs_are_written_block_by_block(experiment, tmp_path, monkeypatch):
    from lidepth.files.export import hdf5

    monkeypatch.setattr(hdf5, "_CHUNK_CELLS", 20)
    series = odd_series(37, 10, "")
    content = made(experiment, series)
    seen: list[tuple[int, int]] = []
    write_nexus(tmp_path / "run.nxs", content, progress=lambda *now: seen.append(now))
    assert seen == [(8, 37), (16, 37), (24, 37), (32, 37), (37, 37)]
    with h5py.File(tmp_path / "run.nxs") as file:
        counts = file["entry/instrument/detector/counts"]
        assert counts.chunks == (2, 10)
        np.testing.assert_array_equal(counts[()], series.counts)


# the command


@pytest.fixture
def export() -> Callable[..., object]:
    runner = CliRunner(env={"NO_COLOR": "1", "TERM": "dumb"})
    return lambda *words: runner.invoke(app, ["export", *map(str, words)], prog_name="lidepth")


@pytest.mark.parametrize(("to", "name"), [("nexus", "r.nxs"), ("netcdf", "r.nc"), ("csv", "r")])
def test_the_command_writes_each_format_and_says_where(export, experiment, tmp_path, to, name):
    out = tmp_path / "new" / name
    answer = export(experiment.parent, "--to", to, "--out", out, "--json")
    assert answer.exit_code == 0, answer.stderr
    said = json.loads(answer.stdout)
    assert (said["spectra"], said["format"], said["out"]) == (12, to, str(out))
    assert [item.name for item in out.parent.iterdir()] == [name]


def test_an_existing_file_is_kept_unless_forced(export, experiment, tmp_path):
    out = tmp_path / "r.nxs"
    out.write_text("mine")
    answer = export(experiment, "--to", "nexus", "--out", out)
    assert answer.exit_code == 2
    assert "--force" in answer.stderr
    assert out.read_text() == "mine"
    assert export(experiment, "--to", "nexus", "--out", out, "--force").exit_code == 0
    assert h5py.is_hdf5(out)


def test_a_folder_of_csv_is_renewed_and_one_in_other_use_refused(export, experiment, tmp_path):
    out = tmp_path / "tables"
    for _ in range(2):
        assert export(experiment, "--to", "csv", "--out", out).exit_code == 0
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    answer = export(experiment, "--to", "csv", "--out", tmp_path / "photos")
    assert answer.exit_code == 2
    assert [item.name for item in (tmp_path / "photos").iterdir()] == ["cat.png"]
    assert export(experiment, "--to", "nexus", "--out", out).exit_code == 2
    with gzip.open(out / "counts.csv.gz", "rt") as stream:
        assert stream.readline().startswith("spectrum,0,1,2")


def test_a_data_problem_leaves_nothing(export, experiment, tmp_path):
    next((experiment.parent / "spectra").iterdir()).write_bytes(b"nonsense")
    answer = export(experiment, "--to", "nexus", "--out", tmp_path / "new" / "r.nxs")
    assert answer.exit_code == 1
    assert "spectra" in answer.stderr
    assert not (tmp_path / "new").exists()


def test_results_lead_to_the_run_that_they_are_from(experiment, tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    with pytest.raises(BadInput, match="neither a run nor results"):
        run_behind(results)
    summary = results / "summary.json"
    summary.write_text(json.dumps({"source": str(experiment)}))
    assert run_behind(results) == experiment
    summary.write_text(json.dumps({"source": str(tmp_path / "gone.yaml")}))
    with pytest.raises(BadInput, match="is not there"):
        run_behind(results)
    for broken in ("[1]", "{", "[" * 100_000, '{"source": 3}'):
        summary.write_text(broken)
        with pytest.raises(WrongFormat, match=r"summary\.json"):
            run_behind(results)
