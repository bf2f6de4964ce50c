"""Transforms of images: Pillow's results on pictures, the same on tensors, and torch's random draws in their order."""

import math
import random

import numpy as np
import pytest

import minitorch
from minitorch.vision import datasets, transforms, utils
from minitorch.vision.transforms import warps

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")
F = transforms.functional

numbers = np.random.RandomState(0)
COLOUR = Image.fromarray(numbers.randint(0, 256, (37, 53, 3)).astype(np.uint8))
GREY = Image.fromarray(numbers.randint(0, 256, (37, 53)).astype(np.uint8))
RAMP = Image.fromarray((np.add.outer(np.arange(37) * 3, np.arange(53) * 2)[..., None] * [1, 0.7, 0.4]).astype(np.uint8))
PICTURES = [COLOUR, GREY, RAMP]
CORNERS, TILTED = [[0, 0], [52, 0], [52, 36], [0, 36]], [[5, 3], [47, 8], [50, 33], [2, 30]]


def array(image):
    """(C, H, W) of floats"""
    if isinstance(image, minitorch.Tensor):
        return image.numpy().astype(float)
    return np.atleast_3d(np.asarray(image)).transpose(2, 0, 1).astype(float)


def draws(library, seed=0):
    library.manual_seed(seed)
    return library


# Conversion


def test_pictures_to_tensors_and_back():
    for picture in PICTURES:
        exact = F.pil_to_tensor(picture)
        assert exact.dtype is minitorch.uint8
        np.testing.assert_array_equal(array(exact), array(picture))
        np.testing.assert_array_equal(F.to_tensor(picture).numpy(), array(picture).astype(np.float32) / np.float32(255))
        for tensor in (exact, F.to_tensor(picture)):
            np.testing.assert_array_equal(np.asarray(F.to_pil_image(tensor)), np.asarray(picture))
        assert (F.convert_image_dtype(F.convert_image_dtype(exact), minitorch.uint8) == exact).all()
    assert F.to_tensor(Image.fromarray(np.eye(3) > 0)).max() == 1
    assert F.to_tensor(np.zeros((2, 3, 4))).dtype is minitorch.float64
    for bad in (minitorch.zeros(1), [1], np.zeros(3)):
        with pytest.raises((TypeError, ValueError)):
            F.to_tensor(bad)


