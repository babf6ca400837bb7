"""A virtual campaign: spectra, event by event, with cycler log and truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import OutOfRange
from lidepth.model.cycling import CyclerLog
from lidepth.model.ledger import Ledger
from lidepth.model.result import MovedSilicon, Run
from lidepth.model.spectra import Quality, SpectrumSeries
from lidepth.virtual.cycler import log_of
from lidepth.virtual.events import PARTICLES, Ways, arrivals_kev, background_cps, background_kev
from lidepth.virtual.history import History, history_of
from lidepth.virtual.plan import Beam, CampaignPlan
from lidepth.virtual.transit import CROSS_SECTION_CM2, StoppingPowers

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class VirtualCampaign:
    """A campaign and its truth.

    ``run`` is what an experimenter holds: printed stack and instrument, spectra, cycler log.
    ``truth`` is the true ledger, ``silicon`` the true moved silicon per cycle, ``history`` the
    contents at any time; ``beam`` (n,) the mean flux of each spectrum relative to nominal, zero
    while the beam is off.
    """

    plan: CampaignPlan
    run: Run
    truth: Ledger
    silicon: MovedSilicon
    history: History
    beam: Floats

    @property
    def series(self) -> SpectrumSeries:
        """The spectra."""
        return self.run.series

    @property
    def log(self) -> CyclerLog:
        """The cycler's log."""
        if self.run.log is None:
            raise AssertionError("a virtual campaign has a cycler log")
        return self.run.log


def simulate_campaign(
    plan: CampaignPlan, *, source: StoppingPowers, progress: Progress | None = None
) -> VirtualCampaign:
    """Simulate ``plan`` with the stopping powers of ``source``.

    ``progress(done, all)`` is called after every spectrum.  Raises OutOfRange when no lithium is
    left to cycle or when the campaign is shorter than one spectrum, BadInput when the plan's cell
    has other films than its stack.
    """
    history = history_of(plan)
    whole = int(history.duration_s / plan.counting.dwell_s)
    start_s: Floats = plan.counting.dwell_s * np.arange(whole, dtype=np.float64)
    if start_s.size == 0:
        raise OutOfRange("the campaign is shorter than one spectrum", where="plan")
    beam = _beam(plan, start_s)
    series = _series(plan, history, Ways(history, source), start_s, beam, progress)
    log = log_of(history, np.random.default_rng([plan.seed, 4]))
    run = Run(
        title=plan.title, area_cm2=plan.area_cm2, stack=plan.believed_stack,
        instrument=plan.believed_instrument, series=series, log=log,
        pristine=series.stop_s <= history.pristine_s, source="virtual",
    )  # fmt: skip
    return VirtualCampaign(
        plan=plan, run=run, truth=history.truth(), silicon=history.moved(), history=history,
        beam=beam,
    )  # fmt: skip


def rates_cps(history: History, states: Floats) -> NDArray[np.float64]:
    """Particles of one kind towards the detector per second and cell at nominal flux.

    ``states`` (n, k) of the history; shape (n, cells).
    """
    beam = history.plan.beam
    per_capture = beam.solid_angle_sr / (4.0 * np.pi)
    per_li6 = CROSS_SECTION_CM2 * beam.flux_cm2_s * beam.aperture_cm2 * per_capture
    lithium = np.maximum(history.lithium_1e15(states), 0.0)
    rates: Floats = lithium * 1e15 * history.cells.li6_fraction * per_li6
    return rates


def _series(
    plan: CampaignPlan, history: History, ways: Ways, start_s: Floats, beam: Floats,
    progress: Progress | None,
) -> SpectrumSeries:  # fmt: skip
    dwell = plan.counting.dwell_s
    rng = np.random.default_rng([plan.seed, 3])
    rates = rates_cps(history, history.mean_states(start_s, start_s + dwell))
    counts = np.zeros((start_s.size, plan.counting.channels), dtype=np.int64)
    elapsed = start_s / history.duration_s
    for i, middle in enumerate(start_s + 0.5 * dwell):
        true_cps = beam[i] * (rates[i].sum() * len(PARTICLES) + background_cps(plan))
        live = dwell / (1.0 + true_cps * plan.instrument.detector.dead_time_s)
        arrivals = [background_kev(plan, beam[i] * live, live, rng)]
        for energy, sigma in ways.at(float(middle)):
            born = rng.poisson(rates[i] * (beam[i] * live))
            arrivals.append(arrivals_kev(born, energy, sigma, ways.nodes, plan, rng))
        counts[i] = _channels(plan, np.concatenate(arrivals), float(elapsed[i]))
        if progress is not None:
            progress(i + 1, start_s.size)
    live_s = dwell - plan.instrument.detector.dead_time_s * counts.sum(axis=1)
    return SpectrumSeries.from_arrays(
        counts=counts,
        start=np.datetime64(plan.start, "ns") + (start_s * 1e9).round().astype("timedelta64[ns]"),
        live_s=live_s, real_s=np.full(start_s.size, dwell),
        monitor=_monitor(plan, beam, elapsed),
        flags=np.where(beam < 0.5, int(Quality.BEAM_OFF), 0),
    )  # fmt: skip


def _channels(plan: CampaignPlan, energy_kev: Floats, elapsed: float) -> NDArray[np.int64]:
    """Histogram of energies; ``elapsed`` is the fraction of the campaign that is over."""
    counting, scale = plan.counting, plan.instrument.calibration
    offset = scale.offset_kev + counting.offset_drift_kev * elapsed
    gain = scale.gain_kev * (1.0 + counting.gain_drift * elapsed)
    kept = energy_kev[energy_kev > counting.threshold_kev]
    channel = np.floor((kept - offset) / gain).astype(np.int64)
    channel = channel[(channel >= 0) & (channel < counting.channels)]
    return np.bincount(channel, minlength=counting.channels)


def _beam(plan: CampaignPlan, start_s: Floats) -> Floats:
    """Mean flux of each spectrum relative to nominal: slow wander times the share of time on."""
    rng = np.random.default_rng([plan.seed, 2])
    dwell = plan.counting.dwell_s
    memory = float(np.exp(-dwell / plan.beam.wander_s))
    kick = np.sqrt(1.0 - memory**2) * rng.standard_normal(start_s.size)
    kick[0] = rng.standard_normal()
    walk = np.zeros(start_s.size)
    for i in range(start_s.size):
        walk[i] = kick[i] + (memory * walk[i - 1] if i else 0.0)
    flux = np.maximum(1.0 + plan.beam.wander_rel * walk, 0.0)
    return np.asarray(flux * _share_on(plan.beam, start_s, dwell))


def _share_on(beam: Beam, start_s: Floats, dwell_s: float) -> Floats:
    off = np.zeros(start_s.size)
    for start, stop in beam.off:
        off += np.clip(
            np.minimum(stop, start_s + dwell_s) - np.maximum(start, start_s), 0.0, dwell_s
        )
    share: Floats = np.clip(1.0 - off / dwell_s, 0.0, 1.0)
    return share


def _monitor(plan: CampaignPlan, beam: Floats, elapsed: Floats) -> Floats:
    rng = np.random.default_rng([plan.seed, 5])
    efficiency = plan.beam.monitor_efficiency * (1.0 + plan.beam.monitor_drift * elapsed)
    expected = plan.beam.monitor_cps * plan.counting.dwell_s * beam * efficiency
    return rng.poisson(expected).astype(np.float64)
