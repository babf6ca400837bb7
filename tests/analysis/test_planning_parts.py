"""The parts of a plan: information in closed form, beam and solid angle, questions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidepth.analysis.planning import (
    Geometry,
    parse_question,
    rate_per_1e15,
)
from lidepth.analysis.planning.information import Companion, Design, poisson_information
from lidepth.analysis.planning.questions import EXAMPLES, SEEN_SIGMA
from lidepth.analysis.planning.solve import largest
from lidepth.errors import BadData, BadInput, OutOfRange

# --- closed forms ---


def random_design(seed: int, companions: int = 0) -> Design:
    """Two local and three shared parameters, seen in 40 bins."""
    rng = np.random.default_rng(seed)
    expected = rng.uniform(1.0, 50.0, 40)

    def seen() -> np.ndarray:
        return poisson_information(expected[:, None] * rng.normal(size=(40, 5)), expected)

    pristine = seen()[2:, 2:]
    return Design(
        local=("a", "b"), shared=("x", "y", "z"), per_second=seen(),
        local_prior=np.diag([0.0, 2.0]), shared_prior=np.diag([1.0, 3.0, 0.5]), pristine=pristine,
        companions=tuple(
            Companion(per_second=seen(), ties=np.zeros((0, 0)), number=1.0)
            for _ in range(companions)
        ),
    )  # fmt: skip


ROW = np.array([1.0, -0.5, 0.0, 0.3, 0.0])


def one_amplitude(background: float) -> Design:
    """A line of known shape, ten counts per second in all, on a known even background."""
    shape = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    information = poisson_information(10.0 * shape[:, None], 10.0 * shape + background)
    return Design(
        local=("amplitude",), shared=(), per_second=information, local_prior=np.zeros((1, 1)),
        shared_prior=np.zeros((0, 0)), pristine=np.zeros((0, 0)),
    )  # fmt: skip


def test_one_amplitude_is_known_to_the_root_of_its_counts():
    error = one_amplitude(0.0).std(np.ones(1), count_s=90.0)
    assert error == pytest.approx(1.0 / math.sqrt(900.0), rel=1e-12)


def test_a_background_as_high_as_a_flat_line_costs_the_root_of_two():
    line = poisson_information(np.ones((8, 1)), np.ones(8))
    hidden = poisson_information(np.ones((8, 1)), 2.0 * np.ones(8))
    assert line[0, 0] == pytest.approx(2.0 * hidden[0, 0], rel=1e-12)


def test_the_arrow_gives_the_error_of_the_whole_matrix():
    design, count_s, states = random_design(1, companions=1), 3.0, 2
    blocks = [design.per_second] * states + [design.companions[0].per_second]
    times = [count_s] * states + [7.0]
    size = 2 * len(blocks)
    whole = np.zeros((size + 3, size + 3))
    whole[size:, size:] = design.shared_prior + 5.0 * design.pristine
    for k, (block, seconds) in enumerate(zip(blocks, times, strict=True)):
        places = np.r_[2 * k, 2 * k + 1, size : size + 3]
        whole[np.ix_(places, places)] += seconds * block
        whole[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] += design.local_prior
    row = np.zeros(size + 3)
    for k in range(states):
        row[2 * k : 2 * k + 2] = ROW[:2] / states
    row[size:] = ROW[2:]
    expected = math.sqrt(row @ np.linalg.inv(whole) @ row)
    found = design.std(ROW, count_s=count_s, pristine_s=5.0, states=states, others_s=7.0)
    assert found == pytest.approx(expected, rel=1e-9)


@given(seed=st.integers(0, 10_000), known=st.sets(st.sampled_from("bxyz"), max_size=3),
       longer=st.floats(1.0, 100.0))  # fmt: skip
def test_knowing_more_and_counting_longer_never_cost_anything(seed, known, longer):
    design = random_design(seed, companions=1)
    # Rounding of the linear algebra: 1e-9 of the error.
    worst = design.std(ROW, count_s=1.0, pristine_s=1.0, others_s=1.0) * (1 + 1e-9)
    row = ROW.copy()
    assert design.std(row, count_s=longer, pristine_s=1.0, others_s=1.0) <= worst
    assert design.std(row, count_s=1.0, pristine_s=longer, others_s=1.0) <= worst
    assert design.std(row, count_s=1.0, pristine_s=1.0, others_s=longer) <= worst
    assert design.std(row, count_s=1.0, pristine_s=1.0, others_s=1.0, states=longer) <= worst
    assert (
        design.std(row, count_s=1.0, pristine_s=1.0, others_s=1.0, known=lambda n: n in known)
        <= worst
    )


def test_information_of_two_spectra_adds():
    design = random_design(4)
    known = {"b", "x", "y", "z"}
    row = np.eye(5)[0]
    errors = [design.std(row, count_s=t, known=lambda name: name in known) for t in (2.0, 3.0, 5.0)]
    assert errors[0] ** -2 + errors[1] ** -2 == pytest.approx(errors[2] ** -2, rel=1e-9)


def test_what_two_parameters_do_alike_cannot_be_told_apart():
    twice = poisson_information(np.ones((5, 2)), np.ones(5))
    design = Design(
        local=("a", "b"), shared=(), per_second=twice, local_prior=np.zeros((2, 2)),
        shared_prior=np.zeros((0, 0)), pristine=np.zeros((0, 0)),
    )  # fmt: skip
    with pytest.raises(BadData, match="do not determine"):
        design.std(np.array([1.0, 0.0]), count_s=1.0)


def test_the_largest_value_that_suffices_lies_between_those_tried():
    # An error that goes as the square: 4 at 2, 16 at 4, so 9 at 3.
    assert largest([1.0, 2.0, 4.0], [1.0, 4.0, 16.0], 9.0) == pytest.approx(3.0, rel=1e-12)
    assert largest([1.0, 2.0], [1.0, 4.0], 5.0) == 2.0
    assert math.isnan(largest([1.0, 2.0], [1.0, 4.0], 0.5))
    assert largest([1.0, 2.0], [1.0, math.inf], 5.0) == 1.0


# --- beam ---


def test_a_far_detector_covers_its_area_over_the_square_of_the_distance():
    far = Geometry(distance_cm=100.0, detector_cm2=3.0)
    # The next term is 3/4 (a/d)^2 = 7e-5.
    assert far.solid_angle_sr == pytest.approx(3.0 / 100.0**2, rel=1e-4)
    assert Geometry(distance_cm=1e-6, detector_cm2=3.0).solid_angle_sr == pytest.approx(
        2.0 * math.pi, rel=1e-5
    )


def test_exit_angles_spread_as_points_on_detector_and_spot_do():
    geometry = Geometry(distance_cm=20.0, detector_cm2=3.0, spot_cm2=0.5)
    rng = np.random.default_rng(3)

    def across(area: float) -> np.ndarray:
        radius = np.sqrt(area / np.pi * rng.random(200_000))
        return radius * np.cos(2 * np.pi * rng.random(200_000))

    angle = np.degrees(np.arctan((across(3.0) - across(0.5)) / 20.0))
    # The arc tangent takes 0.2 % off; 200000 draws scatter by 0.16 %.
    assert geometry.angle_spread_deg == pytest.approx(angle.std(), rel=0.01)


def test_the_rate_is_cross_section_times_flux_times_solid_angle():
    geometry = Geometry(distance_cm=10.0, detector_cm2=1.0, spot_cm2=0.5)
    share = geometry.solid_angle_sr / (4.0 * math.pi)
    rate = rate_per_1e15("6Li", flux_cm2_s=1e7, geometry=geometry)
    assert rate == pytest.approx(938.13e-24 * 1e15 * 1e7 * 0.5 * share, rel=1e-12)
    with pytest.raises(OutOfRange):
        rate_per_1e15("6Li", flux_cm2_s=math.nan, geometry=geometry)


# --- questions ---


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_is_a_question(text):
    assert parse_question(text).text == text


def test_questions_are_read_with_their_numbers():
    loss = parse_question("2.5 uAh  loss in the Anode at 5 sigma")
    assert (loss.amount, loss.unit, loss.place, loss.sigma) == (2.5, "uAh", "anode", 5.0)
    growth = parse_question("growth only while discharging")
    assert growth.place == "discharge"
    assert growth.sigma**2 / 2 == pytest.approx(5.0)  # ln Bayes factor
    thin = parse_question("layer of 20 nm at 300 nm")
    assert (thin.amount, thin.depth_nm, thin.sigma) == (20.0, 300.0, SEEN_SIGMA)
    assert parse_question("resolution of 60 nm at 300 nm").to == 10.0
    assert parse_question("2 % in native oxide").place == "native oxide"


def test_a_question_that_is_not_one_names_the_nearest():
    with pytest.raises(BadInput, match="interlayer of 20 nm"):
        parse_question("interlayers of 20")
    with pytest.raises(OutOfRange):
        parse_question("interlayer of 0 nm")
