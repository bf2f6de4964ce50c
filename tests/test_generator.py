"""The random stream and the samplers, against torch's, bit for bit."""

import copy
import pickle
import platform
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitorch import draws, samplers
from minitorch.dtypes import bfloat16
from minitorch.generator import Generator
from minitorch.rounding import fma

torch = pytest.importorskip("torch")

COUNTS = [0, 1, 2, 15, 16, 17, 31, 33, 1000, 20001]
FLOATS = {
    torch.float32: np.dtype(np.float32),
    torch.float64: np.dtype(np.float64),
    torch.float16: np.dtype(np.float16),
    torch.bfloat16: bfloat16.numpy,
}
DIGITS = {torch.float32: 24, torch.float64: 53, torch.float16: 11, torch.bfloat16: 8}
INTEGERS = {
    torch.int64: (np.dtype(np.int64), 63),
    torch.int32: (np.dtype(np.int32), 31),
    torch.int16: (np.dtype(np.int16), 15),
    torch.int8: (np.dtype(np.int8), 7),
    torch.uint8: (np.dtype(np.uint8), 8),
    torch.bool: (np.dtype(np.bool_), 1),
}


def _on_intel() -> bool:
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            return "GenuineIntel" in cpuinfo.read()
    except OSError:
        return "Intel" in platform.processor()


# Only there does torch draw these two from MKL, and only torch's vector code fuses and has Cephes' functions.
INTEL = _on_intel()
EXACT = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
not_on_intel = pytest.mark.skipif(INTEL, reason="torch draws this from MKL on Intel processors")


def bits(x) -> np.ndarray:
    array = x.view(torch.int16).numpy() if isinstance(x, torch.Tensor) and x.dtype == torch.bfloat16 else np.asarray(x)
    array = np.ascontiguousarray(array).reshape(-1)
    return array.view({1: np.uint8, 2: np.int16, 4: np.int32, 8: np.int64}[array.dtype.itemsize])


def same(theirs: torch.Tensor, ours: np.ndarray) -> None:
    if EXACT or not theirs.dtype.is_floating_point:
        np.testing.assert_array_equal(bits(ours), bits(theirs))
    else:
        np.testing.assert_allclose(ours.astype(np.float64), theirs.double().numpy().reshape(-1), rtol=1e-5, atol=1e-6)


def pair(seed: int) -> tuple[Generator, torch.Generator]:
    return Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


def same_state(ours: Generator, theirs: torch.Generator) -> None:
    np.testing.assert_array_equal(ours.state, theirs.get_state().numpy())


# The stream and its state.


@pytest.mark.parametrize("seed", [0, 1, -1, 2**32, 2**40 + 3, -(2**63), 2**64 - 1])
@pytest.mark.parametrize("count", [0, 1, 623, 624, 625, 1248, 1249])
def test_state_is_torchs_and_goes_on_in_both_directions(seed, count):
    ours, theirs = pair(seed)
    assert ours.initial_seed() == theirs.initial_seed()
    ours.words(count)
    torch.rand(count, generator=theirs)
    same_state(ours, theirs)

    fresh_ours, fresh_theirs = pair(5)
    fresh_ours.state = theirs.get_state().numpy()
    fresh_theirs.set_state(torch.from_numpy(ours.state))
    same(torch.rand(700, generator=fresh_theirs), samplers.uniform(fresh_ours, 700, np.dtype(np.float32)))
    same_state(fresh_ours, fresh_theirs)


def test_state_keeps_the_spare_normal():
    ours, theirs = pair(3)
    samplers.normal(ours, 3, np.dtype(np.float64))
    torch.randn(3, generator=theirs, dtype=torch.float64)
    assert ours.spare_normal is not None
    same_state(ours, theirs)
    other = Generator()
    other.state = theirs.get_state().numpy()
    assert other.spare_normal == ours.spare_normal
    other.manual_seed(3)
    assert other.spare_normal is None


