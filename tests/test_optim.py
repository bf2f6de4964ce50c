"""Optimizers against torch: parameters and state after many steps, groups, saving, hooks, errors."""

import copy
import importlib
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
import minitorch.nn  # noqa: E402
import minitorch.optim  # noqa: E402

STEPS = 50
SHAPES = ((4, 3), (5,), (2, 3, 2), ())

# What each method is tried with; every dictionary is one run.
OPTIONS = {
    "SGD": [
        {}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.3}, {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.5, "nesterov": True, "weight_decay": 0.1, "maximize": True}, {"weight_decay": 0.1},
        {"maximize": True}, {"lr": 0.3, "momentum": 0.9, "weight_decay": 0.01, "foreach": True},
    ],
    "Adam": [
        {}, {"lr": 0.1}, {"weight_decay": 0.1}, {"amsgrad": True}, {"betas": (0.4, 0.7), "eps": 1e-3},
        {"amsgrad": True, "weight_decay": 0.1, "maximize": True}, {"decoupled_weight_decay": True, "weight_decay": 0.2},
        {"fused": True, "lr": 0.01},
    ],
    "AdamW": [{}, {"lr": 0.1, "weight_decay": 0.3}, {"amsgrad": True}, {"maximize": True}, {"betas": (0.5, 0.6)}],
    "Adamax": [{}, {"lr": 0.1, "weight_decay": 0.2}, {"maximize": True}, {"betas": (0.6, 0.7), "eps": 1e-2}],
    "NAdam": [
        {}, {"lr": 0.1}, {"weight_decay": 0.2, "momentum_decay": 0.01}, {"maximize": True},
        {"weight_decay": 0.2, "decoupled_weight_decay": True}, {"betas": (0.4, 0.8)},
    ],
    "RAdam": [
        {}, {"lr": 0.1}, {"weight_decay": 0.2}, {"weight_decay": 0.2, "decoupled_weight_decay": True},
        {"maximize": True}, {"betas": (0.5, 0.9), "eps": 1e-3},
    ],
    "RMSprop": [
        {}, {"alpha": 0.5}, {"momentum": 0.8}, {"centered": True, "eps": 1e-2},
        {"centered": True, "momentum": 0.5, "weight_decay": 0.1, "eps": 1e-2}, {"maximize": True},
    ],
    "Adagrad": [{}, {"lr_decay": 0.1}, {"weight_decay": 0.2}, {"initial_accumulator_value": 0.3}, {"maximize": True}],
    "Adadelta": [{}, {"rho": 0.5}, {"weight_decay": 0.2, "lr": 0.5}, {"maximize": True}],
    "Rprop": [{}, {"etas": (0.3, 1.5)}, {"step_sizes": (1e-2, 0.1)}, {"maximize": True, "lr": 0.1}],
    "ASGD": [{}, {"t0": 10, "lambd": 0.1}, {"weight_decay": 0.2, "alpha": 0.5, "t0": 0}, {"maximize": True}],
    "Adafactor": [{}, {"lr": 0.1, "weight_decay": 0.1}, {"eps": (1e-3, 1e-2), "d": 2.0}, {"maximize": True}],
}  # fmt: skip
CASES = [pytest.param(name, options, id=f"{name}-{i}") for name in OPTIONS for i, options in enumerate(OPTIONS[name])]


def starts(dtype, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]


def gradients(dtype, step):
    rng = np.random.default_rng(1000 + step)
    return [np.asarray(rng.standard_normal(shape) * rng.choice([0.1, 1.0])).astype(dtype) for shape in SHAPES]


def tensors(library, arrays):
    return [library.tensor(array.copy()).requires_grad_(True) for array in arrays]


def run(library, name, options, dtype, steps=STEPS, params=None):
    """Parameters, and the optimizer, after some steps on gradients that depend on step and parameter."""
    params = tensors(library, starts(dtype)) if params is None else params
    optimizer = getattr(library.optim, name)(params, **options)
    for step in range(steps):
        advance(library, params, dtype, step)
        optimizer.step()
    return params, optimizer


