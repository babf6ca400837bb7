"""``lidepth check``: accounts for people and machines, and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest


def spe(path: Path, counts: np.ndarray, scale: tuple[float, float]) -> Path:
    """Write a spectrum as ORTEC's ASCII."""
    lines = ["$DATE_MEA:", "01/02/2020 03:04:05", "$MEAS_TIM:", "100 101", "$DATA:",
             f"0 {counts.size - 1}", *(str(int(c)) for c in counts),
             "$MCA_CAL:", "3", f"{scale[0]:E} {scale[1]:E} 0.0E+00 keV"]  # fmt: skip
    path.write_text("\r\n".join(lines) + "\r\n", encoding="ascii", newline="")
    return path


@pytest.fixture
def americium() -> np.ndarray:
    x = np.arange(1024) + 0.5
    line = 900 * np.exp(-0.5 * ((x - 600) / 3.0) ** 2)
    return np.random.default_rng(1).poisson(line + 0.5)


def test_a_sound_run_is_told_to_people_and_ends_with_0(lidepth, small_campaign):
    answer = lidepth("check", small_campaign)
    assert answer.exit_code == 0
    assert "usable (100.0 % of the live time)" in answer.stdout
    assert "1 cycles: 1 charges, 1 discharges" in answer.stdout
    assert "Traceback" not in answer.stderr


def test_a_run_is_told_to_machines(lidepth, small_campaign):
    answer = lidepth("check", small_campaign / "experiment.yaml", "--json")
    assert answer.exit_code == 0
    (run,) = json.loads(answer.stdout)["detectors"]
    assert run["spectra"] == run["usable"] == len(list((small_campaign / "spectra").iterdir()))
    assert run["flagged"] == {}
    assert not run["scale_doubt"]["doubtful"]
    assert len(run["scale"]["time_s"]) == len(run["scale"]["gain"])


def test_a_repeated_file_is_flagged_with_its_time_and_is_no_failure(
    lidepth, small_campaign, tmp_path
):
    folder = tmp_path / "copy"
    shutil.copytree(small_campaign, folder)
    spectra = sorted((folder / "spectra").iterdir())
    shutil.copy(spectra[5], folder / "spectra" / f"zz_again{spectra[5].suffix}")
    answer = lidepth("check", folder, "--json")
    assert answer.exit_code == 0
    (run,) = json.loads(answer.stdout)["detectors"]
    assert run["flagged"]["duplicate"] == 1
    (found,) = [f for f in run["findings"] if f["kind"] == "duplicate"]
    assert found["count"] == 1
    assert found["start"] is not None


def test_loose_spectra_are_accounted_for_without_a_cell(lidepth, tmp_path, americium):
    gain = 5485.6 / 600
    right = spe(tmp_path / "right.Spe", americium, (0.0, gain))
    wrong = spe(tmp_path / "wrong.Spe", np.roll(americium, 1), (0.0, 1.1 * gain))
    answer = lidepth("check", right, wrong, "--lines", "241Am", "--json")
    assert answer.exit_code == 0
    first, second = json.loads(answer.stdout)
    assert first["line_keV"] == pytest.approx(5485.6, rel=1e-3)
    assert first["fwhm_keV"] == pytest.approx(2.3548 * 3.0 * gain, rel=0.1)
    assert first["doubts"] == []
    assert "contradicts its own line" in second["doubts"][0]
    assert "right.Spe" in lidepth("check", right, wrong).stdout


def test_one_broken_file_among_others_is_named_and_hides_none(lidepth, tmp_path, americium):
    broken = tmp_path / "broken.Spe"
    broken.write_text("$DATA:\r\n0 9\r\n1\r\n")
    good = [spe(tmp_path / f"good{n}.Spe", np.roll(americium, n), (0.0, 9.0)) for n in (1, 2)]
    answer = lidepth("check", good[0], broken, good[1])
    assert answer.exit_code == 1
    assert "good1.Spe" in answer.stdout
    assert "good2.Spe" in answer.stdout
    assert "broken.Spe" in answer.stderr
    answer = lidepth("check", good[0], broken, good[1], "--json")
    assert answer.exit_code == 1
    one, two, refused = json.loads(answer.stdout)
    assert (one["error"], two["error"]) == (None, None)
    assert refused["source"] == "broken.Spe"
    assert "broken.Spe" in refused["error"]


def test_files_that_cannot_be_read_end_with_1_and_wrong_calls_with_2(lidepth, tmp_path, americium):
    broken = tmp_path / "broken.Spe"
    broken.write_text("$DATA:\r\n0 9\r\n1\r\n")
    good = spe(tmp_path / "good.Spe", americium, (0.0, 9.0))
    assert lidepth("check", broken).exit_code == 1
    assert lidepth("check", tmp_path / "none.Spe").exit_code == 1
    assert lidepth("check", good, "--lines", "242Xy").exit_code == 2
    assert lidepth("check", good, "--repair").exit_code == 2


def test_a_damaged_run_file_is_named_and_repaired(lidepth, small_campaign, tmp_path):
    run = tmp_path / "run.lidepth"
    made = lidepth("import", small_campaign / "experiment.yaml", "--out", run)
    assert made.exit_code == 0, made.stderr
    assert lidepth("check", run).exit_code == 0
    content = bytearray(run.read_bytes())
    for page in range(len(content) // 2, len(content), 4096):
        content[page + 3000] ^= 0xFF  # rows fill a page from its end
    run.write_bytes(content)
    answer = lidepth("check", run)
    assert answer.exit_code == 1
    assert "damaged" in answer.stdout
    lidepth("check", run, "--repair")
    assert (tmp_path / "run.lidepth.damaged").exists()
