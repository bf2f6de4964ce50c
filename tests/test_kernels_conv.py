"""The convolution kernels against a reference of a few lines in float64, over shapes, layouts, dtypes and threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, LAYOUTS, draw, exactly, rms

from minitorch.core.op import REGISTRY
from minitorch.kernels import crossovers
from minitorch.kernels.conv import tiles_of, worth_winograd
from minitorch.kernels.conv_ways import problem
from minitorch.kernels.registry import accelerated

conv2d, conv2d_input, conv2d_weight = (accelerated(n) for n in ("conv2d", "conv2d_input", "conv2d_weight"))
EVERY_PART = ("", "_input", "_weight")


def taps(kernel, out_size, stride, dilation):
    """For each tap its place in the kernel and the slices of the padded input that it sees."""
    for kh in range(kernel[0]):
        for kw in range(kernel[1]):
            rows, columns = (
                slice(k * d, k * d + (n - 1) * s + 1, s)
                for k, d, n, s in zip((kh, kw), dilation, out_size, stride, strict=True)
            )
            yield (..., kh, kw), (..., rows, columns)


def reference(x, w, g, stride, padding, dilation, groups):
    """(y, gradient of x, gradient of w) in float64 for the output's gradient g (None: ones)."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    n, c, *size = x.shape
    out_size = [(m + 2 * p - d * (k - 1) - 1) // s + 1 for m, p, d, k, s in
                zip(size, padding, dilation, w.shape[2:], stride, strict=True)]  # fmt: skip
    pads = [(0, 0)] * 3 + [(p, p) for p in padding]
    xs = np.pad(x.reshape(n, groups, c // groups, *size), pads)
    ws = w.reshape(groups, len(w) // groups, *w.shape[1:])
    y = np.zeros((n, groups, ws.shape[1], *out_size))
    g = np.ones_like(y) if g is None else g.astype(np.float64).reshape(y.shape)
    dx, dw = np.zeros_like(xs), np.zeros_like(ws)
    for place, seen in taps(w.shape[2:], out_size, stride, dilation):
        y += np.einsum("ngcij,goc->ngoij", xs[seen], ws[place])
        dx[seen] += np.einsum("ngoij,goc->ngcij", g, ws[place])
        dw[place] = np.einsum("ngoij,ngcij->goc", g, xs[seen])
    dx = dx[..., padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
    return y.reshape(n, len(w), *out_size), dx.reshape(x.shape), dw.reshape(w.shape)


def check(x, w, stride, padding, dilation, groups, layout="contiguous"):
    """All three kernels against the reference; errors are measured in units of what the largest terms round to."""
    params = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    y_true = reference(x, w, None, **params)[0]
    g = draw(7, y_true.shape, x.dtype, layout)
    truths = reference(x, w, g, **params)
    sizes = reference(abs(x), abs(w), abs(g), **params)
    found = (
        conv2d(x, w, **params),
        conv2d_input(g, w, size=x.shape, **params),
        conv2d_weight(x, g, size=w.shape, **params),
    )
    for name, ours, truth, size in zip(("y", "dx", "dw"), found, truths, sizes, strict=True):
        assert ours.shape == truth.shape and ours.dtype == x.dtype, name
        if truth.size:
            assert abs(ours - truth).max() <= 4 * np.finfo(x.dtype).eps * size.max(), name
    return found


def winograd_is_taken(x, w):
    p = problem(x.shape, w.shape, x.shape[2:], (1, 1), (1, 1), (1, 1), 1, x.itemsize)
    return worth_winograd(p, tiles_of(p.batch, p.out_size), crossovers.WINOGRAD)


pair = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(deadline=None, max_examples=50)
@given(
    batch=st.integers(0, 5), groups=st.integers(1, 3), inputs=st.integers(1, 4), outputs=st.integers(1, 9),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)), stride=pair, dilation=pair,
    padding=st.tuples(st.integers(0, 4), st.integers(0, 4)), extra=st.tuples(st.integers(0, 20), st.integers(0, 20)),
    dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_any_convolution(batch, groups, inputs, outputs, kernel, stride, dilation, padding, extra, dtype, layout, seed):
    size = [max(1, d * (k - 1) + 1 - 2 * p) + e for k, d, p, e in zip(kernel, dilation, padding, extra, strict=True)]
    x = draw(seed, (batch, groups * inputs, *size), dtype, layout)
    w = draw(seed + 1, (groups * outputs, inputs, *kernel), dtype, layout)
    before = x.copy(), w.copy()
    check(x, w, stride, padding, dilation, groups, layout)
    assert np.array_equal(x, before[0]) and np.array_equal(w, before[1])


@settings(deadline=None, max_examples=25)
@given(
    batch=st.integers(1, 4), groups=st.integers(1, 2), inputs=st.integers(16, 40), outputs=st.integers(32, 50),
    size=st.tuples(st.integers(1, 19), st.integers(1, 19)), padding=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dtype=st.sampled_from(DTYPES), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_winograd(batch, groups, inputs, outputs, size, padding, dtype, seed):
    x = draw(seed, (batch, groups * inputs, *size), dtype)
    w = draw(seed + 1, (groups * outputs, inputs, 3, 3), dtype)
    check(x, w, (1, 1), padding, (1, 1), groups)


CASES = {
    "LeNet's first layer": ((8, 1, 28, 28), (6, 1, 5, 5), (1, 1), (0, 0), (1, 1), 1),
    "LeNet's second layer": ((8, 6, 12, 12), (16, 6, 5, 5), (1, 1), (0, 0), (1, 1), 1),
    "winograd": ((2, 40, 23, 17), (33, 40, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "many channels": ((2, 300, 7, 7), (40, 300, 3, 3), (2, 2), (1, 1), (1, 1), 1),
    "high and narrow": ((1, 2, 150, 3), (7, 2, 3, 2), (1, 1), (1, 1), (1, 1), 1),
    "bands of rows": ((1, 20, 90, 70), (5, 20, 5, 5), (1, 1), (2, 2), (1, 1), 1),
    "stride 2": ((2, 3, 64, 64), (16, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
    "depthwise": ((2, 24, 20, 20), (24, 1, 3, 3), (1, 1), (1, 1), (1, 1), 24),
    "stride larger than the kernel": ((2, 3, 17, 19), (4, 3, 2, 1), (3, 4), (0, 0), (1, 1), 1),
    "depthwise, stride 2, bands": ((2, 5, 150, 70), (5, 1, 3, 5), (2, 3), (1, 2), (1, 1), 5),
    "depthwise, small planes": ((5, 40, 7, 7), (40, 1, 3, 3), (1, 1), (1, 1), (1, 1), 40),
    "depthwise, small planes, stride 2": ((2, 20, 14, 13), (20, 1, 3, 3), (2, 2), (1, 1), (1, 1), 20),
    "depthwise, small planes, stride 2, even width": ((2, 20, 9, 14), (20, 1, 3, 3), (2, 2), (1, 1), (1, 1), 20),
    "depthwise, small planes, stride 3, dilated": ((2, 7, 13, 12), (7, 1, 5, 4), (3, 3), (4, 3), (2, 2), 7),
    "depthwise, small planes, no padding": ((2, 9, 12, 9), (9, 1, 3, 5), (1, 1), (0, 0), (1, 2), 9),
    "depthwise, large planes": ((2, 6, 44, 42), (6, 1, 3, 3), (1, 1), (1, 1), (1, 1), 6),
    "depthwise, 7 x 7, dilated": ((3, 30, 14, 15), (30, 1, 7, 7), (1, 1), (6, 6), (2, 2), 30),
    "channels, bands of rows": ((1, 40, 61, 75), (33, 40, 3, 3), (2, 2), (1, 1), (1, 1), 1),
    "channels, several images": ((7, 20, 8, 8), (48, 20, 5, 5), (1, 1), (2, 2), (1, 1), 1),
    "channels, grouped": ((2, 60, 9, 9), (96, 20, 3, 2), (2, 1), (1, 1), (1, 2), 3),
    "one by one": ((3, 40, 16, 18), (50, 40, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "one by one, lanes left over": ((2, 40, 11, 13), (50, 40, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "one by one, stride 2": ((2, 40, 15, 16), (50, 40, 1, 1), (2, 2), (0, 0), (1, 1), 1),
    "few channels, stride 4": ((2, 1, 1, 200), (20, 1, 1, 9), (1, 4), (0, 2), (1, 1), 1),
    "few channels, stride 2": ((3, 3, 33, 31), (20, 3, 4, 4), (2, 2), (1, 1), (1, 1), 1),
    "few channels, stride 2, dilated, grouped": ((2, 4, 20, 23), (10, 2, 3, 3), (2, 3), (2, 1), (2, 2), 2),
    "kernel as large as the image": ((5, 16, 5, 5), (20, 16, 5, 5), (1, 1), (0, 0), (1, 1), 1),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_layers(name, dtype):
    x_shape, w_shape, *params = CASES[name]
    check(draw(0, x_shape, dtype), draw(1, w_shape, dtype), *params)


@pytest.mark.parametrize("name", CASES)
def test_the_number_of_threads_changes_no_bit(name):
    x_shape, w_shape, *params = CASES[name]
    x, w = draw(0, x_shape, "float32"), draw(1, w_shape, "float32")
    results = []
    for count in (1, 2, 3):
        with exactly(count):
            results.append(check(x, w, *params))
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_no_less_accurate_than_torch(name):
    torch = pytest.importorskip("torch")
    x_shape, w_shape, stride, padding, dilation, groups = CASES[name]
    params = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    x, w = draw(0, x_shape, "float32"), draw(1, w_shape, "float32")
    g = draw(2, conv2d(x, w, **params).shape, "float32")
    truths = reference(x, w, g, **params)
    theirs = [torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(w), None, **params)]
    theirs += torch.ops.aten.convolution_backward(
        torch.tensor(g), torch.tensor(x), torch.tensor(w), None, stride, padding, dilation, False, [0, 0], groups,
        [True, True, False],
    )[:2]  # fmt: skip
    ours = (
        conv2d(x, w, **params),
        conv2d_input(g, w, size=x.shape, **params),
        conv2d_weight(x, g, size=w.shape, **params),
    )
    for a, b, truth in zip(ours, theirs, truths, strict=True):
        assert rms(a - truth) <= 2 * rms(b.numpy() - truth) + 1e-3 * np.finfo(np.float32).eps * rms(truth)


@settings(deadline=None, max_examples=30)
@given(
    n=st.sampled_from([1, 3]), batch=st.integers(1, 3), groups=st.integers(1, 2), inputs=st.integers(1, 5),
    outputs=st.integers(1, 20), kernel=st.integers(1, 3), stride=st.integers(1, 3), padding=st.integers(0, 2),
    dilation=st.integers(1, 2), dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), data=st.data(),
)  # fmt: skip
def test_one_and_three_dimensions(
    n, batch, groups, inputs, outputs, kernel, stride, padding, dilation, dtype, layout, data
):
    """Against the NumPy references, which test_ops_conv.py holds to torch."""
    least = max(1, dilation * (kernel - 1) + 1 - 2 * padding)
    size = tuple(data.draw(st.integers(least, least + (40 if n == 1 else 5))) for _ in range(n))
    params = dict(stride=(stride,) * n, padding=(padding,) * n, dilation=(dilation,) * n, groups=groups)
    forward, to_input, to_weight = (f"conv{n}d{part}" for part in EVERY_PART)
    x = draw(0, (batch, groups * inputs, *size), dtype, layout)
    w = draw(1, (groups * outputs, inputs, *[kernel] * n), dtype, layout)
    exact = x.astype(np.float64), w.astype(np.float64)
    y = REGISTRY[forward].reference(*exact, **params)
    g = draw(2, y.shape, dtype, layout)
    calls = (
        (forward, (x, w), {}),
        (to_input, (g, w), dict(size=x.shape)),
        (to_weight, (x, g), dict(size=w.shape)),
    )
    for name, arrays, more in calls:
        truth = REGISTRY[name].reference(*[a.astype(np.float64) for a in arrays], **params, **more)
        bound = REGISTRY[name].reference(*[abs(a.astype(np.float64)) for a in arrays], **params, **more)
        found = accelerated(name)(*arrays, **params, **more)
        assert found.shape == truth.shape and found.dtype == x.dtype, name
        assert abs(found - truth).max() <= 4 * np.finfo(x.dtype).eps * bound.max(), name


@pytest.mark.parametrize("bad", [np.inf, np.nan, 3e38])
@pytest.mark.parametrize(("inputs", "outputs", "groups"), [(16, 16, 1), (3, 3, 3), (4, 4, 1), (32, 32, 1)])
def test_what_is_not_finite_reaches_what_sees_it(inputs, outputs, groups, bad):
    """All kernels, Winograd's included, keep the rest as it is without the bad number, to the bit."""
    params = dict(stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=groups)
    x, w = draw(0, (3, inputs, 24, 24), "float32"), draw(1, (outputs, inputs // groups, 3, 3), "float32")
    w[:, :, 1] = 4 + abs(w[:, :, 1])
    clean = conv2d(x, w, **params), conv2d_input(x[:, :outputs], w, size=x.shape, **params)
    x[1, 0, 10, 11] = bad
    for found, before in zip(
        (conv2d(x, w, **params), conv2d_input(x[:, :outputs], w, size=x.shape, **params)), clean, strict=True
    ):
        spoiled = ~np.isfinite(found)
        assert spoiled[1, 0, 10, 10:13].all()
        seen = np.zeros_like(spoiled)
        seen[1, :, 9:12, 10:13] = True
        assert not (spoiled & ~seen).any()
        assert np.array_equal(found[[0, 2]], before[[0, 2]])
        assert np.allclose(found[1][~seen[1]], before[1][~seen[1]], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_filter_that_is_not_finite_spoils_its_own_channel(bad):
    params = dict(stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1)
    x, w = draw(0, (2, 32, 24, 24), "float32"), draw(1, (32, 32, 3, 3), "float32")
    w[5, 7, 0, 0] = bad
    spoiled = ~np.isfinite(conv2d(x, w, **params))
    assert spoiled[:, 5, 1:, 1:].all() and not np.delete(spoiled, 5, 1).any()
    g = draw(2, (2, 32, 24, 24), "float32")
    g[0, 3, 0, 0] = bad  # the first row and column see the padding through some taps
    spoiled = ~np.isfinite(conv2d_weight(x, g, size=w.shape, **params))
    assert spoiled[3, :, 1:, 1:].all() and not np.delete(spoiled, 3, 0).any()


@pytest.mark.parametrize("channels", [16, 100, 600])
@pytest.mark.parametrize("signs", ["positive", "random"])
def test_winograds_error_bound(channels, signs):
    """64 C (C + 12) u max|g| max|d|, of winograd.py."""
    x, w = draw(0, (1, channels, 18, 18), "float32"), draw(1, (32, channels, 3, 3), "float32")
    if signs == "positive":
        x, w = abs(x), abs(w)
    params = dict(stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1)
    assert winograd_is_taken(x, w)
    truth = reference(x, w, None, **params)[0]
    bound = 64 * channels * (channels + 12) * np.finfo("f").eps / 2 * abs(x).max() * abs(w).max()
    assert abs(conv2d(x, w, **params) - truth).max() <= bound


def test_broadcast_inputs():
    x = np.broadcast_to(draw(0, (1, 2, 1, 9), "float32"), (3, 2, 8, 9))
    w = np.broadcast_to(draw(1, (4, 1, 3, 3), "float32"), (4, 2, 3, 3))
    check(x, w, (1, 1), (1, 1), (1, 1), 1)


def test_output_padding_reaches_beyond_the_last_window():
    """A transposed convolution's result may be larger than what its windows cover: zeros remain there."""
    g, w = draw(0, (2, 4, 3, 3), "float32"), draw(1, (4, 5, 3, 3), "float32")
    params = dict(stride=(3, 3), padding=(1, 1), dilation=(1, 1), groups=1)
    enlarged = conv2d_input(g, w, size=(2, 5, 9, 9), **params)
    assert np.array_equal(enlarged[:, :, :7, :7], conv2d_input(g, w, size=(2, 5, 7, 7), **params))
    assert np.array_equal(enlarged[:, :, 8:], np.zeros((2, 5, 1, 9)))


def test_nothing_to_do():
    params = dict(stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1)
    x, w = np.zeros((2, 0, 5, 5), np.float32), np.zeros((3, 0, 3, 3), np.float32)
    assert np.array_equal(conv2d(x, w, **params), np.zeros((2, 3, 5, 5)))
    assert conv2d_weight(x, np.ones((2, 3, 5, 5), np.float32), size=w.shape, **params).shape == w.shape
    x, w = np.zeros((0, 2, 5, 5), np.float32), np.ones((3, 2, 3, 3), np.float32)
    assert conv2d(x, w, **params).shape == (0, 3, 5, 5)
    zeros = conv2d_weight(x, np.zeros((0, 3, 5, 5), np.float32), size=w.shape, **params)
    assert np.array_equal(zeros, np.zeros(w.shape))
