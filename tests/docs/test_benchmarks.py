"""Every row of the benchmarks runs, the arithmetic of its table is right, the page is in step."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import __main__, boron, page
from benchmarks.common import TINY, Line, contest
from benchmarks.reduction import profile_error
from benchmarks.rows import ROWS
from benchmarks.scaling import Growth

from lidepth.model.stack import Layer, Stack
from lidepth.physics.reactions import reactions_of
from lidepth.physics.stopping import stopping_source
from lidepth.physics.transport import stack_transport

LINE = Line(ours="a", reference="b", work="w", ours_s=0.5, reference_s=2.0, error=0.1,
            reference_error=0.3, unit="keV")  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_every_row_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the smallest size; what it measures is written and can be read and shown again."""
    monkeypatch.setattr(__main__, "Size", lambda: TINY)
    assert __main__.main(["--only", name, "--docs", str(tmp_path)]) == 0
    figures = page.read_figures(tmp_path / "benchmarks.json")
    assert list(figures) == [name]
    for entry in figures[name].get("lines", ()):
        one = Line(**entry)
        assert one.ours_s > 0
        assert one.missing or (one.ratio is not None and one.ratio > 0)
        assert one.error is None or one.error >= 0
    for entry in figures[name].get("growths", ()):
        assert np.isfinite(Growth(**entry).exponent)
    assert (tmp_path / "benchmarks.md").read_text(encoding="utf-8") == page.text(figures)


def test_the_page_shows_the_figures_beside_it() -> None:
    """Where it does not: python -m benchmarks --page."""
    figures = page.read_figures()
    assert set(figures) <= set(ROWS)
    assert page.PAGE.read_text(encoding="utf-8") == page.text(figures)


def test_every_row_has_its_section() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    sections = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert sections == [row.title for row in ROWS.values()]


def test_a_row_that_is_run_again_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(__main__, "Size", lambda: TINY)
    before = {
        "live": {"command": "make bench", "when": "then", "seconds": 1.0, "load": [0.1, 0.2],
                 "machine": {"processor": "p", "cores": 2, "system": "s", "python": "3",
                             "libraries": {}, "blas": ""}, "peers": "", "lines": []},
    }  # fmt: skip
    (tmp_path / "benchmarks.json").write_text(json.dumps(before), encoding="utf-8")
    __main__.main(["--only", "rebin", "--docs", str(tmp_path)])
    after = page.read_figures(tmp_path / "benchmarks.json")
    assert list(after) == ["rebin", "live"]  # in the order of the page
    assert after["live"] == before["live"]
    (tmp_path / "benchmarks.md").unlink()
    __main__.main(["--page", "--docs", str(tmp_path)])
    assert (tmp_path / "benchmarks.md").read_text(encoding="utf-8") == page.text(after)


def test_ratio_and_accuracy_per_second_are_those_of_their_definitions() -> None:
    """Four times as fast and three times as exact is twelve times the accuracy per second."""
    assert LINE.ratio == pytest.approx(4.0)
    assert LINE.gain == pytest.approx(12.0)
    assert LINE.accuracy_per_s == pytest.approx(1.0 / (0.1 * 0.5))
    assert replace(LINE, floor=0.2).gain == pytest.approx(4.0 * 0.3 / 0.2)
    assert replace(LINE, reference_s=None, missing="not installed").ratio is None


def test_a_peer_that_is_missing_is_named_on_the_page() -> None:
    lonely = replace(LINE, reference_s=None, reference_error=None, missing="b is not installed")
    assert "| b is not installed |" in page._lines([lonely])


def test_a_busy_machine_is_warned_about() -> None:
    one = {"machine": {"processor": "p", "cores": 2, "system": "s", "python": "3",
                       "libraries": {}, "blas": ""}}  # fmt: skip
    assert "{warning}" in page._machines({"live": {**one, "load": [0.8, 0.1]}})
    assert "{warning}" not in page._machines({"live": {**one, "load": [0.6, 2.0]}})


def test_an_exponent_is_the_slope_of_the_logarithms() -> None:
    grown = Growth(what="w", unit="u", expected=2.0, counts=(10, 20, 40), seconds=(3.0, 12.0, 48.0))
    assert grown.exponent == pytest.approx(2.0)


def test_contestants_take_turns() -> None:
    calls: list[str] = []
    contest({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)
    assert "".join(calls) == "abbaabba"  # the first pair warms up


def test_the_boron_that_is_measured_leaves_as_the_transport_says() -> None:
    """The independent walk against the range tables: the mean of 4000 particles.

    Their spread is 4 keV, so the mean is known to 0.06 keV; the tables of both are interpolated
    in their own ways, to a few eV.
    """
    alpha, depth_nm = reactions_of("10B")[0].light, 400.0
    born = np.full(4000, depth_nm)
    out = boron.walk_out(
        boron.OXIDE, alpha.projectile, born, alpha.energy_kev, np.random.default_rng(1)
    )
    film = Stack(layers=(Layer(material=boron.OXIDE, thickness_nm=800.0),))
    moving = stack_transport(film, stopping_source(), alpha.projectile)
    at = depth_nm * boron.OXIDE.atoms_1e15_per_nm
    exact = float(moving.exit_energy(np.array(at), np.array(alpha.energy_kev)))
    assert out.mean() == pytest.approx(exact, abs=4.0 * out.std() / np.sqrt(out.size))


def test_the_boron_case_is_reduced_to_its_truth(tmp_path: Path) -> None:
    """Total within three stated errors; the profile to the noise of a tenth of the counting time.

    A profile blurred by the resolution, which is what energies alone give, is 19 % off.
    """
    files = boron.measure(tmp_path, TINY)
    found = boron.reduce_files(files, tmp_path / "profile.csv")
    assert abs(found.total_1e15 - boron.TRUE_TOTAL_1E15) < 3.0 * found.total_std_1e15
    assert profile_error(found) < 15.0
