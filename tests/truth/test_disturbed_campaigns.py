"""Files lost, copied, renamed, clocks that differ: the ledger stays what it was, within errors."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lidepth.analysis import analyze
from lidepth.files.raw import write_campaign
from lidepth.files.run_folder import read_run
from lidepth.model.clock import ClockDifference
from lidepth.model.ledger import Ledger
from lidepth.model.result import Analysis
from lidepth.model.spectra import Quality
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import CampaignPlan, Cycling
from lidepth.virtual.spectra import simulate_campaign

Floats = NDArray[np.float64]
Disturb = Callable[[Path], None]
Record = Callable[[str, object], None]

NIGHTLY = pytest.mark.nightly
SEED = 20
SHARE_LOST = 0.20
SHARE_COPIED = 0.05
# Two independent estimates with a share f of the data in common differ, rms, by
# sqrt(1 / f - 1) standard errors: 0.5 for f = 0.8.
EXPECTED_RMS = np.sqrt(1.0 / (1.0 - SHARE_LOST) - 1.0)


@dataclass(frozen=True)
class Change:
    """What a disturbance did, to anode and electrolyte.

    ``counted`` (rows, 2) in stated statistical errors; ``common`` (2,) the mean change in stated
    common errors, which all rows share.  ``cathode`` (rows,) is in stated total errors, because a
    cathode tied to the charge has no counting error.
    """

    counted: Floats
    common: Floats
    cathode: Floats
    clock: ClockDifference

    @property
    def scatter(self) -> float:
        """Rms about the mean change: what the counts of each row did by themselves."""
        apart = self.counted - self.counted.mean(axis=0)
        return float(np.sqrt(np.sum(apart**2) / (apart.size - 2)))

    def line(self, name: str) -> str:
        return (
            f"{name}: rms {np.sqrt(np.mean(self.counted**2)):.3f}, max "
            f"{np.abs(self.counted).max():.3f}, scatter {self.scatter:.3f}, mean "
            f"{np.round(self.common, 3)} common errors, cathode max "
            f"{np.abs(self.cathode).max():.3f}; clock {self.clock.offset_s:+.1f} ± "
            f"{self.clock.std_s:.1f} s, {self.clock.drift_ppm:+.0f} ± "
            f"{self.clock.drift_std_ppm:.0f} ppm"
        )


def change(before: Analysis, after: Analysis) -> Change:
    old, new = before.ledgers["default"], after.ledgers["default"]
    rows = {key: i for i, key in enumerate(keys(new))}
    kept = [i for i, key in enumerate(keys(old)) if key in rows]
    there = [rows[keys(old)[i]] for i in kept]
    assert len(kept) == len(new)
    moved = new.values[there] - old.values[kept]
    stat = old.stat[kept, :2]
    common = np.sqrt((old.std[kept, :2] ** 2 - stat**2).mean(axis=0))
    assert after.run.clock is not None
    return Change(
        counted=moved[:, :2] / stat, common=moved[:, :2].mean(axis=0) / common,
        cathode=moved[:, 2] / old.std[kept, 2], clock=after.run.clock,
    )  # fmt: skip


def keys(ledger: Ledger) -> list[tuple[int, str]]:
    return list(zip(ledger.cycle.tolist(), ledger.state, strict=True))


def rows_of(file: Path) -> list[list[str]]:
    return list(csv.reader(file.read_text().splitlines()))


def write_rows(file: Path, rows: list[list[str]]) -> None:
    file.write_text("\n".join(",".join(row) for row in rows) + "\n")


def lose(folder: Path) -> None:
    """A fifth of the spectra is gone, with their rows in monitor.csv."""
    rng = np.random.default_rng(SEED)
    head, *rows = rows_of(folder / "monitor.csv")
    gone = {row[0] for row in rows if rng.random() < SHARE_LOST}
    for name in gone:
        (folder / "spectra" / name).unlink()
    write_rows(folder / "monitor.csv", [head, *(row for row in rows if row[0] not in gone)])


def copy(folder: Path) -> None:
    """A twentieth is there twice, under names that come first, last or next to the original."""
    rng = np.random.default_rng(SEED)
    for file in sorted((folder / "spectra").glob("*.Spe")):
        if rng.random() < SHARE_COPIED:
            name = str(rng.choice(["a_copy of {}", "z_{}", "{} (2)"])).format(file.stem)
            shutil.copy(file, file.with_name(f"{name}.Spe"))


def shuffle(folder: Path) -> None:
    """Names in random order, and rows of monitor.csv in another."""
    rng = np.random.default_rng(SEED)
    head, *rows = rows_of(folder / "monitor.csv")
    for row, number in zip(rows, rng.permutation(len(rows)).tolist(), strict=True):
        new = f"run_{number:06d}.Spe"
        (folder / "spectra" / row[0]).rename(folder / "spectra" / new)
        row[0] = new
    write_rows(folder / "monitor.csv", [head, *(rows[i] for i in rng.permutation(len(rows)))])


def shift(seconds: int) -> Disturb:
    def apply(folder: Path) -> None:
        head, *rows = rows_of(folder / "cycler.csv")
        step = np.timedelta64(seconds, "s")
        moved = [[str(np.datetime64(time) + step), *rest] for time, *rest in rows]
        write_rows(folder / "cycler.csv", [head, *moved])

    return apply


def set_clock(seconds: int, share: float = 0.6) -> Disturb:
    """The clock of the spectra is set ahead after a share of them; monitor.csv has its times."""

    def apply(folder: Path) -> None:
        head, *rows = rows_of(folder / "monitor.csv")
        first = int(share * len(rows))
        for row in rows[first:]:
            row[1] = str(np.datetime64(row[1]) + np.timedelta64(seconds, "s"))
        write_rows(folder / "monitor.csv", [head, *rows])

    return apply


def copied(folder: Path, into: Path) -> Path:
    shutil.copytree(folder, into)
    for file in [into, *into.rglob("*")]:  # shared folders are read-only
        file.chmod(0o755 if file.is_dir() else 0o644)
    return into


def disturbed(folder: Path, into: Path, how: Disturb) -> Analysis:
    how(copied(folder, into))
    return analysed(into)


def analysed(folder: Path) -> Analysis:
    run = read_run(folder / "experiment.yaml")
    return analyze(run, stopping_source(run.instrument.stopping))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cycles of our own simulator, two days."""
    plan = CampaignPlan(
        cycling=Cycling(cycles=2, pristine_s=6 * 3600, first_charge_uah=60.0, current_ua=15.0)
    )
    campaign = simulate_campaign(plan, source=stopping_source("icru49"))
    folder = tmp_path_factory.mktemp("small") / "run"
    write_campaign(
        folder, title="small", area_cm2=plan.area_cm2, stack=plan.believed_stack,
        instrument=plan.believed_instrument, series=campaign.series, log=campaign.log,
    )  # fmt: skip
    return folder


