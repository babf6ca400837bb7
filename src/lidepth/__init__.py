"""Neutron depth profiling of batteries: from raw spectra to a lithium ledger."""

__version__ = "0.1.0"
