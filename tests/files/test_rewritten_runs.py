"""One run from other programs: logs of five makers, two detectors in a file; the same result."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lidepth.analysis import analyze
from lidepth.analysis.reduce import Reduction, reduce_run
from lidepth.errors import BadData
from lidepth.files.run_folder import read_run, read_runs
from lidepth.model.cycling import CyclerLog
from lidepth.model.ledger import Ledger
from lidepth.physics.stopping import stopping_source

sys.path.insert(0, str(Path(__file__).parent))

sys.path.insert(0, str(Path(__file__).parents[1] / "hostile"))

import made_files as made
from rewritten_logs import MAKERS, rows_of

Campaign = Callable[..., Path]
START = np.datetime64("2020-01-01T00:00:00", "ns")  # of the spectra of ``campaign``


def one_cycle() -> CyclerLog:
    """32 min of nothing, a charge of 16 min, a rest of 8, a discharge of 15:27, a rest."""
    changes_s = np.array([0.0, 1920.0, 2880.0, 3360.0, 4287.0, 5760.0])
    held_ua = np.array([0.0, 10.0, 0.0, -10.0, 0.0])
    seconds = np.unique(np.concatenate([changes_s, np.arange(0.0, 5760.0, 60.0)]))
    current = held_ua[np.minimum(np.searchsorted(changes_s, seconds, side="right") - 1, 4)]
    return CyclerLog(
        time=START + seconds.astype("timedelta64[s]"), voltage_v=3.0 + 0.01 * current,
        current_ua=current, source="made",
    )  # fmt: skip


def rewrite(experiment: Path, maker: str) -> None:
    """Replace the cycler log of a run by that of this maker."""
    writer, name, apart_s = MAKERS[maker]
    log = read_run(experiment).log
    assert log is not None
    (experiment.parent / "cycler.csv").unlink()
    rows = rows_of(log.time, log.voltage_v, log.current_ua, apart_s=apart_s)
    (experiment.parent / name).write_bytes(writer(rows))
    text = experiment.read_text()
    assert "cycler.csv" in text
    experiment.write_text(text.replace("cycler.csv", name))


def assert_same(found: Reduction, want: Reduction, apart_s: float) -> None:
    assert [(s.kind, s.cycle, s.mode) for s in found.steps] == [
        (s.kind, s.cycle, s.mode) for s in want.steps
    ]
    # A step is found to begin with its first row; Maccor's minutes have six decimals, 0.06 ms.
    for ours, theirs in zip(found.steps, want.steps, strict=True):
        assert abs(ours.start_s - theirs.start_s) <= apart_s + 1e-4
        assert ours.charge_uah == pytest.approx(theirs.charge_uah, abs=10.0 * 1e-4 / 3600)
    for state, other in zip(found.states, want.states, strict=True):
        assert (state.name, state.cycle, state.indices) == (other.name, other.cycle, other.indices)
        assert state.charge_uah == pytest.approx(other.charge_uah, abs=1e-6)


@pytest.mark.parametrize("maker", list(MAKERS))
def test_a_log_of_any_maker_gives_the_same_steps_and_states(campaign: Campaign, maker: str) -> None:
    experiment = campaign(log=one_cycle())
    want = reduce_run(read_run(experiment))
    assert [step.kind for step in want.steps] == ["pristine", "charge", "rest", "discharge", "rest"]
    assert len(want.states) == 2
    rewrite(experiment, maker)
    assert_same(reduce_run(read_run(experiment)), want, MAKERS[maker][2])


def join_detectors(experiment: Path, names: tuple[str, str]) -> NDArray[np.int64]:
    """Rewrite the spectra of a run as N42 files of two detectors; return the second's counts.

    The first has the counts of the run, the second sees four tenths of the particles.
    """
    series = read_run(experiment).series
    folder = experiment.parent
    fewer = np.random.default_rng(4).binomial(series.counts.astype(np.int64), 0.4)
    where = folder / "joined"
    where.mkdir()
    for k, source in enumerate(series.sources):
        live = f"PT{series.live_s[k]:.3f}S"
        both = "".join(
            made.n42_spectrum(name, counts.tolist(), code="None", live=live)
            for name, counts in zip(names, (series.counts[k], fewer[k]), strict=True)
        )
        content = made.n42(made.n42_measurement(
            start=str(series.start[k].astype("datetime64[s]")), spectra=both,
            real=f"PT{series.real_s[k]:.3f}S",
        ), scale="2 3 0")  # fmt: skip
        (where / Path(source).with_suffix(".n42").name).write_bytes(content)
    monitor = (folder / "monitor.csv").read_text()
    (folder / "monitor.csv").write_text(monitor.replace(".Spe", ".n42"))
    text = experiment.read_text()
    assert "spectra/*.Spe" in text
    experiment.write_text(text.replace("spectra/*.Spe", "joined/*.n42"))
    return fewer


def test_each_of_two_detectors_in_a_file_is_a_run(campaign: Campaign) -> None:
    experiment = campaign(log=one_cycle())
    want = read_run(experiment).series
    fewer = join_detectors(experiment, ("A", "north 2"))
    with pytest.raises(BadData, match=r"2 detectors and none is chosen[\s\S]*A, north 2"):
        read_run(experiment)
    with pytest.raises(BadData, match="no detector 'B'"):
        read_run(experiment, detector="B")
    assert [run.series.detector for run in read_runs(experiment)] == ["A", "north 2"]
    for name, counts in (("A", want.counts), ("north 2", fewer)):
        found = read_run(experiment, detector=name)
        assert np.array_equal(found.series.counts, counts)
        assert found.label.endswith(f", detector {name}")
        for column in ("start", "live_s", "real_s", "monitor", "flags"):
            assert np.array_equal(getattr(found.series, column), getattr(want, column)), column


@lru_cache
def ledger(experiment: Path, detector: str | None = None) -> Ledger:
    run = read_run(experiment, detector=detector)
    return analyze(run, stopping_source(run.instrument.stopping)).ledgers["default"]


@pytest.fixture
def quick(shared: Path) -> Path:
    file = shared / "campaigns" / "quick" / "experiment.yaml"
    if not file.is_file():
        pytest.skip(f"no campaign at {file}")
    return file


@pytest.fixture
def copy(quick: Path, tmp_path: Path) -> Path:
    """The experiment.yaml of a copy of ``quick`` that may be changed."""
    for name in ("experiment.yaml", "monitor.csv", "cycler.csv"):
        shutil.copyfile(quick.parent / name, tmp_path / name)
    (tmp_path / "spectra").symlink_to(quick.parent / "spectra")
    return tmp_path / "experiment.yaml"


@pytest.mark.nightly
@pytest.mark.parametrize("maker", list(MAKERS))
def test_a_log_of_any_maker_gives_the_same_ledger(quick: Path, copy: Path, maker: str) -> None:
    rewrite(copy, maker)
    want, found = ledger(quick), ledger(copy)
    assert (found.cycle.tolist(), found.state) == (want.cycle.tolist(), want.state)
    # Where the fit stops differs by less than a thousandth of the smallest error, 0.55 uAh.
    np.testing.assert_allclose(found.values, want.values, rtol=0, atol=5e-4)
    np.testing.assert_allclose(found.std, want.std, rtol=0, atol=5e-4)
    # The counting error of the tied cathode is that of the log's clock: ms where it writes them.
    np.testing.assert_allclose(found.stat[:, :2], want.stat[:, :2], rtol=0, atol=5e-4)


@pytest.mark.nightly
def test_the_ledger_of_one_of_two_detectors_is_that_of_its_spectra_alone(
    quick: Path, copy: Path
) -> None:
    join_detectors(copy, ("A", "B"))
    want, found = ledger(quick), ledger(copy, "A")
    assert np.array_equal(found.values, want.values)
    assert np.array_equal(found.std, want.std)
    # Four tenths of the particles: another drawing, with larger errors, of the same cell.
    other = ledger(copy, "B")
    assert np.all(other.stat[:, :2] > want.stat[:, :2])
    assert np.all(np.abs(other.values - want.values) < 3.0 * other.std)
