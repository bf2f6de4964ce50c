"""Random tensors: the same program from the same seed gives torch's numbers, gradients and errors."""

import platform
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch

torch = pytest.importorskip("torch")

EXACT = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")  # where torch rounds a * b + c once
DTYPES = ["float32", "float64", "float16", "bfloat16"]


def _on_intel() -> bool:
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            return "GenuineIntel" in cpuinfo.read()
    except OSError:
        return "Intel" in platform.processor()


# Only on Intel processors does torch draw Bernoulli numbers with a plain p, and exponential ones, from MKL.
not_on_intel = pytest.mark.skipif(_on_intel(), reason="torch draws this from MKL on Intel processors")


def values(tensor) -> np.ndarray:
    """float64 holds every type here, int64 too for the sizes drawn below."""
    return tensor.detach().to(torch.float64 if isinstance(tensor, torch.Tensor) else minitorch.float64).numpy()


def outcome(program, library):
    """What `program(library)` returns from seed 0, and the state of the stream after it; or the class of its error."""
    library.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = program(library)
        except Exception as error:
            return type(error), library.get_rng_state().numpy()
    return result, library.get_rng_state().numpy()


def same(program) -> None:
    theirs, their_state = outcome(program, torch)
    ours, our_state = outcome(program, minitorch)
    if isinstance(theirs, type):
        assert isinstance(ours, type) and issubclass(ours, theirs), (ours, theirs)
        return
    assert not isinstance(ours, type), f"minitorch raises {ours}"
    assert repr(ours.dtype) == repr(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert ours.requires_grad == theirs.requires_grad
    if ours.numel():
        assert ours.stride() == theirs.stride()
    if EXACT:
        np.testing.assert_array_equal(values(ours), values(theirs))
    else:
        np.testing.assert_allclose(values(ours), values(theirs), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(our_state, their_state)


def evaluate(expression: str):
    def program(library):
        x = library.tensor([[0.0, 1, 2], [3, 4, 5]])
        p = library.tensor([0.1, 0.9], requires_grad=True)
        strided = library.zeros(4, 5, 6).transpose(0, 2)[:, 1:]
        return eval(expression, dict(torch=library, x=x, xi=x.to(library.int64), p=p, strided=strided))

    return program


NEW = """
torch.rand(3)
torch.rand(())
torch.rand()
torch.rand(2, 3, requires_grad=True)
torch.rand(size=(40,))
torch.rand(0, 3)
torch.rand(2, dtype=torch.int64)
torch.rand(2, dtype=torch.bool)
torch.rand(5, out=torch.zeros(2, dtype=torch.float64))
torch.rand(4, 4, 6, out=strided.transpose(0, 2))
torch.rand(3, generator=torch.Generator().manual_seed(7))
torch.rand(3, generator=5)
torch.randn(3)
torch.randn(4, 5)
torch.randn(2, dtype=torch.int64)
torch.randn(6, 4, 4, out=strided)
torch.rand_like(x.t())
torch.rand_like(strided)
torch.rand_like(x[:1].expand(4, 3))
torch.rand_like(xi)
torch.rand_like(xi, dtype=torch.float64)
torch.rand_like(x, generator=torch.Generator().manual_seed(2))
torch.randn_like(strided)
torch.randn_like(x)
torch.randn_like(strided, memory_format=torch.contiguous_format)
torch.randint(5, (2,))
torch.randint(5, 2)
torch.randint(2, 5, (2,))
torch.randint(5, (20,), dtype=torch.float32)
torch.randint(5, (2,), dtype=torch.bool)
torch.randint(300, (2,), dtype=torch.uint8)
torch.randint(256, (20,), dtype=torch.uint8)
torch.randint(5, 5, (2,))
torch.randint(0, 5, size=(2,))
torch.randint(high=5, size=(2,))
torch.randint(low=1, high=5, size=(2,))
torch.randint(1, high=5, size=(2,))
torch.randint(5)
torch.randint(0, 2**63, (2,))
torch.randint(5.5, (2,))
torch.randint(torch.tensor(5), (2,))
torch.randint(0, 2**28 - 1, (5,))
torch.randint(0, 2**28, (5,))
torch.randint(5, (2,), out=torch.zeros(2, dtype=torch.int32))
torch.randint_like(x, 5)
torch.randint_like(xi, 2, 5)
torch.randint_like(xi, low=2, high=5)
torch.randint_like(strided, 50, dtype=torch.int64)
torch.randint_like(x, torch.tensor(5))
torch.randint_like(xi, 5, 2)
torch.randperm(1000)
torch.randperm(0)
torch.randperm(4, dtype=torch.float32)
torch.randperm(300, dtype=torch.uint8)
torch.randperm(255, dtype=torch.uint8)
torch.randperm(2049, dtype=torch.float16)
torch.randperm(2050, dtype=torch.float16)
torch.randperm(300, dtype=torch.bfloat16)
torch.randperm(-1)
torch.randperm(4.0)
torch.randperm(2, dtype=torch.bool)
torch.randperm(4, out=torch.zeros(2))
torch.randperm(9, generator=torch.Generator().manual_seed(3))
torch.normal(0, 1, (2,))
torch.normal(1.5, 2.5, (20,))
torch.normal(0.0, 1.0, size=(2,))
torch.normal(0.0, -1.0, size=(2,))
torch.normal(0, 1, (2,), dtype=torch.int64)
torch.normal(0, 1, (20,), dtype=torch.float64)
torch.normal(x, 1.0)
torch.normal(0, x)
torch.normal(2.5, x)
torch.normal(0, -x)
torch.normal(x, -1.0)
torch.normal(x, x)
torch.normal(x, x.double())
torch.normal(x.double(), x)
torch.normal(xi, 1.0)
torch.normal(x, torch.ones(3))
torch.normal(torch.ones(3), x)
torch.normal(torch.ones(4), x)
torch.normal(mean=x)
torch.normal(0, 1)
torch.normal(p, p)
torch.normal(x.t(), 1.0)
torch.normal(x, 1.0, out=torch.empty(2, 3))
torch.bernoulli(p)
torch.bernoulli(p.double())
torch.bernoulli(p.half())
torch.bernoulli(x / 5)
torch.bernoulli(x.t() / 5)
torch.bernoulli(x)
torch.bernoulli(x / 0)
torch.bernoulli(xi)
torch.bernoulli(p, 1.5)
torch.bernoulli(x / 5, out=torch.zeros(2, 3))
torch.multinomial(torch.ones(3), 4, True)
torch.multinomial(torch.ones(2, 3), 2, True)
torch.multinomial(x[:, 1:].half(), 5, True)
torch.multinomial(torch.ones(3), 4)
torch.multinomial(torch.ones(2, 3, 1), 2)
torch.multinomial(torch.tensor(1.0), 1)
torch.multinomial(torch.zeros(3), 1)
torch.multinomial(torch.zeros(3), 2, True)
torch.multinomial(-torch.ones(3), 1)
torch.multinomial(-torch.ones(3), 2, True)
torch.multinomial(torch.tensor([1.0, float("inf")]), 1)
torch.multinomial(torch.tensor([1.0, float("nan")]), 2, True)
torch.multinomial(torch.ones(3), 0)
torch.multinomial(torch.ones(3).long(), 1)
torch.multinomial(torch.ones(0, 3), 2)
torch.multinomial(torch.ones(3), 2, True, out=torch.zeros(2))
torch.multinomial(torch.ones(3), 2, True, out=torch.zeros(2, dtype=torch.int64))
"""

IN_PLACE = """
torch.empty(20).uniform_()
torch.empty(20).uniform_(-1, 2.5)
torch.empty(2).uniform_(to=2)
torch.empty(2).uniform_(**{"from": 1, "to": 2})
torch.empty(2).uniform_(1, 0)
torch.empty(2).uniform_(0, 1e40)
torch.empty(2).uniform_(-3e38, 3e38)
torch.empty(2, dtype=torch.int32).uniform_()
torch.empty(20).normal_(1, 2)
torch.empty(2).normal_(std=2)
torch.empty(2).normal_(0, -1)
torch.empty(2, dtype=torch.int32).normal_()
torch.empty(2).geometric_(0)
torch.empty(2).geometric_(1)
torch.empty(20).geometric_(p=0.5)
torch.empty(20, dtype=torch.int8).geometric_(0.5)
torch.empty(2, dtype=torch.bool).geometric_(0.5)
torch.empty(20).log_normal_()
torch.empty(2).log_normal_(std=0)
torch.empty(2, dtype=torch.int32).log_normal_()
torch.empty(20).cauchy_()
torch.empty(20).cauchy_(median=1, sigma=3)
torch.empty(2).cauchy_(sigma=0)
torch.empty(2, dtype=torch.int32).cauchy_()
torch.empty(2).exponential_(0)
torch.empty(2, dtype=torch.int32).exponential_()
torch.empty(2).random_(5)
torch.empty(2).random_(5, 3)
torch.empty(2).random_(2, 5)
torch.empty(2).random_(to=5)
torch.empty(2).random_(**{"from": 2, "to": 5})
torch.empty(20, dtype=torch.uint8).random_()
torch.empty(20, dtype=torch.bool).random_()
torch.empty(20, dtype=torch.float16).random_()
torch.empty(2, dtype=torch.uint8).random_(300)
torch.empty(20, dtype=torch.uint8).random_(256)
torch.empty(2, dtype=torch.int8).random_(-200, 100)
torch.empty(20, dtype=torch.int8).random_(-100, 100)
torch.empty(2, dtype=torch.float16).random_(70000)
torch.empty(20, dtype=torch.float16).random_(65504)
torch.empty(20, dtype=torch.float16).random_(-65503, 65504)
torch.empty(20, dtype=torch.bfloat16).random_(-1001, 1000)
torch.empty(20).random_(2**24 + 1, 2**30 + 1)
torch.empty(20, dtype=torch.float16).random_(5, None)
torch.empty(20, dtype=torch.int32).random_(5, None)
torch.empty(2, dtype=torch.int32).random_(-(2**63), None)
torch.empty(20, dtype=torch.float64).random_(-(2**63), None)
torch.empty(2, dtype=torch.float16).random_(-(2**63), None)
torch.empty(2, dtype=torch.bool).random_(3)
torch.empty(2).random_(0)
torch.empty(2).bernoulli_(p.detach())
torch.empty(2, dtype=torch.int32).bernoulli_(p.detach())
torch.empty(2, 2).bernoulli_(p.detach())
torch.empty(2).bernoulli_(torch.rand(2, 2))
torch.empty(2).bernoulli_(torch.tensor([0, 1]))
torch.empty(2).bernoulli_(p * 2)
torch.empty(2).bernoulli_(-1)
strided.uniform_()
strided.normal_()
strided.random_(100)
strided.cauchy_()
strided.bernoulli_(torch.linspace(0, 1, 6)[:, None, None].expand(6, 4, 4))
torch.empty(1).expand(3).uniform_()
torch.empty(3, 1).expand(3, 20).normal_()
torch.empty(1).expand(3).random_()
torch.empty(0, 3).uniform_()
torch.ones(2, requires_grad=True).uniform_()
torch.ones(2, 2, requires_grad=True)[0].normal_()
"""

FROM_MKL_ON_INTEL = """
torch.empty(20).exponential_()
torch.empty(20, dtype=torch.float16).exponential_(lambd=2)
torch.empty(20).bernoulli_()
torch.empty(20, dtype=torch.int32).bernoulli_(0.3)
strided.bernoulli_(0.3)
strided.exponential_()
torch.bernoulli(x, 0.5)
torch.bernoulli(xi, p=0.5)
torch.multinomial(torch.ones(3), 2)
torch.multinomial(torch.ones(2, 3), 2)
torch.multinomial(x[:, 1:], 1)
torch.multinomial(x[:, 1:].half(), 1, True)
torch.multinomial(x[:, 1:].double(), 2)
"""


def lines(text: str) -> list[str]:
    return text.strip().split("\n")


@pytest.mark.parametrize("expression", lines(NEW) + lines(IN_PLACE))
def test_same_as_torch(expression):
    same(evaluate(expression))


@not_on_intel
@pytest.mark.parametrize("expression", lines(FROM_MKL_ON_INTEL))
def test_same_as_torch_off_intel(expression):
    same(evaluate(expression))


# Programs: several draws in a row from one stream.

shapes = st.lists(st.integers(0, 5), max_size=3).map(tuple)
steps = st.one_of(
    st.tuples(st.sampled_from(["rand", "randn"]), shapes, st.sampled_from(DTYPES)),
    st.tuples(st.just("randint"), shapes, st.integers(1, 2**40)),
    st.tuples(st.just("randperm"), st.integers(0, 50), st.none()),
    st.tuples(st.sampled_from(["normal_", "uniform_", "log_normal_"]), shapes, st.booleans()),
)


def run(program, library):
    results = []
    for name, size, argument in program:
        if name in ("rand", "randn"):
            results.append(getattr(library, name)(size, dtype=getattr(library, argument)))
        elif name == "randint":
            results.append(library.randint(argument, size))
        elif name == "randperm":
            results.append(library.randperm(size))
        else:
            memory = library.zeros((*size, 2))
            getattr(memory[..., 0] if argument else memory, name)()
            results.append(memory)
    return results


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.lists(steps, max_size=8))
def test_programs(seed, program):
    torch.manual_seed(seed)
    minitorch.manual_seed(seed)
    for theirs, ours in zip(run(program, torch), run(program, minitorch), strict=True):
        if EXACT:
            np.testing.assert_array_equal(values(ours), values(theirs))
        else:
            np.testing.assert_allclose(values(ours), values(theirs), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(minitorch.get_rng_state().numpy(), torch.get_rng_state().numpy())


# Gradients.


def gradient_is_zero(program) -> None:
    x = minitorch.full((2,), 0.5, requires_grad=True)
    z = program(x)
    assert z.requires_grad
    (z * z).sum().backward()
    assert x.grad.tolist() == [0, 0]


@pytest.mark.parametrize(
    "program",
    [
        lambda x: minitorch.bernoulli(x),
        lambda x: minitorch.normal(x, 1.0),
        lambda x: minitorch.normal(0.0, x),
        lambda x: minitorch.normal(x, x),
        lambda x: minitorch.zeros(3, 2).bernoulli_(x),
        lambda x: (x * 1).uniform_(),
        lambda x: (x * 1).normal_(),
        lambda x: (x * 1).random_(),
        lambda x: (x * 1).exponential_(),
        lambda x: (x * 1).bernoulli_(),
        lambda x: (x * 1).bernoulli_(minitorch.tensor([0.2, 0.3])),
    ],
)
def test_a_draw_is_a_constant(program):
    gradient_is_zero(program)


def test_bernoulli_alike_has_no_derivative():
    x = minitorch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError):
        minitorch.bernoulli(x, 0.5).sum().backward()


def test_drawing_into_part_of_a_graph_cuts_only_that_part():
    x = minitorch.ones(4, requires_grad=True)
    y = x * 3
    y[:2].normal_()
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 3, 3]
    assert y._version == 1


