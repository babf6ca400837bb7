"""How the expected spectrum moves with each shared parameter.

What is linear, or only moves bins and widths, is differentiated in closed form; what changes the
way through the stack is carried through again with the parameter moved a little: by so little
(an edge by a hundredth of an eV), because nearly degenerate parameters cancel a hundredfold in
what the data determine, and a per cent of curvature in one column would be a standard deviation of
the fit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.forward import ForwardModel, ParticleTables, Prediction, Setting
from lidepth.analysis.parameters import Parameter, knot_weights
from lidepth.physics.response import fold, propagate

Floats = NDArray[np.float64]

_STEP = 3e-6
_FWHM_TO_SIGMA2 = 1.0 / (8.0 * np.log(2.0))
_ONLY_ALPHA, _ONLY_TRITON = ("shape", "bend"), ("triton",)
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
        kind = parameter.name.split(":")[0]
        if parameter.name in closed:
            jacobian[:, place] = closed[parameter.name]
        elif kind == "content":
            jacobian[:, place] = _content(model, shared, setting, state, at, parameter.name)
        elif kind in _WIDTHS or _through_stack(kind, setting):
            through = kind not in _WIDTHS
            jacobian[:, place] = _carried(model, shared, setting, state, at, place, through=through)
    _silicon(model, shared, setting, state, at, jacobian)
    jacobian = model.tailed(shared, jacobian)
    _tail(model, shared, at, jacobian)
    _background(model, shared, setting, state, at, bins_kev, jacobian)
    return jacobian + by_state @ model.lift(setting)


def _content(
    model: ForwardModel, shared: Floats, setting: Setting, state: Floats, at: Prediction, name: str
) -> Floats:
    """Lithium of one layer's host, which stops nothing more: only counts change."""
    cells = model.grid.layer == int(name.split(":")[1])
    share = model.pristine_lithium(shared) / _lithium(model, shared, setting, state)
    born = at.born * cells * share
    return np.asarray(np.sum([matrix @ born for matrix in at.matrices.values()], axis=0))


def _tail(model: ForwardModel, shared: Floats, at: Prediction, jacobian: Floats) -> None:
    place = model.parameters.index.get("tail")
    if place is None:
        return
    raw = np.sum(list(at.raw.values()), axis=0)
    tail = model.tail_of(shared, raw)
    jacobian[:, place] = tail - raw
    length = model.parameters.index["tail_length"]
    parameter = model.parameters.items[length]
    after = model.tail_of(_moved(shared, length, parameter), raw)
    fraction = model.parameters.get(shared, "tail", 0.0)
    jacobian[:, length] = fraction * (after - tail) / _step_of(parameter)


def _background(
    model: ForwardModel, shared: Floats, setting: Setting, state: Floats, at: Prediction,
    bins_kev: Floats, jacobian: Floats,
) -> None:  # fmt: skip
    """Fill the background's own columns and its share of the energy scale's."""
    index = model.parameters.index
    for name in _BACKGROUND:
        parameter = model.parameters.items[index[name]]
        after = model.background(_moved(shared, index[name], parameter), setting, state, bins_kev)
        change = (after - at.components["background"]) / _step_of(parameter)
        jacobian[:, index[name]] = change
    shift = model.background_shift(shared, setting, state, bins_kev)
    # A stretch moves the bins and makes them wider: more background in each.
    stretch = shift * 0.5 * (bins_kev[1:] + bins_kev[:-1]) + at.components["background"]
    for name, column in _scale_columns(model, shared, setting, state, shift, stretch).items():
        if name in index:
            jacobian[:, index[name]] += column


def _scale_columns(
    model: ForwardModel, shared: Floats, setting: Setting, state: Floats, shift: Floats,
    stretch: Floats,
) -> dict[str, Floats]:  # fmt: skip
    """Derivatives by the energy scale from those by a shift and a stretch of the bins."""
    get = model.parameters.get
    # Bin edges are offset + gain * channel, so a stretch of the gain leaves the offset where it is.
    offset = get(shared, "offset", 0.0) + state[1]
    offset += setting.run_fraction * get(shared, "offset_drift", 0.0)
    by_gain = stretch - offset * shift
    drift = 1.0 + setting.run_fraction * get(shared, "gain_drift", 0.0)
    return {
        "offset": shift,
        "gain": by_gain / get(shared, "gain", 1.0),
        "offset_drift": shift * setting.run_fraction,
        "gain_drift": by_gain * setting.run_fraction / drift,
    }


def _lithium(model: ForwardModel, shared: Floats, setting: Setting, state: Floats) -> Floats:
    lithium = model.pristine_lithium(shared) + model.gained(shared, setting, state)
    return np.where(lithium == 0.0, 1.0, lithium)


def _closed_forms(
    model: ForwardModel, shared: Floats, setting: Setting, state: Floats, at: Prediction,
    bins_kev: Floats,
) -> dict[str, Floats]:  # fmt: skip
    counted = np.sum(list(at.raw.values()), axis=0)
    alpha = np.sum([at.raw[p.name] for p in model.particles if p.atomic_number > 1], axis=0)
    shift, stretch, width = (np.zeros_like(counted) for _ in range(3))
    for particle in model.particles:
        slopes = model.slopes(particle, shared, bins_kev, at)
        shift = shift + slopes.by_shift
        stretch = stretch + slopes.by_stretch
        width = width + slopes.by_variance
    detector = model.parameters.get(shared, "fwhm", 1.0) ** 2 * _FWHM_TO_SIGMA2
    return {
        "flux": counted,
        "ratio": 0.5 * (2.0 * alpha - counted),
        "fwhm": width * 2.0 * detector,
        **_scale_columns(model, shared, setting, state, shift, stretch),
    }


_MOVED = ("eps_li", "silicon_depth")
_STACK = ("areal", "stopping", "shape", "bend", "triton", "eps_li", "silicon_depth")


def _through_stack(kind: str, setting: Setting) -> bool:
    return kind in _STACK and not (kind in _MOVED and setting.cycle == 0.0)


def _step_of(parameter: Parameter) -> float:
    return _STEP * parameter.scale


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
        difference += after - at.raw[particle.name]
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
