"""An operation of one's own: how it is declared, and how `parity.check` holds it against torch and says what differs."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("hypothesis")

import minitorch  # noqa: E402
import parity  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from minitorch.extend import ELEMENTWISE, FLOAT, GENERAL, KEEP, LINEAR, PROMOTE, REGISTRY, op  # noqa: E402

FEW = 15  # calls that Hypothesis draws


@pytest.fixture(autouse=True)
def registry_as_it_was():
    kept = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(kept)


def logistic_with(rule):
    @op(ELEMENTWISE, dtype=FLOAT, vjp=dict(x=rule))
    def logistic(x):
        return 1 / (1 + np.exp(-x))

    return logistic


def right(g, z):
    return g * z * (1 - z)


# Declaring.


def test_everything_follows_from_a_declaration():
    logistic = logistic_with(right)
    x = minitorch.tensor([0.5, -1.0], dtype=minitorch.float64, requires_grad=True)
    (g,) = minitorch.autograd.grad(logistic(x).sum(), x, create_graph=True)
    s = 1 / (1 + np.exp(-x.detach().numpy()))
    np.testing.assert_allclose(g.detach().numpy(), s * (1 - s))
    (h,) = minitorch.autograd.grad(g.sum(), x)
    np.testing.assert_allclose(h.numpy(), s * (1 - s) * (1 - 2 * s))
    with minitorch.autograd.forward_ad.dual_level():
        dual = minitorch.autograd.forward_ad.make_dual(x, minitorch.ones(2, dtype=minitorch.float64))
        tangent = minitorch.autograd.forward_ad.unpack_dual(logistic(dual)).tangent
    np.testing.assert_allclose(tangent.detach().numpy(), s * (1 - s))
    assert logistic(minitorch.tensor([1, 2])).dtype == minitorch.float32
    assert REGISTRY["logistic"] is logistic.op and minitorch.op is op


def test_a_parameter_and_two_inputs():
    @op(
        ELEMENTWISE,
        dtype=PROMOTE,
        vjp=dict(x=lambda g, weight: g * (1 - weight), y=lambda g, weight: g * weight),
    )
    def blend(x, y, *, weight):
        return x * (1 - weight) + y * weight

    def torch_blend(x, y, weight):
        return x * (1 - weight) + y * weight

    parity.check(blend, torch_blend, (3, 4), (4,), kwargs=dict(weight=0.25), examples=FEW)


@pytest.mark.parametrize(
    "declared, said",
    [
        (dict(kind="elementwize"), "kind must be one of elementwise"),
        (dict(dtype="float"), "dtype must be a rule"),
        (dict(vjp=dict(y=lambda g: g)), "a rule is given for 'y', which is no input"),
        (dict(vjp=dict(x=lambda g, w: g)), "asks for 'w', which is not known"),
        (dict(jvp=dict(x=lambda t, w: t)), "asks for 'w', which is not known"),
        (dict(vjp=dict(x=np.negative)), "must be a function"),
        (dict(numbers=("y",)), "'y', which is no input"),
        (dict(torch="exp"), "torch name 'exp' is taken"),
    ],
)
def test_a_wrong_declaration_is_refused_at_once(declared, said):
    def twice(x):
        return 2 * x

    with pytest.raises(TypeError, match=re.escape(said)):
        op(**{"kind": LINEAR, "dtype": KEEP, **declared})(twice)
    assert "twice" not in REGISTRY


def test_a_name_is_taken_unless_it_is_the_same_declaration_again():
    assert logistic_with(right).op is not logistic_with(right).op  # as a notebook's cell run twice

    def logistic(x):
        return x

    with pytest.raises(TypeError, match="declared already"):
        op(LINEAR)(logistic)
    with pytest.raises(TypeError, match="declared already"):
        op(LINEAR)(type(logistic)(logistic.__code__, {}, "exp"))


# Checking: what is right passes.


class TorchSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g * ctx.saved_tensors[0]


class Product(minitorch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a @ b

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g @ b.T, a.T @ g


@pytest.mark.parametrize(
    "mine, true, shapes, options",
    [
        (logistic_with, torch.sigmoid, [(3, 4)], {}),
        (minitorch.maximum, torch.maximum, [(3, 4), (4,)], {}),
        (Product, torch.mm, [(2, 3), (3, 4)], {}),
        (TorchSquare, torch.square, [(3,)], {}),
        (np.log1p, torch.log1p, [(2, 3)], dict(ranges=(-0.5, 4))),
        (lambda x: np.exp(x) - 1, torch.expm1, [(2, 3)], dict(library="numpy", atol=1e-5)),
        (minitorch.sort, torch.sort, [(5,)], dict(dtypes=["float64", "int64", "bool"], kwargs=dict(stable=True))),
        (minitorch.log, torch.log, [(2, 2)], dict(ranges=[(0.1, 9.0)], dtypes=["float16", "bfloat16"])),
    ],
)
def test_a_right_function_passes(mine, true, shapes, options):
    mine = logistic_with(right) if mine is logistic_with else mine
    done = parity.check(mine, true, *shapes, examples=FEW, **options)
    assert done.calls > FEW // 2 and "agrees with torch" in str(done)


# What is wrong is found, and named.


def wrong(*args, **options) -> str:
    with pytest.raises(AssertionError) as raised:
        parity.check(*args, examples=40, **options)
    message = str(raised.value)
    assert len(message.splitlines()) < 14
    return message


def test_a_factor():
    message = wrong(logistic_with(lambda g, z: 2 * g * z * (1 - z)), torch.sigmoid, (3, 4))
    assert message.startswith("logistic differs from torch.sigmoid: the gradient of input 0 has other values")
    assert "mine is 2 times torch's" in message and "layout" not in message and "ties" not in message
    for part in ("call:", "input 0:", "first at:", "mine:", "torch:", "ulp"):
        assert part in message


def test_a_sign_of_torch_s_own_kind_of_function():
    class Wrong(TorchSquare):
        @staticmethod
        def backward(ctx, g):
            return -2 * g * ctx.saved_tensors[0]

    assert "gradient of input 0" in (message := wrong(Wrong, torch.square, (3,))) and "-1 times" in message


def test_a_transposed_gradient():
    class Wrong(Product):
        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g @ b.T, (a.T @ g).T if a.shape[1] == g.shape[1] else a.T @ g

    message = wrong(Wrong, torch.mm, (3, 3), (3, 3))
    assert "the gradient of input 1 has other values" in message and "mine is torch's transposed" in message


def test_wrong_at_ties():
    message = wrong(lambda x, y: minitorch.where(x >= y, x, y), torch.maximum, (3,), (3,))
    assert "the gradient of input 0" in message and "ties" in message


def test_the_gradient_of_one_input_alone():
    @op(ELEMENTWISE, dtype=PROMOTE, vjp=dict(x=lambda g, y: g * y, y=lambda g, x: g))
    def times(x, y):
        return x * y

    assert "the gradient of input 1" in wrong(times, torch.mul, (3,), (3,))


def test_a_gradient_that_cannot_be_differentiated():
    def rule(g, z):
        return g * wrap(z.array * (1 - z.array))

    message = wrong(logistic_with(rule), torch.sigmoid, (3,))
    assert "second gradient of input 0 (there is none: zeros are assumed)" in message
    parity.check(logistic_with(rule), torch.sigmoid, (3,), second=False, forward_mode=False, examples=FEW)


def test_a_dtype():
    message = wrong(lambda x: minitorch.exp(x.double()), torch.exp, (3, 4))
    assert "the dtype of the output is float64, torch's is float32" in message
    assert "in float64 the same call agrees" in message


def test_a_shape_in_the_empty_case():
    def total(x):
        return x.sum(0) if x.numel() else x

    message = wrong(total, lambda x: x.sum(0), (3, 4))
    assert "the shape of the output is" in message and "0" in message.splitlines()[2]


def test_single_precision_inside():
    assert "computed in float32" in wrong(lambda x: x.float().exp().to(x.dtype), torch.exp, (3,))


def test_an_input_overwritten():
    def spoils(x):
        np.abs(x, out=x)
        return np.sqrt(x)

    message = wrong(spoils, lambda x: x.abs().sqrt(), (3, 4), library="numpy")
    assert "input 0 is changed by the call" in message and "was -" in message


def test_strides_ignored():
    @op(GENERAL, dtype=FLOAT)
    def doubled(x):
        return np.frombuffer(x.tobytes(order="A"), x.dtype).reshape(x.shape) * 2

    message = wrong(doubled, lambda x: 2 * x.detach(), (3, 4))
    assert "the layout is what matters" in message and "strides [" in message


def test_the_cotangent_s_strides_ignored():
    def rule(g, z):
        flat = g.array if g.array.flags.c_contiguous else g.array.T
        return wrap(np.asarray(flat).reshape(z.array.shape)) * z * (1 - z)

    message = wrong(logistic_with(rule), torch.sigmoid, (3, 4), second=False, forward_mode=False)
    assert "from a cotangent with gaps in memory" in message


def test_a_view_instead_of_a_copy():
    assert "share memory, which torch's do not" in wrong(lambda x: x.view_as(x), torch.clone, (3,))


def test_a_broken_graph():
    message = wrong(lambda x: minitorch.tensor(x.detach().numpy() ** 2), torch.square, (3,))
    assert "0 of its outputs require grad" in message and "outside the graph" in message


def test_an_exception():
    def picky(x):
        if x.ndim != 2:
            raise ValueError("two dimensions, please")
        return x.exp()

    assert "the call raises ValueError: two dimensions, please" in wrong(picky, torch.exp, (3, 4))


def test_a_function_that_does_not_repeat_itself_is_not_judged():
    calls = []

    def fickle(x):
        calls.append(x)
        return x + len(calls) % 2

    assert "different answers" in wrong(fickle, torch.clone, (3,), library="numpy")


def test_what_cannot_be_checked_is_said():
    with pytest.raises(ValueError, match="refuses the shapes given"):
        parity.check(minitorch.exp, torch.mm, (3, 4))
    with pytest.raises(ValueError, match="shape of at least one input"):
        parity.check(minitorch.exp, torch.exp)
    with pytest.raises(ValueError, match="float65"):
        parity.check(minitorch.exp, torch.exp, (3,), dtypes=["float65"])
    with pytest.raises(AssertionError, match="minitorch: NameError.*\n.*numpy: NameError"):
        parity.check(lambda x: undefined, torch.exp, (3,))  # noqa: F821


PLUGGED_IN = """
import sys
import torch, minitorch

def test_right(parity_check):
    parity_check(minitorch.exp, torch.exp, (3,), examples=3)

def test_wrong(parity_check):
    parity_check(minitorch.exp, torch.expm1, (3,), examples=3)
"""


def test_the_pytest_plugin(tmp_path):
    (tmp_path / "test_mine.py").write_text(PLUGGED_IN)
    quiet = "import sys, parity.pytest_plugin; assert not {'torch', 'hypothesis', 'numpy'} & set(sys.modules)"
    environment = {"PYTHONPATH": str(Path(minitorch.__file__).parent.parent), "PATH": ""}
    subprocess.run([sys.executable, "-c", quiet], check=True, env=environment)
    plugin = [] if "parity" in installed_plugins() else ["-p", "parity.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "differs from torch.expm1: the output has other values" in done.stdout


def installed_plugins() -> list[str]:
    from importlib.metadata import entry_points

    return [entry.name for entry in entry_points(group="pytest11")]
