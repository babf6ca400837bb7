"""``lidepth plan``: with and without data, other isotopes, wrong calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lidepth.files.experiment import read_description, read_experiment

CELL = """
title: a cell not built yet
cell:
  area: 1.79 cm^2
  stack:
    - {name: packaging, material: Kapton, thickness: 2000 nm, uncertainty: 25 %}
    - {material: Cu, thickness: 150 nm}
    - {role: anode, material: Si, density: 2.33 g/cm^3, thickness: 50 nm}
    - {role: electrolyte, material: Li3PO4, density: 2.32 g/cm^3, thickness: 2000 nm}
    - {role: cathode, material: LiCoO2, density: 4.45 g/cm^3, thickness: 550 nm}
instrument:
  detector: {fwhm: 18 keV}
  calibration: {offset: 2 keV, gain: 3 keV}
"""
BORON = """
title: a glass
cell:
  area: 1 cm^2
  stack:
    - {name: cap, material: SiO2, density: 2.2 g/cm^3, thickness: 100 nm}
    - {name: BPSG, material: B0.1P0.1Si0.8O2, density: 2.2 g/cm^3, thickness: 500 nm}
    - {name: wafer, material: Si, thickness: 500 um}
instrument:
  isotope: 10B
  detector: {fwhm: 20 keV}
  calibration: {offset: 0 keV, gain: 2 keV}
