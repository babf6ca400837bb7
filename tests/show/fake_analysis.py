"""A synthetic Analysis built by hand: plausible shapes, no analysis code behind its spectra.

Only what the cycler log says by itself is worked out from the log.
"""

from __future__ import annotations

import numpy as np
from fake_diagnosis import fake_diagnosis, fake_scale, fake_track
from scipy.special import erf

from lidepth.analysis.electrochemistry.examine import examine
from lidepth.model.calibration import (
    Calibration,
    FittedParameter,
    SelfCalibration,
    SpectrumFit,
)
from lidepth.model.cycling import CyclerLog, StateSpectrum, Step
from lidepth.model.instrument import Detector, Instrument
from lidepth.model.interlayer import Interlayer, NestedEvidence
from lidepth.model.ledger import Ledger
from lidepth.model.material import Material
from lidepth.model.profile import DepthProfile
from lidepth.model.result import Analysis, MovedSilicon, Run
from lidepth.model.spectra import Quality, SpectrumSeries
from lidepth.model.stack import Layer, Stack

CHANNELS, GAIN, OFFSET, SPECTRUM_S, FIRST_UAH = 1024, 3.0, 2.0, 480.0, 60.0
AREA_CM2, LI_PER_UAH_1E15 = 1.79, 22.469
PRISTINE_S, CHARGE_S, REST_S = 36000.0, 21600.0, 3600.0
CYCLE_S = 2 * CHARGE_S + 2 * REST_S
HOSTILE = "<script>alert(1)</script> & cell"
WARNINGS = (
    "anode collector: fitted thickness 1.34 times the printed one, pull +6.8",
    "cycle 3: 2 spectra <beam off> left out",
)
PROVENANCE = {
    "birth_alpha_kev": "2055.8",
    "birth_triton_kev": "2727.7",
    "region_anode_kev": "1490 1504",
    "region_electrolyte_kev": "780 1490",
    "region_cathode_kev": "460 780",
    "lidepth": "0.1.0",
    "numpy": np.__version__,
    "data_sha256": "9f2c" * 16,
}


def stack() -> Stack:
    def film(name, formula, density, nm, rel, role=None):
        material = Material(formula=formula, density_g_cm3=density)
        return Layer(
            material=material, thickness_nm=nm, name=name, role=role, thickness_rel_std=rel
        )

    return Stack(
        layers=(
            film("packaging", "C8H8", 1.1, 2200.0, 0.25),
            film("anode collector", "Cu", 8.96, 150.0, 0.05),
            film("anode", "Si", 2.33, 50.0, 0.05, "anode"),
            film("electrolyte", "Li3PO4", 2.32, 2000.0, 0.05, "electrolyte"),
            film("cathode", "LiCoO2", 4.45, 550.0, 0.05, "cathode"),
            film("cathode collector", "Pt", 21.4, 200.0, 0.10),
        )
    )


CELL = stack()
WIDTH_NM = np.concatenate([np.full(2, 25.0), np.full(50, 40.0), np.full(20, 27.5)])
REGIONS = ("anode",) * 2 + ("electrolyte",) * 50 + ("cathode",) * 20
EDGES_NM = np.concatenate([[0.0], np.cumsum(WIDTH_NM)])
MIDDLE_NM = 0.5 * (EDGES_NM[1:] + EDGES_NM[:-1])
IS = {name: np.array([r == name for r in REGIONS]) for name in ("anode", "electrolyte", "cathode")}
ATOMS_PER_NM = {name: CELL.layer(name).material.atoms_1e15_per_nm for name in IS}
EDGES_1E15 = np.concatenate(
    [[0.0], np.cumsum([w * ATOMS_PER_NM[r] for w, r in zip(WIDTH_NM, REGIONS, strict=True)])]
)
PRISTINE_LI = np.where(
    IS["electrolyte"],
    WIDTH_NM / 2000.0 * CELL.layer("electrolyte").element_1e15("Li"),
    np.where(IS["cathode"], WIDTH_NM / 550.0 * CELL.layer("cathode").element_1e15("Li"), 0.0),
)


