"""Gradients against finite differences.

For a random direction u in input space and a random cotangent v in output space, both sides of

    < v, (f(x + eps u) - f(x - eps u)) / (2 eps) >  =  < J'v, u >

are computed; `fast_mode` compares one such number, the ordinary mode every entry of the Jacobian.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..core.state import enable_grad, no_grad
from ..core.tensor import Tensor, wrap
from . import forward_ad
from .backward import grad


class GradcheckError(RuntimeError):
    """The gradient that a rule gives differs from the one that finite differences give."""


def _as_tuple(value) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _outputs(func, inputs) -> tuple:
    return tuple(z for z in _as_tuple(func(*inputs)) if isinstance(z, Tensor) and z.dtype.is_floating_point)


def _numerical(func, inputs, i: int, eps: float) -> list:
    """One matrix (inputs x outputs) per output, by central differences in every element of input i."""
    array = inputs[i].array
    columns: list[list] | None = None
    with no_grad():
        for index in itertools.product(*map(range, array.shape)):
            kept = array[index].copy()
            array[index] = kept + eps
            above = [z.array.astype(np.float64).ravel().copy() for z in _outputs(func, inputs)]
            array[index] = kept - eps
            below = [z.array.astype(np.float64).ravel().copy() for z in _outputs(func, inputs)]
            array[index] = kept
            rows = [(a - b) / (2 * eps) for a, b in zip(above, below, strict=True)]
            columns = columns or [[] for _ in rows]
            for column, row in zip(columns, rows, strict=True):
                column.append(row)
    if columns is None:
        with no_grad():
            return [np.zeros((0, z.array.size)) for z in _outputs(func, inputs)]
    return [np.array(column) for column in columns]


def _analytical(output: Tensor, inputs, wanted) -> list:
    """One matrix (inputs x outputs) per wanted input, by one vjp per element of the output."""
    size = output.array.size
    matrices = [np.zeros((inputs[i].array.size, size)) for i in wanted]
    for k in range(size):
        seed = np.zeros(size, output.array.dtype)
        seed[k] = 1
        found = grad(
            output, [inputs[i] for i in wanted], wrap(seed.reshape(output.array.shape)), True, allow_unused=True
        )
        for matrix, g, i in zip(matrices, found, wanted, strict=True):
            if g is not None:
                if g.array.shape != inputs[i].array.shape:
                    raise GradcheckError(
                        f"the gradient of input {i} has shape {g.array.shape}, the input {inputs[i].array.shape}"
                    )
                matrix[:, k] = g.array.ravel()
    return matrices


def gradcheck(
    func,
    inputs,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether `func`'s gradients at `inputs` (float64 tensors) agree with finite differences.

    eps: step. atol, rtol: |analytical - numerical| <= atol + rtol |numerical|. fast_mode: one random direction instead
    of every entry. check_forward_ad: forward mode too. GradcheckError on a difference, unless `raise_exception` is
    False.
    """
    inputs = _as_tuple(inputs)
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True."
        )
    inputs = tuple(x.detach().clone().requires_grad_() if i in wanted else x for i, x in enumerate(inputs))
    try:
        if fast_mode:
            _check_direction(func, inputs, wanted, eps, atol, rtol)
        else:
            _check_entries(func, inputs, wanted, eps, atol, rtol, nondet_tol, check_grad_dtypes)
        if check_forward_ad:
            _check_forward(func, inputs, wanted, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _compare(analytical, numerical, what: str, atol: float, rtol: float) -> None:
    good = np.isclose(analytical, numerical, atol=atol, rtol=rtol, equal_nan=True)
    if not good.all():
        worst = np.unravel_index(np.argmin(good), np.shape(good)) if np.ndim(good) else ()
        raise GradcheckError(
            f"{what}: at entry {tuple(map(int, worst))} the rule gives {np.asarray(analytical)[worst]!r}, "
            f"finite differences give {np.asarray(numerical)[worst]!r}\n"
            f"analytical:\n{analytical}\nnumerical:\n{numerical}"
        )


def _check_entries(func, inputs, wanted, eps, atol, rtol, nondet_tol, check_grad_dtypes) -> None:
    outputs = _outputs(func, inputs)
    numerical = {i: _numerical(func, inputs, i, eps) for i in wanted}
    for o, output in enumerate(outputs):
        if not output.requires_grad:
            matrices = [np.zeros((inputs[i].array.size, output.array.size)) for i in wanted]
        else:
            matrices = _analytical(output, inputs, wanted)
            again = _analytical(output, inputs, wanted)
            for a, b in zip(matrices, again, strict=True):
                if a.size and np.nanmax(np.abs(a - b), initial=0) > nondet_tol:
                    raise GradcheckError(
                        "Backward is not reentrant, i.e., running backward with same input and grad_output multiple "
                        "times gives different values"
                    )
        for i, matrix in zip(wanted, matrices, strict=True):
            _compare(matrix, numerical[i][o], f"Jacobian mismatch for output {o} with respect to input {i}", atol, rtol)


def _directions(tensors, seed: int) -> list:
    draw = np.random.default_rng(seed)
    return [draw.standard_normal(t.array.shape) for t in tensors]


def _moved(inputs, wanted, directions, step: float):
    moved = list(inputs)
    for i, u in zip(wanted, directions, strict=True):
        moved[i] = wrap(inputs[i].array + step * u)
    return moved


def _central_difference(func, inputs, wanted, directions, eps: float) -> list:
    with no_grad():
        above = _outputs(func, _moved(inputs, wanted, directions, eps))
        below = _outputs(func, _moved(inputs, wanted, directions, -eps))
    return [(a.array - b.array) / (2 * eps) for a, b in zip(above, below, strict=True)]


def _check_direction(func, inputs, wanted, eps, atol, rtol) -> None:
    outputs = _outputs(func, inputs)
    directions = _directions([inputs[i] for i in wanted], 0)
    cotangents = _directions(outputs, 1)
    change = _central_difference(func, inputs, wanted, directions, eps)
    numerical = sum(float(np.sum(v * c)) for v, c in zip(cotangents, change, strict=True))
    live = [(z, wrap(np.asarray(v))) for z, v in zip(outputs, cotangents, strict=True) if z.requires_grad]
    analytical = 0.0
    if live:
        found = grad([z for z, _ in live], [inputs[i] for i in wanted], [v for _, v in live], allow_unused=True)
        analytical = sum(float(np.sum(g.array * u)) for g, u in zip(found, directions, strict=True) if g is not None)
    _compare(analytical, numerical, "directional derivative", atol * max(1.0, abs(numerical)), rtol)


def _check_forward(func, inputs, wanted, eps, atol, rtol) -> None:
    directions = _directions([inputs[i] for i in wanted], 2)
    numerical = _central_difference(func, inputs, wanted, directions, eps)
    with forward_ad.dual_level():
        duals = list(inputs)
        for i, u in zip(wanted, directions, strict=True):
            duals[i] = forward_ad.make_dual(inputs[i].detach(), wrap(np.asarray(u)))
        tangents = [forward_ad.unpack_dual(z).tangent for z in _outputs(func, duals)]
    for o, (tangent, change) in enumerate(zip(tangents, numerical, strict=True)):
        found = np.zeros_like(change) if tangent is None else tangent.array
        _compare(found, change, f"forward mode, output {o}", atol, rtol)


def gradgradcheck(
    func,
    inputs,
    grad_outputs=None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """As `gradcheck`, for the second derivative: the gradient of v' J with respect to the inputs and to v."""
    inputs = _as_tuple(inputs)
    outputs = [z for z in _outputs(func, inputs) if z.requires_grad]
    if grad_outputs is None:
        cotangents = [
            wrap(np.asarray(v, z.array.dtype)).requires_grad_()
            for v, z in zip(_directions(outputs, 3), outputs, strict=True)
        ]
        if gen_non_contig_grad_outputs:
            cotangents = [wrap(np.repeat(v.array[..., None], 2, -1)[..., 0]).requires_grad_() for v in cotangents]
    else:
        cotangents = list(_as_tuple(grad_outputs))
    count = len(cotangents)
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]

    def pulled_back(*arguments):
        primals, vectors = list(arguments[:-count]), arguments[-count:]
        for i in wanted:
            if not primals[i].requires_grad:
                primals[i] = primals[i].detach().requires_grad_()
        with enable_grad():
            results = [z for z in _outputs(func, primals) if z.requires_grad]
            found = grad(results, [primals[i] for i in wanted], vectors, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        pulled_back, (*inputs, *cotangents), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, fast_mode=fast_mode,
    )  # fmt: skip
