"""The world of shapes: generated scenes with everything that can be asked about them.

A scene is a list of coloured shapes on a grey ground. From it follow the image, the bounding boxes (边界框), the
masks, a caption, questions with their answers, and a short video in which the shapes move and rebound. Scene `index` of
`seed` depends on these two numbers alone: NumPy's `RandomState` is frozen, and the drawing is done in whole numbers, so
every machine makes the same bytes.

Coordinates: x to the right, y down, in pixels; pixel (row, column) covers [column, column + 1] x [row, row + 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...core.tensor import Tensor, wrap
from ...utils.data.dataset import Dataset
from .vision import VisionDataset

# kind -> which points belong to it. x, y: twice the distance from the centre, a, b: twice the half width and height,
# all whole numbers. Tips are rounded up to a pixel, so that every shape reaches all four sides of its box.
INSIDE: dict[str, Callable[[np.ndarray, np.ndarray, int, int], np.ndarray]] = {
    "ellipse": lambda x, y, a, b: (x * b) ** 2 + (y * a) ** 2 <= (a * b) ** 2,
    "rectangle": lambda x, y, a, b: (abs(x) <= a) & (abs(y) <= b),
    "triangle": lambda x, y, a, b: (2 * b * abs(x) <= a * (y + b) + 2 * b) & (abs(x) <= a) & (abs(y) <= b),
    "diamond": lambda x, y, a, b: b * abs(x) + a * abs(y) <= a * b + max(a, b),
    "cross": lambda x, y, a, b: (abs(x) <= a) & (abs(y) <= b) & ((3 * abs(x) <= a) | (3 * abs(y) <= b)),
    "ring": lambda x, y, a, b: _between((x * b) ** 2 + (y * a) ** 2, (a * b) ** 2),
}
KINDS = tuple(INSIDE)
COLOURS = {
    "red": (214, 48, 49),
    "green": (46, 160, 67),
    "blue": (52, 101, 214),
    "yellow": (241, 196, 15),
    "purple": (142, 68, 173),
    "cyan": (40, 190, 200),
}
OVERLAP = 0.1  # no two boxes of a scene have a larger intersection over union
LARGE = 18  # from this geometric mean of width and height on, at side 64, a shape is called large
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _between(distance: np.ndarray, outer: int) -> np.ndarray:
    """The ellipse without the one of half its size."""
    return (distance <= outer) & (4 * distance >= outer)


@dataclass(frozen=True)
class Shape:
    """A shape with centre (x, y), half width a, half height b, moving by (dx, dy) pixels a frame."""

    kind: str
    colour: str
    x: int
    y: int
    a: int
    b: int
    dx: int = 0
    dy: int = 0

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom): the smallest box around the shape."""
        return self.x - self.a, self.y - self.b, self.x + self.a, self.y + self.b

    @property
    def name(self) -> str:
        return f"{self.colour} {self.kind}"

    def covers(self, side: int) -> np.ndarray:
        """The pixels whose centres lie in the shape: bool (side, side)."""
        centres = 2 * np.arange(side) + 1
        return INSIDE[self.kind](centres - 2 * self.x, centres[:, None] - 2 * self.y, 2 * self.a, 2 * self.b)


