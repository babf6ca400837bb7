"""Whatever is wrong with the input: one error of ours, with the file, the place and a remedy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidepth.analysis import analyze
from lidepth.errors import (
    BadData,
    BadInput,
    LidepthError,
    OutOfRange,
    Truncated,
    UnknownKey,
    WrongFormat,
    WrongUnit,
)
from lidepth.files.experiment import read_experiment
from lidepth.files.readers import read_spectrum
from lidepth.files.readers.spe import parse_spe
from lidepth.files.run_folder import read_run
from lidepth.physics.stopping import stopping_source

Campaign = Callable[..., Path]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def refused(path: Path, kind: type[LidepthError], *says: str) -> None:
    with pytest.raises(LidepthError) as caught:
        read_run(path)
    error = caught.value
    assert type(error) is kind
    assert error.where
    assert error.expected
    for words in says:
        assert words in str(error)


@pytest.mark.parametrize(
    ("file", "old", "new", "kind", "says"),
    [
        ("experiment.yaml", "thickness: 50 nm", "thicknes: 50 nm", UnknownKey, "[2].thicknes"),
        ("experiment.yaml", "thickness: 50 nm", "thickness: 50", WrongUnit, "[2].thickness"),
        ("experiment.yaml", "thickness: 50 nm", "thickness: -50 nm", OutOfRange, "cell.stack[2]"),
        ("experiment.yaml", "thickness: 50 nm", "thickness: 0 nm", OutOfRange, "cell.stack[2]"),
        ("experiment.yaml", "material: Li3PO4", "material: \"Li3P(4\"", BadInput, "cell.stack[3]"),
        ("experiment.yaml", "spectra/*.Spe", "spektra/*.Spe", BadInput, "data.spectra"),
        ("experiment.yaml", "cycler.csv", "cylcer.csv", BadInput, "cylcer.csv"),
        ("experiment.yaml", "monitor.csv", "monitro.csv", BadInput, "monitro.csv"),
        ("monitor.csv", "spec_00003.Spe", "spec_99999.Spe", BadInput, "line 5"),
        ("monitor.csv", "spec_00003.Spe", "spec_00002.Spe", BadInput, "line 5"),
        ("monitor.csv", "live_s", "live_time_s", WrongFormat, "'live_s'"),
        ("monitor.csv", "T00:08:00,479.69", "T00:08:00,x", WrongFormat, "line 3, live_s"),
        ("monitor.csv", "T00:08:00,479.69", "T00:08:00,-1", OutOfRange, "line 3, live_s"),
        ("monitor.csv", "T00:08:00,479.69", "T00:08:00,900", BadData, "spec_00001.Spe"),
        ("monitor.csv", "T00:08:00,479.69", "T00:08:00", WrongFormat, "line 3"),
        ("monitor.csv", "2020-01-01T00:08:00", "01/01/2020 00:08", WrongFormat, "line 3"),
        ("monitor.csv", "2020-01-01T00:08:00", "2020-13-01T00:08:00", WrongFormat, "line 3"),
        ("cycler.csv", "current_uA", "current_mA", WrongFormat, "'current_uA'"),
        ("cycler.csv", "time,voltage_V,current_uA", "time;voltage_V", WrongFormat, "commas"),
        ("cycler.csv", "00:02:00,1.0000,0", "00:02:00,1.0,nan,", WrongFormat, "line 4"),
        ("cycler.csv", "00:02:00,1.0000,0.", "00:02:00,1.0000,nan", WrongFormat, "4, current_uA"),
        ("cycler.csv", "00:02:00,1.0000,0.000", "00:02:00,1.0", WrongFormat, "line 4"),
        ("cycler.csv", "00:02:00", "25:02:00", WrongFormat, "line 4"),
        ("cycler.csv", "T00:02:00", "T00:00:30", BadInput, "line 4"),
        ("cycler.csv", "T00:02:00", "T00:02:00+02:00", WrongFormat, "line 4"),
        ("cycler.csv", "1.0000", "1.0000\0", WrongFormat, "line 2"),
    ],
)  # fmt: skip
def test_one_mistake_one_error(
    campaign: Campaign, file: str, old: str, new: str, kind: type[LidepthError], says: str
) -> None:
    path = campaign()
    edit(path.parent / file, old, new)
    refused(path, kind, file if file != "monitor.csv" else "", says)


def test_no_pristine_period(campaign: Campaign) -> None:
    path = campaign()
    cycler = path.parent / "cycler.csv"
    cycler.write_text(cycler.read_text().replace(",0.000\n", ",10.000\n"))
    refused(path, BadData, "data.pristine", "data.clock_offset")


def analysis_refused(path: Path, kind: type[LidepthError], *says: str) -> None:
    """It can be recorded and read, but not analysed."""
    run = read_run(path)
    with pytest.raises(kind) as caught:
        analyze(run, stopping_source("icru49"))
    assert caught.value.expected
    for words in (str(path), *says):
        assert words in str(caught.value)


def test_neither_cycler_nor_pristine(campaign: Campaign) -> None:
    analysis_refused(campaign(log=None), BadData, "pristine cell", "data.pristine")


@pytest.mark.parametrize("role", ["anode", "electrolyte", "cathode"])
def test_a_stack_without_one_of_the_roles(campaign: Campaign, role: str) -> None:
    path = campaign()
    edit(path, f"role: {role}, ", "")
    analysis_refused(path, BadInput, f"add role: {role}")


@pytest.mark.parametrize("year", ["2019", "2021"])
def test_cycler_and_spectra_that_do_not_overlap(campaign: Campaign, year: str) -> None:
    path = campaign()
    cycler = path.parent / "cycler.csv"
    cycler.write_text(cycler.read_text().replace("2020-", f"{year}-"))
    refused(path, BadData, "do not overlap", "data.clock_offset", f"{year}-01-01")


def test_spectra_of_different_length_name_both_files(campaign: Campaign) -> None:
    path = campaign()
    lines = (path.parent / "spectra/spec_00004.Spe").read_text().splitlines(keepends=True)
    (path.parent / "spectra/spec_00004.Spe").write_text(
        "".join(lines).replace("0 63\n", "0 62\n").replace(lines[11], "", 1)
    )
    refused(path, BadData, "spec_00004.Spe", "spec_00000.Spe", "63 channels")


def test_a_missing_spectrum_is_named(campaign: Campaign) -> None:
    """The others are used, as in a growing run whose monitor.csv is ahead of the spectra."""
    path = campaign()
    (path.parent / "spectra/spec_00004.Spe").unlink()
    notes = " ".join(read_run(path).notes)
    assert "spec_00004.Spe" in notes
    assert "line 6" in notes


@pytest.mark.parametrize("name", ["spectra/spec_00002.Spe", "monitor.csv", "cycler.csv"])
def test_an_empty_file_is_named(campaign: Campaign, name: str) -> None:
    path = campaign()
    (path.parent / name).write_bytes(b"")
    refused(path, Truncated, name, "empty")


def test_a_table_with_a_header_only(campaign: Campaign) -> None:
    path = campaign()
    (path.parent / "cycler.csv").write_text("time,voltage_V,current_uA\n")
    refused(path, Truncated, "cycler.csv")


@pytest.mark.parametrize("name", ["spectra/spec_00002.Spe", "cycler.csv"])
def test_a_folder_or_device_in_place_of_a_file(campaign: Campaign, name: str) -> None:
    path = campaign()
    (path.parent / name).unlink()
    (path.parent / name).mkdir()
    refused(path, BadInput, name)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_an_endless_file_is_not_read(campaign: Campaign) -> None:
    path = campaign()
    (path.parent / "cycler.csv").unlink()
    os.symlink("/dev/zero", path.parent / "cycler.csv")
    refused(path, BadInput, "not a file")


def test_files_over_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.Spe"
    with path.open("wb") as stream:
        stream.write(b"$DATA:\n")
        stream.truncate(65 * 1024**2)
    with pytest.raises(OutOfRange, match="too large"):
        read_spectrum(path)


@pytest.mark.parametrize("name", ["spectra/spec_00005.Spe", "monitor.csv", "cycler.csv"])
def test_cut_off_at_every_200_bytes(campaign: Campaign, name: str) -> None:
    """A cut file is refused, or what is left of it is complete."""
    path = campaign()
    whole = read_run(path)
    victim = path.parent / name
    content = victim.read_bytes()
    for size in range(0, len(content), 200):
        victim.write_bytes(content[:size])
        try:
            run = read_run(path)
        except LidepthError as error:
            assert error.where  # noqa: PT017
            continue
        np.testing.assert_array_equal(run.series.counts, whole.series.counts)


def test_every_spectrum_twice(campaign: Campaign) -> None:
    path = campaign()
    shutil.copytree(path.parent / "spectra", path.parent / "again")
    edit(path, "spectra/*.Spe", "*/*.Spe")
    refused(path, BadInput, "monitor.csv, line 2", "write the folder before the name")
    edit(path, '  monitor: "monitor.csv"\n', "")
    series = read_run(path).series
    assert (len(series), series.usable.sum()) == (24, 12)


YAML_BOMB = "a: &a [x, x]\n" + "\n".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]" for i in range(20)
)


@pytest.mark.parametrize(
    "text",
    [
        YAML_BOMB,
        "title: " + "[" * 5000,
        "title: " + "x" * (256 * 1024),
        "title: !!python/object/apply:os.system ['echo hello']\n",
        "title: !!python/tuple [1, 2]\n",
        "title: a\ntitle: b\n",
        "? [a, b]\n: c\n",
        "- a\n- b\n",
        "just text",
        "title: 2020-99-99T00:00:00\n",
        "title: " + "9" * 10000 + "\n",
        "a: b\n---\nc: d\n",
        "title: \x07\n",
        "\t\t: x",
        "",
        "# nothing",
        "<<: {title: x}\n",
        "{}",
        "cell: null\ntitle: null\n",
    ],
)  # fmt: skip
def test_yaml_tricks_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        read_experiment(path)
    assert str(path) in caught.value.where
    assert caught.value.expected


def test_yaml_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_bytes(b"title: x\ncell: {area: 1 \xb5m^2}\n")
    with pytest.raises(WrongFormat, match="line 2"):
        read_experiment(path)


@pytest.mark.parametrize("path", ["nowhere/experiment.yaml", ".", "a\0b"])
def test_a_description_that_is_not_there(path: str) -> None:
    with pytest.raises(BadInput):
        read_run(path)


@given(st.text(max_size=300))
def test_any_text_is_refused_or_read(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "experiment.yaml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        with pytest.raises(LidepthError):
            read_experiment(path)


@given(st.binary(max_size=400))
def test_any_bytes_are_no_spectrum_or_a_sound_one(content: bytes) -> None:
    for prefix in (b"", b"$SPEC_ID:\nx\n$DATA:\n", b"$MEAS_TIM:\n1 1\n$DATA:\n0 3\n"):
        try:
            spectrum = parse_spe(prefix + content, Path("a.Spe"))
        except LidepthError:
            continue
        assert spectrum.counts.min() >= 0
