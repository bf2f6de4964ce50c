"""minitorch.func against torch.func: every transformation, and their compositions in any order."""

import numpy as np
import pytest
import torch
import torch.func

import minitorch
import minitorch.func
from minitorch import trees
from parity import database
from parity.batches import check_vmap
from parity.harness import assert_same

LIBRARIES = ((minitorch, minitorch.func), (torch, torch.func))
draw = np.random.default_rng(5)
x, X, W = draw.standard_normal(4), draw.standard_normal((5, 4)), draw.standard_normal((4, 3))


def agree(program, *arrays):
    """`program(library, func, *tensors)` gives the same values, and the same `requires_grad`, on both sides."""
    results = []
    for library, func in LIBRARIES:
        make = minitorch.tensor if library is minitorch else torch.tensor
        result = program(library, func, *[make(a) for a in arrays])
        results.append((trees.map_leaves(lambda z: z.detach(), result), grads_required(result)))
    (ours, our_flags), (theirs, flags) = results
    assert_same(ours, theirs, rtol=1e-9, atol=1e-11)
    assert our_flags == flags


def grads_required(result):
    return [z.requires_grad for z in trees.flatten(result)[0]]


# Functions of one tensor, some elementwise, some with rules of their own, some with views and in-place operations.


def elementwise(a):
    return a.sin() * a.exp() / (1 + a * a)


def softmax(a):
    return a.softmax(-1) * a


def running(a):
    return a.cumsum(0) * a.flip(0).cumprod(0)


def quadratic(a):
    return (a.unsqueeze(-1) @ a.unsqueeze(-2)).tanh().sum(-1)


def in_place(a):
    z = a.sin()
    z.mul_(a)
    z[1:3].add_(a[:2])
    z[0] = a[1] * 3
    return z * z


def normed(a):
    return a / a.norm() + a.var() - a.logsumexp(0)


FUNCTIONS = {f.__name__: f for f in (elementwise, softmax, running, quadratic, in_place, normed)}


@pytest.fixture(params=FUNCTIONS)
def f(request):
    return FUNCTIONS[request.param]


def total(f):
    return lambda a: (f(a) * f(a)).sum()


def test_grad_in_any_depth(f):
    agree(lambda T, F, a: F.grad(total(f))(a), x)
    agree(lambda T, F, a: F.grad(lambda b: F.grad(total(f))(b).sin().sum())(a), x)


def test_jacobians(f):
    agree(lambda T, F, a: (F.jacrev(f)(a), F.jacfwd(f)(a)), x)


@pytest.mark.parametrize("outer", ["jacrev", "jacfwd"])
@pytest.mark.parametrize("inner", ["jacrev", "jacfwd"])
def test_jacobians_of_jacobians(f, outer, inner):
    if f is in_place and inner == outer == "jacfwd":
        pytest.skip("torch itself refuses this one")
    agree(lambda T, F, a: getattr(F, outer)(getattr(F, inner)(f))(a), x)


def test_hessians_of_batches(f):
    agree(lambda T, F, A: F.vmap(F.hessian(total(f)))(A), X[:2])
    agree(lambda T, F, a: F.hessian(lambda b: F.vmap(f)(T.stack([b, 2 * b])).sum())(a), x)


def test_products_with_jacobians(f):
    agree(lambda T, F, a: F.jvp(f, (a,), (a.cos(),)), x)
    agree(lambda T, F, a: (lambda z, pull: (z, pull(a.cos())))(*F.vjp(f, a)), x)
    agree(lambda T, F, a: F.jvp(lambda b: F.vjp(f, b)[1](a)[0], (a,), (a.sin(),)), x)
    agree(lambda T, F, a: F.vjp(lambda b: F.jvp(f, (b,), (b.sin(),))[1], a)[1](a), x)


def test_forward_over_forward(f):
    if f is in_place:
        pytest.skip("torch itself refuses this one")
    agree(lambda T, F, a: F.jvp(lambda b: F.jvp(f, (b,), (b.sin(),))[1], (a,), (a.cos(),)), x)


def test_vmap_of_each(f):
    agree(lambda T, F, A: F.vmap(f)(A), X)
    agree(lambda T, F, A: F.vmap(F.grad(total(f)))(A), X)
    agree(lambda T, F, A: F.vmap(lambda a: F.jvp(f, (a,), (a,)))(A), X)
    agree(lambda T, F, A: F.vmap(lambda a: F.vjp(f, a)[1](a))(A), X)
    agree(lambda T, F, A: F.jvp(F.vmap(f), (A,), (A,)), X)


