"""Images with known answers, for the sample case, tests and benchmarks."""
