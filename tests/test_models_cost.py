"""Costs against torch's counter and sums by hand; pruning by its definition; 8 bits against torch and whole numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models_against_torch import random_images
from nn_against_torch import to_ours, twin
from torch.utils.flop_counter import FlopCounterMode

import minitorch
from minitorch import nn
from minitorch.models import GPT, LeNet
from minitorch.models.cost import flops, latency, layer_costs, state_bytes
from minitorch.models.pruning import (
    apply_masks,
    magnitude_masks,
    prunable,
    remove_units,
    sparsity,
    strongest_units,
)
from minitorch.models.quantisation import Range, input_ranges, quantise, quantise_weight
from minitorch.models.resnet import resnet
from minitorch.models.transformer import MultiheadAttention, Transformer


def counted_by_torch(module, *inputs):
    counter = FlopCounterMode(display=False)
    with counter, torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        module(*inputs)
    return counter.get_total_flops()


def test_flops_are_torchs():
    layers = [
        torch.nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
        torch.nn.ConvTranspose2d(6, 4, (2, 3), stride=2, groups=2),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 8 * 9, 7),
    ]
    true = torch.nn.Sequential(*layers)
    x = torch.zeros(3, 4, 8, 8)
    assert flops(twin(true), to_ours(x)) == counted_by_torch(true, x) > 0


@pytest.mark.parametrize("others", [5, 7])
def test_flops_of_attention_are_torchs(others):
    true = torch.nn.MultiheadAttention(12, 3, batch_first=True).train()
    x, y = torch.zeros(2, 5, 12), torch.zeros(2, others, 12)
    expected = counted_by_torch(lambda a, b, c: true(a, b, c, need_weights=False), x, y, y)
    assert flops(MultiheadAttention(12, 3), *to_ours([x, y, y])) == expected


def test_flops_of_whole_models():
    """ResNet-18 at 224 x 224: torchvision's documentation states 1.81 billion multiplications."""
    model = resnet(18, small_images=False)
    rows = layer_costs(model, minitorch.zeros(1, 3, 32, 32))
    assert sum(row.parameters for row in rows) == 11_689_512
    at_224 = sum(row.flops for row in rows if row.kind == "Conv2d") * 49 + rows[-1].flops
    assert round(at_224 / 2e9, 2) == 1.81
    gpt = GPT(11, 8, 12, 3, 1)
    by_hand = 2 * 6 * 12 * 36 + 4 * 6 * 6 * 12 + 2 * 6 * 12 * 12 + 2 * 2 * 6 * 12 * 48
    assert flops(gpt, minitorch.zeros(1, 6, dtype=minitorch.int64)) == by_hand


def test_counting_leaves_no_trace():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = layer_costs(model, minitorch.randn(4, 3))
    assert [(r.name, r.kind, r.parameters, r.output) for r in rows] == [
        ("0", "Linear", 12, (4, 3)),
        ("1", "BatchNorm1d", 6, (4, 3)),
    ]
    assert model.training and not model[1].training and all(not m._forward_hooks for m in model.modules())
    assert all((before[name] == value).all() for name, value in model.state_dict().items())
    assert state_bytes(model) == 4 * (12 + 6 + 6) + 8


def test_a_layer_used_twice_costs_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(self.layer(x))

    assert flops(Twice(), minitorch.zeros(2, 3)) == 2 * 2 * 2 * 3 * 3


def test_latency_measures_each_batch():
    measured = latency(nn.Linear(3, 2), minitorch.zeros(1, 3), (1, 4), repeats=3)
    assert [m.batch for m in measured] == [1, 4]
    assert all(
        0 < m.quartiles[0] <= m.seconds <= m.quartiles[1] and m.per_second == m.batch / m.seconds for m in measured
    )


# Pruning


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_pruning_takes_the_smallest_weights_of_all_layers(share):
    minitorch.manual_seed(0)
    model = LeNet(image_size=16)
    before = np.concatenate([layer.weight.detach().numpy().ravel() for layer in prunable(model).values()])
    masks = magnitude_masks(model, share)
    apply_masks(model, masks)
    after = np.concatenate([layer.weight.detach().numpy().ravel() for layer in prunable(model).values()])
    gone = np.argsort(abs(before), kind="stable")[: int(share * before.size)]
    expected = before.copy()
    expected[gone] = 0
    np.testing.assert_array_equal(after, expected)
    assert sparsity(model) == pytest.approx(int(share * before.size) / before.size)
    optimizer = minitorch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(minitorch.randn(2, 1, 16, 16)).square().sum().backward()
    optimizer.step()
    apply_masks(model, masks)
    assert sparsity(model) == pytest.approx(int(share * before.size) / before.size)
    with pytest.raises(ValueError, match="share"):
        magnitude_masks(model, 1.0)


