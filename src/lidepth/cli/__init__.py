"""lidepth cli."""
