"""experiment.yaml becomes nouns, and every mistake in it is named with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lidepth.errors import BadInput, LidepthError, OutOfRange, UnknownKey, WrongFormat, WrongUnit
from lidepth.files.experiment import json_schema, read_experiment

GOOD = """\
title: quick
cell:
  area: 1.79 cm^2
  stack:
    - {material: Kapton, thickness: 2200 nm, uncertainty: 25 %}
    - {name: collector, material: Cu, thickness: 0.15 um}
    - {role: anode, material: Si, density: 2.33 g/cm^3, thickness: 50 nm}
    - {role: electrolyte, material: Li3PO4, density: 2.32 g/cm^3, thickness: 2000 nm}
    - {role: cathode, material: LiCoO2, density: 4.45 g/cm^3, thickness: 550 nm, li6_fraction: 95 %}
instrument:
  exit_angle: 0.1 rad
  detector: {fwhm: 18 keV, dead_time: 20 us}
  calibration: {offset: 2 keV, gain: 3 keV}
data:
  spectra: spectra/*.Spe
  cycler: cycler.csv
  clock_offset: -1 h
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "experiment.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_description_becomes_nouns(tmp_path: Path) -> None:
    experiment = read_experiment(write(tmp_path, GOOD))
    layers = experiment.stack.layers
    assert [layer.name for layer in layers] == [
        "Kapton", "collector", "anode", "electrolyte", "cathode"
    ]  # fmt: skip
    assert layers[0].material.density_g_cm3 == 1.42
    assert layers[0].thickness_rel_std == 0.25
    assert layers[1].thickness_nm == 150.0
    assert layers[1].thickness_rel_std == 0.10
    assert layers[4].material.li6_fraction == 0.95
    assert experiment.area_cm2 == 1.79
    assert experiment.area_rel_std == 0.02
    instrument = experiment.instrument
    assert instrument.exit_angle_deg == pytest.approx(5.729578)
    assert instrument.detector.dead_time_s == 2e-5
    assert instrument.detector.fwhm_rel_std == 0.15
    np.testing.assert_allclose(np.sqrt(np.diag(instrument.calibration.covariance)), [3.0, 0.006])
    assert experiment.data.clock_offset_s == -3600.0
    assert experiment.data.folder == tmp_path
    assert experiment.data.cycler is not None
    assert experiment.data.cycler.glob == "cycler.csv"
    assert experiment.data.monitor is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2020-01-01T00:00:00 .. 2020-01-02 00:00", True),
        ("[2020-01-01T00:00:00, 2020-01-02T00:00:00Z]", True),
        ("['2020-01-01 00:00:00', 2020-01-02]", True),
        ("../pristine/*.Spe", False),
    ],
)
def test_pristine_is_a_time_range_or_a_glob(tmp_path: Path, given: str, expected: bool) -> None:
    data = read_experiment(write(tmp_path, GOOD + f"  pristine: {given}\n")).data
    times = (np.datetime64("2020-01-01", "ns"), np.datetime64("2020-01-02", "ns"))
    assert data.pristine == (times if expected else given)


CASES = [
    ("thickness: 50 nm", "thicknes: 50 nm", UnknownKey, "line 7, cell.stack[2].thicknes",
     "'thickness'"),
    ("title: quick", "titel: quick", UnknownKey, "line 1, titel", "'title'"),
    ("fwhm: 18 keV", "fhwm: 18 keV", UnknownKey, "instrument.detector.fhwm", "'fwhm'"),
    ("  spectra:", "  spektra:", UnknownKey, "data.spektra", "'spectra'"),
    ("thickness: 50 nm", "thickness: 50", WrongUnit, "line 7, cell.stack[2].thickness", "50 nm"),
    ("area: 1.79 cm^2", "area: 1.79", WrongUnit, "line 3, cell.area", "cm^2"),
    ("area: 1.79 cm^2", "area: 1.79 nm", WrongUnit, "cell.area", "cm^2"),
    ("area: 1.79 cm^2", "area: 0 cm^2", OutOfRange, "cell.area", "more than 0"),
    ("area: 1.79 cm^2", "area: .nan", WrongUnit, "cell.area", "cm^2"),
    ("fwhm: 18 keV", "fwhm: 18", WrongUnit, "instrument.detector.fwhm", "keV"),
    ("fwhm: 18 keV", "fwhm: 0 keV", OutOfRange, "instrument", "between 0 and 500"),
    ("gain: 3 keV", "gain: 0 keV", OutOfRange, "instrument", "more than 0"),
    ("dead_time: 20 us", "dead_time: -20 us", OutOfRange, "instrument.detector.dead_time", "0 s"),
    ("exit_angle: 0.1 rad", "exit_angle: 91 deg", OutOfRange, "instrument", "85 deg"),
    ("exit_angle: 0.1 rad", "isotope: 7Li", BadInput, "instrument.isotope", "6Li"),
    ("thickness: 50 nm", "thickness: -50 nm", OutOfRange, "cell.stack[2].thickness", "more than 0"),
    ("thickness: 50 nm", "thickness: 0 nm", OutOfRange, "cell.stack[2].thickness", "more than 0"),
    ("uncertainty: 25 %", "uncertainty: 25", WrongUnit, "cell.stack[0].uncertainty", "%"),
    ("uncertainty: 25 %", "uncertainty: 250 %", OutOfRange, "cell.stack[0].uncertainty", "100%"),
    ("density: 2.33 g/cm^3", "density: 0 g/cm^3", OutOfRange, "cell.stack[2].density", "30"),
    ("li6_fraction: 95 %", "li6_fraction: 95", OutOfRange, "cell.stack[4].li6_fraction", "0 to 1"),
    ("material: Li3PO4", "material: Xy3PO4", BadInput, "cell.stack[3].material", "formula"),
    ("Li3PO4, density: 2.32 g/cm^3", "Li3PO4", BadInput, "cell.stack[3].density", "density"),
    ("role: anode", "role: cathode", BadInput, "cell.stack", "each role once"),
    ("role: anode", "role: anod", BadInput, "cell.stack[2].role", "kind"),
    ("  cycler: cycler.csv", "  cycler: ''", BadInput, "data.cycler", "path"),
    ("  area: 1.79 cm^2\n", "", BadInput, "cell.area", "area: ..."),
    ("data:", "cell:", BadInput, "cell", "once"),
    ("title: quick", "title: [quick", WrongFormat, "line", "brackets"),
    ("title: quick", "title: !!python/name:os.system x", BadInput, "line 1", "tag"),
    ("title: quick", "title: &a quick", BadInput, "line 1", "write the value out"),
    ("  detector: {fwhm: 18 keV, dead_time: 20 us}", "  detector: 18 keV", BadInput,
     "instrument.detector", "kind"),
    ("exit_angle: 0.1 rad", "particle_energies: {alpha: 2728 keV}", BadInput,
     "instrument.particle_energies", "2055"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "kind", "place", "says"), CASES)
def test_a_mistake_is_named_with_file_place_and_remedy(
    tmp_path: Path, old: str, new: str, kind: type[LidepthError], place: str, says: str
) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(LidepthError) as caught:
        read_experiment(path)
    error = caught.value
    assert type(error) is kind
    assert error.where.startswith(str(path))
    assert place in error.where
    assert error.expected
    assert says in str(error)


def test_right_particle_energies_pass(tmp_path: Path) -> None:
    text = GOOD.replace(
        "exit_angle: 0.1 rad", "particle_energies: {alpha: 2055 keV, triton: 2.727 MeV}"
    )
    assert read_experiment(write(tmp_path, text)).instrument.isotope == "6Li"


@pytest.mark.parametrize(
    "pristine", ["[2020-01-01T00:00:00]", "2020-01-02T00:00:00 .. 2020-01-01T00:00:00",
                 "2020-01-01T00:00:00 .. later", "[2020-01-01T00:00:00+02:00, 2020-01-02]"]
)  # fmt: skip
def test_a_pristine_period_that_cannot_be_is_refused(tmp_path: Path, pristine: str) -> None:
    with pytest.raises(BadInput, match=r"data\.pristine"):
        read_experiment(write(tmp_path, GOOD + f"  pristine: {pristine}\n"))


def test_the_schema_names_every_key() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == {"title", "cell", "instrument", "data"}
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["LayerText"]["properties"]["thickness"]["type"] == "string"


def test_the_shared_campaigns_are_read(shared: Path) -> None:
    for name in ("quick", "still", "thirty"):
        experiment = read_experiment(shared / "campaigns" / name / "experiment.yaml")
        assert experiment.title == name
        assert experiment.stack.layer("electrolyte").thickness_nm == 2000.0
