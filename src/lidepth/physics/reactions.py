"""The neutron reactions of depth profiling, and the particles they send out.

Energies are exact relativistic two-body kinematics of the compound nucleus at rest; the thermal
neutron's 0.025 eV is nothing beside them.  With M = m_neutron + m_target and products 1 and 2:

    T1 = (M - m1 - m2) (M - m1 + m2) / (2 M)

Masses are nuclear: the atomic mass less Z electrons.  The binding of the electrons (eV in
lithium) is neglected, as everywhere in this field.
Atomic masses: AME2020, M. Wang et al., Chinese Physics C 45 (2021) 030003.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lidepth.constants import AMU_KEV, ELECTRON_MASS_KEV, NATURAL_B10_FRACTION, NATURAL_LI6_FRACTION
from lidepth.errors import BadInput

ENERGY_TOLERANCE_KEV = 3.0
"""How far a user's particle energy may lie from kinematics before it is refused."""

_NEUTRON_U = 1.00866491590

# Nuclide: (atomic number, element symbol, atomic mass in u, AME2020).
_NUCLIDES: dict[str, tuple[int, str, float]] = {
    "1H": (1, "H", 1.007825031898),
    "2H": (1, "H", 2.014101777844),
    "3H": (1, "H", 3.016049281320),
    "3He": (2, "He", 3.016029321967),
    "4He": (2, "He", 4.002603254130),
    "6Li": (3, "Li", 6.0151228874),
    "7Li": (3, "Li", 7.0160034342),
    "7Be": (4, "Be", 7.016928714),
    "10B": (5, "B", 10.012936862),
    "14C": (6, "C", 14.003241988),
    "14N": (7, "N", 14.003074004),
    "17O": (8, "O", 16.999131756),
    "22Ne": (10, "Ne", 21.991385113),
    "22Na": (11, "Na", 21.994437547),
    "30Si": (14, "Si", 29.973770137),
    "33S": (16, "S", 32.971458909),
    "35S": (16, "S", 34.969032321),
    "35Cl": (17, "Cl", 34.968852694),
}

# What people call the light ones.
_SPOKEN = {"1H": "proton", "2H": "deuteron", "3H": "triton", "4He": "alpha"}
_ALIASES = {
    "p": "1H", "H": "1H", "d": "2H", "D": "2H", "t": "3H", "T": "3H", "tritium": "3H",
    "He": "4He", "He-4": "4He", "a": "4He", "He-3": "3He", "helion": "3He", "Li-7": "7Li",
    "H-1": "1H", "H-2": "2H", "H-3": "3H", "deuterium": "2H", "helium": "4He", "hydrogen": "1H",
} | {spoken: nuclide for nuclide, spoken in _SPOKEN.items()}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Projectile:
    """A bare nucleus in flight; ``mass_u`` is its nuclear mass, without electrons."""

    name: str
    symbol: str
    mass_u: float
    atomic_number: int


@dataclass(frozen=True, kw_only=True)
class Product:
    """A particle a reaction sends out, with its kinetic energy at birth."""

    projectile: Projectile
    energy_kev: float


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """One branch of a thermal-neutron reaction with two charged products.

    ``cross_section_b`` is that of this branch at 2200 m/s: do not multiply it by
    ``branch_fraction`` again.  ``abundance`` is the atom fraction of the isotope in the natural
    element, zero for a radioactive one; ``gamma_kev`` is the prompt gamma of the excited branch.
    """

    name: str
    isotope: str
    light: Product
    heavy: Product
    q_kev: float
    branch_fraction: float
    abundance: float
    cross_section_b: float
    cross_section_std_b: float
    cross_section_source: str
    gamma_kev: float = 0.0
    remark: str = ""


def nuclear_mass_u(nuclide: str) -> float:
    """Nuclear mass: the AME2020 atomic mass less the electrons."""
    number, _, atomic_u = _NUCLIDES[nuclide]
    return atomic_u - number * ELECTRON_MASS_KEV / AMU_KEV