def amounts(cycle: int, state: str) -> np.ndarray:
    """Lithium in anode, added to electrolyte, missing from cathode, in uAh."""
    lost = 26.0 * (1 - np.exp(-cycle / 5.0)) + 0.05 * cycle
    left = 3.0 + 0.15 * cycle
    anode = left if state == "discharged" else 0.93 * FIRST_UAH - 0.4 * lost
    return np.array([anode, lost, anode + lost])


def lithium(values: np.ndarray) -> np.ndarray:
    per_cm2 = values * LI_PER_UAH_1E15 / AREA_CM2
    depth = np.maximum(MIDDLE_NM - 50.0, 0.0)
    layer = np.where(IS["electrolyte"], np.exp(-depth / 180.0), 0.0) * WIDTH_NM
    return (
        PRISTINE_LI
        + per_cm2[0] * IS["anode"] * WIDTH_NM / 50.0
        + per_cm2[1] * layer / layer.sum()
        - per_cm2[2] * IS["cathode"] * WIDTH_NM / 550.0
    )


def _lines(values: np.ndarray, edges: np.ndarray, top: float, bottom: float) -> np.ndarray:
    energy = np.interp(MIDDLE_NM, [0, 50, 2050, 2600], [top, top - 14, bottom + 320, bottom])
    if top > 2000:
        energy = np.interp(MIDDLE_NM, [0, 2600], [top, bottom])
    energy = energy - 15.0 * np.clip(MIDDLE_NM / 100, 0, 1) * values[0] / FIRST_UAH
    cumulative = 0.5 * (1 + erf((edges[:, None] - energy) / (np.sqrt(2) * 14.0)))
    return np.diff(cumulative, axis=0) @ lithium(values)


def components(values: np.ndarray, edges: np.ndarray) -> dict[str, np.ndarray]:
    """Rates per bin in counts/s."""
    scale = 15.0 / PRISTINE_LI.sum()
    middle = 0.5 * (edges[1:] + edges[:-1])
    background = (0.05 * np.exp(-(middle - 300) / 60.0) + 1e-4) * np.diff(edges)
    return {
        "alpha": scale * _lines(values, edges, 1504.0, 460.0),
        "triton": scale * _lines(values, edges, 2633.0, 2482.0),
        "background": np.minimum(background, 2.0),
    }


def _fit(label, values, live_s, rng) -> SpectrumFit:
    edges = np.arange(300.0, 2805.0, 5.0)
    parts = {name: rate * live_s for name, rate in components(values, edges).items()}
    model = sum(parts.values())
    middle = 0.5 * (edges[1:] + edges[:-1])
    return SpectrumFit(
        label=label, edges_kev=edges, counts=rng.poisson(model), model=model, components=parts,
        mask=middle > 340.0, live_s=live_s, parameters=12,
    )  # fmt: skip


def _ledger(method, states, shift, rng, spent=True) -> Ledger:
    n = len(states)
    independent = np.kron(np.eye(n), np.diag([0.8, 1.1, 0.7]) ** 2)
    common = np.tile([1.2, -1.5, 0.3], n)
    truth = np.array([amounts(s.cycle, s.name) for s in states])
    noise = rng.normal(size=(n, 3)) * [0.8, 1.1, 0.0]
    noise[:, 2] = noise[:, 0] + noise[:, 1]
    return Ledger(
        method=method, cycle=np.array([s.cycle for s in states]),
        state=tuple(s.name for s in states), time_s=np.array([s.time_s for s in states]),
        values=truth + noise + shift, covariance=independent + np.outer(common, common),
        independent=independent, flags=tuple("short" if i == 3 else "" for i in range(n)),
        balance_spent=spent, remark="conservation of lithium sets the flux",
    )  # fmt: skip


def _series(cycles: int, rng) -> tuple[SpectrumSeries, np.ndarray]:
    per_cycle = int(CYCLE_S / SPECTRUM_S)
    before = int(PRISTINE_S / SPECTRUM_S)
    n = before + cycles * per_cycle
    time = np.arange(n) * SPECTRUM_S
    edges = OFFSET + GAIN * np.arange(CHANNELS + 1)
    zero = components(np.zeros(3), edges)
    counts = np.zeros((n, CHANNELS), np.int64)
    for i, t in enumerate(time + SPECTRUM_S / 2):
        parts = zero if t < PRISTINE_S else components(_at(t), edges)
        counts[i] = rng.poisson(sum(parts.values()) * SPECTRUM_S)
    flags = np.zeros(n, np.int64)
    flags[before + 130 : before + 137] = int(Quality.BEAM_OFF)
    start = np.datetime64("2016-03-01T08:00:00", "ns") + (time * 1e9).astype("timedelta64[ns]")
    series = SpectrumSeries.from_arrays(
        counts=counts, start=start, live_s=np.full(n, SPECTRUM_S), real_s=np.full(n, SPECTRUM_S),
        monitor=np.where(flags == 0, 48000.0, 0.0), flags=flags,
    )  # fmt: skip
    return series, np.arange(n) < before


