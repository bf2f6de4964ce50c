"""The compiled draws hold to their references: the same bits, and the same words taken from the stream."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import minitorch as mt
from minitorch import draws, kernels
from minitorch.generator import Generator
from minitorch.kernels import registry

CASES = [
    *[(name, p) for name in ("uniform32", "uniform64") for p in [(), (1.7, -0.3), (0.1, 0.0), (0.0, 3.0)]],
    *[("bernoulli", (p,)) for p in (0.0, 1e-9, 0.3, 1.0)],
    *[(name, p) for name in ("normal_pairs", "normal32", "normal64") for p in [(), (0.3, 1.7), (-1e3, 1e-3), (5, 0)]],
    *[
        ("remainders", (n, low, False))
        for n, low in [(1, 0), (2, -1), (5, 3), (2**24 + 1, 0), (2**28 - 1, 7), (2**31, 0)]
    ],
    *[
        ("remainders", (n, low, True))
        for n, low in [(2**28, -5), (2**40 + 3, 0), (2**53, 0), (2**63, 0), (2**64 - 1, 0)]
    ],
    ("permutation", ()),
]
COUNTS = [0, 16, 624, 2048, 2064, 20000]


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=str)
def test_kernel_and_reference_agree(name, parameters):
    kernel, reference = registry.accelerated_draw(name), draws.DRAWS[name].reference
    counts = COUNTS if name.startswith("normal3") or name == "normal64" else [*COUNTS, 1, 2, 3, 623, 1249]
    for count in counts:
        ours, theirs = (Generator().manual_seed(count + 5) for _ in range(2))
        for generator in (ours, theirs):
            generator.words(count % 7)  # so that chunks and the twister's blocks are out of step
            draws.normal_pairs.reference(generator, count % 2)
        found, expected = kernel(ours, count, *parameters), reference(theirs, count, *parameters)
        assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
        np.testing.assert_array_equal(ours.state, theirs.state)


def test_every_draw_has_a_kernel_and_is_tested():
    registry.accelerated_draw("permutation")
    registry.accelerated_draw("gammas")
    by_rejection = {"gammas", "poissons", "binomials"}
    assert set(registry.DRAW_KERNELS) == set(draws.DRAWS) == {name for name, _ in CASES} | by_rejection
    with pytest.raises(ValueError, match="no_such_draw"):
        registry.accelerates_draw("no_such_draw")


def test_programs_draw_alike_with_and_without_kernels():
    def program():
        generator = mt.Generator().manual_seed(3)
        return [
            mt.rand(5, generator=generator),
            mt.randn(33, generator=generator),
            mt.randn(3, generator=generator, dtype=mt.float64),
            mt.randperm(11, generator=generator),
            mt.randn(50, dtype=mt.float16, generator=generator),
            mt.randint(-5, 2**35, (7,), generator=generator),
            mt.empty(9).bernoulli_(0.3, generator=generator),
            generator.get_state(),
        ]

    with kernels.use("numpy"):
        expected = program()
    with kernels.use("numba"):
        found = program()
    for a, b in zip(found, expected, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()


def test_threads_never_draw_the_same_words():
    generator, again = Generator().manual_seed(1), Generator().manual_seed(1)
    kernel = registry.accelerated_draw("remainders")
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda _: kernel(generator, 624, 2**31, 0, False), range(40)))
    expected = kernel(again, 40 * 624, 2**31, 0, False).reshape(40, 624)
    assert sorted(part.tolist() for part in parts) == sorted(expected.tolist())