@dataclass(frozen=True)
class Scene:
    """Shapes from back to front: a later one hides what lies behind it."""

    side: int
    shapes: tuple[Shape, ...]
    ground: int  # brightness of the background
    noise: int  # seed of the grain of the image

    @property
    def boxes(self) -> np.ndarray:
        """float32 (K, 4): left, top, right, bottom of each shape, its hidden parts included."""
        return np.array([shape.box for shape in self.shapes], np.float32).reshape(-1, 4)

    @property
    def labels(self) -> np.ndarray:
        """int64 (K,): indices into `KINDS`."""
        return np.array([KINDS.index(shape.kind) for shape in self.shapes], np.int64)

    def segmentation(self) -> np.ndarray:
        """uint8 (side, side): k + 1 where shape k is seen, 0 for the ground."""
        owner = np.zeros((self.side, self.side), np.uint8)
        for k, shape in enumerate(self.shapes):
            owner[shape.covers(self.side)] = k + 1
        return owner

    def masks(self) -> np.ndarray:
        """bool (K, side, side): the visible pixels of each shape."""
        return self.segmentation() == np.arange(1, len(self.shapes) + 1, dtype=np.uint8)[:, None, None]

    def image(self) -> np.ndarray:
        """uint8 (side, side, 3): red, green, blue, with grain on everything."""
        palette = np.array([[self.ground] * 3, *(COLOURS[shape.colour] for shape in self.shapes)])
        grain = np.random.RandomState(self.noise).randint(-12, 13, (self.side, self.side, 3))
        return np.clip(palette[self.segmentation()] + grain, 0, 255).astype(np.uint8)

    # In words

    def size(self, shape: Shape) -> str:
        return "large" if 4 * shape.a * shape.b * 64**2 >= (LARGE * self.side) ** 2 else "small"

    def place(self, shape: Shape) -> str:
        """Where its centre is: upper left, upper right, lower left or lower right."""
        return f"{'upper' if 2 * shape.y < self.side else 'lower'} {'left' if 2 * shape.x < self.side else 'right'}"

    def caption(self) -> str:
        """All shapes from back to front: "a large red ring in the upper left and a small blue cross in the lower left"."""
        parts = [f"a {self.size(s)} {s.name} in the {self.place(s)}" for s in self.shapes]
        return " and ".join(parts) if parts else "nothing"

    def questions(self) -> list[tuple[str, str]]:
        """(question, answer) pairs: how many, is there, which colour, which size, where, and relations.

        What is asked about "the ring" is asked only if there is exactly one ring.
        """
        asked = []
        for kind in KINDS:
            count = sum(s.kind == kind for s in self.shapes)
            asked.append((f"how many shapes are {plural(kind)}?", NUMBERS[count]))
            asked += [
                (f"is there a {colour} {kind}?", yes(any(s.name == f"{colour} {kind}" for s in self.shapes)))
                for colour in COLOURS
            ]
        for s in self._single("kind"):
            asked.append((f"what colour is the {s.kind}?", s.colour))
            asked.append((f"what size is the {s.kind}?", self.size(s)))
            asked.append((f"where is the {s.kind}?", self.place(s)))
        asked += [(f"what is the {s.colour} shape?", s.kind) for s in self._single("colour")]
        for s in self._single("name"):
            for t in self._single("name"):
                if s is not t:
                    asked.append((f"is the {s.name} left of the {t.name}?", yes(s.x < t.x)))
                    asked.append((f"is the {s.name} above the {t.name}?", yes(s.y < t.y)))
        return asked

    def _single(self, attribute: str) -> Iterator[Shape]:
        """The shapes whose kind, colour or name no other one has."""
        values = [getattr(shape, attribute) for shape in self.shapes]
        return (shape for shape, value in zip(self.shapes, values, strict=True) if values.count(value) == 1)

    # In time

    def after(self, frames: int) -> Scene:
        """The scene some frames later: every shape goes on straight and rebounds from the border."""
        moved = []
        for s in self.shapes:
            x = _rebound(s.x + s.dx * frames, s.a, self.side - s.a)
            y = _rebound(s.y + s.dy * frames, s.b, self.side - s.b)
            moved.append(replace(s, x=x, y=y))
        return replace(self, shapes=tuple(moved), noise=(self.noise + frames) % 2**32)

    def video(self, frames: int) -> list[Scene]:
        """The scene at times 0, 1, ..., frames - 1; shape k is the same one throughout."""
        return [self.after(t) for t in range(frames)]


def plural(kind: str) -> str:
    return f"{kind}es" if kind == "cross" else f"{kind}s"


def yes(answer: bool) -> str:
    return "yes" if answer else "no"


def _rebound(position: int, low: int, high: int) -> int:
    """A straight line folded into [low, high]: back and forth is a circle of twice the length."""
    if high == low:
        return low
    there = (position - low) % (2 * (high - low))
    return low + min(there, 2 * (high - low) - there)