def _log(cycles: int, origin: np.datetime64) -> CyclerLog:
    seconds = np.arange(0.0, PRISTINE_S + cycles * CYCLE_S, 120.0)
    phase = (seconds - PRISTINE_S) % CYCLE_S
    knots = [0, 200, CHARGE_S, CHARGE_S + 100, CHARGE_S + REST_S, CYCLE_S - REST_S - 1, CYCLE_S]
    volts = np.interp(phase, knots, [3.1, 3.6, 4.0, 3.88, 3.85, 3.0, 3.2])
    current = np.where(phase < CHARGE_S, 10.0, 0.0)
    current = np.where((phase >= CHARGE_S + REST_S) & (phase < CYCLE_S - REST_S), -10.0, current)
    early = seconds < PRISTINE_S
    return CyclerLog(
        time=origin + (seconds * 1e9).astype("timedelta64[ns]"),
        voltage_v=np.where(early, 2.2, volts), current_ua=np.where(early, 0.0, current),
    )  # fmt: skip


def _profile(state: StateSpectrum, values: np.ndarray) -> DepthProfile:
    distance = np.abs(MIDDLE_NM[:, None] - MIDDLE_NM)
    sigma = np.where(IS["anode"], 25.0, 0.12 * WIDTH_NM / 4.0)
    covariance = sigma[:, None] * sigma * np.exp(-0.5 * (distance / 90.0) ** 2)
    fwhm = 100.0 + 0.05 * MIDDLE_NM
    kernel = np.exp(-4 * np.log(2) * (distance / fwhm[:, None]) ** 2) * WIDTH_NM
    resolution = np.where(MIDDLE_NM > 2400.0, np.nan, fwhm)
    return DepthProfile(
        label=state.label, cycle=state.cycle, state=state.name, time_s=state.time_s,
        edges_1e15=EDGES_1E15, edges_nm=EDGES_NM, regions=REGIONS, lithium_1e15=lithium(values),
        pristine_1e15=PRISTINE_LI, covariance=covariance,
        averaging_kernel=kernel / kernel.sum(axis=1, keepdims=True), resolution_nm=resolution,
    )  # fmt: skip


def _parameter(name, label, unit, prior, prior_std, value, std) -> FittedParameter:
    return FittedParameter(
        name=name, label=label, unit=unit, prior=prior, prior_std=prior_std, value=value, std=std
    )


def _calibration(rng) -> SelfCalibration:
    parameters = (
        _parameter("thickness_packaging", "packaging thickness", "", 1.0, 0.25, 0.93, 0.02),
        _parameter("thickness_anode collector", "anode collector", "", 1.0, 0.05, 1.34, 0.04),
        _parameter("thickness_anode", "anode thickness", "", 1.0, 0.05, 1.01, 0.05),
        _parameter("thickness_electrolyte", "electrolyte thickness", "", 1.0, 0.05, 0.97, 0.016),
        _parameter("thickness_cathode", "cathode thickness", "", 1.0, 0.05, 1.02, 0.016),
        _parameter("offset", "energy offset", "keV", 2.0, 3.0, 2.9, 1.0),
        _parameter("gain", "gain", "keV/channel", 3.0, 0.006, 3.002, 0.001),
        _parameter("fwhm", "detector FWHM", "keV", 18.0, 2.7, 18.4, 0.2),
        _parameter("flux", "flux", "", 1.0, np.inf, 1.003, 0.002),
    )  # fmt: skip
    covariance = np.diag([p.std**2 for p in parameters])
    fit = _fit("pristine", np.zeros(3), PRISTINE_S, rng)
    return SelfCalibration(parameters=parameters, covariance=covariance, fit=fit)


