"""ONNX export: onnxruntime computes from the file what the model computes."""

import io

import numpy as np
import pytest

import minitorch
from minitorch import nn

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
F = nn.functional


def check(model, *args, tolerance=1e-5, **options):
    """Both on new arguments of the example's shapes."""
    buffer = io.BytesIO()
    minitorch.onnx.export(model, args, buffer, **options)
    if isinstance(model, nn.Module):
        model.eval()
    session = runtime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    fresh = [minitorch.randn_like(x) if x.dtype.is_floating_point else x.flip(0) for x in args]
    names = [entry.name for entry in session.get_inputs()]
    got = session.run(None, {name: x.numpy() for name, x in zip(names, fresh, strict=False)})
    with minitorch.no_grad():
        want = model(*fresh)
    flat = []
    for value in want if isinstance(want, tuple) else (want,):
        flat += value if isinstance(value, tuple) else (value,)
    assert len(flat) == len(got)
    for mine, theirs in zip(flat, got, strict=True):
        assert mine.numpy().dtype == theirs.dtype and mine.numpy().shape == theirs.shape
        np.testing.assert_allclose(theirs, mine.numpy(), rtol=tolerance, atol=tolerance)
    return session


IMAGE = (2, 4, 8, 8)
LAYERS = {
    "linear": (nn.Linear(8, 3), IMAGE), "linear, flat": (nn.Linear(5, 3), (2, 5)), "no bias": (nn.Linear(5, 3, bias=False), (2, 5)),
    "conv1d": (nn.Conv1d(4, 6, 3, padding=1), (2, 4, 9)),
    "conv2d": (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), IMAGE),
    "conv2d, reflected": (nn.Conv2d(4, 4, 3, padding="same", padding_mode="reflect"), IMAGE),
    "conv3d": (nn.Conv3d(2, 3, 2, dilation=2), (1, 2, 5, 5, 5)),
    "transposed": (nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1), IMAGE),
    "batch norm": (nn.BatchNorm2d(4), IMAGE), "layer norm": (nn.LayerNorm((8, 8)), IMAGE),
    "group norm": (nn.GroupNorm(2, 4), IMAGE), "instance norm": (nn.InstanceNorm2d(4, affine=True), IMAGE),
    "rms norm": (nn.RMSNorm(8), IMAGE),
    "max pool": (nn.MaxPool2d(3, 2, padding=1), IMAGE), "max pool, ceil": (nn.MaxPool2d(3, 2, ceil_mode=True), IMAGE),
    "avg pool": (nn.AvgPool2d(3, 2, padding=1), IMAGE), "avg pool, inside": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE),
    "global": (nn.AdaptiveAvgPool2d(1), IMAGE), "adaptive": (nn.AdaptiveAvgPool2d((3, 4)), IMAGE), "adaptive max": (nn.AdaptiveMaxPool2d(4), IMAGE),
    "nearest": (nn.Upsample(scale_factor=2), IMAGE), "bilinear": (nn.Upsample(size=(5, 13), mode="bilinear"), IMAGE),
    "shuffle": (nn.PixelShuffle(2), IMAGE), "flatten": (nn.Flatten(), IMAGE), "zero pad": (nn.ZeroPad2d((1, 2, 3, 0)), IMAGE),
    "replication": (nn.ReplicationPad2d(2), IMAGE), "dropout": (nn.Dropout(), (2, 3)),
    "lstm": (nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True), (2, 5, 3)),
    "gru": (nn.GRU(3, 4), (5, 2, 3)), "rnn": (nn.RNN(3, 4), (5, 2, 3)),
    "encoder": (nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False), (2, 5, 8)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    layer, shape = LAYERS[name]
    if isinstance(layer, nn.BatchNorm2d):
        layer(minitorch.randn(shape) * 3 + 1)  # statistics that are not 0 and 1
    check(layer, minitorch.randn(shape), tolerance=5e-5)


ACTIVATIONS = [
    nn.ReLU(),
    nn.ReLU(inplace=True), nn.ReLU6(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Sigmoid(), nn.Tanh(), nn.LeakyReLU(0.1), nn.ELU(0.5), nn.SELU(),
    nn.CELU(2.0), nn.Softplus(2.0), nn.Softsign(), nn.Hardswish(), nn.Hardsigmoid(), nn.Hardtanh(-0.5, 0.7), nn.Mish(), nn.PReLU(4), nn.Softmax(1),
    nn.LogSoftmax(-1), nn.LogSigmoid(), nn.GLU(), nn.Threshold(0.1, 2), nn.Softshrink(), nn.Hardshrink(), nn.Tanhshrink(),
]  # fmt: skip


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=str)
def test_activations(layer):
    check(layer, minitorch.randn(2, 4, 6))


