"""Layers and stacks, written from the detector inwards."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, OutOfRange
from lidepth.model.material import Material
from lidepth.units import quantity

Role = Literal["anode", "electrolyte", "cathode"]
ROLES: tuple[Role, ...] = get_args(Role)

_LAYER_TEXT = re.compile(
    r"^(?P<material>\S+)\s+(?P<thickness>[\d.]+\s*[^\s@\[\](]+)"
    r"(?:\s*@\s*(?P<density>[\d.]+\s*[^\s\[\](]+))?(?:\s*\[(?P<role>\w+)\])?$"
)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One homogeneous film.

    ``thickness_nm`` with relative standard uncertainty ``thickness_rel_std``; ``role`` names the
    part the film plays in the cell, if any.
    """

    material: Material
    thickness_nm: float
    name: str = ""
    role: Role | None = None
    thickness_rel_std: float = 0.10

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.role or self.material.name)
        if not (math.isfinite(self.thickness_nm) and 0 < self.thickness_nm < 1e7):
            raise OutOfRange(
                f"thickness {self.thickness_nm!r} nm of layer {self.name!r} cannot be",
                expected="more than 0 nm and less than 1 cm",
            )
        if not 0 <= self.thickness_rel_std <= 1:
            raise OutOfRange(
                f"thickness uncertainty {self.thickness_rel_std!r} of layer {self.name!r}",
                expected="0 to 100 % of the thickness",
            )
        if self.role is not None and self.role not in ROLES:
            raise BadInput(
                f"layer {self.name!r} has the unknown role {self.role!r}",
                expected=", ".join(ROLES),
            )

    @property
    def areal_density_1e15(self) -> float:
        """Atoms of all kinds in the layer, in 1e15 atoms/cm2."""
        return self.material.atoms_1e15_per_nm * self.thickness_nm

    def element_1e15(self, symbol: str) -> float:
        """Atoms of one element in the layer, in 1e15 atoms/cm2."""
        return self.areal_density_1e15 * self.material.fractions.get(symbol, 0.0)

    def scaled(self, factor: float) -> Layer:
        """Return the layer with its thickness times ``factor``."""
        return replace(self, thickness_nm=self.thickness_nm * factor)

    def __or__(self, other: Layer | Stack) -> Stack:
        below = other.layers if isinstance(other, Stack) else (other,)
        return Stack(layers=(self, *below))


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Layers in the order in which a particle meets them backwards: detector side first.

    >>> cell = Stack.parse("Cu 150 nm | Si 50 nm [anode] | Li3PO4 2 um @ 2.32 g/cm^3")
    >>> [layer.name for layer in cell]
    ['Cu', 'anode', 'Li3PO4']
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise BadInput("a stack needs at least one layer")
        for role in ROLES:
            if sum(layer.role == role for layer in self.layers) > 1:
                raise BadInput(
                    f"two layers have the role {role!r}",
                    expected="each role once",
                    remedy="name the films; give the role to one of them",
                )

    @classmethod
    def parse(cls, text: str) -> Stack:
        """Read ``"Cu 150 nm | Si 50 nm [anode] | Li3PO4 2 um @ 2.32 g/cm^3 [electrolyte]"``."""
        return cls(layers=tuple(_parse_layer(part.strip()) for part in text.split("|")))

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __or__(self, other: Layer | Stack) -> Stack:
        below = other.layers if isinstance(other, Stack) else (other,)
        return Stack(layers=self.layers + below)

    def __str__(self) -> str:
        return " | ".join(
            f"{layer.material.formula} {layer.thickness_nm:g} nm @ "
            f"{layer.material.density_g_cm3:g} g/cm^3" + (f" [{layer.role}]" if layer.role else "")
            for layer in self.layers
        )

    def index(self, role: Role) -> int:
        """Position of the layer that plays ``role``.

        Raises BadInput when no layer does.
        """
        for number, layer in enumerate(self.layers):
            if layer.role == role:
                return number
        raise BadInput(
            f"no layer of the stack has the role {role!r}",
            where="cell.stack",
            expected="one layer each with role: anode, role: electrolyte, role: cathode",
            remedy=f"add role: {role} to the layer that is the {role}",
        )

    def layer(self, role: Role) -> Layer:
        """The layer that plays ``role``."""
        return self.layers[self.index(role)]

    def scaled(self, factors: NDArray[np.float64]) -> Stack:
        """Return the stack with each thickness times its factor; shape (layers,)."""
        return Stack(
            layers=tuple(
                layer.scaled(float(factor))
                for layer, factor in zip(self.layers, factors, strict=True)
            )
        )

    @property
    def interfaces_1e15(self) -> NDArray[np.float64]:
        """Areal-density depth of every interface, detector side zero; shape (layers + 1,)."""
        return np.concatenate(
            [[0.0], np.cumsum([layer.areal_density_1e15 for layer in self.layers])]
        )

    @property
    def interfaces_nm(self) -> NDArray[np.float64]:
        """Depth of every interface in nm; shape (layers + 1,)."""
        return np.concatenate([[0.0], np.cumsum([layer.thickness_nm for layer in self.layers])])


def _parse_layer(text: str) -> Layer:
    match = _LAYER_TEXT.match(text)
    if match is None:
        raise BadInput(
            f"cannot read the layer {text!r}",
            expected='"MATERIAL THICKNESS [@ DENSITY] [[ROLE]]", such as "Si 50 nm [anode]"',
        )
    changes = {"density_g_cm3": quantity(match["density"], "g/cm^3")} if match["density"] else {}
    role = match["role"]
    if role is not None and role not in ROLES:
        raise BadInput(f"unknown role {role!r} in {text!r}", expected=", ".join(ROLES))
    return Layer(
        material=Material.named(match["material"], **changes),
        thickness_nm=quantity(match["thickness"], "nm"),
        role=role,
    )