def _states(cycles: int, rng) -> tuple[StateSpectrum, ...]:
    states = []
    edges = OFFSET + GAIN * np.arange(CHANNELS + 1)
    for cycle in range(1, cycles + 1):
        begin = PRISTINE_S + (cycle - 1) * CYCLE_S
        for name, start in (
            ("charged", begin + CHARGE_S),
            ("discharged", begin + CYCLE_S - REST_S),
        ):
            rate = sum(components(amounts(cycle, name), edges).values())
            states.append(
                StateSpectrum(
                    name=name, cycle=cycle, start_s=start, stop_s=start + REST_S,
                    counts=rng.poisson(rate * REST_S), live_s=REST_S, monitor=100.0 * REST_S,
                    indices=(), charge_uah=FIRST_UAH, charge_std_uah=0.05,
                )
            )  # fmt: skip
    return tuple(states)


def _steps(cycles: int) -> tuple[Step, ...]:
    steps = [Step(kind="pristine", cycle=0, start_s=0.0, stop_s=PRISTINE_S)]
    for cycle in range(1, cycles + 1):
        t = PRISTINE_S + (cycle - 1) * CYCLE_S
        for kind, span, charge in (
            ("charge", CHARGE_S, 60.0), ("rest", REST_S, 0.0),
            ("discharge", CHARGE_S, -60.0), ("rest", REST_S, 0.0),
        ):  # fmt: skip
            steps.append(
                Step(kind=kind, cycle=cycle, start_s=t, stop_s=t + span, charge_uah=charge)
            )
            t += span
    return tuple(steps)


