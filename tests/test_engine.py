"""The walk backward: hooks, retained graphs, freeing, deep chains, anomaly mode, threads."""

import gc
import threading
import weakref

import numpy as np
import pytest

import minitorch
from minitorch.autograd import Function, detect_anomaly, grad, gradcheck, gradgradcheck
from minitorch.core.op import GENERAL, REGISTRY, op

torch = pytest.importorskip("torch")


def draw(*shape, seed=0, requires_grad=True):
    array = np.random.default_rng(seed).standard_normal(shape)
    return minitorch.from_numpy(array).requires_grad_(requires_grad)


def twin(tensor):
    return torch.from_numpy(tensor.detach().numpy().copy()).requires_grad_(tensor.requires_grad)


def test_a_chain_of_100_000_operations():
    x = draw(3)
    z = x
    for _ in range(100_000):
        z = z * 1.00001
    z.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.full(3, 1.00001**100_000), rtol=1e-9)
    del z  # freeing the chain must not recurse either


def test_a_wide_and_shared_graph_sums_every_path():
    x = draw(4)
    y = x * 2
    z = sum((y * k for k in range(50)), x * 0)
    z.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.full(4, 2.0 * sum(range(50))))


def test_gradients_accumulate_and_leaves_of_one_sum_do_not_share_memory():
    a, b = draw(3, seed=1), draw(3, seed=2)
    (a + b).sum().backward()
    a.grad += 1
    np.testing.assert_array_equal(b.grad.numpy(), np.ones(3))
    kept = a.grad
    (a * 3).sum().backward()
    assert a.grad is kept
    np.testing.assert_array_equal(a.grad.numpy(), np.full(3, 5.0))


def test_a_second_walk_needs_retain_graph():
    x = draw(3)
    z = (x * x).sum()
    z.backward(retain_graph=True)
    z.backward()
    np.testing.assert_allclose(x.grad.numpy(), 4 * x.detach().numpy())
    with pytest.raises(RuntimeError, match="second time"):
        z.backward()


def test_a_graph_that_keeps_nothing_can_be_walked_again():
    x = draw(3)
    z = (x + 1).sum()
    z.backward()
    z.backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(3, 2.0))


def test_kept_tensors_are_freed_after_backward():
    x = draw(50)
    y = x.exp()
    kept = weakref.ref(y)
    z = (y * y).sum()
    del y
    assert kept() is not None  # the product's rule needs it
    gc.disable()
    try:
        z.backward()
        assert kept() is None
    finally:
        gc.enable()


def test_no_cycle_keeps_an_unused_graph_alive():
    gc.collect()
    gc.disable()
    try:
        x = draw(50)
        z = x.exp().tanh().sigmoid()
        node = weakref.ref(z.grad_fn)
        del z
        assert node() is None
    finally:
        gc.enable()


def test_memory_is_flat_over_a_thousand_steps():
    import tracemalloc

    w, x = draw(20, 20), draw(8, 20, requires_grad=False)

    def step():
        w.grad = None
        (x.matmul(w).relu() ** 2).mean().backward()
        with minitorch.no_grad():
            w.sub_(w.grad, alpha=0.01)

    for _ in range(20):
        step()
    gc.collect()
    tracemalloc.start()
    step()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(1000):
        step()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 20_000


def test_hooks_see_and_change_the_gradient_in_order():
    x = draw(3)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append("first") or g * 10)
    handle = y.register_hook(lambda g: seen.append("removed"))
    y.register_hook(lambda g: seen.append(g.tolist()))
    handle.remove()
    y.retain_grad()
    y.sum().backward()
    assert seen == ["first", [10.0] * 3]
    np.testing.assert_array_equal(y.grad.numpy(), np.full(3, 10.0))
    np.testing.assert_array_equal(x.grad.numpy(), np.full(3, 20.0))


def test_leaf_hooks_run_once_on_the_total():
    x = draw(3)
    calls, after = [], []
    x.register_hook(lambda g: calls.append(g.tolist()))
    x.register_post_accumulate_grad_hook(lambda t: after.append(t.grad.tolist()))
    (x * 2 + x * 3).sum().backward()
    assert calls == [[5.0] * 3] and after == [[5.0] * 3]


def test_node_hooks():
    x = draw(3)
    y = x * 2
    seen = []
    y.grad_fn.register_prehook(lambda grads: seen.append("before"))
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append("after") or (inputs[0] * 5, *inputs[1:]))
    y.sum().backward()
    assert seen == ["before", "after"]
    np.testing.assert_array_equal(x.grad.numpy(), np.full(3, 10.0))


