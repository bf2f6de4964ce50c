"""Every optimizer in all configurations of torch's own optimizer database, 50 steps in float64; its error cases."""

import copy
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")

from torch.testing._internal.common_optimizers import optim_db  # noqa: E402

import minitorch  # noqa: E402
import minitorch.nn  # noqa: E402
import minitorch.optim  # noqa: E402

STEPS = 50
# SparseAdam takes sparse gradients only, which minitorch does not have.
INFOS = {info.optim_cls.__name__: info for info in optim_db if info.optim_cls.__name__ != "SparseAdam"}


def to_ours(value):
    if isinstance(value, torch.Tensor):
        return minitorch.tensor(value.detach().numpy().copy())
    return tuple(to_ours(v) for v in value) if isinstance(value, tuple) else value


def configurations(info):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return info.optim_inputs_func(device="cpu", dtype=torch.float64)


def train(library, cls, kwargs):
    """A regression with a matrix, and a vector where the method takes one."""
    rng = np.random.default_rng(0)
    weight = library.tensor(rng.standard_normal((4, 3))).requires_grad_(True)
    bias = library.tensor(rng.standard_normal(3)).requires_grad_(True)
    data, target = library.tensor(rng.standard_normal((6, 4))), library.tensor(rng.standard_normal((6, 3)))
    params = [weight] if cls.__name__ == "Muon" else [weight, bias]
    optimizer = cls(params, **kwargs)

    def closure():
        optimizer.zero_grad()
        loss = ((data @ weight + bias - target) ** 2).mean()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(STEPS)]
    return losses, params, optimizer


@pytest.mark.parametrize("name", list(INFOS))
def test_configurations(name):
    info, count = INFOS[name], 0
    for case in configurations(info):
        kwargs = copy.deepcopy(case.kwargs)
        mine = train(minitorch, getattr(minitorch.optim, name), {k: to_ours(v) for k, v in kwargs.items()})
        true = train(torch, info.optim_cls, kwargs)
        # Muon computes in bfloat16, a learning rate given as a tensor is float32, L-BFGS takes decisions.
        by_tensor = any(isinstance(v, torch.Tensor) for v in (kwargs.get("lr"), *kwargs.get("betas", ())))
        tolerance = 5e-2 if name == "Muon" else 1e-6 if by_tensor or name == "LBFGS" else 1e-12
        np.testing.assert_allclose(mine[0], true[0], rtol=tolerance, atol=tolerance, err_msg=case.desc)
        for a, b in zip(mine[1], true[1], strict=True):
            np.testing.assert_allclose(
                a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=case.desc
            )
        ours, theirs = mine[2].state_dict()["state"], true[2].state_dict()["state"]
        assert {i: set(s) for i, s in ours.items()} == {i: set(s) for i, s in theirs.items()}, case.desc
        count += 1
    assert count


@pytest.mark.parametrize("name", list(INFOS))
def test_errors(name):
    """Wrong arguments raise what torch's database says, with its text."""
    for case in INFOS[name].optim_error_inputs_func(device="cpu", dtype=torch.float64):
        given = case.optimizer_error_input
        if "complex" in case.error_regex:
            continue
        params = [minitorch.ones(2, 3)] if given.params is None else ours_of(given.params)
        with pytest.raises(case.error_type, match=case.error_regex):
            optimizer = getattr(minitorch.optim, name)(params, **{k: to_ours(v) for k, v in given.kwargs.items()})
            optimizer.step()


def ours_of(params):
    """Parameters as minitorch's; one that is given twice stays one."""
    made = {}

    def convert(value):
        if isinstance(value, torch.Tensor):
            return made.setdefault(id(value), to_ours(value))
        if isinstance(value, dict):
            return {key: convert(v) for key, v in value.items()}
        return type(value)(convert(v) for v in value) if isinstance(value, (list, tuple)) else value

    return convert(params)
