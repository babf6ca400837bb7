"""Planning a measurement: what counting time, cycles, distance or resolution a question needs."""

from __future__ import annotations

from lidepth.analysis.planning.answer import Answer, Need
from lidepth.analysis.planning.beam import Geometry, rate_per_1e15
from lidepth.analysis.planning.plan import plan
from lidepth.analysis.planning.protocol import Description, Protocol
from lidepth.analysis.planning.questions import EXAMPLES, Question, parse_question

__all__ = [
    "EXAMPLES",
    "Answer",
    "Description",
    "Geometry",
    "Need",
    "Protocol",
    "Question",
    "parse_question",
    "plan",
    "rate_per_1e15",
]
