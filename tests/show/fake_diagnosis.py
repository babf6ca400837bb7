"""A smoother's track, a scale and diagnostics made by hand, for the analysis made by hand."""

from __future__ import annotations

import numpy as np

from lidepth.analysis.residuals import residual_strip
from lidepth.model.calibration import FittedParameter
from lidepth.model.check import Landmark, ScaleTrack
from lidepth.model.diagnosis import (
    Diagnosis,
    ModeSpectrum,
    ResidualStrip,
    Sensitivity,
    SensitivityTable,
    SourceEnsemble,
)
from lidepth.model.ledger import Ledger
from lidepth.model.spectra import SpectrumSeries
from lidepth.model.track import LithiumTrack

KINDS = ("charged", "discharged")
HATS = 12


def fake_track(
    series: SpectrumSeries, rows: np.ndarray, contents: np.ndarray, lithium: np.ndarray,
    pristine: np.ndarray, edges_nm: np.ndarray, regions: tuple[str, ...],
) -> LithiumTrack:  # fmt: skip
    """``contents`` (k, 3) and ``lithium`` (k, cells) of the spectra ``rows``."""
    k, cells = rows.size, len(regions)
    time_s = 0.5 * (series.start_s + series.stop_s)[rows]
    slow = np.sin(np.linspace(0.0, 6.0, k))
    return LithiumTrack(
        rows=rows, time_s=time_s, cycle=np.ones(k, np.int64), charge_uah=contents[:, 2] + 0.2,
        contents_uah=contents, std_uah=np.full((k, 3), 0.9), stat_uah=np.full((k, 3), 0.4),
        edges_nm=edges_nm, regions=regions, change_1e15=lithium - pristine,
        change_std_1e15=np.full((k, cells), 1.5),
        nuisances=np.stack([0.002 * slow, 0.1 * slow, 0.03 * slow, 30 + 10 * slow], axis=1),
        nuisances_std=np.tile([0.001, 0.05, 0.01, 8.0], (k, 1)), deviance=np.full(k, 410.0),
        bins=420, log_evidence=1234.5, passes=2,
        shared=(
            FittedParameter(name="loss", label="share of the charge that moves no lithium",
                            unit="", prior=0.0, prior_std=5e-3, value=1e-3, std=4e-4),
            FittedParameter(name="flux", label="flux", unit="", prior=1.0, prior_std=np.inf,
                            value=1.0, std=0.01),
        ),
    )  # fmt: skip


def fake_scale(groups: int, span_s: float) -> ScaleTrack:
    """A steady scale; the last group shows no edge."""
    first = np.arange(groups)
    gain = np.append(np.full(groups - 1, 1.0005), np.nan)
    none = np.zeros(groups)
    marks = tuple(
        Landmark(particle=particle, edge=edge, energy_kev=kev,
                 channel=kev / 3.0, channel_std=0.1)
        for particle, edge, kev in (("triton", "top", 2633.0), ("alpha", "bottom", 460.0))
    )  # fmt: skip
    shift = np.stack([0.3 * np.ones(groups), np.full(groups, np.nan)], axis=1)
    return ScaleTrack(
        first=first, last=first + 1, time_s=np.linspace(0.0, span_s, groups), offset_kev=none,
        offset_std_kev=none + 0.3, gain=gain, gain_std=none + 1e-3, shift_kev=shift,
        shift_std_kev=np.ones_like(shift), moved_kev=none, moved_std_kev=none + 0.3,
        landmarks=marks,
    )  # fmt: skip


def fake_strip(series: SpectrumSeries, rows: np.ndarray, rng: np.random.Generator) -> ResidualStrip:
    """Noise over time and energy."""
    expected = np.tile(np.linspace(40.0, 2.0, 200), (rows.size, 1))
    return residual_strip(
        rng.poisson(expected).astype(float), expected, edges_kev=np.linspace(300.0, 2700.0, 201),
        start_s=series.start_s[rows], stop_s=series.stop_s[rows],
        spectra=np.ones(rows.size, dtype=np.int64),
    )  # fmt: skip


def fake_modes(labels: tuple[str, ...], edges_nm: np.ndarray) -> ModeSpectrum:
    """Twelve shapes, six of them known."""
    middle = 0.5 * (edges_nm[1:] + edges_nm[:-1])
    known = np.tile(200.0 * 0.38 ** np.arange(HATS), (len(labels), 1))
    phase = np.pi * np.outer(np.arange(1, HATS + 1), middle / edges_nm[-1])
    return ModeSpectrum(
        labels=labels, information=known, freed=0.7 * known, edges_nm=edges_nm,
        shapes=np.sin(phase) * np.exp(-middle / 500.0),
    )  # fmt: skip


def fake_sensitivity(parameters: int = 20) -> SensitivityTable:
    """Ever smaller moves, of opposite sign in anode and electrolyte."""
    rows = []
    for i in range(parameters):
        move = np.array([[1.0, -1.0, 0.0], [0.6, -0.6, 0.001]]) * 0.8**i
        rows.append(
            Sensitivity(
                name=f"areal:{i}", label=f"layer {i} areal density", unit="x",
                prior_std=np.inf if i == 3 else 0.05, std=0.02, step=0.01, step_words="1 %",
                believed=0.5 * move, forced=0.3 * move, share=move,
            )
        )  # fmt: skip
    return SensitivityTable(
        kinds=KINDS, common=np.array([[1.6, 1.6, 0.1], [1.0, 1.0, 0.2]]), rows=tuple(rows)
    )


def fake_ensemble(ledger: Ledger) -> SourceEnsemble:
    """Two other sources, one a little off."""
    n = len(ledger)
    moves = np.array([[0.0, 0.0, 0.0], [0.4, -0.4, 0.0], [-1.1, 1.1, 0.01]])
    return SourceEnsemble(
        names=("icru49", "icru49, compounds -4 %", "lunasrim"), cycle=ledger.cycle,
        state=ledger.state, values=ledger.values + np.tile(moves[:, None], (1, n, 1)),
        common=np.full((n, 3), 1.5), misfit=np.array([1.0, 1.0, 1.2]),
    )  # fmt: skip


def fake_diagnosis(
    series: SpectrumSeries, rows: np.ndarray, ledger: Ledger, labels: tuple[str, ...],
    edges_nm: np.ndarray, rng: np.random.Generator,
) -> Diagnosis:  # fmt: skip
    """All of it."""
    return Diagnosis(
        strip=fake_strip(series, rows, rng), modes=fake_modes(labels, edges_nm),
        sensitivity=fake_sensitivity(), ensemble=fake_ensemble(ledger),
    )  # fmt: skip
