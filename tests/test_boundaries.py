"""Every operation at the edges of what it takes: small samples of torch's database with one argument moved at a time.

A number (a dimension, a size, a probability, an exponent) becomes its neighbours, 0, 1, -1, a half, the number of
dimensions and the sizes of the tensors beside it, one more and one less. An element of an index becomes the last legal
one and the first illegal one. A tensor loses an element, a dimension, everything, or gains a dimension. And where
functions have their kinks: elements of float tensors become small whole numbers and halves, and the call's own
parameters with either sign. Values, types, shapes, gradients are torch's, or the class of the error is.
"""

import itertools
import warnings
import zlib
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")

from torch.testing._internal.opinfo.core import UnaryUfuncInfo  # noqa: E402

import minitorch.kernels  # noqa: E402
from parity import checks, database  # noqa: E402
from parity.exceptions import known, known_boundary  # noqa: E402
from parity.resolve import translate  # noqa: E402
from tests.test_small_samples import MANY, NAMES, UNDEFINED, in_types, small_samples  # noqa: E402

SAMPLES = 4
CRASHES = {"nn.functional.embedding_bag", "nn.functional.pdist", "nn.functional.ctc_loss"}  # torch itself, when its
# tensors are moved: it reads beyond them, or divides by zero


def differing(name, sample, order=1):
    """Whatever differs in values and gradients up to this order, in a line each."""
    try:
        for check, found in itertools.islice(checks.check_forward(sample), 1 + order):
            if found and not known(name, check, "float64", found):
                text = f"{check} of {name}({sample}): {found.message}"
                return [] if known_boundary(text) else [text]
    except Exception as error:
        return [f"{name}({sample}): {checks.crashed(error).message}"]
    return []


def sites(value, path=()):
    """(path, item) of everything in nested arguments."""
    if isinstance(value, (dict, list, tuple)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from sites(item, (*path, key))
    else:
        yield path, value


def exchanged(value, path, item):
    """`value` with another item at the end of `path`."""
    if not path:
        return item
    key, *rest = path
    if isinstance(value, dict):
        return {**value, key: exchanged(value[key], rest, item)}
    items = [exchanged(old, rest, item) if k == key else old for k, old in enumerate(value)]
    return torch.Size(items) if isinstance(value, torch.Size) else type(value)(items)


def moved_samples(name, samples):
    """Each place where an argument can stand is moved once, in the first sample that has it."""
    met = set()
    for sample in samples:
        given = (sample.args, sample.kwargs)
        tensors = checks.tensors_in(given)
        sizes = sorted({n for t in tensors[:2] for n in t.shape}, reverse=True)[:2]
        ndim = tensors[0].ndim if tensors else 0
        for path, item in sites(given):
            if max(k for k in path if isinstance(k, int)) > 2 and len(path) > 2:  # one of many lengths
                continue
            if (path, type(item)) in met or (isinstance(item, torch.Tensor) and name in CRASHES):
                continue
            met.add((path, type(item)))
            for moved in neighbours(item, ndim, sizes):
                args, kwargs = exchanged(given, path, moved)
                yield replace(sample, args=args, kwargs=kwargs)


def neighbours(item, ndim, sizes):
    if isinstance(item, bool):
        yield not item
    elif isinstance(item, int):
        edges = {n + d for n in sizes for d in (0, 1)} | {ndim - 1, ndim, -ndim, -ndim - 1}
        yield from sorted({item - 1, item + 1, 0, 1, -1, *edges} - {item})
    elif isinstance(item, float):
        yield from sorted({-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, -item} - {item})
    elif isinstance(item, torch.Tensor) and not item.is_complex():
        x, n = item.detach(), item.numel()
        if not x.is_floating_point() and x.dtype != torch.bool and n:
            for edge in {-1, 0, *(e for size in sizes for e in (size - 1, size, -size, -size - 1))}:
                yield torch.cat((x.reshape(-1)[:-1], torch.tensor([edge], dtype=x.dtype))).view(x.shape)
        smaller = [x[None], *(x.narrow(d, 0, k) for d, size in enumerate(x.shape[:3]) if size for k in {size - 1, 0})]
        for moved in [*smaller, *([x[0]] if n and x.ndim else [])]:
            yield moved.clone().requires_grad_(item.requires_grad)


@pytest.mark.parametrize("name", NAMES)
def test_boundaries(name):
    info = database.infos()[name]
    source = database.dtypes_for(info, ("float64", "int64", "bool"), "cpu")
    with warnings.catch_warnings(), minitorch.kernels.use("numpy"):
        warnings.simplefilter("ignore")
        samples = small_samples(info, source[0])[:SAMPLES] if source else []
        found = [text for sample in moved_samples(name, samples) for text in differing(name, sample)]
    assert not found, "\n".join(found)


KINKS = (0.0, 0.5, 1.0, 2.0, 3.0, 6.0, 20.0)
NOT_DEFINED = {
    *UNDEFINED,
    "logdet",
    "cholesky_inverse",
    "cholesky_solve",
    "bucketize",
    "searchsorted",
    "qr",
}  # singular, not
# in order


def constants(function, seen) -> set[float]:
    """The numbers that a function's code, and what it calls in minitorch/ops, compares with."""
    function = getattr(getattr(function, "op", None), "reference", function)
    code = getattr(function, "__code__", None)
    if code is None or code in seen or "/ops/" not in code.co_filename:
        return set()
    seen.add(code)
    numbers = {float(c) for c in code.co_consts if type(c) in (int, float) and abs(c) <= 64}
    for name in code.co_names:
        numbers |= constants(function.__globals__.get(name), seen)
    return numbers


def at_kinks(value, kinks, rng):
    """`value` with its float and int32 tensors filled with `kinks`: in a random order, or without `rng` all alike."""
    if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.dtype == torch.int32):
        filled = np.resize(kinks if rng is None else rng.permutation(kinks), value.shape)
        return torch.from_numpy(np.asarray(filled)).to(value.dtype).requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        return type(value)(at_kinks(item, kinks, rng) for item in value)
    if isinstance(value, dict):
        return {key: at_kinks(item, kinks, rng) for key, item in value.items()}
    return value


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NOT_DEFINED and "linalg" not in name])
def test_kinks(name):
    info = database.infos()[name]
    rng, found = np.random.default_rng(zlib.crc32(name.encode())), []
    with warnings.catch_warnings(), minitorch.kernels.use("numpy"):
        warnings.simplefilter("ignore")
        for dtype in database.dtypes_for(info, ("float64", "int32"), "cpu"):
            for sample in small_samples(info, dtype)[:SAMPLES]:
                given = (sample.args, sample.kwargs)
                numbers = [float(item) for _, item in sites(given) if type(item) in (int, float) and abs(item) <= 20]
                kinks = [sign * abs(number) for number in dict.fromkeys((*numbers, *KINKS)) for sign in (1, -1)]
                for rng_ in (None, rng, rng):
                    args, kwargs = at_kinks(given, kinks, rng_)
                    found += differing(name, replace(sample, args=args, kwargs=kwargs), 2)
                    kinks = [k for k in kinks if k or dtype == "float64"]  # whole numbers without zeros too
    assert not found, "\n".join(found)