def test_refused_draws_take_nothing_from_the_stream():
    minitorch.manual_seed(3)
    before = minitorch.get_rng_state().tolist()
    leaf = minitorch.ones(2, requires_grad=True)
    for draw in (
        lambda: leaf.uniform_(),
        lambda: minitorch.ones(2).normal_(0, -1),
        lambda: minitorch.ones(1).expand(3).random_(),
        lambda: minitorch.bernoulli(minitorch.tensor([2.0])),
        lambda: minitorch.multinomial(minitorch.zeros(3), 1),
        lambda: minitorch.randint(3, 3, (2,)),
    ):
        with pytest.raises(RuntimeError):
            draw()
    assert minitorch.get_rng_state().tolist() == before and leaf.tolist() == [1, 1]


# Dropout.

DROPOUTS = [
    ("dropout", (3, 50)),
    ("dropout", ()),
    ("dropout", (0, 3)),
    ("alpha_dropout", (3, 50)),
    ("feature_alpha_dropout", (3, 4, 5)),
    ("dropout1d", (4, 5)),
    ("dropout1d", (2, 4, 5)),
    ("dropout2d", (2, 3, 4, 5)),
    ("dropout2d", (3, 4, 5)),
    ("dropout3d", (2, 3, 2, 2, 2)),
    ("dropout3d", (3, 2, 2, 2)),
]


