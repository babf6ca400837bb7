"""Stopping powers from several sources behind one interface."""

from lidepth.physics.stopping.choose import DEFAULT_SOURCE, stopping_source
from lidepth.physics.stopping.icru49 import Icru49Source
from lidepth.physics.stopping.lunasrim_source import LunasrimSource
from lidepth.physics.stopping.source import StoppingSource, total
from lidepth.physics.stopping.table import (
    StoppingTable,
    csda_range_1e15,
    stopping_rows,
    tabulate,
)
from lidepth.physics.stopping.tabulated import StoppingPoints, TabulatedSource

__all__ = [
    "DEFAULT_SOURCE",
    "Icru49Source",
    "LunasrimSource",
    "StoppingPoints",
    "StoppingSource",
    "StoppingTable",
    "TabulatedSource",
    "csda_range_1e15",
    "stopping_rows",
    "stopping_source",
    "tabulate",
    "total",
]
