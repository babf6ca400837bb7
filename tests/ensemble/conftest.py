"""A campaign of one cycle on disk, read and fitted once for all tests of ensembles."""

from __future__ import annotations

import pytest
from toys import MEMBERS, SEED, Tiny

from lidepth.analysis.ensemble import prepare
from lidepth.analysis.ensemble.drive import make_members
from lidepth.files.raw import write_campaign
from lidepth.files.run_folder import read_run
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import HOUR_S, CampaignPlan, Cycling
from lidepth.virtual.spectra import simulate_campaign


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    source = stopping_source("icru49")
    cycling = Cycling(
        pristine_s=6 * HOUR_S, cycles=1, current_ua=40.0, first_charge_uah=40.0, rest_s=HOUR_S
    )
    campaign = simulate_campaign(CampaignPlan(seed=3, cycling=cycling), source=source)
    told = campaign.run
    file = write_campaign(
        tmp_path_factory.mktemp("tiny") / "run", title="tiny", area_cm2=told.area_cm2,
        stack=told.stack, instrument=told.instrument, series=told.series, log=told.log,
    )  # fmt: skip
    run = read_run(file)
    prepared = prepare(run, source)
    members = make_members(prepared.problem, "bootstrap", SEED, range(MEMBERS))
    return Tiny(file=file, run=run, prepared=prepared, members=members)
