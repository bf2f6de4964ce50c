"""Branches of rules that the samples of torch's database do not reach, and forward rules that only mixed derivatives use."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import against_torch  # noqa: E402

import minitorch  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
RNG = np.random.default_rng(3)

GRADIENTS = {
    "prod of a number": lambda lib, x: lib.prod(x[0, 0], 0),
    "prod of one": lambda lib, x: lib.prod(x[:, :1] - x[:, :1].detach(), 1),
    "prod of all with a zero": lambda lib, x: lib.prod(x[0] - x[0].detach() * lib.tensor([0.0, 1, 0, 0]).double()),
    "prod of one in all": lambda lib, x: lib.prod(x[:1, :1] - x[:1, :1].detach()),
    "var without freedom": lambda lib, x: lib.var(x, 1, correction=4),
    "values of eigh": lambda lib, x: lib.linalg.eigh(x @ x.T)[0],
    "masked_fill by a tensor": lambda lib, x: x.masked_fill(x > 0, x[0, 0]),
    "conversion there and back": lambda lib, x: x.float().contiguous().double() * x,
    "copy_": lambda lib, x: lib.ones_like(x).copy_(x[0]) * x,
    "entr": lambda lib, x: lib.special.entr(x.abs()),
    "clamp": lambda lib, x: x.clamp(-0.5, 0.5),
    "clip": lambda lib, x: x.clip(max=0.5),
    "filled: fill_": lambda lib, x: (x * 2).fill_(x[0, 1]) * x,
    "zero_": lambda lib, x: (x * 2).zero_() * x + x,
    "igamma": lambda lib, x: lib.igamma(x.detach().abs() + 1, x.abs()),
    "igammac": lambda lib, x: lib.igammac(x.detach().abs() + 1, x.abs()),
    "rnn_steps": lambda lib, x: recurrent(lib, x, "RNN"),
    "rnn_steps with relu": lambda lib, x: recurrent(lib, x, "RNN", nonlinearity="relu"),
    "lstm_steps": lambda lib, x: recurrent(lib, x, "LSTM"),
    "gru_steps": lambda lib, x: recurrent(lib, x, "GRU"),
}


def recurrent(lib, x, kind, **options):
    """Three steps of a layer whose input, state and weights are all made of x."""
    layer = getattr(lib.nn, kind)(4, 4, **options).double()
    gates = layer.weight_hh_l0.shape[0] // 4
    wide = lib.cat([x.roll(i, 1) for i in range(gates)])
    weights = {name: wide * 0.7 if p.ndim == 2 else wide[:, 1] for name, p in layer.named_parameters()}
    first = x[None, :2].tanh()
    state = (first, x[None, 1:3]) if kind == "LSTM" else first
    return lib.func.functional_call(layer, weights, (lib.stack([x[:2], x[1:3], x[2:]]), state))[0]


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name):
    x = RNG.standard_normal((4, 4))
    results = []
    for lib in (minitorch, torch):
        leaf = lib.tensor(x, requires_grad=True)
        out = GRADIENTS[name](lib, leaf)
        weights = lib.tensor(np.random.default_rng(5).standard_normal(tuple(out.shape)))
        (g,) = lib.autograd.grad((out * weights).sum(), leaf)
        results.append((out, g))
    against_torch.assert_same(*results, where=name)


def slope(f):
    """The gradient of the sum of f's squares, as a function."""
    return minitorch.func.grad(lambda x: (f(x) ** 2).sum())


INDEX = [0, 2, 2, 1]
FORWARD = {
    "masked_fill": (lambda x, v: x.masked_fill(x > 0, v), (4, 4), ()),
    "cdist": (minitorch.cdist, (30, 3), (27, 3)),
    "recurrence: gradient of cumprod": (slope(lambda x: x.cumprod(1)), (3, 4)),
    "add_at: gradient of indexing": (slope(lambda x: x[INDEX]), (3, 2)),
    "index_put": (lambda x, v: x.index_put((minitorch.tensor(INDEX),), v, accumulate=True), (3, 2), (4, 2)),
    "gradient of unfold": (slope(lambda x: x.unfold(0, 3, 1)), (6,)),
}