"""
BEAM = ("--flux", "1e8 1/cm^2/s", "--aperture", "0.5 cm^2", "--distance", "10 cm",
        "--detector-area", "3 cm^2")  # fmt: skip


def written(folder: Path, text: str) -> Path:
    file = folder / "experiment.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_cell_without_data_is_planned_from_a_stated_rate(lidepth, tmp_path):
    file = written(tmp_path, CELL)
    out = tmp_path / "out"
    words = ("--rate", "10 1/s", "--count", "1 h", "--charge", "60 uAh", "--out", out, "--json")
    answer = lidepth("plan", file, "-q", "interlayer of 20 nm", *words)
    assert answer.exit_code == 0, answer.stderr
    said = json.loads(answer.stdout)
    (one,) = said["answers"]
    assert said["protocol"]["first_charge_uah"] == pytest.approx(60.0)
    assert one["target"] == pytest.approx(20.0 / 3.0)
    assert {need["name"] for need in one["needs"]} == {
        "counting time", "cycles", "distance", "FWHM",
    }  # fmt: skip
    assert json.loads((out / "plan.json").read_text(encoding="utf-8")) == said["answers"]
    assert (out / "figures" / "planning.png").read_bytes()[:4] == b"\x89PNG"
    head = (out / "figures" / "planning.csv").read_text(encoding="utf-8").splitlines()[0]
    assert head == "time_h_1,error_1,target_1"


def test_boron_is_planned_from_the_beam_and_told_to_people(lidepth, tmp_path):
    answer = lidepth("plan", written(tmp_path, BORON), *BEAM, "-q", "2 % in BPSG",
                     "-q", "0.5 % in BPSG")  # fmt: skip
    assert answer.exit_code == 0, answer.stderr
    assert "1  2 % in BPSG: " in answer.stdout
    text = " ".join(answer.stdout.split())
    assert "no counting time suffices" in text
    assert "set by flux of the state" in text
    assert "cm" in answer.stdout


def test_without_a_question_every_layer_that_holds_the_isotope_is_asked(lidepth, tmp_path):
    answer = lidepth("plan", written(tmp_path, BORON), *BEAM, "--json")
    assert answer.exit_code == 0, answer.stderr
    assert [one["question"] for one in json.loads(answer.stdout)["answers"]] == ["2 % in BPSG"]


def test_a_run_with_data_brings_its_own_rate_and_habits(lidepth, small_campaign):
    answer = lidepth("plan", small_campaign, "-q", "interlayer of 50 nm", "--cycles", 2, "--json")
    assert answer.exit_code == 0, answer.stderr
    said = json.loads(answer.stdout)
    assert said["protocol"]["current_ua"] == pytest.approx(40.0, rel=1e-3)
    assert said["protocol"]["first_charge_uah"] == pytest.approx(40.0, rel=1e-3)
    # 1.5e7 neutrons/cm2/s on 0.5 cm2 and 0.5 % of the sphere: 938.13 b give 0.0352/s.
    assert said["rate_per_s_per_1e15"] == pytest.approx(0.0352, rel=0.06)


def test_a_stated_rate_goes_before_that_of_the_spectra(lidepth, small_campaign, tmp_path):
    kept = tmp_path / "run.lidepth"
    assert lidepth("import", small_campaign, "--out", kept).exit_code == 0
    words = ("-q", "interlayer of 50 nm", "--charge", "40 uAh", "--cycles", 2, "--json")
    said = []
    for place in (small_campaign, kept):
        answer = lidepth("plan", place, "--rate", "1 1/s", *words)
        assert answer.exit_code == 0, answer.stderr
        said.append(json.loads(answer.stdout))
    assert said[0] == said[1]
    # 1/s of some 660e15 lithium-6 that alphas come from; the spectra have 23 times as much.
    assert said[0]["rate_per_s_per_1e15"] == pytest.approx(1.5e-3, rel=0.05)


def test_no_rate_is_a_wrong_call_that_says_what_to_add(lidepth, tmp_path):
    file = written(tmp_path, CELL)
    answer = lidepth("plan", file)
    assert answer.exit_code == 2
    assert "add --rate" in answer.stderr
    some = lidepth("plan", file, "--flux", "1e7 1/cm^2/s", "--distance", "5 cm")
    assert some.exit_code == 2
    assert "add --aperture, --detector-area" in some.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-q", "interlayers of 20"), "did you mean 'interlayer of 20 nm'?"),
        (("-q", "growth only on charge"), "about a lithium cell"),
        (("-q", "2 % in glue"), "no layer is called"),
        (("--count", "5"), "has no unit"),
        (("--count", "-1 h"), "not above zero"),
        (("--loss", "120 %"), "fractions of the first charge"),
    ],
)
def test_wrong_calls_are_named(lidepth, tmp_path, words, said):
    answer = lidepth("plan", written(tmp_path, BORON), *BEAM, *words)
    assert answer.exit_code == 2
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_stack_without_the_isotope_ends_with_1(lidepth, tmp_path):
    text = BORON.replace("B0.1P0.1Si0.8O2", "SiO2")
    answer = lidepth("plan", written(tmp_path, text), *BEAM)
    assert answer.exit_code == 1
    assert "no layer holds 10B" in answer.stderr


def test_a_description_may_lack_data_and_roles_and_an_experiment_may_not(tmp_path):
    from lidepth.errors import BadInput, UnknownKey

    file = written(tmp_path, BORON)
    assert read_description(file).data is None
    with pytest.raises(BadInput, match="data"):
        read_experiment(file)
    with pytest.raises(UnknownKey, match="isotop"):
        read_description(written(tmp_path, BORON.replace("isotope:", "isotop:")))


@pytest.mark.nightly
def test_the_example_of_the_documentation_still_says_what_it_prints(lidepth, tmp_path):
    page = Path(__file__).resolve().parents[2] / "docs" / "planning.md"
    words = ("--rate", "10 1/s", "--count", "1 h", "--charge", "60 uAh", "--json")
    answer = lidepth("plan", written(tmp_path, CELL), *words)
    assert answer.exit_code == 0, answer.stderr
    for one in json.loads(answer.stdout)["answers"]:
        (row,) = [
            line for line in page.read_text(encoding="utf-8").splitlines()
            if line.startswith(f"| {one['question']} |")
        ]  # fmt: skip
        printed = float(row.split("|")[2].split()[0])
        # Printed to three digits.
        assert one["error"] == pytest.approx(printed, rel=5e-3)
