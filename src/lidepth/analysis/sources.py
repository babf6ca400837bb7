"""The same run analysed with other stopping powers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.account import account
from lidepth.analysis.calibrate import Calibrated, misfit_factor
from lidepth.analysis.invert import Inversion
from lidepth.analysis.reduce import Reduction
from lidepth.analysis.verdicts import source_warnings
from lidepth.errors import NotConverged
from lidepth.model.diagnosis import SourceEnsemble
from lidepth.model.ledger import Ledger
from lidepth.model.result import Run
from lidepth.physics.stopping import StoppingSource

Floats = NDArray[np.float64]
Fit = Callable[[StoppingSource], tuple[Calibrated, Inversion]]


def compare_sources(
    run: Run, reduction: Reduction, default: Ledger, sources: Sequence[StoppingSource], fit: Fit, *,
    own: str, misfit: float, tell: Callable[[str, float], None],
) -> tuple[SourceEnsemble | None, list[str]]:  # fmt: skip
    """Fit the run again with each of ``sources``; what moved, and what to warn of.

    ``default`` is the ledger by the source called ``own``, whose pristine misfit widens common
    errors by ``misfit``.  None where no other source was asked for or none of them settles.
    """
    names, values, misfits, notes = [own], [default.values], [misfit], list[str]()
    for number, source in enumerate(sources):
        tell("other stopping powers", number / len(sources))
        try:
            calibrated, inversion = fit(source)
        except NotConverged as error:
            notes.append(
                f"the analysis with {source.name} did not settle and is left out of the "
                f"comparison: {error.what}"
            )
            continue
        widen = misfit_factor(calibrated.result.fit)
        other = account(run, reduction, inversion, method="default", widen=widen, remark="")
        notes += source_warnings(default, other, source.name)
        names.append(source.name)
        values.append(other.values)
        misfits.append(widen)
    if sources:
        tell("other stopping powers", 1.0)
    if len(names) == 1:
        return None, notes
    return SourceEnsemble(
        names=tuple(names), cycle=default.cycle, state=default.state, values=np.stack(values),
        common=np.sqrt(np.maximum(default.std**2 - default.stat**2, 0.0)),
        misfit=np.array(misfits),
    ), notes  # fmt: skip
