"""The machinery of modules: each program runs on minitorch and on torch, and must report the same."""

import copy
import pickle
import warnings
from collections import OrderedDict

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
import minitorch.nn  # noqa: E402


def report(program, library):
    """What a program returns, or the class and text of what it raises."""
    library.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(program(library))
        except Exception as error:  # any error is a result here
            return type(error).__name__, str(error).replace("minitorch.", "torch.")


def plain(value):
    """Tensors as lists, containers through."""
    if isinstance(value, (minitorch.Tensor, torch.Tensor)):
        return [str(value.dtype), np.round(value.detach().numpy().astype(float), 5).tolist()]
    if isinstance(value, dict):
        return [(plain(key), plain(v)) for key, v in value.items()]
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def same(program):
    ours, theirs = report(program, minitorch), report(program, torch)
    assert ours == theirs
    return ours


def small(lib):
    """A network with tied weights, a buffer, a buffer that is not saved, and an absent bias."""
    nn = lib.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 4, bias=False)
            self.second = nn.Linear(3, 4)
            self.second.weight = self.first.weight
            self.block = nn.Sequential(nn.BatchNorm1d(4), nn.ReLU())
            self.scale = nn.Parameter(lib.ones(1))
            self.register_buffer("table", lib.arange(3))
            self.register_buffer("cache", lib.zeros(2), persistent=False)
            self.register_buffer("missing", None)

        def forward(self, x):
            return self.block(self.first(x) + self.second(x)) * self.scale

    return Net()


