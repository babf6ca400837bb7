"""The data and the beliefs of a fit, drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.fit import Observation
from lidepth.analysis.parameters import ParameterSet

Floats = NDArray[np.float64]

FEWEST = 5
"""Spectra of a state from which it can be resampled: fewer do not show their own scatter."""


@dataclass(frozen=True, kw_only=True)
class Sheets:
    """The spectra that a state was summed from.

    ``counts`` (k, bins); ``exposure`` (k,) and ``live_s`` (k,) shares of the state's, summing to 1.
    """

    counts: Floats
    exposure: Floats
    live_s: Floats


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a member takes for true: ``shared`` (p,), ``states`` and ``whole`` states (n, size).

    ``whole`` has the mean profile of the electrolyte, which is shared, added.
    """

    shared: Floats
    states: Floats
    whole: Floats


def counts_again(
    observations: Sequence[Observation], expected: Floats, rng: np.random.Generator
) -> list[Observation]:
    """Poisson counts about what was ``expected`` (n, bins)."""
    return [
        replace(seen, counts=rng.poisson(np.maximum(mean, 0.0)).astype(np.float64))
        for seen, mean in zip(observations, expected, strict=True)
    ]


def spectra_again(
    observations: Sequence[Observation], sheets: Sequence[Sheets], expected: Floats,
    rng: np.random.Generator,
) -> list[Observation]:  # fmt: skip
    """The spectra of every state with replacement; counts about ``expected`` where too few.

    A spectrum brings its exposure and live time along, so that a beam that flickers does so here
    too.  Of k spectra k - 1 are drawn: their sum then scatters as it should, for k spectra scatter
    about their own mean by (k - 1) / k of their variance.
    """
    again = []
    for seen, pile, mean in zip(observations, sheets, expected, strict=True):
        k = len(pile.counts)
        if k < FEWEST:
            again += counts_again([seen], mean[None], rng)
            continue
        drawn = rng.integers(0, k, size=k - 1)
        setting = replace(
            seen.setting, exposure=seen.setting.exposure * float(pile.exposure[drawn].sum()),
            live_s=seen.setting.live_s * float(pile.live_s[drawn].sum()),
        )  # fmt: skip
        again.append(replace(seen, counts=pile.counts[drawn].sum(axis=0), setting=setting))
    return again


def beliefs_again(
    observations: Sequence[Observation], rng: np.random.Generator, *,
    truth: Truth | None = None,
) -> list[Observation]:  # fmt: skip
    """What is believed of every state, its beam, offset, background, profile and charge, again.

    About what was believed before, or, where given, about a ``truth``.
    """
    again = []
    for place, seen in enumerate(observations):
        prior, values = seen.prior, [tie.value for tie in seen.ties]
        if truth is not None:
            prior = np.where(_known(seen), truth.states[place], prior)
            values = [
                float(tie.state_row @ truth.whole[place] + tie.shared_row @ truth.shared)
                for tie in seen.ties
            ]
        ties = tuple(
            replace(tie, value=value + tie.std * float(rng.standard_normal()))
            for tie, value in zip(seen.ties, values, strict=True)
        )
        again.append(replace(seen, prior=prior + _wander(seen, rng), ties=ties))
    return again


def _known(seen: Observation) -> NDArray[np.bool_]:
    """Parts of a state of which something is believed beforehand."""
    return np.asarray(seen.free & (np.diag(seen.precision) > 0))


def _wander(seen: Observation, rng: np.random.Generator) -> Floats:
    """An error of the prior mean, of the prior's own covariance; (state size,)."""
    known = np.flatnonzero(_known(seen))
    error = np.zeros(seen.prior.size)
    if known.size:
        root = np.linalg.cholesky(np.linalg.inv(seen.precision[np.ix_(known, known)]))
        error[known] = root @ rng.standard_normal(known.size)
    return error


def parameters_again(
    parameters: ParameterSet, rng: np.random.Generator, *, about: Floats | None = None
) -> ParameterSet:
    """What is believed of the shared parameters again; about their fitted values where given."""
    std = np.array([p.std if np.isfinite(p.std) else 0.0 for p in parameters.items])
    error = std * rng.standard_normal(std.size)
    for first, covariance in parameters.correlated:
        block = slice(first, first + len(covariance))
        error[block] = np.linalg.cholesky(covariance) @ rng.standard_normal(len(covariance))
    centre = parameters.prior if about is None else np.where(std > 0, about, parameters.prior)
    items = tuple(
        replace(p, prior=float(c + e), start=p.first)
        for p, c, e in zip(parameters.items, centre, error, strict=True)
    )
    return replace(parameters, items=items)