def advance(library, params, dtype, step):
    for i, (p, g) in enumerate(zip(params, gradients(dtype, step), strict=True)):
        # One parameter has no gradient now and then, and one depends on where it is.
        if i == 1 and step % 3 == 0:
            p.grad = None
        else:
            p.grad = library.tensor(g) + (0.5 * p.detach() if i == 0 else 0.0)


def close(ours, theirs, tolerance):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


def same_state(ours, theirs, tolerance):
    """The two state_dicts: keys in order, options, and tensors."""
    assert list(ours) == list(theirs)
    assert [list(group) for group in ours["param_groups"]] == [list(group) for group in theirs["param_groups"]]
    assert ours["param_groups"] == theirs["param_groups"]
    assert list(ours["state"]) == list(theirs["state"])
    for index, values in theirs["state"].items():
        assert list(ours["state"][index]) == list(values)
        for key, value in values.items():
            mine = ours["state"][index][key]
            if isinstance(value, torch.Tensor):
                assert str(mine.dtype) == str(value.dtype) and tuple(mine.shape) == tuple(value.shape), key
                close(mine, value, tolerance)
            else:
                assert mine == value


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
def test_fifty_steps_equal_torch(name, options, dtype, tolerance):
    ours, mine = run(minitorch, name, options, dtype)
    theirs, true = run(torch, name, options, dtype)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, tolerance)
    same_state(mine.state_dict(), true.state_dict(), tolerance)
    assert repr(mine) == repr(true)


@pytest.mark.parametrize("options", [{}, {"nesterov": False, "momentum": 0.5}, {"adjust_lr_fn": "match_rms_adamw"}])
def test_muon_follows_torch_within_bfloat16(options):
    results = []
    for library in (minitorch, torch):
        rng = np.random.default_rng(0)
        params = [library.tensor(rng.standard_normal(s)).requires_grad_(True) for s in ((6, 4), (3, 5), (4, 4))]
        optimizer = library.optim.Muon(params, lr=0.02, **options)
        for step in range(10):
            for p in params:
                p.grad = library.tensor(np.random.default_rng(step).standard_normal(tuple(p.shape)))
            optimizer.step()
        results.append((params, optimizer))
    for a, b in zip(results[0][0], results[1][0], strict=True):
        # Each step is computed with 8 bits of precision: 2^-8 of a step of 0.02, ten times.
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=10 * 0.02 * 2**-6)
    same_state(results[0][1].state_dict(), results[1][1].state_dict(), 1e-12)


@pytest.mark.parametrize(
    "options", [{}, {"line_search_fn": "strong_wolfe"}, {"history_size": 3, "max_iter": 7, "lr": 0.5}]
)
def test_lbfgs_equals_torch(options):
    ours, theirs = (minimise(library, {"lr": 0.1, **options}) for library in (minitorch, torch))
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-8, atol=1e-12)
    for a, b in zip(ours[1:3], theirs[1:3], strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6, atol=1e-8)
    assert ours[3]["func_evals"] == theirs[3]["func_evals"] and ours[3]["n_iter"] == theirs[3]["n_iter"]


def minimise(library, options):
    """Losses, parameters and state after six steps on Rosenbrock's valley with another term."""
    x = library.tensor(np.array([-1.5, 2.0, 0.3])).requires_grad_(True)
    y = library.tensor(np.array([[0.5, -0.2]])).requires_grad_(True)
    optimizer = library.optim.LBFGS([x, y], **options)

    def closure():
        optimizer.zero_grad()
        valley = ((1 - x[:-1]) ** 2).sum() + 5 * ((x[1:] - x[:-1] ** 2) ** 2).sum()
        loss = valley + (y**4).sum() + (x[0] * y).sum()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(6)]
    return losses, x, y, optimizer.state_dict()["state"][0]


