"""Wall clocks: the hour that comes twice, the hour that never comes, clocks that step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from lidepth.errors import BadInput
from lidepth.files._order import Ordered, put_in_order
from lidepth.files._zones import is_change_day, to_utc
from lidepth.files.cyclers import ColumnMap, read_cycler
from lidepth.files.run_folder import read_run
from lidepth.model.cycling import CyclerLog
from lidepth.model.spectra import Quality, SpectrumSeries

Times = NDArray[np.datetime64]
Campaign = Callable[..., Path]
SeriesOf = Callable[..., SpectrumSeries]
LogOf = Callable[..., CyclerLog]

AMSTERDAM = "Europe/Amsterdam"
HOUR = np.timedelta64(1, "h")
TEN_MINUTES = np.timedelta64(10, "m")


def times(*texts: str) -> Times:
    return np.array(texts, dtype="datetime64[ns]")


def wall(utc: Times, change: str) -> Times:
    """Amsterdam in autumn, said independently: UTC+2 before the change, UTC+1 from it on."""
    return np.where(utc < np.datetime64(change), utc + 2 * HOUR, utc + HOUR)


def test_a_night_in_autumn_comes_back_whole() -> None:
    utc = np.datetime64("2023-10-28T21:00", "ns") + TEN_MINUTES * np.arange(40)
    np.testing.assert_array_equal(to_utc(wall(utc, "2023-10-29T01:00"), AMSTERDAM), utc)


def test_a_night_in_spring_comes_back_whole() -> None:
    utc = np.datetime64("2023-03-25T22:00", "ns") + TEN_MINUTES * np.arange(40)
    local = np.where(utc < np.datetime64("2023-03-26T01:00"), utc + HOUR, utc + 2 * HOUR)
    np.testing.assert_array_equal(to_utc(local, AMSTERDAM), utc)


def test_years_and_the_southern_half_are_no_special_case() -> None:
    utc = np.datetime64("2019-01-01", "ns") + np.timedelta64(20, "m") * np.arange(100_000)
    for zone in (AMSTERDAM, "Australia/Lord_Howe", "America/St_Johns", "UTC"):
        some = np.arange(0, utc.size, 997)
        seconds = utc[some].astype("datetime64[s]").astype(int).tolist()
        there = [datetime.fromtimestamp(s, UTC).astimezone(ZoneInfo(zone)) for s in seconds]
        local = times(*(moment.replace(tzinfo=None).isoformat() for moment in there))
        back = to_utc(local, zone)
        folded = np.array([moment.fold for moment in there], dtype=bool)
        np.testing.assert_array_equal(back[~folded], utc[some][~folded])


def test_an_hour_that_came_twice_and_nothing_else_is_refused() -> None:
    with pytest.raises(BadInput, match="came twice"):
        to_utc(times("2023-10-29T02:10", "2023-10-29T02:20"), AMSTERDAM)


def test_a_step_back_within_that_hour_tells_both_passes() -> None:
    local = times("2023-10-29T02:50", "2023-10-29T02:00", "2023-10-29T02:10")
    expected = times("2023-10-29T00:50", "2023-10-29T01:00", "2023-10-29T01:10")
    np.testing.assert_array_equal(to_utc(local, AMSTERDAM), expected)


def test_a_clock_late_to_change_in_spring_counts_on() -> None:
    local = times("2023-03-26T01:50", "2023-03-26T02:05", "2023-03-26T04:00")
    expected = times("2023-03-26T00:50", "2023-03-26T01:05", "2023-03-26T02:00")
    np.testing.assert_array_equal(to_utc(local, AMSTERDAM), expected)


def test_a_clock_that_kept_winter_time_is_found_out() -> None:
    local = np.datetime64("2023-03-26T00:00", "ns") + TEN_MINUTES * np.arange(40)
    with pytest.raises(BadInput, match=r"does not exist in Europe/Amsterdam"):
        to_utc(local, AMSTERDAM)


def test_days_of_change_are_known() -> None:
    for day in ("2023-10-29", "2023-03-26", "2024-03-10", "2024-11-03"):
        assert is_change_day(np.datetime64(f"{day}T02:00", "ns"))
    for day in ("2023-10-22", "2023-10-30", "2024-03-03", "2024-11-10", "2024-06-30"):
        assert not is_change_day(np.datetime64(f"{day}T02:00", "ns"))


def autumn_log(log: CyclerLog) -> CyclerLog:
    """The log moved so that the clock of its wall goes back within it."""
    return replace(log, time=log.time + (np.datetime64("2023-10-28T23:30") - log.time[0]))


def write_log(file: Path, log: CyclerLog, local: Times) -> None:
    rows = zip(np.datetime_as_string(local, "s"), log.voltage_v, log.current_ua, strict=True)
    body = "\n".join(f"{time},{volt},{current}" for time, volt, current in rows)
    file.write_text(f"time,voltage_V,current_uA\n{body}\n")


def test_a_cycler_file_of_a_zone_is_read_through_the_autumn(tmp_path: Path, log_of: LogOf) -> None:
    log = autumn_log(log_of(spectra=24))
    file = tmp_path / "cycler.csv"
    write_log(file, log, wall(log.time, "2023-10-29T01:00"))
    read = read_cycler(file, columns=ColumnMap(time_zone=AMSTERDAM))
    np.testing.assert_array_equal(read.time, log.time)
    with pytest.raises(BadInput, match="time_zone: Europe/Amsterdam"):
        read_cycler(file)


def ordered(start: Times, *, zone: str | None = None, file_order: bool = True) -> Ordered:
    n = start.size
    return put_in_order(
        start, np.full(n, 480.0), keys=[str(i) for i in range(n)],
        line=np.arange(n) if file_order else np.full(n, -1),
        names=[f"s{i}" for i in range(n)], zone=zone,
    )  # fmt: skip


def taken(first: str, number: int = 40) -> Times:
    return np.datetime64(first, "ns") + np.timedelta64(480, "s") * np.arange(number)


def test_any_order_of_names_gives_the_order_of_the_starts() -> None:
    start = taken("2023-10-02T09:00")
    mixed = np.random.default_rng(1).permutation(40)
    found = ordered(start[mixed])
    np.testing.assert_array_equal(mixed[found.order], np.arange(40))
    assert not found.stepped.any()
    assert found.notes == ()


def test_a_clock_put_back_by_daylight_saving_is_put_right() -> None:
    utc = taken("2023-10-28T23:00")
    found = ordered(wall(utc, "2023-10-29T01:00"))
    np.testing.assert_array_equal(found.start, utc + 2 * HOUR)
    np.testing.assert_array_equal(found.order, np.arange(40))
    assert np.flatnonzero(found.stepped).tolist() == [15]  # 23:00 + 15 x 8 min = 01:00
    assert "daylight saving" in found.notes[0]
    assert not found.doubtful.any()


def test_with_its_zone_the_same_clock_gives_utc_and_no_step() -> None:
    utc = taken("2023-10-28T23:00")
    found = ordered(wall(utc, "2023-10-29T01:00"), zone=AMSTERDAM)
    np.testing.assert_array_equal(found.start, utc)
    assert not found.stepped.any()
    assert found.notes == ()


def test_an_hour_back_on_any_other_day_is_not_put_right() -> None:
    start = taken("2023-06-10T09:00")
    start[20:] -= HOUR
    found = ordered(start)
    np.testing.assert_array_equal(found.start, start)
    assert "ran back by 3600 s" in found.notes[0]
    # 12:40 less one hour to 12:40 is claimed twice: 7.5 dwells on either side.
    assert 14 <= found.doubtful.sum() <= 16


def test_overlaps_of_seconds_are_marked_but_used() -> None:
    start = taken("2023-06-10T09:00")
    start[20:] -= np.timedelta64(30, "s")
    found = ordered(start)
    assert np.flatnonzero(found.stepped).tolist() == [20]
    assert not found.doubtful.any()


def test_a_pause_of_an_hour_on_a_day_of_change_is_pointed_out() -> None:
    start = taken("2023-03-26T00:00")
    start[15:] += HOUR
    assert "write data.spectra.time_zone" in ordered(start).notes[0]
    other = taken("2023-03-20T00:00")
    other[15:] += HOUR
    assert ordered(other).notes == ()


def test_a_run_on_two_clocks_with_their_zone_is_on_utc(
    campaign: Campaign, series_of: SeriesOf, log_of: LogOf
) -> None:
    log = log_of(spectra=40)
    hour = HOUR.astype("timedelta64[ns]")
    good = series_of(spectra=40)
    local = SpectrumSeries.from_arrays(
        counts=good.counts, start=good.start + hour, live_s=good.live_s, real_s=good.real_s,
        monitor=good.monitor,
    )  # fmt: skip
    path = campaign(series=local, log=log.shifted(3600.0))
    text = path.read_text().replace(
        '  cycler: "cycler.csv"', f"  cycler: {{files: cycler.csv, time_zone: {AMSTERDAM}}}"
    )
    both = text.replace(
        '  spectra: "spectra/*.Spe"', f"  spectra: {{files: spectra/*.Spe, time_zone: {AMSTERDAM}}}"
    )
    path.write_text(both)
    run = read_run(path)
    assert run.log is not None
    np.testing.assert_array_equal(run.log.time, log.time)
    np.testing.assert_array_equal(run.series.start, good.start)
    assert run.notes == ()
    path.write_text(text)
    assert "the times of the spectra were taken as UTC" in read_run(path).notes[0]


def test_spectra_whose_time_is_claimed_twice_are_not_used(
    campaign: Campaign, series_of: SeriesOf
) -> None:
    good = series_of(spectra=24)
    start = good.start.copy()
    start[16:] -= np.timedelta64(1000, "s")
    series = SpectrumSeries.from_arrays(
        counts=good.counts, start=start, live_s=good.live_s, real_s=good.real_s,
        monitor=good.monitor,
    )  # fmt: skip
    run = read_run(campaign(series=series))
    unused = (run.series.flags & int(Quality.UNVERIFIED)) > 0
    assert 4 <= unused.sum() <= 6
    assert np.all(run.series.flags[unused] & int(Quality.CLOCK_STEP))
    assert "ran back by 1000 s" in run.notes[0]
    assert run.series.usable.sum() == 24 - unused.sum()
