"""Einstein summation, and the products that are read off from it: tensordot, kron, vecdot, cross, trace.

`einsum` gives every letter a number, and works on pairs, from the left: the letters of two operands fall into

    batch   in both, wanted later        left, right   in one of them        summed   in both, not wanted later

so that each pair is one batched matrix product (batch, left, summed) @ (batch, summed, right).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ..core.op import function
from ..core.tensor import Tensor
from ..shapes import broadcast_shapes, normalize_dim
from .arithmetic import mul
from .matmul import check_types, multiply
from .part import diagonal
from .permute import permute
from .reduce import sum as sum_
from .shape import broadcast_tensors, expand, reshape

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _from_lists(operands) -> tuple[str, list[Tensor]]:
    """The equation of einsum(a, [0, 1], b, [1, 2], [0, 2]), and its operands."""

    def written(entry) -> str:
        return "".join(["..." if label is Ellipsis else LETTERS[label] for label in entry])

    tensors, lists = list(operands[0::2]), list(operands[1::2])
    result = ""
    if len(tensors) > len(lists):
        result = "->" + written(tensors.pop())
    return ",".join([written(entry) for entry in lists]) + result, tensors


def _parse(equation: str, ndims: Sequence[int]) -> tuple[list[list], list]:
    """The labels of every operand and of the result; dimensions under "..." are called ..., -2, -1."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise RuntimeError(
            f"einsum(): {'more' if len(ndims) > len(terms) else 'fewer'} operands were provided than specified in the "
            "equation"
        )
    labels: list[list] = []
    widest = 0
    for term, ndim in zip(terms, ndims, strict=True):
        found: list = []
        dots = term.count("...")
        for letter in term.replace("...", ""):
            if letter not in LETTERS:
                raise RuntimeError(f"einsum(): invalid subscript given: {letter}, subscripts must be in [a-zA-Z]")
            found.append(letter)
        covered = ndim - len(found)
        if dots > 1 or covered < 0 or (covered and not dots):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(found)}) does not match the number of "
                f"dimensions ({ndim}) for operand {len(labels)}"
            )
        at = term.index("...") if dots else 0
        found[at:at] = range(-covered, 0)
        widest = max(widest, covered)
        labels.append(found)
    ellipsis = list(range(-widest, 0))
    if not arrow:
        letters = [letter for term in labels for letter in term if isinstance(letter, str)]
        return labels, ellipsis + sorted([letter for letter in set(letters) if letters.count(letter) == 1])
    if output.count("...") > 1:
        raise RuntimeError("einsum(): found '.' for output but an ellipsis (...) was already found")
    result: list = []
    for part, covered_here in zip(output.split("..."), (ellipsis, []), strict=False):
        for letter in part:
            if letter in result:
                raise RuntimeError(f"einsum(): output subscript {letter} appears more than once in the output")
            if not any(letter in term for term in labels):
                raise RuntimeError(
                    f"einsum(): output subscript {letter} does not appear in the equation for any input operand"
                )
            result.append(letter)
        result += covered_here if "..." in output else []
    return labels, result


