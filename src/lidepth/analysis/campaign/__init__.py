"""The whole campaign as one measurement: every spectrum, in time, with the charge between them."""
