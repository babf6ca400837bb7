"""Compositions of cathode and anode along time, from the charge alone.

Eq. 2 and 3 of Chen et al., Adv. Energy Mater. 8 (2018) 1801430: every electron that the cycler
moves takes one lithium out of Li(1-x)CoO2 and puts one into Li(y)Si.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.electrochemistry.steps import find_steps
from lidepth.constants import LI_ATOMS_PER_UAH
from lidepth.errors import BadData
from lidepth.model.cycling import CyclerLog
from lidepth.model.electrochemistry import Composition
from lidepth.model.ledger import REGIONS, Ledger
from lidepth.model.stack import Layer, Stack

Floats = NDArray[np.float64]

X_MOST = 0.5
"""Beyond it LiCoO2 loses oxygen and does not return to where it was."""
Y_MOST = 3.75
"""Li15Si4, the most lithiated silicon that forms at room temperature."""

_ROWS = 600  # of a composition: with both ends of every step enough for every figure


def composition(
    log: CyclerLog,
    origin: np.datetime64,
    stack: Stack,
    area_cm2: float,
    *,
    area_rel_std: float = 0.02,
    thickness_rel_std: Mapping[str, float] | None = None,
    ledger: Ledger | None = None,
) -> Composition:
    """Composition of cathode (x) and anode (y) from the start of the first charge on.

    x = Q / (F n_cathode) and y = (Q - Qe) / (F n_Si), with the net charge Q since then, the
    formula units n_cathode and silicon atoms n_Si of the whole electrode, and the lithium Qe that
    ``ledger`` finds in the electrolyte (between its states it grows with the charge that charging
    has moved; after the last it stays); without a ledger Qe is nought and y is an upper limit.
    ``thickness_rel_std`` maps "anode" and "cathode" to the relative standard uncertainty of what
    they hold; otherwise the stack's own of the thickness.
    Raises BadData for a stack without lithium in the cathode or silicon in the anode.
    """
    cathode, anode = stack.layer("cathode"), stack.layer("anode")
    silicon = anode.element_1e15("Si")
    if silicon <= 0 or cathode.material.fractions.get("Li", 0.0) <= 0:
        raise BadData(
            "x and y need a cathode with lithium and an anode with silicon", where=str(stack),
            expected="such as LiCoO2 and Si",
        )  # fmt: skip
    units = cathode.areal_density_1e15 / cathode.material.atoms_per_formula
    of_cathode, of_anode = (1e15 * n * area_cm2 / LI_ATOMS_PER_UAH for n in (units, silicon))
    rows, passed = _passed(log, origin)
    immobilised, immobilised_std = _immobilised(log, origin, rows, ledger)
    known = thickness_rel_std or {}
    scale_x, scale_y = (
        float(np.hypot(known.get(role, layer.thickness_rel_std), area_rel_std))
        for role, layer in (("cathode", cathode), ("anode", anode))
    )
    x, y = passed / of_cathode, (passed - immobilised) / of_anode
    return Composition(
        time_s=log.seconds(origin)[rows], x=x, x_std=np.abs(x) * scale_x, y=y,
        y_std=np.hypot(y * scale_y, immobilised_std / of_anode), immobilised_uah=immobilised,
        cathode_uah=of_cathode, anode_uah=of_anode, corrected=ledger is not None,
        x_most=X_MOST if _is_cobaltate(cathode) else 1.0, y_most=Y_MOST,
    )  # fmt: skip


def _is_cobaltate(layer: Layer) -> bool:
    return layer.material.fractions.get("Co", 0.0) > 0


def _passed(log: CyclerLog, origin: np.datetime64) -> tuple[NDArray[np.int64], Floats]:
    """Rows kept, and the net charge since the start of the first charge at each, in uAh."""
    first = next((s.first_row for s in find_steps(log, origin) if s.kind == "charge"), None)
    if first is None:
        raise BadData(
            "no charge in this log: x and y are counted from the start of the first",
            where=log.source,
        )  # fmt: skip
    steps = find_steps(log, origin)
    ends = [row for step in steps for row in (step.first_row, step.last_row) if row >= first]
    every = max(1, (log.time.size - first) // _ROWS)
    rows = np.unique([*range(first, log.time.size, every), *ends]).astype(np.int64)
    charge = log.charge_uah
    return rows, charge[rows] - charge[first]


def _immobilised(
    log: CyclerLog, origin: np.datetime64, rows: NDArray[np.int64], ledger: Ledger | None
) -> tuple[Floats, Floats]:
    """Lithium in the electrolyte at each row, and its standard uncertainty, in uAh."""
    if ledger is None or not len(ledger):
        return np.zeros(rows.size), np.zeros(rows.size)
    time = log.seconds(origin)
    hours = np.diff(time) / 3600.0
    charged = np.concatenate([[0.0], np.cumsum(np.clip(log.current_ua[:-1], 0.0, None) * hours)])
    column = REGIONS.index("electrolyte")
    order = np.argsort(ledger.time_s, kind="stable")
    at = np.interp(ledger.time_s[order], time, charged)
    # States of one cycle share a place on the axis: their mean is used, with the larger error.
    places, member = np.unique(np.round(at, 6), return_inverse=True)
    many = np.bincount(member)
    value = np.bincount(member, weights=ledger.values[order, column]) / many
    std = np.zeros(places.size)
    np.maximum.at(std, member, ledger.std[order, column])
    if places[0] > charged[rows[0]]:
        places = np.append(charged[rows[0]], places)
        value, std = np.append(0.0, value), np.append(0.0, std)
    return np.interp(charged[rows], places, value), np.interp(charged[rows], places, std)
