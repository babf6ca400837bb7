"""lidepth analysis."""
