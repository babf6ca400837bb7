"""lidepth files/readers."""
