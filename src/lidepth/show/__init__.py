"""lidepth show."""
