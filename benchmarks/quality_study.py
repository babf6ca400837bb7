"""False alarms of the quality flags, and what correcting a drift of the energy scale is worth.

    python benchmarks/quality_study.py alarms [--seeds 101:125]
    python benchmarks/quality_study.py drifts [--seeds 41:45]

``alarms`` draws sound campaigns at random (overlayer, thicknesses, tilt, rate, resolution, tails,
roughness, silicon, ageing, dwell, channels, background, beam and monitor; some without a monitor or
a log), simulates two or three fast cycles of each, and counts the flags: every one is false.

``drifts`` analyses the same campaigns with the energy scale drifting, once with the flagged spectra
brought back to the pristine scale and once as they were taken, and scores both against the truth:
rms error over stated error, rms and mean error in per cent of the first charge, of the anode,
pooled over states and seeds.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis import analyze
from lidepth.analysis.quality import flag_run, quality_flags
from lidepth.model.calibration import Calibration
from lidepth.model.material import Material
from lidepth.model.result import Run
from lidepth.model.spectra import Quality, SpectrumSeries
from lidepth.model.stack import Layer, Stack
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import CampaignPlan, Cycling, Driver, Growth, Shape
from lidepth.virtual.spectra import VirtualCampaign, simulate_campaign

Floats = NDArray[np.float64]
DRIVERS: tuple[Driver, ...] = ("charge", "discharge", "throughput", "time", "none")
SHAPES: tuple[Shape, ...] = get_args(Shape)
Counts = NDArray[np.int64]


# --- false alarms --------------------------------------------------------------------------------


def drawn(seed: int) -> tuple[CampaignPlan, dict[str, str]]:
    """A sound campaign drawn at random, and what is unusual about it in words."""
    rng = np.random.default_rng([seed, 77])
    plan = CampaignPlan(seed=seed)
    words: dict[str, str] = {}

    def often(share: float = 0.4) -> bool:
        return bool(rng.random() < share)

    layers = list(plan.stack.layers)
    kind = int(rng.integers(3))
    if kind == 0:
        coat = layers[0].scaled(float(rng.uniform(0.3, 1.5)))
    elif kind == 1:
        glass = Material(formula="SiO2", density_g_cm3=2.2)
        coat = replace(layers[0], material=glass, thickness_nm=float(rng.uniform(100.0, 1800.0)))
    else:
        coat = layers[0].scaled(0.005)
    words["over"] = f"{coat.material.formula} {coat.thickness_nm:.0f}"
    factors = rng.uniform(0.7, 1.4, len(layers))
    cathode = float(rng.uniform(0.7, 1.3))
    factors[4] = cathode
    stack = Stack(
        layers=(coat, *(a.scaled(f) for a, f in zip(layers[1:], factors[1:], strict=True)))
    )
    words["x"] = "/".join(f"{f:.1f}" for f in factors[1:5])
    counting, beam, made = plan.counting, plan.beam, plan.instrument
    if often():
        made = replace(made, exit_angle_deg=float(rng.uniform(10.0, 40.0)))
        words["tilt"] = f"{made.exit_angle_deg:.0f}"
    fwhm = float(rng.uniform(12.0, 30.0))
    channels = int(rng.choice([512, 1024, 2048, 4096]))
    made = replace(
        made, detector=replace(made.detector, fwhm_kev=fwhm),
        calibration=Calibration(offset_kev=2.0, gain_kev=3072.0 / channels),
    )  # fmt: skip
    words["det"] = f"{fwhm:.0f} keV {channels}"
    believed = replace(made, detector=replace(made.detector, fwhm_kev=fwhm * rng.uniform(0.9, 1.1)))
    flux = float(np.exp(rng.uniform(np.log(5e5), np.log(4e7))))
    dwell = float(rng.choice([240.0, 480.0, 900.0]))
    beam = replace(
        beam, flux_cm2_s=flux, wander_rel=float(rng.choice([0.003, 0.01, 0.05])),
        monitor_cps=float(rng.choice([0.5, 60.0, 2000.0])),
        monitor_drift=float(rng.choice([0.0, 0.0, -0.05])),
    )  # fmt: skip
    words["flux"] = f"{flux:.1e} x {dwell:.0f} s"
    words["mon"] = f"{beam.monitor_cps:g} cps"
    usual = beam.flux_cm2_s / 1e7
    counting = replace(
        counting, dwell_s=dwell, channels=channels,
        tail_fraction=float(rng.uniform(0.0, 0.05)) if often() else 0.0,
        roughness_nm=float(rng.uniform(0.0, 0.04)) * coat.thickness_nm if often() else 0.0,
        background_slope=counting.background_slope * float(rng.uniform(0.5, 4.0)) * usual,
        background_flat=counting.background_flat * float(rng.uniform(0.5, 20.0)) * usual,
    )  # fmt: skip
    growth = Growth(
        driver=DRIVERS[int(rng.choice(len(DRIVERS)))],
        shape=SHAPES[int(rng.choice(len(SHAPES)))],
        fast=float(rng.uniform(0.05, 0.4)), fast_cycles=float(rng.uniform(2.0, 9.0)),
        silicon_cap=float(rng.choice([0.0, 0.25, 0.5])),
    )  # fmt: skip
    words["grow"] = f"{growth.driver} {growth.fast:.2f}"
    cycling = Cycling(
        cycles=int(rng.integers(2, 4)), current_ua=30.0,
        pristine_s=float(rng.uniform(4, 12)) * 3600,
        first_charge_uah=60.0 * cathode * float(rng.uniform(0.5, 1.0)),
        cathode_loss=float(rng.uniform(0.0, 0.02)) if often() else 0.0,
    )  # fmt: skip
    plan = replace(
        plan, stack=stack, printed_stack=printed(stack, rng), instrument=made,
        printed_instrument=believed, cycling=cycling, growth=growth, beam=beam, counting=counting,
    )  # fmt: skip
    return plan, words


def printed(stack: Stack, rng: np.random.Generator) -> Stack:
    """The stack as a label would have it: the overlayer 10 % off, the films 2 %."""
    errors = np.where(np.arange(len(stack)) == 0, 0.10, 0.02) * rng.standard_normal(len(stack))
    return Stack(layers=tuple(_printed(a, float(e)) for a, e in zip(stack, errors, strict=True)))


def _printed(layer: Layer, error: float) -> Layer:
    return layer.scaled(float(np.exp(error)))


def judged(run: Run) -> Run:
    """The run with the flags that it would get on being read."""
    s = run.series
    flags = quality_flags(
        start_s=s.start_s, real_s=s.real_s, live_s=s.live_s, monitor=s.monitor,
        total=s.counts.sum(axis=1).astype(np.float64), digests=[str(i) for i in range(len(s))],
    )  # fmt: skip
    return flag_run(replace(run, series=s.with_flags(flags)))


def without(run: Run, seed: int) -> tuple[Run, str]:
    """Every fifth campaign has no monitor, every other fifth no cycler log."""
    if seed % 5 == 0:
        return changed(run, monitor=np.full(len(run.series), np.nan)), "no monitor"
    return (replace(run, log=None), "no log") if seed % 5 == 1 else (run, "")


def changed(run: Run, *, counts: Counts | None = None, monitor: Floats | None = None) -> Run:
    s = run.series
    series = SpectrumSeries.from_arrays(
        counts=s.counts if counts is None else counts, start=s.start, live_s=s.live_s,
        real_s=s.real_s, monitor=s.monitor if monitor is None else monitor, flags=s.flags,
    )  # fmt: skip
    return replace(run, series=series)


def alarms(seeds: range) -> None:
    spectra, total = 0, dict.fromkeys(list(Quality), 0)
    hit = dict.fromkeys(list(Quality), 0)
    for seed in seeds:
        plan, words = drawn(seed)
        source = stopping_source("lunasrim" if seed % 4 == 2 else "icru49")
        run, lacks = without(simulate_campaign(plan, source=source).run, seed)
        flags = judged(run).series.flags
        found = {f: int(np.count_nonzero(flags & int(f))) for f in Quality if f}
        found.pop(Quality.NO_MONITOR)  # it is no alarm that there is none
        spectra += len(flags)
        for flag, number in found.items():
            total[flag] += number
            hit[flag] += number > 0
        named = {flag.words: number for flag, number in found.items() if number}
        print(seed, len(flags), *words.values(), lacks, named or "", sep=" | ", flush=True)
    print(f"\n{spectra} spectra of {len(seeds)} campaigns")
    for flag, number in total.items():
        if number:
            print(f"{flag.words}: {number} spectra of {hit[flag]} campaigns")


# --- drifts --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drift:
    """keV per channel and offset that change linearly over the run, or jump in its middle."""

    name: str
    gain: float = 0.0
    offset_kev: float = 0.0
    jump: bool = False


DRIFTS = (
    Drift("none"),
    Drift("gain +2 %", gain=0.02),
    Drift("gain -2 %", gain=-0.02),
    Drift("offset +10 keV", offset_kev=10.0),
    Drift("offset -10 keV", offset_kev=-10.0),
    Drift("gain jumps by +2 %", gain=0.02, jump=True),
)


def drifting(seed: int, drift: Drift) -> VirtualCampaign:
    """Three fast cycles of the published cell."""
    plan = CampaignPlan(seed=seed, cycling=Cycling(current_ua=30.0))
    if not drift.jump:
        counting = replace(plan.counting, gain_drift=drift.gain, offset_drift_kev=drift.offset_kev)
        plan = replace(plan, counting=counting)
    made = simulate_campaign(plan, source=stopping_source())
    if drift.jump:
        made = replace(made, run=jumping(made.run, drift.gain, seed))
    return made


def jumping(run: Run, gain: float, seed: int) -> Run:
    """The second half of a run with more keV per channel, every count drawn anew."""
    rng = np.random.default_rng([seed, 99])
    counts = np.array(run.series.counts, dtype=np.int64)
    channels = counts.shape[1]
    for row in range(len(counts) // 2, len(counts)):
        at = np.repeat(np.arange(channels), counts[row]) + rng.random(int(counts[row].sum()))
        at = np.floor(at / (1.0 + gain)).astype(np.int64)
        counts[row] = np.bincount(at[at < channels], minlength=channels)[:channels]
    return changed(run, counts=counts)


@dataclass(frozen=True)
class Miss:
    """Errors of the anode over the states of one analysis, in uAh, and what was stated."""

    away: Floats
    std: Floats
    unit: float
    misfits: int


def missed(made: VirtualCampaign, run: Run) -> Miss:
    analysis = analyze(run, stopping_source())
    found = analysis.ledgers["default"]
    truth = {
        (int(c), str(s)): made.truth.values[i, 0]
        for i, (c, s) in enumerate(zip(made.truth.cycle, made.truth.state, strict=True))
    }
    true = [truth[int(c), str(s)] for c, s in zip(found.cycle, found.state, strict=True)]
    return Miss(
        away=found.values[:, 0] - np.array(true), std=np.array(found.std[:, 0]),
        unit=100.0 / analysis.first_charge_uah,
        misfits=sum("does not explain" in words for words in analysis.warnings),
    )  # fmt: skip


def pooled(misses: list[Miss]) -> str:
    ratio = np.concatenate([m.away / m.std for m in misses])
    away = np.concatenate([m.away * m.unit for m in misses])
    bias = np.array([m.away.mean() * m.unit for m in misses])
    covered = np.mean(np.abs(ratio) < 1.96)
    warned = sum(m.misfits > 0 for m in misses)
    return (
        f"{np.sqrt(np.mean(ratio**2)):.2f} | {np.sqrt(np.mean(away**2)):.2f} | "
        f"{bias.mean():+.2f} +- {bias.std(ddof=1) / np.sqrt(bias.size):.2f} | "
        f"{np.abs(bias).mean():.2f} | {100 * covered:.0f} % | {warned}/{len(misses)}"
    )


def drifts(seeds: range, names: list[str]) -> None:
    print("| drift | flagged | way | rms/stated | rms | bias | mean abs. bias | in 95 % | warned |")
    for drift in DRIFTS:
        if names and drift.name not in names:
            continue
        ways: dict[str, list[Miss]] = {"corrected": [], "fit alone": []}
        flagged = []
        for seed in seeds:
            made = drifting(seed, drift)
            run = judged(made.run)
            moved = (run.series.flags & int(Quality.GAIN_DRIFT)) != 0
            flagged.append(float(moved.mean()))
            plain = replace(
                run, series=run.series.with_flags(run.series.flags & ~int(Quality.GAIN_DRIFT))
            )
            ways["fit alone"].append(missed(made, plain))
            ways["corrected"].append(missed(made, run) if moved.any() else ways["fit alone"][-1])
            print(
                f"  {drift.name} seed {seed}: {100 * flagged[-1]:.0f} % flagged; rms/stated "
                + ", ".join(
                    f"{way} {np.sqrt(np.mean((m[-1].away / m[-1].std) ** 2)):.2f} "
                    f"(mean {m[-1].away.mean() * m[-1].unit:+.2f} %)"
                    for way, m in ways.items()
                ),
                flush=True,
            )
        for way, misses in ways.items():
            print(
                f"| {drift.name} | {100 * np.mean(flagged):.0f} % | {way} | {pooled(misses)} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("study", choices=["alarms", "drifts"])
    parser.add_argument("names", nargs="*", help="drifts to study (default: all)")
    parser.add_argument("--seeds", default="")
    chosen = parser.parse_args()
    first, last = (int(part) for part in (chosen.seeds or "101:125").split(":"))
    seeds = range(first, last)
    if chosen.study == "alarms":
        alarms(seeds)
    else:
        drifts(seeds, chosen.names)


if __name__ == "__main__":
    main()
