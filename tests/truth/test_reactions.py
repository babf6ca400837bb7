"""Reaction energies against published numbers."""

from __future__ import annotations

import math

import pytest

from lidepth.errors import BadInput
from lidepth.physics.reactions import (
    REACTIONS,
    check_particle_energies,
    projectile,
    reactions_of,
)

# light keV, recoil keV, Q keV: printed in tables of the field, computed there from AME2020.
PUBLISHED = {
    "10B(n,a1)7Li*": (1472.3, 840.0, 2312.3),
    "10B(n,a0)7Li": (1776.4, 1013.5, 2789.9),
    "3He(n,p)3H": (572.5, 191.3, 763.8),
    "14N(n,p)14C": (583.9, 42.0, 625.9),
    "17O(n,a)14C": (1413.6, 404.1, 1817.7),
    "33S(n,a)30Si": (3081.8, 411.7, 3493.5),
    "35Cl(n,p)35S": (597.8, 17.2, 615.0),
    "7Be(n,p)7Li": (1437.6, 206.6, 1644.2),
    "22Na(n,p0)22Ne": (3466.6, 159.0, 3625.7),
}


def test_lithium_sends_a_2056_kev_alpha_and_a_2728_kev_triton() -> None:
    (reaction,) = reactions_of("6Li")
    energies = {p.projectile.name: p.energy_kev for p in (reaction.light, reaction.heavy)}
    assert energies["alpha"] == pytest.approx(2055.8, abs=0.2)
    assert energies["triton"] == pytest.approx(2727.7, abs=0.2)
    assert reaction.q_kev == pytest.approx(4783.47, abs=0.05)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_line_is_met_within_200_ev(name: str) -> None:
    (reaction,) = (r for r in REACTIONS if r.name == name)
    found = (reaction.light.energy_kev, reaction.heavy.energy_kev, reaction.q_kev)
    assert found == pytest.approx(PUBLISHED[name], abs=0.2)


def test_the_proton_to_the_first_level_of_neon_has_2248_kev() -> None:
    excited = reactions_of("22Na")[0]
    assert excited.gamma_kev == pytest.approx(1274.5, abs=0.1)
    assert excited.light.energy_kev == pytest.approx(2247.5, abs=1.0)
    assert excited.heavy.energy_kev == pytest.approx(103, abs=0.5)


def test_boron_takes_its_excited_branch_937_times_in_1000() -> None:
    excited, ground = reactions_of("10B")
    assert excited.branch_fraction == pytest.approx(0.937, abs=0.0005)
    assert excited.branch_fraction + ground.branch_fraction == pytest.approx(1.0)
    # NIST measured a0/a1 = 0.0690 +- 0.0024.
    assert ground.cross_section_b / excited.cross_section_b == pytest.approx(0.0690, abs=0.0048)


def test_the_two_products_share_one_momentum() -> None:
    for reaction in REACTIONS:
        momenta = []
        for product in (reaction.light, reaction.heavy):
            # The excited recoil's extra mass is 1 part in 1e4 or less of its momentum.
            mass = product.projectile.mass_u * 931494.10242
            kinetic = product.energy_kev
            momenta.append(math.sqrt(kinetic * (kinetic + 2 * mass)))
        assert momenta[0] == pytest.approx(momenta[1], rel=1e-4)


def test_the_lithium_cross_section_is_the_standard() -> None:
    (reaction,) = reactions_of("6Li")
    assert reaction.cross_section_b == pytest.approx(938.13)
    assert reaction.cross_section_std_b == pytest.approx(0.54)
    assert reaction.abundance == pytest.approx(0.0759)


@pytest.mark.parametrize("value", [2055.5, 2055.9, 2053.0, 2058.5])
def test_an_alpha_energy_within_3_kev_is_accepted(value: float) -> None:
    check_particle_energies("6Li", {"alpha": value, "triton": 2727.9})


@pytest.mark.parametrize("value", [2051.0, 0.0, float("nan"), float("inf"), 5485.6])
def test_an_alpha_energy_further_off_is_refused_with_the_right_one(value: float) -> None:
    with pytest.raises(BadInput, match=r"2055\.9 keV"):
        check_particle_energies("6Li", {"alpha": value})


@pytest.mark.parametrize("given", [{"alpha": 2727.0}, {"triton": 2055.0}, {"t": 2051.0}])
def test_swapped_energies_are_recognised_as_swapped(given: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=r"swapped.*published paper swaps them"):
        check_particle_energies("6Li", given)


def test_both_boron_alphas_are_accepted() -> None:
    check_particle_energies("10B", {"alpha": 1472.35, "7Li": 839.0})
    check_particle_energies("10B", {"4He": 1776.0, "7Li": 1013.0})


def test_a_particle_the_reaction_does_not_send_is_refused() -> None:
    with pytest.raises(BadInput, match="6Li sends out no proton"):
        check_particle_energies("6Li", {"proton": 572.0})


@pytest.mark.parametrize(
    ("spoken", "name"),
    [("4He", "alpha"), ("He", "alpha"), ("Alpha", "alpha"), ("t", "triton"), ("3H", "triton"),
     ("p", "proton"), ("H", "proton"), ("1H", "proton"), ("deuteron", "deuteron"),
     ("7Li", "7Li"), ("3He", "3He")],
)  # fmt: skip
def test_common_names_find_their_particle(spoken: str, name: str) -> None:
    assert projectile(spoken).name == name


def test_particles_weigh_what_nuclei_weigh() -> None:
    assert projectile("proton").mass_u == pytest.approx(1.00727647, abs=1e-7)  # CODATA 2018
    assert projectile("triton").mass_u == pytest.approx(3.01550072, abs=1e-7)
    assert projectile("alpha").mass_u == pytest.approx(4.00150618, abs=1e-6)


@pytest.mark.parametrize("name", ["", "electron", "x", "2Heavy"])
def test_an_unknown_particle_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(BadInput, match="triton"):
        projectile(name)


def test_an_isotope_without_reaction_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="10B"):
        reactions_of("7Li")