@pytest.mark.parametrize(
    "copied", [Generator.clone_state, copy.copy, copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))]
)
def test_a_copy_goes_on_alike_and_apart(copied):
    generator = Generator().manual_seed(11)
    generator.words(100)
    other = copied(generator)
    np.testing.assert_array_equal(generator.words(1000), other.words(1000))
    generator.words(1)
    assert not np.array_equal(generator.state, other.state)


def test_seed_draws_a_new_stream():
    generator = Generator()
    assert generator.initial_seed() == torch.Generator().initial_seed()
    first, second = generator.seed(), generator.seed()
    assert first != second
    assert generator.initial_seed() == second


@pytest.mark.parametrize(
    "seed, error", [(2**64, ValueError), (-(2**63) - 1, ValueError), (1.5, RuntimeError), ("3", RuntimeError)]
)
def test_bad_seeds(seed, error):
    with pytest.raises(error):
        torch.Generator().manual_seed(seed)
    with pytest.raises(error):
        Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "state, error",
    [
        (np.zeros(5056, np.uint8), RuntimeError),
        (np.zeros(3, np.uint8), RuntimeError),
        (np.zeros(5056, np.float32), TypeError),
        (3, TypeError),
    ],
)
def test_bad_states_change_nothing(state, error):
    generator = Generator().manual_seed(1)
    before = generator.state
    with pytest.raises(error):
        generator.state = state
    np.testing.assert_array_equal(generator.state, before)


def test_only_the_cpu():
    with pytest.raises(RuntimeError):
        Generator("cuda")


# The samplers.


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("count", COUNTS)
def test_uniform_and_normal(count, dtype):
    ours, theirs = pair(count)
    for low, high in [(0, 1), (-0.3, 1.7), (0, 0.1), (2, 2), (-1e4, 3e-5)]:
        expected = torch.empty(count, dtype=dtype).uniform_(low, high, generator=theirs)
        same(expected, samplers.uniform(ours, count, FLOATS[dtype], low, high))
    for mean, std in [(0, 1), (0.3, 1.7), (-1e3, 1e-3), (5, 0)]:
        expected = torch.empty(count, dtype=dtype).normal_(mean, std, generator=theirs)
        same(expected, samplers.normal(ours, count, FLOATS[dtype], mean, std))
        expected = torch.empty(count, 2, dtype=dtype)[:, 0].normal_(mean, std, generator=theirs)
        same(expected, samplers.normal(ours, count, FLOATS[dtype], mean, std, contiguous=False))
    same_state(ours, theirs)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("count", COUNTS)
def test_inversions(count, dtype):
    ours, theirs = pair(count)
    numpy_dtype = FLOATS[dtype]
    expected = torch.empty(count, dtype=dtype).cauchy_(0.3, 1.3, generator=theirs)
    same(expected, samplers.cauchy(ours, count, numpy_dtype, 0.3, 1.3))
    expected = torch.empty(count, dtype=dtype).log_normal_(0.3, 1.3, generator=theirs)
    same(expected, samplers.log_normal(ours, count, numpy_dtype, 0.3, 1.3))
    expected = torch.empty(count, dtype=dtype).geometric_(0.3, generator=theirs)
    same(expected, samplers.geometric(ours, count, numpy_dtype, 0.3))
    p = torch.rand(count, dtype=dtype, generator=theirs)
    samplers.uniform(ours, count, numpy_dtype)
    wide = p.numpy() if dtype == torch.float64 else p.float().numpy()
    same(torch.bernoulli(p, generator=theirs), samplers.bernoulli_each(ours, numpy_dtype, wide))
    same_state(ours, theirs)


@not_on_intel
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("count", COUNTS)
def test_bernoulli_and_exponential(count, dtype):
    ours, theirs = pair(count)
    for p in (0.0, 0.3, 1.0):
        expected = torch.empty(count, dtype=dtype).bernoulli_(p, generator=theirs)
        same(expected, samplers.bernoulli(ours, count, FLOATS[dtype], p))
    for rate in (1, 1.3, 1e-3):
        expected = torch.empty(count, dtype=dtype).exponential_(rate, generator=theirs)
        same(expected, samplers.exponential(ours, count, FLOATS[dtype], rate))
    same_state(ours, theirs)


