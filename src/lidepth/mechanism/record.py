"""The history of a model cell as a record: what an instrument needs of it, and no more.

A history has thousands of rows, and lithium and silicon by depth only where a phase ends.  A record
has them at nodes that are straight in between: as few as the contents of the cell need.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import OutOfRange
from lidepth.mechanism.cell import Cell, CellState, Engine
from lidepth.mechanism.depth import profile_of
from lidepth.mechanism.growth import Growth, ReducedLaw
from lidepth.mechanism.history import CellHistory, run_protocol
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.protocol import Phase, Protocol
from lidepth.model.cell_record import CellRecord
from lidepth.model.cycling import Step, StepKind, StepMode

Floats = NDArray[np.float64]
_FEW_CYCLES = 30  # a cycle costs NumPy an eighth of a second; compiling costs some nine, once
_INSTANT_S = 1e-3  # a shorter phase did not happen
_APART_S = 10.0  # nodes are no closer than this within a phase, of which a cycler moves 0.03 uAh


def record_of(
    history: CellHistory, *, within: float = 2e-4, engine: Engine = "numba"
) -> CellRecord:
    """Reduce a history to nodes between which everything is linear in time.

    ``within``: how far the contents between nodes may be off, as a share of the most lithium that
    the cathode ever misses; the default is 0.01 uAh of a cell of 50, a hundredth of what a run of
    three cycles can tell.  Profiles are computed at the nodes by running each phase again on
    ``engine``.  Raises OutOfRange where nothing happened.
    """
    kept = _phases(history)
    times = np.concatenate([_times(history, k, within) for k in kept])
    node_s, first = np.unique(times, return_index=True)
    states = [history.state_at(float(times[k]), engine=engine) for k in first]
    origin_s = float(_limits(history)[kept[0]])
    contents = np.array([[s.qa_uah, s.qe_uah, s.qc_uah] for s in states])
    bound, silicon, film = _by_depth(states)
    return CellRecord(
        films=history.parameters.layers, area_cm2=history.parameters.area_cm2,
        steps=_steps(history, kept), node_s=node_s - origin_s, contents_uah=contents,
        edges_nm=history.parameters.electrolyte_edges_nm, bound_1e15=bound, silicon_1e15=silicon,
        film_1e15=film, row_s=history.time_s - origin_s, voltage_v=history.voltage_v,
        charge_uah=history.qc_uah - history.states[0].qc_uah,
        parameters=_told(history.parameters),
    )  # fmt: skip


def record_cell(parameters: CellParameters, protocol: Protocol) -> CellRecord:
    """Run a cell and record it, by the engine that is sooner done from a standing start.

    Raises OutOfRange and NotConverged as :func:`~lidepth.mechanism.history.run_protocol` does.
    """
    short = max(phase.cycle for phase in protocol.phases) <= _FEW_CYCLES
    engine: Engine = "numpy" if short else "numba"
    history = run_protocol(Cell(parameters, engine=engine), protocol)
    return record_of(history, engine=engine)


def _limits(history: CellHistory) -> Floats:
    """When the first phase began and when each ended, in s, (phases + 1,)."""
    return np.array([state.time_s for state in history.states])


def _phases(history: CellHistory) -> list[int]:
    """Numbers of the phases that took place."""
    kept = [int(k) for k in np.nonzero(np.diff(_limits(history)) > _INSTANT_S)[0]]
    if not kept:
        raise OutOfRange(
            "nothing happens in this protocol", where="protocol",
            expected="a phase of more than a millisecond",
        )  # fmt: skip
    return kept


def _times(history: CellHistory, phase: int, within: float) -> Floats:
    """Moments of one phase, both ends included, between which its contents are straight."""
    start, stop = _limits(history)[[phase, phase + 1]]
    ours = (history.phase == phase) & (history.time_s > start + _APART_S)
    ours &= history.time_s < stop - _APART_S
    ends = [_contents(state) for state in history.states[phase : phase + 2]]
    inner = np.stack([getattr(history, name)[ours] for name in _CONTENTS], axis=1)
    time = np.concatenate([[start], history.time_s[ours], [stop]])
    values = np.concatenate([ends[:1], inner, ends[1:]])
    most = max(float(history.qc_uah.max()), 1e-6)
    return np.asarray(time[_corners(time, values, within * most)])


_CONTENTS = ("qa_uah", "qe_uah", "qc_uah", "silicon_uah")


def _contents(state: CellState) -> list[float]:
    return [state.qa_uah, state.qe_uah, state.qc_uah, state.moved_silicon_uah]


def _corners(time: Floats, values: Floats, within: float) -> list[int]:
    """Rows of ``values`` (n, k) that a line through them misses nowhere by more than ``within``.

    U. Ramer, Comput. Graph. Image Process. 1 (1972) 244: split where the line is worst.
    """
    kept, open_ = {0, time.size - 1}, [(0, time.size - 1)]
    while open_:
        a, b = open_.pop()
        if b - a < 2:
            continue
        share = ((time[a + 1 : b] - time[a]) / (time[b] - time[a]))[:, None]
        line = values[a] + share * (values[b] - values[a])
        off = np.abs(values[a + 1 : b] - line).max(axis=1)
        worst = int(np.argmax(off))
        if off[worst] > within:
            kept.add(a + 1 + worst)
            open_ += [(a, a + 1 + worst), (a + 1 + worst, b)]
    return sorted(kept)


def _by_depth(states: list[CellState]) -> tuple[Floats, Floats, Floats]:
    """Bound lithium and silicon of the electrolyte, (nodes, cells), and the film's, (nodes,)."""
    profiles = [profile_of(state) for state in states]
    electrolyte, film = profiles[0].layer == 1, profiles[0].layer == 0
    bound = [(p.lithium_1e15 - p.pristine_li_1e15)[electrolyte] for p in profiles]
    silicon = [p.silicon_1e15[electrolyte] for p in profiles]
    left = [p.silicon_1e15[film].sum() for p in profiles]
    return np.array(bound), np.array(silicon), np.array(left)


