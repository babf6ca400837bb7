"""Statements about how a cell ages, with their odds."""

PHASES = ("charge", "discharge", "rest")