@not_on_intel
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, shape", DROPOUTS)
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("permuted", [False, True])
def test_dropout(name, shape, dtype, inplace, permuted):
    rng = np.random.default_rng(0)
    array, cotangent = rng.standard_normal((2, *shape))
    for p in (0.0, 0.3, 0.5, 1.0):
        results = []
        for library in (torch, minitorch):
            x = library.tensor(array).to(getattr(library, dtype)).requires_grad_()
            y = (x * 1).transpose(0, 1) if permuted and len(shape) > 1 else x * 1
            library.manual_seed(5)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                z = getattr(library.nn.functional, name)(y, p, True, inplace)
            g = library.tensor(cotangent).to(getattr(library, dtype))
            z.backward(g.transpose(0, 1) if z.shape != g.shape else g)
            results.append((values(z), values(x.grad), library.get_rng_state().numpy()))
        for theirs, ours in zip(*results, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_dropout_out_of_training_is_the_input():
    for name, shape in DROPOUTS:
        x = minitorch.rand(shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert getattr(minitorch.nn.functional, name)(x, training=False).tolist() == x.tolist()
    x = minitorch.ones(3, 4)
    assert minitorch.nn.functional.dropout(x, 0.5, False) is x
    assert minitorch.dropout(x, 0.0, True) is x


def test_dropout_second_derivative():
    x = minitorch.ones(100, dtype=minitorch.float64, requires_grad=True)
    z = minitorch.nn.functional.dropout(x * x, 0.25)
    (g,) = minitorch.autograd.grad(z.sum(), x, create_graph=True)
    (gg,) = minitorch.autograd.grad(g.sum(), x)
    assert sorted(set(gg.tolist())) == [0, 2 / 0.75]


@pytest.mark.parametrize(
    "expression",
    [
        "torch.nn.functional.dropout(x, 1.5)",
        "torch.nn.functional.dropout(x, -0.1)",
        "torch.dropout(x, 1.5, True)",
        "torch.nn.functional.alpha_dropout(x, 1.5, True)",
        "torch.nn.functional.dropout1d(torch.ones(3))",
        "torch.nn.functional.dropout1d(torch.ones(3, 3, 3, 3))",
        "torch.feature_dropout(torch.ones(3), 0.5, True)",
        "torch.nn.functional.dropout(xi)",
        "torch.nn.functional.dropout(torch.ones(2, requires_grad=True), inplace=True)",
    ],
)
def test_dropout_errors(expression):
    for library in (torch, minitorch):
        assert isinstance(outcome(evaluate(expression), library)[0], type), library.__name__
    same(evaluate(expression))


@not_on_intel
def test_functional_forms_by_position():
    for name in ("dropout", "dropout_", "alpha_dropout", "feature_dropout", "feature_alpha_dropout_"):
        same(evaluate(f"torch.{name}(x * 1, 0.5, True)"))


# Control of the stream.


def test_states_are_interchangeable_with_torch():
    minitorch.manual_seed(9)
    minitorch.randn(3)
    torch.set_rng_state(torch.from_numpy(minitorch.get_rng_state().numpy()))
    expected = torch.randn(40)
    np.testing.assert_allclose(minitorch.randn(40).numpy(), expected.numpy(), rtol=1e-5)
    minitorch.set_rng_state(minitorch.from_numpy(torch.get_rng_state().numpy()))
    np.testing.assert_array_equal(minitorch.rand(3).numpy(), torch.rand(3).numpy())


def test_seeds():
    assert minitorch.manual_seed(5) is minitorch.default_generator
    assert minitorch.initial_seed() == 5
    assert minitorch.manual_seed("7").initial_seed() == 7
    assert minitorch.seed() == minitorch.initial_seed()
    with pytest.raises(TypeError):
        minitorch.set_rng_state(minitorch.zeros(5056))
    with pytest.raises(RuntimeError):
        minitorch.set_rng_state(minitorch.zeros(3, dtype=minitorch.uint8))


def test_fork_rng():
    minitorch.manual_seed(1)
    expected = minitorch.rand(3).tolist()
    minitorch.manual_seed(1)
    with minitorch.random.fork_rng():
        minitorch.rand(10)
    assert minitorch.rand(3).tolist() == expected
    minitorch.manual_seed(1)
    with pytest.raises(KeyError), minitorch.random.fork_rng():
        minitorch.rand(10)
        raise KeyError
    assert minitorch.rand(3).tolist() == expected
    with minitorch.random.fork_rng(enabled=False):
        after = minitorch.rand(3).tolist()
    assert minitorch.rand(3).tolist() != after


def test_generator_methods():
    generator = minitorch.Generator().manual_seed(3)
    state = generator.get_state()
    assert generator.device == minitorch.device("cpu") and tuple(state.shape) == (5056,)
    first = minitorch.rand(3, generator=generator).tolist()
    assert minitorch.rand(3, generator=generator.set_state(state)).tolist() == first
