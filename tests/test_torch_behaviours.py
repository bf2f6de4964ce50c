"""What real programs rely on beyond names: each behaviour is a short program, run on both libraries.

A program gets the library and returns values to compare: tensors, numbers, texts, names of exceptions. The groups are
those in which 32 public repositories were read.
"""

import copy
import inspect
import warnings
from collections import OrderedDict

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
import minitorch.nn  # noqa: E402
import minitorch.optim  # noqa: E402
import minitorch.utils.data  # noqa: E402
from parity.harness import assert_same  # noqa: E402

PROGRAMS = {}


def behaviour(program):
    PROGRAMS[program.__name__] = program
    return program


def error(work):
    """The name of the exception that `work` raises, or "none"."""
    try:
        work()
    except Exception as raised:
        return type(raised).__name__
    return "none"


# 1. state_dict


@behaviour
def state_dict_has_torch_s_names_and_order(lib):
    nn = lib.nn
    encoder = nn.TransformerEncoderLayer(8, 2, 16)
    model = nn.Sequential(
        OrderedDict(a=nn.Conv2d(1, 2, 3), b=nn.BatchNorm2d(2), c=nn.LSTM(2, 3, 2, bidirectional=True))
    )
    return list(encoder.state_dict()), list(model.state_dict()), [n for n, _ in model.named_parameters()]


@behaviour
def tied_weights_are_twice_in_the_state_and_once_among_parameters(lib):
    model = lib.nn.Module()
    model.embed, model.head = lib.nn.Embedding(5, 3), lib.nn.Linear(3, 5, bias=False)
    model.head.weight = model.embed.weight
    return list(model.state_dict()), [n for n, _ in model.named_parameters()], len(list(model.parameters()))


@behaviour
def strict_false_and_buffers_that_are_not_saved(lib):
    model = lib.nn.Linear(2, 2)
    model.register_buffer("kept", lib.ones(1))
    model.register_buffer("mask", lib.zeros(2), persistent=False)
    state = model.state_dict()
    result = model.load_state_dict({"weight": lib.ones(2, 2), "extra": lib.ones(1)}, strict=False)
    failed = error(lambda: model.load_state_dict({"weight": lib.ones(2, 2)}))
    return list(state), result.missing_keys, result.unexpected_keys, failed, model.weight.detach()


# 2. attributes of modules


@behaviour
def attributes_of_modules(lib):
    nn = lib.nn
    model = nn.Module()
    model.w = nn.Parameter(lib.ones(2))
    model.w = nn.Parameter(lib.zeros(3))
    model.register_buffer("b", lib.ones(1))
    model.b = lib.zeros(4)
    model.norm = nn.LayerNorm(2)
    before = [n for n, _ in model.named_modules()]
    del model.norm
    model.register_parameter("bias", None)
    model.plain = [nn.Linear(1, 1)]
    wrong = error(lambda: setattr(model, "w", lib.ones(2)))
    gone = error(lambda: model.norm)
    return before, list(model.state_dict()), model.bias is None, wrong, gone, model.b


# 3. .data


@behaviour
def data_shares_memory_and_can_be_assigned(lib):
    p = lib.nn.Parameter(lib.arange(4.0))
    p.data.add_(1)
    p.data[0] = 9
    p.data.mul_(2).clamp_(max=8)
    first = p.detach().clone()
    p.data = lib.ones(2, 3)
    p.sum().backward()
    return first, p.shape, p.grad, p.data.requires_grad, p.is_leaf


# 4. no_grad