def test_normalize():
    image = minitorch.rand(2, 3, 4, 5)
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
    expected = (torch.from_numpy(image.numpy()) - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    np.testing.assert_array_equal(transforms.Normalize(mean, std)(image).numpy(), expected.numpy())
    with pytest.raises(ValueError, match="std evaluated to zero"):
        F.normalize(image, mean, [0, 1, 1])
    with pytest.raises(TypeError, match="float tensor"):
        F.normalize(image.to(minitorch.uint8), mean, std)


# On tensors as on pictures


GEOMETRY = {
    "hflip": lambda image: F.hflip(image),
    "vflip": lambda image: F.vflip(image),
    "crop": lambda image: F.crop(image, 3, 5, 11, 20),
    "crop beyond": lambda image: F.crop(image, -2, 40, 11, 20),
    "center": lambda image: F.center_crop(image, (10, 21)),
    "center beyond": lambda image: F.center_crop(image, (40, 20)),
    "pad": lambda image: F.pad(image, [1, 2, 3, 4], fill=9),
    "edge": lambda image: F.pad(image, [3, 2], padding_mode="edge"),
    "reflect": lambda image: F.pad(image, 3, padding_mode="reflect"),
    "symmetric": lambda image: F.pad(image, 3, padding_mode="symmetric"),
    "nearest": lambda image: F.resize(image, (37, 106), transforms.InterpolationMode.NEAREST),
    "turn": lambda image: F.rotate(image, 90, expand=True),
    "move": lambda image: F.affine(image, 0, [7, -5], 1.0, [0, 0], fill=0),
    "invert": lambda image: F.invert(image),
    "corner": lambda image: F.ten_crop(image, 9)[7],
}


@pytest.mark.parametrize("name", GEOMETRY)
def test_tensors_are_moved_as_pictures_are(name):
    for picture in PICTURES:
        expected = array(GEOMETRY[name](picture))
        np.testing.assert_array_equal(array(GEOMETRY[name](F.pil_to_tensor(picture))), expected)
        in_floats = GEOMETRY[name](F.to_tensor(picture) if name != "pad" else F.to_tensor(picture) * 255)
        np.testing.assert_allclose(array(in_floats) * (1 if name == "pad" else 255), expected, atol=1e-3)


@pytest.mark.parametrize("size", [20, 50, (30, 70), (10, 53)])
@pytest.mark.parametrize("mode", ["BILINEAR", "BICUBIC"])
def test_resize(size, mode):
    for picture in PICTURES:
        small = F.resize(picture, size, transforms.InterpolationMode[mode])
        height, width = (size, math.floor(size * 53 / 37)) if isinstance(size, int) else size
        assert small.size == (width, height)
        np.testing.assert_array_equal(
            np.asarray(small), np.asarray(picture.resize((width, height), getattr(Image, mode)))
        )
        if mode == "BICUBIC" and picture is not RAMP:
            continue  # of noise the cubic curves overshoot, and Pillow clips them between the two directions
        # Pillow rounds between the two directions, tensors at the end.
        on_tensor = F.resize(F.pil_to_tensor(picture), size, transforms.InterpolationMode[mode])
        np.testing.assert_allclose(array(on_tensor), array(small), atol=2)
    assert F.resize(COLOUR, 20, max_size=25).size == (25, 17)


@pytest.mark.parametrize(
    ("change", "tolerance"),
    [
        (lambda image: F.adjust_brightness(image, 1.7), 1),
        (lambda image: F.adjust_contrast(image, 0.4), 2),
        (lambda image: F.adjust_saturation(image, 1.5), 2),
        (lambda image: F.adjust_gamma(image, 1.3), 1),
        (lambda image: F.rgb_to_grayscale(image), 1),
    ],
)
def test_colours_change_alike(change, tolerance):
    np.testing.assert_allclose(array(change(F.pil_to_tensor(COLOUR))), array(change(COLOUR)), atol=tolerance)


def test_hue():
    turned = F.adjust_hue(F.to_tensor(COLOUR), 1 / 3)  # a third of the circle: red to green to blue
    expected = F.to_tensor(COLOUR).numpy()[[2, 0, 1]]
    np.testing.assert_allclose(turned.numpy(), expected, atol=1e-5)
    assert np.abs(array(F.adjust_hue(COLOUR, 0.25)) - array(F.adjust_hue(F.pil_to_tensor(COLOUR), 0.25))).mean() < 8


def test_blur_is_the_gaussian_sum():
    image, sigma = F.to_tensor(COLOUR), 0.8
    x = np.exp(-0.5 * (np.arange(-2, 3) / sigma) ** 2)
    kernel = np.outer(x, x) / x.sum() ** 2
    padded = np.pad(image.numpy().astype(float), ((0, 0), (2, 2), (2, 2)), "reflect")
    expected = sum(kernel[i, j] * padded[:, i : i + 37, j : j + 53] for i in range(5) for j in range(5))
    np.testing.assert_allclose(F.gaussian_blur(image, 5, sigma).numpy(), expected, atol=1e-6)
    assert F.gaussian_blur(GREY, 3).mode == "L"


# Turned, sheared, tilted


def test_affine_moves_points_by_the_product_of_its_matrices():
    """What `warps` writes as an inverse is the inverse of move, to the centre, shear, scale, turn, back."""
    turn, x, y = np.radians([25.0, 10.0, -30.0])
    move, centre = np.eye(3), np.eye(3)
    move[:2, 2], centre[:2, 2] = (4, -6), (20, 11)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    shears = np.array([[1, 0, 0], [-np.tan(y), 1, 0], [0, 0, 1]]) @ np.array([[1, -np.tan(x), 0], [0, 1, 0], [0, 0, 1]])
    forward = move @ centre @ rotation @ np.diag([1.5, 1.5, 1]) @ shears @ np.linalg.inv(centre)
    inverse = warps.inverse_affine((20, 11), 25, (4, -6), 1.5, (10, -30))
    np.testing.assert_allclose(inverse, np.linalg.inv(forward)[:2], atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_perspective_takes_each_point_where_it_belongs(seed):
    minitorch.manual_seed(seed)
    start, end = transforms.RandomPerspective.get_params(53, 37, 0.8)
    a, b, c, d, e, f, g, h = warps.perspective_coefficients(start, end)
    for (x, y), (u, v) in zip(end, start, strict=True):
        depth = g * x + h * y + 1
        np.testing.assert_allclose([(a * x + b * y + c) / depth, (d * x + e * y + f) / depth], [u, v], atol=2e-4)


@pytest.mark.parametrize(
    "warp",
    [
        lambda image, mode: F.affine(image, 20, [3, 4], 1.3, [10, -15], mode, 7, center=[8, 30]),
        lambda image, mode: F.affine(image, -70.5, [0, 0], 0.6, 25, mode, 7),
        lambda image, mode: F.perspective(image, CORNERS, TILTED, mode, 7),
        lambda image, mode: F.rotate(image, 33, mode, True, fill=7),
    ],
)
@pytest.mark.parametrize("mode", ["NEAREST", "BILINEAR"])
def test_warps_of_tensors_are_pillows(warp, mode):
    """But for the border, where Pillow does not mix with the outside, and pixels that lie between two."""
    mode = transforms.InterpolationMode[mode]
    got, expected = array(warp(F.pil_to_tensor(RAMP), mode)), array(warp(RAMP, mode))
    assert got.shape == expected.shape
    assert (np.abs(got - expected) > 3).mean() < (0.01 if mode.value == "nearest" else 0.08)


@pytest.mark.parametrize("mode", ["NEAREST", "BILINEAR"])
@pytest.mark.parametrize("fill", [None, 9, [9.0, 8.0, 7.0]])
def test_warps_read_between_pixels_and_fill_what_lies_outside(mode, fill):
    """A shift by whole pixels is a crop that leaves the image; a quarter turn about the middle of a square is rot90."""
    mode = transforms.InterpolationMode[mode]
    tensor = F.pil_to_tensor(COLOUR)
    levels = np.broadcast_to(np.asarray(0 if fill is None else fill, float), 3)
    expected = np.broadcast_to(levels[:, None, None], (3, 37, 53)).copy()
    expected[:, 6:, :-4] = array(COLOUR)[:, :-6, 4:]
    moved = F.affine(tensor, 0, [-4, 6], 1.0, 0, mode, fill)
    np.testing.assert_array_equal(array(moved), expected)
    square = tensor[:, :, :37]
    turned = F.affine(square, 90.0, [0, 0], 1.0, [0.0], mode, fill)
    np.testing.assert_array_equal(array(turned), np.rot90(array(square), -1, (1, 2)))
    same = F.perspective(tensor, CORNERS, CORNERS, mode, fill)
    np.testing.assert_array_equal(array(same), array(tensor))


# Random ones: the draws of torch, in this order, and then what they say


def expected_crop(height, width, h, w):
    return int(torch.randint(0, height - h + 1, (1,))), int(torch.randint(0, width - w + 1, (1,))), h, w


def expected_rectangle(scale, ratio, fits):
    """(h, w) of the first rectangle that fits, from torch's draws."""
    low, high = torch.log(torch.tensor(ratio))
    for _ in range(10):
        area = 37 * 53 * torch.empty(1).uniform_(*scale).item()
        aspect = torch.exp(torch.empty(1).uniform_(low, high)).item()
        pair = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if fits(*pair):
            return pair
    return None


@pytest.mark.parametrize("seed", range(6))
def test_random_draws_are_torchs(seed):
    def both(transform, expected, image=COLOUR):
        draws(torch, seed)
        want = expected()
        draws(minitorch, seed)
        np.testing.assert_array_equal(array(transform(image)), array(want))
        assert minitorch.rand(1).item() == torch.rand(1).item()  # not a draw more or less

    happens = lambda p: bool(torch.rand(1) < p)  # noqa: E731
    both(transforms.RandomHorizontalFlip(0.4), lambda: F.hflip(COLOUR) if happens(0.4) else COLOUR)
    both(transforms.RandomVerticalFlip(), lambda: F.vflip(COLOUR) if happens(0.5) else COLOUR)
    both(transforms.RandomGrayscale(0.5), lambda: F.rgb_to_grayscale(COLOUR, 3) if happens(0.5) else COLOUR)
    padded = F.pad(COLOUR, 4)
    both(transforms.RandomCrop((32, 20), padding=4), lambda: F.crop(padded, *expected_crop(45, 61, 32, 20)))
    both(transforms.RandomCrop((37, 53)), lambda: COLOUR)
    angle = lambda: torch.empty(1).uniform_(-30.0, 30.0).item()  # noqa: E731
    both(transforms.RandomRotation(30), lambda: F.rotate(COLOUR, angle(), fill=0))
    within = lambda low, high: torch.empty(1).uniform_(low, high).item()  # noqa: E731

    def affine():
        turn = within(-20.0, 20.0)
        shift = [round(within(-0.1 * 53, 0.1 * 53)), round(within(-0.3 * 37, 0.3 * 37))]
        scale, shear = within(0.5, 1.5), [within(-5.0, 5.0), within(0.0, 30.0)]
        return F.affine(COLOUR, turn, shift, scale, shear, fill=3)

    both(transforms.RandomAffine(20, (0.1, 0.3), (0.5, 1.5), (-5, 5, 0, 30), fill=3), affine)
    both(transforms.RandomAffine((10, 15), shear=4), lambda: F.affine(COLOUR, within(10, 15), [0, 0], 1, within(-4, 4)))

    def tilted():
        if not happens(0.7):
            return COLOUR
        pick = lambda low, high: torch.randint(low, high, (1,)).item()  # noqa: E731
        across, down = int(0.6 * 26), int(0.6 * 18)
        left, right, top, bottom = (0, across + 1), (52 - across, 53), (0, down + 1), (36 - down, 37)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        return F.perspective(COLOUR, CORNERS, [[pick(*x), pick(*y)] for x, y in corners], fill=0)

    both(transforms.RandomPerspective(0.6, 0.7), tilted)
    sigma = lambda: torch.empty(1).uniform_(0.1, 2.0).item()  # noqa: E731
    both(transforms.GaussianBlur(3), lambda: F.gaussian_blur(COLOUR, 3, sigma()))
    both(
        transforms.RandomApply([transforms.RandomHorizontalFlip(1.0)], 0.6),
        lambda: COLOUR if 0.6 < torch.rand(1) else F.hflip(COLOUR) if happens(1.0) else None,
    )

    def resized_crop():
        h, w = expected_rectangle((0.08, 1.0), (3 / 4, 4 / 3), lambda h, w: 0 < w <= 53 and 0 < h <= 37) or (37, 49)
        return F.resized_crop(COLOUR, *expected_crop(37, 53, h, w), (24, 24))

    both(transforms.RandomResizedCrop(24), resized_crop)

    def jitter():
        order, image = torch.randperm(4).tolist(), COLOUR
        limits = [(0.6, 1.4), (0.5, 1.5), (0.0, 3.0), (-0.1, 0.1)]
        factors = [float(torch.empty(1).uniform_(*pair)) for pair in limits]
        change = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
        for which in order:
            image = change[which](image, factors[which])
        return image

    both(transforms.ColorJitter(0.4, 0.5, (0, 3), 0.1), jitter)
    tensor = F.to_tensor(COLOUR)

    def erased():
        out = tensor.clone()
        if happens(0.7):
            w, h = expected_rectangle((0.02, 0.33), (0.3, 3.3), lambda w, h: h < 37 and w < 53)  # here aspect is h / w
            noise = minitorch.from_numpy(torch.empty(3, h, w).normal_().numpy())
            i, j, _, _ = expected_crop(37, 53, h, w)
            out[:, i : i + h, j : j + w] = noise
        return out

    draws(torch, seed)
    want = erased()
    draws(minitorch, seed)
    got = transforms.RandomErasing(0.7, value="random")(tensor)
    np.testing.assert_allclose(got.numpy(), want.numpy(), atol=1e-6)
    assert minitorch.rand(1).item() == torch.rand(1).item()


def test_choice_and_order_draw_from_python():
    parts = [transforms.Pad(2), transforms.CenterCrop(30), transforms.RandomHorizontalFlip(1.0)]
    random.seed(3)
    chosen = random.choices(parts, weights=None)[0](COLOUR)
    order = [0, 1, 2]
    random.shuffle(order)
    ordered = COLOUR
    for which in order:
        ordered = parts[which](ordered)
    random.seed(3)
    assert np.array_equal(np.asarray(transforms.RandomChoice(parts)(COLOUR)), np.asarray(chosen))
    assert np.array_equal(np.asarray(transforms.RandomOrder(parts)(COLOUR)), np.asarray(ordered))


def test_a_whole_chain_and_its_text():
    chain = transforms.Compose(
        [transforms.Resize(32), transforms.CenterCrop(28), transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
    )
    out = chain(GREY)
    assert out.shape == (1, 28, 28) and -1 <= out.min() < out.max() <= 1
    assert repr(chain) == (
        "Compose(\n    Resize(size=32, interpolation=bilinear, max_size=None, antialias=True)\n"
        "    CenterCrop(size=(28, 28))\n    ToTensor()\n    Normalize(mean=(0.5,), std=(0.5,))\n)"
    )
    assert repr(transforms.RandomAffine(10)) == "RandomAffine(degrees=[-10.0, 10.0])"
    whole = transforms.RandomAffine((1, 2), (0.1, 0), (1, 2), 3, transforms.InterpolationMode.BILINEAR, 5, (1, 2))
    assert repr(whole) == (
        "RandomAffine(degrees=[1.0, 2.0], translate=(0.1, 0), scale=(1, 2), shear=[-3.0, 3.0], "
        "interpolation=bilinear, fill=5, center=(1, 2))"
    )
    assert repr(transforms.RandomPerspective()) == "RandomPerspective(p=0.5)"


@pytest.mark.parametrize(
    "make",
    [
        lambda: F.hflip("text"),
        lambda: transforms.RandomCrop(60)(COLOUR),
        lambda: transforms.ColorJitter(-1),
        lambda: transforms.ColorJitter(hue=0.6),
        lambda: transforms.RandomRotation(-1),
        lambda: transforms.RandomErasing(2),
        lambda: transforms.RandomAffine(-1),
        lambda: transforms.RandomAffine(1, translate=(0, 1.5)),
        lambda: transforms.RandomAffine(1, translate=0.5),
        lambda: transforms.RandomAffine(1, scale=(0, 1)),
        lambda: transforms.RandomAffine(1, shear=(1, 2, 3)),
        lambda: transforms.RandomAffine(1, fill=1j),
        lambda: transforms.RandomPerspective(fill=object()),
        lambda: F.affine(COLOUR, "1", [0, 0], 1, 0),
        lambda: F.affine(COLOUR, 1, [0], 1, 0),
        lambda: F.affine(COLOUR, 1, [0, 0], 0, 0),
        lambda: F.affine(COLOUR, 1, [0, 0], 1, [0, 0, 0]),
        lambda: F.affine(COLOUR, 1, [0, 0], 1, 0, fill=[1, 2]),
        lambda: F.affine(F.to_tensor(COLOUR), 1, [0, 0], 1, 0, fill=[1, 2]),
        lambda: F.affine(F.to_tensor(COLOUR), 1, [0, 0], 1, 0, transforms.InterpolationMode.BICUBIC),
        lambda: F.perspective(COLOUR, CORNERS[:3], TILTED[:3]),
        lambda: transforms.GaussianBlur(4),
        lambda: transforms.Resize((1, 2, 3)),
        lambda: F.pad(COLOUR, [1, 2, 3]),
        lambda: F.pad(COLOUR, 1, padding_mode="round"),
        lambda: F.five_crop(COLOUR, 100),
        lambda: F.adjust_hue(COLOUR, 1),
        lambda: F.adjust_contrast(COLOUR, -1),
        lambda: F.to_pil_image(minitorch.zeros(5, 2, 2)),
    ],
)
def test_bad_arguments(make):
    with pytest.raises((TypeError, ValueError)):
        make()


# Grids, folders, noise


def test_grids_and_files(tmp_path):
    images = minitorch.arange(5 * 4 * 6).reshape(5, 1, 4, 6) / 119.0
    grid = utils.make_grid(images, nrow=3, padding=1, pad_value=0.5)
    assert grid.shape == (3, 2 * 5 + 1, 3 * 7 + 1)
    assert (grid[0, 6:10, 8:14] == images[4, 0]).all() and grid[0, 0, 0] == 0.5 and grid[0, 6, 15] == 0.5
    scaled = utils.make_grid(images * 9 - 3, normalize=True, scale_each=True, padding=0)
    assert scaled.min() == 0 and scaled.max() == 1
    utils.save_image(images, tmp_path / "grid.png", nrow=3, padding=1, pad_value=0.5)
    expected = np.floor(grid.numpy() * 255 + 0.5).transpose(1, 2, 0)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "grid.png")), expected.astype(np.uint8))