def _at(time_s: float) -> np.ndarray:
    """Lithium in anode, electrolyte and missing from the cathode at a time, in uAh."""
    into = time_s - PRISTINE_S
    cycle = int(into // CYCLE_S) + 1
    phase = into - (cycle - 1) * CYCLE_S
    share = np.interp(phase, [0, CHARGE_S, CHARGE_S + REST_S, CYCLE_S - REST_S], [0, 1, 1, 0])
    low = amounts(max(cycle - 1, 0), "discharged") if cycle > 1 else np.zeros(3)
    return low + share * (amounts(cycle, "charged") - low)


def _track(series: SpectrumSeries, pristine: np.ndarray):
    rows = np.flatnonzero(series.usable & ~pristine)
    middle = 0.5 * (series.start_s + series.stop_s)[rows]
    contents = np.array([_at(t) for t in middle])
    return fake_track(
        series, rows, contents, np.array([lithium(one) for one in contents]), PRISTINE_LI,
        EDGES_NM, REGIONS,
    )  # fmt: skip


def _interlayer(states: tuple[StateSpectrum, ...], truth: list[np.ndarray]) -> Interlayer:
    n = len(states)
    cycle = np.array([s.cycle for s in states])
    spread = np.array([0.4, 0.7, 1.0, 1.4, 2.2])
    late = cycle >= 3
    box = np.where(IS["electrolyte"] & (MIDDLE_NM < 250.0), WIDTH_NM, 0.0)
    amount = np.array([values[1] for values in truth]) * LI_PER_UAH_1E15 / AREA_CM2
    return Interlayer(
        cycle=cycle, state=tuple(s.name for s in states), amount_1e15=amount,
        amount_std_1e15=np.full(n, 12.0),
        thickness_nm=np.outer(np.where(late, 200.0, 120.0), spread),
        width_nm=np.outer(np.ones(n), 55 * spread),
        enrichment=np.outer(0.02 * cycle, spread), thickness_known=late,
        width_known=np.zeros(n, dtype=bool), ln_bayes=4.0 * cycle - 6.0, run_ln_bayes=71.0,
        change_1e15=np.outer(amount, box / box.sum()),
        disagreement_uah=np.full((n, 3), [0.9, -0.9, 0.0]),
        disagreement_std_uah=np.full((n, 3), [0.4, 0.4, 0.0]),
        model_uah=np.full((n, 3), [0.8, 0.8, 0.0]), mean_disagreement_uah=-0.9,
        mean_disagreement_std_uah=0.3,
        nested=(
            NestedEvidence(
                label=states[0].label, ln_bayes=-1.2, ln_bayes_std=0.2, amount_1e15=20.0,
                amount_std_1e15=11.0, thickness_nm=120 * spread, width_nm=55 * spread, calls=5000,
                seed=1,
            ),
        ),
    )  # fmt: skip


def fake_analysis(
    cycles: int = 8, *, cycler: bool = True, title: str = "Si | Li3PO4 | LiCoO2 thin-film cell"
) -> Analysis:
    """An analysis of ``cycles`` cycles whose numbers look like a real one's."""
    rng = np.random.default_rng(7)
    series, pristine = _series(cycles, rng)
    log = _log(cycles, series.origin) if cycler else None
    calibration = Calibration(offset_kev=OFFSET, gain_kev=GAIN)
    run = Run(
        title=title, area_cm2=AREA_CM2, stack=CELL, series=series, log=log, pristine=pristine,
        instrument=Instrument(
            detector=Detector(fwhm_kev=18.0), calibration=calibration, exit_angle_deg=10.0
        ),
        source="experiment.yaml",
    )  # fmt: skip
    states = _states(cycles, rng)
    truth = [amounts(s.cycle, s.name) for s in states]
    bias = np.array(
        [(-33.0, 34.0, 1.0) if s.name == "charged" else (-1.5, 2.0, 0.5) for s in states]
    )
    silicon = 62.0 * (1 - np.exp(-np.arange(1, cycles + 1) / 2.0))
    number = np.arange(1, cycles + 1)
    ledger = _ledger("default", states, 0.0, rng)
    track = _track(series, pristine) if cycler else None
    rows = np.flatnonzero(series.usable & ~pristine)
    return Analysis(
        run=run, steps=_steps(cycles) if cycler else (), states=states,
        calibration=_calibration(rng),
        stack=CELL.scaled(np.array([0.93, 1.34, 1.01, 0.97, 1.02, 1.0])),
        fits=tuple(_fit(s.label, v, REST_S, rng) for s, v in zip(states, truth, strict=True)),
        profiles=tuple(_profile(s, v) for s, v in zip(states, truth, strict=True)),
        ledgers={
            "default": ledger,
            "untied": _ledger("untied", states, [0.5, -0.7, -0.2], rng, spent=False),
            "slab": _ledger("slab", states, [0.2, -0.2, 0.0], rng),
            "windows": _ledger("windows", states, bias, rng),
        },
        window_bias=bias, information_uah=np.full((len(states), 3), 0.6),
        silicon=MovedSilicon(
            cycle=number, amount_1e15=silicon, std_1e15=np.full(cycles, 17.0), film_1e15=250.0,
            mean_1e15=55.0, mean_std_1e15=16.0,
        ),
        common=(
            _parameter("stopping_li", "stopping of added lithium", "", 1.0, 0.06, 1.03, 0.04),
            _parameter("coulomb_scale", "NDP over coulometry", "", 1.0, 0.03, 0.97, 0.005),
        ),
        state_parameters=tuple(
            (
                _parameter("flux", "beam against the monitor", "log", 0.0, 0.03, 0.01, 0.004),
                _parameter("offset", "energy offset", "keV", 0.0, 1.0, 0.2, 0.2),
                _parameter("background", "background", "log", 0.0, 0.3, -0.02, 0.03),
            )
            for _ in states
        ),
        warnings=WARNINGS, first_charge_uah=FIRST_UAH if cycler else np.nan,
        stopping="icru49", provenance=PROVENANCE, modes=14.0,
        electrochemistry=None if log is None else examine(
            log, series.origin, stack=CELL, area_cm2=AREA_CM2
        ),
        track=track, scale=fake_scale(40, float(series.stop_s[-1])),
        diagnosis=fake_diagnosis(
            series, rows, ledger, tuple(s.label for s in states), EDGES_NM[2:53], rng
        ),
        interlayer=_interlayer(states, truth),
    )  # fmt: skip


def fake_truth(analysis: Analysis) -> Ledger:
    """The ledger that the fake spectra were drawn from."""
    n = len(analysis.states)
    default = analysis.ledgers["default"]
    return Ledger(
        method="truth", cycle=default.cycle, state=default.state, time_s=default.time_s,
        values=np.array([amounts(s.cycle, s.name) for s in analysis.states]),
        covariance=np.zeros((3 * n, 3 * n)), independent=np.zeros((3 * n, 3 * n)),
        flags=("",) * n, balance_spent=False,
    )  # fmt: skip
