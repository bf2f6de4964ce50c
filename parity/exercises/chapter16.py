"""Chapter 16: data sets, transforms, batches."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import halves, positive, sizes, tensors

pixels = st.integers(0, 255)


@exercise(
    count=st.integers(0, 9),
    batch_size=st.integers(1, 4),
    drop_last=st.booleans(),
    mistake=lambda count, batch_size, drop_last: count // batch_size + (0 if drop_last else 1),
)
def number_of_batches(count, batch_size, drop_last):
    r"""How many batches a DataLoader makes of `count` examples: an integer."""
    return count // batch_size if drop_last else -(-count // batch_size)


@exercise(
    order=st.integers(0, 7).flatmap(lambda n: st.permutations(range(n))).map(list),
    batch_size=st.integers(1, 4),
    drop_last=st.booleans(),
    mistake=lambda order, batch_size, drop_last: [order[i : i + batch_size] for i in range(0, len(order), batch_size)],
)
def batch_indices(order, batch_size, drop_last):
    r"""The list `order` cut into batches (lists) of `batch_size` examples; with `drop_last`, a last batch that is not full
    is left out."""
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    if drop_last and batches and len(batches[-1]) < batch_size:
        batches.pop()
    return batches


@exercise(
    st.tuples(sizes, sizes, st.sampled_from([1, 3])).flatmap(
        lambda s: st.fixed_dictionaries({"picture": tensors(*s, numbers=pixels, dtype=torch.uint8)})
    ),
    mistake=lambda picture: picture.reshape(picture.shape[2], *picture.shape[:2]) / 255,
)
def to_tensor(picture):
    r"""What `ToTensor` does: `picture`, uint8 (height, width, channels) with values from 0 to 255, as float32 (channels,
    height, width) with values from 0 to 1."""
    return picture.permute(2, 0, 1) / 255


@exercise(
    st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 2)).flatmap(
        lambda s: st.fixed_dictionaries(
            {
                "image": tensors(*s),
                "mean": st.lists(halves, min_size=s[0], max_size=s[0]),
                "std": st.lists(positive, min_size=s[0], max_size=s[0]),
            }
        )
    ),
    mistake=lambda image, mean, std: (image - torch.tensor(mean).mean()) / torch.tensor(std).mean(),
)
def normalize(image, mean, std):
    r"""What `Normalize(mean, std)` does: channel $c$ of `image` (channels, height, width) minus `mean[c]`, divided by
    `std[c]`. `mean` and `std` are lists."""
    return (image - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


@exercise(
    st.tuples(sizes, sizes).flatmap(
        lambda s: st.fixed_dictionaries(
            {"image": tensors(1, *s), "draw": st.floats(0, 1, exclude_max=True), "p": st.sampled_from([0.0, 0.5, 1.0])}
        )
    ),
    mistake=lambda image, draw, p: image.flip(1) if draw < p else image,
)
def random_flip(image, draw, p):
    r"""A horizontal flip (left and right exchanged) with probability `p`, decided by `draw`, a number that is drawn evenly from
    [0, 1): flip if it is below `p`. `image` is (channels, height, width)."""
    return image.flip(2) if draw < p else image
