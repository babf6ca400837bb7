"""What can be asked of a plan, as short sentences.

    5 % loss in the electrolyte            seen at 3 sigma; % of the first charge, or uAh
    1 uAh loss in the anode at 5 sigma     electrolyte, anode or cathode
    interlayer of 20 nm                    seen at 3 sigma
    interlayer of 200 nm to 20 nm          its thickness known to 20 nm
    edge of interlayer of 200 nm to 10 nm  its sharpness known to 10 nm
    growth only on charge                  told from growth in both phases, ln Bayes factor > 5
    2 % in LAYER                           its content of the isotope known to 2 %
    layer of 20 nm at 300 nm               so much more of the isotope there, seen at 3 sigma
    resolution of 60 nm at 300 nm          depth bins of 60 nm, each known to 10 % (or "to 30 %")

Every question that is "seen" may end in "at N sigma"; growth may end in "at N sigma" too.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import Literal

from lidepth.errors import BadInput, OutOfRange

Kind = Literal["loss", "interlayer", "thickness", "edge", "growth", "content", "layer",
               "resolution"]  # fmt: skip

EXAMPLES = (
    "5 % loss in the electrolyte",
    "1 uAh loss in the anode at 5 sigma",
    "5 % loss in the cathode",
    "interlayer of 20 nm",
    "interlayer of 200 nm to 20 nm",
    "edge of interlayer of 200 nm to 10 nm",
    "growth only on charge",
    "growth only on discharge",
    "2 % in LAYER",
    "layer of 20 nm at 300 nm",
    "resolution of 60 nm at 300 nm to 10 %",
)

SEEN_SIGMA = 3.0
LN_BAYES = 5.0
BIN_PERCENT = 10.0

_NUMBER = r"(\d+\.?\d*|\.\d+)"
_SIGMA = rf"(?:\s+at\s+{_NUMBER}\s*(?:sigma|σ))?"
_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("loss", rf"{_NUMBER}\s*(%|uah|µah|μah)\s+(?:loss|lithium|lost)\s+in\s+(?:the\s+)?"
             rf"(anode|electrolyte|cathode){_SIGMA}"),
    ("thickness", rf"interlayer\s+of\s+{_NUMBER}\s*nm\s+to\s+{_NUMBER}\s*nm"),
    ("edge", rf"edge\s+of\s+(?:an?\s+)?interlayer\s+of\s+{_NUMBER}\s*nm\s+to\s+{_NUMBER}\s*nm"),
    ("interlayer", rf"(?:an?\s+)?interlayer\s+of\s+{_NUMBER}\s*nm{_SIGMA}"),
    ("growth", rf"growth\s+only\s+(?:on|while|during)\s+(charge|charging|discharge|discharging)"
               rf"{_SIGMA}"),
    ("layer", rf"(?:an?\s+)?layer\s+of\s+{_NUMBER}\s*nm\s+at\s+{_NUMBER}\s*nm{_SIGMA}"),
    ("resolution", rf"(?:depth\s+)?resolution\s+of\s+{_NUMBER}\s*nm\s+at\s+{_NUMBER}\s*nm"
                   rf"(?:\s+to\s+{_NUMBER}\s*%)?"),
    ("content", rf"{_NUMBER}\s*%\s+in\s+(.+)"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question, read.

    ``amount`` is what is to be seen or measured, ``unit`` its unit ("%" of the first charge or of
    the content, "uAh", "nm"); ``place`` the region, layer or phase; ``depth_nm`` from the detector
    side; ``sigma`` how sure "seen" is to be; ``to`` the standard uncertainty asked for, NaN where
    ``sigma`` says it, in nm for thickness and edge, in per cent for content and resolution.
    """

    text: str
    kind: Kind
    amount: float
    unit: str = "nm"
    place: str = ""
    depth_nm: float = math.nan
    sigma: float = SEEN_SIGMA
    to: float = math.nan

    @property
    def for_cells(self) -> bool:
        """Whether it needs a cell with anode, electrolyte and cathode."""
        return self.kind in ("loss", "interlayer", "thickness", "edge", "growth")


def parse_question(text: str) -> Question:
    """Read one question; raises BadInput, naming the nearest known one, and OutOfRange."""
    words = re.sub(r"\s+", " ", text.strip())
    for kind, pattern in _PATTERNS:
        match = re.fullmatch(pattern, words, re.IGNORECASE)
        if match is not None:
            return _checked(_read(kind, words, match.groups()))
    near = difflib.get_close_matches(words.lower(), EXAMPLES, n=1, cutoff=0.0)[0]
    raise BadInput(
        f"the question {text!r} is not understood", where="--question",
        expected="one like: " + "; ".join(EXAMPLES), remedy=f"did you mean {near!r}?",
    )  # fmt: skip


def _read(kind: Kind, text: str, found: tuple[str | None, ...]) -> Question:
    given = [part or "" for part in found]
    if kind == "loss":
        unit = "%" if given[1] == "%" else "uAh"
        return Question(text=text, kind=kind, amount=float(given[0]), unit=unit,
                        place=given[2].lower(), sigma=_sigma(given[3]))  # fmt: skip
    if kind in ("thickness", "edge"):
        return Question(text=text, kind=kind, amount=float(given[0]), to=float(given[1]))
    if kind == "interlayer":
        return Question(text=text, kind=kind, amount=float(given[0]), sigma=_sigma(given[1]))
    if kind == "growth":
        place = "discharge" if given[0].lower().startswith("dis") else "charge"
        # ln B of a point hypothesis against one that lies d standard uncertainties off: d^2 / 2
        sigma = _sigma(given[1], math.sqrt(2.0 * LN_BAYES))
        return Question(text=text, kind=kind, amount=1.0, unit="", place=place, sigma=sigma)
    if kind == "layer":
        return Question(text=text, kind=kind, amount=float(given[0]), depth_nm=float(given[1]),
                        sigma=_sigma(given[2]))  # fmt: skip
    if kind == "resolution":
        return Question(text=text, kind=kind, amount=float(given[0]), depth_nm=float(given[1]),
                        to=float(given[2] or BIN_PERCENT))  # fmt: skip
    return Question(text=text, kind=kind, amount=float(given[0]), unit="%", to=float(given[0]),
                    place=given[1].strip())  # fmt: skip


def _sigma(text: str, usual: float = SEEN_SIGMA) -> float:
    return float(text) if text else usual


def _checked(question: Question) -> Question:
    numbers = (question.amount, question.sigma)
    wanted = question.to
    if min(numbers) <= 0 or wanted <= 0:
        raise OutOfRange(
            f"the question {question.text!r} asks for nothing", where="--question",
            expected="numbers above zero",
        )  # fmt: skip
    return question
