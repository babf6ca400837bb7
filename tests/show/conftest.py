from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fake_analysis import fake_analysis, fake_truth

from lidepth.show.save import draw_figures


@pytest.fixture(scope="session")
def analysis():
    return fake_analysis()


@pytest.fixture(scope="session")
def truth(analysis):
    return fake_truth(analysis)


@pytest.fixture(scope="session")
def drawings(analysis, truth):
    drawn, skipped = draw_figures(analysis, truth)
    assert not skipped
    return drawn
