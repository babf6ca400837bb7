"""The paper's arithmetic, done again: inventories, areas, swelling, and where statements collide.

Every number is computed from the films of a ``CellParameters``; other thicknesses or densities give
other rows.  A row says what is printed, what comes out, and how the two go together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from lidepth.mechanism.depth import swollen_nm
from lidepth.mechanism.parameters import UAH_PER_1E15, CellParameters
from lidepth.model.material import atomic_mass_u

Verdict = Literal["agrees", "contradiction", "open", "number"]
HALF_X = 0.5
WITHOUT_SILICON = 8.0  # Li3PO4 + 8 Li -> Li3P + 4 Li2O
DWELL_H = 8.0 / 60.0
FILMS = 1.1  # thickness and density of two films are known to a tenth, not better


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """One line of the audit.

    ``printed`` is the paper's statement, empty where it makes none; ``value`` with ``unit`` what
    the arithmetic gives (nan where a statement is only read); ``verdict``: ``agrees``,
    ``contradiction``, ``open`` (cannot be decided from what is printed), or ``number`` for an
    inventory that the other rows use.
    """

    topic: str
    printed: str
    value: float
    unit: str
    verdict: Verdict
    remark: str


def audit(parameters: CellParameters | None = None) -> tuple[AuditRow, ...]:
    """Return every row for the films of a cell."""
    p = parameters or CellParameters()
    groups: tuple[Callable[[CellParameters], Iterator[AuditRow]], ...] = (
        _inventories, _limits, _areas, _electrolyte, _kappa, _swelling, _particles, _schedule,
        _ledger, _readings,
    )  # fmt: skip
    return tuple(row for group in groups for row in group(p))


def _row(
    topic: str, printed: str, value: float, unit: str, verdict: Verdict, remark: str
) -> AuditRow:
    return AuditRow(
        topic=topic, printed=printed, value=float(value), unit=unit, verdict=verdict, remark=remark
    )


def y_at_full_charge(
    parameters: CellParameters, qe_uah_cm2: float, kappa: float, x: float
) -> float:
    """Lithium per silicon that is left, when the cathode is at x and Qe is bound.

    Each bound lithium leaves the anode, and takes 1/kappa silicon along: below kappa = y the film
    gets fuller as lithium is lost.  Infinite where no silicon is left.
    """
    film = parameters.silicon_uah_cm2
    left = film - (qe_uah_cm2 / kappa if kappa > 0 else math.inf)
    return (x * parameters.cathode_uah_cm2 - qe_uah_cm2) / left if left > 0 else math.inf


def _inventories(p: CellParameters) -> Iterator[AuditRow]:
    cathode, film = p.cathode_uah_cm2, p.silicon_uah_cm2
    yield _row(
        "cathode", "550 nm LiCoO2, x to 0.5", HALF_X * cathode, "uAh/cm2", "number",
        f"up to x = 0.5, at {p.cathode_g_cm3:g} g/cm3; sputtered films are often less dense",
    )  # fmt: skip
    yield _row("silicon", "50 nm Si", film, "uAh/cm2 per y", "number",
               f"{3 * film:.3g} at y = 3, {3.75 * film:.3g} at y = 3.75")  # fmt: skip
    yield _row(
        "electrolyte", "2 um Li3PO4", 3.0 * p.site_uah_cm2_nm * p.electrolyte_nm, "uAh/cm2",
        "number",
        f"its own lithium, {3.0 * p.site_uah_cm2_nm * p.electrolyte_nm / (HALF_X * cathode):.2g} "
        "times what the cathode can give: a loss is a small change of it",
    )  # fmt: skip
    yield _row(
        "one charge per phosphorus", "", 1e3 * p.site_uah_cm2_nm, "nAh/cm2 per nm", "number",
        f"at {p.electrolyte_g_cm3:g} g/cm3; half of it where every other one is replaced",
    )  # fmt: skip


def _limits(p: CellParameters) -> Iterator[AuditRow]:
    full = HALF_X * p.cathode_uah_cm2
    ratio = 3.0 * p.silicon_uah_cm2 / full
    yield _row(
        "which electrode limits", "the cathode limits, 0 <= x <= 0.5 and 0 <= y <= 3", ratio,
        "anode / cathode", "agrees" if ratio * FILMS >= 1 else "contradiction",
        f"y = 3 takes {3 * p.silicon_uah_cm2:.3g}, x = 0.5 gives {full:.3g} uAh/cm2: the smaller "
        "limits; a tenth is allowed for the films",
    )  # fmt: skip
    for x in (0.5, 0.45):
        y = x * p.cathode_uah_cm2 / p.silicon_uah_cm2
        yield _row(
            f"y at x = {x:g}", "0 <= y <= 3", y, "Li per Si",
            "agrees" if y <= 3.0 * FILMS else "contradiction",
            "all lithium that left the cathode in the film; a tenth is allowed for the films",
        )  # fmt: skip


def _areas(p: CellParameters) -> Iterator[AuditRow]:
    full = HALF_X * p.cathode_uah_cm2
    by_rate, by_time = 10.0 / 0.15 / full, 60.0 / full
    yield _row("area from the rate", "10 uA is 0.15 C", by_rate, "cm2", "number",
               "if one C empties the cathode to x = 0.5")  # fmt: skip
    yield _row("area from the time", "6 h at 10 uA", by_time, "cm2", "number",
               "if the charge ends at x = 0.5")  # fmt: skip
    yield _row(
        "rate times time", "0.15 C for 6 h", 0.15 * 6.0, "of the capacity", "contradiction",
        f"not 1; both hold on {by_rate:.3g} cm2 if 4 V is reached at x = {0.9 * HALF_X:.2g}",
    )  # fmt: skip
    yield _row(
        "6 h and 3 h", "6 h at 10 uA, 3 h at 20 uA", 3.0 * 20.0 / (6.0 * 10.0), "ratio of charges",
        "contradiction",
        "the same charge before and after 30 cycles in which the capacity declines rapidly",
    )  # fmt: skip


def _electrolyte(p: CellParameters) -> Iterator[AuditRow]:
    full = HALF_X * p.cathode_uah_cm2
    for kappa in (1.0, 4.0):
        for lost in (5.0, 10.0, 20.0):
            share = 100.0 * lost / kappa / p.silicon_uah_cm2
            depth = lost / kappa / (HALF_X * p.site_uah_cm2_nm)
            yield _row(
                f"to bind {lost:g} uAh/cm2, {kappa:g} Li per Si", "", share, "% of all silicon",
                "contradiction" if share > 100 else "number",
                f"{100 * lost / full:.2g} % of the cathode; {depth:.3g} nm of electrolyte with "
                "silicon on every other phosphorus site",
            )  # fmt: skip
    depth = 10.0 / (WITHOUT_SILICON * p.site_uah_cm2_nm)
    yield _row(
        "to bind 10 uAh/cm2 without silicon", "", depth, "nm", "number",
        "Li3PO4 + 8 Li -> Li3P + 4 Li2O: lithium alone would do it in a thin layer",
    )  # fmt: skip
    silicon = 100.0 * 200.0 * HALF_X * p.site_uah_cm2_nm / p.silicon_uah_cm2
    yield _row(
        "to saturate 200 nm", "200 nm saturate early, with a very stable cycle life", silicon,
        "% of all silicon", "open",
        "silicon on every other phosphorus site of the half cell: half its film would be gone",
    )  # fmt: skip


def _kappa(p: CellParameters) -> Iterator[AuditRow]:
    full = HALF_X * p.cathode_uah_cm2
    yield _row(
        "most that one Li per Si can bind", "one lithium per silicon, large loss",
        p.silicon_uah_cm2, "uAh/cm2", "open",
        f"all silicon gone: {100 * p.silicon_uah_cm2 / full:.2g} % of the cathode at x = 0.5",
    )  # fmt: skip
    now = y_at_full_charge(p, 0.0, 1.0, 0.45)
    yield _row(
        "kappa below which the anode overfills", "cathode intact for 250 cycles, large loss", now,
        "Li per Si", "contradiction" if now > 1.0 else "agrees",
        "y at full charge, x = 0.45: with less lithium per moved silicon than that, every loss "
        "leaves the film fuller",
    )  # fmt: skip
    for lost in (2.0, 5.0):
        y = y_at_full_charge(p, lost, 1.0, 0.45)
        four = y_at_full_charge(p, lost, 4.0, 0.45)
        yield _row(
            f"y at full charge, {lost:g} uAh/cm2 bound", "silicon takes up to Li15Si4, y = 3.75",
            y, "Li per Si", "agrees" if y <= 3.75 else "contradiction",
            f"one Li per Si; with four it is {four:.3g}",
        )  # fmt: skip


def _swelling(p: CellParameters) -> Iterator[AuditRow]:
    for y in (2.7, 3.0):
        thick = swollen_nm(p, y)
        yield _row(
            f"thickness at y = {y:g}", "about 150 nm when charged", thick, "nm",
            "agrees" if abs(thick - 150.0) < 20.0 else "contradiction",
            f"{p.swelling_per_li:g} of the film per lithium (from memory: 8.9 to 12.06 mL/mol)",
        )  # fmt: skip
    mass = 3.0 * p.silicon_uah_cm2 / UAH_PER_1E15 * 1e15 / 6.02214076e23 * atomic_mass_u("Li") * 1e6
    yield _row(
        "lithium mass in the charged anode", "", mass, "ug/cm2", "number",
        "y = 3: slows every particle from below it, so differences of spectra have edges",
    )  # fmt: skip


def _particles(_: CellParameters) -> Iterator[AuditRow]:
    from lidepth.physics.reactions import reactions_of

    (reaction,) = reactions_of("6Li")
    energies = {p.projectile.name: p.energy_kev for p in (reaction.light, reaction.heavy)}
    yield _row(
        "alpha energy", "4He 2727 keV, 3H 2055 keV, respectively", energies["alpha"], "keV",
        "contradiction", f"exchanged: the triton has {energies['triton']:.0f} keV",
    )  # fmt: skip


def _schedule(_: CellParameters) -> Iterator[AuditRow]:
    hours = 2 * (2 * 6.0 + 2 * 1.0)
    yield _row(
        "spectra of two cycles", "about 90 spectra in the first two cycles", hours / DWELL_H,
        "spectra of 8 min", "contradiction",
        f"{hours:g} h with the rests, {hours + 20:g} h ({(hours + 20) / DWELL_H:.0f}) with the "
        "21 h rest; 90 spectra are 12 h",
    )  # fmt: skip
    yield _row(
        "storage and rest", "not driven by concentration: 3 weeks stored, 21 h rested", 21.0, "h",
        "open",
        "one rest, after the first charge, at one temperature; storage was before any lithium came",
    )  # fmt: skip
    yield _row(
        "rate of loss and current", "fast to cycle 30, slower after; 20 uA from 31", 31.0, "cycle",
        "open", "the current changes where the rate does: law and current are not told apart",
    )  # fmt: skip


def _ledger(p: CellParameters) -> Iterator[AuditRow]:
    capacity = 20.0
    yield _row(
        "CCCV and residue", "CCCV takes most of the residue (S3) and hardly adds capacity (S1)",
        100.0 * 2.0 / capacity, "% gained at most", "agrees",
        f"a residue of 2 of {capacity:g} uAh/cm2; both hold only while it is small",
    )  # fmt: skip
    own = 3.0 * p.site_uah_cm2_nm * p.electrolyte_nm
    yield _row(
        "error of Qe from counting", "", own / math.sqrt(20000.0), "uAh/cm2", "number",
        "one spectrum with 20000 counts from the whole electrolyte: look at the interface only",
    )  # fmt: skip
    yield _row(
        "Eq. 4 at n = 1", "Qi(n) = Ai(n) Qc(1) / Ac(1)", math.nan, "", "contradiction",
        "Ac(1) is the charged and Ac(n) the discharged state: at n = 1 they are not the same",
    )  # fmt: skip


def _readings(_: CellParameters) -> Iterator[AuditRow]:
    """Statements that are read, not computed."""
    readings: tuple[tuple[str, str, Verdict, str], ...] = (
        ("alpha particle", "4H", "contradiction", "4He is meant"),
        ("cut-offs", "3.00 and 4.00 V for charging and discharging", "contradiction",
         "4 V ends a charge, 3 V a discharge"),
        ("radii", "Li+ 0.128 nm, larger than Si 0.111 nm", "contradiction",
         "covalent radii; as ions 0.076 against 0.026-0.040 nm (from memory), so vacancies of "
         "lithium say nothing about silicon"),
        ("EDX", "Rayny EDX-800HS", "open",
         "a bench X-ray fluorescence unit; nm line scans need the microscope's own detector"),
        ("XPS depth", "sputter cycles until the Cu surface", "open",
         "Cu lies above the silicon: that anchors the lid, not silicon or electrolyte"),
        ("length", "250 cycles in Fig. 3, 350 CC, 364 CCCV", "open",
         "losses are compared at different currents"),
        ("phosphorus", "silicon replaces phosphorus", "open",
         "where the phosphorus goes is not said; P 2p is not shown"),
    )  # fmt: skip
    for topic, printed, verdict, remark in readings:
        yield _row(topic, printed, math.nan, "", verdict, remark)