@pytest.mark.parametrize("name", list(OPTIONS))
def test_state_is_interchangeable_with_torch(name):
    """Twenty steps on torch, then the state is loaded on both sides, and both go on."""
    options = OPTIONS[name][-1]
    theirs, trained = run(torch, name, options, "float64", steps=20)
    saved = copy.deepcopy(trained.state_dict())
    true = getattr(torch.optim, name)(theirs, **options)
    true.load_state_dict(saved)
    state = {
        index: {k: minitorch.tensor(v.numpy().copy()) if isinstance(v, torch.Tensor) else v for k, v in values.items()}
        for index, values in saved["state"].items()
    }
    ours = tensors(minitorch, [p.detach().numpy() for p in theirs])
    mine = getattr(minitorch.optim, name)(ours, **options)
    mine.load_state_dict({"state": state, "param_groups": copy.deepcopy(saved["param_groups"])})
    for step in range(20, 40):
        for library, params, optimizer in ((minitorch, ours, mine), (torch, theirs, true)):
            advance(library, params, "float64", step)
            optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, 1e-12)
    same_state(mine.state_dict(), true.state_dict(), 1e-12)


@pytest.mark.parametrize("name", list(OPTIONS))
def test_awkward_memory_and_half_types(name):
    """A transposed parameter steps like a contiguous one; half types follow float32 to their precision."""
    array = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    plain = minitorch.tensor(array.copy()).requires_grad_(True)
    turned = minitorch.tensor(np.ascontiguousarray(array.T)).t().detach().requires_grad_(True)
    half = minitorch.tensor(array.astype(np.float16)).requires_grad_(True)
    optimizers = [getattr(minitorch.optim, name)([p], lr=0.01) for p in (plain, turned, half)]
    for step in range(5):
        g = np.random.default_rng(step).standard_normal((4, 6)).astype(np.float32)
        plain.grad, half.grad = minitorch.tensor(g), minitorch.tensor(g.astype(np.float16))
        turned.grad = minitorch.tensor(np.ascontiguousarray(g.T)).t()
        for optimizer in optimizers:
            optimizer.step()
    assert not turned.is_contiguous()
    np.testing.assert_array_equal(plain.detach().numpy(), turned.detach().numpy())
    np.testing.assert_allclose(half.detach().numpy(), plain.detach().numpy(), atol=0.03)


def test_step_counts_as_an_edit_and_leaves_gradients():
    p = minitorch.ones(3).requires_grad_(True)
    p.grad = minitorch.tensor([1.0, 2.0, 3.0])
    optimizer = minitorch.optim.AdamW([p], maximize=True)
    before = p._version
    kept = (p * 2).exp()
    optimizer.step()
    assert p._version > before and p.is_leaf and p.requires_grad
    np.testing.assert_array_equal(p.grad.numpy(), [1, 2, 3])
    q = minitorch.ones(3).requires_grad_(True)
    loss = (q * q).sum()
    q.grad = minitorch.ones(3)
    minitorch.optim.SGD([q], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    assert kept.requires_grad


def test_groups_have_options_of_their_own():
    for library in (minitorch, torch):
        a, b, c = (library.ones(2).requires_grad_(True) for _ in range(3))
        optimizer = library.optim.SGD(
            [{"params": [a], "lr": 0.5, "extra": "kept"}, {"params": b}], lr=0.1, momentum=0.9
        )
        optimizer.add_param_group({"params": (p for p in [c]), "momentum": 0.0})
        assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1, 0.1]
        assert optimizer.param_groups[0]["extra"] == "kept" and optimizer.param_groups[2]["momentum"] == 0.0
        optimizer.param_groups[1]["lr"] = 0.2
        for p in (a, b, c):
            p.grad = library.ones(2)
        optimizer.step()
        assert [round(p[0].item(), 6) for p in (a, b, c)] == [0.5, 0.8, 0.9]
        assert optimizer.state_dict()["param_groups"][2]["params"] == [2]


def test_named_parameters_as_input():
    for library in (minitorch, torch):
        model = library.nn.Linear(2, 1)
        optimizer = library.optim.Adam(model.named_parameters())
        assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
        assert optimizer.param_groups[0]["params"][0] is model.weight


