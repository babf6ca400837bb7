"""The answer to each question: which model, which parameters, which unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.invert import lithium_per_uah
from lidepth.analysis.planning import depths
from lidepth.analysis.planning.answer import Answer
from lidepth.analysis.planning.beam import WIDEST_DEG
from lidepth.analysis.planning.cell import (
    EDGE_NM,
    PlannedCell,
    amount_rows,
    amounts_design,
    planned_cell,
    slab_design,
)
from lidepth.analysis.planning.growth import GrowthDesign, growth_design
from lidepth.analysis.planning.information import Design, Known
from lidepth.analysis.planning.layers import LayerModel, layer_model
from lidepth.analysis.planning.protocol import Description, Protocol
from lidepth.analysis.planning.questions import Question
from lidepth.analysis.planning.solve import Knobs, answer, error_or_infinite, largest
from lidepth.errors import UsageError
from lidepth.physics.stopping import StoppingSource

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]

_NARROWEST_NM, _WIDEST_NM, _WIDTHS = 10.0, 500.0, 12


def plan(
    described: Description,
    protocol: Protocol,
    source: StoppingSource,
    questions: Sequence[Question],
    *,
    progress: Progress | None = None,
) -> tuple[Answer, ...]:
    """Answer every question about a measurement as described and planned.

    Raises UsageError for a question that does not go with the stack, and BadData where the spectra
    could never decide.
    """
    bench = Bench(described=described, protocol=protocol, source=source)
    geometry = described.geometry
    knobs = Knobs(
        count_s=protocol.count_s, cycles=1, fwhm_kev=described.instrument.detector.fwhm_kev
    )
    answers = []
    for number, question in enumerate(questions):
        if progress is not None:
            progress(question.text, number / len(questions))
        asked = _asked(bench, question)
        turned = replace(knobs, cycles=protocol.cycles) if asked.by_cycles else knobs
        distance = geometry.distance_cm if geometry is not None else math.nan
        answers.append(answer(asked, turned, question=question.text, distance_cm=distance))
    return tuple(answers)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The described measurement at other distances and resolutions, each made once."""

    described: Description
    protocol: Protocol
    source: StoppingSource
    _cells: dict[float, PlannedCell] = field(default_factory=dict)
    _layers: dict[float, LayerModel] = field(default_factory=dict)

    @cached_property
    def spread_deg(self) -> float:
        """Spread of exit angles as planned: as described, or as the geometry has it."""
        stated = self.described.instrument.exit_angle_spread_deg
        geometry = self.described.geometry
        if stated > 0 or geometry is None:
            return stated
        return min(geometry.angle_spread_deg, WIDEST_DEG)

    def spread_at(self, nearness: float) -> float:
        """Spread of exit angles at a multiple of the planned distance."""
        return min(self.spread_deg / nearness, 29.0)

    def rate_at(self, nearness: float) -> float:
        """Factor on every count rate at a multiple of the planned distance."""
        geometry = self.described.geometry
        if geometry is None:
            return nearness**-2
        return geometry.at(geometry.distance_cm * nearness).solid_angle_sr / geometry.solid_angle_sr

    def too_near(self, nearness: float) -> bool:
        """Whether exit angles would spread too far for the widths to be computed."""
        return self.spread_deg / nearness > WIDEST_DEG

    def cell(self, at: Knobs) -> PlannedCell:
        """The lithium cell before this detector."""
        spread = self.spread_at(at.nearness)
        if spread not in self._cells:
            instrument = replace(self.described.instrument, exit_angle_spread_deg=spread)
            described = replace(self.described, instrument=instrument)
            first = next(iter(self._cells.values()), None)
            self._cells[spread] = (
                planned_cell(described, self.protocol, self.source) if first is None
                else first.with_spread(spread, self.source)
            )  # fmt: skip
        return self._cells[spread].with_fwhm(at.fwhm_kev)

    def layers(self, at: Knobs) -> LayerModel:
        """Any stack before this detector."""
        spread = self.spread_at(at.nearness)
        if spread not in self._layers:
            instrument = replace(self.described.instrument, exit_angle_spread_deg=spread)
            described = replace(self.described, instrument=instrument)
            self._layers[spread] = layer_model(described, self.protocol, self.source)
        return self._layers[spread].with_fwhm(at.fwhm_kev)


