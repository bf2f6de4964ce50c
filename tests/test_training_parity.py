"""Whole training runs in step with torch: every loss, every gradient, every parameter of 20 steps.

How near is near enough? A float64 run says what rounding alone does: float32 torch leaves it by a certain distance,
and minitorch may leave it by no more than twice that, plus a few units in the last place. In float64 the two must
agree to a millionth of what float32 could show.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
from parity.harness import assert_same, to_array  # noqa: E402
from parity.ulps import spacing  # noqa: E402

STEPS = 20


def lenet(lib):
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def lenet_with_norm_and_dropout(lib):
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.25), nn.Linear(256, 64, bias=False), nn.BatchNorm1d(64),
        nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10),
    )  # fmt: skip


def transformer(lib):
    """Two pre-norm blocks: x + attention(norm(x)), x + mlp(norm(x)), with a causal mask; then a classifier."""
    nn, F = lib.nn, lib.nn.functional

    class Block(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv = nn.Linear(width, 3 * width)
            self.projection = nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x):
            n, length, width = x.shape
            split = self.qkv(self.norm1(x)).view(n, length, 3, self.heads, width // self.heads)
            q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.projection(y.transpose(1, 2).reshape(n, length, width))
            return x + self.mlp(self.norm2(x))

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(28, 32)
            self.blocks = nn.Sequential(Block(32, 4), Block(32, 4))
            self.norm = nn.LayerNorm(32)
            self.head = nn.Linear(32, 10)

        def forward(self, x):
            x = self.blocks(self.embed(x.squeeze(1)))  # the 28 rows of a picture are the sequence
            return self.head(self.norm(x).mean(dim=1))

    return Classifier()


def sgd(lib, parameters):
    return lib.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=1e-4)


# Adam's first step is lr * g / (|g| + eps). With the usual eps of 1e-8 that is the sign of g, and where a gradient is
# zero but for rounding (the bias of an attention's keys) the sign is chance, in torch as here. A larger eps helps.
SMOOTH = 1e-4


def adam(lib, parameters):
    return lib.optim.Adam(parameters, lr=1e-3, eps=SMOOTH)


def adamw(lib, parameters):
    return lib.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01, eps=SMOOTH)


RUNS = {
    "lenet": (lenet, sgd),
    "lenet-adam": (lenet, adam),
    "lenet-norm-dropout": (lenet_with_norm_and_dropout, sgd),
    "transformer": (transformer, adamw),
}


def batches():
    """The same pictures and labels for every run: ten classes of smooth blobs with noise."""
    rng = np.random.default_rng(0)
    prototypes = np.repeat(np.repeat(rng.random((10, 1, 7, 7)), 4, axis=2), 4, axis=3)
    for _ in range(STEPS):
        labels = rng.integers(0, 10, 16)
        yield 4 * (prototypes[labels] - 0.5) + rng.standard_normal((16, 1, 28, 28)), labels


def train(lib, build, optimizer, double):
    """Every loss, gradient, parameter and buffer, step by step, as lists of (name, array)."""
    dtype = lib.float64 if double else lib.float32
    lib.manual_seed(0)
    model = build(lib)
    model = model.double() if double else model
    optimizer = optimizer(lib, model.parameters())
    history = []
    lib.manual_seed(1)
    for images, labels in batches():
        loss = lib.nn.functional.cross_entropy(model(lib.tensor(images, dtype=dtype)), lib.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        parameters = list(model.named_parameters())
        step = [("loss", loss), *((f"{n}.grad", p.grad) for n, p in parameters), *parameters, *model.named_buffers()]
        history.append([(name, np.array(to_array(t)[0])) for name, t in step])
    return history


@pytest.fixture(scope="module", params=RUNS)
def runs(request):
    """(minitorch float32, torch float32, minitorch float64, torch float64) of one model."""
    return [train(lib, *RUNS[request.param], double) for double in (False, True) for lib in (minitorch, torch)]


@pytest.mark.parametrize("build", [lenet, lenet_with_norm_and_dropout, transformer])
def test_initial_weights_are_torch_s_bit_for_bit(build):
    models = []
    for lib in (minitorch, torch):
        lib.manual_seed(0)
        models.append(build(lib).state_dict())
    ours, theirs = models
    assert list(ours) == list(theirs)
    for name in theirs:
        np.testing.assert_array_equal(to_array(ours[name])[0], to_array(theirs[name])[0], err_msg=name)


def test_float32_rounding_is_no_worse_than_torch_s(runs):
    ours, theirs, _, truth = runs
    for i, step in enumerate(zip(ours, theirs, truth, strict=True)):
        worst = torch_worst = (0.0, "")
        for (name, left), (_, right), (_, true) in zip(*step, strict=True):
            size = np.abs(true).max()
            if size == 0 or true.dtype.kind != "f":
                np.testing.assert_array_equal(left, right, err_msg=f"step {i}: {name}")
                continue
            ulp = float(spacing(size, "float32"))
            worst = max(worst, (np.abs(left - true).max() / ulp, name))
            torch_worst = max(torch_worst, (np.abs(right - true).max() / ulp, name))
        assert worst[0] <= 2 * torch_worst[0] + 8, f"step {i}: {worst} ulp off, torch {torch_worst}"


def test_float64_agrees(runs):
    _, _, ours, theirs = runs
    for i, (left, right) in enumerate(zip(ours, theirs, strict=True)):
        assert [name for name, _ in left] == [name for name, _ in right]
        for (name, a), (_, b) in zip(left, right, strict=True):
            assert_same(a, b, rtol=1e-10, atol=1e-12, where=f"step {i}: {name}")


def test_it_learns(runs):
    losses = [dict(step)["loss"].item() for step in runs[0]]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
