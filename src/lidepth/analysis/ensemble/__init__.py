"""Ensembles: the ledger found many times over, from data and beliefs drawn again.

The errors that a ledger states come from one matrix, by linear algebra.  An ensemble does the fit
again, so that what is not linear, not Gaussian or not Poisson shows in its scatter
(``docs/ensembles.md``).
"""

from lidepth.analysis.ensemble.drive import draw_members
from lidepth.analysis.ensemble.whole import Prepared, ensemble, prepare

__all__ = ["Prepared", "draw_members", "ensemble", "prepare"]
