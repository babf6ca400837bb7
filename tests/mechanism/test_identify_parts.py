"""Parts of the identification: laws, clocks, closed forms against the stepped cell, evidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.identify_study import drawn
from hypothesis import given
from hypothesis import strategies as st

from lidepth.errors import BadInput
from lidepth.mechanism.cell import Cell
from lidepth.mechanism.growth import InterlayerDiffusion
from lidepth.mechanism.history import run_protocol
from lidepth.mechanism.identify.cells import cell_of
from lidepth.mechanism.identify.clocks import DRIVES, Cycler
from lidepth.mechanism.identify.fit import climb, sample
from lidepth.mechanism.identify.forward import Common, Forward
from lidepth.mechanism.identify.laws import SHAPES, Shape, shape_of, uptake
from lidepth.mechanism.identify.observed import (
    Observed,
    SiliconSeen,
    curve_points,
    observe,
    quiet,
)
from lidepth.mechanism.identify.priors import Prior, names_of, numbers
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.protocol import Phase, Protocol
from lidepth.model.cycling import CyclerLog
from lidepth.model.ledger import Ledger

HOUR_S = 3600.0
AREA = CellParameters().area_cm2


def two_cycles(**changes: object) -> Observed:
    """10 h up, 5 h rest, 8 h down, 5 h rest, twice, at 10 uA; the second time at 20 uA."""
    hours = np.array([0.0, 3.0, 13.0, 18.0, 26.0, 31.0, 36.0, 37.0, 41.0, 42.0])
    current = np.array([0.0, 10.0, 0.0, -10.0, 0.0, 20.0, 0.0, -20.0, 0.0, 0.0])
    parts: dict[str, object] = {
        "films": CellParameters(), "time_s": hours * HOUR_S, "current_ua": current,
        "row_s": np.array([15.0, 28.0, 36.5, 41.5]) * HOUR_S, "row_cycle": np.array([1, 1, 2, 2]),
        "row_charged": np.array([True, False, True, False]),
        "electrolyte_uah": np.array([3.0, 3.1, 4.0, 4.2]), "covariance": np.eye(4),
        "anode_uah": np.array([90.0, 10.0, 100.0, 20.0]), "point_s": np.zeros(0),
        "point_v": np.zeros(0), "made_s": -500.0 * HOUR_S,
    }  # fmt: skip
    return Observed(**{**parts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s.name)
@given(z=st.floats(-3.5, 3.5))
def test_a_law_rises_from_nothing_to_one_whatever_its_number(shape: Shape, z: float) -> None:
    u = np.linspace(0.0, 1.0, 60)
    share = shape.share(shape.value(np.array([z])), u)[0]
    assert share[0] == pytest.approx(0.0, abs=1e-12)
    assert share[-1] == pytest.approx(1.0, rel=1e-9)
    assert np.all(np.diff(share) >= -1e-12)


def test_uptake_is_smooth_where_its_two_forms_meet() -> None:
    near = uptake(np.array([0.999e-3, 1.001e-3]))
    # v2 to first order: a relative step of 2 x 0.002, and rounding of the difference (1e-16/1e-6).
    assert near[1] / near[0] == pytest.approx(1.0 + 4.0e-3, abs=1e-4)
    # Far out it is 2 v/sqrt(pi) - 1.
    assert uptake(np.array([300.0]))[0] == pytest.approx(600.0 / np.sqrt(np.pi) - 1.0, rel=1e-5)


@pytest.mark.parametrize("name", [shape.name for shape in SHAPES])
def test_the_closed_law_is_what_the_stepped_cell_grows(name: str) -> None:
    shape = shape_of(name)
    films = CellParameters()
    z = np.zeros((1, len(names_of(shape.numbers))))
    n = numbers(z, Prior(), 34.0, films.silicon_uah_cm2)
    hours, end = np.array([5.0, 50.0, 200.0]), 200.0 * 5.7
    cell = cell_of(films, n, 0, shape=shape, drive="concentration", clock_end=end, charged_end=1.0)
    stored = Protocol(
        phases=tuple(
            Phase(kind="rest", cycle=0, current_ua=0.0, longest_s=h * HOUR_S)
            for h in np.diff(hours, prepend=0.0)
        )
    )
    history = run_protocol(Cell(cell), stored)
    grown = [state.moved_silicon_uah / AREA for state in history.states[1:]]
    share = shape.share(shape.value(n.shape_z), hours / hours[-1])[0]
    closed = n.growth_uah_cm2[0] / n.kappa[0] * share
    # Diffusion: the film that thins while it gives (3 % here) and the cell's grid; laws: rounding.
    assert grown == pytest.approx(closed, rel=0.03 if name == "diffusion" else 1e-6)


def test_clocks_count_what_their_phase_says() -> None:
    seen = two_cycles()
    cycler = Cycler(seen)
    ends = {drive: float(cycler.clock(drive)[-1]) * AREA for drive in DRIVES}
    assert ends["charge"] == pytest.approx(10 * 10 + 5 * 20)
    assert ends["discharge"] == pytest.approx(8 * 10 + 4 * 20)
    assert ends["both"] == pytest.approx(ends["charge"] + ends["discharge"])
    assert ends["time"] == pytest.approx(39 * 5.7 * AREA)
    assert ends["rest"] == pytest.approx((5 + 5 + 1 + 1) * 5.7 * AREA)
    assert ends["concentration"] == pytest.approx((42 + 500) * 5.7 * AREA)
    cycles = cycler.clock("cycle")
    assert cycles.tolist() == pytest.approx([0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    assert cycler.first_charge_uah == pytest.approx(100.0)
    inside = np.array([12.9, 20.0, 33.0]) * HOUR_S
    assert cycler.since_reversal(inside) * AREA == pytest.approx([99.0, 20.0, 40.0])
    assert cycler.half_at(inside).tolist() == [1, 2, 3]


def test_a_campaign_without_current_is_refused() -> None:
    with pytest.raises(BadInput, match="no current"):
        Cycler(two_cycles(current_ua=np.zeros(10)))


def test_sizes_that_differ_are_refused() -> None:
    with pytest.raises(BadInput, match="differ in size"):
        two_cycles(covariance=np.eye(3))
    with pytest.raises(BadInput, match="cycles"):
        two_cycles(row_cycle=np.array([1, 1, 1, 1]))
    with pytest.raises(BadInput, match="silicon"):
        SiliconSeen(time_s=np.zeros(1), value_uah=np.zeros(2), covariance=np.eye(2))


def test_points_lie_where_a_current_is_held_and_noise_at_rest_is_no_current() -> None:
    time = np.arange(0.0, 12.0, 0.1) * HOUR_S
    current = np.where(time < 4 * HOUR_S, 10.0, np.where(time < 5 * HOUR_S, 0.0, -10.0))
    held = (time >= 3 * HOUR_S) & (time < 4 * HOUR_S)
    current = np.where(held, 10.0 * np.exp(-(time - 3 * HOUR_S) / HOUR_S), current)
    volts = np.where(held, 4.0, 3.0 + time / (100 * HOUR_S))
    noisy = current + 0.01 * np.sin(np.arange(time.size)) * (current == 0.0)
    assert np.array_equal(quiet(noisy) != 0.0, current != 0.0)
    at, read = curve_points(time, quiet(noisy), volts)
    up = at < 4 * HOUR_S
    assert 0 < up.sum() == (~up).sum()
    assert at[up].max() < 3.2 * HOUR_S  # the held voltage begins there, within its first step
    assert read == pytest.approx(np.interp(at, time, volts))


def test_only_states_with_their_own_rows_are_taken_and_the_log_must_cover_them() -> None:
    ledger = Ledger(
        method="default", cycle=np.array([0, 1, 1, 2, 2]),
        state=("pristine", "charged", "discharged", "charged", "discharged"),
        time_s=np.arange(5.0) * HOUR_S, values=np.arange(15.0).reshape(5, 3),
        covariance=np.diag(np.arange(1.0, 16.0)), independent=np.eye(15), flags=("",) * 5,
        balance_spent=True,
    )  # fmt: skip
    origin = np.datetime64("2020-01-01T00:00:00", "ns")
    hours = np.array([0, 1, 2, 3, 4, 5])
    log = CyclerLog(
        time=origin + hours * np.timedelta64(3600, "s"), voltage_v=np.full(6, 3.0),
        current_ua=np.array([5.0, 0.0, -5.0, 5.0, -5.0, 0.0]),
    )  # fmt: skip
    seen = observe(CellParameters(), ledger, log, origin)
    assert seen.electrolyte_uah.tolist() == [4.0, 7.0, 10.0, 13.0]
    assert np.diag(seen.covariance).tolist() == [5.0, 8.0, 11.0, 14.0]
    assert seen.anode_uah.tolist() == [3.0, 6.0, 9.0, 12.0]
    half = observe(CellParameters(), ledger, log, origin, discharged_only=True)
    assert half.electrolyte_uah.tolist() == [7.0, 13.0]
    with pytest.raises(BadInput, match="before the cycler log"):
        observe(CellParameters(), ledger, log.shifted(2 * HOUR_S), origin)


@pytest.mark.parametrize("seed", [111, 118, 126])
def test_voltage_and_ledger_in_closed_form_are_those_of_the_stepped_cell(seed: int) -> None:
    case = drawn(seed)
    true = case.parameters
    films = replace(
        case.seen.films, cathode_potential=true.cathode_potential,
        anode_potential=true.anode_potential,
    )  # fmt: skip
    common = Common(replace(case.seen, films=films), Prior())
    forward = Forward(common, case.shape, case.drive)
    end = common.cycler.charged_end
    n = replace(
        forward.numbers(case.z[None, :]),
        resistance_gain=np.array([true.resistance_growth_cm2_uah * end]),
        cathode_loss=np.array([-np.expm1(-true.cathode_loss_cm2_uah * end)]),
    )
    history, start = case.history, case.history.states[1].time_s
    bound = np.interp(case.seen.point_s + start, history.time_s, history.qe_uah) / AREA
    moved = np.interp(case.seen.point_s + start, history.time_s, history.silicon_uah) / AREA
    volts = common.voltage(n, forward.points, bound[None, :], moved[None, :])[0]
    # Each half cycle of the draw is off by 3 mV as a whole: the rest is the closed form's.
    rest = (case.seen.point_v - volts).reshape(-1, 6)
    rest = rest - rest.mean(axis=1, keepdims=True)
    assert np.sqrt(np.mean(rest**2)) < 1e-3
    # Lithium is always at hand: bound is kappa times moved at every row.
    at = case.seen.row_s + start
    qe = np.interp(at, history.time_s, history.qe_uah)
    silicon = np.interp(at, history.time_s, history.silicon_uah)
    assert qe == pytest.approx(case.kappa * silicon, abs=0.03)


def test_kappa_is_even_in_its_logarithm_and_leaves_some_film() -> None:
    rng = np.random.default_rng(3)
    z = rng.standard_normal((4000, 9))
    prior, film, first = Prior(), 11.1, 34.0
    n = numbers(z, prior, first, film)
    assert np.all(n.growth_uah_cm2 / n.kappa <= prior.most_film * film * (1 + 1e-12))
    assert (n.kappa.min() >= prior.kappa_low) & (n.kappa.max() <= prior.kappa_high)
    small = n.growth_uah_cm2 < prior.most_film * film * prior.kappa_low
    share = np.log(n.kappa[small]) / np.log(8.0)
    # Even: mean and standard deviation of the unit interval, to three standard errors.
    assert share.mean() == pytest.approx(0.5, abs=3 * np.sqrt(1 / 12 / small.sum()))
    assert share.std() == pytest.approx(np.sqrt(1 / 12), rel=0.1)
    told = numbers(z, prior.with_kappa(4.0, 0.4), first, film).kappa
    assert np.log(told).std() == pytest.approx(0.1, rel=0.05)
    assert np.median(told) == pytest.approx(4.0, rel=0.01)


def linear(slope: np.ndarray, offset: np.ndarray):
    return lambda z: z @ slope.T + offset


def test_evidence_of_a_linear_problem_is_the_gaussian_one() -> None:
    rng = np.random.default_rng(1)
    slope, offset = rng.standard_normal((12, 3)), rng.standard_normal(12)
    residuals = linear(slope, offset)
    top = climb(residuals, 3)
    # r = offset + slope z, z standard normal: offset is normal with covariance 1 + slope slope'.
    covariance = np.eye(12) + slope @ slope.T
    exact = -0.5 * (offset @ np.linalg.solve(covariance, offset) + np.linalg.slogdet(covariance)[1])
    assert top.log_evidence == pytest.approx(exact, abs=1e-6)
    found = sample(residuals, top, rng)
    assert found.log_evidence == pytest.approx(exact, abs=4 * found.log_evidence_std)
    assert found.effective > 100
    for k in range(3):
        assert found.mean(found.z[:, k]) == pytest.approx(top.z[k], abs=0.1)
        assert found.std(found.z[:, k]) == pytest.approx(np.sqrt(top.covariance[k, k]), rel=0.15)


def test_sampling_corrects_what_laplace_gets_wrong() -> None:
    def residuals(z: np.ndarray) -> np.ndarray:  # a bent ridge, and a limit
        first = 4.0 * (z[:, 1] - 0.7 * z[:, 0] ** 2 + 0.5)
        return np.column_stack([first, 3.0 * np.tanh(2.0 * z[:, 0]) - 3.0])

    grid = np.linspace(-6.0, 6.0, 1201)
    every = np.array(np.meshgrid(grid, grid)).reshape(2, -1).T
    cost = 0.5 * (residuals(every) ** 2).sum(axis=1) + 0.5 * (every**2).sum(axis=1)
    exact = np.log(np.exp(-cost).sum() * (grid[1] - grid[0]) ** 2 / (2 * np.pi))
    top = climb(residuals, 2)
    found = sample(residuals, top, np.random.default_rng(2))
    assert abs(top.log_evidence - exact) > 0.1
    assert found.log_evidence == pytest.approx(exact, abs=0.08)  # three errors of 1600 draws


def test_data_that_say_nothing_give_the_prior_back() -> None:
    top = climb(lambda z: np.zeros((z.shape[0], 1)), 4)
    assert np.allclose(top.z, 0.0, atol=1e-9)
    assert top.log_evidence == pytest.approx(0.0, abs=1e-12)
    assert np.allclose(top.covariance, np.eye(4))
    found = sample(lambda z: np.zeros((z.shape[0], 1)), top, np.random.default_rng(3))
    assert found.log_evidence == pytest.approx(0.0, abs=0.06)


def test_phases_that_no_row_tells_apart_have_the_same_evidence() -> None:
    seen = two_cycles(
        row_s=np.array([28.0, 41.5]) * HOUR_S, row_cycle=np.array([1, 2]),
        row_charged=np.array([False, False]), electrolyte_uah=np.array([3.0, 4.0]),
        covariance=np.eye(2), anode_uah=np.zeros(2),
        # As much out as in: at discharged rows all three clocks are at the same shares.
        current_ua=np.array([0.0, 10.0, 0.0, -12.5, 0.0, 20.0, 0.0, -25.0, 0.0, 0.0]),
    )  # fmt: skip
    common = Common(seen, Prior())
    found = []
    for drive in ("charge", "discharge", "both"):
        forward = Forward(common, shape_of("power"), drive)
        found.append(climb(forward, forward.size).log_evidence)
    assert found == pytest.approx([found[0]] * 3, abs=1e-6)


def test_a_cell_of_a_draw_without_growth_keeps_its_silicon() -> None:
    n = numbers(np.zeros((1, 7)), Prior(), 34.0, 11.1)
    cell = cell_of(CellParameters(), n, 0, shape=None, drive=None, clock_end=1.0, charged_end=100.0)
    assert cell.growth == InterlayerDiffusion(phase="none")
    assert cell.resistance_growth_cm2_uah == pytest.approx(Prior().resistance_gain / 100.0)
