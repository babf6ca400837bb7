"""Contents, thin layers and depth bins of a stack, as shapes of what is unknown."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.planning.information import Design
from lidepth.analysis.planning.layers import LayerModel, isotope_1e15
from lidepth.errors import BadData, UsageError

Floats = NDArray[np.float64]

ADDED = "asked"

_FINEST_NM, _COARSEST_NM = 5.0, 2000.0


def named_layer(model: LayerModel, name: str) -> int:
    """Place of the layer with this name, role or material.

    Raises UsageError, with those there are, and BadData for one that holds no isotope.
    """
    wanted = name.strip().lower()
    for n, film in enumerate(model.stack):
        if wanted in (film.name.lower(), film.role or "", film.material.formula.lower()):
            if n not in model.holders:
                raise BadData(
                    f"the layer {film.name!r} holds no {model.instrument.isotope}",
                    where="--question", expected="one of " + ", ".join(
                        model.stack.layers[k].name for k in model.holders),
                )  # fmt: skip
            return n
    raise UsageError(
        f"no layer is called {name!r}", where="--question",
        expected="one of " + ", ".join(film.name for film in model.stack),
    )  # fmt: skip


def content_design(model: LayerModel) -> Design:
    """Contents of all layers that hold the isotope, relative to what they hold."""
    return model.design(_layer_shapes(model), tuple(f"amount:{n}" for n in model.holders))


def thin_layer_design(model: LayerModel, *, depth_nm: float, thickness_nm: float) -> Design:
    """A thin layer about ``depth_nm`` beside the contents of all layers.

    Its unit is the isotope that ``thickness_nm`` of the host holds; a host without any counts as
    the richest layer of the stack.  Raises BadData outside the stack.
    """
    host = _host(model, depth_nm)
    share = _overlap(model, depth_nm - 0.5 * thickness_nm, depth_nm + 0.5 * thickness_nm)
    per_nm = [isotope_1e15(f, model.instrument.isotope) / f.thickness_nm for f in model.stack]
    density = per_nm[host] or max(per_nm)
    added = share * np.diff(model.depth_nm) * density
    shapes = np.column_stack([added, _layer_shapes(model)])
    return model.design(shapes, (ADDED, *(f"amount:{n}" for n in model.holders)))


def resolution_design(model: LayerModel, *, depth_nm: float, width_nm: float) -> Design:
    """Bins of ``width_nm`` through the layer at ``depth_nm``, one of them about that depth.

    The unit of each is what it holds; contents of the other layers beside them.
    """
    host = _host(model, depth_nm)
    if host not in model.holders:
        raise BadData(
            f"the layer {model.stack.layers[host].name!r} holds no {model.instrument.isotope}",
            where="--question", expected="a depth in a layer that does",
        )  # fmt: skip
    top, bottom = model.stack.interfaces_nm[host : host + 2]
    first = depth_nm - 0.5 * width_nm - width_nm * math.ceil((depth_nm - top) / width_nm)
    cuts = first + width_nm * np.arange(math.ceil((bottom - first) / width_nm) + 2)
    inside = (cuts > top + 0.25 * width_nm) & (cuts < bottom - 0.25 * width_nm)
    cuts = np.concatenate([[top], cuts[inside], [bottom]])
    bins = [_overlap(model, a, b) * model.content_1e15 for a, b in pairwise(cuts)]
    others = [_layer_shape(model, n) for n in model.holders if n != host]
    here = int(np.searchsorted(cuts, depth_nm) - 1)
    names = [f"bin:{k}" for k in range(len(bins))]
    names[min(max(here, 0), len(bins) - 1)] = ADDED
    names += [f"amount:{n}" for n in model.holders if n != host]
    return model.design(np.column_stack([*bins, *others]), tuple(names))


def _layer_shapes(model: LayerModel) -> Floats:
    return np.column_stack([_layer_shape(model, n) for n in model.holders])


def _layer_shape(model: LayerModel, n: int) -> Floats:
    return np.asarray(model.content_1e15 * (model.layer == n))


def _host(model: LayerModel, depth_nm: float) -> int:
    faces = model.stack.interfaces_nm
    if not faces[0] <= depth_nm < faces[-1]:
        raise BadData(
            f"{depth_nm:g} nm is not inside the stack", where="--question",
            expected=f"0 to {faces[-1]:g} nm, from the detector side",
        )  # fmt: skip
    return int(np.searchsorted(faces, depth_nm, side="right") - 1)


def _overlap(model: LayerModel, top_nm: float, bottom_nm: float) -> Floats:
    """Share of each cell between two depths; (cells,)."""
    upper, lower = model.depth_nm[:-1], model.depth_nm[1:]
    inside = np.minimum(lower, bottom_nm) - np.maximum(upper, top_nm)
    return np.asarray(np.clip(inside, 0.0, None) / (lower - upper))
