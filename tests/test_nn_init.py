"""Initial values: the same random numbers as torch's, bit for bit."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
import minitorch.nn  # noqa: E402
from parity.harness import assert_same  # noqa: E402

SHAPES = {"matrix": (7, 5), "wide": (3, 40), "kernel": (4, 6, 3, 3), "vector": (19,), "many": (33, 31), "one": (1, 1)}

# Function, options, and whether it is exact: numbers through Box-Muller differ by an ulp, those through QR by rounding.
CALLS = [
    ("uniform_", {}, True), ("uniform_", {"a": -0.3, "b": 2.0}, True), ("normal_", {"mean": 1.0, "std": 0.2}, False),
    ("constant_", {"val": 0.3}, True), ("ones_", {}, True), ("zeros_", {}, True),
    ("trunc_normal_", {}, False), ("trunc_normal_", {"std": 0.02}, False),
    ("trunc_normal_", {"mean": 0.5, "std": 0.5, "a": 0.0, "b": 0.6}, False),
    ("trunc_normal_", {"std": 2.0, "a": 1.0, "b": 1.5}, False),
    ("trunc_normal_", {"std": 3.0, "a": -9.0, "b": -8.5}, False),
]  # fmt: skip
MATRIX_CALLS = [
    ("xavier_uniform_", {}, True), ("xavier_uniform_", {"gain": 2.0}, True), ("xavier_normal_", {"gain": 0.5}, False),
    ("kaiming_uniform_", {}, True), ("kaiming_uniform_", {"a": 0.2, "mode": "fan_out", "nonlinearity": "relu"}, True),
    ("kaiming_normal_", {"nonlinearity": "tanh"}, False), ("orthogonal_", {"gain": 1.5}, False),
]  # fmt: skip


def fill(library, name, shape, dtype, options, seed=3):
    library.manual_seed(seed)
    tensor = library.empty(*shape, dtype=getattr(library, dtype))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = getattr(library.nn.init, name)(tensor, **options)
    # What is drawn afterwards shows that the same number of draws was made.
    return result, library.rand(3)


def compare(name, shape, dtype, options, exact):
    (mine, after), (true, expected) = (fill(library, name, shape, dtype, options) for library in (minitorch, torch))
    np.testing.assert_array_equal(after.numpy(), expected.numpy())
    if exact:
        np.testing.assert_array_equal(mine.numpy(), true.numpy())
    else:
        assert_same(mine, true, where=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize(("name", "options", "exact"), CALLS)
def test_fills_as_torch(name, options, exact, shape, dtype):
    compare(name, SHAPES[shape], dtype, options, exact)


@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "vector"])
@pytest.mark.parametrize(("name", "options", "exact"), MATRIX_CALLS)
def test_fills_matrices_as_torch(name, options, exact, shape):
    compare(name, SHAPES[shape], "float32", options, exact)


def test_structures():
    compare("eye_", (4, 6), "float32", {}, True)
    compare("sparse_", (7, 5), "float32", {"sparsity": 0.4}, False)
    for shape, groups in (((4, 4, 3), 1), ((6, 2, 3, 3), 3), ((2, 4, 2, 3, 3), 2)):
        compare("dirac_", shape, "float32", {"groups": groups}, True)


def test_gains_and_fans():
    for nonlinearity in ("linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert minitorch.nn.init.calculate_gain(nonlinearity) == torch.nn.init.calculate_gain(nonlinearity)
    assert minitorch.nn.init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)
    for shape in ((3, 4), (5, 6, 7), (2, 3, 4, 5)):
        ours, theirs = (lib.nn.init._calculate_fan_in_and_fan_out(lib.empty(*shape)) for lib in (minitorch, torch))
        assert ours == theirs


@pytest.mark.parametrize(
    "call",
    [
        lambda lib: lib.nn.init.calculate_gain("swish"),
        lambda lib: lib.nn.init.calculate_gain("leaky_relu", True),
        lambda lib: lib.nn.init.eye_(lib.empty(3)),
        lambda lib: lib.nn.init.dirac_(lib.empty(3, 3)),
        lambda lib: lib.nn.init.dirac_(lib.empty(3, 3, 3), groups=2),
        lambda lib: lib.nn.init.xavier_uniform_(lib.empty(3)),
        lambda lib: lib.nn.init.kaiming_uniform_(lib.empty(3, 3), mode="fan_both"),
        lambda lib: lib.nn.init.orthogonal_(lib.empty(3)),
        lambda lib: lib.nn.init.sparse_(lib.empty(3), 0.1),
    ],
)
def test_errors_are_those_of_torch(call):
    errors = []
    for library in (minitorch, torch):
        with pytest.raises(ValueError) as raised:
            call(library)
        errors.append(str(raised.value))
    assert errors[0] == errors[1]


def test_generator_old_names_and_empty_tensors():
    drawn = [lib.nn.init.normal_(lib.empty(20), generator=lib.Generator().manual_seed(5)) for lib in (minitorch, torch)]
    assert_same(*drawn)
    with pytest.warns(FutureWarning, match="now deprecated in favor of `nn.init.constant_`"):
        minitorch.nn.init.constant(minitorch.empty(2), 1.0)
    with pytest.warns(UserWarning, match="zero-element"):
        minitorch.nn.init.kaiming_normal_(minitorch.empty(0, 3))
    p = minitorch.nn.Parameter(minitorch.empty(2, 2))
    assert minitorch.nn.init.ones_(p) is p and p.requires_grad and p.is_leaf


@pytest.mark.parametrize("seed", [0, 1, 2**31, 123456789])
def test_lenet_starts_as_torchs(seed):
    states = []
    for lib in (minitorch, torch):
        nn = lib.nn
        lib.manual_seed(seed)
        model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5), nn.Linear(256, 120), nn.Linear(120, 84))
        states.append({key: value.numpy() for key, value in model.state_dict().items()})
    for key, value in states[1].items():
        np.testing.assert_array_equal(states[0][key], value, err_msg=key)
