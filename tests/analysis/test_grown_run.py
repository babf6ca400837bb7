"""A run that has grown: the earlier fit is a start for the next, never its result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lidepth.analysis import analyze
from lidepth.model.result import Analysis, Run, Settled
from lidepth.physics.stopping import stopping_source

if TYPE_CHECKING:
    from conftest import Small

ICRU49 = stopping_source("icru49")
# Both fits end within a tenth of a standard deviation of the one optimum (fit.solve).
SAME = 0.2


def assert_same(found: Analysis, expected: Analysis) -> None:
    for method in ("default", "untied"):
        new, old = found.ledgers[method], expected.ledgers[method]
        apart = np.abs(new.values - old.values)
        assert np.all(apart <= SAME * old.std)
        np.testing.assert_allclose(new.std, old.std, rtol=0.05)


def shorter(run: Run) -> Run:
    """The run as it was when its last tenth had not been measured."""
    kept = np.arange(len(run.series)) < 0.9 * len(run.series)
    return replace(run, series=run.series.part(kept), pristine=run.pristine[kept])


def test_an_unchanged_run_settles_at_once_from_its_own_fit(small: Small) -> None:
    again = analyze(small.run, ICRU49, earlier=small.analysis.settled)
    assert int(again.provenance["fit_passes"]) == 1
    assert_same(again, small.analysis)


def test_a_grown_run_ends_where_a_fresh_analysis_ends(small: Small) -> None:
    before = analyze(shorter(small.run), ICRU49)
    assert len(before.states) <= len(small.analysis.states)
    assert_same(analyze(small.run, ICRU49, earlier=before.settled), small.analysis)


@pytest.mark.nightly
def test_a_misleading_start_changes_nothing(small: Small) -> None:
    wild = Settled(
        shared={name: value + 2.0 for name, value in small.analysis.settled.shared.items()},
        tied={label: 3.0 * vector for label, vector in small.analysis.settled.tied.items()},
    )
    assert_same(analyze(small.run, ICRU49, earlier=wild), small.analysis)