@lru_cache
def undisturbed(folder: Path) -> Analysis:
    return analysed(folder)


HOUR_S = 3600
SHIFTS = {"seven minutes late": 420, "seven minutes early": -420, "an hour": HOUR_S,
          "fourteen hours": -14 * HOUR_S}  # fmt: skip


def check_lost(found: Change) -> None:
    # An rms of m numbers scatters by 1/sqrt(2m): four of these are allowed.
    width = 1.0 + 4.0 / np.sqrt(2.0 * found.counted.size)
    assert found.scatter < width * EXPECTED_RMS, found.line("lost")
    # The pristine spectra and those of all states are fewer too: all rows move together.
    assert np.all(np.abs(found.common) < 1.0), found.line("lost")
    assert np.all(np.abs(found.cathode) < 1.0), found.line("lost")


def check_same(found: Change) -> None:
    # The same spectra enter the same sums: only the fit's stopping rule is left.
    assert np.all(np.abs(found.counted) < 0.02), found.line("same")
    assert np.all(np.abs(found.cathode) < 0.02), found.line("same")


def check_shifted(found: Change, seconds: int) -> None:
    assert found.clock.applied
    assert abs(found.clock.offset_s + seconds) < 4.0 * found.clock.std_s, found.line("shifted")
    # The offset is found to a tenth of a dwell: at most one spectrum of a rest changes sides.
    assert np.all(np.abs(found.counted) < 1.0), found.line("shifted")
    assert np.all(np.abs(found.cathode) < 1.0), found.line("shifted")