PROGRAMS = {
    "tied weights are saved twice and listed once": lambda lib: (
        list(small(lib).state_dict()),
        [name for name, _ in small(lib).named_parameters()],
        [name for name, _ in small(lib).named_parameters(remove_duplicate=False)],
        [name for name, _ in small(lib).named_buffers()],
        [name for name, _ in small(lib).named_modules()],
        [name for name, _ in small(lib).named_children()],
        [name for name, _ in small(lib).named_parameters(prefix="net", recurse=False)],
        len(list(small(lib).parameters())), len(list(small(lib).buffers())), len(list(small(lib).modules())),
    ),
    "shared modules are listed once": lambda lib: (
        m := lib.nn.ModuleDict({"a": (s := lib.nn.Linear(1, 1)), "b": s, "c": lib.nn.Sequential(s)}),
        [name for name, _ in m.named_modules()], [name for name, _ in m.named_modules(remove_duplicate=False)],
        [name for name, _ in m.named_children()], len(list(m.modules())), len(list(m.modules(remove_duplicate=False))),
        list(m.state_dict()), [name for name, _ in m.named_parameters(remove_duplicate=False)],
    )[1:],
    "text": lambda lib: repr(small(lib)),
    "metadata": lambda lib: small(lib).state_dict()._metadata,
    "state_dict with prefix and destination": lambda lib: (
        d := OrderedDict(a=1), small(lib).state_dict(destination=d, prefix="net."), list(d)
    )[2],
    "state_dict positional": lambda lib: list(small(lib).state_dict({}, "net.", True)),
    "keep_vars": lambda lib: [
        small(lib).state_dict(keep_vars=keep)["scale"].requires_grad for keep in (False, True)
    ],
    "get": lambda lib: [
        small(lib).get_submodule("block.0").num_features, small(lib).get_submodule("")._get_name(),
        small(lib).get_parameter("second.bias").shape, small(lib).get_buffer("block.0.running_mean").shape,
    ],
    "get_submodule of nothing": lambda lib: small(lib).get_submodule("block.7"),
    "get_submodule of a tensor": lambda lib: small(lib).get_submodule("scale"),
    "get_parameter of nothing": lambda lib: small(lib).get_parameter("block.weight"),
    "get_parameter of a buffer": lambda lib: small(lib).get_parameter("table"),
    "get_buffer of a parameter": lambda lib: small(lib).get_buffer("scale"),
    "set_submodule": lambda lib: (m := small(lib), m.set_submodule("block.1", lib.nn.Tanh()), repr(m))[2],
    "set_submodule strictly": lambda lib: small(lib).set_submodule("block.9", lib.nn.Tanh(), strict=True),
    "set_submodule over a tensor": lambda lib: small(lib).set_submodule("scale", lib.nn.Tanh()),
    "set_submodule without a name": lambda lib: small(lib).set_submodule("", lib.nn.Tanh()),
    "missing attribute": lambda lib: small(lib).nothing,
    "modes": lambda lib: (
        m := small(lib), m.eval(), [x.training for x in m.modules()], m.block.train(), [x.training for x in m.modules()]
    )[2::2],
    "train of no bool": lambda lib: small(lib).train(1),
    "requires_grad_": lambda lib: [p.requires_grad for p in small(lib).requires_grad_(False).parameters()],
    "apply order": lambda lib: (seen := [], small(lib).apply(lambda m: seen.append(type(m).__name__)), seen)[2],
    "conversion": lambda lib: [
        (name, str(t.dtype))
        for m in (small(lib).double(), small(lib).half(), small(lib).to(lib.float64), small(lib).to("cpu", lib.float16))
        for name, t in m.state_dict().items()
    ],
    "conversion to integers": lambda lib: small(lib).to(lib.int64),
    "type converts integers too": lambda lib: str(small(lib).type(lib.float64).table.dtype),
    "to like a tensor": lambda lib: str(small(lib).to(lib.zeros(1, dtype=lib.float64)).scale.dtype),
    "dir": lambda lib: [n for n in ("scale", "block", "table", "forward", "0") if n in dir(small(lib))],
    "forward is missing": lambda lib: lib.nn.Module()(3),
    "init takes nothing": lambda lib: lib.nn.Module(3),
    "init takes no keyword": lambda lib: lib.nn.Module(a=3),
    "extra_repr of several lines": lambda lib: repr(
        type("Own", (lib.nn.Module,), {"extra_repr": lambda self: "one\ntwo"})()
    ),
    "nested text": lambda lib: repr(
        lib.nn.ModuleDict({"a": lib.nn.ModuleList([lib.nn.ReLU(), lib.nn.ReLU(), small(lib)]), "b": lib.nn.Identity()})
    ),
    # attributes
    "reassigned parameter": lambda lib: (
        m := small(lib), setattr(m, "scale", lib.nn.Parameter(lib.zeros(2))), m.scale, list(m._parameters)
    )[2:],
    "parameter set to None": lambda lib: (
        m := small(lib), setattr(m, "scale", None), m.scale, list(m.state_dict())
    )[2:],
    "tensor over parameter": lambda lib: setattr(small(lib), "scale", lib.zeros(1)),
    "module over parameter": lambda lib: setattr(small(lib), "scale", lib.nn.ReLU()),
    "number over module": lambda lib: setattr(small(lib), "block", 3),
    "None over module": lambda lib: (m := small(lib), setattr(m, "block", None), repr(m), list(m.children()) and 1)[2:],
    "tensor over buffer": lambda lib: (
        m := small(lib), setattr(m, "table", lib.ones(2)), m.table, list(m._buffers)
    )[2:],
    "number over buffer": lambda lib: setattr(small(lib), "table", 3),
    "parameter over buffer": lambda lib: (
        m := small(lib), setattr(m, "table", lib.nn.Parameter(lib.ones(1))), list(m._buffers), list(m._parameters)
    )[2:],
    "parameter over plain attribute": lambda lib: (
        m := small(lib), setattr(m, "x", 3), setattr(m, "x", lib.nn.Parameter(lib.ones(1))), "x" in m.__dict__, m.x
    )[3:],
    "module over plain attribute": lambda lib: (
        m := small(lib), setattr(m, "x", 3), setattr(m, "x", lib.nn.ReLU()), "x" in m.__dict__, repr(m.x)
    )[3:],
    "Buffer": lambda lib: (
        m := small(lib), setattr(m, "x", lib.nn.Buffer(lib.ones(1))),
        setattr(m, "y", lib.nn.Buffer(lib.ones(2), persistent=False)), list(m._buffers), list(m.state_dict())
    )[3:],
    "deleted": lambda lib: (
        m := small(lib), delattr(m, "scale"), delattr(m, "block"), delattr(m, "cache"), list(m.state_dict()),
        [n for n, _ in m.named_buffers()],
    )[4:],
    "deleted twice": lambda lib: (m := small(lib), delattr(m, "scale"), delattr(m, "scale")),
    "plain list is not registered": lambda lib: (
        m := lib.nn.Module(), setattr(m, "layers", [lib.nn.Linear(1, 1)]), list(m.parameters())
    )[2],
    "parameter before init": lambda lib: type(
        "Own", (lib.nn.Module,), {"__init__": lambda self: setattr(self, "p", lib.nn.Parameter(lib.ones(1)))}
    )(),
    "module before init": lambda lib: type(
        "Own", (lib.nn.Module,), {"__init__": lambda self: setattr(self, "p", lib.nn.ReLU())}
    )(),
    "buffer before init": lambda lib: type(
        "Own", (lib.nn.Module,), {"__init__": lambda self: self.register_buffer("p", lib.ones(1))}
    )(),
    # registration
    "register_parameter": lambda lib: (
        m := lib.nn.Module(), m.register_parameter("w", lib.nn.Parameter(lib.ones(1))), m.register_parameter("b", None),
        list(m._parameters), list(m.state_dict()),
    )[3:],
    "parameter name with dot": lambda lib: lib.nn.Module().register_parameter("a.b", None),
    "parameter name empty": lambda lib: lib.nn.Module().register_parameter("", None),
    "parameter name of an attribute": lambda lib: lib.nn.Module().register_parameter("training", None),
    "parameter name no string": lambda lib: lib.nn.Module().register_parameter(3, None),
    "parameter that is computed": lambda lib: small(lib).register_parameter(
        "q", lib.nn.Parameter(lib.ones(1).requires_grad_() * 2)
    ),
    "parameter that is none": lambda lib: lib.nn.Module().register_parameter("p", 3),
    "buffer name with dot": lambda lib: lib.nn.Module().register_buffer("a.b", None),
    "buffer name taken": lambda lib: small(lib).register_buffer("scale", None),
    "buffer that is none": lambda lib: lib.nn.Module().register_buffer("p", 3),
    "module name with dot": lambda lib: lib.nn.Module().add_module("a.b", None),
    "module name taken": lambda lib: small(lib).add_module("scale", lib.nn.ReLU()),
    "module that is none": lambda lib: lib.nn.Module().add_module("p", 3),
    "register_module": lambda lib: (m := lib.nn.Module(), m.register_module("p", lib.nn.ReLU()), repr(m))[2],
    # loading
    "load": lambda lib: (
        m := small(lib), other := small(lib), str(m.load_state_dict(other.state_dict())),
        bool((m.first.weight == other.first.weight).all()), m.first.weight is m.second.weight,
    )[2:],
    "missing and unexpected": lambda lib: (
        d := small(lib).state_dict(), d.pop("scale"), d.pop("block.0.bias"), d.update(new=lib.ones(1)),
        d.update({"block.0.other": lib.ones(1), "no.where": lib.ones(1)}), small(lib).load_state_dict(d)
    ),
    "not strict": lambda lib: (
        d := small(lib).state_dict(), d.pop("scale"), d.update(new=lib.ones(1)),
        small(lib).load_state_dict(d, strict=False),
    )[3],
    "size mismatch": lambda lib: (
        d := small(lib).state_dict(), d.update({"scale": lib.ones(3), "second.bias": lib.ones(4, 1)}),
        small(lib).load_state_dict(d, strict=False),
    ),
    "no tensor": lambda lib: (d := small(lib).state_dict(), d.update({"scale": 3}), small(lib).load_state_dict(d)),
    "no mapping": lambda lib: small(lib).load_state_dict([1]),
    "one element into none": lambda lib: (
        m := lib.nn.Module(), setattr(m, "p", lib.nn.Parameter(lib.zeros(()))),
        m.load_state_dict({"p": lib.ones(1) * 3}), m.p,
    )[2:],
    "dtype is kept": lambda lib: (
        m := small(lib), m.load_state_dict(small(lib).double().state_dict()), str(m.scale.dtype)
    )[2],
    "assign": lambda lib: (
        m := small(lib), m.scale.requires_grad_(False), d := small(lib).double().state_dict(),
        m.load_state_dict(d, assign=True), str(m.scale.dtype), m.scale.requires_grad, type(m.scale).__name__,
        m.second.bias.requires_grad, m.first.weight is m.second.weight, str(m.block[0].running_mean.dtype),
    )[4:],
    "old batch norm": lambda lib: (
        m := lib.nn.BatchNorm1d(2), d := dict(m.state_dict()), d.pop("num_batches_tracked"), m.load_state_dict(d)
    )[3],
    "extra state": lambda lib: (
        m := with_extra_state(lib), m.load_state_dict({"_extra_state": 7}), m.extra, dict(m.state_dict())
    )[1:],
    "extra state missing": lambda lib: with_extra_state(lib).load_state_dict({}),
    "extra state unexpected": lambda lib: lib.nn.ReLU().load_state_dict({"_extra_state": 7}),
    # copies
    "deepcopy": lambda lib: (
        m := small(lib), c := copy.deepcopy(m), repr(c), list(c.state_dict()), c.first.weight is c.second.weight,
        c.first.weight is m.first.weight, [type(p).__name__ for p in c.parameters()], c.training,
    )[2:],
    "zero_grad": lambda lib: (
        m := small(lib), m(lib.ones(2, 3)).sum().backward(), m.zero_grad(set_to_none=False),
        [p.grad for p in m.parameters()], m.zero_grad(), [p.grad for p in m.parameters()],
    )[3::2],
    "gradients are converted": lambda lib: (
        m := small(lib), m(lib.ones(2, 3)).sum().backward(), m.double(), [str(p.grad.dtype) for p in m.parameters()]
    )[3],
}  # fmt: skip