def projectile(name: str) -> Projectile:
    """Return the particle called ``name``: alpha, 4He, He, triton, 3H, t, proton, p, 7Li, ...

    Raises BadInput, with the known names, for anything else.
    """
    nuclide = _nuclide(name)
    if nuclide is None:
        raise BadInput(
            f"no particle is called {name!r}",
            expected="one of " + ", ".join([*_SPOKEN.values(), *_NUCLIDES, "p", "d", "t", "He"]),
        )
    number, symbol, _ = _NUCLIDES[nuclide]
    return Projectile(
        name=_SPOKEN.get(nuclide, nuclide),
        symbol=symbol,
        mass_u=nuclear_mass_u(nuclide),
        atomic_number=number,
    )


def _nuclide(name: object) -> str | None:
    text = name.strip() if isinstance(name, str) else ""
    exact = text if text in _NUCLIDES else _ALIASES.get(text)
    folded = {key.casefold(): _ALIASES.get(key, key) for key in [*_NUCLIDES, *_ALIASES]}
    return exact or folded.get(text.casefold())


def two_body_energies_kev(
    *, target: str, light: str, heavy: str, excitation_kev: float = 0.0
) -> tuple[float, float]:
    """Kinetic energies of both products of target(n, light)heavy; see the head of this file."""
    whole = (_NEUTRON_U + nuclear_mass_u(target)) * AMU_KEV
    light_kev = nuclear_mass_u(light) * AMU_KEV
    heavy_kev = nuclear_mass_u(heavy) * AMU_KEV + excitation_kev
    free = whole - light_kev - heavy_kev
    return (
        free * (whole - light_kev + heavy_kev) / (2.0 * whole),
        free * (whole - heavy_kev + light_kev) / (2.0 * whole),
    )


def _reaction(
    target: str,
    light: str,
    heavy: str,
    *,
    name: str,
    barns: tuple[float, float, str],
    abundance: float,
    branch: float = 1.0,
    excitation_kev: float = 0.0,
    remark: str = "",
) -> Reaction:
    light_kev, heavy_kev = two_body_energies_kev(
        target=target, light=light, heavy=heavy, excitation_kev=excitation_kev
    )
    return Reaction(
        name=name,
        isotope=target,
        light=Product(projectile=projectile(light), energy_kev=light_kev),
        heavy=Product(projectile=projectile(heavy), energy_kev=heavy_kev),
        q_kev=light_kev + heavy_kev,
        branch_fraction=branch,
        abundance=abundance,
        cross_section_b=barns[0],
        cross_section_std_b=barns[1],
        cross_section_source=barns[2],
        gamma_kev=excitation_kev,
        remark=remark,
    )


_IAEA = "IAEA neutron standards 2017, Nuclear Data Sheets 148 (2018) 143"
_TABLES = "as printed in tables of neutron depth profiling; the std spans the printed values"
_A1_B, _A0_B = 3601.47, 242.10

