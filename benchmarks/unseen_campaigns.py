"""How the default method fares on campaigns it was not tuned on.

    python benchmarks/unseen_campaigns.py [NAME ...] [--seed N]

Each case is a virtual campaign of eight cycles (independent transport, event by event) that
differs from the plain one in one respect; the printed stack is always a few per cent off.  All
figures in per cent of the first charge, order anode / electrolyte: mean error over the cycles,
the common error that was stated, scatter about the mean over the stated independent error, and the
share of rows whose truth lies within the stated 95 % interval.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis import analyze
from lidepth.model.ledger import Ledger
from lidepth.model.result import Analysis
from lidepth.model.stack import Stack
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import CampaignPlan, Cycling
from lidepth.virtual.spectra import VirtualCampaign, simulate_campaign

Floats = NDArray[np.float64]


def printed(stack: Stack) -> Stack:
    """What a careful label would say: overlayer 10 % low, films 1 to 2 % off."""
    factors = [0.9, 1.01, 0.98, 0.98, 1.02, 1.0]
    spreads = [0.25, 0.05, 0.05, 0.05, 0.05, 0.10]
    layers = zip(stack.layers, factors, spreads, strict=True)
    return Stack(layers=tuple(replace(a.scaled(f), thickness_rel_std=s) for a, f, s in layers))


def with_overlayer(plan: CampaignPlan, factor: float) -> CampaignPlan:
    layers = (plan.stack.layers[0].scaled(factor), *plan.stack.layers[1:])
    stack = Stack(layers=layers)
    return replace(plan, stack=stack, printed_stack=printed(stack))


def cases(seed: int) -> Iterator[tuple[str, CampaignPlan, str]]:
    """Name, plan, and the stopping source of the truth."""
    plain = CampaignPlan(cycling=Cycling(cycles=8), seed=seed)
    plain = replace(plain, printed_stack=printed(plain.stack))
    growth, counting, beam, made = plain.growth, plain.counting, plain.beam, plain.instrument
    wide = replace(made, detector=replace(made.detector, fwhm_kev=30.0))
    believed = replace(made, detector=replace(made.detector, fwhm_kev=27.0))
    tilted = replace(made, exit_angle_deg=20.0)
    drifting = replace(counting, offset_drift_kev=-1.6, gain_drift=3e-4)
    for name, changed in (
        ("plain", plain),
        ("no silicon moves", replace(plain, growth=replace(growth, silicon_cap=0.0))),
        ("grows on discharge", replace(plain, growth=replace(growth, driver="discharge"))),
        ("grows with time", replace(plain, growth=replace(growth, driver="time"))),
        ("exponential front", replace(plain, growth=replace(growth, shape="exponential"))),
        (
            "fast, half the silicon",
            replace(plain, growth=replace(growth, fast=0.4, fast_cycles=4, silicon_cap=0.5)),
        ),
        ("cathode ages", replace(plain, cycling=replace(plain.cycling, cathode_loss=0.005))),
        ("exit at 20 deg", replace(plain, instrument=tilted)),
        ("30 keV detector", replace(plain, instrument=wide, printed_instrument=believed)),
        ("rough overlayer", replace(plain, counting=replace(counting, roughness_nm=40.0))),
        ("3 % tail", replace(plain, counting=replace(counting, tail_fraction=0.03))),
        ("energy drifts", replace(plain, counting=drifting)),
        ("a fifth of the beam", replace(plain, beam=replace(beam, flux_cm2_s=2e6))),
        ("four times the beam", replace(plain, beam=replace(beam, flux_cm2_s=4e7))),
        ("thin overlayer", with_overlayer(plain, 0.05)),
        ("thick overlayer", with_overlayer(plain, 1.4)),
        (
            "stopping 1-2 % off",
            replace(plain, stopping_scales=(1.02, 0.99, 1.01, 0.98, 1.015, 1.0)),
        ),
    ):
        yield name, changed, "icru49"
    yield "SRIM stopping", plain, "lunasrim"


@dataclass(frozen=True, kw_only=True)
class Score:
    """One state's outcome, in per cent of the first charge; arrays are (anode, electrolyte)."""

    mean: Floats
    common: Floats
    scatter: Floats
    covered: Floats


def score(analysis: Analysis, truth: Ledger, state: str) -> Score:
    found = analysis.ledgers["default"]
    rows = found.rows_of(state)
    keys = {(int(c), s): i for i, (c, s) in enumerate(zip(truth.cycle, truth.state, strict=True))}
    places = [keys[int(cycle), state] for cycle in found.cycle[rows]]
    unit = 100.0 / analysis.first_charge_uah
    miss = (found.values[rows] - truth.values[places])[:, :2] * unit
    stat, std = found.stat[rows][:, :2] * unit, found.std[rows][:, :2] * unit
    return Score(
        mean=miss.mean(axis=0),
        common=np.sqrt(np.maximum(std**2 - stat**2, 0.0)).mean(axis=0),
        scatter=miss.std(axis=0, ddof=1) / stat.mean(axis=0),
        covered=(np.abs(miss) < 1.96 * std).mean(axis=0),
    )


def study(plan: CampaignPlan, source: str) -> tuple[VirtualCampaign, Analysis]:
    made = simulate_campaign(plan, source=stopping_source(source))
    return made, analyze(made.run, stopping_source("icru49"))


def row(name: str, made: VirtualCampaign, analysis: Analysis) -> str:
    cells = [name]
    for state in ("charged", "discharged"):
        s = score(analysis, made.truth, state)
        cells += [
            f"{s.mean[0]:+.1f} / {s.mean[1]:+.1f}",
            f"{s.common[0]:.1f}",
            f"{s.scatter[0]:.2f}",
            f"{100 * s.covered[0]:.0f} %",
        ]
    silicon = analysis.silicon
    true = float(np.mean(made.silicon.amount_1e15))
    cells.append(f"{silicon.mean_1e15:.0f} +- {silicon.mean_std_1e15:.0f} ({true:.0f})")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seed", type=int, default=11)
    chosen = parser.parse_args()
    head = ["case"]
    head += [f"{s} {x}" for s in ("ch.", "dis.") for x in ("mean", "common", "scatter", "in 95 %")]
    print("| " + " | ".join([*head, "silicon (truth)"]) + " |")
    print("|" + " --- |" * (len(head) + 1))
    for name, plan, source in cases(chosen.seed):
        if not chosen.names or name in chosen.names:
            print(row(name, *study(plan, source)), flush=True)


if __name__ == "__main__":
    main()
