"""How a cell works and how it dies: a model that can be run, doubted and compared."""
