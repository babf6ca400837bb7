"""Everything that a cycler log says by itself, in one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lidepth.analysis.electrochemistry.agreement import all_parts
from lidepth.analysis.electrochemistry.composition import composition
from lidepth.analysis.electrochemistry.curves import (
    all_curves,
    incremental_capacity,
    shape_changes,
)
from lidepth.analysis.electrochemistry.cycles import find_cycles, nominal_capacity
from lidepth.analysis.electrochemistry.losses import exclude_losses
from lidepth.analysis.electrochemistry.steps import signs
from lidepth.model.calibration import FittedParameter
from lidepth.model.cycling import CyclerLog
from lidepth.model.electrochemistry import Composition, Direction, Electrochemistry
from lidepth.model.ledger import Ledger
from lidepth.model.result import Run
from lidepth.model.stack import Stack


def examine(
    log: CyclerLog,
    origin: np.datetime64 | None = None,
    *,
    begins: Direction | None = None,
    nominal_uah: float | None = None,
    stack: Stack | None = None,
    area_cm2: float = float("nan"),
    area_rel_std: float = 0.02,
    thickness_rel_std: Mapping[str, float] | None = None,
    ledger: Ledger | None = None,
) -> Electrochemistry:
    """Steps, cycles, curves and, with a stack and an area, compositions of a cycler log.

    Times count from ``origin``, the first row if None.  ``begins`` and ``nominal_uah`` as in
    ``find_cycles`` and ``Electrochemistry``; the rest as in ``composition``.
    Raises BadData for a log without any current.
    """
    start = log.time[0] if origin is None else origin
    cycles = find_cycles(log, start, begins=begins)
    curves = all_curves(log, cycles, start)
    return Electrochemistry(
        steps=all_parts(log, start),
        cycles=cycles,
        nominal_uah=nominal_uah or nominal_capacity(cycles),
        moved_uah=float(log.passed_uah[-1]),
        curves=curves,
        shapes=shape_changes(curves),
        incremental=tuple(incremental_capacity(c) for c in curves if c.cc_rows >= 5),
        composition=_composition(
            log, start, stack, area_cm2, area_rel_std, thickness_rel_std, ledger
        ),
        losses=exclude_losses(cycles, curves),
    )


def examine_run(
    run: Run, stack: Stack, common: Sequence[FittedParameter], ledger: Ledger
) -> Electrochemistry | None:
    """What the cycler log of a run says, with the stack, its errors and the ledger of an analysis.

    ``common`` are the fitted parameters that all states share.  None without a log or current.
    Cycles begin with a charge, as those of the ledger do.
    """
    if run.log is None or not np.any(signs(run.log.current_ua)):
        return None
    fitted = {p.name: p.std / p.value for p in common if p.value > 0}
    known: dict[str, float] = {
        layer.role: fitted.get(f"areal:{number}", layer.thickness_rel_std)
        for number, layer in enumerate(stack)
        if layer.role is not None
    }
    return examine(
        run.log, run.series.origin, begins="charge", stack=stack, area_cm2=run.area_cm2,
        area_rel_std=run.area_rel_std, thickness_rel_std=known, ledger=ledger,
    )  # fmt: skip


def _composition(
    log: CyclerLog, origin: np.datetime64, stack: Stack | None, area_cm2: float,
    area_rel_std: float, thickness_rel_std: Mapping[str, float] | None, ledger: Ledger | None,
) -> Composition | None:  # fmt: skip
    """None for a cell that Eq. 2 and 3 do not describe."""
    if stack is None or not np.isfinite(area_cm2):
        return None
    roles = {layer.role: layer for layer in stack}
    cathode, anode = roles.get("cathode"), roles.get("anode")
    charged = bool(np.any(log.current_ua > 0))
    if cathode is None or anode is None or anode.element_1e15("Si") <= 0 or not charged:
        return None
    if cathode.element_1e15("Li") <= 0:
        return None
    return composition(
        log, origin, stack, area_cm2, area_rel_std=area_rel_std,
        thickness_rel_std=thickness_rel_std, ledger=ledger,
    )  # fmt: skip