@pytest.mark.parametrize("count", COUNTS)
def test_integers(count):
    ours, theirs = pair(count)
    for dtype, (numpy_dtype, digits) in INTEGERS.items():
        expected = torch.empty(count, dtype=dtype).random_(generator=theirs)
        same(expected, samplers.random_integers(ours, count, numpy_dtype, digits))
        expected = torch.empty(count, dtype=dtype).random_(0, 2, generator=theirs)
        same(expected, samplers.integers(ours, count, numpy_dtype, 0, 2))
        if dtype != torch.bool:
            expected = torch.empty(count, dtype=dtype).geometric_(0.3, generator=theirs)
            same(expected, samplers.geometric(ours, count, numpy_dtype, 0.3))
    for dtype, numpy_dtype in FLOATS.items():
        expected = torch.empty(count, dtype=dtype).random_(generator=theirs)
        same(expected, samplers.random_integers(ours, count, numpy_dtype, DIGITS[dtype]))
    long = np.dtype(np.int64)
    for low, high in [(0, 5), (-3, 100), (0, 2**28 - 1), (0, 2**28), (0, 2**32), (0, 2**32 + 1), (-(2**62), 2**62 + 5)]:
        expected = torch.randint(low, high, (count,), generator=theirs)
        same(expected, samplers.integers(ours, count, long, low, high))
    expected = torch.empty(count, dtype=torch.int64).random_(-(2**63), None, generator=theirs)
    same(expected, samplers.integers(ours, count, long, -(2**63), 2**63))
    same_state(ours, theirs)


@pytest.mark.parametrize("n", COUNTS + [60000])
def test_permutation(n):
    ours, theirs = pair(n)
    same(torch.randperm(n, generator=theirs), samplers.permutation(ours, n))
    same_state(ours, theirs)


def test_long_permutation_is_the_inside_out_shuffle():
    # torch takes this path from 214,748,364 elements on, too many to draw here: the algorithm is written out instead.
    n = 10001
    ours, again = Generator().manual_seed(1), Generator().manual_seed(1)
    expected = []
    for i, word in enumerate(again.long_words(n).tolist()):
        z = word % (i + 1)
        expected.append(i)
        expected[i], expected[z] = expected[z], i
    assert draws._long_permutation(ours, n).tolist() == expected
    assert sorted(expected) == list(range(n))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [3, 16, 501])
def test_choices(n, dtype):
    ours, theirs = pair(n)
    weights = torch.rand(5, n, dtype=dtype, generator=theirs)
    samplers.uniform(ours, weights.numel(), FLOATS[dtype])
    wide = weights.numpy() if dtype == torch.float64 else weights.float().numpy()
    for samples in (2, 40):
        expected = torch.multinomial(weights, samples, True, generator=theirs)
        same(expected.reshape(-1), samplers.choices(ours, wide, samples).reshape(-1))
    same_state(ours, theirs)


@not_on_intel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [3, 16, 501])
def test_distinct_choices(n, dtype):
    ours, theirs = pair(n)
    weights = torch.rand(5, n, dtype=dtype, generator=theirs)
    samplers.uniform(ours, weights.numel(), FLOATS[dtype])
    for samples in (1, 2, n):
        expected = torch.multinomial(weights, samples, generator=theirs)
        same(expected.reshape(-1), samplers.distinct_choices(ours, weights.numpy(), samples).reshape(-1))
    same_state(ours, theirs)


