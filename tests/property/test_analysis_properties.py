"""Whatever the stack and the numbers: cells add up, weights stay weights, errors stay errors."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from lidepth.analysis.grid import depth_grid, electrolyte_basis
from lidepth.analysis.parameters import cycle_knots, knot_weights
from lidepth.analysis.reduce import analysed_bins, rebin
from lidepth.model.ledger import Ledger
from lidepth.model.material import Material
from lidepth.model.stack import Layer, Stack

Floats = NDArray[np.float64]


@st.composite
def stacks(draw: st.DrawFn) -> Stack:
    """A cell from detector to cathode, with whatever covers it and lies behind."""

    def film(material: str, low: float, high: float, role: str | None = None) -> Layer:
        return Layer(
            material=Material.named(material, density_g_cm3=3.0),
            thickness_nm=draw(st.floats(low, high)),
            role=role,  # type: ignore[arg-type]
        )  # fmt: skip

    cover = [film(draw(st.sampled_from(["Kapton", "Cu", "Al"])), 1.0, 5000.0)
             for _ in range(draw(st.integers(0, 3)))]  # fmt: skip
    cell = [
        film(draw(st.sampled_from(["Si", "Ge"])), 0.5, 500.0, "anode"),
        film(draw(st.sampled_from(["Li3PO4", "LiF"])), 20.0, 6000.0, "electrolyte"),
        film(draw(st.sampled_from(["LiCoO2", "LiFePO4"])), 5.0, 2000.0, "cathode"),
    ]
    return Stack(layers=(*cover, *cell, film("Pt", 10.0, 500.0)))


@settings(max_examples=40)
@given(stack=stacks())
def test_cells_share_out_every_layer_down_to_the_cathode(stack: Stack) -> None:
    grid = depth_grid(stack)
    for number, layer in enumerate(stack.layers[:-1]):
        cells = grid.layer == number
        assert grid.share[cells].min() > 0
        # Sums of a hundred rounded shares: parts in 1e12 at most.
        np.testing.assert_allclose(grid.share[cells].sum(), 1.0, rtol=1e-9)
        np.testing.assert_allclose(grid.atoms_1e15[cells].sum(), layer.areal_density_1e15)
        lithium = layer.element_1e15("Li")
        np.testing.assert_allclose(grid.lithium_1e15[cells].sum(), lithium, rtol=1e-9)
        thickness = np.diff(grid.depth_nm)[cells].sum()
        np.testing.assert_allclose(thickness, layer.thickness_nm, rtol=1e-9)
    assert np.all(np.diff(grid.depth_nm) > 0)
    assert np.all(np.diff(grid.layer) >= 0)
    assert grid.layer[-1] == stack.index("cathode")


@settings(max_examples=40)
@given(stack=stacks())
def test_hat_functions_share_out_the_electrolyte(stack: Stack) -> None:
    basis = electrolyte_basis(depth_grid(stack))
    np.testing.assert_allclose(basis.hats.sum(axis=1), 1.0, rtol=1e-9)
    assert basis.hats.min() >= 0.0
    assert np.all(np.diff(basis.knots_nm) > 0)
    covariance = basis.covariance(amplitude=0.15, bulk=0.004)
    assert np.linalg.eigvalsh(covariance).min() > 0.0


@given(
    counts=hnp.arrays(np.float64, st.integers(1, 400), elements=st.integers(0, 10**6)),
    per_bin=st.integers(1, 20),
)
def test_rebinning_conserves_counts(counts: Floats, per_bin: int) -> None:
    assume(counts.size >= per_bin)
    bins = rebin(counts, per_bin)
    whole = counts.size - counts.size % per_bin
    assert bins.sum() == counts[:whole].sum()  # whole numbers: exact
    assert bins.size == counts.size // per_bin
    for place in (0, bins.size - 1):
        assert bins[place] == counts[place * per_bin : (place + 1) * per_bin].sum()


@given(channels=st.integers(64, 8192), gain=st.floats(0.2, 20.0), fwhm=st.floats(2.0, 100.0))
def test_bins_resolve_the_detector_and_match_the_rebinned_counts(
    channels: int, gain: float, fwhm: float
) -> None:
    per_bin, edges = analysed_bins(channels, gain_kev=gain, fwhm_kev=fwhm)
    assume(per_bin <= channels)
    assert per_bin == 1 or per_bin * gain <= fwhm / 3.0 * (1 + 1e-9)
    assert rebin(np.ones(channels), per_bin).size == edges.size - 1
    np.testing.assert_array_equal(np.diff(edges), per_bin)


@given(
    cycles=st.integers(0, 700),
    pair=st.tuples(st.floats(0.0, 900.0), st.floats(0.0, 900.0)).map(sorted),
)
def test_knot_weights_rise_from_nothing_to_one(cycles: int, pair: list[float]) -> None:
    knots = cycle_knots(cycles)
    earlier, later = (knot_weights(knots, cycle) for cycle in pair)
    for weights in (earlier, later):
        assert weights.min() >= 0.0
        assert weights.max() <= 1.0
        assert np.all(np.diff(weights) <= 0.0)  # no step begins before the one before it is over
    assert np.all(later >= earlier)
    np.testing.assert_array_equal(knot_weights(knots, 0.0), 0.0)
    np.testing.assert_array_equal(knot_weights(knots, float(knots[-1])), 1.0)
    assert knots[-1] >= min(cycles, 600)


@st.composite
def ledgers(draw: st.DrawFn) -> Ledger:
    rows = draw(st.integers(0, 5))
    number = st.floats(-100.0, 100.0)
    values = draw(hnp.arrays(np.float64, (rows, 3), elements=number))
    root = draw(hnp.arrays(np.float64, (3 * rows, 3 * rows), elements=st.floats(-3.0, 3.0)))
    return Ledger(
        method="drawn", cycle=np.arange(rows), state=("charged",) * rows,
        time_s=np.arange(float(rows)), values=values, covariance=root @ root.T,
        independent=np.zeros((3 * rows, 3 * rows)), flags=("",) * rows, balance_spent=False,
    )  # fmt: skip


@settings(max_examples=40)
@given(ledger=ledgers())
def test_the_error_of_the_balance_is_that_of_its_covariance(ledger: Ledger) -> None:
    weights = np.array([1.0, 1.0, -1.0])
    assert ledger.balance.shape == ledger.balance_std.shape == (len(ledger),)
    assert np.all(ledger.balance_std >= 0.0)
    # No correlation can make the balance less sure than all three errors in line.
    assert np.all(ledger.balance_std <= ledger.std.sum(axis=1) * (1 + 1e-9) + 1e-9)
    for row in range(len(ledger)):
        block = ledger.covariance[3 * row : 3 * row + 3, 3 * row : 3 * row + 3]
        variance = weights @ block @ weights
        # Differences of numbers up to some hundred: rounding of 1e-13 under the root.
        np.testing.assert_allclose(ledger.balance_std[row] ** 2, max(variance, 0.0), atol=1e-10)
        np.testing.assert_allclose(ledger.balance[row], weights @ ledger.values[row], atol=1e-10)