def with_extra_state(lib):
    class Own(lib.nn.Module):
        extra = 1

        def get_extra_state(self):
            return self.extra

        def set_extra_state(self, state):
            self.extra = state

    return Own()


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_same_as_torch(name):
    same(PROGRAMS[name])


class Recorder:
    """Hooks that note their calls."""

    def __init__(self):
        self.events = []

    def __call__(self, name, returns=None):
        def hook(*args, **kwargs):
            self.events.append((name, len(args)))
            return returns(*args) if returns else None

        return hook


def test_forward_hooks_run_in_torchs_order():
    def program(lib):
        note = Recorder()
        m = lib.nn.Linear(2, 2)
        m.register_forward_pre_hook(note("pre"))
        m.register_forward_pre_hook(note("pre first"), prepend=True)
        m.register_forward_pre_hook(
            note("pre kwargs", lambda mod, a, k: (a, {"input": k["input"] * 2})), with_kwargs=True
        )
        m.register_forward_hook(note("post", lambda mod, a, out: out + 1))
        handle = m.register_forward_hook(note("post kwargs"), with_kwargs=True)
        m.register_forward_hook(note("post first"), prepend=True)
        modules = lib.nn.modules.module
        everywhere = [
            modules.register_module_forward_pre_hook(note("global pre")),
            modules.register_module_forward_hook(note("global post")),
        ]
        try:
            first = m(input=lib.ones(1, 2))
            handle.remove()
            second = m(input=lib.ones(1, 2))
        finally:
            for h in everywhere:
                h.remove()
        m(input=lib.ones(1, 2))
        return first, second, note.events

    same(program)