@pytest.mark.parametrize("name", FORWARD)
def test_forward_and_reverse_are_adjoint(name):
    """<u, J v> = <J^T u, v> for the derivative J, which forward mode applies to v and reverse mode to u."""
    f, *shapes = FORWARD[name]
    x, v = ([minitorch.tensor(RNG.standard_normal(shape)) for shape in shapes] for _ in range(2))
    z, tangent = minitorch.func.jvp(f, tuple(x), tuple(v))
    _, pull = minitorch.func.vjp(f, *x)
    u = minitorch.tensor(RNG.standard_normal(z.shape))
    pulled = pull(u)
    pulled = pulled if isinstance(pulled, tuple) else (pulled,)
    forward = (u * tangent).sum().item()
    reverse = sum((a * b).sum().item() for a, b in zip(pulled, v, strict=True))
    assert abs(forward - reverse) < 1e-9 * (1 + abs(forward))


WHOLE = {
    "sum of uint8": lambda lib, x: x.to(lib.uint8).sum(),
    "sum of uint8 along dim": lambda lib, x: x.to(lib.uint8).sum(0),
    "prod of uint8": lambda lib, x: x.to(lib.uint8).prod(),
    "prod of uint8 along dim": lambda lib, x: x.to(lib.uint8).prod(0),
    "isin": lambda lib, x: lib.isin(x + 2**24, lib.tensor([2**24])),
    "isclose": lambda lib, x: lib.isclose(x + 2**24, lib.tensor(2**24), rtol=0, atol=0),
    "clamp": lambda lib, x: x.clamp(1, 2),
    "clamp by tensors": lambda lib, x: x.clamp(x - 1, x + 1),
    "frac": lambda lib, x: x.frac(),
    "logaddexp": lambda lib, x: lib.logaddexp(x, x),
    "logaddexp2": lambda lib, x: lib.logaddexp2(x, x),
    "igamma": lambda lib, x: lib.igamma(x, x),
    "igammac": lambda lib, x: lib.igammac(x, x),
    "entr": lambda lib, x: lib.special.entr(x.clamp(1, 2)),
    "where": lambda lib, x: lib.where(x > 1, x.to(lib.int32), 5),
    "where by uint8": lambda lib, x: lib.where(x.to(lib.uint8), x.to(lib.int8), lib.tensor(1, dtype=lib.int8)),
    "where by int64": lambda lib, x: lib.where(x, x, x),
    "prelu": lambda lib, x: lib.nn.functional.prelu(x, x[0, :1]),
    "where with a float": lambda lib, x: lib.where(x > 1, x, 2.5),
    "where with a tensor of one number": lambda lib, x: lib.where(x > 1, x.to(lib.uint8), lib.tensor(3.0)),
    "select_scatter": lambda lib, x: lib.select_scatter(x, x[0], 0, 1),
    "diagonal_scatter": lambda lib, x: lib.diagonal_scatter(x, x[0]),
    "unfold": lambda lib, x: x.unfold(0, 2, 1),
    "masked_select": lambda lib, x: x.masked_select(x > 1),
    "as_strided_scatter": lambda lib, x: lib.as_strided(x, (2,), (4,)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers_stay_whole(name):
    """The type and the values of the result are torch's, or the class of the error."""
    results = []
    for lib in (minitorch, torch):
        try:
            z = WHOLE[name](lib, lib.tensor([[1, 2, 3], [4, 2, 250], [7, 8, 1]]))
        except Exception as error:
            results.append(type(error).__name__)
        else:
            results.append((str(z.dtype).removeprefix("torch."), z.tolist()))
    assert results[0] == results[1]


@pytest.mark.parametrize("name", ["maximum", "fmin", "atan2", "hypot", "logaddexp", "heaviside", "igamma"])
def test_none_is_no_operand(name):
    texts = []
    for lib in (minitorch, torch):
        with pytest.raises(TypeError) as refused:
            getattr(lib, name)(lib.zeros(2, 3), None)
        texts.append(str(refused.value))
    assert all("argument 'other'" in text or "argument 'values'" in text for text in texts)
    assert all(f"{name}(): " in text and "must be Tensor, not NoneType" in text for text in texts)