@behaviour
def no_grad_as_context_decorator_and_around_backward(lib):
    class Model(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = lib.nn.Linear(2, 1)

        @lib.no_grad()
        def sample(self, x):
            return self.layer(x)

    model = Model()
    model.layer.weight.data.fill_(2)
    loss = model.layer(lib.ones(1, 2)).sum()
    with lib.no_grad():
        inside = model.layer(lib.ones(1, 2)).requires_grad
        loss.backward()
    return model.sample(lib.ones(1, 2)).requires_grad, inside, lib.is_grad_enabled(), model.layer.weight.grad


# 5. in place, in the graph


@behaviour
def in_place_operations_in_the_graph(lib):
    x = lib.arange(6.0).reshape(2, 3).requires_grad_()
    embedded = x * 2
    embedded += lib.ones(3)
    boxes = embedded * 1
    boxes[:, :2] -= boxes[:, 1:]
    active = lib.nn.ReLU(inplace=True)(boxes - 3)
    active.sum().backward()
    scale = lib.nn.Parameter(lib.tensor([5.0, -5.0]))
    scale.data.clamp_(-1, 1)
    with lib.no_grad():
        scale.clamp_(0, 0.5)
    return active.detach(), x.grad, scale.detach()


@behaviour
def in_place_operations_that_are_refused(lib):
    def spoiled():
        x = lib.ones(3, requires_grad=True)
        y = x.exp()
        y += 1
        y.sum().backward()

    leaf = lib.ones(2, requires_grad=True)
    return error(spoiled), error(lambda: leaf.add_(1)), error(lambda: leaf.clamp_(0, 1))


# 6. views


@behaviour
def views(lib):
    x = lib.arange(6.0).reshape(2, 3)
    wide = lib.arange(3.0).expand(4, 3)
    turned = x.t()
    copied = turned.reshape(6)
    copied[0] = 50
    return (
        wide.stride(), error(lambda: turned.view(6)), x[0, 0].item(), x.T, lib.ones(2, 3, 4).mT.shape,
        error(lambda: wide.view(12)), turned.contiguous().view(6), turned.is_contiguous(), x.view(-1, 2).data_ptr() == x.data_ptr(),
    )  # fmt: skip


# 7. indexing


INDICES = {
    "ints": lambda lib: (1, 0),
    "slices with steps": lambda lib: (slice(0, 3, 2), slice(None, None, 3)),
    "None and Ellipsis": lambda lib: (..., None, slice(1, 3)),
    "a list": lambda lib: [2, 0, 2],
    "a long tensor": lambda lib: lib.tensor([[0, 2], [1, 1]]),
    "a bool tensor": lambda lib: lib.arange(12).reshape(3, 4) % 5 == 0,
    "a bool row": lambda lib: lib.tensor([True, False, True]),
    "a 0-dim tensor": lambda lib: lib.tensor(1),
    "lists and slices": lambda lib: ([0, 2], slice(1, 3)),
    "a list behind a slice": lambda lib: (slice(None), [3, 0]),
    "two tensors": lambda lib: (lib.arange(3), lib.tensor([1, 3, 1])),
    "a tensor, None and an int": lambda lib: (lib.tensor([0, 0]), None, 2),
}


@pytest.mark.parametrize("kind", INDICES)
def test_indexing(kind):
    def program(lib):
        x = lib.arange(12.0).reshape(3, 4).requires_grad_()
        index = INDICES[kind](lib)
        part = x[index]
        (part * part).sum().backward()  # gradients add up where an index comes twice
        y = x.detach().clone()
        y[index] = -1.0
        z = x.detach().clone()
        z[index] += 10
        w = (x.detach() * 1).requires_grad_()
        v = w * 1
        v[index] = v[index] * 3
        v.sum().backward()
        return part.detach(), x.grad, y, z, w.grad

    assert_same(program(minitorch), program(torch), where=kind)


# 8. promotion


@behaviour
def promotion(lib):
    ints, halves = lib.arange(3), lib.ones(2, dtype=lib.float16)
    target = lib.zeros(3)
    target.copy_(lib.tensor([1, 2, 3]))
    return (
        lib.ones(2) * 3.5, halves + 1.5, ints + 1.5, ints / ints.clamp(min=1), ints // 2, (ints > 0).sum(), (ints > 0).float(),
        lib.from_numpy(np.ones(2)), lib.tensor(np.float64(1.0)), lib.tensor(1.0), ints + True, ints * lib.tensor(2.5), target,
        lib.ones(2, dtype=lib.uint8) + ints[:2], error(lambda: ints.add_(0.5)),
    )  # fmt: skip


# 9. 0-dim tensors


@behaviour
def zero_dim_tensors_as_numbers(lib):
    n, loss = lib.tensor(3), lib.tensor(0.12345)
    values = [lib.ones(2), lib.ones(2) * 2]
    rows = [row.sum().item() for row in lib.arange(6.0).reshape(3, 2)]
    return (
        "yes" if loss > 0.1 else "no", list(range(n)), [10, 20, 30, 40][n], float(loss), int(n), f"{loss:.4f} {loss.item():.2f} {n}",
        sum(values), rows, max(lib.tensor([1, 5, 2])), [int(i) for i in n + lib.arange(2)], bool(lib.tensor(0)),
        error(lambda: bool(lib.ones(2))), round(loss.item(), 3), np.mean([loss.item(), 1.0]),
    )  # fmt: skip


# 10. Size


@behaviour
def size_is_a_tuple(lib):
    x = lib.zeros(2, 3, 8)
    size = x.size()
    made = x.view(x.size()[:-1] + (2, 4))
    n, t, c = x.shape
    return (
        isinstance(size, tuple),
        size == (2, 3, 8),
        made.shape,
        size[:-1],
        str(size),
        size.numel(),
        n * t * c,
        lib.zeros(size).shape,
    )


# 11. modules as programs use them


@behaviour
def subclassed_modules(lib):
    nn = lib.nn

    class Scaled(nn.Linear):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.scale = 2.0

        def forward(self, x):
            return super().forward(x) * self.scale

    class HalfNorm(nn.LayerNorm):
        def forward(self, x):
            return super().forward(x.float()).type(x.dtype)

    class Logs:
        def log(self):
            return "logged"

    class Both(nn.Module, Logs):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(OrderedDict([("one", Scaled(2, 2)), ("two", HalfNorm(2))]))

        def forward(self, x):
            return self.net(x)

    def fill(module):
        if "Linear" in module.__class__.__name__ or isinstance(module, nn.Linear):
            nn.init.constant_(module.weight, 0.5)
            nn.init.zeros_(module.bias)

    model = Both().apply(fill)
    twin = copy.deepcopy(model)
    twin.net.one.weight.data.zero_()
    seen = []
    handle = model.net.register_forward_hook(lambda module, args, output: seen.append(tuple(output.shape)))
    out = model(lib.tensor([[1.0, 3.0]]))
    handle.remove()
    model(lib.ones(1, 2))
    return (
        out.detach(),
        model.log(),
        model.net.one.weight.detach(),
        seen,
        list(twin.state_dict()),
        repr(model).count("\n"),
    )


@behaviour
def hooks_and_retained_gradients(lib):
    x = lib.ones(3, requires_grad=True)
    y = x * 2
    y.retain_grad()
    grads = []
    y.register_hook(lambda g: grads.append(g.clone()))
    x.register_hook(lambda g: g * 10)
    (y * y).sum().backward()
    return x.grad, y.grad, grads[0]


# 12. optimizers


@behaviour
def optimizers(lib):
    a, b = (lib.nn.Parameter(lib.full((2,), v)) for v in (1.0, 2.0))
    unused = lib.nn.Parameter(lib.ones(1))
    groups = [{"params": [a], "lr": 0.1, "name": "a", "factor": 3}, {"params": (p for p in [b, unused])}]
    optimizer = lib.optim.SGD(groups, lr=0.01, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        ((a * b) ** 2).sum().backward()
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * 0.5
        optimizer.step()
    optimizer.zero_grad()
    named = [(g.get("name"), g.get("factor"), round(g["lr"], 8)) for g in optimizer.param_groups]
    none = a.grad is None and unused.grad is None
    adam = lib.optim.Adam(iter([a]), lr=0.1)

    def closure():
        adam.zero_grad()
        loss = (a**2).sum()
        loss.backward()
        return loss

    loss = adam.step(closure)
    return a.detach(), b.detach(), unused.detach(), named, none, loss.detach(), len(adam.param_groups[0]["params"])


@behaviour
def an_optimizer_that_skips_the_base_s_init(lib):
    class Warmup(lib.optim.Optimizer):
        def __init__(self, inner):
            self.inner, self.param_groups, self.count = inner, inner.param_groups, 0

        def step(self):
            self.count += 1
            for group in self.param_groups:
                group["lr"] = 0.1 * self.count
            self.inner.step()

        def zero_grad(self):
            self.inner.zero_grad()

    p = lib.nn.Parameter(lib.ones(2))
    optimizer = Warmup(lib.optim.SGD([p], lr=0.0))
    for _ in range(2):
        optimizer.zero_grad()
        p.sum().backward()
        optimizer.step()
    return p.detach(), isinstance(optimizer, lib.optim.Optimizer)


# 13. old spellings


@behaviour
def old_spellings(lib):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = lib.autograd.Variable(lib.ones(2, 2), requires_grad=True)
        loss = lib.nn.functional.mse_loss(x * 3, lib.zeros(2, 2), size_average=False)
        loss.backward()
        return (
            lib.FloatTensor(2, 3).shape, lib.FloatTensor([2, 3]), lib.LongTensor([[1, 2]]), lib.Tensor([1, 2]), x.grad,
            lib.Tensor(3, 1).shape, loss.detach(), x.data.new(3, 2).shape, x.data.new([1, 2]), x.new_zeros(2),
            isinstance(x, lib.autograd.Variable), issubclass(lib.nn.Linear, lib.nn.modules.module.Module),
            lib.ByteTensor(lib.ByteStorage.from_buffer(b"ab")),
        )  # fmt: skip


# 14. names needed at import


@behaviour
def names_needed_at_import(lib):
    import importlib

    for name in (
        "cuda",
        "jit",
        "fx",
        "distributed",
        "accelerator",
        "backends",
        "amp",
        "utils.checkpoint",
        "fx.node",
        "compiler",
    ):
        importlib.import_module(f"{lib.__name__}.{name}")

    @lib.jit.unused
    def first(x: int) -> int:
        return x + 1

    @(lib.fx.wrap if lib is minitorch else lib.jit.unused)  # torch's insists on the top level of a module
    def second(x: "lib.fx.node.Target") -> int:
        return first(x) * 2

    @lib.jit.ignore
    def third(x):
        return x - 1

    scripted = lib.jit.script(third) if lib is minitorch else third
    layer = lib.nn.Linear(2, 2)
    layer.weight.data.fill_(1)
    layer.bias.data.zero_()
    x = lib.ones(1, 2, requires_grad=True)
    y = lib.utils.checkpoint.checkpoint(layer, x, use_reentrant=False)
    y.sum().backward()
    number = tuple(int(n) for n in lib.__version__.split("+")[0].split(".")[:2])
    dist = lib.distributed
    return (
        second(2), scripted(3), lib.jit.is_scripting(), lib.jit.is_tracing(), lib.cuda.is_available(), lib.cuda.device_count(),
        lib.accelerator.is_available(), lib.accelerator.current_accelerator(), number >= (0, 0), x.grad, dist.is_available(),
        dist.is_initialized(), error(dist.get_rank), error(dist.barrier), lib.backends.mps.is_available(),
        error(lambda: lib.ones(1).cuda()) != "none", [lib.cuda.memory_allocated(), lib.cuda.max_memory_allocated()],
    )  # fmt: skip


# 15. is tests/test_dropin.py's: every module under torch's name is minitorch's own.
# 16. what can be patched


@behaviour
def attributes_can_be_patched(lib):
    calls = []
    places = [
        (lib.Tensor, "backward"), (lib.optim.Optimizer, "__init__"), (lib.utils.data.DataLoader, "__init__"), (lib.nn.Dropout, "__init__"),
    ]  # fmt: skip
    kept = [(owner, name, inspect.getattr_static(owner, name)) for owner, name in places]

    def patched(owner, name, old):
        def call(*args, **kwargs):
            calls.append(f"{owner.__name__}.{name}")
            return old(*args, **kwargs)

        return call

    try:
        for owner, name, old in kept:
            setattr(owner, name, patched(owner, name, old))
        x = lib.ones(2, requires_grad=True)
        (x * 2).sum().backward()
        lib.optim.SGD([x], lr=0.1)
        lib.nn.Dropout(0.1)
        batches = list(lib.utils.data.DataLoader([1, 2], batch_size=2))
    finally:
        for owner, name, old in kept:
            setattr(owner, name, old)
    return calls, batches, x.grad


@pytest.mark.parametrize("name", PROGRAMS)
def test_behaviour(name):
    results = []
    for lib in (minitorch, torch):
        lib.manual_seed(0)
        results.append(PROGRAMS[name](lib))
    assert_same(*results, where=name)
