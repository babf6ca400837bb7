"""Every figure, by name and in the order of the paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lidepth.show.drawing import Drawing
from lidepth.show.figures.campaign import (
    campaign,
    campaign_losses,
    campaign_map,
    nuisances,
)
from lidepth.show.figures.cycling import (
    capacity,
    composition,
    incremental_capacity,
    normalised_curves,
    voltage_curves,
)
from lidepth.show.figures.diagnostics import ensemble, modes, residual_strip
from lidepth.show.figures.interlayer import interlayer
from lidepth.show.figures.ledgers import ledger, ledger_methods
from lidepth.show.figures.maps import charged_map, discharged_map, operando_map, run_map
from lidepth.show.figures.profiles import charged_profiles, discharged_profiles, resolution
from lidepth.show.figures.quality import residuals, silicon, stack
from lidepth.show.figures.sensitivity import sensitivity
from lidepth.show.figures.setup import setup
from lidepth.show.figures.spectra import difference, pristine
from lidepth.show.figures.steadiness import quality

FIGURES: Mapping[str, Callable[..., Drawing]] = {
    "setup": setup,
    "pristine": pristine,
    "difference": difference,
    "voltage_curves": voltage_curves,
    "normalised_curves": normalised_curves,
    "capacity": capacity,
    "incremental_capacity": incremental_capacity,
    "composition": composition,
    "operando_map": operando_map,
    "run_map": run_map,
    "charged_map": charged_map,
    "discharged_map": discharged_map,
    "charged_profiles": charged_profiles,
    "discharged_profiles": discharged_profiles,
    "ledger": ledger,
    "ledger_methods": ledger_methods,
    "interlayer": interlayer,
    "silicon": silicon,
    "campaign": campaign,
    "campaign_map": campaign_map,
    "campaign_losses": campaign_losses,
    "residual_strip": residual_strip,
    "residuals": residuals,
    "stack": stack,
    "nuisances": nuisances,
    "quality": quality,
    "resolution": resolution,
    "modes": modes,
    "sensitivity": sensitivity,
    "ensemble": ensemble,
}
"""Figure functions in order; each takes an Analysis and returns a Drawing."""

CAMPAIGN = ("campaign", "campaign_map", "campaign_losses")
"""Figures of the section on the campaign as one measurement."""

DIAGNOSTICS = (
    "residual_strip", "residuals", "stack", "nuisances", "quality", "resolution", "modes",
    "sensitivity", "ensemble",
)  # fmt: skip
"""Figures of the section that says whether the analysis can be trusted."""

CYCLING: tuple[Callable[..., Drawing], ...] = (
    voltage_curves, normalised_curves, capacity, incremental_capacity, composition,
)  # fmt: skip
"""Figures of a cycler log; each takes an Analysis or an Electrochemistry."""

TAKES_TRUTH = frozenset({"ledger"})
"""Figures that can draw the truth of a simulated run beside what was found."""
