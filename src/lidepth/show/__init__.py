"""Drawing what was found: figures, report, terminal tables.  Computes nothing."""