def test_vmap_in_vmap(f):
    agree(lambda T, F, A: F.vmap(F.vmap(f))(T.stack([A, -A])), X)
    agree(lambda T, F, A: F.vmap(F.vmap(lambda a, b: f(a) * b, (0, None)), (None, 0))(A, A), X)


# Gradients of every example.


def loss(weight, a):
    return (a @ weight).tanh().pow(2).sum()


def test_per_example_gradients_and_gradients_of_them():
    agree(lambda T, F, w, A: F.vmap(F.grad(loss), (None, 0))(w, A), W, X)
    agree(lambda T, F, w, A: F.grad(lambda v: F.vmap(F.grad(loss), (None, 0))(v, A).pow(2).sum())(w), W, X)


def test_grad_mode_around_and_inside():
    def without(T, F, w, A):
        with T.no_grad():
            return F.vmap(F.grad(loss), (None, 0))(w.requires_grad_(), A)

    def inside(T, F, w, A):
        def f(v):
            with T.no_grad():
                c = v * v
            return (v * c).sum()

        return F.grad(f)(w), F.grad(lambda v: F.grad(f)(v).sum())(w), F.vmap(F.grad(f))(w)

    agree(without, W, X)
    agree(inside, W, X)
    agree(lambda T, F, w, A: F.vmap(F.grad(loss), (None, 0))(w.requires_grad_(), A), W, X)
    agree(lambda T, F, a: F.grad(lambda b: (b.detach() * b).sum())(a), x)
    agree(lambda T, F, a: F.jvp(lambda b: b.detach() * b, (a,), (a,)), x)


def test_gradients_reach_what_is_around():
    def around(T, F, w, A):
        w.requires_grad_()
        A.requires_grad_()
        F.vmap(F.grad(loss), (None, 0))(w, A).pow(2).sum().backward()
        return w.grad, A.grad

    agree(around, W, X)
    agree(lambda T, F, a: F.grad(lambda b: (b * b * a).sum())(a.requires_grad_()), x)


# Arguments and results.


def test_trees_of_arguments_and_results():
    agree(lambda T, F, a, w: F.grad(lambda p: (p["a"].sum() * p["b"][0]).sum())({"a": a, "b": [w]}), x, W)
    agree(lambda T, F, a, w: F.grad(lambda p, q: (p @ q).sum(), argnums=(1, 0))(a, w), x, W)
    for name in ("jacrev", "jacfwd"):
        agree(
            lambda T, F, a, A, name=name: getattr(F, name)(
                lambda p, q: {"u": (p * q).sum(1), "v": (p.sin(),)}, argnums=(0, 1)
            )(a, A),
            x,
            X,
        )
        agree(lambda T, F, a, name=name: getattr(F, name)(lambda p: (p.sin(), p.cos()), has_aux=True)(a), x)
    agree(lambda T, F, a: F.jacrev(lambda p: p.sin(), chunk_size=3)(a), x)
    agree(lambda T, F, a: F.grad_and_value(lambda p: (p.sin().sum(), p.cos()), has_aux=True)(a), x)
    agree(lambda T, F, a: F.vjp(lambda p: (p.sin(), p.cos()), a, has_aux=True)[::2], x)
    agree(lambda T, F, a: F.jvp(lambda p: ((p.sin(), p * 2), p.cos()), (a,), (a,), has_aux=True), x)


@pytest.mark.filterwarnings("ignore")
def test_linearize():
    agree(lambda T, F, a: (lambda z, push: (z, push(a), push(a.sin())))(*F.linearize(softmax, a)), x)


def test_dims_of_vmap():
    agree(lambda T, F, A: F.vmap(lambda a: (a, a * 2), in_dims=1, out_dims=(0, 1))(A), X)
    agree(lambda T, F, A: F.vmap(lambda a: a, in_dims=-1, out_dims=-1)(A), X)
    agree(lambda T, F, A, w: F.vmap(lambda p, q: p["a"] @ q[0], in_dims=({"a": 0}, None))({"a": A}, (w,)), X, W)
    agree(lambda T, F, A: F.vmap(lambda a: a.sin(), chunk_size=2)(A), X)
    agree(lambda T, F, A: F.vmap(lambda a: T.ones(2, dtype=T.float64))(A), X)
    agree(lambda T, F, A: F.vmap(lambda a: T.zeros_like(a).add_(a))(A), X)
    agree(lambda T, F, A: F.vmap(lambda a: a.new_zeros(4).copy_(a))(A), X)
    agree(lambda T, F, A: F.vmap(lambda a: a)(A[:0]), X)


