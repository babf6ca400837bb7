"""The cover above the cell is the least known part of it: the fit must find it by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lidepth.analysis import analyze
from lidepth.model.stack import Stack
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import CampaignPlan, Cycling, paper_stack
from lidepth.virtual.spectra import VirtualCampaign, simulate_campaign


def campaign(*, true_nm: float, printed_nm: float) -> VirtualCampaign:
    """One cycle under a cover that is printed wrong, its uncertainty given as 25 %."""
    printed = paper_stack(printed_nm)
    cover = replace(printed.layers[0], thickness_rel_std=0.25)
    plan = CampaignPlan(
        cycling=Cycling(cycles=1, pristine_s=4 * 3600.0),
        seed=9,
        stack=paper_stack(true_nm),
        printed_stack=Stack(layers=(cover, *printed.layers[1:])),
    )
    return simulate_campaign(plan, source=stopping_source("icru49"))


@pytest.mark.parametrize(("true_nm", "printed_nm"), [(2060.0, 2800.0), (2060.0, 1400.0)])
def test_a_cover_printed_a_third_wrong_is_found(true_nm: float, printed_nm: float) -> None:
    made = campaign(true_nm=true_nm, printed_nm=printed_nm)
    analysis = analyze(made.run, stopping_source("icru49"))
    # The cover's stopping is believed to 4 %, and only stopping times thickness is measured.
    assert analysis.stack.layers[0].thickness_nm == pytest.approx(true_nm, rel=0.08)
    default = analysis.ledgers["default"]
    assert np.all(np.abs(default.values - made.truth.values) < 3.0 * default.std + 0.01)


def test_a_cathode_that_cannot_be_seen_leaves_no_windows_rows_but_a_warning() -> None:
    made = campaign(true_nm=4700.0, printed_nm=4400.0)
    analysis = analyze(made.run, stopping_source("icru49"))
    assert "windows" not in analysis.ledgers
    assert any("Eq. 4 has no normaliser" in warning for warning in analysis.warnings)
    default = analysis.ledgers["default"]
    assert np.all(np.abs(default.values - made.truth.values) < 3.0 * default.std + 0.01)