UNARY = [name for name in NAMES if isinstance(database.infos()[name], UnaryUfuncInfo) and name not in NOT_DEFINED]


@pytest.mark.parametrize("name", UNARY)
def test_constants_of_functions(name):
    """A function of one number at the numbers in its own code, where one formula gives way to another."""
    info = database.infos()[name]
    function = translate(info.op)
    numbers = sorted(constants(function, set())) if database.dtypes_for(info, ("float64",), "cpu") else ()
    if not numbers:
        pytest.skip("compares with no number")
    x = torch.tensor([sign * number for number in numbers for sign in (1, -1)], dtype=torch.float64)
    sample = small_samples(info, "float64")[0]
    sample = replace(sample, args=(x.requires_grad_(info.supports_autograd), *sample.args[1:]))
    with warnings.catch_warnings(), minitorch.kernels.use("numpy"):
        warnings.simplefilter("ignore")
        found = differing(name, sample, 2)
    assert not found, "\n".join(found)


WIDTHS = ("float16", "bfloat16", "float32", "float64", "int64", "int32", "uint8", "bool")


@pytest.mark.parametrize("name", NAMES)
def test_refused_types(name):
    """What torch has no kernel for, and what it refuses to mix, is refused."""
    info = database.infos()[name]
    (source, *_) = database.dtypes_for(info, ("float32", "int64", "bool"), "cpu")
    sample, found = small_samples(info, source)[0], []
    supported = database.dtypes_for(info, WIDTHS, "cpu")
    cases = [[dtype] * MANY for dtype in WIDTHS if dtype not in supported]
    cases += [[dtype] for dtype in WIDTHS if dtype != source]
    with warnings.catch_warnings(), minitorch.kernels.use("numpy"):
        warnings.simplefilter("ignore")
        for dtypes in cases:
            given = in_types(sample, dtypes, source)
            ours, theirs, _ = given.both(info.op)
            ours.run(), theirs.run()
            if (ours.error is None) != (theirs.error is None):
                text = f"forward of {name}({given}): {checks.failed_alike(ours, theirs).message}"
                found += [] if known_boundary(text) else [text]
    assert not found, "\n".join(found)
