"""What a run that exists already tells of the measurement to be planned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lidepth.analysis.build import build_model
from lidepth.analysis.calibrate import calibrate
from lidepth.analysis.electrochemistry.steps import find_steps
from lidepth.analysis.invert import first_charge_uah
from lidepth.analysis.planning.protocol import Description
from lidepth.analysis.reduce import reduce_run
from lidepth.model.cycling import Step
from lidepth.model.result import Run
from lidepth.physics.stopping import StoppingSource


def describe_run(run: Run, source: StoppingSource) -> Description:
    """Description of a run, its rate, background, scale and stack fitted to the pristine spectra.

    Raises BadData where they cannot be fitted.
    """
    reduction = reduce_run(run)
    model = build_model(run, source, cycles=1)
    calibrated = calibrate(run, model, reduction.pristine)
    names = calibrated.model.parameters.names
    fitted = dict(zip(names, map(float, calibrated.solution.shared), strict=True))
    return Description(
        stack=run.stack, instrument=run.instrument, rate=math.exp(fitted["flux"]),
        area_cm2=run.area_cm2, area_rel_std=run.area_rel_std, channels=run.series.channels,
        fitted=fitted,
    )  # fmt: skip


def habits(run: Run) -> dict[str, float]:
    """First charge, current, rest and pristine time of a run, by the names of Protocol.

    What the run does not tell is left out.
    """
    found: dict[str, float] = {}
    pristine_s = float(run.series.live_s[run.pristine & run.series.usable].sum())
    if pristine_s > 0:
        found["pristine_s"] = pristine_s
    if run.log is None:
        return found
    steps = find_steps(run.log, run.series.origin)
    found["first_charge_uah"] = first_charge_uah(run)
    currents = [abs(s.current_ua) for s in steps if s.kind in ("charge", "discharge")]
    if currents:
        found["current_ua"] = float(np.median(currents))
    rests = [s.stop_s - s.start_s for s in _inner_rests(steps)]
    if rests:
        found["rest_s"] = found["count_s"] = float(np.median(rests))
    return found


def _inner_rests(steps: Sequence[Step]) -> list[Step]:
    return [
        step
        for before, step in pairwise(steps)
        if step.kind == "rest" and before.kind in ("charge", "discharge")
    ]
