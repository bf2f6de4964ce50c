"""nn.utils against torch: clipping, vectors, weight and spectral norm, parametrisations, fusion, stateless calls."""

import copy
import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
import minitorch.nn  # noqa: E402
import minitorch.optim  # noqa: E402
from parity.harness import assert_same  # noqa: E402

X = np.random.default_rng(5).standard_normal((3, 4))


def plain(value):
    if isinstance(value, (minitorch.Tensor, torch.Tensor)):
        return value.detach().numpy()
    if isinstance(value, dict):
        return [(key, plain(v)) for key, v in value.items()]
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def compare(a, b, tolerance=1e-11):
    if isinstance(b, list):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            compare(left, right, tolerance)
    elif isinstance(b, tuple):
        compare(list(a), list(b), tolerance)
    elif isinstance(b, np.ndarray):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    else:
        assert a == b


def same(program, tolerance=1e-11):
    """Run on both libraries after the same seed, in float64 by default; compare what it returns."""
    results = []
    for library in (minitorch, torch):
        library.set_default_dtype(library.float64)
        try:
            library.manual_seed(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                results.append(plain(program(library)))
        finally:
            library.set_default_dtype(library.float32)
    compare(*results, tolerance)


def with_gradients(lib):
    params = [lib.tensor(X * k).requires_grad_(True) for k in (1.0, 2.0)] + [lib.ones(2).requires_grad_(True)]
    for i, p in enumerate(params[:2]):
        p.grad = lib.tensor(X * (3 - i))
    return params


@pytest.mark.parametrize("norm", [2.0, 1.0, 3.0, float("inf"), 0.5])
def test_clip_grad_norm(norm):
    def program(lib):
        params = with_gradients(lib)
        total = lib.nn.utils.clip_grad_norm_(params, 1.5, norm_type=norm)
        again = lib.nn.utils.clip_grad_norm_((p for p in params), 1e9, norm_type=norm)
        return [total, again, [p.grad for p in params], lib.nn.utils.get_total_norm([p.grad for p in params[:2]], norm)]

    same(program)


def test_clipping_the_rest():
    def program(lib):
        params = with_gradients(lib)
        utils = lib.nn.utils
        nothing = utils.clip_grad_norm_([lib.ones(1)], 1.0)
        one = utils.clip_grad_norm_(params[0], 0.1)
        utils.clip_grads_with_norm_(params, 2.0, lib.tensor(4.0))
        utils.clip_grad_value_(params, 0.3)
        return [nothing, one, [p.grad for p in params]]

    same(program)
    p = minitorch.ones(1).requires_grad_(True)
    p.grad = minitorch.tensor([float("nan")])
    with pytest.raises(RuntimeError, match="is non-finite, so it cannot be clipped"):
        minitorch.nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    for lib in (minitorch, torch):
        for empty in ([], [lib.ones(1)]):
            with pytest.raises(RuntimeError, match="no parameter has a gradient" if lib is minitorch else None):
                lib.nn.utils.clip_grad_value_(empty, 1.0)
    with pytest.warns(UserWarning, match="empty generator"):
        minitorch.nn.utils.clip_grad_norm_((q for q in []), 1.0)
    with pytest.warns(FutureWarning, match="clip_grad_norm_"):
        minitorch.nn.utils.clip_grad_norm(p, 1.0)


def test_parameters_as_a_vector():
    def program(lib):
        model = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.Linear(3, 1))
        vector = lib.nn.utils.parameters_to_vector(model.parameters())
        lib.nn.utils.vector_to_parameters(vector.detach() * 2, model.parameters())
        return [vector, list(model.parameters()), vector.requires_grad, model[0].weight.is_leaf]

    same(program)
    with pytest.raises(TypeError, match="expected torch.Tensor"):
        minitorch.nn.utils.vector_to_parameters([1.0], [])


