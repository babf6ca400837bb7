"""What the paper states about its cell, held against the model: a table that anybody can rerun.

The paper's text prints few numbers, so most limits are ours; each row says why its limit is what it
is.  The kinetics of the default cell were set by hand to the first row, and its diffusivity to the
rows about growth: that they hold is a proof of existence, no evidence for the mechanism.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from lidepth.mechanism.cell import Cell
from lidepth.mechanism.depth import interlayer_nm
from lidepth.mechanism.history import CellHistory, run_protocol
from lidepth.mechanism.modes import (
    curve_change_mv,
    half_cell,
    half_cell_protocol,
    saturation,
)  # fmt: skip
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.protocol import HOUR_S, paper_protocol

STORAGE_S = 21 * 24 * HOUR_S
HALF_CELL_CYCLES = 30


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One statement: where the paper makes it, the model's number and what would be accepted."""

    name: str
    statement: str
    where: str
    value: float
    unit: str
    low: float
    high: float
    reason: str

    @property
    def holds(self) -> bool:
        """Whether the model's number is within the limits."""
        return self.low <= self.value <= self.high

    @property
    def verdict(self) -> str:
        """``holds`` or ``does not hold``."""
        return "holds" if self.holds else "does not hold"


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """All rows, and the run that they were read from."""

    rows: tuple[Fact, ...]
    history: CellHistory

    @property
    def failing(self) -> tuple[str, ...]:
        """Names of the rows that do not hold."""
        return tuple(row.name for row in self.rows if not row.holds)


def facts(parameters: CellParameters | None = None) -> Facts:
    """Run storage, the paper's 364 cycles and the 200 nm half cell; a second or two."""
    cell = Cell(parameters)
    history = run_protocol(cell, paper_protocol(storage_s=STORAGE_S))
    groups: tuple[Callable[[CellHistory], Iterator[Fact]], ...] = (
        _first_charge, _growth, _long_run, _curves, _silicon, _half_cell,
    )  # fmt: skip
    return Facts(rows=tuple(row for group in groups for row in group(history)), history=history)


def _row(
    name: str, statement: str, where: str, value: float, unit: str, low: float, high: float,
    reason: str,
) -> Fact:  # fmt: skip
    return Fact(
        name=name, statement=statement, where=where, value=float(value), unit=unit, low=low,
        high=high, reason=reason,
    )  # fmt: skip


def _first_charge(h: CellHistory) -> Iterator[Fact]:
    p = h.parameters
    hours = h.capacity_uah("charge")[0] / 10.0
    yield _row(
        "first charge", "6 h at 10 uA", "experimental", hours, "h", 5.7, 6.3,
        "printed as a whole hour; 5 % for area and films",
    )  # fmt: skip
    half = 0.5 * p.cathode_uah_cm2 * p.area_cm2
    yield _row(
        "rate", "10 uA is 0.15 C", "results, Fig. 1c", 10.0 / half, "1/h", 0.14, 0.16,
        "two printed digits, and 5 % for area and films; capacity up to x = 0.5",
    )  # fmt: skip
    hours = h.capacity_uah("charge")[30] / 20.0
    yield _row(
        "3 h at 20 uA", "6 h and 3 h for 10 and 20 uA", "experimental", hours, "h", 2.7, 3.3,
        "10 %; the 30 lossy cycles before it are in the way",
    )  # fmt: skip
    storage = h.states[1].moved_silicon_uah / p.area_cm2 / p.site_uah_cm2_nm / p.growth.saturation
    yield _row(
        "storage", "three weeks at open circuit mix nothing", "results, Fig. 5", storage, "nm", 0,
        1,
        "in nm of saturated electrolyte: XPS and EDX would see some nm",
    )  # fmt: skip


def _growth(h: CellHistory) -> Iterator[Fact]:
    charged, discharged = h.ends("charge"), h.ends("discharge")
    first = charged[0].qe_uah
    share = 100.0 * first / charged[0].qc_uah
    yield _row(
        "interlayer after the first charge", "extra lithium at the interface", "Fig. 1c", share,
        "% of the charge", 1.0, 15.0,
        "less would be invisible in one charged state, more would be called a peak of its own",
    )  # fmt: skip
    kept = 100.0 * discharged[0].qe_uah / first if first else math.nan
    yield _row(
        "kept on discharge", "the interlayer also exists when discharged", "Fig. 1c, 4c", kept, "%",
        95, 105, "equal by eye",
    )  # fmt: skip
    phases = h.protocol.phases
    k = next(i for i, phase in enumerate(phases) if phase.kind == "rest" and phase.cycle == 1)
    grown = h.states[k + 1].qe_uah - h.states[k].qe_uah
    share = 100.0 * grown / first if first else 0.0
    yield _row(
        "long rest", "no growth in 21 h at rest", "Fig. 5c", share,
        "% of Qe(1)", -10, 10, "158 spectra of 8 min see about a tenth of a first interlayer",
    )  # fmt: skip
    last = max(i for i, phase in enumerate(phases) if phase.cycle <= 30)
    by_kind = {"charge": 0.0, "rest": 0.0, "discharge": 0.0}
    for i in range(last + 1):
        by_kind[phases[i].kind] += h.states[i + 1].qe_uah - h.states[i].qe_uah
    total = sum(by_kind.values())
    yield _row(
        "growth on charge only", "grows while charging, not while discharging", "Fig. 5b, d",
        100.0 * by_kind["charge"] / total if total else math.nan, "% of the growth to cycle 30",
        95, 105, "the maps show nothing on discharge; a twentieth would hide in them",
    )  # fmt: skip