def both_raise(call):
    errors = []
    for library in (minitorch, torch):
        with pytest.raises(Exception) as raised:  # noqa: B017 - the class is compared below
            call(library)
        errors.append(raised.value)
    mine, true = errors
    assert type(mine) is type(true) and str(mine) == str(true)


@pytest.mark.parametrize(
    "call",
    [
        lambda lib: lib.optim.SGD([], lr=0.1),
        lambda lib: lib.optim.SGD([{"params": [lib.ones(1)]}, {"params": []}, 3], lr=0.1),
        lambda lib: lib.optim.SGD([lib.ones(1).requires_grad_(True) * 2], lr=0.1),
        lambda lib: lib.optim.SGD({lib.ones(1)}, lr=-0.1),
        lambda lib: lib.optim.SGD([{"params": {lib.ones(1)}}], lr=0.1),
        lambda lib: lib.optim.SGD([lib.ones(1)], lr=0.1, nesterov=True),
        lambda lib: lib.optim.SGD([lib.ones(1)], lr=0.1, momentum=-1),
        lambda lib: lib.optim.Adam([lib.ones(1)], betas=(1.0, 0.9)),
        lambda lib: lib.optim.Adam([lib.ones(1)], eps=-1.0),
        lambda lib: lib.optim.Adam([lib.ones(1)], weight_decay=-1.0),
        lambda lib: lib.optim.Adam([lib.ones(1)], fused=True, foreach=True),
        lambda lib: lib.optim.Rprop([lib.ones(1)], etas=(1.0, 0.5)),
        lambda lib: lib.optim.Muon([lib.ones(1)]),
        lambda lib: lib.optim.Adafactor([lib.ones(1)], d=0.5),
        lambda lib: lib.optim.LBFGS([{"params": [lib.ones(1)]}, {"params": [lib.ones(2)]}]),
        lambda lib: lib.optim.Optimizer(
            [{"params": [lib.ones(1)]}], {"lr": importlib.import_module(lib.__name__ + ".optim.optimizer").required}
        ),
        lambda lib: lib.optim.SGD([p := lib.ones(1)], lr=0.1).add_param_group({"params": [p]}),
        lambda lib: lib.optim.SGD([lib.ones(1)], lr=0.1).add_param_group([lib.ones(1)]),
        lambda lib: lib.optim.SGD([lib.ones(1)], lr=0.1).add_param_group({"params": [("a", lib.ones(1))]}),
        lambda lib: lib.optim.SGD([lib.ones(1)], lr=0.1).load_state_dict({"state": {}, "param_groups": []}),
        lambda lib: lib.optim.SGD([lib.ones(1)], lr=0.1).load_state_dict(
            {"state": {}, "param_groups": [{"params": [0, 1]}]}
        ),
    ],
)
def test_errors_are_those_of_torch(call):
    both_raise(call)


def test_a_tensor_is_no_list_of_parameters():
    with pytest.raises(TypeError, match="should be an iterable of Tensors or dicts"):
        minitorch.optim.SGD(minitorch.ones(2), lr=0.1)
    with pytest.raises(TypeError, match="can only optimize Tensors, but one of the params is int"):
        minitorch.optim.SGD([3], lr=0.1)
    p = minitorch.ones(1)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        minitorch.optim.SGD([p, p], lr=0.1)


def test_zero_grad():
    p = minitorch.ones(2).requires_grad_(True)
    optimizer = minitorch.optim.SGD([p], lr=0.1)
    p.grad = minitorch.ones(2)
    optimizer.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(p.grad.numpy(), [0, 0])
    optimizer.zero_grad()
    assert p.grad is None
    optimizer.step()
    np.testing.assert_array_equal(p.detach().numpy(), [1, 1])


def test_closure_runs_with_gradients_inside_no_grad():
    p = minitorch.ones(2).requires_grad_(True)
    optimizer = minitorch.optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with minitorch.no_grad():
        loss = optimizer.step(closure)
    assert float(loss) == 2.0
    np.testing.assert_allclose(p.detach().numpy(), [0.8, 0.8], rtol=1e-6)