@pytest.mark.parametrize(
    "layout",
    [
        lambda a: a,
        lambda a: a.transpose(2, 0, 1),
        lambda a: a.transpose(1, 2, 0),
        lambda a: a[:, 1:, ::2],
        lambda a: a[1:2].transpose(2, 1, 0),
        lambda a: a[:1, :1, :1].reshape(()),
    ],
)
def test_arrange_follows_memory(layout):
    ours, theirs = pair(7)
    array = np.zeros((4, 5, 6), np.float32)
    expected = array.copy()
    torch.from_numpy(layout(expected)).uniform_(generator=theirs)
    view = layout(array)
    view[...] = samplers.arrange(samplers.uniform(ours, view.size, array.dtype), view)
    np.testing.assert_array_equal(array, expected)
    assert array.any()


programs = st.one_of(
    st.tuples(st.just("randn"), st.integers(0, 40), st.sampled_from(list(FLOATS))),
    st.tuples(st.just("rand"), st.integers(0, 40), st.sampled_from(list(FLOATS))),
    st.tuples(st.just("log_normal"), st.integers(0, 7), st.sampled_from(list(FLOATS))),
    st.tuples(st.just("randint"), st.integers(0, 40), st.integers(1, 2**40)),
    st.tuples(st.just("randperm"), st.integers(0, 700), st.none()),
    st.tuples(st.just("strided_randn"), st.integers(0, 40), st.sampled_from(list(FLOATS))),
)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**64 - 1), program=st.lists(programs, max_size=8))
def test_interleavings(seed, program):
    ours, theirs = pair(seed)
    for name, n, argument in program:
        if name == "randn":
            same(torch.randn(n, dtype=argument, generator=theirs), samplers.normal(ours, n, FLOATS[argument]))
        elif name == "rand":
            same(torch.rand(n, dtype=argument, generator=theirs), samplers.uniform(ours, n, FLOATS[argument]))
        elif name == "log_normal":
            expected = torch.empty(n, dtype=argument).log_normal_(0.5, 0.7, generator=theirs)
            same(expected, samplers.log_normal(ours, n, FLOATS[argument], 0.5, 0.7))
        elif name == "randint":
            expected = torch.randint(argument, (n,), generator=theirs)
            same(expected, samplers.integers(ours, n, np.dtype(np.int64), 0, argument))
        elif name == "randperm":
            same(torch.randperm(n, generator=theirs), samplers.permutation(ours, n))
        else:
            expected = torch.empty(n, 2, dtype=argument)[:, 1].normal_(generator=theirs)
            same(expected, samplers.normal(ours, n, FLOATS[argument], contiguous=n < 2))
        same_state(ours, theirs)


def nearest(exact: Fraction, dtype) -> float:
    """The number of `dtype` next to `exact`, the even one of two."""
    guess = dtype(float(exact))
    around = [np.nextafter(guess, dtype(-np.inf)), guess, np.nextafter(guess, dtype(np.inf))]
    bits = {np.float32: np.int32, np.float64: np.int64}[dtype]
    return min(around, key=lambda x: (abs(Fraction(float(x)) - exact), int(x.view(bits)) & 1))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.one_of(st.integers(-20, 20), st.floats(-4, 4, width=32)), min_size=1, max_size=20),
    st.one_of(st.sampled_from([0.1, -0.1, 1 / 3, 0.5, 2.5]), st.floats(-4, 4)),
    st.one_of(st.sampled_from([0.0, 1e-30, -1e-30, 1.0, -1.0, 1e10]), st.floats(-4, 4)),
    st.sampled_from([np.float32, np.float64]),
)
def test_fma_rounds_once(numbers, factor, addend, dtype):
    a, b, c = np.array(numbers, dtype), dtype(factor), dtype(addend)
    for x, fused in zip(a, fma(a, b, c), strict=True):
        exact = Fraction(float(x)) * Fraction(float(b)) + Fraction(float(c))
        if exact == 0 or abs(exact) > 1e-30:  # subnormal float32 numbers are rounded twice
            assert fused == nearest(exact, dtype)


def test_fma_of_extremes():
    np.testing.assert_array_equal(fma(np.array([0.5, 0.25]), 1e308, -3.0), [5e307, 2.5e307])