def test_a_fifth_of_the_spectra_lost_changes_nothing_beyond_errors(
    small: Path, tmp_path: Path
) -> None:
    check_lost(change(undisturbed(small), disturbed(small, tmp_path / "run", lose)))


def test_copies_and_a_shuffled_order_change_nothing(small: Path, tmp_path: Path) -> None:
    def both(folder: Path) -> None:
        shuffle(folder)
        copy(folder)

    check_same(change(undisturbed(small), disturbed(small, tmp_path / "run", both)))


def test_a_cycler_clock_seven_minutes_late_changes_nothing_beyond_errors(
    small: Path, tmp_path: Path
) -> None:
    found = change(undisturbed(small), disturbed(small, tmp_path / "run", shift(420)))
    check_shifted(found, 420)


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S])
def test_a_clock_of_the_spectra_that_was_set_is_put_right(
    small: Path, tmp_path: Path, seconds: int
) -> None:
    folder = copied(small, tmp_path / "run")
    set_clock(seconds)(folder)
    want, found = read_run(small / "experiment.yaml"), read_run(folder / "experiment.yaml")
    way = "ahead" if seconds > 0 else "back"
    assert f"the clock of the spectra was set {way} by 3600 s" in found.notes[-1]
    np.testing.assert_array_equal(found.series.start, want.series.start)
    stepped = found.series.flags & int(Quality.CLOCK_STEP)
    assert np.flatnonzero(stepped).tolist() == [int(0.6 * len(want.series))]
    np.testing.assert_array_equal(found.series.flags & ~int(Quality.CLOCK_STEP), want.series.flags)
    assert found.clock == want.clock


def test_a_declared_clock_is_left_alone_with_a_warning(small: Path, tmp_path: Path) -> None:
    folder = copied(small, tmp_path / "run")
    set_clock(HOUR_S)(folder)
    experiment = folder / "experiment.yaml"
    experiment.write_text(experiment.read_text() + "  clock_offset: 0 s\n")
    found = read_run(experiment)
    assert "nothing was changed, because data.clock_offset is declared" in found.notes[-1]
    want = read_run(small / "experiment.yaml")
    moved = (found.series.start != want.series.start).mean()
    assert moved == pytest.approx(0.4, abs=0.01)


@pytest.fixture(scope="module")
def thirty(shared: Path) -> Path:
    folder = shared / "campaigns" / "thirty"
    if not folder.is_dir():
        pytest.skip(f"no campaign at {folder}")
    return folder


@NIGHTLY
def test_thirty_with_a_fifth_of_the_spectra_lost(
    thirty: Path, tmp_path: Path, record_property: Record
) -> None:
    found = change(undisturbed(thirty), disturbed(thirty, tmp_path / "run", lose))
    record_property("change", found.line("lost"))
    check_lost(found)


@NIGHTLY
@pytest.mark.parametrize("how", [copy, shuffle])
def test_thirty_with_copies_or_shuffled(
    thirty: Path, tmp_path: Path, how: Disturb, record_property: Record
) -> None:
    found = change(undisturbed(thirty), disturbed(thirty, tmp_path / "run", how))
    record_property("change", found.line(how.__name__))
    check_same(found)


@NIGHTLY
@pytest.mark.parametrize("name", list(SHIFTS))
def test_thirty_with_a_cycler_clock_off(
    thirty: Path, tmp_path: Path, name: str, record_property: Record
) -> None:
    found = change(undisturbed(thirty), disturbed(thirty, tmp_path / "run", shift(SHIFTS[name])))
    record_property("change", found.line(name))
    check_shifted(found, SHIFTS[name])


@NIGHTLY
@pytest.mark.parametrize("seconds", [420, HOUR_S, -420, -HOUR_S])
def test_thirty_with_a_clock_of_the_spectra_that_was_set(
    thirty: Path, tmp_path: Path, seconds: int, record_property: Record
) -> None:
    found = change(undisturbed(thirty), disturbed(thirty, tmp_path / "run", set_clock(seconds)))
    record_property("change", found.line(f"set {seconds} s"))
    check_same(found)