def test_promotion_is_that_of_the_examples():
    # A number of each example is still a number to the rules of promotion.
    agree(lambda T, F, A: F.vmap(lambda a: a.sum() * T.ones(2, dtype=T.float32))(A), X)
    agree(lambda T, F, A: F.vmap(lambda a: (a > 0).sum() * 2.5)(A), X)


def test_errors():
    def raises(program):
        found = []
        for library, func in LIBRARIES:
            with pytest.raises(Exception) as caught:
                program(library, func, library.ones(3))
            found.append(type(caught.value))
        assert found[0] is found[1]

    for program in (
        lambda T, F, a: F.vmap(lambda b: b.item())(a),
        lambda T, F, a: F.vmap(lambda b: b if b > 0 else -b)(a),
        lambda T, F, a: F.vmap(lambda b: b.nonzero())(a),
        lambda T, F, a: F.vmap(lambda b: a.add_(b))(a),
        lambda T, F, a: F.vmap(lambda b: 3)(a),
        lambda T, F, a: F.vmap(lambda b, c: b)(a, T.ones(4)),
        lambda T, F, a: F.vmap(lambda b: b, in_dims=2)(a),
        lambda T, F, a: F.vmap(lambda b: b, in_dims=(0, 0))(a),
        lambda T, F, a: F.vmap(lambda b: b, in_dims=None)(a),
        lambda T, F, a: F.vmap(lambda b: b)(3),
        lambda T, F, a: F.vmap(lambda b: b)(),
        lambda T, F, a: F.vmap(lambda b: b, out_dims=(0, 1))(a),
        lambda T, F, a: F.vmap(lambda b: b, out_dims=None)(a),
        lambda T, F, a: F.vmap(lambda b: b, in_dims=(0.5,))(a),
        lambda T, F, a: F.vmap(lambda b: b, chunk_size=0)(a),
        lambda T, F, a: F.vmap(lambda b: b, randomness="some")(a),
        lambda T, F, a: F.grad(lambda b: b)(a),
        lambda T, F, a: F.grad(lambda b: 1.0)(a),
        lambda T, F, a: F.grad(lambda b: b.sum(), argnums=2)(a),
        lambda T, F, a: F.grad(lambda b: b.sum(), has_aux=True)(a),
        lambda T, F, a: F.grad(lambda b: b.sin_().sum())(a),
        lambda T, F, a: F.grad(lambda b: b.requires_grad_().sum())(a),
        lambda T, F, a: F.grad(lambda b: (b.sum().backward(), b.sum())[1])(a),
        lambda T, F, a: F.grad(lambda b: b.sum())(T.ones(2, dtype=T.int64)),
        lambda T, F, a: F.jvp(lambda b: b, (a,), (a, a)),
        lambda T, F, a: F.jvp(lambda b: b, (a,), (T.ones(2),)),
        lambda T, F, a: F.jvp(lambda b: b, a, a),
        lambda T, F, a: F.vjp(lambda b: (b, b), a)[1](a),
        lambda T, F, a: F.functional_call(T.nn.Linear(2, 2), [{"weight": a}, {"weight": a}], a),
        lambda T, F, a: F.functional_call(T.nn.Linear(2, 2), {"other": a}, T.ones(2), strict=True),
        lambda T, F, a: F.stack_module_state([]),
        lambda T, F, a: F.stack_module_state([T.nn.Linear(2, 2), T.nn.ReLU()]),
    ):
        raises(program)


def test_a_failing_function_leaves_nothing_behind():
    a = minitorch.ones(3)
    for make in (minitorch.func.vmap, minitorch.func.grad, lambda f: minitorch.func.jvp(f, (a,), (a,))):
        with pytest.raises(ZeroDivisionError):
            result = make(lambda b: 1 / 0)
            result(a)
    state = minitorch.core.state.state
    assert (state.trace, state.levels, state.transforms, state.grad) == (None, (), 0, True)


