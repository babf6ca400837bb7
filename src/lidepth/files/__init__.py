"""lidepth files."""