def test_pre_hook_may_return_one_value_or_nonsense():
    def one(lib):
        m = lib.nn.Identity()
        m.register_forward_pre_hook(lambda mod, args: args[0] * 2)
        return m(lib.ones(2))

    def nonsense(lib):
        m = lib.nn.Identity()
        m.register_forward_pre_hook(lambda mod, args, kwargs: 3, with_kwargs=True)
        return m(lib.ones(2))

    same(one)
    same(nonsense)


def test_hooks_that_are_always_called():
    def program(lib):
        note = Recorder()

        class Fails(lib.nn.Module):
            def forward(self, x):
                raise ValueError("no")

        m = Fails()
        m.register_forward_hook(note("ordinary"))
        m.register_forward_hook(note("always", lambda mod, a, out: 1 / 0), always_call=True)
        m.register_forward_hook(note("always too"), always_call=True)
        try:
            m(3)
        except ValueError as error:
            return str(error), note.events

    same(program)


def backward_program(lib, build, *inputs, pre=None, post=None, module=None):
    """Gradients that a full backward hook sees, and what arrives at the leaves."""
    seen = []
    m = module(lib) if module else lib.nn.Linear(3, 2)

    def grads(values):
        return [None if v is None else plain(v) for v in values]

    def pre_hook(mod, grad_output):
        seen.append(("pre", grads(grad_output)))
        return pre(grad_output) if pre else None

    def post_hook(mod, grad_input, grad_output):
        seen.append(("post", grads(grad_input), grads(grad_output)))
        return post(grad_input) if post else None

    m.register_full_backward_pre_hook(pre_hook)
    m.register_full_backward_hook(post_hook)
    leaves = [lib.tensor(x).requires_grad_(True) if isinstance(x, np.ndarray) else x for x in inputs]
    build(m(*leaves)).backward()
    return seen, [leaf.grad for leaf in leaves if hasattr(leaf, "grad")], [p.grad for p in m.parameters()]


