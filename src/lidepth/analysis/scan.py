"""A first look for the cover's thickness, so that the pristine fit starts in the right valley."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from lidepth.analysis.forward import ForwardModel, Setting
from lidepth.analysis.parameters import ParameterSet

Floats = NDArray[np.float64]

_POINTS = 61
_WIDTHS = 3.0  # prior standard deviations to either side
_GAINS = (-2.5, 0.0, 2.5)  # prior standard deviations; 20 keV off, tritons fit no cover at all
_LOWEST_KEV = 250.0
_RATIO_PENALTY = 25.0  # alphas and tritons come in pairs: weight of their inequality


def start_cover(model: ForwardModel, counts: Floats, live_s: float) -> ForwardModel:
    """Return the model with the least known cover layer, and the flux, started where they fit.

    The layer's areal density is stepped through its prior, with the printed energy scale and with
    a longer and a shorter one; at each step alphas, tritons and background are scaled to the counts
    by non-negative least squares.
    """
    layer = _least_known_cover(model)
    if layer is None:
        return model
    places = (model.parameters.index[f"areal:{layer}"], model.parameters.index["gain"])
    first, spread = (values[list(places)] for values in (
        model.parameters.start, model.parameters.scales
    ))  # fmt: skip
    trials = [
        first + spread * np.array([step, gain])
        for gain in _GAINS
        for step in np.linspace(-_WIDTHS, _WIDTHS, _POINTS)
    ]
    fits = [_amplitudes(model, counts, live_s, places, trial) for trial in trials]
    cost = [
        fit[0] + 0.5 * float(np.sum(((trial - first) / spread) ** 2))
        for fit, trial in zip(fits, trials, strict=True)
    ]
    best = int(np.argmin(cost))
    flux = model.parameters.index["flux"]
    starts = dict(zip(places, map(float, trials[best]), strict=True))
    starts[flux] = model.parameters.items[flux].first + math.log(max(fits[best][1], 1e-3))
    items = tuple(
        replace(item, start=starts[i]) if i in starts else item
        for i, item in enumerate(model.parameters.items)
    )
    return model.with_parameters(ParameterSet(items=items))


def _least_known_cover(model: ForwardModel) -> int | None:
    """The layer above the anode whose areal density is least known, in atoms."""
    layers = model.grid.stack.layers[: model.grid.stack.index("anode")]
    doubt = [
        layer.areal_density_1e15 * model.parameters.items[model.parameters.index[f"areal:{i}"]].std
        for i, layer in enumerate(layers)
    ]
    return int(np.argmax(doubt)) if doubt else None


def _amplitudes(
    model: ForwardModel, counts: Floats, live_s: float, places: tuple[int, int], trial: Floats
) -> tuple[float, float]:
    """Half the weighted misfit at one trial, and the mean factor of alphas and tritons."""
    shared = model.parameters.start
    shared[list(places)] = trial
    setting = Setting(exposure=live_s, live_s=live_s)
    at = model.predict(shared, setting, np.zeros(model.state_size))
    energy = model.energies_kev(shared, setting)
    used = energy[:-1] > _LOWEST_KEV
    width = np.diff(energy)
    tails = [width * np.exp(-(energy[:-1] - _LOWEST_KEV) / length) for length in (40.0, 60.0, 90.0)]
    shapes = np.stack([*at.raw.values(), *tails, width], axis=1)[used]
    weight = 1.0 / np.sqrt(counts[used] + 1.0)
    particles = np.sqrt(float(counts[used].sum()))
    pair = np.zeros(shapes.shape[1])
    pair[:2] = np.array([1.0, -1.0]) * _RATIO_PENALTY * max(particles / 1e2, 1.0)
    solution, misfit = nnls(
        np.vstack([shapes * weight[:, None], pair]), np.append(counts[used] * weight, 0.0)
    )
    return 0.5 * misfit**2, float(0.5 * (solution[0] + solution[1]))