def _without_repeats(t: Tensor, labels: list) -> tuple[Tensor, list]:
    """The diagonal where a label comes twice: "ii" to "i"."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            n, m = t.array.shape[first], t.array.shape[second]
            if n != m:
                raise RuntimeError(
                    f"einsum(): subscript {label} is repeated for an operand but the sizes don't match, {n} != {m}"
                )
            t = diagonal(t, 0, first, second)
            labels = [x for d, x in enumerate(labels) if d not in (first, second)] + [label]
    return t, labels


def _summed_over(t: Tensor, labels: list, gone, dtype=None) -> tuple[Tensor, list]:
    dims = [d for d, label in enumerate(labels) if label in gone]
    if not dims:
        return t, labels
    return sum_(t, dims, dtype=dtype), [label for label in labels if label not in gone]


def _contract(a: Tensor, a_labels: list, b: Tensor, b_labels: list, wanted, dtype=None) -> tuple[Tensor, list]:
    """The product of two operands, summed over what is not `wanted` afterwards (one operand alone: in `dtype`)."""
    a_sizes = dict(zip(a_labels, a.array.shape, strict=True))
    b_sizes = dict(zip(b_labels, b.array.shape, strict=True))
    alone = {x for x in (*a_labels, *b_labels) if x not in wanted and 1 in (a_sizes.get(x, 1), b_sizes.get(x, 1))}
    # Where nothing is added up, integers stay what they are.
    ones = all(sizes.get(x, 1) == 1 for sizes in (a_sizes, b_sizes) for x in alone)
    a, a_labels = _summed_over(a, a_labels, alone, a.dtype if ones else dtype)
    b, b_labels = _summed_over(b, b_labels, alone, b.dtype if ones else dtype)
    both = [x for x in a_labels if x in b_labels]
    batch, summed = [x for x in both if x in wanted], [x for x in both if x not in wanted]
    left, right = [x for x in a_labels if x not in both], [x for x in b_labels if x not in both]
    sizes = {x: n if a_sizes.get(x, 1) == 1 else a_sizes[x] for x, n in {**a_sizes, **b_sizes}.items()}
    shape = tuple([sizes[x] for x in (*batch, *left, *right)])
    rows = _as_batch(a, a_labels, (batch, left, summed), sizes)
    columns = _as_batch(b, b_labels, (batch, summed, right), sizes)
    product = mul(rows, columns) if not summed else multiply(rows, columns)
    return reshape(product, shape), [*batch, *left, *right]


def _as_batch(t: Tensor, labels: list, groups, sizes) -> Tensor:
    """The operand with its dimensions in three groups, each joined into one."""
    order = [x for group in groups for x in group]
    t = permute(t, [labels.index(x) for x in order])
    shape = tuple([sizes[x] for x in order])
    if t.array.shape != shape:
        t = expand(t, shape)
    return reshape(t, [prod([sizes[x] for x in group]) for group in groups])


@function(torch="einsum")
def einsum(equation, *operands) -> Tensor:
    """Sums of products by Einstein's convention: `einsum("bij,bjk->bik", a, b)`.

    "..." stands for any leading dimensions, which broadcast; without "->" the letters that come once are kept, in
    alphabetical order; a letter that comes twice in one operand takes its diagonal. Also `einsum(a, [0, 1], ...)`.
    RuntimeError for an equation that does not fit the operands.
    """
    if isinstance(equation, str):
        operands = tuple(operands[0] if len(operands) == 1 and isinstance(operands[0], (tuple, list)) else operands)
    else:
        equation, tensors = _from_lists((equation, *operands))
        operands = tuple(tensors)
    if not operands:
        raise RuntimeError("einsum(): must provide at least one operand")
    check_types("einsum", *operands)
    labels, result = _parse(equation, [t.array.ndim for t in operands])
    terms = [_without_repeats(t, names) for t, names in zip(operands, labels, strict=True)]
    _check_sizes(terms)
    a, a_labels = terms[0]
    for i, (b, b_labels) in enumerate(terms[1:], 2):
        wanted = set(result).union(*[names for _, names in terms[i:]])
        a, a_labels = _contract(a, a_labels, b, b_labels, wanted)
    a, a_labels = _summed_over(a, a_labels, set(a_labels) - set(result))
    return permute(a, [a_labels.index(x) for x in result])


def _check_sizes(terms) -> None:
    sizes: dict[Any, int] = {}
    for i, (t, labels) in enumerate(terms):
        for label, n in zip(labels, t.array.shape, strict=True):
            known = sizes.setdefault(label, n)
            if n != known and 1 not in (n, known):
                raise RuntimeError(
                    f"einsum(): subscript {label} has size {n} for operand {i} which does not broadcast with "
                    f"previously seen size {known}"
                )
            sizes[label] = n if known == 1 else known


@function(torch="tensordot")
def tensordot(a: Tensor, b: Tensor, dims=2) -> Tensor:
    """The sum of products over `dims`: the last n of `a` with the first n of `b`, or two lists of dimensions."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.array.ndim, b.array.ndim):
            raise RuntimeError(
                f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}, and tensors of {a.ndim} and "
                f"{b.ndim} dimensions"
            )
        dims = (list(range(-dims, 0)), list(range(dims)))
    from_a, from_b = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(from_a) != len(from_b):
        raise RuntimeError("both dimension lists should have same length")
    check_types("tensordot", a, b)
    from_a = [normalize_dim(d, a.array.ndim) for d in from_a]
    from_b = [normalize_dim(d, b.array.ndim) for d in from_b]
    for d, e in zip(from_a, from_b, strict=True):
        n, m = a.array.shape[d], b.array.shape[e]
        if n != m and 1 not in (n, m):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {n} in dim {d} and second has size {m} in "
                f"dim {e}"
            )
    a_labels, b_labels = list(range(a.array.ndim)), [a.array.ndim + d for d in range(b.array.ndim)]
    for d, e in zip(from_a, from_b, strict=True):
        b_labels[e] = a_labels[d]
    wanted = {x for x in (*a_labels, *b_labels) if x not in [a_labels[d] for d in from_a]}
    z, labels = _contract(a, a_labels, b, b_labels, wanted, a.dtype)
    result = [x for x in (*a_labels, *b_labels) if x in wanted]
    return permute(z, [labels.index(x) for x in result])


@function(torch="kron")
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of `input` times the whole of `other`, block by block."""
    ndim = max(input.array.ndim, other.array.ndim)
    a = (1,) * (ndim - input.array.ndim) + input.array.shape
    b = (1,) * (ndim - other.array.ndim) + other.array.shape
    spread = [n for size in a for n in (size, 1)]
    packed = [n for size in b for n in (1, size)]
    return reshape(mul(reshape(input, spread), reshape(other, packed)), [n * m for n, m in zip(a, b, strict=True)])


@function(torch="linalg.vecdot")
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The dot products of the vectors along `dim`, the other dimensions broadcasting."""
    if x.array.dtype != y.array.dtype:
        raise RuntimeError(f"linalg.vecdot: Expected x and y to have the same dtype, but found {x.dtype} and {y.dtype}")
    return sum_(mul(x, y), dim)


@function(torch="linalg.cross")
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross products of the vectors of size 3 along `dim`, the other dimensions broadcasting."""
    a, b = input.array.shape, other.array.shape
    if len(a) != len(b):
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    d = normalize_dim(dim, len(a))
    if not a or a[d] != 3 or b[d] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {a[d : d + 1]} and {b[d : d + 1]}"
        )
    if input.array.dtype != other.array.dtype:
        raise RuntimeError(f"linalg.cross: expected inputs of one dtype, but got {input.dtype} and {other.dtype}")
    input, other = broadcast_tensors(input, other)
    # z_i = a_{i+1} b_{i+2} - a_{i+2} b_{i+1}
    return mul(input.roll(-1, d), other.roll(-2, d)) - mul(input.roll(-2, d), other.roll(-1, d))


@function(torch="cross")
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross products along `dim`, or along the first dimension of size 3."""
    if dim is None:
        shape = broadcast_shapes(input.array.shape, other.array.shape)
        if 3 not in shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = shape.index(3)
    return linalg_cross(input, other, dim=dim)


@function(torch="trace")
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix. RuntimeError for other dimensions."""
    if input.array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.array.ndim}")
    return sum_(diagonal(input))
