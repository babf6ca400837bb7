"""lidepth physics."""
