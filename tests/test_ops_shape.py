"""Shapes, order, parts, joining, splitting, rearranging: values, gradients and second gradients as in torch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.against_torch import LAYOUTS  # noqa: E402
from tests.both_libraries import agree, agree_or_both_raise  # noqa: E402

rng = np.random.default_rng(0)


def array(*shape):
    return rng.standard_normal(shape)


OF_ONE = {
    "view": lambda lib, x: x.contiguous().view(-1, 2),
    "reshape": lambda lib, x: x.reshape(2, -1),
    "reshape_as": lambda lib, x: x.reshape_as(lib.zeros(4, 3)),
    "flatten": lambda lib, x: x.flatten(1),
    "ravel": lambda lib, x: x.ravel(),
    "unflatten": lambda lib, x: x.unflatten(-1, (2, -1)),
    "squeeze": lambda lib, x: (x.squeeze(), x.squeeze(1), x.squeeze(0), x.squeeze((0, 1))),
    "unsqueeze": lambda lib, x: (x.unsqueeze(-1), x.unsqueeze(0), x.unsqueeze(-2)),
    "expand": lambda lib, x: (x.expand(2, -1, 5, 4), x.expand_as(lib.zeros(3, 3, 4)), x.broadcast_to((3, 3, 4))),
    "permute": lambda lib, x: (x.permute(2, 0, -2), lib.permute(x, (1, 2, 0))),
    "transpose": lambda lib, x: (x.transpose(-1, 0), x.swapaxes(0, 1), x.mT, x[:, 0].T, x[:, 0].t(), x[0, 0].t()),
    "movedim": lambda lib, x: (x.movedim((0, 2), (1, 0)), lib.moveaxis(x, 0, -1)),
    "select": lambda lib, x: (x.select(-1, -2), x.select(0, 2)),
    "narrow": lambda lib, x: (x.narrow(2, 1, 2), x.narrow(0, lib.tensor(-2), 2), x.narrow(0, 3, 0)),
    "diagonal": lambda lib, x: tuple([x.diagonal(k, 0, 2) for k in (-5, -2, 0, 1, 3, 9)]) + (x.diagonal(1, -1, 0),),
    "unfold": lambda lib, x: (x.unfold(2, 3, 1), x.unfold(2, 2, 2), x.unfold(0, 1, 2), x.unfold(2, 0, 1)),
    "split": lambda lib, x: x.split(3, -1) + x.split([1, 0, 2], 0) + lib.split(x, 2),
    "chunk": lambda lib, x: x.chunk(3, 2) + x.chunk(7),
    "unbind": lambda lib, x: x.unbind(2) + x.unbind(),
    "tensor_split": lambda lib, x: x.tensor_split(3, 2) + x.tensor_split((1, -1, 9), 2) + x.dsplit(2) + x.vsplit([1]),
    "flip": lambda lib, x: (x.flip(0), x.flip((0, 2)), lib.flip(x, []), x.fliplr(), x.flipud()),
    "roll": lambda lib, x: (x.roll(5), x.roll((1, -2), (0, 2)), x.roll((1, 2), (2, 2))),
    "rot90": lambda lib, x: tuple([x.rot90(k, (0, 2)) for k in range(-1, 5)]),
    "repeat": lambda lib, x: (
        x.repeat(1, 2, 3),
        x.repeat(2, 1, 3, 1),
        x.repeat(0, 1, 1),
        x.tile(2),
        x.tile((2, 1, 1, 2)),
    ),
    "repeat_interleave": lambda lib, x: (
        x.repeat_interleave(2),
        x.repeat_interleave(3, 1),
        x.repeat_interleave(lib.tensor([2, 0, 1]), 0),
        x.repeat_interleave(lib.tensor([2]), -1),
    ),
    "triangles": lambda lib, x: tuple([t for k in (-2, 0, 1, 5) for t in (x.mT.tril(k), x.transpose(0, 1).triu(k))]),
    "diag": lambda lib, x: (x[:, 0].diag(1), x[0, 0].diag(-1), x[0, 0].diag(), x.diagflat(2)),
    "diag_embed": lambda lib, x: (x.diag_embed(), x.diag_embed(1, 0, 2), x.diag_embed(-2, 3, 1)),
    "meshgrid": lambda lib, x: lib.meshgrid(x[0, 0], x[:, 0, 0], indexing="xy") + lib.meshgrid(x[0, 0], indexing="ij"),
    "stacks": lambda lib, x: tuple([f([x, x * 2]) for f in (lib.stack, lib.hstack, lib.vstack, lib.dstack, lib.cat)]),
    "columns": lambda lib, x: lib.column_stack([x[0, 0], x[0].T, x[1, 0]]),
    "block_diag": lambda lib, x: lib.block_diag(x[0], x[0, 0], x[1, 0, 0], x[0].T),
    "combinations": lambda lib, x: (lib.combinations(x[0, 0]), lib.combinations(x[0, 0], 3, True)),
    "cartesian_prod": lambda lib, x: (lib.cartesian_prod(x[0, 0], x[1, 0]), lib.cartesian_prod(x[0, 0])),
    "atleast": lambda lib, x: (
        lib.atleast_1d(x[0, 0, 0], x) + lib.atleast_2d([x[0, 0, 0], x[0, 0]]) + lib.atleast_3d(x, x[0])
    ),
    "scattered parts": lambda lib, x: (
        x.select_scatter(x[:, :, 0] * 3, 2, 1),
        x.slice_scatter(x[:, :, :2], 2, 0, 4, 2),
        x.diagonal_scatter(x.diagonal(1, 0, 2) * 2, 1, 0, 2),
    ),
    "several": lambda lib, x: x.transpose(0, 2)[1:].unsqueeze(1).expand(3, 2, 1, 3)[..., ::2].diagonal(0, 0, 3),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", OF_ONE)
def test_values_and_derivatives(name, layout):
    agree(OF_ONE[name], array(3, 1, 4), layout=layout)


JOINED = {
    "cat": lambda lib, a, b, c: lib.cat([a, b, c], 1),
    "cat backwards": lambda lib, a, b, c: lib.concat((c, b, a), dim=-2),
    "cat twice the same": lambda lib, a, b, c: lib.cat([a, b * c[:, :1], a], 1),
    "broadcast_tensors": lambda lib, a, b, c: lib.broadcast_tensors(a, b[:, :1], c[0, 0]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", JOINED)
def test_joining(name, layout):
    agree(JOINED[name], array(2, 2, 3), array(2, 1, 3), array(2, 4, 3), layout=layout)


def test_cat_promotes_and_passes_over_the_empty():
    agree(lambda lib, a, b: lib.cat([a, b.to(lib.float32), lib.zeros(0)]), array(2, 3), array(1, 3), order=1)
    agree(lambda lib, a: lib.cat([a, lib.arange(3)[None]]), array(2, 3))
    agree(lambda lib: lib.cat([lib.arange(3), lib.tensor([True])]))


EMPTY = {
    "reshape": lambda lib, x: (x.reshape(3, 0), x.reshape(3, -1), x.view(0), x.flatten(), x.ravel()),
    "parts": lambda lib, x: (x.unfold(1, 2, 1), x.diagonal(), x.narrow(0, 0, 0), x.diag()),
    "split": lambda lib, x: x.split(2) + x.chunk(2) + x.unbind(1) + x.unbind(0) + x.tensor_split(2),
    "rearranged": lambda lib, x: (
        x.flip(0),
        x.roll(1, 0),
        x.repeat(2, 2),
        x.tril(),
        x.rot90(),
        x.repeat_interleave(2, 0),
    ),
    "joined": lambda lib, x: (lib.cat([x, x], 1), lib.stack([x, x]), x.expand(4, 0, 3), x.squeeze(0), x.unsqueeze(1)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_without_elements(name):
    agree(EMPTY[name], array(0, 3))


SINGLE = {
    "reshape": lambda lib, x: (
        x.reshape(1, 1),
        x.view(()),
        x.flatten(),
        x.ravel(),
        x.squeeze(),
        x.squeeze(0),
        x.unsqueeze(0),
    ),
    "expand": lambda lib, x: (
        x.expand(()),
        x.expand(2, 3),
        x.expand_as(lib.zeros(1, 2)),
        x.transpose(0, -1),
        x.permute(()),
    ),
    "rearranged": lambda lib, x: (
        x.flip([]),
        x.roll(1),
        x.repeat(()),
        x.repeat(2, 1),
        x.tile(3),
        x.repeat_interleave(2),
    ),
    "parts": lambda lib, x: (x.unfold(0, 1, 1), x.diagflat(1), lib.stack([x, x]), lib.hstack([x, x]), lib.dstack([x])),
}


@pytest.mark.parametrize("name", SINGLE)
def test_without_dimensions(name):
    agree(SINGLE[name], np.asarray(rng.standard_normal()))


REFUSED = [
    lambda lib, x: x.view(5, 5),
    lambda lib, x: x.view(-1, -1),
    lambda lib, x: x.view(-2, 6),
    lambda lib, x: x.reshape(-3, 4),
    lambda lib, x: x.t(),
    lambda lib, x: x.T.view(12),
    lambda lib, x: x.transpose(0, 3),
    lambda lib, x: x.permute(0, 1),
    lambda lib, x: x.permute(0, 0, 1),
    lambda lib, x: x.permute(0, 1, 5),
    lambda lib, x: x.movedim((0, 1), (0,)),
    lambda lib, x: x.movedim((0, 0), (0, 1)),
    lambda lib, x: x.expand(3, 1),
    lambda lib, x: x.expand(2, 1, 4),
    lambda lib, x: x.expand(-1, 3, 1, 4),
    lambda lib, x: x.expand(3, 1, -2),
    lambda lib, x: x.squeeze(3),
    lambda lib, x: x.unsqueeze(5),
    lambda lib, x: x.flatten(2, 0),
    lambda lib, x: x.unflatten(2, (3, -1)),
    lambda lib, x: x.select(0, 3),
    lambda lib, x: x.narrow(0, 2, 2),
    lambda lib, x: x.narrow(0, 0, -1),
    lambda lib, x: x.diagonal(0, 1, 1),
    lambda lib, x: x.unfold(0, 4, 1),
    lambda lib, x: x.unfold(0, 1, 0),
    lambda lib, x: x.as_strided((5, 5), (5, 1)),
    lambda lib, x: x.as_strided((2,), (1, 1)),
    lambda lib, x: x.split(-1),
    lambda lib, x: x.split(0),
    lambda lib, x: x.split([1, 1]),
    lambda lib, x: x.chunk(0),
    lambda lib, x: x.sum().unbind(),
    lambda lib, x: x.tensor_split(0),
    lambda lib, x: x.hsplit(2),
    lambda lib, x: x[:, 0].dsplit(1),
    lambda lib, x: lib.cat([]),
    lambda lib, x: lib.cat([x, x[0]]),
    lambda lib, x: lib.cat([x, x[:, :, :2]]),
    lambda lib, x: lib.cat([x, x], 3),
    lambda lib, x: lib.cat([x.sum(), x.sum()]),
    lambda lib, x: lib.cat(x),
    lambda lib, x: lib.stack([]),
    lambda lib, x: lib.stack([x, x[0]]),
    lambda lib, x: lib.stack([x, 3]),
    lambda lib, x: lib.meshgrid(x, indexing="ij"),
    lambda lib, x: lib.meshgrid(x[0, 0], indexing="yx"),
    lambda lib, x: lib.broadcast_shapes((2, 3), (4,)),
    lambda lib, x: lib.broadcast_tensors(x, x[:2]),
    lambda lib, x: x.flip(0, 0),
    lambda lib, x: x.roll((1, 2), 0),
    lambda lib, x: x.repeat(2, 2),
    lambda lib, x: x.repeat(1, -1, 1),
    lambda lib, x: x.repeat_interleave(-1),
    lambda lib, x: x.repeat_interleave(lib.tensor([1, 2]), 0),
    lambda lib, x: x.rot90(1, (0, 0)),
    lambda lib, x: x[0, 0].tril(),
    lambda lib, x: x.diag(),
    lambda lib, x: x.diag_embed(0, 1, 1),
    lambda lib, x: x.select_scatter(x[0, 0], 0, 0),
    lambda lib, x: lib.cartesian_prod(x),
    lambda lib, x: lib.combinations(x),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_torchs_errors(number):
    agree_or_both_raise(REFUSED[number], array(3, 1, 4), order=0)
