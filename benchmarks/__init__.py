"""The benchmarks: ``python -m benchmarks`` runs the rows and writes docs/benchmarks.md."""