def test_grad_visits_only_what_leads_to_the_inputs():
    x, w = draw(3, seed=1), draw(3, seed=2)
    visited = []
    branch = w * 2
    branch.register_hook(lambda g: visited.append("w"))
    middle = x * x
    z = (middle * branch).sum()
    (g,) = grad(z, middle)
    np.testing.assert_allclose(g.numpy(), 2 * w.detach().numpy())
    assert visited == [] and x.grad is None


def test_grad_of_unused_inputs():
    x, w = draw(3), draw(3)
    with pytest.raises(RuntimeError, match="not have been used"):
        grad((x * 2).sum(), [x, w])
    found = grad((x * 2).sum(), [x, w], allow_unused=True)
    assert found[1] is None
    found = grad((x * 2).sum(), [x, w], materialize_grads=True)
    np.testing.assert_array_equal(found[1].numpy(), np.zeros(3))


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda m, x: (x * 2).backward(), RuntimeError),
        (lambda m, x: x.detach().sum().backward(), RuntimeError),
        (lambda m, x: (x * 2).sum().backward(gradient=x), RuntimeError),
        (lambda m, x: (x * 2).backward(gradient=[1.0, 2.0, 3.0]), TypeError),
        (lambda m, x: (x * 2).requires_grad_(False), RuntimeError),
        (lambda m, x: x.add_(1), RuntimeError),
        (lambda m, x: x[:2].add_(1), RuntimeError),
        (lambda m, x: x.long().requires_grad_(), RuntimeError),
        (lambda m, x: x.detach().register_hook(print), RuntimeError),
        (lambda m, x: x.detach().retain_grad(), RuntimeError),
        (lambda m, x: x.numpy(), RuntimeError),
        (lambda m, x: setattr(x, "grad", x.detach()[:2]), RuntimeError),
        (lambda m, x: setattr(x, "grad", 3.0), TypeError),
        (lambda m, x: x.detach().add_(m.ones(2, 3, dtype=m.float64)), RuntimeError),
        (lambda m, x: m.ones(3, dtype=m.int64).add_(0.5), RuntimeError),
    ],
)
def test_misuse_raises_torch_s_class(call, error):
    x = draw(3)
    with pytest.raises(error):
        call(torch, twin(x))
    before = x.detach().numpy().copy()
    with pytest.raises(error):
        call(minitorch, x)
    np.testing.assert_array_equal(x.detach().numpy(), before)


@pytest.mark.parametrize("edit", [lambda y: y.add_(1), lambda y: y[0].mul_(2), lambda y: y.detach().zero_()])
@pytest.mark.parametrize("use", [lambda y: y * y, lambda y: y.exp(), lambda y: y.sigmoid() + y.exp()])
def test_editing_a_kept_tensor_is_an_error_exactly_when_torch_says_so(edit, use):
    outcomes = []
    for lib in (minitorch, torch):
        x = draw(3) if lib is minitorch else twin(draw(3))
        y = x * 2
        z = use(y)
        try:
            edit(y)
            z.sum().backward()
            outcomes.append(x.grad.tolist())
        except RuntimeError:
            outcomes.append("error")
    assert outcomes[0] == outcomes[1] or np.allclose(outcomes[0], outcomes[1])


def test_editing_a_kept_output_is_an_error():
    x = draw(3)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_in_place_on_a_view_rewrites_the_base_and_its_other_views():
    outcomes = []
    for lib in (minitorch, torch):
        x = draw(4, 3) if lib is minitorch else twin(draw(4, 3))
        y = x * 1
        row, column = y[1], y[:, 2]
        row.mul_(x[0])
        z = (column * column).sum() + row.sum() + y.exp().sum()
        (g,) = (grad if lib is minitorch else torch.autograd.grad)(z, x)
        outcomes.append((g.tolist(), y._version, column.grad_fn is not None))
    np.testing.assert_allclose(outcomes[0][0], outcomes[1][0], rtol=1e-12)
    assert outcomes[0][1:] == outcomes[1][1:]


def test_views_of_unrecorded_memory_become_part_of_the_graph():
    w = draw(3)
    base = minitorch.zeros(2, 3, dtype=minitorch.float64)
    view = base[1]
    base.add_(w)
    assert view.requires_grad
    (g,) = grad((view * view).sum(), w)
    np.testing.assert_allclose(g.numpy(), 2 * w.detach().numpy())