def train(lib, layer, data, steps=3):
    optimizer = lib.optim.SGD(layer.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (layer(lib.tensor(data)) ** 2).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("how", ["hook", "parametrization"])
def test_weight_norm(how, dim):
    def program(lib):
        function = lib.nn.utils.weight_norm if how == "hook" else lib.nn.utils.parametrizations.weight_norm
        layer = function(lib.nn.Linear(4, 5), dim=dim)
        losses = train(lib, layer, X)
        result = [losses, layer.state_dict(), [n for n, _ in layer.named_parameters()], layer.weight]
        if how == "parametrization":  # with the hook the weight is no leaf, which torch does not copy
            copied = copy.deepcopy(layer)
            result += [copied(lib.tensor(X)), copied.weight]
        if how == "hook":
            lib.nn.utils.remove_weight_norm(layer)
        else:
            lib.nn.utils.parametrize.remove_parametrizations(layer, "weight")
        return [*result, layer.state_dict(), layer(lib.tensor(X)), repr(layer)]

    same(program)


@pytest.mark.parametrize("how", ["hook", "parametrization"])
@pytest.mark.parametrize("layer", ["Linear", "Conv2d", "ConvTranspose2d"])
def test_spectral_norm(how, layer):
    data = X if layer == "Linear" else np.random.default_rng(1).standard_normal((2, 3, 5, 5))
    args = (4, 5) if layer == "Linear" else (3, 4, 3)

    def program(lib):
        function = lib.nn.utils.spectral_norm if how == "hook" else lib.nn.utils.parametrizations.spectral_norm
        module = function(getattr(lib.nn, layer)(*args), n_power_iterations=2)
        losses = train(lib, module, data)
        state = copy.deepcopy(module.state_dict())
        result = [losses, state, [n for n, _ in module.named_parameters()]]
        # Two forwards before one backward: the first keeps its own u and v.
        (module(lib.tensor(data)) * module(lib.tensor(2 * data))).sum().backward()
        result += [[p.grad for p in module.parameters()]]
        module.load_state_dict(state)
        module.eval()
        result += [module(lib.tensor(data)), module(lib.tensor(data))]
        module.load_state_dict(state)
        if how == "hook":
            lib.nn.utils.remove_spectral_norm(module)
        else:
            lib.nn.utils.parametrize.remove_parametrizations(module, "weight")
        return [*result, module.state_dict()]

    same(program, tolerance=1e-9)


@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (3, 4), (5, 4)])
@pytest.mark.parametrize("trivialization", [True, False])
def test_orthogonal(orthogonal_map, shape, trivialization):
    needed = {"matrix_exp": "matrix_exp", "cayley": "linalg.solve"}.get(orthogonal_map, "eye")
    if needed not in minitorch.core.op.PUBLIC:
        pytest.skip(f"{needed} is not there")
    rows, columns = shape
    layer = minitorch.nn.Linear(columns, rows).double()
    minitorch.nn.utils.parametrizations.orthogonal(
        layer, orthogonal_map=orthogonal_map, use_trivialization=trivialization
    )
    for _ in range(3):
        weight = layer.weight.detach().numpy()
        gram = weight @ weight.T if rows <= columns else weight.T @ weight
        if not (orthogonal_map == "householder" and not trivialization):
            np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-10)
        train(minitorch, layer, X, steps=1)
    if trivialization:
        target = np.linalg.qr(np.random.default_rng(0).standard_normal((max(shape), min(shape))))[0]
        target = target if rows >= columns else target.T
        with minitorch.no_grad():
            layer.weight = minitorch.tensor(target.copy())
        np.testing.assert_allclose(layer.weight.detach().numpy(), target, atol=1e-10)


def symmetric(lib):
    class Symmetric(lib.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).t()

        def right_inverse(self, a):
            return a.triu()

    return Symmetric()


def halves(lib):
    class Halves(lib.nn.Module):
        def forward(self, a, b):
            return a + b

        def right_inverse(self, w):
            return w / 2, w / 2

    return Halves()


