"""Side-by-side measurements of minitorch and torch: `python -m benchmarks overhead`."""
