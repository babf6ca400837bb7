"""What must hold for any stack of any materials, searched for by hypothesis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lidepth.physics.transport import (
    RangeTable,
    StackTransport,
    energy_after,
    energy_before,
    energy_through,
    path_between,
    range_1e15,
    stopping_at,
)


def _stopping(scale: float, turn_kev: float):
    """Rises as sqrt(E), falls as 1/E beyond about ``turn_kev``."""

    def stopping(energy_kev):
        low, high = np.sqrt(energy_kev / turn_kev), turn_kev / energy_kev
        return scale * 2.0 * low * high / (low + high)

    return stopping


TABLES = tuple(
    RangeTable(stopping=_stopping(scale, turn))
    for scale, turn in [(0.02, 700.0), (0.06, 900.0), (0.12, 1200.0), (0.005, 300.0), (0.04, 150.0)]
)
# A look-up in these steep curves errs by up to 2e-6 keV (measured, worst at the end of the range);
# a chain of a dozen stays below this, a tenth of what is promised.
SMALL_KEV = 1e-4

tables = st.sampled_from(TABLES)
energies = st.floats(20.0, 5000.0)
shares = st.floats(0.0, 1.0)
layers = st.lists(st.tuples(tables, st.floats(1.0, 20000.0)), min_size=1, max_size=6)
checks = settings(max_examples=60, deadline=None)  # the first numba call compiles for seconds


def _stack(pairs, factor=1.0):
    used, thick = zip(*pairs, strict=True)
    return StackTransport(tables=used, layers_1e15=thick, path_factor=factor)


@checks
@given(tables, energies, shares)
def test_going_down_a_path_and_back_returns_the_energy(table, energy, share):
    path = float(range_1e15(table, energy)) * 0.999 * share
    after = energy_after(table, energy, path)
    assert abs(float(energy_before(table, after, path)) - energy) < SMALL_KEV
    # The same error in the units of the path.
    slack = SMALL_KEV / float(stopping_at(table.stopping, np.array([max(float(after), 1.0)]))[0])
    assert abs(float(path_between(table, energy, after)) - path) < slack


@checks
@given(tables, energies, shares, shares)
def test_two_paths_in_a_row_are_one_path_of_their_sum(table, energy, first, second):
    whole = float(range_1e15(table, energy))
    a, b = first * 0.5 * whole, second * 0.45 * whole
    twice = energy_after(table, energy_after(table, energy, a), b)
    assert abs(float(twice) - float(energy_after(table, energy, a + b))) < SMALL_KEV


@checks
@given(layers, energies, st.integers(0, 5), st.floats(0.01, 0.99), shares)
def test_splitting_a_layer_changes_nothing(pairs, energy, which, cut, share):
    which %= len(pairs)
    table, thick = pairs[which]
    split = [*pairs[:which], (table, thick * cut), (table, thick * (1 - cut)), *pairs[which + 1 :]]
    depth = share * sum(t for _, t in pairs) * (1 - 1e-12)
    whole, parts = (_stack(p).exit_energy(depth, energy) for p in (pairs, split))
    assert abs(float(whole) - float(parts)) < SMALL_KEV


@checks
@given(layers, energies, st.floats(1.0, 3.0))
def test_deeper_birth_never_means_more_energy(pairs, energy, factor):
    transport = _stack(pairs, factor)
    depth = np.linspace(0.0, float(transport.interfaces_1e15[-1]), 300)
    leaving = transport.exit_energy(depth, energy)
    # Look-ups may wiggle by their own error, not more.
    assert np.all(np.diff(leaving) <= SMALL_KEV)
    assert np.all((leaving >= 0) & (leaving <= energy + SMALL_KEV))


@checks
@given(layers, shares, energies, energies)
def test_more_energy_at_birth_means_more_at_the_exit(pairs, share, one, other):
    transport = _stack(pairs)
    depth = share * float(transport.interfaces_1e15[-1])
    low, high = transport.exit_energy(depth, sorted([one, other]))
    assert low <= high + SMALL_KEV


@checks
@given(layers, energies, st.floats(1.0, 3.0))
def test_depth_is_the_inverse_of_exit_energy(pairs, energy, factor):
    transport = _stack(pairs, factor)
    depth = np.linspace(0.0, float(transport.interfaces_1e15[-1]), 50)
    leaving = transport.exit_energy(depth, energy)
    moving = leaving > 1.0  # below, 1e-5 keV is a larger part of the path
    back = transport.depth_of(leaving, energy)[moving]
    # 0.02 of 1e15 atoms/cm2 is 2 pm of a solid: SMALL_KEV over the least stopping drawn here.
    np.testing.assert_allclose(back, depth[moving], rtol=0, atol=0.02)


@checks
@given(layers, energies, st.floats(1.0, 3.0))
def test_both_backends_agree(pairs, energy, factor):
    plain = _stack(pairs, factor)
    compiled = replace(plain, backend="numba")
    depth = np.linspace(0.0, float(plain.interfaces_1e15[-1]), 700)
    # Same polynomials, other rounding.
    np.testing.assert_allclose(
        compiled.exit_energy(depth, energy), plain.exit_energy(depth, energy), atol=1e-8
    )


@checks
@given(layers, energies)
def test_the_stack_is_the_chain_of_its_layers(pairs, energy):
    transport = _stack(pairs)
    used, thick = zip(*pairs[::-1], strict=True)
    chained = energy_through(used, thick, energy)
    whole = transport.exit_energy(transport.interfaces_1e15[-1], energy)
    # The same look-ups; the depth of the deep edge carries one rounding of 1e5.
    assert abs(float(chained) - float(whole)) < SMALL_KEV


@checks
@given(tables, energies, st.floats(1e-4, 1e-2))
def test_a_thin_layer_costs_its_stopping_times_its_thickness(table, energy, part):
    path = part * float(range_1e15(table, energy))
    loss = energy - float(energy_after(table, energy, path))
    expected = float(table.stopping(np.array([energy]))[0]) * path
    # To first order in the path; S changes by at most 2 % over 1 % of a range, by 6 % in the steep
    # 1/E fall where energy is lost slowest.
    assert abs(loss - expected) < 0.06 * expected