X = np.arange(6, dtype=np.float32).reshape(2, 3) / 7


@pytest.mark.parametrize("change", ["none", "pre", "post"])
def test_full_backward_hooks(change):
    options = {
        "none": {},
        "pre": {"pre": lambda g: (g[0] * 3,)},
        "post": {"post": lambda g: (g[0] * -1,)},
    }[change]
    same(lambda lib: backward_program(lib, lambda out: (out * out).sum(), X, **options))


def two(lib):
    class Two(lib.nn.Module):
        def forward(self, x, n, y):
            return x * n + y, y * 2, "text"

    return Two()


def test_full_backward_hooks_of_several_values():
    same(lambda lib: backward_program(lib, lambda out: (out[0] * out[1]).sum(), X, 3, X + 1, module=two))


def test_full_backward_hook_without_differentiable_input():
    def program(lib):
        seen = []
        m = lib.nn.Linear(3, 2)
        m.register_full_backward_hook(lambda mod, gi, go: seen.append((plain(list(gi)), plain(list(go)))))
        (m(lib.tensor(X)) ** 2).sum().backward()
        return seen, m.weight.grad

    same(program)


def test_full_backward_hook_needs_the_gradient_of_the_output():
    """A backward pass from inside the module does not fire its hook, also after one that did."""

    def program(lib):
        seen = []

        class Keeps(lib.nn.Module):
            def forward(self, x):
                self.middle = x * 2
                return self.middle * 3

        m = Keeps()
        m.register_full_backward_hook(lambda mod, gi, go: seen.append(plain(list(gi))))
        x = lib.tensor(X).requires_grad_(True)
        m(x).sum().backward(retain_graph=True)
        m.middle.sum().backward()
        return seen, x.grad

    same(program)


def test_wrong_number_of_gradients_from_a_hook():
    for options in ({"pre": lambda g: (g[0], g[0])}, {"post": lambda g: ()}):
        same(lambda lib, options=options: backward_program(lib, lambda out: out.sum(), X, **options))


