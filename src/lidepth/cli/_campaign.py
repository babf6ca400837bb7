"""A virtual campaign on disk."""

from __future__ import annotations

from pathlib import Path

from lidepth.files._store import write_text
from lidepth.files.plan import truth_json
from lidepth.files.raw import write_campaign
from lidepth.virtual.spectra import VirtualCampaign


def write_virtual(folder: Path, campaign: VirtualCampaign) -> Path:
    """Write what the experimenter of a virtual campaign holds; returns experiment.yaml."""
    run = campaign.run
    return write_campaign(
        folder, title=run.title, area_cm2=run.area_cm2, area_rel_std=run.area_rel_std,
        stack=run.stack, instrument=run.instrument, series=run.series, log=run.log,
    )  # fmt: skip


def write_truth(file: Path, campaign: VirtualCampaign) -> Path:
    """Write what only the simulator knows; returns ``file``."""
    write_text(file, truth_json(campaign))
    return file