class Block(nn.Module):
    """A residual block, with in-place operations as programs write them."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        out = self.relu(self.norm(self.conv(x)))
        out += x
        out = self.relu(out)
        return self.head(out.mean((2, 3))), out.view(out.size(0), -1)[:, ::3]


def test_a_network_its_names_and_its_file(tmp_path):
    model = Block().train()
    names = dict(input_names=["picture"], output_names=["logits", "features"])
    session = check(model, minitorch.randn(IMAGE), **names)
    assert [entry.name for entry in session.get_inputs()] == ["picture"]
    assert [entry.name for entry in session.get_outputs()] == ["logits", "features"]
    model.train()
    made = minitorch.onnx.export(model, minitorch.randn(IMAGE), tmp_path / "block.onnx")
    assert model.training and model.norm.training and (model.norm.running_mean == 0).all()
    onnx.checker.check_model(onnx.load(tmp_path / "block.onnx"))
    assert {"conv.weight", "head.weight", "head.bias"} <= {entry.name for entry in made.graph.initializer}


def test_embedding_and_attention():
    embed = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 2))
    check(embed, minitorch.tensor([[1, 2, 3], [4, 5, 6]]))
    attend = nn.MultiheadAttention(8, 2, batch_first=True)
    check(lambda q, k: attend.eval()(q, k, k), minitorch.randn(2, 3, 8), minitorch.randn(2, 5, 8))
    causal = lambda q: F.scaled_dot_product_attention(q, q + 1, q, is_causal=True)  # noqa: E731
    check(causal, minitorch.randn(2, 2, 5, 4))
    keep = minitorch.rand(5, 5) > 0.3
    keep[:, 0] = True
    check(lambda q: F.scaled_dot_product_attention(q, q, q, attn_mask=keep), minitorch.randn(2, 2, 5, 4))


FUNCTIONS = {
    "arithmetic": lambda x: (x + 1) * 2 - x / 3 + 2**x - x.abs().sqrt() ** 3,
    "types": lambda x: (x > 0).float() + (x * 3).to(minitorch.int64) + 1,
    "choice": lambda x: minitorch.where(x > 0, x, -x).clamp(0.1, 0.9).masked_fill(x < -1, 5.0),
    "logic": lambda x: ((x > 0) & (x < 1)) | ~(x != 2),
    "shape": lambda x: minitorch.cat([x.permute(1, 0, 2)[:, :, 1:], x.transpose(0, 1)[..., :1]], 2).unsqueeze(1).expand(4, 3, 2, 6),
    "parts": lambda x: (*x.chunk(2, -1), x[:, 0], x[..., -1], x[0, 1::2, None], minitorch.stack([x, x], 1), *x.unbind(0)),
    "reductions": lambda x: (x.mean(), x.sum(1), x.amax((0, 2), keepdim=True), x.var(2), x.std((0, 1)), x.norm(), x.cumsum(1), x.logsumexp(1)),
    "places": lambda x: (*x.max(1), *x.min(-1, keepdim=True), x.argmax(2)),
    "products": lambda x: minitorch.einsum("bij,bkj->bik", x, x) + x @ x.transpose(-1, -2),
    "matrices": lambda x: (x[0].t() @ x[1] + x[0, 0].t()[0], x[0].mm(x[1].t()), x[0].mv(x[1, 0]), x[0, 1].dot(x[1, 1])),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    check(FUNCTIONS[name], minitorch.randn(2, 4, 6))


def test_what_cannot_be_exported_is_named():
    with pytest.raises(NotImplementedError, match="no ONNX form of 'sort_dim'"):
        minitorch.onnx.export(lambda x: x.sort()[0], minitorch.randn(3))

    def partly(x):
        y = x * 2
        y[:1] += 1
        return y

    with pytest.raises(NotImplementedError, match="changed in place"):
        minitorch.onnx.export(partly, minitorch.randn(3))
    with pytest.raises(ValueError, match="2 names"):
        minitorch.onnx.export(nn.ReLU(), minitorch.randn(3), input_names=["a", "b"])
    assert minitorch.core.state.state.trace is None


# Axes of any size.


def run_at(model, axes, *shapes, integers=None):
    """Export at shapes[0], compare at the other shapes; every shape is a list of the arguments' shapes."""

    def made(sizes):
        return [minitorch.randn(*s) if integers is None else minitorch.randint(0, integers, s) for s in sizes]

    buffer, names = io.BytesIO(), [f"x{i}" for i in range(len(shapes[0]))]
    minitorch.onnx.export(model, tuple(made(shapes[0])), buffer, input_names=names, dynamic_axes=axes)
    session = runtime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    for sizes in shapes:
        given = made(sizes)
        with minitorch.no_grad():
            want = model(*given)
        want = want if isinstance(want, tuple) else (want,)  # of a recurrent layer also (h, c)
        want = [part for value in want for part in (value if isinstance(value, tuple) else (value,))]
        got = session.run(None, {name: x.numpy() for name, x in zip(names, given, strict=True)})
        for mine, theirs in zip(want, got, strict=True):
            assert mine.numpy().shape == theirs.shape and mine.numpy().dtype == theirs.dtype
            np.testing.assert_allclose(theirs, mine.numpy(), rtol=1e-5, atol=1e-5)
    return session