# Modules.


def model(T):
    T.manual_seed(0)
    return T.nn.Sequential(T.nn.Linear(4, 6), T.nn.BatchNorm1d(6), T.nn.Tanh(), T.nn.Linear(6, 3)).eval()


def test_functional_call_and_ensembles():
    def per_example(T, F, A):
        net = model(T)
        parameters = {k: v.detach() for k, v in net.named_parameters()}

        def example_loss(p, a):
            return F.functional_call(net, p, (a.unsqueeze(0),)).pow(2).sum()

        return F.vmap(F.grad(example_loss), (None, 0))(parameters, A.float())

    def ensemble(T, F, A):
        nets = [model(T) for _ in range(3)]
        parameters, buffers = F.stack_module_state(nets)
        base = nets[0]
        return F.vmap(lambda p, b, a: F.functional_call(base, (p, b), a), (0, 0, None))(parameters, buffers, A.float())

    def tolerant(program):
        results = [trees.map_leaves(lambda z: z.detach(), program(T, F, T.tensor(X))) for T, F in LIBRARIES]
        assert_same(*results, rtol=1e-5, atol=1e-6)

    tolerant(per_example)
    tolerant(ensemble)
    net = model(minitorch)
    before = net[0].weight
    minitorch.func.functional_call(net, {"0.weight": before.detach() * 2}, minitorch.ones(2, 4))
    assert net[0].weight is before


# autograd.functional and autograd.grad on top of the same transformations.


@pytest.mark.parametrize("vectorize", [False, True])
def test_functional_jacobians_and_hessians(f, vectorize):
    def program(T, F, a):
        A = T.autograd.functional
        found = [A.jacobian(f, a, vectorize=vectorize)]
        found.append(A.hessian(total(f), a, vectorize=vectorize))
        found.append(A.jacobian(lambda p, q: (f(p) * q, q.sum()), (a, a.cos()), vectorize=vectorize))
        if vectorize and f is not in_place:
            found.append(A.jacobian(f, a, vectorize=True, strategy="forward-mode"))
            found.append(A.hessian(total(f), a, vectorize=True, outer_jacobian_strategy="forward-mode").detach())
        return found

    agree(program, x)


def test_batched_cotangents():
    def program(T, F, A, w):
        w.requires_grad_()
        z = (A @ w).tanh()
        rows = T.eye(15, dtype=T.float64).reshape(15, 5, 3)
        first = T.autograd.grad(z, [w], [rows], is_grads_batched=True, create_graph=True, retain_graph=True)
        second = T.autograd.grad(first[0].sum(), w)
        return [g.detach() for g in (*first, *second)]

    agree(program, X, W)


# Random numbers.


def test_random_numbers_under_vmap():
    a = minitorch.ones(6, 4)
    vmap, nn = minitorch.func.vmap, minitorch.nn.functional
    draws = (
        lambda b: minitorch.rand(4),
        lambda b: minitorch.randn_like(b),
        lambda b: b.clone().normal_(),
        lambda b: nn.dropout(b, 0.5),
        lambda b: minitorch.bernoulli(b * 0.5),
        lambda b: minitorch.randperm(40)[:4].float(),
    )
    for draw_one in draws:
        with pytest.raises(RuntimeError, match="randomness error mode"):
            vmap(draw_one)(a)
        different = vmap(draw_one, randomness="different")(a)
        assert any(not bool((row == different[0]).all()) for row in different)
    for draw_one in draws[:4]:
        same = vmap(draw_one, randomness="same")(a)
        assert bool((same == same[0]).all())


def test_uniform_numbers_are_torchs():
    found = []
    for T, F in LIBRARIES:
        T.manual_seed(3)
        found.append(F.vmap(lambda b, T=T: b * T.rand(4), randomness="different")(T.ones(5, 4)).numpy())
        found.append(F.vmap(lambda b, T=T: b * T.rand(4), randomness="same")(T.ones(5, 4)).numpy())
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[3])


def test_gradient_of_dropout_under_vmap():
    """The mask of the forward pass is the mask of the backward pass, for every example its own."""
    a = minitorch.randn(8, 5)

    def dropped(b):
        return minitorch.nn.functional.dropout(b, 0.5).sum()

    g = minitorch.func.vmap(minitorch.func.grad(dropped), randomness="different")(a)
    assert set(np.unique(g.numpy())) == {0.0, 2.0}