def _long_run(h: CellHistory) -> Iterator[Fact]:
    capacity = h.capacity_uah()
    charged, discharged = h.ends("charge"), h.ends("discharge")
    early = (capacity[0] - capacity[29]) / 29.0
    late = (capacity[30] - capacity[249]) / 219.0
    yield _row(
        "fast, then slower", "declines rapidly for 30 cycles, then at a lower rate", "Fig. 2, S1",
        early / late if late > 0 else math.inf, "early / late loss per cycle", 2.0, math.inf,
        "a change of slope that is seen by eye",
    )  # fmt: skip
    residue = np.array([state.qa_uah for state in discharged[:250]])
    missing = discharged[249].qc_uah
    yield _row(
        "residue", "lithium left in the anode is about constant", "Fig. 3e",
        100.0 * float(np.ptp(residue)) / missing, "% of Qc(250), range", 0, 10,
        "by eye, on an axis that reaches Qc(250)",
    )  # fmt: skip
    x = np.array([state.x for state in charged[:250]])
    yield _row(
        "cathode intact", "the charged cathode keeps its depth for 250 cycles", "Fig. 3a",
        100.0 * float(np.ptp(x)) / x[0], "% of x, range", 0, 5, "a colour scale shows no less",
    )  # fmt: skip
    yield _row(
        "balance", "Qc = Qa + Qe", "Fig. 3e", h.balance(), "of the cathode's lithium", 0, 1e-8,
        "holds by construction; rounding only",
    )  # fmt: skip
    lost = capacity[0] - capacity[249]
    shown = discharged[249].qc_uah - discharged[0].qc_uah
    yield _row(
        "ledger and capacity", "Qc(n) matches the decay of the capacity", "Fig. 3e, S1",
        100.0 * (shown / lost - 1.0) if lost > 0 else math.nan, "%", -10, 10, "very well: a tenth",
    )  # fmt: skip
    yield _row(
        "CCCV", "hardly more capacity at constant voltage", "Fig. S1",
        100.0 * (capacity[363] / capacity[349] - 1.0), "% gained, cycle 364 over 350", -1, 10,
        "hardly: a tenth; the residue alone must come out, Fig. S3",
    )  # fmt: skip


def _curves(h: CellHistory) -> Iterator[Fact]:
    for first, last, where in ((1, 30, "Fig. 2b"), (31, 350, "Fig. 2d")):
        worst = max(
            curve_change_mv(h, first, last, "charge"), curve_change_mv(h, first, last, "discharge")
        )
        yield _row(
            f"normalised curves {first} to {last}", "their shape changes only slightly", where,
            worst, "mV rms, worse of both halves", 0, 40, "of 1 V full scale: slight",
        )  # fmt: skip


def _silicon(h: CellHistory) -> Iterator[Fact]:
    charged = h.ends("charge")
    yield _row(
        "y at full charge", "0 <= y <= 3", "Eq. 3", max(s.y for s in charged[:250]), "Li per Si",
        2.7, 3.3, "10 %: thickness and density of both electrodes",
    )  # fmt: skip
    yield _row(
        "swelling", "the anode is about 150 nm thick when charged", "Fig. 4b", charged[0].anode_nm,
        "nm", 130, 170, "about: 13 %, by sputter time",
    )  # fmt: skip
    yield _row(
        "less in the anode", "the charged anode holds significantly less", "Fig. 3a",
        charged[249].qa_uah / charged[0].qa_uah, "cycle 250 / 1", 0, 0.85,
        "dark red to light red on the map",
    )  # fmt: skip
    depth = [interlayer_nm(charged[n]) for n in (0, 249)]
    yield _row(
        "the layer grows", "the interlayer increases dramatically", "Fig. 3c, d",
        depth[1] / depth[0] if depth[0] else math.nan, "thickness 250 / 1", 3, math.inf,
        "dramatically: at least threefold",
    )  # fmt: skip


def _half_cell(h: CellHistory) -> Iterator[Fact]:
    thin = half_cell(h.parameters)
    run = run_protocol(Cell(thin), half_cell_protocol(HALF_CELL_CYCLES))
    yield _row(
        "200 nm half cell", "200 nm of Li3PO4 saturate in the initial stages", "results, ref. 38",
        100.0 * saturation(run.states[-1]), f"% saturated after {HALF_CELL_CYCLES} cycles", 90,
        100.1, "initial: as long as the fast stage of the full cell; saturated: nine tenths",
    )  # fmt: skip