def test_old_and_new_backward_hooks_exclude_each_other():
    def program(lib):
        m = lib.nn.Linear(1, 1)
        m.register_backward_hook(lambda *a: None)
        m.register_full_backward_hook(lambda *a: None)

    same(program)


def test_old_backward_hook():
    def program(lib):
        seen = []
        m = lib.nn.Sigmoid()
        m.register_backward_hook(lambda mod, gi, go: seen.append((plain(list(gi)), plain(list(go)))))
        x = lib.tensor(X).requires_grad_(True)
        m(x).sum().backward()
        return seen, x.grad

    same(program)


def test_state_dict_hooks():
    def program(lib):
        note = Recorder()
        m = small(lib)
        m.block.register_state_dict_pre_hook(note("save pre"))
        m.block.register_state_dict_post_hook(
            note("save post", lambda mod, d, prefix, meta: d.pop("block.0.bias") and None)
        )
        m.register_load_state_dict_pre_hook(note("load pre"))
        m._register_load_state_dict_pre_hook(note("load pre, without module"))
        m.block.register_load_state_dict_post_hook(note("load post", lambda mod, keys: keys.missing_keys.clear()))
        m._register_state_dict_hook(note("replace", lambda mod, d, prefix, meta: OrderedDict(list(d.items()))))
        d = m.state_dict()
        m.load_state_dict(d)
        return list(d), note.events

    same(program)
    same(lambda lib: (m := small(lib), m.register_state_dict_post_hook(lambda *a: 3), m.state_dict()))
    same(
        lambda lib: (
            m := small(lib),
            m.register_load_state_dict_post_hook(lambda *a: 3),
            m.load_state_dict(m.state_dict()),
        )
    )


def test_registration_hooks():
    def program(lib):
        names = []
        module = lib.nn.modules.module
        handles = [
            module.register_module_parameter_registration_hook(lambda m, name, p: names.append(("parameter", name))),
            module.register_module_buffer_registration_hook(lambda m, name, b: names.append(("buffer", name))),
            module.register_module_module_registration_hook(lambda m, name, s: names.append(("module", name))),
        ]
        try:
            lib.nn.Sequential(lib.nn.BatchNorm1d(2), lib.nn.Linear(1, 1))
        finally:
            for handle in handles:
                handle.remove()
        return names

    same(program)