@dataclass(frozen=True, kw_only=True)
class ByDesign:
    """A question whose error is that of one row of a Design."""

    bench: Bench
    quantity: str
    unit: str
    target: float
    design: Callable[[Knobs], Design]
    row: Callable[[Design], Floats]
    scale: float
    never_known: tuple[str, ...]
    coulometry: bool = False
    averages: bool = False
    remarks: tuple[str, ...] = ()
    always_known: tuple[str, ...] = ()
    by_cycles: bool = False
    _made: dict[tuple[float, float], Design] = field(default_factory=dict)

    def asked(self, name: str) -> bool:
        """Whether a parameter is part of what is asked."""
        return name.startswith(self.never_known)

    def tied(self) -> bool:
        """Whether coulometry and conservation take part."""
        return self.coulometry

    def seconds(self, cycles: int) -> float:
        """Counting time of so many states."""
        return cycles * self.bench.protocol.count_s

    def std(self, at: Knobs, known: Known | None = None, *, tied: bool = True) -> float:
        """Standard uncertainty; infinite nearer than the widths can be computed."""
        if self.bench.too_near(at.nearness):
            return math.inf
        key = (at.nearness if self.bench.spread_deg > 0 else 1.0, at.fwhm_kev)
        if key not in self._made:
            self._made[key] = self.design(at)
        design, rate = self._made[key], self.bench.rate_at(at.nearness)

        def given(name: str) -> bool:
            return name in self.always_known or (known is not None and known(name))

        return self.scale * design.std(
            self.row(design), count_s=rate * at.count_s, states=at.cycles,
            pristine_s=rate * self.bench.protocol.pristine_s, known=given,
            tied=tied and self.coulometry, others_tied=tied and self.bench.protocol.tied,
            others_s=rate * self.bench.protocol.rest_s,
            more=max(at.cycles / self.bench.protocol.cycles, 1.0),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ByGrowth:
    """The question in which phase lithium gets lost."""

    bench: Bench
    quantity: str
    target: float
    place: str
    unit: str = ""
    averages: bool = False
    by_cycles: bool = True
    remarks: tuple[str, ...] = ()
    _made: dict[tuple[float, float], GrowthDesign] = field(default_factory=dict)

    def asked(self, name: str) -> bool:
        """Whether a parameter is part of what is asked."""
        return name == "contrast"

    def tied(self) -> bool:
        """Coulometry cannot be left out: it says what the anode holds."""
        return False

    def _design(self, at: Knobs) -> GrowthDesign:
        key = (at.nearness if self.bench.spread_deg > 0 else 1.0, at.fwhm_kev)
        if key not in self._made:
            most = max(4 * self.bench.protocol.cycles, 100)
            self._made[key] = growth_design(self.bench.cell(at), most_cycles=most, place=self.place)
        return self._made[key]

    def seconds(self, cycles: int) -> float:
        """Beam time of so many cycles."""
        return next(iter(self._made.values())).cycle_s(cycles)

    def std(self, at: Knobs, known: Known | None = None, *, tied: bool = True) -> float:  # noqa: ARG002
        """Standard uncertainty of the contrast."""
        if self.bench.too_near(at.nearness):
            return math.inf
        rate = self.bench.rate_at(at.nearness)
        pristine_s = self.bench.protocol.pristine_s
        return self._design(at).std(
            cycles=int(at.cycles), rate=rate, pristine_s=pristine_s, known=known
        )


def _asked(bench: Bench, question: Question) -> ByDesign | ByGrowth:
    if question.for_cells and not bench.described.has_roles:
        raise UsageError(
            f"{question.text!r} is about a lithium cell", where="--question",
            expected="layers with role: anode, role: electrolyte, role: cathode, and 6Li",
            remedy="ask for '2 % in LAYER', 'layer of 20 nm at 300 nm' or 'resolution at 300 nm'",
        )  # fmt: skip
    if question.kind == "loss":
        return _loss(bench, question)
    if question.kind in ("interlayer", "thickness", "edge"):
        return _interlayer(bench, question)
    if question.kind == "growth":
        return ByGrowth(
            bench=bench, target=1.0 / question.sigma, place=question.place,
            quantity="charge minus discharge share of the loss",
            remarks=("the depth of the interlayer and the charge are taken as known",),
        )  # fmt: skip
    return _in_layers(bench, question)


def _loss(bench: Bench, question: Question) -> ByDesign:
    protocol, first = bench.protocol, bench.cell(_usual(bench))
    scale = 100.0 / first.first_1e15 if question.unit == "%" else 1.0 / lithium_per_uah(first.run)
    amount = question.amount / scale / first.first_1e15
    spectrum_only = question.place == "cathode"
    holds = {"anode": protocol.residue, "electrolyte": protocol.loss}
    holds[question.place] = amount
    rows = amount_rows(first)
    remarks = [f"the first charge is taken as {first.first_uah:.4g} uAh"]
    if spectrum_only:
        remarks.append("by the spectrum alone: the charge says it without any")

    def design(at: Knobs) -> Design:
        return amounts_design(
            bench.cell(at), anode=holds["anode"], electrolyte=holds["electrolyte"]
        )

    asked = {"anode": ("anode",), "electrolyte": ("hat", "profile"), "cathode": ("cathode",)}
    return ByDesign(
        bench=bench, quantity=f"lithium {'missing from' if spectrum_only else 'in'} the "
        f"{question.place}", unit="% of the first charge" if question.unit == "%" else "uAh",
        target=question.amount / question.sigma, design=design,
        row=lambda _: rows[question.place], scale=scale, never_known=asked[question.place],
        coulometry=protocol.tied and not spectrum_only, averages=True, remarks=tuple(remarks),
    )  # fmt: skip


def _interlayer(bench: Bench, question: Question) -> ByDesign:
    first = bench.cell(_usual(bench))
    electrolyte = first.run.stack.layer("electrolyte")
    per_nm = electrolyte.element_1e15("Li") / electrolyte.thickness_nm
    amount = per_nm * question.amount
    seen = question.kind == "interlayer"
    name = "interlayer" if seen else question.kind
    edge_nm = min(EDGE_NM, 0.5 * question.amount)

    def design(at: Knobs) -> Design:
        return slab_design(
            bench.cell(at), anode=bench.protocol.residue, edge_nm=edge_nm,
            lithium_1e15=0.0 if seen else amount, thickness_nm=question.amount,
        )  # fmt: skip

    quantity = {"interlayer": "lithium in the interlayer", "thickness": "interlayer thickness",
                "edge": "width of the interlayer's edge"}[name]  # fmt: skip
    return ByDesign(
        bench=bench, quantity=quantity, unit="nm", design=design, coulometry=bench.protocol.tied,
        target=question.amount / question.sigma if seen else question.to,
        row=lambda made: _unit(made, name), scale=1.0 / per_nm if seen else 1.0,
        never_known=(name,), always_known=("thickness", "edge") if seen else (),
        averages=True, remarks=(
            f"it holds as much extra lithium as the electrolyte itself: {amount:.4g}e15 Li/cm2",
        ),
    )  # fmt: skip


def _in_layers(bench: Bench, question: Question) -> ByDesign:
    model = bench.layers(_usual(bench))
    isotope = bench.described.instrument.isotope
    target, remarks = question.to, []
    if question.kind == "content":
        number = depths.named_layer(model, question.place)
        name, quantity = f"amount:{number}", f"{isotope} in {model.stack.layers[number].name}"

        def design(at: Knobs) -> Design:
            return depths.content_design(bench.layers(at))

        remarks.append(f"the rate is known to {100 * bench.protocol.reference_std:.3g} % from a "
                       "reference sample")  # fmt: skip
    elif question.kind == "layer":
        name, target = depths.ADDED, 100.0 / question.sigma
        quantity = f"{isotope} in {question.amount:g} nm at {question.depth_nm:g} nm"

        def design(at: Knobs) -> Design:
            return depths.thin_layer_design(
                bench.layers(at), depth_nm=question.depth_nm, thickness_nm=question.amount
            )
    else:
        return _resolution(bench, question)
    return ByDesign(
        bench=bench, quantity=quantity, unit="%", target=target, design=design, scale=100.0,
        row=lambda made: _unit(made, name), never_known=(name,), remarks=tuple(remarks),
    )  # fmt: skip


def _resolution(bench: Bench, question: Question) -> ByDesign:
    isotope = bench.described.instrument.isotope

    def made(at: Knobs, width_nm: float) -> Design:
        return depths.resolution_design(
            bench.layers(at), depth_nm=question.depth_nm, width_nm=width_nm
        )

    asked = ByDesign(
        bench=bench, quantity=f"{isotope} in each bin of {question.amount:g} nm", unit="%",
        target=question.to, design=lambda at: made(at, question.amount), scale=100.0,
        row=lambda design: _unit(design, depths.ADDED), never_known=(depths.ADDED,),
    )  # fmt: skip
    width = _width_reached(bench, question, lambda w: replace(
        asked, design=lambda at: made(at, w), _made={}))  # fmt: skip
    words = f"the plan reaches bins of {width:.3g} nm at {question.to:g} %"
    if not math.isfinite(width):
        words = f"the plan reaches no bins of {_WIDEST_NM:g} nm or less at {question.to:g} %"
    return replace(asked, remarks=(words,))


def _width_reached(
    bench: Bench, question: Question, asked_of: Callable[[float], ByDesign]
) -> float:
    """Narrowest bins known as well as asked, with the plan as it stands; infinite for none."""
    widths = np.geomspace(_NARROWEST_NM, _WIDEST_NM, _WIDTHS).tolist()
    errors = [error_or_infinite(asked_of(width), _usual(bench)) for width in widths]
    found = largest([1.0 / w for w in reversed(widths)], list(reversed(errors)), question.to)
    return 1.0 / found if found > 0 else math.inf


def _usual(bench: Bench) -> Knobs:
    fwhm = bench.described.instrument.detector.fwhm_kev
    return Knobs(count_s=bench.protocol.count_s, cycles=1, fwhm_kev=fwhm)


def _unit(design: Design, name: str) -> Floats:
    row = np.zeros(len(design.local) + len(design.shared))
    row[design.local.index(name)] = 1.0
    return row
