"""Views: torch's strides, offsets and shared memory, and in-place operations through them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import minitorch  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from minitorch.strided import storage_base  # noqa: E402
from tests.against_torch import listed  # noqa: E402
from tests.both_libraries import agree, agree_or_both_raise  # noqa: E402

rng = np.random.default_rng(0)

VIEWS = {
    "view": lambda x: x.view(-1, 2),
    "view to one": lambda x: x.view(12),
    "reshape": lambda x: x.reshape(3, 2, 2),
    "reshape across": lambda x: x.reshape(6, 2),
    "flatten": lambda x: x.flatten(1),
    "ravel": lambda x: x.ravel(),
    "unflatten": lambda x: x.unflatten(-1, (2, -1)),
    "squeeze": lambda x: x.squeeze(),
    "squeeze no 1": lambda x: x.squeeze(0),
    "unsqueeze": lambda x: x.unsqueeze(-1).unsqueeze(0).unsqueeze(2),
    "expand": lambda x: x.expand(2, -1, 5, 4),
    "expand by 1": lambda x: x.expand(1, 1, 3, 1, 4),
    "permute": lambda x: x.permute(2, 0, -2),
    "transpose": lambda x: x.transpose(-1, 0),
    "movedim": lambda x: x.movedim((0, 2), (1, 0)),
    "T": lambda x: x[:, 0].T,
    "mT": lambda x: x.mT,
    "select": lambda x: x.select(-1, -2),
    "narrow": lambda x: x.narrow(2, 1, 2),
    "narrow to nothing": lambda x: x.narrow(2, 1, 0),
    "index": lambda x: x[1:, ..., None, ::2],
    "index with None": lambda x: x[None, 2, :, None],
    "index by a 0-dim tensor": lambda x: x[x.new_ones((), dtype=INT[type(x)])],
    "diagonal": lambda x: x.diagonal(0, 0, 2),
    "diagonal above": lambda x: x.diagonal(1, 0, 2),
    "diagonal below": lambda x: x.diagonal(-2, 2, 0),
    "diagonal nowhere": lambda x: x.diagonal(7, 0, 2),
    "unfold": lambda x: x.unfold(2, 3, 1),
    "unfold with gaps": lambda x: x.unfold(-1, 1, 2).unfold(0, 2, 1),
    "split": lambda x: x.split(3, -1),
    "split sizes": lambda x: x.split([1, 0, 2], 0),
    "chunk": lambda x: x.chunk(3, 2),
    "unbind": lambda x: x.unbind(2),
    "tensor_split": lambda x: x.tensor_split((1, -1, 9), 2),
    "vsplit": lambda x: x.vsplit(3),
    "as_strided": lambda x: x.as_strided((2, 2), (2, 3), 1),
    "contiguous": lambda x: x.contiguous(),
    "detach": lambda x: x.detach(),
    "several": lambda x: x.transpose(0, 2)[1:].unsqueeze(1).expand(3, 2, 1, 3)[..., ::2].diagonal(0, 0, 3),
    "not a view: indices": lambda x: x[[0, 1]],
    "not a view: flip": lambda x: x.flip(0),
    "not a view: clone": lambda x: x.clone(),
}
INT = {torch.Tensor: torch.int64, minitorch.Tensor: minitorch.int64}

LAYOUTS = {
    "contiguous": lambda: rng.standard_normal((3, 1, 4)),
    "permuted": lambda: rng.standard_normal((4, 1, 3)).transpose(2, 1, 0),
    "sliced": lambda: rng.standard_normal((5, 2, 9))[1:4, 1:, 1::2],
    "broadcast": lambda: np.ndarray((3, 1, 4), float, rng.standard_normal(8), 16, (8, 0, 8)),
}


def outcome(f, x):
    try:
        return f(x)
    except Exception as error:
        return type(error)


def torchs(x):
    """A torch tensor over the same memory, which starts where NumPy's does."""
    owner = x
    while owner.base is not None:
        owner = owner.base
    offset = x.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    flat = torch.from_numpy(owner.reshape(-1))
    return torch.as_strided(flat, x.shape, [s // x.itemsize for s in x.strides], offset // x.itemsize)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", VIEWS)
def test_strides_offset_and_memory_are_torchs(name, layout):
    x = LAYOUTS[layout]()
    ours, theirs = wrap(x), torchs(x)
    mine, true = outcome(VIEWS[name], ours), outcome(VIEWS[name], theirs)
    if isinstance(true, type):
        assert mine is true
        return
    for z, t in zip(listed(mine), listed(true), strict=True):
        assert tuple(z.shape) == tuple(t.shape)
        assert np.array_equal(z.array, t.numpy())
        shared = t.untyped_storage().data_ptr() == theirs.untyped_storage().data_ptr()
        if shared:
            assert z.stride() == t.stride()
            assert z.is_contiguous() == t.is_contiguous()
        if t.numel():
            assert (storage_base(z.array) is storage_base(x)) == shared
            assert not shared or z.storage_offset() == t.storage_offset()
            assert not shared or z.array.flags.writeable


def test_view_refuses_what_needs_a_copy_and_reshape_copies():
    x = minitorch.arange(6).view(2, 3).t()
    with pytest.raises(RuntimeError, match="reshape"):
        x.view(6)
    assert not np.shares_memory(x.reshape(6).array, x.array)
    assert np.shares_memory(x.reshape(3, 2, 1).array, x.array)


@pytest.mark.parametrize("dtype", ("int32", "float64", "int16", "uint8"))
def test_view_as_another_type_reads_the_same_bytes(dtype):
    agree(lambda lib, x: x.to(lib.float32).detach().view(getattr(lib, dtype)), rng.standard_normal((3, 4)), order=0)


def test_as_strided_counts_from_the_start_of_the_memory():
    x = minitorch.arange(12)
    part = x[4:]
    assert part.as_strided((2,), (1,), 1).tolist() == [1, 2]
    assert part.as_strided((2,), (1,)).tolist() == [4, 5]
    with pytest.raises(RuntimeError):
        part.as_strided((2,), (1,), 11)


OVERLAPS = {
    "windows": lambda lib, x: (x * 1).as_strided((3, 2), (1, 1)),
    "a part, twice": lambda lib, x: (x * x).view(2, 3).as_strided((2, 2, 2), (3, 0, 1), 1),
    "of an expanded tensor": lambda lib, x: (x * 2)[:1].expand(4).as_strided((2, 3), (0, 0)),
    "of a transposed matrix": lambda lib, x: (x * x).view(2, 3).clone().t().as_strided((2,), (4,), 1),
    "unfold": lambda lib, x: (x * x).unfold(0, 3, 2),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_gradients_add_up_where_views_overlap(name):
    agree(OVERLAPS[name], rng.standard_normal(6))


# In-place operations through views.

IN_PLACE = {
    "a slice": lambda lib, x, y: x[1:].mul_(y[1:]),
    "a row": lambda lib, x, y: x[0].copy_(y[1]),
    "a column of the transpose": lambda lib, x, y: x.t()[2].add_(y[:, 0], alpha=2),
    "a diagonal": lambda lib, x, y: x.diagonal().mul_(x.diagonal(-1)[:1] * 2),
    "a view of a view": lambda lib, x, y: x.view(-1)[2:].view(2, 5)[:, ::2].sub_(y[0, :3]),
    "two parts": lambda lib, x, y: (x[0].mul_(3), x[:, 1].mul_(y[:, 2])),
    "windows": lambda lib, x, y: x.unfold(1, 2, 2)[..., 0].zero_(),
    "as_strided": lambda lib, x, y: x.as_strided((3,), (5,)).mul_(y[0, 0]),
    "a broadcast value": lambda lib, x, y: x[:, 1:3].copy_(y[0, :1]),
    "the root": lambda lib, x, y: x.mul_(y),
    "setitem": lambda lib, x, y: x.__setitem__((slice(1, 3), 0), y[0, :2]),
    "setitem with a tensor": lambda lib, x, y: x.t().__setitem__(lib.tensor([3, 0]), y[:2, :3]),
    "unsqueezed": lambda lib, x, y: x.unsqueeze(1).expand(3, 1, 4).permute(2, 0, 1)[0].exp_(),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_view_changed_in_place_changes_its_root_and_its_siblings(name):
    def program(lib, a, b):
        x, y = a * 1, b * b
        sibling, other = x[:, 1:], x.t()
        IN_PLACE[name](lib, x, y)
        return x * a, sibling.sin(), other * 2

    agree(program, rng.standard_normal((3, 4)), rng.standard_normal((3, 4)))


REFUSED = {
    "split": lambda lib, x: (x * 1).split(1)[0].mul_(2),
    "chunk": lambda lib, x: (x * 1).chunk(2)[1].mul_(2),
    "unbind": lambda lib, x: (x * 1).unbind()[0].mul_(2),
    "tensor_split allows it": lambda lib, x: (x * 1).tensor_split(2)[0].mul_(2),
    "a part of a part": lambda lib, x: (x * 1).split(1)[0][:, 0].mul_(2),
    "a view of a leaf": lambda lib, x: x[0].mul_(2),
    "a leaf": lambda lib, x: x.requires_grad_().mul_(2),
    "an expanded tensor": lambda lib, x: (x * 1)[:, :1].expand(3, 4).mul_(2),
    "of another shape": lambda lib, x: (x * 1)[0].copy_(x),
    "a detached view is free": lambda lib, x: x.detach()[0].mul_(2),
}


@pytest.mark.parametrize("name", REFUSED)
def test_in_place_is_refused_where_torch_refuses(name):
    def program(lib, x):
        return REFUSED[name](lib, x)

    agree_or_both_raise(lambda lib, x: program(lib, x.detach().requires_grad_()), rng.standard_normal((3, 4)), order=0)


def test_a_view_made_under_no_grad_is_refused_with_grad():
    for lib in (minitorch, torch):
        x = lib.ones(3, requires_grad=True) * 1
        with lib.no_grad():
            view = x[1:]
        with pytest.raises(RuntimeError, match="no_grad"):
            view.mul_(x[1:])


def test_the_gradient_of_a_view_made_under_no_grad_goes_nowhere():
    for lib in (minitorch, torch):
        x = lib.ones(3, requires_grad=True)
        with lib.no_grad():
            view = x[...]
        assert view.requires_grad and view.is_leaf and view.grad_fn is None
        z = view * x
        seen = []
        z.grad_fn.register_hook(lambda grad_inputs, grad_outputs, seen=seen: seen.extend(grad_inputs))
        z.sum().backward()
        assert z.grad_fn.next_functions[0] == (None, 0) and z.grad_fn.next_functions[1][0] is not None
        assert seen[0] is None and seen[1].tolist() == x.grad.tolist() == [1, 1, 1]
        assert lib.autograd.grad((view * x).sum(), [view], allow_unused=True) == (None,)


def test_the_version_is_shared_by_all_views():
    for lib in (minitorch, torch):
        x = lib.ones(3, 4)
        view = x.t()[1:]
        assert (x._version, view._version) == (0, 0)
        view.mul_(2)
        x[0].add_(1)
        assert (x._version, view._version) == (2, 2)
        assert x.detach()._version == 2


def test_a_kept_tensor_changed_through_a_view_is_found():
    for lib in (minitorch, torch):
        x = lib.ones(4, requires_grad=True)
        y = x * 1
        z = (y * y).sum()
        y[:2].mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            z.backward()


MADE_VIEWS = {
    "t_": lambda x: x.t_(),
    "transpose_": lambda x: x.transpose_(0, 1),
    "swapaxes_": lambda x: x.swapaxes_(0, 1),
    "squeeze_": lambda x: x.squeeze_(),
    "unsqueeze_": lambda x: x.unsqueeze_(1),
    "as_strided_": lambda x: x.as_strided_((2, 2), (1, 4)),
}


@pytest.mark.parametrize("name", MADE_VIEWS)
def test_a_tensor_becomes_a_view_of_itself(name):
    def program(lib, a):
        x = a * a
        assert MADE_VIEWS[name](x) is x
        part = (a * 3)[1:]
        MADE_VIEWS[name](part)
        return x * 2, part

    agree(program, rng.standard_normal((3, 4)))


def test_fill_diagonal():
    for shape, wraps in (((3, 4), False), ((7, 3), False), ((7, 3), True), ((3, 3, 3), False)):

        def program(lib, a, wraps=wraps):
            return (a * 1).fill_diagonal_(5, wraps)

        agree(program, rng.standard_normal(shape))


# Random chains of views, ending in something in place.


@st.composite
def steps(draw):
    """A chain of views as (method, arguments), each chosen for the shape the last one gave."""
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    view, chain = np.empty(shape), []
    for _ in range(draw(st.integers(1, 4))):
        ndim = view.ndim
        dim = draw(st.integers(0, max(ndim - 1, 0)))
        options = ["unsqueeze"]
        if ndim:
            options += ["select", "narrow", "transpose", "step", "flatten"]
        if ndim > 1:
            options += ["diagonal"]
        kind = draw(st.sampled_from(options))
        if kind == "unsqueeze":
            step = ("unsqueeze", (dim,))
        elif kind == "select":
            step = ("select", (dim, draw(st.integers(0, view.shape[dim] - 1))))
        elif kind == "narrow":
            start = draw(st.integers(0, view.shape[dim] - 1))
            step = ("narrow", (dim, start, draw(st.integers(1, view.shape[dim] - start))))
        elif kind == "transpose":
            step = ("transpose", (dim, draw(st.integers(0, ndim - 1))))
        elif kind == "diagonal":
            step = ("diagonal", (0, 0, ndim - 1))
        elif kind == "step":
            step = ("__getitem__", ((slice(None),) * dim + (slice(None, None, 2),),))
        else:
            step = ("flatten", (0, -1))
        view = getattr(torch.from_numpy(view), step[0])(*step[1]).numpy()
        chain.append(step)
    return shape, chain


@settings(max_examples=50, deadline=None)
@given(steps(), st.integers(0, 2**32 - 1), st.sampled_from(("mul", "copy", "set")))
def test_chains_of_views(chain, seed, how):
    shape, views = chain
    numbers = np.random.default_rng(seed)

    def program(lib, a, b):
        x = a * 1
        view = x
        for name, args in views:
            view = getattr(view, name)(*args)
        if how == "mul":
            view.mul_(b)
        elif how == "copy":
            view.copy_(b)
        else:
            view[...] = b * 2
        return x * x, view

    agree(program, numbers.standard_normal(shape), np.asarray(numbers.standard_normal()))