def test_removing_units_that_do_nothing_changes_nothing():
    """conv, batch norm, ReLU, pooling, flattening, linear: filters whose outgoing weights are zero can go."""
    minitorch.manual_seed(1)
    conv, norm, linear = nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.Linear(5 * 4, 3)
    model = nn.Sequential(conv, norm, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), linear).double()
    for buffer in (norm.running_mean, norm.running_var):
        buffer.uniform_(0.5, 1.5)
    model.eval()
    with minitorch.no_grad():
        for k in (1, 4):
            conv.weight[k] *= 0.01
            linear.weight[:, 4 * k : 4 * k + 4] = 0
    x = minitorch.randn(3, 2, 6, 6).double()
    expected = model(x)
    keep = strongest_units(conv, 3)
    assert keep.tolist() == [0, 2, 3]
    remove_units(conv, linear, keep, norm)
    np.testing.assert_allclose(model(x).detach().numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-13)
    assert (conv.out_channels, linear.in_features, norm.num_features) == (3, 12, 3)
    model.train()
    model(x).sum().backward()
    assert conv.weight.grad.shape == (3, 2, 3, 3)
    with pytest.raises(RuntimeError, match="3 units do not lead to 7"):
        remove_units(conv, nn.Linear(7, 1), keep)


# Quantisation


def test_codes_are_torchs():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 7)).astype(np.float32)
    code = Range.of(float(x.min()) / 2, float(x.max()) / 2)
    q = code.quantise(minitorch.tensor(x))
    expected = torch.fake_quantize_per_tensor_affine(torch.tensor(x), code.scale, code.zero, -128, 127)
    np.testing.assert_allclose(code.restore(q, minitorch.tensor(x)).numpy(), expected.numpy(), rtol=1e-6)
    assert (q.numpy().min(), q.numpy().max()) == (-128, 127)  # what lies outside the range is clamped
    weight, scale = quantise_weight(minitorch.tensor(x))
    true = torch.fake_quantize_per_channel_affine(
        torch.tensor(x), torch.tensor(scale.numpy()), torch.zeros(50, dtype=torch.int32), 0, -127, 127
    )
    np.testing.assert_allclose(weight.numpy() * scale.numpy()[:, None], true.numpy(), rtol=1e-6)
    assert (abs(weight.numpy()).max(1) == 127).all()
    assert quantise_weight(minitorch.zeros(2, 3))[0].tolist() == [[0] * 3] * 2


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.5, 2.0), (-4.0, -1.0), (0.0, 0.0)])
def test_zero_is_exact_and_errors_are_half_a_step(low, high):
    code = Range.of(low, high)
    x = minitorch.tensor(np.linspace(low, high, 101))
    back = code.restore(code.quantise(x), x).numpy()
    # At the ends half a step more, by which rounding `zero` may have moved the interval.
    assert (abs(back - x.numpy()) <= code.scale * (1 + 1e-9)).all()
    assert (abs(back - x.numpy())[5:-5] <= code.scale * (0.5 + 1e-9)).all()
    zero = minitorch.zeros(1).double()
    assert code.restore(code.quantise(zero), zero).item() == 0.0


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2, 6, 3, stride=2, padding=(1, 2)), nn.ReLU(), nn.Conv2d(6, 4, (1, 2), bias=False)
        )
        self.head = nn.Linear(36, 5)

    def forward(self, x):
        return self.head(self.body(x).relu().flatten(1))


def test_whole_numbers_give_what_the_simulation_says():
    minitorch.manual_seed(2)
    model = Small().double()
    x = to_ours(random_images(6, 2, 5, 6))
    simulated, integer = quantise(model, [x[:3], x[3:]]), quantise(model, [x], integer=True)
    a, b, true = (m(x).detach().numpy() for m in (simulated, integer, model))
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
    assert 0 < np.abs(a - true).max() < 0.03 * np.abs(true).max()
    # The sums are whole numbers, by NumPy's products of integers as well.
    layer = integer.head
    inputs = layer.inputs.quantise(minitorch.randn(4, 36).double())
    np.testing.assert_array_equal(
        layer.products(inputs).numpy(), inputs.numpy().astype(int) @ layer.weight.numpy().astype(int).T
    )
    assert layer.products(inputs).dtype is minitorch.int32 and layer.weight.dtype is minitorch.int8
    assert state_bytes(integer) < state_bytes(model) / 4
    assert [type(m).__name__ for m in model.body] == ["Conv2d", "ReLU", "Conv2d"]


def test_ranges_are_those_of_all_batches():
    model = nn.Sequential(nn.Linear(2, 2))
    batches = [minitorch.tensor([[1.0, -2.0]]), minitorch.tensor([[3.0, 0.0]])]
    assert input_ranges(model, batches) == {"0": Range.of(-2.0, 3.0)}
    assert not model[0]._forward_pre_hooks


def test_convolutions_that_are_not_covered_are_refused():
    with pytest.raises(ValueError, match="plain convolutions"):
        quantise(nn.Sequential(nn.Conv2d(2, 2, 3, groups=2)), [minitorch.zeros(1, 2, 4, 4)])


def test_transformers_are_counted():
    model = Transformer(8, 2, 1, 1, 16, 0.0)
    x, y = minitorch.zeros(2, 5, 8), minitorch.zeros(2, 3, 8)
    attended = sum(4 * 2 * a * b * 8 + 2 * 2 * 64 * (a + 2 * b) + 2 * 2 * a * 64 for a, b in ((5, 5), (3, 3), (3, 5)))
    feed_forward = sum(2 * 2 * 2 * a * 8 * 16 for a in (5, 3))
    assert flops(model, x, y) == attended + feed_forward
