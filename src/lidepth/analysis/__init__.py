"""From spectra to lithium: reduction, calibration, response, inversion, ledger."""

from lidepth.analysis.run import analyze

__all__ = ["analyze"]
