"""Mutants of `python -m tests.mutate` that compute what the original computes: no test can catch them, and why."""

EQUAL: dict[str, str] = {}