@pytest.mark.parametrize("name", LAYERS)
def test_layers_with_a_batch_of_any_size(name):
    layer, shape = LAYERS[name]
    axis = 1 if name in ("gru", "rnn") else 0
    shapes = [([*shape[:axis], size, *shape[axis + 1 :]],) for size in (1, 2, 5)]
    session = run_at(layer.eval(), {"x0": {axis: "batch"}}, *shapes)
    assert session.get_inputs()[0].shape == [*shape[:axis], "batch", *shape[axis + 1 :]]
    assert session.get_outputs()[0].shape[axis] == "batch"


def test_two_axes_of_any_size():
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    axes = {"x0": {0: "n", 1: "length"}}
    shapes = [((2, 3, 8),), ((1, 1, 8),), ((4, 7, 8),)]
    session = run_at(lambda x: attention(x, x, x, need_weights=False)[0], axes, *shapes)
    assert session.get_outputs()[0].shape == ["n", "length", 8]
    session = run_at(lambda x: x.reshape(-1, 4) * len(x), {"x0": [0]}, ((3, 8),), ((1, 8),))
    assert session.get_outputs()[0].shape[1] == 4
    run_at(lambda x: x.flatten(0, 1).mean(1), axes, *shapes)  # a product of two sizes
    run_at(
        lambda x, y: minitorch.cat([x, y]) @ x.t(), {"x0": {0: "a"}, "x1": {0: "b"}}, ((2, 3), (4, 3)), ((5, 3), (1, 3))
    )
    run_at(lambda x, y: x + y, {"x0": [0], "x1": [0]}, ((2, 3), (2, 3)), ((5, 3), (5, 3)))
    embedding = nn.Embedding(7, 4)
    run_at(lambda x: embedding(x).sum(1), {"x0": {0: "n", 1: "length"}}, ((1, 2),), ((3, 5),), integers=7)


def test_what_is_not_the_same_for_all_sizes_is_refused():
    export = minitorch.onnx.export
    for model, why in (
        (lambda x: x * len(x) ** -1, "constant"),
        (lambda x: x * minitorch.arange(len(x))[:, None], "constant"),
        (lambda x: sum(x.unbind(0)), "other steps"),
        (lambda x: x.reshape(-1)[: len(x) ** 2 // 3], "no simple way|other steps"),
    ):
        with pytest.raises(NotImplementedError, match=why):
            export(model, minitorch.randn(4, 3), input_names=["x"], dynamic_axes={"x": {0: "n"}})
    for axis in (2, -1):
        with pytest.raises(ValueError, match=rf"axis {axis} of 'x', of shape \[4, 3\]"):
            export(nn.ReLU(), minitorch.randn(4, 3), input_names=["x"], dynamic_axes={"x": [axis]})
    with pytest.warns(UserWarning, match="'y', which is no input"):
        export(nn.ReLU(), minitorch.randn(4, 3), input_names=["x"], dynamic_axes={"x": [0], "y": [0]})
    with pytest.raises(NotImplementedError, match="dynamic_axes"):
        export(nn.ReLU(), minitorch.randn(4, 3), dynamic_shapes={"x": {0: "n"}})
