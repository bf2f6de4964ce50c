"""Classification of images: the models of `minitorch train`, and fine-tuning against a start from chance."""

from __future__ import annotations

import minitorch
from minitorch import Tensor, nn
from minitorch.models import VGG
from minitorch.models.finetune import parameter_groups, with_new_head
from minitorch.nn import functional as F
from minitorch.train import TrainConfig, Training, load_images
from minitorch.vision.datasets import single_shapes

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
def cifar_quick(seed: int = 0, epochs: int = 10, batch_size: int = 32, lr: float = 0.001, shift: int = 2) -> Reached:
    """The CIFAR-10-quick model on images of shapes."""
    config = TrainConfig("cifar-quick", "shapes", epochs, batch_size, lr=lr, shift=shift, seed=seed)
    return trained(config)[1]


@system(metric="accuracy on the 1,000 test images of single shapes", at_least=0.95, baseline=GUESSING)
def resnet(seed: int = 0, epochs: int = 8, batch_size: int = 64, lr: float = 0.005, shift: int = 2) -> Reached:
    """ResNet-8 on images of shapes."""
    config = TrainConfig("resnet-8", "shapes", epochs, batch_size, lr=lr, shift=shift, seed=seed)
    return trained(config)[1]


SOURCE_KINDS, TARGET_KINDS = ("ellipse", "rectangle", "triangle"), ("cross", "diamond", "ring")


def shape_images(count: int, seed: int, kinds: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """float32 (count, 3, 32, 32) about 0, int64 (count,) into `kinds`."""
    images, labels = single_shapes(count, seed, kinds=kinds)
    return images.float() / 64 - 2, labels


def small_vgg(num_classes: int) -> VGG:
    return VGG(11, num_classes, batch_norm=True, widths=(16, 32, 64, 64, 64), hidden=64, pooled=1, dropout=0.0)


def cross_entropy_of(model: nn.Module):
    return lambda images, labels: F.cross_entropy(model(images), labels)


@system(
    metric="test accuracy of fine-tuning less that of training from scratch, on 30 images of new kinds of shapes",
    at_least=0.1,
    baseline="accuracy of training from scratch",
)
def vgg_fine_tuning(
    seed: int = 0,
    source_images: int = 2000,
    source_epochs: int = 6,
    target_images: int = 30,
    target_epochs: int = 40,
    batch_size: int = 32,
    lr: float = 0.002,
    body_lr: float = 0.0002,
    head_lr: float = 0.01,
) -> Reached:
    """VGG fine-tuned: learnt on ellipses, rectangles and triangles, used for crosses, diamonds and rings."""
    images, labels = shape_images(source_images, seed, SOURCE_KINDS)
    minitorch.manual_seed(seed)
    source = small_vgg(len(SOURCE_KINDS))
    source_losses = fit(source, cross_entropy_of(source), [images, labels], source_epochs, batch_size, lr)
    details = {"source accuracy": accuracy(source, *shape_images(500, seed + 1, SOURCE_KINDS))}
    few, test = shape_images(target_images, seed + 2, TARGET_KINDS), shape_images(500, seed + 3, TARGET_KINDS)

    tuned = with_new_head(source, len(TARGET_KINDS))
    groups = parameter_groups(tuned, body_lr, head_lr)
    tuned_losses = fit(tuned, cross_entropy_of(tuned), few, target_epochs, batch_size, lr, groups)
    scratch = small_vgg(len(TARGET_KINDS))
    scratch_losses = fit(scratch, cross_entropy_of(scratch), few, target_epochs, batch_size, lr)
    fine, chance = accuracy(tuned, *test), accuracy(scratch, *test)
    details |= {"fine-tuned accuracy": fine, "accuracy from scratch": chance, "source loss": source_losses}
    details |= {"fine-tuned loss": tuned_losses, "loss from scratch": scratch_losses}
    return Reached(fine - chance, chance, details)