def test_anomaly_mode_names_the_forward_call():
    x = minitorch.zeros(1, dtype=minitorch.float64).requires_grad_()
    with detect_anomaly(), pytest.raises(RuntimeError, match="nan values.*(\n|.)*test_anomaly_mode"):
        (x * 0).sqrt().mul(0).sum().backward()


def test_grad_mode_is_thread_local_and_works_as_a_decorator():
    seen = []
    with minitorch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(minitorch.is_grad_enabled()))
        thread.start()
        thread.join()
        seen.append(minitorch.is_grad_enabled())

    @minitorch.no_grad()
    def off():
        return minitorch.is_grad_enabled()

    @minitorch.no_grad()
    def generator():
        seen.append(minitorch.is_grad_enabled())
        yield 1
        seen.append(minitorch.is_grad_enabled())

    for _ in generator():
        seen.append(minitorch.is_grad_enabled())
    assert seen == [True, False, False, True, False]
    assert off() is False and minitorch.is_grad_enabled()


def test_higher_derivatives():
    x = draw(3)
    z = (x**5).sum()
    for power, factor in ((4, 5), (3, 20), (2, 60), (1, 120)):
        (z,) = grad(z.sum(), x, create_graph=True)
        np.testing.assert_allclose(z.detach().numpy(), factor * x.detach().numpy() ** power, rtol=1e-12)


class Scaled(Function):
    """z = x * y with a constant factor, to see that arguments of any kind pass through."""

    @staticmethod
    def forward(ctx, x, factor, y):
        z = x * y * factor
        ctx.save_for_backward(x, y, z)
        ctx.factor = factor
        return z

    @staticmethod
    def backward(ctx, g):
        x, y, z = ctx.saved_tensors
        return g * y * ctx.factor, None, g * x * ctx.factor + z * 0


def test_a_function_of_one_s_own():
    x, y = draw(2, 3, seed=1), draw(2, 3, seed=2)
    assert gradcheck(lambda a, b: Scaled.apply(a, 3.0, b), (x, y))
    assert gradgradcheck(lambda a, b: Scaled.apply(a, 3.0, b), (x, y))
    assert Scaled.apply(x, 3.0, y).grad_fn.name() == "ScaledBackward"
    z = Scaled.apply(x, 3.0, y).sum()
    z.backward()
    with pytest.raises(RuntimeError, match="second time"):
        z.backward()


def test_a_function_with_a_wrong_number_of_gradients_says_so():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match="incorrect number of gradients"):
        Wrong.apply(draw(2), draw(2)).sum().backward()


def test_gradcheck_finds_a_wrong_rule():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2.01

    x = draw(3)
    for fast in (False, True):
        assert not gradcheck(Wrong.apply, (x,), raise_exception=False, fast_mode=fast)
        assert gradcheck(lambda a: a * 2, (x,), fast_mode=fast)


def test_jacobian_and_hessian_against_torch():
    x = draw(3, seed=3)
    f = lambda t: (t * t).exp() * t.sum()  # noqa: E731
    ours, theirs = minitorch.autograd.functional, torch.autograd.functional
    plain, twin_x = x.detach(), twin(x).detach()
    np.testing.assert_allclose(ours.jacobian(f, plain).numpy(), theirs.jacobian(f, twin_x).numpy(), rtol=1e-12)
    scalar = lambda t: f(t).sum()  # noqa: E731
    np.testing.assert_allclose(ours.hessian(scalar, plain).numpy(), theirs.hessian(scalar, twin_x).numpy(), rtol=1e-12)
    v = draw(3, seed=4).detach()
    for name in ("jvp", "vjp"):
        a = getattr(ours, name)(f, plain, v)[1]
        b = getattr(theirs, name)(f, twin_x, twin(v))[1]
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
    for name in ("vhp", "hvp"):
        a = getattr(ours, name)(scalar, plain, v)[1]
        b = getattr(theirs, name)(scalar, twin_x, twin(v))[1]
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


def test_one_rule_may_serve_several_inputs():
    calls = []

    def rule(g, left, right):
        calls.append(1)
        return g * right, g * left

    @op(GENERAL, vjp={("left", "right"): rule})
    def joint_product(left, right):
        return left * right

    try:
        x, y = draw(3), draw(3, seed=1)
        assert all(a.equal(b) for a, b in zip(grad(joint_product(x, y).sum(), (x, y)), (y, x), strict=True))
        assert calls == [1]
        assert gradgradcheck(joint_product, (x, y))
        alone = draw(3, seed=2, requires_grad=False)
        assert grad(joint_product(alone, y).sum(), y)[0].equal(alone)
    finally:
        del REGISTRY["joint_product"]