def _steps(history: CellHistory, kept: list[int]) -> tuple[Step, ...]:
    limits = _limits(history) - _limits(history)[kept[0]]
    ends = [0.0, *limits[[k + 1 for k in kept]].tolist()]
    return tuple(
        _step(history.protocol.phases[k], ends[i], ends[i + 1], float(history.charges[k]))
        for i, k in enumerate(kept)
    )


def _step(phase: Phase, start_s: float, stop_s: float, charge_uah: float) -> Step:
    """One phase as a cycler's step; storage before the first cycle is pristine."""
    kind: StepKind = "pristine" if phase.kind == "rest" and phase.cycle == 0 else phase.kind
    mode: StepMode = "CV" if phase.current_ua is None else "CC" if phase.current_ua else "rest"
    mean = charge_uah / (stop_s - start_s) * 3600.0
    current = mean if phase.current_ua is None else phase.current_ua
    return Step(
        kind=kind, cycle=phase.cycle, start_s=start_s, stop_s=stop_s, charge_uah=charge_uah,
        current_ua=current, mode=mode,
    )  # fmt: skip


def _told(parameters: CellParameters) -> dict[str, Any]:
    """Every number and word that is true of the cell; its growth apart."""
    return _plain(parameters) | {"growth": growth_words(parameters.growth)}


def growth_words(growth: Growth) -> dict[str, Any]:
    """Law and numbers of a growth by name; ``law`` is diffusion where depth is resolved."""
    law = growth.law if isinstance(growth, ReducedLaw) else "diffusion"
    return {"law": law} | _plain(growth)


def _plain(thing: CellParameters | Growth) -> dict[str, Any]:
    values = {f.name: getattr(thing, f.name) for f in fields(thing)}
    return {name: v for name, v in values.items() if isinstance(v, int | float | str)}
