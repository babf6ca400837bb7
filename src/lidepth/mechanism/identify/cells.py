"""Model cells from what was identified, to be run and to predict with."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from lidepth.mechanism.growth import Growth, InterlayerDiffusion, Phase, ReducedLaw
from lidepth.mechanism.identify.clocks import CLOCK_UA_CM2, Drive
from lidepth.mechanism.identify.laws import Shape, uptake
from lidepth.mechanism.identify.priors import Numbers
from lidepth.mechanism.parameters import CellParameters


def cell_of(
    films: CellParameters, n: Numbers, k: int, *, shape: Shape | None, drive: Drive | None,
    clock_end: float, charged_end: float,
) -> CellParameters:  # fmt: skip
    """The cell of draw ``k``.

    ``clock_end`` of the hypothesis and ``charged_end`` (uAh/cm2 charged) are those of the campaign
    in which sizes are expressed.
    """
    return replace(
        films,
        silicon_nm=films.silicon_nm * float(n.silicon_film[k]),
        cathode_nm=films.cathode_nm * float(n.cathode_film[k]),
        resistance_ohm_cm2=films.resistance_ohm_cm2 * float(n.resistance[k]),
        resistance_growth_cm2_uah=float(n.resistance_gain[k]) / charged_end,
        cathode_loss_cm2_uah=float(-np.log1p(-n.cathode_loss[k])) / charged_end,
        growth=_growth(films, n, k, shape, drive, clock_end),
    )


def _growth(
    films: CellParameters, n: Numbers, k: int, shape: Shape | None, drive: Drive | None, end: float
) -> Growth:
    if shape is None or drive is None:
        return InterlayerDiffusion(phase="none")
    moved, kappa = float(n.growth_uah_cm2[k] / n.kappa[k]), float(n.kappa[k])
    # Cycles have no place in the cell's clocks; charge is what comes nearest.
    phase = cast("Phase", "charge" if drive == "cycle" else drive)
    number = float(shape.value(n.shape_z[k : k + 1])[0])
    if shape.name == "diffusion":
        law = InterlayerDiffusion(phase=phase, li_per_silicon=kappa, clock_ua_cm2=CLOCK_UA_CM2)
        full = films.site_uah_cm2_nm * law.saturation * float(uptake(np.array([number]))[0])
        reach = moved / full  # Dc / k, nm
        spread = (number * reach) ** 2 / end
        return replace(law, diffusivity_nm2_cm2_uah=spread, inlet_nm_cm2_uah=spread / reach)
    unit = ReducedLaw(
        phase=phase, li_per_silicon=kappa, clock_ua_cm2=CLOCK_UA_CM2, law=shape.name,
        amplitude_uah_cm2=1.0, exponent=number if shape.name == "power" else 0.5,
        scale_uah_cm2=end if shape.name in ("sqrt", "power") else number * end,
    )  # fmt: skip
    return replace(unit, amplitude_uah_cm2=moved / unit.silicon_uah_cm2(end))
