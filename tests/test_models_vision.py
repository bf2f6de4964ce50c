"""LeNet, MLP, CIFAR-quick, VGG, ResNet, U-Net against copies in torch with torchvision's names; fine-tuning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models_against_torch import assert_same_model, random_images
from torch import nn

import minitorch
from minitorch.models import MLP, VGG, CIFARQuick, LeNet, UNet
from minitorch.models.finetune import freeze_body, parameter_groups, with_new_head
from minitorch.models.resnet import BasicBlock, Bottleneck, ResNet, cifar_resnet, gradient_norms, resnet


def batch_norm_conv(a, b, size, stride=1):
    return nn.Conv2d(a, b, size, stride, padding=size // 2, bias=False), nn.BatchNorm2d(b)


class TorchBlock(nn.Module):
    """A residual block for any list of kernel sizes; the stride belongs to the 3x3 that comes first."""

    def __init__(self, channels, sizes, widths, stride, shortcut):
        super().__init__()
        self.shortcut, self.count, before = shortcut, len(sizes), channels
        for i, (size, width) in enumerate(zip(sizes, widths, strict=True), 1):
            own = stride if i == sizes.index(3) + 1 else 1
            conv, norm = batch_norm_conv(before, width, size, own)
            self.add_module(f"conv{i}", conv)
            self.add_module(f"bn{i}", norm)
            before = width
        changes = stride != 1 or channels != before
        self.downsample = nn.Sequential(*batch_norm_conv(channels, before, 1, stride)) if shortcut and changes else None

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = y.relu() if i < self.count else y
        if self.shortcut:
            y = y + (x if self.downsample is None else self.downsample(x))
        return y.relu()


class TorchResNet(nn.Module):
    def __init__(self, bottleneck, blocks, classes, widths, small=False, shortcut=True):
        super().__init__()
        self.small, self.stages = small, len(blocks)
        self.conv1 = nn.Conv2d(3, widths[0], 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        channels = widths[0]
        for k, (count, width) in enumerate(zip(blocks, widths, strict=True)):
            layers = []
            for i in range(count):
                sizes, wide = ([1, 3, 1], [width, width, 4 * width]) if bottleneck else ([3, 3], [width, width])
                layers.append(TorchBlock(channels, sizes, wide, 2 if k and not i else 1, shortcut))
                channels = wide[-1]
            self.add_module(f"layer{k + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        x = x if self.small else nn.functional.max_pool2d(x, 3, 2, 1)
        for k in range(self.stages):
            x = getattr(self, f"layer{k + 1}")(x)
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_resnet_is_torchs(block, mode):
    blocks, widths = (2, 1, 1, 2), (4, 4, 6, 6)
    mine, true = ResNet(block, blocks, 5, widths=widths), TorchResNet(block is Bottleneck, blocks, 5, widths)
    assert_same_model(getattr(mine, mode)(), getattr(true, mode)(), random_images(2, 3, 64, 64))


@pytest.mark.parametrize("shortcut", [True, False])
def test_cifar_resnet_is_torchs(shortcut):
    mine = cifar_resnet(14, width=4, shortcut=shortcut)
    true = TorchResNet(False, (2, 2, 2), 10, (4, 8, 16), small=True, shortcut=shortcut)
    assert_same_model(mine, true, random_images(2, 3, 16, 16))


# The numbers that torchvision's documentation states for its weights.
@pytest.mark.parametrize(("depth", "parameters"), [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032)])
def test_resnets_have_the_published_number_of_parameters(depth, parameters):
    model = resnet(depth)
    assert sum(p.numel() for p in model.parameters()) == parameters
    layers = sum(
        isinstance(m, minitorch.nn.Conv2d | minitorch.nn.Linear)
        for n, m in model.named_modules()
        if "downsample" not in n
    )
    assert layers == depth


def test_a_block_of_zeros_is_the_identity():
    """F = 0: the block passes what is positive, and the gradient, unchanged (identity mapping)."""
    block = BasicBlock(4, 4)
    minitorch.nn.init.zeros_(block.bn2.weight)
    x = minitorch.rand(2, 4, 5, 5).requires_grad_()
    block(x).sum().backward()
    np.testing.assert_array_equal(block(x).detach().numpy(), x.detach().numpy())
    np.testing.assert_array_equal(x.grad.numpy(), 1)


def test_gradient_norms_list_the_convolutions_in_order():
    minitorch.manual_seed(0)
    model = cifar_resnet(8, width=4)
    model(minitorch.randn(2, 3, 8, 8)).sum().backward()
    norms = gradient_norms(model)
    assert list(norms)[0] == "conv1" and list(norms)[-1] == "layer3.0.downsample.0" and len(norms) == 9
    expected = float(np.sqrt((model.layer2[0].conv1.weight.grad.numpy().astype(float) ** 2).sum()))
    assert norms["layer2.0.conv1"] == pytest.approx(expected, rel=1e-5)


class TorchVGG(nn.Module):
    def __init__(self, plan, classes, hidden, pooled, batch_norm):
        super().__init__()
        layers, before = [], 3
        for width in plan:
            if width == "M":
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers += [nn.Conv2d(before, width, 3, 1, 1), *([nn.BatchNorm2d(width)] if batch_norm else []), nn.ReLU()]
            before = width
        self.features, self.avgpool = nn.Sequential(*layers), nn.AdaptiveAvgPool2d(pooled)
        sizes = [before * pooled**2, hidden, hidden, classes]
        linear = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
        self.classifier = nn.Sequential(
            linear[0], nn.ReLU(), nn.Dropout(0), linear[1], nn.ReLU(), nn.Dropout(0), linear[2]
        )

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# torchvision's plans of columns A, B, D and E, at a sixteenth of the width and less.
A = [4, "M", 4, "M", 6, 6, "M", 8, 8, "M", 8, 8, "M"]
B = [4, 4, "M", 4, 4, "M", 6, 6, "M", 8, 8, "M", 8, 8, "M"]
D = [4, 4, "M", 4, 4, "M", 6, 6, 6, "M", 8, 8, 8, "M", 8, 8, 8, "M"]
E = [4, 4, "M", 4, 4, "M", 6, 6, 6, 6, "M", 8, 8, 8, 8, "M", 8, 8, 8, 8, "M"]


@pytest.mark.parametrize(
    ("depth", "plan", "batch_norm"), [(11, A, True), (13, B, False), (16, D, True), (19, E, False)]
)
def test_vgg_is_torchs(depth, plan, batch_norm):
    mine = VGG(depth, 5, batch_norm, dropout=0.0, widths=(4, 4, 6, 8, 8), hidden=12, pooled=2)
    assert_same_model(mine, TorchVGG(plan, 5, 12, 2, batch_norm), random_images(2, 3, 64, 64))


def test_vgg_16_has_the_published_number_of_parameters():
    """138,357,544 in all, of which the body has 14,714,688; the head at a smaller size here."""
    model = VGG(16, hidden=16)
    assert sum(p.numel() for p in model.features.parameters()) == 14_714_688
    assert 14_714_688 + 25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000 == 138_357_544
    assert model.classifier[0].in_features == 25088


class TorchLeNet(nn.Module):
    def __init__(self, channels, pooled):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(16 * pooled**2, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = nn.functional.max_pool2d(conv(x).relu(), 2)
        return self.fc3(self.fc2(self.fc1(x.flatten(1)).relu()).relu())


@pytest.mark.parametrize(("channels", "side", "pooled"), [(1, 28, 4), (3, 32, 5)])
def test_lenet_is_torchs(channels, side, pooled):
    mine, true = LeNet(channels, side), TorchLeNet(channels, pooled)
    assert_same_model(mine, true, random_images(3, channels, side, side))


@pytest.mark.parametrize("hidden", [(), (7,), (9, 5)])
def test_mlp_is_torchs(hidden):
    widths, layers = (12, *hidden, 4), [nn.Flatten()]
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(a, b), nn.ReLU()]
    true = nn.Sequential()
    true.layers = nn.Sequential(*layers[:-1])
    assert_same_model(MLP(12, hidden, 4), true, random_images(5, 3, 2, 2))


def test_cifar_quick_is_torchs():
    layers = []
    for a, b in ((3, 32), (32, 32), (32, 64)):
        layers += [nn.Conv2d(a, b, 5, padding=2), nn.MaxPool2d(2), nn.ReLU()]
    true = nn.Module()
    true.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10))
    true.forward = true.layers.forward
    assert_same_model(CIFARQuick(image_size=16), true, random_images(2, 3, 16, 16))
    plain = [type(m).__name__ for m in CIFARQuick(activation=False).layers]
    assert plain == ["Conv2d", "MaxPool2d"] * 3 + ["Flatten", "Linear", "Linear"]


class TorchUNet(nn.Module):
    def __init__(self, classes, widths, down, up):
        super().__init__()

        def double(a, b):
            return nn.Sequential(*batch_norm_conv(a, b, 3), nn.ReLU(), *batch_norm_conv(b, b, 3), nn.ReLU())

        halve = {
            "max": lambda c: nn.MaxPool2d(2),
            "average": lambda c: nn.AvgPool2d(2),
            "strided": lambda c: nn.Conv2d(c, c, 3, 2, 1),
        }
        enlarge = lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2, mode=up), nn.Conv2d(a, b, 1))  # noqa: E731
        if up == "transposed":
            enlarge = lambda a, b: nn.ConvTranspose2d(a, b, 2, 2)  # noqa: E731
        one, two, three = widths
        self.down = nn.ModuleList([double(3, one), double(one, two), double(two, three)])
        self.shrink = nn.ModuleList([halve[down](one), halve[down](two)])
        self.enlarge = nn.ModuleList([enlarge(three, two), enlarge(two, one)])
        self.up = nn.ModuleList([double(2 * two, two), double(2 * one, one)])
        self.head = nn.Conv2d(one, classes, 1)

    def forward(self, x):
        fine = self.down[0](x)
        middle = self.down[1](self.shrink[0](fine))
        coarse = self.down[2](self.shrink[1](middle))
        middle = self.up[0](torch.cat([middle, self.enlarge[0](coarse)], 1))
        return self.head(self.up[1](torch.cat([fine, self.enlarge[1](middle)], 1)))


@pytest.mark.parametrize(("down", "up"), [("max", "transposed"), ("average", "bilinear"), ("strided", "nearest")])
def test_unet_is_torchs(down, up):
    mine = UNet(3, 4, (4, 6, 8), down, up)
    assert_same_model(mine, TorchUNet(4, (4, 6, 8), down, up), random_images(2, 3, 8, 12))


def test_models_name_what_they_refuse():
    with pytest.raises(ValueError, match="VGG: depth"):
        VGG(12)
    with pytest.raises(ValueError, match="resnet: depth"):
        resnet(19)
    with pytest.raises(ValueError, match="6 n"):
        cifar_resnet(10)
    with pytest.raises(ValueError, match="UNet: down"):
        UNet(down="half")
    with pytest.raises(RuntimeError, match=r"divisible by 4.*\(1, 3, 6, 8\)"):
        UNet()(minitorch.zeros(1, 3, 6, 8))


# Fine-tuning


@pytest.mark.parametrize(
    "make", [lambda: LeNet(), lambda: cifar_resnet(8, width=4), lambda: VGG(11, widths=(2,) * 5, hidden=4)]
)
def test_a_new_head_on_the_old_body(make):
    source = make()
    target = with_new_head(source, 3)
    mine, old = target.state_dict(), source.state_dict()
    assert list(mine) == list(old)
    changed = [k for k in old if mine[k].shape != old[k].shape or not (mine[k] == old[k]).all()]
    assert [k.rsplit(".", 1)[1] for k in changed] == ["weight", "bias"] and len(
        {k.rsplit(".", 1)[0] for k in changed}
    ) == 1
    assert all(mine[k].shape[0] == 3 for k in changed)
    body, head = parameter_groups(target, 0.001, 0.1)
    assert (body["lr"], head["lr"]) == (0.001, 0.1) and [p.shape[0] for p in head["params"]] == [3, 3]
    together = [id(p) for p in [*body["params"], *head["params"]]]
    assert sorted(together) == sorted(id(p) for p in target.parameters())


def test_two_learning_rates_move_body_and_head():
    target = with_new_head(LeNet(), 3)
    before = {name: p.detach().clone() for name, p in target.named_parameters()}
    optimizer = minitorch.optim.SGD(parameter_groups(target, 0.01, 1.0))
    target(minitorch.rand(2, 1, 28, 28)).square().sum().backward()
    optimizer.step()
    for name, p in target.named_parameters():
        rate = 1.0 if name.startswith("fc3") else 0.01
        np.testing.assert_allclose(p.detach().numpy(), (before[name] - rate * p.grad).numpy(), rtol=1e-6)
    freeze_body(target)
    assert [name for name, p in target.named_parameters() if p.requires_grad] == ["fc3.weight", "fc3.bias"]
    with pytest.raises(ValueError, match="linear"):
        with_new_head(minitorch.nn.Sequential(minitorch.nn.Conv2d(1, 1, 1)), 3)
