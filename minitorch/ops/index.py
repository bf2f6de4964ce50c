"""Indexing: `x[...]` and `x[...] = v` in all forms, `index_put`.

An index is read in two steps, as in torch:

    x[0, :, rows, None]   ints, slices, None, Ellipsis   a view               select_view, slice_view, insert_dim
                          then rows (integers or masks)  a copy               take_at

The second step is in take.py. Where the dimensions of several index tensors go is NumPy's rule: to the place of the
first when they stand side by side, else to the front. Unlike in NumPy, ints take no part in that.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np

from ..core.call import view_of
from ..core.inplace import apply_in_place, check_overlap
from ..core.lifted import Lifted, layout_of
from ..core.op import function
from ..core.promote import number
from ..core.state import state, watched
from ..core.tensor import Tensor, bump_version, node_of, wrap
from .convert import copy_, fill_
from .part import ALL, out_of_range, select_view, slice_view
from .shape import expand, reshape, unsqueeze
from .take import key_of, put_at, take_at, write_at

# Reading an index.


def _bad_index(item) -> IndexError:
    return IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(item).__name__})"
    )


_ARRAYS = (np.ndarray, Lifted)
_PLAIN = (int, type(None))
_INT64 = np.dtype(np.int64)


def _everyday(index):
    """What NumPy is given for an index of ints, slices and at most one Ellipsis; None for every other index."""
    kind = index.__class__
    if kind is int:
        return index, Ellipsis
    if kind is slice:
        return index if _is_plain(index) else None
    if kind is not tuple:
        return None
    ellipsis = 0
    for item in index:
        kind = item.__class__
        if item is Ellipsis:
            ellipsis += 1
        elif kind is not int and not (kind is slice and _is_plain(item)):
            return None
    return (*index, Ellipsis) if ellipsis == 0 else index if ellipsis == 1 else None


def _is_plain(item: slice) -> bool:
    """Whether NumPy reads the slice as torch does: ints or nothing, and not backwards."""
    step = item.step
    return (
        (step is None or (step.__class__ is int and step > 0))
        and item.start.__class__ in _PLAIN
        and item.stop.__class__ in _PLAIN
    )


def _is_listlike(item) -> bool:
    return isinstance(item, (list, tuple, range, np.ndarray)) or (
        hasattr(item, "__len__") and hasattr(item, "__getitem__") and not isinstance(item, (Tensor, str, bytes, dict))
    )


def _is_several(index) -> bool:
    """Whether a list means several indices, x[[0, slice(2)]] being x[0, :2], not one list of integers."""
    return (
        isinstance(index, list)
        and len(index) < 32
        and any(
            item is None or item is Ellipsis or isinstance(item, (Tensor, slice)) or _is_listlike(item)
            for item in index
        )
    )


def _as_list(item):
    return [_as_list(i) for i in item] if _is_listlike(item) else item.tolist() if isinstance(item, Tensor) else item


def _as_index_array(item) -> Any:
    """A Tensor, list, range or ndarray as integers or a mask."""
    if isinstance(item, Tensor):
        array = item.array
        if array.dtype.name not in ("int64", "int32", "uint8", "bool"):
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    else:
        array = item if isinstance(item, np.ndarray) else np.array(_as_list(item))
        if array.dtype.kind == "O":
            raise _bad_index(item)
        if array.dtype != np.bool_ and array.dtype != np.uint8:
            array = array.astype(np.int64)
    if array.dtype == np.uint8:
        warnings.warn(
            "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.", stacklevel=4
        )
        array = array.astype(np.bool_)
    return array


def _as_slice(item: slice) -> slice:
    parts = [None if p is None else operator.index(p) for p in (item.start, item.stop, item.step)]
    if parts[2] is not None and parts[2] <= 0:
        raise ValueError("step must be greater than zero" if parts[2] else "slice step cannot be zero")
    return slice(*parts)


def _read(index) -> list:
    """The items of an index: ints, slices, None, Ellipsis, and ndarrays (integers or masks)."""
    items: list = []
    for item in index if isinstance(index, tuple) or _is_several(index) else (index,):
        if item is None or item is Ellipsis or item.__class__ is int:
            items.append(item)
        elif item.__class__ is slice:
            items.append(_as_slice(item))
        elif isinstance(item, (bool, np.bool_)):
            items.append(np.array(item))
        elif isinstance(item, Tensor) or _is_listlike(item):
            array = _as_index_array(item)
            items.append(_one_place(array) if array.ndim == 0 and array.dtype.kind == "i" else array)
        elif isinstance(item, str):
            raise TypeError("new(): invalid data type 'str'")
        else:
            try:
                items.append(operator.index(item))
            except TypeError:
                raise _bad_index(item) from None
    return items


def _one_place(array):
    """An integer without dimensions: an int, where it is one for all examples of a vmap."""
    return array if isinstance(array, Lifted) else int(array)


def _parts(shape, items) -> tuple[list[int], tuple, list]:
    """An index in three parts: where dimensions of size 1 are put in first, a basic index for what that gives, and
    the index tensors for each dimension of its result."""
    taken = sum(
        [
            i.ndim if isinstance(i, _ARRAYS) and i.dtype == np.bool_ else i is not None and i is not Ellipsis
            for i in items
        ]
    )
    if taken > len(shape):
        if not shape:
            raise out_of_range(np.empty(()), (), None)
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    basic: list = []
    inserted: list[int] = []
    tensors: list = []
    ellipsis = beyond = False
    for item in items:
        if beyond and item is not Ellipsis:
            raise IndexError(
                f"Dimension out of range: an index after the second Ellipsis of a tensor of shape {list(shape)}"
            )
        if item is None:
            inserted.append(len(basic))
            basic.append(ALL)
            tensors.append(None)
        elif item is Ellipsis:
            if not ellipsis:
                basic += [ALL] * (len(shape) - taken)
                tensors += [None] * (len(shape) - taken)
            else:  # it stands for as many dimensions once more
                beyond = len(shape) > taken
            ellipsis = True
        elif isinstance(item, np.ndarray) and item.ndim == 0:  # True or False: a new dimension, kept or emptied
            inserted.append(len(basic))
            basic.append(ALL)
            tensors.append(np.zeros(int(item), np.int64))
        elif isinstance(item, _ARRAYS):
            span = item.ndim if item.dtype.kind == "b" else 1
            basic += [ALL] * span
            tensors.append(item)
            tensors += [_COVERED] * (span - 1)
        else:
            basic.append(item)
            if item.__class__ is slice:
                tensors.append(None)
    basic.append(Ellipsis)
    while tensors and tensors[-1] is None:
        tensors.pop()
    return inserted, tuple(basic), tensors


_COVERED = object()  # a dimension that a mask before it stands for


def _takes_all(index, shape) -> bool:
    """Whether an index of ints, slices and an Ellipsis is the whole tensor: torch makes no view for such a slice."""
    d = 0
    for item in index if index.__class__ is tuple else (index,):
        if item is Ellipsis:
            d += len(shape) - len(index) + 1
            continue
        if item.__class__ is int or item.start not in (None, 0) or item.step not in (None, 1):
            return False
        if item.stop is not None and (d >= len(shape) or item.stop < shape[d]):
            return False
        d += 1
    return True


def _view_part(input: Tensor, inserted, basic) -> Tensor:
    for dim in inserted:
        input = unsqueeze(input, dim)
    if not _takes_all(basic, input.array.shape):
        input = slice_view(input, index=basic)
    return input


def _check_indices(shape, tensors) -> list[np.ndarray | None]:
    """The index tensors without the marks. IndexError for masks that do not fit."""
    for d, tensor in enumerate(tensors):
        if isinstance(tensor, _ARRAYS) and tensor.dtype.kind == "b":
            for k, n in enumerate(tensor.shape):
                if n != shape[d + k]:
                    raise IndexError(
                        f"The shape of the mask {list(tensor.shape)} at index {k} does not match the shape of the "
                        f"indexed tensor {list(shape)} at index {d + k}"
                    )
    return [t for t in tensors if t is not _COVERED]


def _in_torchs_words(shape, indices, error: IndexError) -> IndexError:
    text = str(error)
    if "broadcast" in text:
        shapes = ", ".join([str(list(i.shape)) for i in indices if i is not None])
        return IndexError(f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}")
    return IndexError(text.replace(" axis ", " dimension "))


def _as_tensors(indices) -> list:
    return [None if i is None else wrap(i) for i in indices]


@function(torch="Tensor.__getitem__")
def getitem(input: Tensor, index) -> Tensor:
    """x[index]: a view for ints, slices, None and Ellipsis; a copy as soon as a list or tensor is among them.

    IndexError out of range, for too many indices, and for masks or index shapes that do not fit.
    """
    array = input.array
    key = _everyday(index)
    if key is not None and (not watched.threads or state.trace is None):
        try:
            out = array[key]
        except IndexError as error:
            raise out_of_range(array, key, error) from None
        return view_of(input, (select_view if index.__class__ is int else slice_view).op, {"index": key}, out)
    if index.__class__ is Tensor and index.array.dtype is _INT64 and index.array.ndim and array.ndim:
        return _take(input, (index.array,))
    inserted, basic, tensors = _parts(array.shape, _read(index))
    view = _view_part(input, inserted, basic)
    if not tensors:
        return view if view is not input else slice_view(input, index=Ellipsis)
    return _take(view, _check_indices(view.array.shape, tensors))


def _check_reachable(shape, indices) -> None:
    """IndexError for places along a dimension of size 0, where NumPy gives nothing if the result is empty anyway."""
    d = 0
    empty = any([i is not None and not (i.any() if i.dtype.kind == "b" else i.size) for i in indices])
    for index in indices:
        if index is not None and not empty and shape[d] == 0:
            raise IndexError(f"index is out of bounds for dimension {d} with size 0")
        d += index.ndim if index is not None and index.dtype.kind == "b" else 1


def _take(input: Tensor, indices) -> Tensor:
    if 0 in input.array.shape:
        _check_reachable(input.array.shape, indices)
    try:
        if (not watched.threads or state.trace is None) and not (state.grad and node_of(input) is not None):
            return wrap(take_at.op.kernel(input.array, *indices))
        return take_at(input, *_as_tensors(indices))
    except IndexError as error:
        raise _in_torchs_words(input.array.shape, indices, error) from None


# Writing.


def _check_value(input: Tensor, value) -> None:
    if not isinstance(value, (Tensor, bool, int, float, np.number, np.bool_)):
        kind = input.type().removeprefix("torch.")
        raise TypeError(f"can't assign a {type(value).__name__} to a torch.{kind}")


def _without_leading_ones(value: Tensor, ndim: int) -> Tensor:
    shape = value.array.shape
    extra = len(shape) - ndim
    while extra > 0 and shape[0] == 1:
        shape, extra = shape[1:], extra - 1
    return value if len(shape) == value.array.ndim else reshape(value, shape)


@function(torch="Tensor.__setitem__")
def setitem(input: Tensor, index, value) -> None:
    """x[index] = value (a tensor that broadcasts to x[index], or a number), in place.

    RuntimeError for shapes that do not fit; index tensors ask for a value of the same dtype. x[False] = value does
    nothing, without a look at the value; x[True] is x[None].
    """
    _check_value(input, value)
    if index is False:
        return
    if index is True:
        index = None
    key = _everyday(index)
    tensors = None
    if key is not None:
        view = input if _takes_all(key, input.array.shape) else getitem(input, index)
    else:
        inserted, basic, tensors = _parts(input.array.shape, _read(index))
        view = _view_part(input, inserted, basic)
    if tensors:
        _put_into(view, _check_indices(view.array.shape, tensors), value)
    elif isinstance(value, Tensor) and value.array.ndim:
        same = value.array.shape == view.array.shape
        copy_(view, value if same else expand(_without_leading_ones(value, 0), view.array.shape))
    else:
        check_overlap("copy_", view.array)
        fill_(view, value)


def _put_into(view: Tensor, indices, value) -> None:
    if not isinstance(value, Tensor):
        value = wrap(number(value, view.array.dtype))
    index_put_(view, indices, value)


def _is_one_mask(indices) -> bool:
    return [i.dtype.kind for i in indices if i is not None] == ["b"]


def _of_one_type(input: Tensor, indices, values: Tensor, adds: bool) -> Tensor:
    """The values to put. A single one is converted where a mask says where it goes (torch fills the mask with it); else
    RuntimeError for another type."""
    if values.array.size == 1 and not adds and _is_one_mask(indices):
        return values.to(input.dtype, copy=True)
    if values.array.dtype != input.array.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {input.dtype} for the destination and "
            f"{values.dtype} for the source."
        )
    return values


def _any_place(index):
    """An index that gives the same shape, for places that differ from example to example of a vmap."""
    return np.zeros(index.shape, np.int64) if isinstance(index, Lifted) and index.dtype.kind != "b" else index


def _fitted(input: Tensor, indices, values: Tensor) -> Tensor:
    """`values` in a shape that NumPy broadcasts to input[indices]. IndexError, RuntimeError where it does not fit."""
    array, key = input.array, key_of(indices)
    if 0 in array.shape:
        _check_reachable(array.shape, indices)
    try:
        shape = np.broadcast_to(np.empty((), np.bool_), array.shape)[tuple(map(_any_place, key))].shape
    except IndexError as error:
        raise _in_torchs_words(array.shape, indices, error) from None
    values = _without_leading_ones(values, len(shape))
    try:
        np.broadcast_to(layout_of(values.array), shape)
    except ValueError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values.array.shape)} cannot be broadcast to indexing result "
            f"of shape {list(shape)}"
        ) from None
    return values


def index_put_(input: Tensor, indices, values: Tensor, adds: bool = False) -> Tensor:
    """input[indices] = values (or += values) in place; `indices` as in `take_at`."""
    values = _of_one_type(input, indices, _fitted(input, indices, values), adds)
    if (not watched.threads or state.trace is None) and not (
        state.grad and (node_of(input) is not None or node_of(values) is not None)
    ):
        check_overlap("index_put_", input.array, (values,))
        write_at(input.array, indices, values.array, adds)
        bump_version(input)
        return input

    def put(input, values):
        return put_at(input, values, *_as_tensors(indices), adds=adds)

    return apply_in_place("index_put_", put, input, (values,))


def _public_indices(input: Tensor, indices) -> list:
    for i, index in enumerate(indices):
        if not isinstance(index, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(index).__name__}")
    arrays = [_as_index_array(index) for index in indices]
    _, _, tensors = _parts(input.array.shape, arrays)
    return _check_indices(input.array.shape, tensors)


@function(torch="index_put")
def index_put(input: Tensor, indices, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of `input` with input[indices] = values (or += values), `indices` being a tuple of tensors."""
    indices = _public_indices(input, indices)
    fitted = _fitted(input, indices, values)
    if fitted.array.ndim < values.array.ndim:
        raise RuntimeError(
            f"index_put(): shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to an indexing "
            f"result of {fitted.array.ndim} dimensions"
        )
    values = _of_one_type(input, indices, fitted, accumulate)
    return put_at(input, values, *_as_tensors(indices), adds=accumulate)


@function(torch="Tensor.index_put_")
def index_put_method(input: Tensor, indices, values: Tensor, accumulate: bool = False) -> Tensor:
    """`index_put` in place."""
    return index_put_(input, _public_indices(input, indices), values, accumulate)
