"""A slab of added lithium below the anode: fit, evidence, and comparison with the default."""
