"""What the model cell will do: capacity to come with bands, and the paper's own remedies tried.

A prediction is as good as the parameters it is given.  ``spread`` draws them about one cell by
stated uncertainties; a fit's samples go into ``predict`` in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, OutOfRange
from lidepth.mechanism.cell import Cell
from lidepth.mechanism.growth import Growth, InterlayerDiffusion
from lidepth.mechanism.history import run_protocol
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.protocol import Protocol
from lidepth.model._arrays import readonly

Floats = NDArray[np.float64]
LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)
UNCERTAIN: dict[str, float] = {
    # Relative standard deviations: films by deposition, growth by what one campaign leaves open.
    "silicon_nm": 0.05, "cathode_nm": 0.03, "growth.diffusivity_nm2_cm2_uah": 0.2,
    "growth.li_per_silicon": 0.2,
}  # fmt: skip
"""What ``spread`` varies unless told otherwise; guesses, to be replaced by a fit."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """Capacity and bound lithium by cycle, with bands.

    ``cycle`` (n,); ``capacity_uah`` and ``qe_uah`` (levels, n) are the quantiles ``LEVELS`` of the
    draws, for the whole cell; ``draws`` how many there were.
    """

    name: str
    cycle: NDArray[np.int64]
    capacity_uah: Floats
    qe_uah: Floats
    draws: int

    def cycles_to(self, share: float) -> tuple[float, float, float]:
        """When capacity first falls below a share of the first cycle's: 16 %, median, 84 %.

        Whole curves are compared, band by band; inf where a band does not fall that far.
        """
        found = []
        for row in (1, 2, 3):
            curve = self.capacity_uah[row]
            below = np.flatnonzero(curve < share * self.capacity_uah[2, 0])
            found.append(float(self.cycle[below[0]]) if below.size else math.inf)
        return found[0], found[1], found[2]


def spread(
    parameters: CellParameters, draws: int, *, seed: int = 1,
    rel_std: Mapping[str, float] | None = None,
) -> tuple[CellParameters, ...]:  # fmt: skip
    """Draw cells about one: log-normal, independent, with relative standard deviations by name.

    A name is a field of the cell, or ``growth.`` and a field of its law; those that the law does
    not have are left out when the list is the default one.  Raises BadInput for an unknown name.
    """
    wanted = dict(UNCERTAIN if rel_std is None else rel_std)
    if rel_std is None:
        wanted = {name: std for name, std in wanted.items() if _has(parameters, name)}
    for name, std in wanted.items():
        if not _has(parameters, name):
            raise BadInput(f"the cell has no number {name!r}", where="spread")
        if not 0 <= std < 2:
            raise OutOfRange(f"relative error {std!r} of {name}", expected="0 to 2")
    rng = np.random.default_rng(seed)
    factors = np.exp(rng.standard_normal((draws, len(wanted))) * list(wanted.values()))
    return tuple(_scaled(parameters, dict(zip(wanted, row, strict=True))) for row in factors)


def _has(parameters: CellParameters, name: str) -> bool:
    owner: CellParameters | Growth = parameters
    if name.startswith("growth."):
        owner, name = parameters.growth, name.removeprefix("growth.")
    there = name in {field.name for field in fields(owner)}
    return there and type(getattr(owner, name)) is float


def _scaled(parameters: CellParameters, factors: Mapping[str, float]) -> CellParameters:
    cell: dict[str, float] = {}
    growth: dict[str, float] = {}
    for name, factor in factors.items():
        short = name.removeprefix("growth.")
        owner = parameters if short == name else parameters.growth
        (cell if short == name else growth)[short] = float(getattr(owner, short) * factor)
    law = replace(parameters.growth, **growth)  # type: ignore[arg-type]  # only numbers change
    return replace(parameters, growth=law, **cell)  # type: ignore[arg-type]


def predict(
    samples: Sequence[CellParameters], protocol: Protocol, name: str = "as it is"
) -> Prediction:
    """Run the protocol on every sample; a third of a second each for 364 cycles.

    Raises BadInput without a sample, OutOfRange where one of them cannot follow the protocol.
    """
    if not samples:
        raise BadInput("a prediction needs one cell at least", where="predict")
    capacity, bound = [], []
    for sample in samples:
        history = run_protocol(Cell(sample), protocol)
        capacity.append(history.capacity_uah())
        bound.append([state.qe_uah for state in history.ends("discharge")])
    return Prediction(
        name=name, cycle=history.cycles,
        capacity_uah=readonly(np.quantile(capacity, LEVELS, axis=0)),
        qe_uah=readonly(np.quantile(bound, LEVELS, axis=0)), draws=len(samples),
    )  # fmt: skip


REMEDIES = ("as it is", "protective layer", "thin electrolyte", "saturated electrolyte")
"""The paper's outlook: a barrier for silicon, and an electrolyte that holds silicon already."""


def remedied(parameters: CellParameters, name: str, *, thin_nm: float = 200.0) -> CellParameters:
    """The cell with one remedy.

    ``protective layer``: no silicon passes; ``thin electrolyte``: ``thin_nm`` of it, resistance in
    proportion; ``saturated electrolyte``: silicon on all sites that can take it, from the making.
    Raises BadInput for another name.
    """
    growth = parameters.growth
    if name == "as it is":
        return parameters
    if name == "protective layer":
        blocked = InterlayerDiffusion(phase="none", li_per_silicon=growth.li_per_silicon)
        return replace(parameters, growth=blocked)
    if name == "thin electrolyte":
        share = thin_nm / parameters.electrolyte_nm
        return replace(
            parameters, electrolyte_nm=thin_nm,
            resistance_ohm_cm2=parameters.resistance_ohm_cm2 * share,
        )  # fmt: skip
    if name == "saturated electrolyte":
        return replace(parameters, growth=replace(growth, start=growth.saturation))
    raise BadInput(f"remedy {name!r} is not known", expected=", ".join(REMEDIES))


def what_if(
    samples: Sequence[CellParameters], protocol: Protocol, names: Sequence[str] = REMEDIES
) -> tuple[Prediction, ...]:
    """Predict every remedy with the same draws, so that their differences are the remedies'."""
    return tuple(
        predict([remedied(sample, name) for sample in samples], protocol, name) for name in names
    )
