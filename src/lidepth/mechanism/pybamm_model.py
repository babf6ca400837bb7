"""The same cell written for PyBaMM (extra ``pybamm``), to cross-check our engine.

The equations are those of docs/physics/mechanism_cell.md; mesh, discretisation, integration in
time and search for cut-offs are PyBaMM's (finite volumes, IDAKLU).  It runs held currents and
rests; held voltages, laws without depth, growth by time and the contrast modes are refused.  A
hundred times slower: a check, not the engine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, UsageError
from lidepth.mechanism import _setup as at
from lidepth.mechanism.growth import InterlayerDiffusion
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.protocol import Phase, Protocol

Floats = NDArray[np.float64]
_SMALL = 1e-9  # of the diffusivity: the integral of D at a surface that is all but empty


@dataclass(frozen=True, kw_only=True, eq=False)
class PybammEnds:
    """The cell at the end of each phase, all (phases,): as the properties of a CellState."""

    time_s: Floats
    voltage_v: Floats
    x: Floats
    y: Floats
    qa_uah: Floats
    qe_uah: Floats
    qc_uah: Floats


def run_pybamm(
    parameters: CellParameters, protocol: Protocol, *, film_cells: int = 60,
    electrolyte_cells: int = 150,
) -> PybammEnds:  # fmt: skip
    """Run a protocol of held currents and rests in PyBaMM.

    Raises UsageError without PyBaMM and BadInput for what it does not know (see above).
    """
    pybamm = _pybamm()
    _check(parameters, protocol)
    model = _model(pybamm, parameters)
    discretised = _discretised(pybamm, parameters, model, film_cells, electrolyte_cells)
    solver = pybamm.IDAKLUSolver(rtol=1e-6, atol=1e-8)
    rows, hours = [], 0.0
    for phase in protocol.phases:
        current = (phase.current_ua or 0.0) / parameters.area_cm2
        limit = phase.until_v if math.isfinite(phase.until_v) else _far(current)
        inputs = {"I": current, "Limit": limit}
        solution = solver.solve(discretised, [0.0, _longest_h(parameters, phase)], inputs=inputs)
        hours += float(solution.t[-1])
        rows.append([hours * 3600.0, *_read(solution)])
        discretised = discretised.set_initial_conditions_from(solution, inplace=True)
    time_s, voltage, x, qa, silicon = np.array(rows).T
    return _ends(parameters, time_s, voltage, x, qa, silicon)


def experiment_steps(protocol: Protocol) -> list[tuple[str, ...]]:
    """A protocol in the words of ``pybamm.Experiment``, one tuple per cycle; PyBaMM not needed.

    For PyBaMM's own cells: ``pybamm.Experiment(experiment_steps(protocol))``.  Currents are those
    of the whole cell.
    """
    cycles: dict[int, list[str]] = {}
    for phase in protocol.phases:
        cycles.setdefault(phase.cycle, []).append(_words(phase))
    return [tuple(steps) for steps in cycles.values()]


def _words(phase: Phase) -> str:
    if phase.kind == "rest":
        return f"Rest for {phase.longest_s:.12g} seconds"
    if phase.voltage_v is not None:
        doing, until = f"Hold at {phase.voltage_v:.12g} V", f"{phase.until_ua * 1e-6:.12g} A"
        limited = math.isfinite(phase.until_ua)
    else:
        current = abs(phase.current_ua or 0.0) * 1e-6
        doing, until = f"{phase.kind.capitalize()} at {current:.12g} A", f"{phase.until_v:.12g} V"
        limited = math.isfinite(phase.until_v)
    lasts = f" for {phase.longest_s:.12g} seconds" if math.isfinite(phase.longest_s) else ""
    joint = " or" if lasts and limited else ""
    return f"{doing}{lasts}{joint}" + (f" until {until}" if limited else "")


def _pybamm() -> Any:
    try:
        import pybamm
    except ImportError as error:
        raise UsageError(
            "PyBaMM is not installed", where="run_pybamm", remedy="pip install 'lidepth[pybamm]'"
        ) from error
    return pybamm


def _check(p: CellParameters, protocol: Protocol) -> None:
    growth = p.growth
    known = isinstance(growth, InterlayerDiffusion) and growth.phase in (
        "charge", "discharge", "both", "none",
    )  # fmt: skip
    plain = p.cathode_loss_cm2_uah == 0 == p.resistance_growth_cm2_uah
    if not known or not plain or growth.current_exponent or growth.start:
        raise BadInput(
            "this cell is not known to the PyBaMM model", where="run_pybamm",
            expected="InterlayerDiffusion driven by current; no exponent, start or contrast mode",
        )  # fmt: skip
    if any(phase.voltage_v is not None for phase in protocol.phases):
        raise BadInput("held voltages are not known to the PyBaMM model", where="run_pybamm")


def _longest_h(p: CellParameters, phase: Phase) -> float:
    if math.isfinite(phase.longest_s):
        return phase.longest_s / 3600.0
    return 1.02 * p.cathode_uah_cm2 * p.area_cm2 / abs(phase.current_ua or 1.0)


def _far(current: float) -> float:
    return 100.0 if current >= 0 else -100.0


def _model(pybamm: Any, p: CellParameters) -> Any:
    """Equations in hours; inputs are the current ``I`` (uA/cm2) and the cut-off ``Limit`` (V)."""
    s = p.setup
    lithium = pybamm.Variable("lithium", domain="film")
    silicon = pybamm.Variable("silicon", domain="electrolyte")
    x, moved, memory = (pybamm.Variable(name) for name in ("x", "moved", "memory"))
    current, limit = pybamm.InputParameter("I"), pybamm.InputParameter("Limit")
    left = 1.0 - moved / s.film_uah
    clock = _clock(pybamm, p, current)
    inlet = s.inlet * left * (s.saturation - pybamm.boundary_value(silicon, "left"))
    grown = s.site_uah_nm * clock * inlet
    inward = current - s.kappa * grown
    phi = _phi(pybamm, s, lithium / left)
    model = pybamm.BaseModel()
    model.rhs = {
        lithium: pybamm.div(pybamm.grad(phi)) / (left * s.film_nm**2),
        silicon: clock * pybamm.div(s.growth_a * pybamm.grad(silicon)),
        x: current / s.cathode_uah, moved: grown,
        memory: (pybamm.sign(current) - memory) * abs(current) / (s.film_uah * left * s.memory),
    }  # fmt: skip
    zero = (pybamm.Scalar(0.0), "Neumann")
    model.boundary_conditions = {
        phi: {"left": (-inward * left * s.film_nm**2 / s.film_uah, "Neumann"), "right": zero},
        silicon: {"left": (-inlet / s.growth_a, "Neumann"), "right": zero},
    }
    model.initial_conditions = {lithium: 0.0, silicon: 0.0, x: 0.0, moved: 0.0, memory: 0.0}
    voltage = _voltage(pybamm, s, x, memory, pybamm.boundary_value(phi, "left"), current)
    model.variables = {
        "Voltage": voltage, "x": x, "moved": moved,
        "Anode": s.film_uah * pybamm.Integral(lithium, _film(pybamm)),
    }  # fmt: skip
    side = pybamm.sign(current) + 1.0 - abs(pybamm.sign(current))  # at rest: from below, far off
    model.events = [pybamm.Event("cut-off", side * (limit - voltage))]
    return model


def _film(pybamm: Any) -> Any:
    return pybamm.SpatialVariable("f", domain="film", coord_sys="cartesian")


def _clock(pybamm: Any, p: CellParameters, current: Any) -> Any:
    by_phase = {
        "charge": pybamm.maximum(current, 0.0), "discharge": pybamm.maximum(-current, 0.0),
        "both": abs(current), "none": pybamm.Scalar(0.0),
    }  # fmt: skip
    return by_phase[p.growth.phase]


def _phi(pybamm: Any, s: at.Setup, y: Any) -> Any:
    """Integral of D over y."""
    steep = s.decades * math.log(10.0)
    below = pybamm.exp(steep * (pybamm.minimum(y, s.knee) - s.knee)) / steep
    return s.diffusivity * (below + pybamm.maximum(y - s.knee, 0.0))


def _voltage(pybamm: Any, s: at.Setup, x: Any, memory: Any, phi: Any, current: Any) -> Any:
    steep = s.decades * math.log(10.0)
    scaled = pybamm.maximum(phi / s.diffusivity, _SMALL)
    surface = s.knee + pybamm.log(pybamm.minimum(scaled * steep, 1.0)) / steep
    surface += pybamm.maximum(scaled - 1.0 / steep, 0.0)
    y = np.linspace(at.Y_LOW, at.Y_HIGH, s.anode_v.size)
    composition = np.linspace(at.X_LOW, at.X_HIGH, s.cathode_v.size)
    gap = pybamm.Interpolant(y, s.anode_gap_v, surface, interpolator="linear")
    anode = pybamm.Interpolant(y, s.anode_v, surface, interpolator="linear") - memory * gap
    cathode = pybamm.Interpolant(composition, s.cathode_v, x, interpolator="linear")
    kinetic = pybamm.arcsinh(0.5 * current / s.anode_exchange)
    kinetic += pybamm.arcsinh(0.5 * current / s.cathode_exchange)
    return cathode - anode + current * s.resistance + 2.0 * s.thermal_v * kinetic


def _discretised(
    pybamm: Any, p: CellParameters, model: Any, film_cells: int, electrolyte_cells: int
) -> Any:
    film = _film(pybamm)
    depth = pybamm.SpatialVariable("z", domain="electrolyte", coord_sys="cartesian")
    geometry = {
        "film": {film: {"min": 0.0, "max": 1.0}},
        "electrolyte": {depth: {"min": 0.0, "max": p.electrolyte_nm}},
    }
    stretched = pybamm.MeshGenerator(
        pybamm.Exponential1DSubMesh, submesh_params={"side": "left", "stretch": 6.0}
    )
    meshes = {"film": pybamm.Uniform1DSubMesh, "electrolyte": stretched}
    pybamm.ParameterValues({}).process_geometry(geometry)
    mesh = pybamm.Mesh(geometry, meshes, {film: film_cells, depth: electrolyte_cells})
    methods = {"film": pybamm.FiniteVolume(), "electrolyte": pybamm.FiniteVolume()}
    return pybamm.Discretisation(mesh, methods).process_model(model, inplace=False)


def _read(solution: Any) -> list[float]:
    """Voltage, x, lithium in the film and silicon that moved, at the end of a solution."""
    names = ("Voltage", "x", "Anode", "moved")
    return [float(np.ravel(solution[name].entries)[-1]) for name in names]


def _ends(
    p: CellParameters, time_s: Floats, voltage: Floats, x: Floats, qa: Floats, silicon: Floats
) -> PybammEnds:
    area = p.area_cm2
    left = 1.0 - silicon / p.silicon_uah_cm2
    return PybammEnds(
        time_s=time_s, voltage_v=voltage, x=x, y=qa / (p.silicon_uah_cm2 * left),
        qa_uah=qa * area, qe_uah=p.growth.li_per_silicon * silicon * area,
        qc_uah=x * p.cathode_uah_cm2 * area,
    )  # fmt: skip