def test_parametrize():
    def program(lib):
        p = lib.nn.utils.parametrize
        layer = lib.nn.Linear(4, 4)
        weight = layer.weight
        p.register_parametrization(layer, "weight", symmetric(lib))
        result = [layer.weight, p.is_parametrized(layer), p.is_parametrized(layer, "bias"), type(layer).__name__]
        result += [layer.parametrizations.weight.original is weight, list(layer.state_dict()), repr(layer)]
        layer.weight = lib.tensor(np.arange(16.0).reshape(4, 4))
        result += [layer.weight, layer.parametrizations.weight.original]
        p.register_parametrization(layer, "weight", lib.nn.Tanh())
        p.register_parametrization(layer, "bias", halves(lib))
        result += [layer.weight, layer.bias, [n for n, _ in layer.named_parameters()], train(lib, layer, X)]
        with p.cached():
            result += [layer.weight is layer.weight]
        result += [layer.weight is layer.weight, p.type_before_parametrizations(layer) is lib.nn.Linear]
        other = lib.nn.Linear(4, 4)
        p.transfer_parametrizations_and_params(layer, other)
        result += [other.weight, other.bias, copy.deepcopy(layer).weight]
        p.remove_parametrizations(layer, "bias")
        p.remove_parametrizations(layer, "weight", leave_parametrized=False)
        return [*result, list(layer.state_dict()), layer.weight, type(layer) is lib.nn.Linear]

    same(program)


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, p: p.register_parametrization(lib.nn.Linear(2, 2), "nothing", lib.nn.Tanh()),
        lambda lib, p: p.register_parametrization(lib.nn.Linear(2, 2), "weight", lib.nn.Flatten(0)),
        lambda lib, p: p.remove_parametrizations(lib.nn.Linear(2, 2), "weight"),
        lambda lib, p: pickle.dumps(p.register_parametrization(lib.nn.Linear(2, 2), "weight", lib.nn.Tanh())),
        lambda lib, p: setattr(
            p.register_parametrization(lib.nn.Linear(2, 2), "weight", lib.nn.Tanh()), "weight", lib.ones(2, 2)
        ),
        lambda lib, p: p.remove_parametrizations(
            p.register_parametrization(lib.nn.Linear(2, 2), "weight", halves(lib)), "weight", leave_parametrized=False
        ),
        lambda lib, p: lib.nn.utils.remove_weight_norm(lib.nn.Linear(2, 2)),
        lambda lib, p: lib.nn.utils.remove_spectral_norm(lib.nn.Linear(2, 2)),
        lambda lib, p: lib.nn.utils.spectral_norm(lib.nn.utils.spectral_norm(lib.nn.Linear(2, 2))),
        lambda lib, p: lib.nn.utils.spectral_norm(lib.nn.Linear(2, 2), n_power_iterations=0),
        lambda lib, p: lib.nn.utils.parametrizations.spectral_norm(lib.nn.Linear(2, 2), "nothing"),
        lambda lib, p: lib.nn.utils.parametrizations.orthogonal(lib.nn.Linear(2, 2), "bias"),
        lambda lib, p: lib.nn.utils.parametrizations.orthogonal(lib.nn.Linear(2, 2), orthogonal_map="givens"),
        lambda lib, p: lib.nn.utils.stateless.functional_call(
            lib.nn.Linear(2, 2), {"weight": lib.ones(2, 2)}, lib.ones(1, 2), strict=True
        ),
        lambda lib, p: lib.nn.utils.skip_init(lib.nn.ReLU),
    ],
)
def test_error_classes_are_those_of_torch(call):
    errors = []
    for lib in (minitorch, torch):
        with pytest.raises(Exception) as raised, warnings.catch_warnings():  # noqa: B017 - the class is compared below
            warnings.simplefilter("ignore")
            call(lib, lib.nn.utils.parametrize)
        errors.append(raised.value)
    assert type(errors[0]) is type(errors[1]), errors


def test_old_weight_norm_state_loads_into_the_parametrization():
    old = minitorch.nn.utils.parametrizations.weight_norm(minitorch.nn.Linear(3, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = minitorch.nn.utils.weight_norm(minitorch.nn.Linear(3, 2)).state_dict()
    old.load_state_dict(state)
    np.testing.assert_array_equal(old.parametrizations.weight.original0.detach().numpy(), state["weight_g"].numpy())


def test_fusion():
    def program(lib):
        conv, norm = lib.nn.Conv2d(3, 4, 3, bias=False), lib.nn.BatchNorm2d(4)
        linear, norm1 = lib.nn.Linear(4, 5), lib.nn.BatchNorm1d(5)
        image = lib.tensor(np.random.default_rng(0).standard_normal((2, 3, 5, 5)))
        norm(conv(image)), norm1(linear(lib.tensor(X)))
        for module in (conv, norm, linear, norm1):
            module.eval()
        fused = lib.nn.utils.fuse_conv_bn_eval(conv, norm)
        fused_linear = lib.nn.utils.fuse_linear_bn_eval(linear, norm1)
        return [fused.state_dict(), fused(image), norm(conv(image)), fused_linear(lib.tensor(X))]

    same(program)


def test_functional_call():
    def program(lib):
        model = lib.nn.Sequential(lib.nn.Linear(4, 4), lib.nn.BatchNorm1d(4), lib.nn.Linear(4, 4))
        model[2].weight = model[0].weight
        new = {"0.weight": lib.ones(4, 4).requires_grad_(True), "1.running_mean": lib.zeros(4)}
        before = model.state_dict()["0.weight"].clone()
        output = lib.nn.utils.stateless.functional_call(model, new, (lib.tensor(X),))
        untied = lib.nn.utils.stateless.functional_call(model, new, lib.tensor(X), tie_weights=False)
        return [output, untied, model[0].weight, before, new["1.running_mean"], model[1].running_mean]

    same(program)


def test_skip_init_draws_nothing():
    minitorch.manual_seed(0)
    expected = minitorch.rand(2)
    minitorch.manual_seed(0)
    layer = minitorch.nn.utils.skip_init(minitorch.nn.Linear, 3, 4)
    assert_same(minitorch.rand(2), expected.numpy())
    assert type(layer) is minitorch.nn.Linear and layer.weight.shape == (4, 3)