# Light product first in the name of the reaction, except 6Li where tradition writes (n,t)4He;
# there ``light`` is the triton as the lighter of the two.
REACTIONS: tuple[Reaction, ...] = (
    _reaction(
        "6Li", "3H", "4He", name="6Li(n,t)4He",
        barns=(938.13, 0.54, _IAEA), abundance=NATURAL_LI6_FRACTION,
        remark="commercial lithium can be depleted in 6Li; one published cell study prints the "
        "two energies the wrong way round",
    ),
    _reaction(
        "10B", "4He", "7Li", name="10B(n,a1)7Li*",
        barns=(_A1_B, 3.9, _IAEA), abundance=NATURAL_B10_FRACTION,
        branch=_A1_B / (_A1_B + _A0_B), excitation_kev=477.603,
        remark="93.7 % of the captures, with the 477.6 keV gamma",
    ),
    _reaction(
        "10B", "4He", "7Li", name="10B(n,a0)7Li",
        barns=(_A0_B, 0.33, _IAEA), abundance=NATURAL_B10_FRACTION,
        branch=_A0_B / (_A1_B + _A0_B),
    ),
    _reaction(
        "14N", "1H", "14C", name="14N(n,p)14C",
        barns=(1.83, 0.03, _TABLES), abundance=0.99636,
    ),
    _reaction(
        "3He", "1H", "3H", name="3He(n,p)3H",
        barns=(5326.0, 10.0, _TABLES), abundance=1.34e-6,
    ),
    _reaction(
        "17O", "4He", "14C", name="17O(n,a)14C",
        barns=(0.24, 0.01, _TABLES), abundance=3.8e-4,
        remark="its alpha falls among those of lithium and boron",
    ),
    _reaction(
        "33S", "4He", "30Si", name="33S(n,a)30Si",
        barns=(0.14, 0.03, _TABLES), abundance=7.5e-3,
    ),
    _reaction(
        "35Cl", "1H", "35S", name="35Cl(n,p)35S",
        barns=(0.49, 0.03, _TABLES), abundance=0.7576,
    ),
    _reaction(
        "7Be", "1H", "7Li", name="7Be(n,p)7Li",
        barns=(4.8e4, 7.0e3, _TABLES), abundance=0.0,
        remark="radioactive; published cross sections differ by 30 %",
    ),
    _reaction(
        "22Na", "1H", "22Ne", name="22Na(n,p1)22Ne*",
        barns=(3.1e4, 3.0e3, _TABLES), abundance=0.0, excitation_kev=1274.537,
        remark="radioactive; the tables give one cross section, put here on this stronger branch",
    ),
    _reaction(
        "22Na", "1H", "22Ne", name="22Na(n,p0)22Ne",
        barns=(0.0, 3.0e3, _TABLES), abundance=0.0, branch=0.0,
        remark="radioactive; a weak branch whose share is not tabulated: its line is placed here, "
        "its strength has to be fitted",
    ),
)  # fmt: skip


def reactions_of(isotope: str) -> tuple[Reaction, ...]:
    """Return every branch of the reaction of ``isotope``; raises BadInput for one without."""
    found = tuple(reaction for reaction in REACTIONS if reaction.isotope == isotope)
    if not found:
        known = dict.fromkeys(reaction.isotope for reaction in REACTIONS)
        raise BadInput(
            f"{isotope!r} has no thermal-neutron reaction here",
            expected="one of " + ", ".join(known),
        )
    return found


def check_particle_energies(isotope: str, energies_kev: Mapping[str, float]) -> None:
    """Refuse particle energies that are not those of kinematics.

    Raises BadInput when a value is more than ``ENERGY_TOLERANCE_KEV`` from every branch, and
    says so when it is the energy of the other particle.
    """
    lines: dict[str, list[float]] = {}
    for reaction in reactions_of(isotope):
        for product in (reaction.light, reaction.heavy):
            lines.setdefault(product.projectile.name, []).append(product.energy_kev)
    for given, value in energies_kev.items():
        name = projectile(given).name
        if name not in lines:
            raise BadInput(f"{isotope} sends out no {given}", expected="one of " + ", ".join(lines))
        if _distance(value, lines[name]) <= ENERGY_TOLERANCE_KEV:
            continue
        others = [other for other in lines if other != name and _near(value, lines[other])]
        if others:
            raise _swapped(isotope, name, others[0], value, lines)
        raise BadInput(
            f"{value:g} keV is not the energy of the {name} from {isotope}",
            expected=" or ".join(f"{energy:.1f} keV" for energy in lines[name])
            + f" within {ENERGY_TOLERANCE_KEV:g} keV",
            remedy="leave the energy out: it follows from the masses (AME2020)",
        )


def _distance(value_kev: float, energies_kev: list[float]) -> float:
    gaps = [abs(value_kev - energy) for energy in energies_kev]
    return min(gaps) if value_kev == value_kev else float("inf")


def _near(value_kev: float, energies_kev: list[float]) -> bool:
    return _distance(value_kev, energies_kev) <= 0.01 * max(energies_kev)


def _swapped(
    isotope: str, name: str, other: str, value_kev: float, lines: Mapping[str, list[float]]
) -> BadInput:
    return BadInput(
        f"the energies of {name} and {other} look swapped: {value_kev:g} keV was given for the "
        f"{name} from {isotope}, and it is the energy of the {other}"
        + (" (the published paper swaps them)" if isotope == "6Li" else ""),
        expected=f"{name} {lines[name][0]:.1f} keV, {other} {lines[other][0]:.1f} keV",
        remedy="exchange the two, or leave both out: they follow from the masses (AME2020)",
    )
