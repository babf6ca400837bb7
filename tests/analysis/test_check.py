"""The account of a run, and of loose spectra."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lidepth.analysis.check import check_run, stretches
from lidepth.analysis.lines import doubt_among, doubt_claim, find_lines, lines_kev
from lidepth.errors import BadInput
from lidepth.files.run_folder import read_run
from lidepth.model.cycling import CyclerLog
from lidepth.model.spectra import Quality, SpectrumSeries

if TYPE_CHECKING:
    from conftest import Small


def test_the_account_of_a_sound_run_adds_up(small: Small) -> None:
    check = check_run(small.run)
    series = small.run.series
    assert check.spectra == check.usable == len(series)
    assert check.live_s == pytest.approx(series.live_s.sum())
    assert check.dead_share == pytest.approx(1 - series.live_s.sum() / series.real_s.sum())
    assert check.cycles == 3
    assert check.steps == {"charge": 3, "discharge": 3, "rest": 6}
    assert check.flagged == {}
    assert check.can_be_used
    assert [f for f in check.findings if f.severity != "note"] == []
    assert check.doubt is not None
    assert not check.doubt.doubtful


def test_the_monitor_explains_the_wander_of_the_beam(small: Small) -> None:
    """The beam wanders by 1 %: four times counting statistics, none of it left in the ratio."""
    check = check_run(small.run)
    assert check.rate_overdispersion > 1.5
    assert check.monitor_overdispersion < 1.6
    assert check.monitor_scatter < 0.007


def test_flagged_stretches_are_given_with_their_times(small: Small) -> None:
    series = small.run.series
    off = np.zeros(len(series), dtype=bool)
    off[60:75] = off[100] = True
    check = check_run(replace(small.run, series=series.flagged(off, Quality.BEAM_OFF)))
    found = [f for f in check.findings if f.kind == "beam off"]
    assert [f.count for f in found] == [15, 1]
    assert found[0].start == series.start[60]
    assert found[0].stop == series.start[75]
    assert "kept out of the sums" in found[0].words
    assert check.flagged == {"beam off": 16}
    assert check.usable == len(series) - 16


def test_a_gap_is_given_as_the_time_without_spectra(small: Small) -> None:
    series = small.run.series
    kept = np.r_[0:60, 75 : len(series)]
    part = SpectrumSeries.from_arrays(
        counts=series.counts[kept], start=series.start[kept], live_s=series.live_s[kept],
        real_s=series.real_s[kept], monitor=series.monitor[kept],
        sources=tuple(series.sources[i] for i in kept),
    )  # fmt: skip
    after = np.arange(len(part)) == 60
    run = replace(
        small.run, series=part.flagged(after, Quality.GAP), pristine=small.run.pristine[kept]
    )
    found = [f for f in check_run(run).findings if f.kind == "gap"]
    assert [f.start for f in found] == [series.start[60]]
    assert [f.stop for f in found] == [series.start[75]]
    assert series.sources[75] in found[0].words


def test_a_long_rest_and_rests_without_beam_are_named(small: Small) -> None:
    run = small.run
    assert run.log is not None
    charged = small.analysis.states[2]
    off = np.zeros(len(run.series), dtype=bool)
    off[list(charged.indices)] = True
    flagged = replace(run, series=run.series.flagged(off, Quality.BEAM_OFF))
    words = [f.words for f in check_run(flagged).findings]
    assert f"no usable spectrum shows {charged.label}" in words
    longer = _with_longer_rest(run.log, 12 * 3600.0)
    words = [f.words for f in check_run(replace(run, log=longer)).findings]
    assert any("after the charge of cycle 1, where 1.0 h is usual" in w for w in words)


def _with_longer_rest(log: CyclerLog, more_s: float) -> CyclerLog:
    """Everything after the first charge comes later."""
    flowing = np.flatnonzero(log.current_ua < 0)[0]
    time = np.array(log.time)
    time[flowing:] += np.timedelta64(round(more_s * 1e9), "ns")
    return replace(log, time=time, vendor={})


def test_a_run_without_a_usable_spectrum_cannot_be_used(small: Small) -> None:
    everything = np.ones(len(small.run.series), dtype=bool)
    check = check_run(
        replace(small.run, series=small.run.series.flagged(everything, Quality.SHORT))
    )
    assert not check.can_be_used
    assert any(f.severity == "unusable" for f in check.findings)


def test_stretches_are_unbroken() -> None:
    assert stretches(np.array([1, 1, 0, 1, 0, 0, 1], dtype=bool)) == [(0, 1), (3, 3), (6, 6)]
    assert stretches(np.zeros(3, dtype=bool)) == []


def test_the_gap_and_the_long_rest_of_the_thirty_cycles_are_named(shared: Path) -> None:
    folder = shared / "campaigns" / "thirty"
    if not folder.is_dir():
        pytest.skip("no campaign of thirty cycles")
    check = check_run(read_run(folder / "experiment.yaml"))
    words = " | ".join(f.words for f in check.findings)
    assert "beam off: 167 spectra over 22.3 h" in words
    assert "a rest of 21.0 h after the charge of cycle 1, where 1.0 h is usual" in words
    assert (
        "no usable spectrum shows cycle 9 charged, cycle 9 discharged, cycle 10 charged, "
        "cycle 10 discharged" in words
    )
    assert check.flagged == {"beam off": 167}


# --- loose spectra -------------------------------------------------------------------------------


def spectrum(*lines: tuple[float, float, float], channels: int = 2048) -> np.ndarray:
    """Lines (channel, FWHM, counts) on a noise edge and a little background."""
    x = np.arange(channels) + 0.5
    mean = 0.3 + 5e4 * np.exp(-x / 6.0)
    for channel, fwhm, counts in lines:
        sigma = fwhm / 2.3548
        mean += counts / sigma / 2.5066 * np.exp(-0.5 * ((x - channel) / sigma) ** 2)
    return np.random.default_rng(7).poisson(mean)


@pytest.mark.parametrize("fwhm", [4.0, 12.0, 40.0])
def test_a_line_is_found_with_its_place_and_width(fwhm: float) -> None:
    (line,) = find_lines(spectrum((1200.3, fwhm, 40000.0)))
    assert line.channel == pytest.approx(1200.3, abs=5 * line.channel_std + 0.02)
    assert line.fwhm == pytest.approx(fwhm, abs=5 * line.fwhm_std + 0.02 * fwhm)


def test_noise_and_empty_spectra_have_no_line() -> None:
    assert find_lines(spectrum()) == ()
    assert find_lines(np.zeros(512, dtype=np.int64)) == ()


def test_a_claim_is_held_against_the_line_of_the_source() -> None:
    (line,) = find_lines(spectrum((1200.0, 8.0, 40000.0)))
    gain = 5485.6 / 1200.0
    assert doubt_claim(line, (0.0, gain), lines_kev("241Am")) == ()
    assert doubt_claim(line, (0.0, gain * 1.003), lines_kev("241Am")) == ()
    (high,) = doubt_claim(line, (0.0, gain * 1.05), lines_kev("241Am"))
    assert "no particle gains energy, the scale contradicts its own line" in high
    (low,) = doubt_claim(line, (0.0, gain * 0.95), lines_kev("241Am"))
    assert "the scale is wrong, or 274 keV are lost on the way" in low
    assert doubt_claim(line, (0.0, -1.0), ()) != ()
    assert doubt_claim(line, None, lines_kev("241Am")) == ()


def test_a_claim_that_differs_from_those_of_the_other_files_is_named() -> None:
    claims = [(0.0, 3.0)] * 5 + [(0.0, 3.1), None]
    assert list(doubt_among(claims)) == [5]
    assert doubt_among([(0.0, 3.0), (0.0, 3.1)]) == {}


def test_a_source_is_named_or_an_energy_given() -> None:
    assert lines_kev("5304 keV") == (5304.0,)
    assert lines_kev("5.3 MeV") == pytest.approx((5300.0,))
    with pytest.raises(BadInput, match="no source is called"):
        lines_kev("242Xy")


def test_real_files_whose_scale_contradicts_their_line_are_named(shared: Path) -> None:
    from lidepth.files.loose import check_files

    folder = shared / "data" / "ndp" / "po210_air_pressure"
    files = sorted(folder.rglob("*.Spe"))
    if not files:
        pytest.skip("no spectra of 210Po")
    checks, refused = check_files(files, lines_kev("210Po"))
    assert refused == ()
    doubted = [c.source for c in checks if any("contradicts" in d for d in c.doubts)]
    assert {"spectrum7.Spe", "spectrum17.Spe", "MCAlibration1.Spe"} <= set(doubted)
    copies = [c.source for c in checks if any("the same counts as" in d for d in c.doubts)]
    assert copies == ["spectrum7_3.Spe"]
    assert not any("hot" in d for c in checks for d in c.doubts)


# --- the verb ------------------------------------------------------------------------------------


def test_check_of_a_written_campaign_is_that_of_the_run(
    campaign: Callable[..., Path],
) -> None:
    run = read_run(campaign())
    check = check_run(run)
    assert check.spectra == len(run.series)
    assert check.can_be_used
