"""Mutants of `python -m tests.mutate` that compute what the original computes: no test can catch them, and why."""

EQUAL: dict[str, str] = {
    "activation.py boundary: leaky: input > 0  ->  input >= 0": "at 0 both pieces are 0",
    "adaptive_pool.py dtype: unpool_planes: SAME -> KEEP": "its one floating input is only moved: nothing is rounded",
    "arithmetic.py boundary: remainder: other < 0  ->  other <= 0": "a rest by 0 is nan whatever is added",
    "arithmetic.py boundary: remainder: rest < 0  ->  rest <= 0": "the same condition demands that the rest is not 0",
    "arithmetic.py boundary: _integer_power: exponent < 0  ->  exponent <= 0": "0 takes the place of an exponent of 0",
}
