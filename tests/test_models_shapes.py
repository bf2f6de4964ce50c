"""The world of shapes: the same bytes everywhere, and words, boxes and masks that agree with the pixels."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from minitorch.vision.datasets import Scene, Shape, Shapes, draw_scene, single_shapes
from minitorch.vision.datasets.shapes import COLOURS, KINDS

SCENES = [draw_scene(5, index) for index in range(40)]


def test_scenes_are_the_same_everywhere():
    digest = hashlib.sha256()
    for scene in SCENES[:10]:
        digest.update(scene.image().tobytes() + scene.caption().encode() + repr(scene.questions()).encode())
    assert digest.hexdigest() == "ef9e9413375fae4b4f2644e7f8c11909bc2a8d8879a32ae0e21196d52365eec0"


def test_a_scene_depends_on_seed_and_index_only():
    assert draw_scene(5, 7) == SCENES[7] != draw_scene(6, 7)
    assert Shapes(9, seed=5).scenes == SCENES[:9]


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_are_tight(kind):
    for a in range(2, 16):
        for b in range(max(2, a // 3), min(3 * a, 16)):
            shape = Shape(kind, "red", 16, 17, a, b)
            rows, columns = (np.flatnonzero(shape.covers(36).any(axis)) for axis in (1, 0))
            assert (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) == shape.box


def test_masks_image_and_words_agree():
    """Every visible pixel has the colour of its shape, but for the grain; questions are answered from the pixels."""
    for scene in SCENES:
        image, masks = scene.image().astype(int), scene.masks()
        assert not (masks.sum(0) > 1).any() and masks.any((1, 2)).all()
        seen = {}
        for shape, mask, box in zip(scene.shapes, masks, scene.boxes, strict=True):
            assert np.abs(image[mask].mean(0) - COLOURS[shape.colour]).max() < 6
            rows, columns = np.nonzero(mask)
            assert (
                (columns >= box[0]).all()
                and (columns < box[2]).all()
                and (rows >= box[1]).all()
                and (rows < box[3]).all()
            )
            seen.setdefault(shape.name, []).append((columns.mean(), rows.mean()))
            assert f"{shape.colour} {shape.kind} in the" in scene.caption()
        assert (np.ptp(image[~masks.any(0)], axis=0) <= 24).all()
        answers = dict(scene.questions())
        assert len(answers) == len(scene.questions())
        for kind in KINDS:
            for colour in COLOURS:
                assert answers[f"is there a {colour} {kind}?"] == ("yes" if f"{colour} {kind}" in seen else "no")
        single = {name: places[0] for name, places in seen.items() if len(places) == 1}
        for one, (x, _) in single.items():
            for other, (u, _) in single.items():
                if one != other and abs(x - u) > 4:
                    assert answers[f"is the {one} left of the {other}?"] == ("yes" if x < u else "no")


def test_videos_stay_inside_and_move_straight():
    for scene in SCENES[:10]:
        frames = scene.video(40)
        assert frames[0] == scene and len(frames) == 40
        for before, after in zip(frames, frames[1:], strict=False):
            assert (after.boxes >= 0).all() and (after.boxes <= scene.side).all()
            for old, new in zip(before.shapes, after.shapes, strict=True):
                # Steps are (dx, dy), but shorter in the frame of a rebound.
                assert abs(new.x - old.x) <= abs(old.dx) and abs(new.y - old.y) <= abs(old.dy)
    ball = Scene(20, (Shape("ellipse", "red", 10, 10, 4, 4, dx=3),), 100, 0)
    assert [f.shapes[0].x for f in ball.video(8)] == [10, 13, 16, 13, 10, 7, 4, 7]


def test_data_set_has_torchvisions_keys():
    data = Shapes(3, seed=1, side=48, most=2, kinds=("ring", "cross"))
    image, target = data[2]
    scene = data.scenes[2]
    count = len(scene.shapes)
    assert tuple(image.shape) == (3, 48, 48) and image.numpy().dtype == np.uint8
    assert tuple(target["boxes"].shape) == (count, 4) and tuple(target["masks"].shape) == (count, 48, 48)
    assert [data.classes[int(k)] for k in target["labels"]] == [s.kind for s in scene.shapes]
    assert {s.kind for s in scene.shapes} <= {"ring", "cross"} and len(data) == 3


def test_single_shapes():
    images, labels = single_shapes(30, seed=2)
    assert (
        tuple(images.shape) == (30, 3, 32, 32)
        and set(labels.tolist()) <= set(range(6))
        and len(set(labels.tolist())) > 3
    )


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="side must be at least 12"):
        draw_scene(0, 0, side=8)
    with pytest.raises(ValueError, match="kinds"):
        draw_scene(0, 0, kinds=("pyramid",))
    with pytest.raises(ValueError, match="count"):
        Shapes(-1)
