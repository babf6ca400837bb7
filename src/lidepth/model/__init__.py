"""lidepth model."""