class Picklable(minitorch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = minitorch.nn.Linear(2, 3)
        self.register_buffer("count", minitorch.zeros(1), persistent=False)
        self.layer.register_forward_hook(add_one)

    def forward(self, x):
        return self.layer(x)


def add_one(module, args, output):
    return output + 1


def test_pickle():
    module = Picklable()
    module.eval()
    loaded = pickle.loads(pickle.dumps(module))
    x = minitorch.ones(1, 2)
    np.testing.assert_array_equal(loaded(x).detach().numpy(), module(x).detach().numpy())
    assert isinstance(loaded.layer.weight, minitorch.nn.Parameter) and loaded.layer.weight.requires_grad
    assert list(loaded.state_dict()) == list(module.state_dict()) and not loaded.training
    parameter = minitorch.nn.Parameter(minitorch.ones(2), requires_grad=False)
    parameter.note = "kept"
    again = pickle.loads(pickle.dumps(parameter))
    assert type(again) is minitorch.nn.Parameter and not again.requires_grad and again.note == "kept"


def test_parameter():
    p = minitorch.nn.Parameter(minitorch.ones(2, 3))
    assert type(p * 1) is minitorch.Tensor and type(p[0]) is minitorch.Tensor and type(p.detach()) is minitorch.Tensor
    assert p.is_leaf and p.requires_grad and isinstance(p, minitorch.Tensor)
    assert not isinstance(minitorch.ones(1), minitorch.nn.Parameter)
    values = minitorch.zeros(2)
    shared = minitorch.nn.Parameter(values)
    values.fill_(5)
    np.testing.assert_array_equal(shared.detach().numpy(), [5, 5])
    same(lambda lib: repr(lib.nn.Parameter(lib.ones(2))))
    same(lambda lib: (p := lib.nn.Parameter(), p.shape))
    same(lambda lib: [isinstance(lib.nn.Buffer(lib.ones(1)), lib.nn.Buffer), isinstance(lib.ones(1), lib.nn.Buffer)])


def test_multiple_inheritance_and_call_super_init():
    def program(lib):
        class Base:
            def __init__(self, width):
                self.width = width

        class Both(lib.nn.Module, Base):
            call_super_init = True

            def forward(self):
                return self.width

        class Late(lib.nn.Linear):
            def forward(self, x):
                return super().forward(x) * 2

        return Both(7)(), Both(width=8)(), Late(2, 2)(lib.ones(1, 2))

    same(program)


def test_load_from_state_dict_can_be_overridden():
    def program(lib):
        class Renamed(lib.nn.Linear):
            _version = 3

            def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
                self.seen = local_metadata.get("version")
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
                super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

        m = lib.nn.Sequential(Renamed(2, 2))
        d = m.state_dict()
        d["0.kernel"] = d.pop("0.weight") * 0
        m.load_state_dict(d)
        return m[0].weight, m[0].seen, "0.kernel" in d, m.state_dict()._metadata

    same(program)


# Loading what does not fit: the message is torch's, word for word

NETS = {
    "small": small,
    "recurrent": lambda lib: lib.nn.LSTM(2, 3, num_layers=2, bidirectional=True),
    "attention": lambda lib: lib.nn.TransformerEncoderLayer(4, 2, 8),
    "containers": lambda lib: lib.nn.ModuleDict(
        {"a": lib.nn.ModuleList([lib.nn.Conv2d(1, 2, 3), lib.nn.PReLU()]), "b": lib.nn.ParameterList([lib.ones(2)])}
    ),
    "normalised": lambda lib: lib.nn.utils.parametrizations.weight_norm(lib.nn.Linear(2, 3)),
}


def damaged(lib, state, numbers):
    """Some entries away, renamed, of another shape, type or kind."""
    out = OrderedDict()
    for key, value in state.items():
        what = numbers.choice(["keep", "keep", "drop", "rename", "deeper", "shape", "scalar", "number", "none", "type"])
        if what in ("keep", "deeper", "shape", "scalar", "type"):
            value = {
                "keep": value, "deeper": value, "type": value.double(), "scalar": lib.tensor(2.0),
                "shape": lib.ones(*value.shape, 2),
            }[what]  # fmt: skip
            out[f"{key}.deeper" if what == "deeper" else key] = value
        elif what == "rename":
            out[f"no.{key}" if numbers.rand() < 0.5 else key + "_"] = value
        elif what != "drop":
            out[key] = 3 if what == "number" else None
    return out


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("name", NETS)
def test_loading_what_does_not_fit_says_what_torch_says(name, strict):
    seen = set()
    for seed in range(12):

        def program(lib, seed=seed):
            net = NETS[name](lib)
            state = damaged(lib, net.state_dict(), np.random.RandomState(seed))
            keys = net.load_state_dict(state, strict=strict)
            return list(keys.missing_keys), list(keys.unexpected_keys), net.state_dict()

        seen.add(same(program)[0] == "RuntimeError")
    assert True in seen


def test_an_optimizer_that_does_not_fit_says_what_torch_says():
    def groups(lib, *sizes):
        return lib.optim.SGD([{"params": [lib.nn.Parameter(lib.ones(2)) for _ in range(n)]} for n in sizes], lr=1.0)

    for sizes in ([2, 1], [2], [1, 2], [3]):
        same(lambda lib, sizes=sizes: groups(lib, *sizes).load_state_dict(groups(lib, 1, 2).state_dict()))
    same(lambda lib: groups(lib, 1).load_state_dict({"state": {}}))
