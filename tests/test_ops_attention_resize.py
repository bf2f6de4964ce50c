"""Attention, embeddings, padding, resizing and grid sampling: values, gradients and second gradients as in torch."""

import itertools
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
import minitorch.nn.functional as F  # noqa: E402
from minitorch.autograd import grad  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from parity.exceptions import torch_samples_with_mkl  # noqa: E402
from parity.harness import assert_same  # noqa: E402
from tests.against_torch import LAYOUTS, hold, same_error  # noqa: E402
from tests.both_libraries import agree  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is deprecated. Use `nn.functional.interpolate`"),
    pytest.mark.filterwarnings("ignore:.*grid_sample and affine_grid behavior has changed"),
    pytest.mark.filterwarnings("ignore:.*mismatched key_padding_mask and attn_mask"),
]
rng = np.random.default_rng(0)
inf = math.inf


def normal(*shape, dtype=np.float64):
    return rng.standard_normal(shape).astype(dtype)


# Scaled dot-product attention.

ATTENTION = "nn.functional.scaled_dot_product_attention"


def math_attention(lib, *tensors, **arguments):
    """torch's flash kernel has no second derivative: its plain one is the reference."""
    attend = lib.nn.functional.scaled_dot_product_attention
    if lib is minitorch:
        return attend(*tensors, **arguments)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return attend(*tensors, **arguments)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("arguments", [{}, dict(is_causal=True), dict(scale=0.3), dict(scale=-2.0)], ids=str)
def test_attention(arguments, layout):
    for lead in ((), (3,), (2, 3)):
        q, k, v = normal(*lead, 4, 5), normal(*lead, 6, 5), normal(*lead, 6, 2)
        agree(lambda lib, *t: math_attention(lib, *t, **arguments), q, k, v, layout=layout)


def test_attention_masks():
    q, k, v = normal(2, 3, 4, 5), normal(2, 3, 6, 5), normal(2, 3, 6, 2)
    agree(math_attention, q, k, v, normal(4, 6))  # a learned bias gets a gradient
    agree(math_attention, q, k, v, normal(2, 1, 4, 6))
    agree(math_attention, q, k, v, rng.random((2, 1, 4, 6)) < 0.7)
    agree(math_attention, q[:, :1], k, v)  # broadcast heads


def test_a_query_that_sees_nothing():
    q, k, v = normal(1, 1, 2, 3), normal(1, 1, 3, 3), normal(1, 1, 3, 2)
    for mask in (np.array([[True, False, True], [False] * 3]), np.array([[0, -inf, 0], [-inf] * 3])):
        hold(ATTENTION, q, k, v, mask, order=1)
    hold(ATTENTION, q, k[:, :, :0], v[:, :, :0], order=1)
    hold(ATTENTION, q[:, :, :0], k, v, order=1)
    hold(ATTENTION, q[:0], k[:0], v[:0], order=1)


def test_shared_heads():
    q, k, v = normal(2, 6, 4, 5), normal(2, 2, 7, 5), normal(2, 3, 7, 2)
    agree(lambda lib, *t: math_attention(lib, *t, enable_gqa=True), q, k, v)


def test_attention_types():
    q, k, v = normal(1, 2, 4, 8), normal(1, 2, 6, 8), normal(1, 2, 6, 8)
    hold(ATTENTION, *[a.astype(np.float32) for a in (q, k, v)], normal(4, 6, dtype=np.float32), order=0)
    halves = [a.astype(np.float16) for a in (q, k, v)]
    z = F.scaled_dot_product_attention(*map(wrap, halves), wrap(normal(4, 6, dtype=np.float32) * 0))
    true = F.scaled_dot_product_attention(*[wrap(a.astype(np.float64)) for a in halves])
    assert z.dtype is minitorch.float16  # rounded once: torch's flash kernel is coarser
    np.testing.assert_allclose(z.array, true.array, rtol=2**-11, atol=1e-6)
    hold(ATTENTION, normal(2, 4, 5), normal(2, 6, 5), normal(2, 6, 5), normal(4, 6, dtype=np.float32), order=0)


