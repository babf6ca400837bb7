"""How the expected spectrum moves with each part of a state and each shared parameter.

Nearly degenerate parameters cancel a hundredfold in what the data determine, and a per cent of
error in one column would be a standard deviation of the fit: so everything is differentiated as it
is computed (lidepth.analysis.passage), and only the background's few numbers by differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.forward import (
    ANODE,
    LNBACK,
    LNFLUX,
    OFFSET,
    ForwardModel,
    Prediction,
    Setting,
)
from lidepth.analysis.parameters import Parameter, knot_weights
from lidepth.analysis.passage import Passage

Floats = NDArray[np.float64]

_STEP = 3e-6
_FWHM_TO_SIGMA2 = 1.0 / (8.0 * np.log(2.0))
_BACKGROUND = ("background", "flat", "back_length")


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """Derivatives of the spectrum ``at``, which is that of ``shared``, ``setting`` and ``state``.

    What is asked for is computed once.
    """

    model: ForwardModel
    shared: Floats
    setting: Setting
    state: Floats
    at: Prediction

    @classmethod
    def of(
        cls, model: ForwardModel, shared: Floats, setting: Setting, state: Floats
    ) -> Sensitivity:
        """Make the spectrum, too."""
        at = model.predict(shared, setting, state)
        return cls(model=model, shared=shared, setting=setting, state=state, at=at)

    @cached_property
    def by_state(self) -> Floats:
        """By the state vector; shape (bins, state size)."""
        model, at = self.model, self.at
        jacobian = np.zeros((at.total.size, model.state_size))
        jacobian[:, LNFLUX] = self._counted
        jacobian[:, OFFSET] = self._folded("by_shift")
        jacobian[:, ANODE:] = self._by_lithium(
            model.directions(self.shared, self.setting, self.state)
        )
        jacobian = model.tailed(self.shared, jacobian)
        jacobian[:, OFFSET] += self._background_shift
        jacobian[:, LNBACK] = at.components["background"]
        return jacobian

    @cached_property
    def by_cell(self) -> Floats:
        """By lithium added to each cell, 1e15/cm2; shape (bins, cells)."""
        return self.model.tailed(self.shared, self._by_lithium(np.eye(self.model.grid.cells)))

    @cached_property
    def by_silicon(self) -> Floats:
        """By moved silicon, 1e15/cm2; shape (bins,)."""
        return self.model.tailed(self.shared, self._silicon)

    @cached_property
    def by_shared(self) -> Floats:
        """By the shared parameters; shape (bins, parameters)."""
        model, shared = self.model, self.shared
        host = self._per_lithium * model.pristine_lithium(shared)
        silicon = model.silicon(shared, self.setting)
        jacobian = np.sum(
            [way.spectra(way.of_parameters(host, silicon)) for way in self._ways], axis=0
        )
        self._fill_closed(jacobian)
        jacobian = model.tailed(shared, jacobian)
        self._fill_tail(jacobian)
        self._fill_background(jacobian)
        return np.asarray(jacobian + self.by_state @ model.lift(self.setting))

    @cached_property
    def _bins_kev(self) -> Floats:
        return self.model.energies_kev(self.shared, self.setting, self.state[OFFSET])

    @cached_property
    def _ways(self) -> tuple[Passage, ...]:
        return tuple(
            Passage(
                model=self.model, particle=one, shared=self.shared, at=self.at,
                bins_kev=self._bins_kev,
            )
            for one in self.model.particles
        )  # fmt: skip

    @cached_property
    def _counted(self) -> Floats:
        """Particles of all kinds, without the tail; (bins,)."""
        return np.asarray(np.sum(list(self.at.raw.values()), axis=0))

    @cached_property
    def _per_lithium(self) -> Floats:
        """Particles of one kind per lithium in each cell; (cells,)."""
        flux = self.model.parameters.get(self.shared, "flux", 1.0)
        flux *= float(np.exp(self.state[LNFLUX])) * self.setting.exposure
        return flux * self.model.li6_fraction

    def _folded(self, name: str) -> Floats:
        return np.asarray(np.sum([getattr(way.fold, name) for way in self._ways], axis=0))

    @cached_property
    def _background_shift(self) -> Floats:
        return self.model.background_shift(self.shared, self.setting, self.state, self._bins_kev)

    def _by_lithium(self, lithium: Floats) -> Floats:
        """By lithium (cells, m), without the tail; (bins, m)."""
        met, born = self.model.on_the_way(lithium), self._per_lithium[:, None] * lithium
        total = np.zeros((self.at.total.size, lithium.shape[1]))
        for way in self._ways:
            changes = way.no_changes(lithium.shape[1])
            changes.add_lithium(met, born)
            total += way.spectra(changes)
        return total

    @cached_property
    def _silicon(self) -> Floats:
        """By moved silicon, without the tail; (bins,)."""
        met = self.model.silicon_profile(self.shared) * self.model.path_factor
        total = np.zeros(self.at.total.size)
        for way in self._ways:
            changes = way.no_changes(1)
            changes.add_silicon(met, 0)
            total += way.spectra(changes)[:, 0]
        return total

    def _fill_closed(self, jacobian: Floats) -> None:
        """Beam, resolution, energy scale, and silicon by the knots' weights; without the tail."""
        model, index = self.model, self.model.parameters.index
        alpha = np.sum(
            [self.at.raw[p.name] for p in model.particles if p.atomic_number > 1], axis=0
        )
        detector = model.parameters.get(self.shared, "fwhm", 1.0) ** 2 * _FWHM_TO_SIGMA2
        columns = {
            "flux": self._counted,
            "ratio": 0.5 * (2.0 * alpha - self._counted),
            "fwhm": self._folded("by_width").sum(axis=1) * 2.0 * detector,
            **self._scale_columns(self._folded("by_shift"), self._folded("by_stretch")),
        }
        for knot, weight in enumerate(knot_weights(model.knots, self.setting.cycle)):
            if weight > 0.0 and f"silicon:{knot}" in index:
                columns[f"silicon:{knot}"] = weight * self._silicon
        for name, column in columns.items():
            if name in index:
                jacobian[:, index[name]] = column

    def _scale_columns(self, shift: Floats, stretch: Floats) -> dict[str, Floats]:
        """Derivatives by the energy scale from those by a shift and a stretch of the bins."""

        def get(name: str, default: float) -> float:
            return self.model.parameters.get(self.shared, name, default)

        # Bin edges are offset + gain * channel: a stretch of the gain leaves the offset alone.
        elapsed = self.setting.run_fraction
        offset = get("offset", 0.0) + self.state[OFFSET] + elapsed * get("offset_drift", 0.0)
        by_gain = stretch - offset * shift
        return {
            "offset": shift,
            "gain": by_gain / get("gain", 1.0),
            "offset_drift": shift * elapsed,
            "gain_drift": by_gain * elapsed / (1.0 + elapsed * get("gain_drift", 0.0)),
        }

    def _fill_tail(self, jacobian: Floats) -> None:
        model, shared, index = self.model, self.shared, self.model.parameters.index
        if "tail" not in index:
            return
        tail = model.tail_of(shared, self._counted)
        jacobian[:, index["tail"]] = tail - self._counted
        place = index["tail_length"]
        parameter = model.parameters.items[place]
        after = model.tail_of(_moved(shared, place, parameter), self._counted)
        fraction = model.parameters.get(shared, "tail", 0.0)
        jacobian[:, place] = fraction * (after - tail) / _step_of(parameter)

    def _fill_background(self, jacobian: Floats) -> None:
        """Fill the background's own columns and its share of the energy scale's."""
        model, shared, index = self.model, self.shared, self.model.parameters.index
        background = self.at.components["background"]
        for name in _BACKGROUND:
            place = index[name]
            parameter = model.parameters.items[place]
            after = model.background(
                _moved(shared, place, parameter), self.setting, self.state, self._bins_kev
            )
            jacobian[:, place] = (after - background) / _step_of(parameter)
        shift, bins = self._background_shift, self._bins_kev
        # A stretch moves the bins and makes them wider: more background in each.
        stretch = shift * 0.5 * (bins[1:] + bins[:-1]) + background
        for name, column in self._scale_columns(shift, stretch).items():
            if name in index:
                jacobian[:, index[name]] += column


def _step_of(parameter: Parameter) -> float:
    return _STEP * parameter.scale


def _moved(shared: Floats, place: int, parameter: Parameter) -> Floats:
    moved = shared.copy()
    moved[place] += _step_of(parameter)
    return moved
