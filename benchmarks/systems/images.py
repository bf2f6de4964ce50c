"""Classification of images: the models of `minitorch train`, and fine-tuning against a start from chance."""

from __future__ import annotations

import minitorch
from minitorch import Tensor, nn
from minitorch.models import VGG, CIFARQuick
from minitorch.models.finetune import parameter_groups, with_new_head
from minitorch.nn import functional as F
from minitorch.train import TrainConfig, Training, load_images
from minitorch.vision.datasets import Digits, single_shapes
from minitorch.vision.datasets.shapes import KINDS

from .system import Reached, system
from .training import accuracy, fit

GUESSING = "guessing among the classes"


def trained(config: TrainConfig) -> tuple[Training, Reached]:
    """What `minitorch train` with these options does, without the folder; the accuracy is that after the last epoch."""
    training = Training(config, load_images(config.dataset))
    training.run(lambda: False, lambda: None)
    history = training.history
    details = {key: [line[key] for line in history] for key in ("train_loss", "train_accuracy", "test_accuracy")}
    details["parameters"] = sum(p.numel() for p in training.model.parameters())
    return training, Reached(history[-1]["test_accuracy"], 1 / len(training.data.classes), details)


@system(metric="accuracy on the 360 held-out digits", at_least=0.98, baseline=GUESSING)
def lenet(seed: int = 0, epochs: int = 15, batch_size: int = 32, lr: float = 0.002, shift: int = 2) -> Reached:
    """LeNet on the digits that ship with minitorch."""
    config = TrainConfig(model="lenet", epochs=epochs, batch_size=batch_size, lr=lr, shift=shift, seed=seed)
    return trained(config)[1]


@system(metric="accuracy on the 1,000 test images of single shapes", at_least=0.95, baseline=GUESSING)
def cifar_quick(
    seed: int = 0, images: int = 15_000, epochs: int = 6, batch_size: int = 32, lr: float = 0.0015
) -> Reached:
    """The CIFAR-10-quick model on images of shapes.

    The settings were chosen by the accuracy on 2,000 images of seed 2, which are neither trained nor tested on.
    """
    pixels, labels = single_shapes(images, seed=0)
    test_pixels, test_labels = single_shapes(1000, seed=1)
    minitorch.manual_seed(seed)
    model = CIFARQuick(num_classes=len(KINDS))

    def loss(x: Tensor, y: Tensor) -> Tensor:
        # The mirror image of a shape is one of the same kind: every other batch is turned round.
        return F.cross_entropy(model(x.flip(3) if minitorch.rand(1).item() < 0.5 else x), y)

    losses = fit(model, loss, [contrast_normalised(pixels), labels], epochs, batch_size, lr)
    reached = accuracy(model, contrast_normalised(test_pixels), test_labels)
    return Reached(reached, 1 / len(KINDS), {"train_loss": losses})


def contrast_normalised(images: Tensor) -> Tensor:
    """uint8 (N, C, S, S) -> float32: every channel of an image less its mean, then every image over its root mean square.

    How bright the ground is, and how strong the colour, says nothing about the shape (global contrast normalisation;
    Goodfellow et al., "Maxout networks", ICML 2013, section 5.2).
    """
    centred = images.float()
    centred = centred - centred.mean((2, 3), keepdim=True)
    return centred / centred.square().mean((1, 2, 3), keepdim=True).sqrt()


@system(metric="accuracy on the 1,000 test images of single shapes", at_least=0.95, baseline=GUESSING)
def resnet(seed: int = 0, epochs: int = 9, batch_size: int = 32, lr: float = 0.005, shift: int = 0) -> Reached:
    """ResNet-8 on images of shapes."""
    config = TrainConfig("resnet-8", "shapes", epochs, batch_size, lr=lr, shift=shift, seed=seed)
    return trained(config)[1]


SOURCE, TARGET = range(5), range(5, 10)


def digits_of(train: bool, classes: range) -> tuple[Tensor, Tensor]:
    """float32 (N, 1, 32, 32) from -1, paper, to 1, ink; int64 (N,) into `classes`."""
    data = Digits(train=train)
    chosen = (data.targets >= classes.start) & (data.targets < classes.stop)
    images = data.data[chosen].float()[:, None] / 127.5 - 1
    return F.pad(images, (2, 2, 2, 2), value=-1.0), data.targets[chosen] - classes.start


def small_vgg(num_classes: int) -> VGG:
    widths = (8, 16, 32, 32, 32)
    return VGG(11, num_classes, batch_norm=True, in_channels=1, widths=widths, hidden=32, pooled=1, dropout=0.0)


def cross_entropy_of(model: nn.Module):
    return lambda images, labels: F.cross_entropy(model(images), labels)


@system(
    metric="test accuracy of fine-tuning less that of training from scratch, both on 25 images of new digits",
    at_least=0.1,
    baseline="accuracy of training from scratch",
)
def vgg_fine_tuning(
    seed: int = 0,
    source_epochs: int = 8,
    target_images: int = 25,
    target_epochs: int = 40,
    batch_size: int = 32,
    lr: float = 0.005,
    body_lr: float = 0.001,
    head_lr: float = 0.01,
) -> Reached:
    """VGG fine-tuned: learnt on the digits 0 to 4, used for 5 to 9."""
    minitorch.manual_seed(seed)
    source = small_vgg(len(SOURCE))
    source_losses = fit(source, cross_entropy_of(source), digits_of(True, SOURCE), source_epochs, batch_size, lr)
    details = {"source accuracy": accuracy(source, *digits_of(False, SOURCE))}
    images, labels = digits_of(True, TARGET)
    few, test = (images[:target_images], labels[:target_images]), digits_of(False, TARGET)

    tuned = with_new_head(source, len(TARGET))
    groups = parameter_groups(tuned, body_lr, head_lr)
    tuned_losses = fit(tuned, cross_entropy_of(tuned), few, target_epochs, batch_size, lr, groups)
    scratch = small_vgg(len(TARGET))
    scratch_losses = fit(scratch, cross_entropy_of(scratch), few, target_epochs, batch_size, lr)
    fine, chance = accuracy(tuned, *test), accuracy(scratch, *test)
    details |= {"fine-tuned accuracy": fine, "accuracy from scratch": chance, "source loss": source_losses}
    details |= {"fine-tuned loss": tuned_losses, "loss from scratch": scratch_losses}
    return Reached(fine - chance, chance, details)
