"""How the expected spectrum moves with each shared parameter.

What is linear, or only moves bins and widths, is differentiated in closed form; what changes the
way through the stack is carried through again with the parameter moved by a fiftieth of its prior
width, which leaves less than 1e-3 of a standard deviation of curvature.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.forward import ForwardModel, ParticleTables, Prediction, Setting
from lidepth.analysis.parameters import Parameter, knot_weights
from lidepth.physics.response import fold, propagate

Floats = NDArray[np.float64]

_STEP = 0.02
_FWHM_TO_SIGMA2 = 1.0 / (8.0 * np.log(2.0))
_ONLY_ALPHA, _ONLY_TRITON = ("shape",), ("triton",)
_WIDTHS = ("roughness", "straggling", "scattering")
_BACKGROUND = ("background", "flat", "back_length")


def shared_jacobian(
    model: ForwardModel, shared: Floats, setting: Setting, state: Floats, at: Prediction,
    by_state: Floats,
) -> Floats:  # fmt: skip
    """Derivative of the expected counts by the shared parameters; shape (bins, parameters).

    ``by_state`` (bins, state size) is the derivative by the state vector.
    """
    jacobian = np.zeros((at.total.size, shared.size))
    bins_kev = model.energies_kev(shared, setting, state[1])
    closed = _closed_forms(model, shared, setting, state, at, bins_kev)
    for place, parameter in enumerate(model.parameters.items):
        name = parameter.name
        kind = name.split(":")[0]
        if name in closed:
            jacobian[:, place] = closed[name]
        elif kind == "content":
            cells = model.grid.layer == int(name.split(":")[1])
            born = at.born * cells * (model.pristine_lithium(shared) / _lithium(model, shared, setting, state))
            jacobian[:, place] = sum(matrix @ born for matrix in at.matrices.values())
        elif kind in _BACKGROUND:
            moved = _moved(shared, place, parameter)
            after = model.background(moved, setting, state, bins_kev)
            jacobian[:, place] = (after - at.components["background"]) / _step_of(parameter)
        elif kind in _WIDTHS:
            jacobian[:, place] = _carried(
                model, shared, setting, state, at, place, through=False
            )
        elif _matters(kind, setting):
            jacobian[:, place] = _carried(model, shared, setting, state, at, place, through=True)
    _silicon(model, shared, setting, state, at, jacobian)
    return jacobian + by_state @ model.lift(setting)


def _lithium(
    model: ForwardModel, shared: Floats, setting: Setting, state: Floats
) -> Floats:
    lithium = model.pristine_lithium(shared) + model.gained(shared, setting, state)
    return np.where(lithium == 0.0, 1.0, lithium)


def _closed_forms(
    model: ForwardModel, shared: Floats, setting: Setting, state: Floats, at: Prediction,
    bins_kev: Floats,
) -> dict[str, Floats]:  # fmt: skip
    counted = at.total - at.components["background"]
    charged = [p for p in model.particles if p.atomic_number > 1]
    alpha = sum(at.components[p.name] for p in charged)
    shift = model.background_shift(shared, setting, state, bins_kev)
    stretch = shift * 0.5 * (bins_kev[1:] + bins_kev[:-1])
    width = np.zeros_like(shift)
    for particle in model.particles:
        slopes = model.slopes(particle, shared, bins_kev, at)
        shift = shift + slopes.by_shift
        stretch = stretch + slopes.by_stretch
        width = width + slopes.by_variance
    get = model.parameters.get
    detector = get(shared, "fwhm", 1.0) ** 2 * _FWHM_TO_SIGMA2
    # Bin edges are offset + gain * channel, so a stretch of the gain leaves the offset where it is.
    offset = get(shared, "offset", 0.0) + state[1]
    offset += setting.run_fraction * get(shared, "offset_drift", 0.0)
    by_gain = stretch - offset * shift
    drift = 1.0 + setting.run_fraction * get(shared, "gain_drift", 0.0)
    return {
        "flux": counted,
        "ratio": 0.5 * (2.0 * alpha - counted),
        "offset": shift,
        "gain": by_gain / get(shared, "gain", 1.0),
        "offset_drift": shift * setting.run_fraction,
        "gain_drift": by_gain * setting.run_fraction / drift,
        "fwhm": width * 2.0 * detector,
        "area": np.zeros_like(shift),
    }


def _matters(kind: str, setting: Setting) -> bool:
    return kind not in ("silicon", "profile") and not (kind == "eps_li" and setting.cycle == 0.0)


def _step_of(parameter: Parameter) -> float:
    step = _STEP * parameter.scale
    return min(step, 1e-3) if parameter.logarithmic else step


def _moved(shared: Floats, place: int, parameter: Parameter) -> Floats:
    moved = shared.copy()
    moved[place] += _step_of(parameter)
    return moved


def _carried(
    model: ForwardModel, shared: Floats, setting: Setting, state: Floats, at: Prediction,
    place: int, *, through: bool,
) -> Floats:  # fmt: skip
    """One-sided difference by one parameter; ``through`` carries the particles again."""
    parameter = model.parameters.items[place]
    moved = _moved(shared, place, parameter)
    difference = np.zeros_like(at.total)
    for particle in _affected(model, parameter.name):
        after = _spectrum(model, particle, shared, moved, setting, state, at, through=through)
        difference += after - at.components[particle.name]
    return difference / _step_of(parameter)


def _affected(model: ForwardModel, name: str) -> tuple[ParticleTables, ...]:
    kind = name.split(":")[0]
    return tuple(
        p
        for p in model.particles
        if not (kind in _ONLY_ALPHA and p.atomic_number == 1)
        and not (kind in _ONLY_TRITON and p.atomic_number > 1)
    )


def _spectrum(
    model: ForwardModel, particle: ParticleTables, shared: Floats, moved: Floats,
    setting: Setting, state: Floats, at: Prediction, *, through: bool,
) -> Floats:  # fmt: skip
    gained = model.gained(shared, setting, state)
    edges = at.edges[particle.name]
    if through:
        edges = propagate(model.column(particle, moved, setting, gained), slopes=False)
    else:
        get = model.parameters.get
        ratio = get(moved, "straggling", 1.0) / get(shared, "straggling", 1.0)
        edges = edges._replace(variance_kev2=edges.variance_kev2 * ratio)
    variance = model.variance(particle, moved, edges)
    matrix = fold(model.energies_kev(shared, setting, state[1]), edges.exit_kev, variance)
    change = model.pristine_lithium(moved) - model.pristine_lithium(shared)
    born = at.born * (1.0 + change / _lithium(model, shared, setting, state))
    return np.asarray(matrix @ born) * model.share(particle, shared)


def _silicon(
    model: ForwardModel, shared: Floats, setting: Setting, state: Floats, at: Prediction,
    jacobian: Floats,
) -> None:  # fmt: skip
    """Fill the columns of moved silicon: one difference, shared out by the knots' weights."""
    weights = knot_weights(model.knots, setting.cycle)
    places = [model.parameters.index.get(f"silicon:{i}") for i in range(weights.size)]
    active = [(p, w) for p, w in zip(places, weights, strict=True) if p is not None and w > 0]
    if not active:
        return
    place, weight = active[0]
    column = _carried(model, shared, setting, state, at, place, through=True) / weight
    for other, share in active:
        jacobian[:, other] = column * share
