"""Growth law, phase, kappa and losses from a ledger, a cycler log and evidence of silicon."""