def test_hooks_run_in_order():
    events = []
    p = minitorch.ones(1).requires_grad_(True)
    p.grad = minitorch.ones(1)
    optimizer = minitorch.optim.SGD([p], lr=0.1)
    module = minitorch.optim.optimizer
    handles = [
        module.register_optimizer_step_pre_hook(lambda o, a, k: events.append("global pre")),
        optimizer.register_step_pre_hook(lambda o, a, k: events.append("pre")),
        optimizer.register_step_post_hook(lambda o, a, k: events.append("post")),
        module.register_optimizer_step_post_hook(lambda o, a, k: events.append("global post")),
        optimizer.register_state_dict_pre_hook(lambda o: events.append("state pre")),
        optimizer.register_state_dict_post_hook(lambda o, s: {**s, "extra": 1}),
        optimizer.register_load_state_dict_pre_hook(lambda o, s: events.append("load pre")),
        optimizer.register_load_state_dict_post_hook(lambda o: events.append("load post")),
    ]
    optimizer.step()
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    assert events == ["global pre", "pre", "post", "global post", "state pre", "load pre", "load post"]
    assert state["extra"] == 1
    for handle in handles:
        handle.remove()
    events.clear()
    optimizer.step()
    assert events == []


def test_pickle_and_deepcopy():
    ours, mine = run(minitorch, "Adam", {"amsgrad": True}, "float64", steps=3)
    for other in (pickle.loads(pickle.dumps(mine)), copy.deepcopy(mine)):
        same = other.state_dict()
        assert same["param_groups"] == mine.state_dict()["param_groups"]
        p = other.param_groups[0]["params"][0]
        np.testing.assert_array_equal(p.detach().numpy(), ours[0].detach().numpy())
        np.testing.assert_array_equal(other.state[p]["exp_avg"].numpy(), mine.state[ours[0]]["exp_avg"].numpy())
        p.grad = minitorch.ones(4, 3, dtype=minitorch.float64)
        other.step()
        assert float(other.state[p]["step"]) == 4.0


def test_a_subclass_that_skips_init_works():
    class Lookahead(minitorch.optim.Optimizer):
        def __init__(self, inner):
            self.inner = inner
            self.param_groups, self.state, self.defaults = inner.param_groups, inner.state, inner.defaults

        def step(self, closure=None):
            return self.inner.step(closure)

    p = minitorch.ones(1).requires_grad_(True)
    p.grad = minitorch.ones(1)
    optimizer = Lookahead(minitorch.optim.SGD([p], lr=0.5))
    optimizer.step()
    optimizer.zero_grad()
    assert float(p) == 0.5 and p.grad is None


def test_own_method_with_required_option():
    required = minitorch.optim.optimizer.required

    class SignDescent(minitorch.optim.Optimizer):
        def __init__(self, params, lr=required):
            super().__init__(params, dict(lr=lr))

        @minitorch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad.sign(), alpha=-group["lr"])

    p = minitorch.tensor([1.0, -1.0]).requires_grad_(True)
    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        SignDescent([p])
    p.grad = minitorch.tensor([5.0, -5.0])
    SignDescent([p], lr=0.25).step()
    np.testing.assert_array_equal(p.detach().numpy(), [0.75, -0.75])


def test_tensor_learning_rate():
    for name in ("SGD", "Adam", "RMSprop"):
        ours, mine = run(minitorch, name, {"lr": minitorch.tensor(0.01)}, "float64", steps=5)
        plain, _ = run(minitorch, name, {"lr": float(minitorch.tensor(0.01))}, "float64", steps=5)
        for a, b in zip(ours, plain, strict=True):
            close(a, b, 1e-12)


def test_capturable_is_refused_as_by_torch():
    both_raise(lambda lib: run(lib, "Adamax", {"capturable": True}, "float32", steps=1))