# Rules of primitives, against a loop. `python -m parity --check vmap` does this for every operation.

RULED = """
as_strided cat conv2d cumsum diagonal expand gather index_put index_select linalg.norm masked_fill matmul
nn.functional.batch_norm nn.functional.conv2d nn.functional.cross_entropy nn.functional.embedding
nn.functional.group_norm nn.functional.layer_norm nn.functional.linear nn.functional.max_pool2d nn.functional.mse_loss
nn.functional.pad permute prod quantile repeat scatter_reduce.mean sort softmax split std topk unfold where
""".split()


@pytest.mark.parametrize("name", RULED)
def test_batching_rules_against_a_loop(name):
    for full_name, info in database.infos().items():
        if full_name == name:
            for sample in database.samples(info, "float64", "cpu", 2, made=8):
                found = check_vmap(sample)
                assert found is None, f"{sample}: {found}"


@pytest.mark.parametrize("mapped", ["x", "w", "xg", "xmv", "wm", "xwbmvg"])
def test_per_example_gradients_of_batch_norm_eval(mapped):
    random = np.random.default_rng(2)
    shapes = dict(x=(4, 3, 5), w=(3,), b=(3,), m=(3,), v=(3,), g=(4, 3, 5))
    arrays = {k: random.uniform(0.5, 2, (6, *s) if k in mapped else s) for k, s in shapes.items()}
    results = []
    for lib in (minitorch, torch):

        def loss(x, w, b, m, v, g, lib=lib):
            return (lib.nn.functional.batch_norm(x, m, v, w, b) * g).sum()

        gradients = lib.func.grad(loss, argnums=(0, 1, 2))
        places = tuple([0 if k in mapped else None for k in shapes])
        results.append(lib.func.vmap(gradients, in_dims=places)(*map(lib.tensor, arrays.values())))
    for mine, true in zip(*results, strict=True):
        assert_same(mine, true)


@pytest.mark.parametrize("moved", ["x", "w", "b", "xwb"])
def test_tangents_of_batch_norm_eval(moved):
    random = np.random.default_rng(3)
    shapes = dict(x=(4, 3, 5), w=(3,), b=(3,), m=(3,), v=(3,))
    arrays, tangents = ({k: random.uniform(0.5, 2, s) for k, s in shapes.items()} for _ in range(2))
    results = []
    for lib in (minitorch, torch):
        given = {k: lib.tensor(a) for k, a in arrays.items()}

        def function(*values, lib=lib, given=given):
            x, w, b, m, v = {**given, **dict(zip(moved, values, strict=True))}.values()
            return lib.nn.functional.batch_norm(x, m, v, w, b)

        results.append(lib.func.jvp(function, *[tuple([lib.tensor(a[k]) for k in moved]) for a in (arrays, tangents)]))
    for mine, true in zip(*results, strict=True):
        assert_same(mine, true)


PRODUCTS = {
    "dot": lambda T, a: T.dot(a[0], a[1]),
    "inner": lambda T, a: T.inner(a[0], a[1]),
    "addmv": lambda T, a: T.addmv(a[:, 0], a, a[0], beta=2, alpha=3),
    "addmm": lambda T, a: T.addmm(a, a, a, beta=3),
    "linear": lambda T, a: T.nn.functional.linear(a, a, a[0]),
}


@pytest.mark.parametrize("dtype", ["int8", "int64", "float16", "bfloat16"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_integers_and_half_types_under_vmap(name, dtype):
    """The type of the examples stays, and half types are rounded once: bit for bit what the loop gives."""
    values = np.random.default_rng(1).integers(-9, 9, (3, 16, 16)) / (1 if "int" in dtype else 7)
    for lib in (minitorch, torch):
        batch = lib.tensor(values).to(getattr(lib, dtype))
        whole = lib.func.vmap(lambda a, lib=lib: PRODUCTS[name](lib, a))(batch)
        each = lib.stack([PRODUCTS[name](lib, a) for a in batch])
        assert whole.dtype == each.dtype == batch.dtype
        assert lib is torch or lib.equal(whole, each)


def test_a_product_times_zero_has_the_examples_of_what_is_added():
    agree(lambda T, F, A: F.vmap(lambda a: T.addmv(a, T.ones(3, 2).double(), T.ones(2).double(), beta=0))(A[:, :3]), X)
