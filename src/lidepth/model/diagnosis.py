"""What tells whether an analysis can be trusted: residuals, modes, sensitivities, other sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.model._arrays import readonly, require

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ResidualStrip:
    """Measured against expected counts over time (r rows) and energy (g groups of bins).

    ``residual`` (r, g): signed root of the Poisson deviance; ``edges_kev`` (g + 1,) of groups wide
    enough for a mean row to expect a few counts in each.  The scan looks through a window of seven
    bins of the fit at every place: ``scan_z`` (w,) of the sum of all rows around ``scan_kev``
    (w,), with ``scan_excess`` (w,) the relative excess there; ``row_z`` (r,) the most extreme of
    each row, at ``row_kev`` (r,).  By chance one run in twenty goes beyond ``limit`` anywhere in
    ``scan_z``, or beyond ``row_limit`` in any row.  ``start_s`` and ``stop_s`` (r,) since the
    run's origin; ``spectra`` (r,) how many are summed; ``labels`` names the rows where they are
    states, and is empty where they are the spectra of a campaign in order of time.
    """

    start_s: Floats
    stop_s: Floats
    spectra: NDArray[np.int64]
    labels: tuple[str, ...]
    edges_kev: Floats
    residual: Floats
    scan_kev: Floats
    scan_z: Floats
    scan_excess: Floats
    row_z: Floats
    row_kev: Floats
    limit: float
    row_limit: float

    def __post_init__(self) -> None:
        rows, windows = self.start_s.size, self.scan_kev.size
        for name, shape in (
            ("start_s", (rows,)), ("stop_s", (rows,)), ("row_z", (rows,)), ("row_kev", (rows,)),
            ("edges_kev", (self.edges_kev.size,)),
            ("residual", (rows, self.edges_kev.size - 1)), ("scan_kev", (windows,)),
            ("scan_z", (windows,)), ("scan_excess", (windows,)),
        ):  # fmt: skip
            object.__setattr__(self, name, readonly(getattr(self, name)))
            require(getattr(self, name).shape == shape, f"{name} has the shape {shape}")
        require(self.spectra.shape == (rows,), "one number of spectra per row")
        require(len(self.labels) in (0, rows), "one label per row, or none")

    def __len__(self) -> int:
        return int(self.start_s.size)

    @property
    def beyond(self) -> NDArray[np.bool_]:
        """True for rows that go beyond what chance explains; (r,)."""
        return np.asarray(np.abs(self.row_z) > self.row_limit)


@dataclass(frozen=True, kw_only=True)
class ModeSpectrum:
    """How many independent shapes of the electrolyte's profile the data know.

    ``information`` (n, m): eigenvalues of the Fisher information of each of n states in units of
    the prior's, falling; one means as much from the counts as from the prior.  ``freed`` (n, m)
    the same with beam, energy offset, background, anode and cathode of the state unknown as well.
    ``shapes`` (m, cells): the change of lithium (1e15/cm2 per nm of the pristine stack) that one
    prior standard deviation of each mode of the last state makes, in electrolyte cells between
    ``edges_nm`` (cells + 1,) below the anode's surface.
    """

    labels: tuple[str, ...]
    information: Floats
    freed: Floats
    edges_nm: Floats
    shapes: Floats

    def __post_init__(self) -> None:
        n, modes = len(self.labels), self.shapes.shape[0]
        for name, shape in (
            ("information", (n, modes)), ("freed", (n, modes)),
            ("edges_nm", (self.edges_nm.size,)), ("shapes", (modes, self.edges_nm.size - 1)),
        ):  # fmt: skip
            object.__setattr__(self, name, readonly(getattr(self, name)))
            require(getattr(self, name).shape == shape, f"{name} has the shape {shape}")

    @property
    def supported(self) -> NDArray[np.int64]:
        """Number of modes that each state's counts know better than the prior; (n,)."""
        return np.asarray(np.count_nonzero(self.information > 1.0, axis=1))


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """How the default ledger moves with one shared parameter; uAh, (kinds, 3) each.

    Rows of one kind (charged, discharged) are averaged; columns anode, electrolyte, cathode.
    ``believed``: the parameter is believed beforehand to be one prior standard deviation more,
    and all is fitted again; zero where nothing was believed.  ``forced``: the parameter is held
    more by ``step`` (in words ``step_words``) than was found, and all else is fitted again.
    ``share``: what goes with one standard deviation left after the fit; its square is this
    parameter's share of the common variance (shares of correlated parameters do not add up).
    ``prior_std`` and ``std`` relative for logarithmic parameters, else in ``unit``.
    """

    name: str
    label: str
    unit: str
    prior_std: float
    std: float
    step: float
    step_words: str
    believed: Floats
    forced: Floats
    share: Floats

    def __post_init__(self) -> None:
        for name in ("believed", "forced", "share"):
            object.__setattr__(self, name, readonly(getattr(self, name)))
            require(getattr(self, name).shape == self.believed.shape, f"{name} is (kinds, 3)")


@dataclass(frozen=True, kw_only=True)
class SensitivityTable:
    """Sensitivities of all shared parameters, the most harmful first.

    ``kinds`` names the states averaged over; ``common`` (kinds, 3) the common error of their mean,
    uAh, to which the shares belong.
    """

    kinds: tuple[str, ...]
    common: Floats
    rows: tuple[Sensitivity, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "common", readonly(self.common))
        require(self.common.shape == (len(self.kinds), 3), "one common error per kind and region")
        for row in self.rows:
            require(row.share.shape == self.common.shape, "one row per kind")

    def __getitem__(self, name: str) -> Sensitivity:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)


@dataclass(frozen=True, kw_only=True)
class SourceEnsemble:
    """The default ledger as other stopping sources would have it.

    ``values`` (m, n, 3) in uAh: row 0 is the analysis itself, the others in the order of
    ``names``; rows n are those of the ledger (``cycle``, ``state``); ``common`` (n, 3) its stated
    common error.  ``misfit`` (m,): factor by which the pristine misfit widens common errors with
    each source, one where the pristine spectrum is explained.
    """

    names: tuple[str, ...]
    cycle: NDArray[np.int64]
    state: tuple[str, ...]
    values: Floats
    common: Floats
    misfit: Floats

    def __post_init__(self) -> None:
        m, n = len(self.names), len(self.state)
        for name, shape in (("values", (m, n, 3)), ("common", (n, 3)), ("misfit", (m,))):
            object.__setattr__(self, name, readonly(getattr(self, name)))
            require(getattr(self, name).shape == shape, f"{name} has the shape {shape}")
        require(m >= 1 and self.cycle.shape == (n,), "one cycle per row, one source at least")

    @property
    def shift(self) -> Floats:
        """By how much each source moves each value; (m, n, 3)."""
        return np.asarray(self.values - self.values[0])

    @property
    def band(self) -> tuple[Floats, Floats]:
        """Lowest and highest move of each value; (n, 3) each."""
        return np.asarray(self.shift.min(axis=0)), np.asarray(self.shift.max(axis=0))

    def moves(self, kind: str) -> Floats:
        """Mean move of the rows of one kind by each source; (m, 3)."""
        rows = np.array([state == kind for state in self.state])
        return np.asarray(self.shift[:, rows].mean(axis=1))


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All of it; what could not be had is None."""

    strip: ResidualStrip | None = None
    modes: ModeSpectrum | None = None
    sensitivity: SensitivityTable | None = None
    ensemble: SourceEnsemble | None = None