def test_image_folder(tmp_path):
    for name, count in (("dog", 2), ("cat", 1)):
        (tmp_path / name / "deep").mkdir(parents=True)
        for number in range(count):
            GREY.save(tmp_path / name / "deep" / f"{number}.PNG")
        (tmp_path / name / "notes.txt").write_text("no picture")
    data = datasets.ImageFolder(tmp_path, transform=transforms.ToTensor())
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1}
    assert data.targets == [0, 1, 1] and data.imgs[1][0].endswith("dog/deep/0.PNG")
    image, target = data[2]
    assert image.shape == (3, 37, 53) and target == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no valid file for the classes empty"):
        datasets.ImageFolder(tmp_path)
    assert len(datasets.ImageFolder(tmp_path, allow_empty=True)) == 3
    with pytest.raises(FileNotFoundError, match="class folder"):
        datasets.ImageFolder(tmp_path / "empty")


def test_fake_data():
    data = datasets.FakeData(3, (3, 5, 4), transform=transforms.PILToTensor(), random_offset=7)
    minitorch.manual_seed(1)
    image, target = data[2]
    after = minitorch.rand(1)
    torch.manual_seed(9)
    noise, label = torch.randn(3, 5, 4), torch.randint(0, 10, (1,)).item()
    torch.manual_seed(1)
    assert after.item() == torch.rand(1).item() and target == label
    np.testing.assert_array_equal(image.numpy(), (noise * 255).byte().numpy())
    with pytest.raises(IndexError):
        data[3]