def test_dropout_draws_torch_s_numbers():
    if torch_samples_with_mkl():
        pytest.skip("torch draws dropout from MKL's generator on this machine")
    q, k, v = normal(2, 3, 4, 5), normal(2, 3, 6, 5), normal(2, 3, 6, 2)
    minitorch.manual_seed(3), torch.manual_seed(3)
    hold(ATTENTION, q, k, v, None, 0.4, order=1)
    minitorch.manual_seed(3), torch.manual_seed(3)
    mine, true = [many_heads(lib, training=True, dropout_p=0.3) for lib in (minitorch, torch)]
    assert_same(mine, true)


@pytest.mark.parametrize(
    "shapes, arguments",
    [
        (((5,), (5,), (5,)), {}),
        (((2, 4, 5), (2, 6, 4), (2, 6, 7)), {}),
        (((2, 4, 5), (2, 6, 5), (2, 5, 7)), {}),
        (((4, 4, 5), (3, 6, 5), (3, 6, 7)), {}),
        (((4, 4, 5), (3, 6, 5), (3, 6, 7)), dict(enable_gqa=True)),
        (((4, 5), (6, 5), (6, 7)), dict(enable_gqa=True)),
        (((4, 5), (6, 5), (6, 7)), dict(attn_mask=np.ones((4, 6), bool), is_causal=True)),
        (((4, 5), (6, 5), (6, 7)), dict(attn_mask=np.ones((4, 6), np.int64))),
        (((4, 5), (6, 5), (6, 7)), dict(attn_mask=np.ones((4, 5), bool))),
        (((4, 5), (6, 5), (6, 7)), dict(attn_mask=np.ones((4, 6), np.float16))),
        (((4, 5), (6, 5), (6, 7)), dict(dropout_p=1.5)),
    ],
    ids=str,
)
def test_bad_attention(shapes, arguments):
    same_error(ATTENTION, *[normal(*s) for s in shapes], **arguments)


def test_bad_types_of_attention():
    same_error(ATTENTION, normal(4, 5), normal(6, 5, dtype=np.float32), normal(6, 5))
    same_error(ATTENTION, *[np.ones((4, 5), np.int64)] * 3)


# Several heads.

