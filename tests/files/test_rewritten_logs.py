"""The same run with its log from any maker's program: the same steps, states, charges and ledger."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from lidepth.analysis import analyze
from lidepth.analysis.reduce import Reduction, reduce_run
from lidepth.files.run_folder import read_run
from lidepth.model.cycling import CyclerLog
from lidepth.model.ledger import Ledger
from lidepth.physics.stopping import stopping_source

sys.path.insert(0, str(Path(__file__).parent))

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


@lru_cache
def ledger(experiment: Path) -> Ledger:
    run = read_run(experiment)
    return analyze(run, stopping_source(run.instrument.stopping)).ledgers["default"]


@pytest.mark.nightly
@pytest.mark.parametrize("maker", list(MAKERS))
def test_a_log_of_any_maker_gives_the_same_ledger(shared: Path, tmp_path: Path, maker: str) -> None:
    quick = shared / "campaigns" / "quick"
    if not quick.is_dir():
        pytest.skip(f"no campaign at {quick}")
    for name in ("experiment.yaml", "monitor.csv", "cycler.csv"):
        shutil.copyfile(quick / name, tmp_path / name)
    (tmp_path / "spectra").symlink_to(quick / "spectra")
    rewrite(tmp_path / "experiment.yaml", maker)
    want, found = ledger(quick / "experiment.yaml"), ledger(tmp_path / "experiment.yaml")
    assert (found.cycle.tolist(), found.state) == (want.cycle.tolist(), want.state)
    # Where the fit stops differs by less than a thousandth of the smallest error, 0.55 uAh.
    np.testing.assert_allclose(found.values, want.values, rtol=0, atol=5e-4)
    np.testing.assert_allclose(found.std, want.std, rtol=0, atol=5e-4)
    # The counting error of the tied cathode is that of the log's clock: ms where it writes them.
    np.testing.assert_allclose(found.stat[:, :2], want.stat[:, :2], rtol=0, atol=5e-4)
