"""Flags: none on sound campaigns, and every injected fault found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lidepth.analysis.backgrounds import background_flags, excess_of
from lidepth.analysis.doubts import doubt_scale
from lidepth.analysis.quality import contained, flag_run, quality_flags, same_contents, saturated
from lidepth.analysis.reduce import reduce_run
from lidepth.analysis.scale import corrected, drifted, edges_of, track_scale
from lidepth.model.calibration import Calibration
from lidepth.model.result import Run
from lidepth.model.spectra import Quality, SpectrumSeries
from lidepth.physics.stopping import stopping_source

if TYPE_CHECKING:
    from conftest import Small

Counts = NDArray[np.int64]
SOURCE = stopping_source()


def changed(run: Run, **columns: Any) -> Run:
    """The run with some columns of its series replaced."""
    s = run.series
    given: dict[str, Any] = {
        "counts": s.counts, "start": s.start, "live_s": s.live_s, "real_s": s.real_s,
        "monitor": s.monitor, "claimed_scale": s.claimed_scale, **columns,
    }  # fmt: skip
    if "flags" not in given:
        given["flags"] = rate_flags(given)
    return replace(run, series=SpectrumSeries.from_arrays(**given))


def rate_flags(columns: dict[str, Any]) -> NDArray[np.int64]:
    start = np.asarray(columns["start"])
    return quality_flags(
        start_s=(start - start[0]) / np.timedelta64(1, "s"), real_s=np.asarray(columns["real_s"]),
        live_s=np.asarray(columns["live_s"]), monitor=np.asarray(columns["monitor"]),
        total=np.asarray(columns["counts"]).sum(axis=1).astype(float),
        digests=[str(i) for i in range(len(start))],
    )  # fmt: skip


def having(run: Run, flag: Quality) -> list[int]:
    return np.flatnonzero(run.series.flags & int(flag)).tolist()


def moved(counts: Counts, rows: slice, *, offset: float = 0.0, gain: float = 1.0) -> Counts:
    """Counts of ``rows`` shown at ``offset + gain x channel`` (each count drawn anew)."""
    rng = np.random.default_rng(11)
    new = np.array(counts)
    for row in range(*rows.indices(len(counts))):
        channel = np.repeat(np.arange(counts.shape[1]), counts[row]) + rng.random(counts[row].sum())
        at = np.floor(offset + gain * channel).astype(int)
        at = at[(at >= 0) & (at < counts.shape[1])]
        new[row] = np.bincount(at, minlength=counts.shape[1])
    return new


@pytest.fixture(scope="session")
def sound(small: Small) -> Run:
    """A sound campaign: its own flags, and the whole judgement."""
    return flag_run(changed(small.run))


# --- false alarms --------------------------------------------------------------------------------


def test_a_sound_campaign_has_no_flag_at_all(sound: Run) -> None:
    assert len(sound.series) > 200
    assert not np.any(sound.series.flags)


@pytest.mark.parametrize(("name", "off"), [("quick", 0), ("still", 0), ("thirty", 167)])
def test_shared_campaigns_have_the_flags_of_their_beam_trips_only(
    shared: Any, name: str, off: int
) -> None:
    """4,552 spectra: less than one false flag in 1,000 would still show."""
    from lidepth.files.run_folder import read_run

    folder = shared / "campaigns" / name
    if not folder.is_dir():
        pytest.skip(f"no campaign {name}")
    run = read_run(folder / "experiment.yaml")
    flagged = flag_run(run).series.flags
    assert np.count_nonzero(flagged & int(Quality.BEAM_OFF)) == off
    judged = Quality.GAIN_DRIFT | Quality.PILE_UP | Quality.SATURATED | Quality.MONITOR_STUCK
    judged |= Quality.BACKGROUND_CHANGED | Quality.SCALE_DOUBTFUL | Quality.DUPLICATE
    assert not np.any(flagged & int(judged))


def test_a_beam_at_half_power_is_no_fault(small: Small) -> None:
    """Half the counts with half the monitor counts are good data."""
    rng = np.random.default_rng(3)
    counts, monitor = np.array(small.run.series.counts), np.array(small.run.series.monitor)
    rows = slice(60, 90)
    counts[rows] = rng.binomial(counts[rows], 0.5)
    monitor[rows] = rng.binomial(monitor[rows].astype(int), 0.5)
    run = flag_run(changed(small.run, counts=counts, monitor=monitor))
    assert not np.any(run.series.flags)
    assert run.series.usable.all()


# --- times, rates, contents ----------------------------------------------------------------------


def columns(n: int = 40) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    return {
        "start_s": 480.0 * np.arange(n), "real_s": np.full(n, 480.0), "live_s": np.full(n, 479.0),
        "monitor": rng.poisson(28000, n).astype(float),
        "total": rng.poisson(15000, n).astype(float), "digests": [str(i) for i in range(n)],
    }  # fmt: skip


def flagged(given: dict[str, Any], flag: Quality) -> list[int]:
    return np.flatnonzero(quality_flags(**given) & int(flag)).tolist()


def test_a_missing_beam_is_seen_by_counts_and_monitor_together() -> None:
    given = columns()
    given["total"][5:8] = 20.0
    given["monitor"][5:8] = 10.0
    assert flagged(given, Quality.BEAM_OFF) == [5, 6, 7]
    assert flagged(given, Quality.MONITOR_STUCK) == []


def test_a_silent_monitor_is_stuck_and_the_beam_is_on() -> None:
    given = columns()
    given["monitor"][5:8] = 0.0
    assert flagged(given, Quality.MONITOR_STUCK) == [5, 6, 7]
    assert flagged(given, Quality.BEAM_OFF) == []


def test_a_detector_that_counts_nothing_is_kept_out_although_the_monitor_runs() -> None:
    given = columns()
    given["total"][5:8] = 3.0
    assert flagged(given, Quality.BEAM_OFF) == [5, 6, 7]


def test_a_monitor_that_repeats_itself_is_stuck_and_one_repeat_is_chance() -> None:
    given = columns()
    given["monitor"][10:16] = 28123.0
    given["monitor"][21] = given["monitor"][20]
    assert flagged(given, Quality.MONITOR_STUCK) == list(range(10, 16))


def test_a_run_counted_to_a_preset_of_the_monitor_is_not_stuck() -> None:
    given = columns()
    given["monitor"][:] = 30000.0
    assert len(flagged(given, Quality.MONITOR_STUCK)) == 40
    given["live_s"] = given["live_s"] * np.random.default_rng(1).normal(1.0, 0.02, 40)
    assert flagged(given, Quality.MONITOR_STUCK) == []


def test_repeats_of_a_sound_monitor_are_never_flagged() -> None:
    rng = np.random.default_rng(8)
    for mean in (20.0, 400.0, 28000.0):
        given = columns(22500)
        given["monitor"] = rng.poisson(mean, 22500).astype(float)
        assert flagged(given, Quality.MONITOR_STUCK) == []


def test_a_stretch_of_shorter_dwells_is_a_choice_and_one_short_spectrum_a_fault() -> None:
    given = columns()
    given["live_s"][20:36] = 100.0
    assert flagged(given, Quality.SHORT) == []
    given = columns()
    given["live_s"][20] = 100.0
    assert flagged(given, Quality.SHORT) == [20]


def test_the_same_counts_under_another_time_are_a_duplicate(small: Small) -> None:
    counts = np.array(small.run.series.counts)
    counts[41] = counts[40]
    counts[150] = counts[40]
    run = flag_run(changed(small.run, counts=counts))
    assert having(run, Quality.DUPLICATE) == [41, 150]


def test_empty_spectra_are_no_duplicates_of_each_other() -> None:
    counts = np.zeros((50, 64), dtype=np.int64)
    counts[::7, 3] = 2
    assert not same_contents(counts, counts.sum(axis=1).astype(float)).any()


def test_a_spectrum_that_the_next_one_holds_is_flagged(small: Small) -> None:
    """The analyser was not cleared: 30, then 30 + 31."""
    counts = np.array(small.run.series.counts)
    counts[31] += counts[30]
    live = np.array(small.run.series.live_s)
    run = flag_run(changed(small.run, counts=counts, live_s=live))
    assert 30 in having(run, Quality.DUPLICATE)
    assert 31 not in having(run, Quality.DUPLICATE)


def test_a_beam_that_comes_back_holds_nothing() -> None:
    """A hundred counts before fifteen thousand are fewer in every channel, by chance."""
    rng = np.random.default_rng(4)
    shape = np.full(64, 1 / 64)
    counts = np.stack([rng.multinomial(n, shape) for n in (15000, 120, 15000, 300, 15000)])
    assert not contained(counts, counts.sum(axis=1).astype(float), np.ones(5, bool)).any()


def test_a_hot_channel_and_a_counter_at_its_end_are_saturated(small: Small) -> None:
    counts = np.array(small.run.series.counts)
    counts[12, 700] = 60
    counts[90, 400] = 65535
    counts[91, 860:864] = 65535
    run = flag_run(changed(small.run, counts=counts))
    assert having(run, Quality.SATURATED) == [12, 90, 91]
    assert saturated(counts[12:13])[1].tolist() == [700]
    assert not run.series.usable[[12, 90, 91]].any()


def test_narrow_lines_the_noise_edge_and_the_overflow_channel_are_not_saturated() -> None:
    rng = np.random.default_rng(6)
    x = np.arange(512)
    line = 4000 * np.exp(-0.5 * ((x[:, None] - 200 - np.linspace(0, 1, 20)) / 0.9) ** 2)
    counts = rng.poisson(line.T + 1.0)
    counts[:, :4] = 0
    counts[:, 4:7] = (160000, 16000, 1200)
    counts[:, -1] = 5000
    assert not saturated(counts)[0].any()


# --- the energy scale ----------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [0.98, 1.02])
def test_a_gain_that_jumps_by_two_per_cent_is_found_to_the_spectrum(
    small: Small, gain: float
) -> None:
    rows = slice(120, 160)
    run = flag_run(changed(small.run, counts=moved(small.run.series.counts, rows, gain=gain)))
    assert having(run, Quality.GAIN_DRIFT) == list(range(120, 160))
    assert np.flatnonzero(run.series.flags & ~int(Quality.GAIN_DRIFT)).size == 0


def test_one_spectrum_with_lines_elsewhere_is_found(small: Small) -> None:
    run = changed(small.run, counts=moved(small.run.series.counts, slice(70, 71), gain=0.97))
    assert having(flag_run(run), Quality.GAIN_DRIFT) == [70]


@pytest.mark.parametrize("kev", [-10.0, 10.0])
def test_an_offset_of_ten_kev_is_found(small: Small, kev: float) -> None:
    counts = moved(small.run.series.counts, slice(120, 160), offset=kev / 3.0)
    found = having(flag_run(changed(small.run, counts=counts)), Quality.GAIN_DRIFT)
    assert set(range(120, 160)) >= set(found)
    assert len(found) > 35


def test_the_track_gives_the_shift_at_the_tritons_within_its_error(small: Small) -> None:
    run = changed(
        small.run, counts=moved(small.run.series.counts, slice(120, 160), gain=1.01, offset=2.0)
    )
    track = track_scale(run, SOURCE)
    assert track is not None
    inside = (track.first >= 120) & (track.last <= 160)
    energy = 2631.0
    shift = track.offset_kev + (track.gain - 1.0) * energy
    true = 3.0 * 2.0 + 0.01 * (energy - 2.0)
    # 1 keV of moved lithium, common to all groups, beside the stated errors
    assert abs(np.nanmean(shift[inside]) - true) < 3.0
    assert drifted(track, len(run.series)).sum() == 40


def test_a_drift_within_the_pristine_period_does_not_shift_the_track(small: Small) -> None:
    """Gain 2 % up over the run; zero is the middle of the pristine period."""
    counts = np.array(small.run.series.counts)
    gain = np.linspace(1.0, 1.02, len(counts))
    for row in range(len(counts)):
        counts[row] = moved(counts[row : row + 1], slice(0, 1), gain=float(gain[row]))[0]
    run = changed(small.run, counts=counts)
    track = track_scale(run, SOURCE)
    assert track is not None
    home = gain[run.pristine].mean()
    true = [
        2631.0 * (gain[a:b].mean() / home - 1) for a, b in zip(track.first, track.last, strict=True)
    ]
    # 1 keV of moved lithium and 0.5 keV of counting in each group
    assert np.nanmean(np.abs(track.moved_kev - true)) < 2.0


def test_an_edge_that_moves_alone_is_no_drift(small: Small) -> None:
    """The lowest alphas 45 keV down, as no lithium does; the tritons stay."""
    counts = np.array(small.run.series.counts)
    counts[120:160, 100:285] = counts[120:160, 115:300]
    run = changed(small.run, counts=counts)
    track = track_scale(run, SOURCE)
    assert track is not None
    lowest = [mark.label for mark in track.landmarks].index("alpha bottom")
    inside = (track.first >= 120) & (track.last <= 160)
    assert np.nanmedian(track.shift_kev[inside, lowest]) < -30.0
    assert having(flag_run(run), Quality.GAIN_DRIFT) == []


def test_drifted_spectra_are_brought_back_before_they_are_summed(small: Small) -> None:
    """The rest after the first charge with a gain 2 % up: the tritons stand where they were."""
    sound_state = reduce_run(small.run).states[0]
    rows = slice(min(sound_state.indices), max(sound_state.indices) + 1)
    run = changed(small.run, counts=moved(small.run.series.counts, rows, gain=0.98))
    kept = reduce_run(flag_run(run)).states[0]
    channel = np.arange(run.series.channels) + 0.5

    def triton(counts: NDArray[np.float64]) -> float:
        part = slice(780, 920)
        return float(np.sum(channel[part] * counts[part]) / np.sum(counts[part]))

    raw = run.series.counts[rows].sum(axis=0).astype(float)
    true = triton(np.asarray(sound_state.counts, dtype=float))
    assert abs(3.0 * (triton(raw) - true)) > 40.0
    assert abs(3.0 * (triton(np.asarray(kept.counts)) - true)) < 2.5
    assert np.sum(kept.counts) == pytest.approx(raw.sum(), rel=1e-3)


def test_resampling_keeps_the_counts_and_undoes_a_shift() -> None:
    counts = np.zeros(100)
    counts[40:43] = (10.0, 50.0, 20.0)
    np.testing.assert_allclose(corrected(counts, offset_channels=3.0, gain=1.0)[37:40],
                               counts[40:43])  # fmt: skip
    assert corrected(counts, offset_channels=0.37, gain=1.013).sum() == pytest.approx(80.0)


# --- a scale that contradicts its own lines ------------------------------------------------------


def test_a_described_scale_that_is_right_is_believed(small: Small) -> None:
    verdict = doubt_scale(small.run, SOURCE)
    assert verdict is not None
    assert not verdict.doubtful
    assert verdict.sigma < 3.0


@pytest.mark.parametrize(("offset", "gain"), [(2.0, 3.15), (2.0, 2.85), (150.0, 3.0), (-400, 3.3)])
def test_a_described_scale_that_is_wrong_is_named(small: Small, offset: float, gain: float) -> None:
    found = edges_of(small.run, SOURCE)
    verdict = doubt_scale(small.run, SOURCE, offset_kev=offset, gain_kev=gain, found=found)
    assert verdict is not None
    assert verdict.doubtful
    assert "contradicts the edges of the spectrum" in verdict.words


def test_the_scale_of_the_experiment_file_is_tried_against_its_own_edges(small: Small) -> None:
    wrong = replace(small.run.instrument, calibration=Calibration(offset_kev=2.0, gain_kev=3.2))
    verdict = doubt_scale(replace(small.run, instrument=wrong), SOURCE)
    assert verdict is not None
    assert verdict.doubtful


def test_a_file_whose_claim_differs_from_the_others_is_doubted(small: Small) -> None:
    claim = np.tile([2.0, 3.0], (len(small.run.series), 1))
    claim[17] = (2.0, 3.1)
    run = flag_run(changed(small.run, claimed_scale=claim))
    assert having(run, Quality.SCALE_DOUBTFUL) == [17]
    assert run.series.usable[17]  # the claim is never used


def test_claims_that_all_contradict_the_edges_are_doubted(small: Small) -> None:
    claim = np.tile([0.0, 15.4], (len(small.run.series), 1))
    run = flag_run(changed(small.run, claimed_scale=claim))
    assert len(having(run, Quality.SCALE_DOUBTFUL)) == len(run.series)


# --- background, pile-up, monitor ----------------------------------------------------------------


def test_a_background_twice_as_high_is_found(small: Small) -> None:
    rng = np.random.default_rng(9)
    counts = np.array(small.run.series.counts)
    energy = 3.0 * np.arange(counts.shape[1])
    more = np.where(energy > 150, 480 * 3 * 0.005 * np.exp(-(energy - 300) / 60), 0.0)
    counts[100:110] += rng.poisson(more, (10, counts.shape[1]))
    run = flag_run(changed(small.run, counts=counts))
    assert having(run, Quality.BACKGROUND_CHANGED) == list(range(100, 110))
    assert run.series.usable.all()


def test_a_flat_background_above_all_particles_is_a_background_and_no_pile_up(
    small: Small,
) -> None:
    rng = np.random.default_rng(10)
    counts = np.array(small.run.series.counts)
    counts[120:170] += rng.poisson(0.03, (50, counts.shape[1]))
    run = flag_run(changed(small.run, counts=counts))
    found = having(run, Quality.BACKGROUND_CHANGED)
    assert len(set(found) & set(range(120, 170))) > 25
    assert having(run, Quality.PILE_UP) == []


def pile(counts: Counts, share: float) -> Counts:
    """Let a share of the counts of each row fall on another of the same row."""
    rng = np.random.default_rng(12)
    new = np.array(counts)
    for row in range(len(new)):
        channel = np.repeat(np.arange(new.shape[1]), new[row])
        rng.shuffle(channel)
        pairs = rng.binomial(channel.size, 0.5 * share)
        summed = channel[:pairs] + channel[pairs : 2 * pairs]
        kept = np.concatenate([channel[2 * pairs :], summed[summed < new.shape[1]]])
        new[row] = np.bincount(kept, minlength=new.shape[1])
    return new


def test_pile_up_is_told_from_background_by_its_shape(small: Small) -> None:
    run = flag_run(changed(small.run, counts=pile(small.run.series.counts, 0.02)))
    assert len(having(run, Quality.PILE_UP)) == len(run.series)
    assert having(run, Quality.BACKGROUND_CHANGED) == []
    assert run.series.usable.all()


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_pile_up_of_a_part_of_the_run_is_flagged_there(small: Small, share: float) -> None:
    counts = np.array(small.run.series.counts)
    counts[100:140] = pile(counts[100:140], share)
    found = having(flag_run(changed(small.run, counts=counts)), Quality.PILE_UP)
    # Stretches are judged that hold 60 pairs: some spectra at 2 %, one at 20 %.
    assert set(range(105, 135)) <= set(found) <= set(range(95, 145))


def dimmed(counts: Counts, share: float) -> Counts:
    """Every other spectrum with a share of its counts, as from a weaker beam."""
    rng = np.random.default_rng(13)
    new = np.array(counts)
    new[::2] = rng.binomial(new[::2], share)
    return new


def piled(counts: Counts, bright: float, dim: float) -> Counts:
    new = np.array(counts)
    new[1::2], new[::2] = pile(counts[1::2], bright), pile(counts[::2], dim)
    return new


@pytest.mark.parametrize(
    ("beam", "bright", "dim", "flagged", "words"),
    [
        (1.0, 0.02, 0.02, True, "varies too little"),
        (0.4, 0.02, 0.008, True, "grow with the square of the rate"),
        (0.4, 0.02, 0.02, False, "no pile-up"),
        (0.4, 0.02, 0.001, True, "neither the rate nor its square"),
    ],
)
def test_pile_up_is_tried_against_the_square_of_the_rate(
    small: Small, beam: float, bright: float, dim: float, flagged: bool, words: str
) -> None:
    """Two per cent piled up at full beam; what belongs to four tenths of it decides."""
    run = changed(small.run, counts=piled(dimmed(small.run.series.counts, beam), bright, dim))
    found = edges_of(run, SOURCE)
    excess = excess_of(run, found, None)
    assert len(excess.words) == 1
    assert words in excess.words[0]
    marked = background_flags(run, found, None) & int(Quality.PILE_UP) != 0
    assert bool(np.all(marked[1::2])) == flagged
    assert flagged or not np.any(marked)


def test_a_monitor_that_leaves_the_counts_is_found(small: Small) -> None:
    monitor = np.array(small.run.series.monitor)
    monitor[80:95] *= 0.7
    run = flag_run(changed(small.run, monitor=np.floor(monitor)))
    assert having(run, Quality.MONITOR_STUCK) == list(range(80, 95))


def test_other_monitors_stand_in_for_a_stuck_one(small: Small) -> None:
    sound_state = reduce_run(small.run).states[0]
    monitor = np.array(small.run.series.monitor)
    monitor[sound_state.indices[0]] = 0.0
    run = flag_run(changed(small.run, monitor=monitor))
    kept = reduce_run(run).states[0]
    assert kept.indices == sound_state.indices
    # seven spectra of 28,800 counts, a beam that wanders by 1 %
    assert kept.monitor == pytest.approx(sound_state.monitor, rel=0.01)


def test_counts_cut_off_at_any_level_are_saturated() -> None:
    counts = np.random.default_rng(5).poisson(60.0, (4, 1024))
    assert not saturated(counts)[0].any()
    counts[2] = np.minimum(counts[2], 62)
    np.testing.assert_array_equal(saturated(counts)[0], [False, False, True, False])