L, S, N, E, HEADS = 3, 4, 2, 6, 2
GIVEN = {
    "query": normal(L, N, E), "key": normal(S, N, E), "value": normal(S, N, E), "in": normal(3 * E, E),
    "in_bias": normal(3 * E), "out": normal(E, E), "out_bias": normal(E), "k": normal(1, 1, E), "v": normal(1, 1, E),
    "key5": normal(S, N, 5), "value4": normal(S, N, 4), "q_proj": normal(E, E), "k_proj": normal(E, 5),
    "v_proj": normal(E, 4), "static": normal(N * HEADS, S, E // HEADS),
}  # fmt: skip


def many_heads(lib, *, tensors=None, query="query", key="key", value="value", unbatched=False, bias=True, kv=False,
               zero=False, dropout_p=0.0, training=False, masks=None, **arguments):  # fmt: skip
    """`multi_head_attention_forward` on the tensors of GIVEN, by name."""
    make = wrap if lib is minitorch else torch.from_numpy
    t = tensors or {name: make(a.copy()) for name, a in GIVEN.items()}
    q, k, v = (t[query], t[key], t[value])
    if unbatched:
        q, k, v = (t[query][:, 0], t[key][:, 0], t[value][:, 0])
        if query == key:
            k = v = q
    for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight", "static_k", "static_v"):
        if name in arguments:
            arguments[name] = t[arguments[name]]
    masks = {name: make(mask.copy()) for name, mask in (masks or {}).items()}
    return lib.nn.functional.multi_head_attention_forward(
        q, k, v, E, HEADS, None if arguments.get("use_separate_proj_weight") else t["in"],
        t["in_bias"] if bias else None, t["k"] if kv else None, t["v"] if kv else None, zero, dropout_p, t["out"],
        t["out_bias"] if bias else None, training=training, **masks, **arguments,
    )  # fmt: skip


SEPARATE = dict(
    key="key5", value="value4", use_separate_proj_weight=True, q_proj_weight="q_proj", k_proj_weight="k_proj",
    v_proj_weight="v_proj",
)  # fmt: skip
PADDED = np.array([[False, False, True, True], [False, True, False, False]])
PAIRS = np.array([[False, True, False, False], [True, False, False, True], [False] * 4])
VARIANTS = {
    "plain": {},
    "self": dict(key="query", value="query"),
    "cross": dict(value="key"),
    "no bias": dict(bias=False),
    "unbatched": dict(unbatched=True),
    "unbatched self": dict(unbatched=True, key="query", value="query"),
    "separate": SEPARATE,
    "separate without bias": dict(SEPARATE, bias=False),
    "bias_kv": dict(kv=True),
    "zero": dict(zero=True),
    "static": dict(static_k="static", static_v="static"),
    "key padding": dict(masks=dict(key_padding_mask=PADDED)),
    "float key padding": dict(masks=dict(key_padding_mask=normal(N, S))),
    "pairs": dict(masks=dict(attn_mask=PAIRS)),
    "float pairs": dict(masks=dict(attn_mask=normal(L, S))),
    "pairs by head": dict(masks=dict(attn_mask=rng.random((N * HEADS, L, S)) < 0.3)),
    "both": dict(masks=dict(attn_mask=PAIRS, key_padding_mask=PADDED)),
    "mixed": dict(masks=dict(attn_mask=normal(L, S), key_padding_mask=PADDED)),
    "everything": dict(kv=True, zero=True, masks=dict(attn_mask=PAIRS, key_padding_mask=PADDED)),
    "causal hint": dict(key="query", value="query", is_causal=True, masks=dict(attn_mask=~np.tri(L, dtype=bool))),
    "unbatched masks": dict(unbatched=True, masks=dict(attn_mask=PAIRS, key_padding_mask=PADDED[0])),
}


@pytest.mark.parametrize("weights", [dict(need_weights=False), {}, dict(average_attn_weights=False)], ids=str)
@pytest.mark.parametrize("variant", VARIANTS)
def test_many_heads(variant, weights):
    arguments = {**VARIANTS[variant], **weights}
    mine, true = [many_heads(lib, **arguments) for lib in (minitorch, torch)]
    assert_same(mine, true)


@pytest.mark.parametrize("variant", ["plain", "self", "separate", "bias_kv", "everything"])
def test_gradients_of_many_heads(variant):
    names = list(GIVEN)

    def attend(lib, *tensors):
        out, weights = many_heads(lib, tensors=dict(zip(names, tensors, strict=True)), **VARIANTS[variant])
        return out, weights

    agree(attend, *GIVEN.values(), order=1)


def test_bad_heads():
    def refused(**arguments):
        raised = []
        for lib in (minitorch, torch):
            with pytest.raises((AssertionError, RuntimeError)) as caught:
                many_heads(lib, **arguments)
            raised.append(caught.type)
        assert raised[0] is raised[1], (raised, arguments)

    refused(query="in_bias")
    refused(key="k")
    refused(value="value4")
    refused(is_causal=True)
    refused(masks=dict(attn_mask=normal(L, S + 1)))
    refused(masks=dict(attn_mask=normal(N, L, S)))
    refused(masks=dict(attn_mask=np.ones((L, S), np.int64)))
    refused(masks=dict(key_padding_mask=PADDED[:, :3]))
    refused(masks=dict(key_padding_mask=PADDED[0]))
    refused(static_k="key", static_v="key")
    refused(use_separate_proj_weight=True)


# Embeddings.


def test_embedding():
    index = np.array([[1, 0, 3], [3, 3, 5]])
    for arguments in ({}, dict(padding_idx=3), dict(padding_idx=-1), dict(scale_grad_by_freq=True)):
        order = 1 if "scale_grad_by_freq" in arguments else 2  # torch's second derivative leaves the frequency out
        for dtype in (np.int64, np.int32):
            take = lambda lib, i, w: lib.nn.functional.embedding(i, w, **arguments)  # noqa: B023, E731
            agree(take, index.astype(dtype), normal(6, 4), order=order)
    agree(lambda lib, i, w: lib.nn.functional.embedding(i, w), np.array(2), normal(6, 4))
    agree(lambda lib, i, w: lib.nn.functional.embedding(i, w), np.zeros((2, 0), np.int64), normal(6, 4), order=1)
    agree(lambda lib, i, w: lib.nn.functional.embedding(i[:, ::2], w.mT), index, normal(4, 6), layout="permuted")


def test_renormalised_embedding():
    weight, index = normal(6, 4) * 2, np.array([[1, 0, 3], [3, 3, 5]])
    for p in (1.0, 2.0, 3.0):
        ours, theirs = wrap(weight.copy()), torch.from_numpy(weight.copy())
        assert_same(
            F.embedding(wrap(index), ours, max_norm=1.5, norm_type=p),
            torch.nn.functional.embedding(torch.from_numpy(index), theirs, max_norm=1.5, norm_type=p),
        )
        assert_same(ours, theirs)
        assert ours._version == 1
        np.testing.assert_array_equal(ours.array[[2, 4]], weight[[2, 4]])


@pytest.mark.parametrize(
    "index, weight, arguments",
    [
        ([[6]], (6, 4), {}),
        ([[-1]], (6, 4), {}),
        ([[1.0]], (6, 4), {}),
        ([[1]], (6,), {}),
        ([[1]], (6, 4), dict(padding_idx=6)),
        ([[1]], (6, 4), dict(padding_idx=-7)),
    ],
)
def test_bad_embedding(index, weight, arguments):
    same_error("nn.functional.embedding", np.array(index), normal(*weight), **arguments)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags(mode):
    weight, flat = normal(7, 4), np.array([1, 0, 3, 3, 5, 1, 6])

    def bag(lib, index, weight, *rest, **arguments):
        return lib.nn.functional.embedding_bag(index, weight, *rest, mode=mode, **arguments)

    agree(bag, flat.reshape(1, 7), weight, order=1)
    for offsets in ([0, 2, 2, 5], [0], [0, 7]):  # the second bag of the first is empty
        agree(bag, flat, weight, np.array(offsets), order=1)
        for arguments in (dict(padding_idx=3), dict(max_norm=0.5)):
            agree(lambda lib, *t: bag(lib, *t, **arguments), flat, weight, np.array(offsets), order=1)  # noqa: B023
    agree(lambda lib, *t: bag(lib, *t, include_last_offset=True), flat, weight, np.array([0, 2, 2, 7]), order=1)
    if mode == "sum":
        for arguments in ({}, dict(padding_idx=1)):
            scaled = dict(per_sample_weights=normal(7), mode=mode, order=1, **arguments)
            hold("nn.functional.embedding_bag", flat, weight, np.array([0, 3]), **scaled)


def test_bad_bags():
    name, w = "nn.functional.embedding_bag", normal(6, 4)
    same_error(name, np.array([1, 2]), w)
    same_error(name, np.array([[1, 2]]), w, np.array([0]))
    same_error(name, np.array([1, 2]), w, np.array([1]))
    same_error(name, np.array([1, 2]), w, np.array([0, 3]))
    same_error(name, np.array([1, 2]), w, np.array([[0]]))
    same_error(name, np.array([1, 2]), normal(6), np.array([0]))
    same_error(name, np.array([[[1]]]), w)
    same_error(name, np.array([[1, 2]]), w, mode="median")
    same_error(name, np.array([[1, 2]]), w, per_sample_weights=normal(1, 3), mode="sum")
    same_error(name, np.array([[1, 2]]), w, per_sample_weights=normal(1, 2), mode="mean")
    same_error(name, np.array([[1, 2]]), w, scale_grad_by_freq=True, mode="max")
    same_error(name, np.array([[1, 9]]), w)


# Padding.


@pytest.mark.parametrize("layout", LAYOUTS)
def test_constant_padding(layout):
    for pad in ((1, 2), (0, 0), (-1, 2), (1, 0, -2, 3), (2, 1, 0, 0, 1, 1), ()):
        hold("nn.functional.pad", normal(2, 4, 3), pad, layout=layout)
        hold("nn.functional.pad", normal(2, 4, 3), pad, value=2.5, layout=layout)
    hold("nn.functional.pad", np.arange(4), (1, 1), value=1.7)
    hold("nn.functional.pad", np.array([True, False]), (1, 1), value=1.0)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_other_padding(mode):
    for shape, pads in {
        (2, 5): [(2, 1), (4, 4), (-1, 2), (0, -2)],
        (2, 3, 5): [(2, 1), (1, 2, 0, 1), (-1, 1, 2, -1)],
        (2, 2, 3, 5): [(1, 2, 2, 1), (1, 1, 1, 1, 1, 1), (0, 0, 0, 0)],
        (1, 2, 2, 3, 2): [(1, 0, 2, 1, 1, 1)],
    }.items():
        for pad in pads:
            hold("nn.functional.pad", normal(*shape), pad, mode=mode)
    hold("nn.functional.pad", normal(0, 3, 5), (1, 1), mode=mode)
    hold("nn.functional.pad", np.arange(6).reshape(1, 2, 3), (1, 1), mode=mode)


@pytest.mark.parametrize(
    "shape, pad, mode",
    [
        ((2, 3), (1,), "constant"),
        ((3,), (1, 1, 1, 1), "constant"),
        ((3,), (-2, -2), "constant"),
        ((2, 3), (3, 0), "reflect"),
        ((2, 3), (4, 0), "circular"),
        ((2, 3), (-2, -1), "replicate"),
        ((2, 3), (-3, -1), "circular"),
        ((3,), (1, 1), "reflect"),
        ((2, 3), (1, 1, 1, 1), "reflect"),
        ((2, 3, 0), (1, 1), "replicate"),
        ((2, 3), (1, 1), "mirror"),
        ((2, 3), (1.0, 1), "constant"),
        ((2, 3), 1, "constant"),
    ],
)
def test_bad_padding(shape, pad, mode):
    same_error("nn.functional.pad", normal(*shape), pad, mode)


def test_more_bad_padding():
    same_error("nn.functional.pad", normal(2, 3), (1, 1), "reflect", 1.0)
    same_error("nn.functional.pad", np.ones((2, 3), bool), (1, 1), "reflect")


# Resizing.

SIZES = {1: [(7,), (3,), (5,), (1,)], 2: [(7, 4), (3, 9), (4, 5), (1, 1)], 3: [(2, 5, 7), (1, 4, 3)]}
KINDS = [
    ("nearest", (1, 2, 3), [{}]),
    ("nearest-exact", (1, 2, 3), [{}]),
    ("area", (1, 2, 3), [{}]),
    ("linear", (1,), [{}, dict(align_corners=True)]),
    ("bilinear", (2,), [{}, dict(align_corners=True), dict(antialias=True)]),
    ("bicubic", (2,), [{}, dict(align_corners=True), dict(antialias=True)]),
    ("trilinear", (3,), [{}, dict(align_corners=True)]),
]


@pytest.mark.parametrize("mode, dimensions, options", KINDS, ids=[kind[0] for kind in KINDS])
def test_interpolate(mode, dimensions, options):
    for n, arguments in itertools.product(dimensions, options):
        image = (2, 3, *(4, 5, 3)[:n])
        order = 1 if "antialias" in arguments else 2  # torch has no second one there
        for size in SIZES[n]:
            hold("nn.functional.interpolate", normal(*image), size, mode=mode, order=order, **arguments)
        for factor in (2, 0.6, 1.7):
            hold("nn.functional.interpolate", normal(*image), None, factor, mode=mode, order=order, **arguments)
        by_size = dict(scale_factor=1.7, recompute_scale_factor=True, mode=mode)
        hold("nn.functional.interpolate", normal(*image), **by_size, **arguments, order=order, layout="permuted")


def test_positions_are_torch_s_in_float32():
    """Which pixel is nearest, and how far the next one is, depends on the rounding of the positions."""
    for size, out in itertools.product((3, 7, 28, 31), (5, 14, 40, 57)):
        image = normal(1, 1, size, size, dtype=np.float32)
        for mode in ("nearest", "nearest-exact", "bilinear", "bicubic"):
            hold("nn.functional.interpolate", image, out, mode=mode, order=0)
            hold("nn.functional.interpolate", image, None, out / size + 0.003, mode=mode, order=0)


def test_other_types_of_images():
    hold("nn.functional.interpolate", normal(1, 2, 4, 4, dtype=np.float16), (3, 7), mode="bilinear", order=0)
    hold("nn.functional.interpolate", rng.integers(0, 255, (1, 2, 4, 4)).astype(np.uint8), (3, 7))
    hold("nn.functional.upsample", normal(1, 2, 4, 4), 7)
    hold("nn.functional.upsample_nearest", normal(1, 2, 4, 4), 7)
    hold("nn.functional.upsample_bilinear", normal(1, 2, 4, 4), 7)


@pytest.mark.parametrize(
    "shape, arguments",
    [
        ((2, 3, 4, 4), {}),
        ((2, 3, 4, 4), dict(size=2, scale_factor=2)),
        ((2, 3, 4, 4), dict(size=(2,))),
        ((2, 3, 4, 4), dict(scale_factor=(2,))),
        ((2, 3, 4, 4), dict(scale_factor=0.1)),
        ((2, 3, 4, 4), dict(scale_factor=-1.0)),
        ((2, 3, 4, 4), dict(size=(0, 2))),
        ((2, 0, 4, 4), dict(size=2)),
        ((2, 3, 0, 4), dict(size=2)),
        ((2, 3), dict(size=(2, 2))),
        ((2, 3, 4, 4), dict(size=2, mode="foo")),
        ((2, 3, 4, 4), dict(size=2, mode="linear")),
        ((2, 3, 4), dict(size=2, mode="bicubic")),
        ((2, 3, 4, 4), dict(size=(2.0, 2), mode="bilinear")),
        ((2, 3, 4, 4), dict(size=2, align_corners=True)),
        ((2, 3, 4, 4), dict(size=2, antialias=True)),
        ((2, 3, 4, 4), dict(size=2, mode="bilinear", recompute_scale_factor=True)),
    ],
    ids=str,
)
def test_bad_resizing(shape, arguments):
    same_error("nn.functional.interpolate", normal(*shape), **arguments)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_shuffles(layout):
    for lead in ((), (2,), (2, 1, 3)):
        hold("nn.functional.pixel_shuffle", normal(*lead, 8, 2, 3), 2, layout=layout)
        hold("nn.functional.pixel_unshuffle", normal(*lead, 2, 4, 6), 2, layout=layout)
    hold("nn.functional.pixel_shuffle", normal(2, 0, 8, 2, 3), 2, order=0)
    for shape in ((2, 6, 3), (2, 6, 2, 2)):
        for groups in (1, 2, 3):
            hold("nn.functional.channel_shuffle", normal(*shape), groups, layout=layout)


def test_bad_shuffles():
    for name, shape, factor in [
        ("pixel_shuffle", (3, 4), 2), ("pixel_shuffle", (7, 3, 4), 2), ("pixel_shuffle", (8, 3, 4), 0),
        ("pixel_unshuffle", (3, 4), 2), ("pixel_unshuffle", (2, 3, 4), 2), ("pixel_unshuffle", (2, 4, 3), 2),
        ("pixel_unshuffle", (2, 4, 4), -1), ("channel_shuffle", (2, 8), 2), ("channel_shuffle", (2, 8, 3), 3),
        ("channel_shuffle", (2, 8, 3), 0),
    ]:  # fmt: skip
        same_error(f"nn.functional.{name}", normal(*shape), factor)


# Grids.


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample(mode, padding_mode):
    for align_corners in (True, False):
        arguments = dict(mode=mode, padding_mode=padding_mode, align_corners=align_corners)
        points = normal(2, 3, 5, 2) * 1.5  # some outside
        hold("nn.functional.grid_sample", normal(2, 3, 4, 5), points, order=1, tolerance=1e-9, **arguments)
        if mode != "bicubic":
            points = normal(2, 3, 2, 4, 3) * 1.5
            hold("nn.functional.grid_sample", normal(2, 3, 4, 5, 3), points, order=1, tolerance=1e-9, **arguments)
    hold("nn.functional.grid_sample", normal(1, 1, 1, 1), normal(1, 2, 2, 2), **arguments, order=1)
    edges = np.array([[[[-1.0, 1.0], [1.0, 0.0], [0.2, -0.6]]]])
    hold("nn.functional.grid_sample", normal(1, 2, 5, 5), edges, **arguments, order=0)


def test_second_derivative_of_grid_sample():
    """torch has none; against finite differences."""
    image, points = wrap(normal(1, 1, 3, 4)), wrap(normal(1, 1, 2, 2) * 0.5)
    for mode in ("bilinear", "bicubic"):
        sample = lambda x, p: F.grid_sample(x, p, mode, align_corners=False)  # noqa: B023, E731
        inputs = [t.detach().requires_grad_() for t in (image, points)]
        assert minitorch.autograd.gradgradcheck(sample, inputs)


def test_affine_grid():
    for align_corners in (True, False):
        hold("nn.functional.affine_grid", normal(2, 2, 3), (2, 3, 4, 5), align_corners=align_corners)
        hold("nn.functional.affine_grid", normal(2, 3, 4), (2, 3, 4, 2, 5), align_corners=align_corners)
    hold("nn.functional.affine_grid", normal(2, 2, 3), (2, 3, 1, 5), align_corners=False)
    image, identity = normal(1, 2, 4, 5), np.eye(2, 3)[None]
    grid = F.affine_grid(wrap(identity), (1, 2, 4, 5), align_corners=False)
    assert_same(F.grid_sample(wrap(image), grid, align_corners=False).array, image)


def test_bad_grids():
    name = "nn.functional.grid_sample"
    same_error(name, normal(2, 3, 4, 5), normal(3, 6, 7, 2))
    same_error(name, normal(2, 3, 4, 5), normal(2, 6, 7, 3))
    same_error(name, normal(2, 3, 4, 5), normal(2, 6, 7))
    same_error(name, normal(2, 3, 4), normal(2, 6, 7))
    same_error(name, normal(2, 3, 0, 5), normal(2, 6, 7, 2))
    same_error(name, normal(2, 3, 4, 5), normal(2, 6, 7, 2), "foo")
    same_error(name, normal(2, 3, 4, 5), normal(2, 6, 7, 2), "nearest", "foo")
    same_error(name, normal(2, 3, 4, 5), normal(2, 6, 7, 2, dtype=np.float32))
    same_error(name, normal(2, 3, 4, 5, 6), normal(2, 6, 7, 8, 3), "bicubic")
    name = "nn.functional.affine_grid"
    same_error(name, normal(2, 2, 3), (3, 3, 4, 5))
    same_error(name, normal(2, 2, 4), (2, 3, 4, 5))
    same_error(name, normal(2, 2, 3), (2, 3, 4))
    same_error(name, normal(2, 2, 3), (2, 3, 4, 0))
    same_error(name, np.ones((2, 2, 3), np.int64), (2, 3, 4, 5))


def test_gradient_of_a_padded_crop_is_the_crop_of_the_gradient():
    x = wrap(normal(3, 4)).requires_grad_()
    (g,) = grad(F.pad(x, (-1, 2)).sum(), x)
    np.testing.assert_array_equal(g.array, [[0, 1, 1, 1]] * 3)
