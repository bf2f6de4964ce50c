"""The text of tensors, against torch's, character by character."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minitorch
from minitorch import dtypes
from minitorch.printing import get_printoptions, set_printoptions, tensor_text

torch = pytest.importorskip("torch")

NUMPY_TYPES = [np.float32, np.float64, np.float16, np.int64, np.int32, np.int16, np.int8, np.uint8, np.bool_]


@pytest.fixture(autouse=True)
def default_options():
    yield
    set_options(profile="default")


def set_options(**options):
    set_printoptions(**options)
    torch.set_printoptions(**options)


def as_torch(array: np.ndarray):
    if array.dtype == dtypes.bfloat16.numpy:
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(array)


def check(array: np.ndarray) -> None:
    assert tensor_text(array) == repr(as_torch(array))


shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
big_shapes = st.sampled_from([(1001,), (2, 600), (30, 40), (7, 8, 20), (1, 1, 1001), (5, 6, 7, 8), (25, 1, 41)])


@st.composite
def floats(draw, shapes):
    """Arrays whose magnitudes lie in one band, so that every format is met, with a few special values thrown in."""
    dtype = draw(st.sampled_from([np.float32, np.float64, np.float16, "bfloat16"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(shapes)
    array = rng.standard_normal(shape) * 10.0 ** draw(st.integers(-12, 12))
    if draw(st.booleans()):
        array = np.round(array)
    if draw(st.booleans()):
        array = array * 10.0 ** rng.integers(-3, 3, shape)
    if draw(st.booleans()):
        special = draw(st.lists(st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, 1e-4, 1e8, 0.5]), min_size=1))
        array = np.where(rng.random(shape) < 0.4, rng.choice(special, shape), array)
    with np.errstate(over="ignore"):
        array = np.asarray(array, np.float32 if dtype == "bfloat16" else dtype)
        return array.astype(dtypes.bfloat16.numpy) if dtype == "bfloat16" else array


@settings(max_examples=50, deadline=None)
@given(floats(shapes))
def test_floats(array):
    check(array)


@settings(max_examples=20, deadline=None)
@given(floats(big_shapes))
def test_summarised_floats(array):
    check(array)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(NUMPY_TYPES).flatmap(lambda t: hnp.arrays(t, shapes)))
@example(np.zeros((0, 3), np.float32))
@example(np.zeros((0, 3), np.int64))
@example(np.zeros((2, 0), np.float64))
@example(np.zeros(0, np.bool_))
@example(np.array(True))
@example(np.array(np.nan))
@example(np.array([np.nan, 1.0]))
@example(np.array([-0.0, 0.0]))
@example(np.array([1e-320, 1e300]))
@example(np.array([np.inf, -np.inf, np.nan]))
def test_any_bits(array):
    check(array)


@settings(max_examples=20, deadline=None)
@given(
    floats(st.one_of(shapes, big_shapes)),
    st.fixed_dictionaries(
        {},
        optional=dict(
            precision=st.integers(0, 8),
            threshold=st.sampled_from([0, 5, 30, float("inf")]),
            edgeitems=st.integers(0, 4),
            linewidth=st.integers(10, 200),
            profile=st.sampled_from(["default", "short", "full"]),
            sci_mode=st.sampled_from([None, True, False]),
        ),
    ),
)
def test_options(array, options):
    if options.get("threshold") == float("inf") or options.get("profile") == "full":
        array = array[..., :3] if array.ndim else array
    set_options(**options)
    try:
        assert get_printoptions() == torch._tensor_str.get_printoptions()
        check(array)
    finally:
        set_options(profile="default")


@pytest.mark.parametrize("shape", [(), (1,), (3,), (20,), (2, 3), (3, 17), (0, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("linewidth", [80, 40])
def test_gradient_suffixes(shape, dtype, linewidth):
    set_options(linewidth=linewidth)
    array = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    tensor = as_torch(array).requires_grad_()
    assert tensor_text(array, requires_grad=True) == repr(tensor)
    result = tensor * 2
    assert tensor_text(array * 2, requires_grad=True, grad_fn="MulBackward0") == repr(result)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(as_torch(array), as_torch(array))
        assert tensor_text(array, tangent=f"{as_torch(array)}") == repr(dual)


def test_default_dtype():
    array = np.array([1.0, 2.5])
    try:
        dtypes.set_default_dtype(dtypes.float64)
        torch.set_default_dtype(torch.float64)
        check(array)
        check(array.astype(np.float32))
        check(array[:0])
    finally:
        dtypes.set_default_dtype(dtypes.float32)
        torch.set_default_dtype(torch.float32)


def test_subclass_name():
    class Measurement(torch.Tensor):
        pass

    array = np.random.default_rng(0).standard_normal((3, 9))
    assert tensor_text(array, name="Measurement") == repr(torch.from_numpy(array).as_subclass(Measurement))


# Whole tensors of both libraries: text, formats, history.


@settings(max_examples=60, deadline=None)
@given(
    floats(st.one_of(shapes, big_shapes)),
    st.sampled_from(["plain", "leaf", "result", "parameter", "view", "expanded", "detached"]),
)
def test_tensors_and_parameters(array, kind):
    def text(library, tensor):
        if kind in ("leaf", "result", "view", "detached"):
            tensor.requires_grad_()
        tensor = {
            "result": lambda: tensor * 1,
            "parameter": lambda: library.nn.Parameter(tensor),
            "view": lambda: tensor.flatten()[::2],
            "expanded": lambda: tensor.expand(2, *tensor.shape),
            "detached": lambda: tensor.detach(),
        }.get(kind, lambda: tensor)()
        return repr(tensor), str(tensor), f"{tensor}" if tensor.dim() else ""

    theirs = as_torch(array)
    assert text(minitorch, minitorch.from_numpy(array.copy())) == text(torch, theirs.clone())


SPECS = [
    "",
    "5",
    ">12",
    "<12",
    "^9",
    "+",
    "05",
    ".2f",
    "10.3f",
    ".3e",
    "g",
    ".1%",
    "d",
    "x",
    "b",
    "n",
    ",",
    "c",
    "s",
    "r!",
]


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(NUMPY_TYPES).flatmap(lambda t: hnp.arrays(t, ())), st.sampled_from(SPECS))
def test_formats_of_numbers(array, spec):
    results = []
    for tensor in (as_torch(array), minitorch.from_numpy(array)):
        try:
            results.append((format(tensor, spec), str(tensor.item()), repr(tensor.tolist())))
        except Exception as error:
            results.append(type(error))
    assert results[1] == results[0]


@pytest.mark.parametrize("spec", ["", "5", ".2f"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
@pytest.mark.parametrize("parameter", [False, True])
def test_formats_of_everything_else(shape, spec, parameter):
    results = []
    for library in (torch, minitorch):
        tensor = library.ones(shape)
        try:
            results.append(format(library.nn.Parameter(tensor) if parameter else tensor, spec))
        except Exception as error:
            results.append((type(error), str(error)))
    assert results[1] == results[0]


def test_subclasses_are_named():
    texts = []
    for library in (torch, minitorch):

        class Measurement(library.Tensor):
            pass

        texts.append(repr(Measurement([[1.5, 2.0], [3.0, 4.0]])))
    assert texts[1] == texts[0]


TEXTS = """
t.Size([])
t.Size([2, 3])
t.Size([2])[0:0]
t.zeros(2, 3).shape + (1,)
[t.Size([1]), t.float32, t.zeros(1)]
{"a": t.zeros(2, 2), "b": (t.tensor(1),)}
t.float32
t.bool
t.bfloat16
t.half
t.device("cpu")
t.zeros(1).device
t.strided
t.contiguous_format
t.channels_last
t.finfo(t.float16)
t.finfo(t.bfloat16)
t.finfo(t.float32)
t.finfo(t.float64)
t.iinfo(t.int8)
t.max(t.tensor([[1.0, 2.0]]), 1)
t.sort(t.tensor([2.0, 1.0]))
t.nn.Parameter(t.zeros(0))
t.nn.Parameter(t.arange(20.0).reshape(4, 5), requires_grad=False)
t.nn.ParameterList([t.nn.Parameter(t.ones(2))])
t.ones(2, requires_grad=True).sum()
t.ones(2, 2, requires_grad=True).t()
t.nn.Linear(2, 1)(t.zeros(1, 2)) * 0
t.ones(3).type()
t.ones(2, dtype=t.int64).type()
t.ones(2).__repr__(tensor_contents="...")
"""


@pytest.mark.parametrize("expression", TEXTS.strip().split("\n"))
def test_other_texts(expression):
    torch.manual_seed(0)
    minitorch.manual_seed(0)
    expected, found = (eval(expression, dict(t=library)) for library in (torch, minitorch))
    assert repr(found) == repr(expected) and str(found) == str(expected)
