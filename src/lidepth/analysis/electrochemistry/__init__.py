"""The cycler log by itself: steps, cycles, curves, compositions, and what they exclude."""