def draw_scene(seed: int, index: int, side: int = 64, most: int = 4, kinds: tuple[str, ...] = KINDS) -> Scene:
    """Scene `index` of `seed`: 1 to `most` shapes, of `kinds`, each between a sixth and a half of the side wide and
    high. A shape that finds no free place in 20 tries (`OVERLAP`) is left out."""
    _check(side=(side, 12), most=(most, 1))
    if not kinds or not set(kinds) <= set(KINDS):
        raise ValueError(f"draw_scene: kinds must be some of {', '.join(KINDS)}, not {kinds}")
    random = np.random.RandomState([seed, index])
    shapes: list[Shape] = []
    for _ in range(random.randint(1, most + 1)):
        for _ in range(20):
            a, b = (int(n) for n in random.randint(side // 12, side // 4 + 1, 2))
            dx, dy = (int(n) for n in random.randint(-side // 16, side // 16 + 1, 2))
            x, y = int(random.randint(a, side - a + 1)), int(random.randint(b, side - b + 1))
            kind, colour = kinds[random.randint(len(kinds))], list(COLOURS)[random.randint(len(COLOURS))]
            shape = Shape(kind, colour, x, y, a, b, dx, dy)
            if all(_overlap(shape.box, other.box) <= OVERLAP for other in shapes):
                shapes.append(shape)
                break
    return Scene(side, tuple(shapes), int(random.randint(90, 166)), int(random.randint(2**31)))


def _check(**least: tuple[int, int]) -> None:
    for name, (value, minimum) in least.items():
        if value < minimum:
            raise ValueError(f"world of shapes: {name} must be at least {minimum}, not {value}")


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Intersection over union of two boxes."""
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (sum(areas) - width * height)


class Shapes(Dataset):
    """`count` scenes as a data set: (image, target), with torchvision's keys for detection and segmentation.

    image: uint8 tensor (3, side, side). target: `boxes` float32 (K, 4), left, top, right, bottom in pixels; `labels`
    int64 (K,), indices into `classes`; `masks` uint8 (K, side, side); `caption`; `questions`. Another seed is another
    sample: use one for training and one for testing. `scenes[i]` has everything else, such as `video`.
    """

    classes = list(KINDS)

    def __init__(self, count: int, seed: int = 0, side: int = 64, most: int = 4, kinds: tuple[str, ...] = KINDS):
        _check(count=(count, 0))
        self.scenes = [draw_scene(seed, index, side, most, kinds) for index in range(count)]

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> tuple[Tensor, dict]:
        scene = self.scenes[index]
        target = {
            "boxes": wrap(scene.boxes),
            "labels": wrap(scene.labels),
            "masks": wrap(scene.masks().astype(np.uint8)),
            "caption": scene.caption(),
            "questions": scene.questions(),
        }
        return wrap(np.ascontiguousarray(scene.image().transpose(2, 0, 1))), target


def single_shapes(count: int, seed: int = 0, side: int = 32, kinds: tuple[str, ...] = KINDS) -> tuple[Tensor, Tensor]:
    """Images of one shape each, for classification: uint8 (count, 3, side, side), int64 (count,) into `kinds`."""
    scenes = [draw_scene(seed, index, side, most=1, kinds=kinds) for index in range(count)]
    images = np.zeros((count, 3, side, side), np.uint8)
    for image, scene in zip(images, scenes, strict=True):
        image[...] = scene.image().transpose(2, 0, 1)
    labels = np.array([kinds.index(scene.shapes[0].kind) for scene in scenes], np.int64)
    return wrap(images), wrap(labels)


class SingleShapes(VisionDataset):
    """32x32 colour images of one shape each, with CIFAR-10's attributes: `single_shapes` as a data set.

    train: 4,000 training images (seed 0), else 1,000 test images (seed 1). `data`: uint8 array (N, 32, 32, 3);
    `targets`: list of N ints; an item is (PIL image, int), each through its transform.
    """

    classes = list(KINDS)

    def __init__(self, train: bool = True, transform: Callable | None = None, target_transform: Callable | None = None):
        super().__init__(transform=transform, target_transform=target_transform)
        self.train = train
        images, labels = single_shapes(4000, 0) if train else single_shapes(1000, 1)
        self.data = np.ascontiguousarray(images.numpy().transpose(0, 2, 3, 1))
        self.targets = labels.tolist()

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._item(self.data[index], self.targets[index])
