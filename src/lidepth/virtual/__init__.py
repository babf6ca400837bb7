"""lidepth virtual."""
