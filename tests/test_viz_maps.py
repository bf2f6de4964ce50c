"""Pictures of tensors show the numbers they are given."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch

plt = pytest.importorskip("matplotlib.pyplot")

from minitorch.viz import attention_maps, channel_maps  # noqa: E402


@pytest.fixture(autouse=True)
def own_style():
    with plt.rc_context():
        yield
        plt.close("all")


def pictures(figure):
    return [(ax.get_title(), ax.images[0]) for ax in figure.axes if ax.images]


def test_channels_are_shown_in_order_on_one_scale():
    maps = minitorch.randn(5, 3, 4, requires_grad=True)
    figure = channel_maps(maps, columns=3, titles=["a", "b"])
    shown = pictures(figure)
    assert [title for title, _ in shown] == ["a", "b", "", "", ""] and len(figure.axes) == 6
    values = maps.detach().numpy()
    for channel, (_, image) in zip(values, shown, strict=True):
        np.testing.assert_array_equal(image.get_array(), channel)
        assert image.get_clim() == pytest.approx((values.min(), values.max()))
    assert len(channel_maps(maps[:2]).axes) == 2
    with pytest.raises(ValueError, match=r"\(C, H, W\), got \(1, 5, 3, 4\)"):
        channel_maps(maps[None])


def test_attention_names_its_rows_and_columns():
    weights = minitorch.randn(2, 3, 4).softmax(-1)
    figure = attention_maps(weights, ["x", "y", "z"], ["one", "two", "three", "four"])
    shown = pictures(figure)
    assert [title for title, _ in shown] == ["head 1", "head 2"]
    for head, (_, image) in zip(weights.numpy(), shown, strict=True):
        np.testing.assert_array_equal(image.get_array(), head)
        assert image.get_clim() == (0, 1)
    first, second = figure.axes
    assert [t.get_text() for t in first.get_yticklabels()] == ["x", "y", "z"]
    assert [t.get_text() for t in second.get_yticklabels()] == ["", "", ""]
    for ax in (first, second):
        assert [t.get_text() for t in ax.get_xticklabels()] == ["one", "two", "three", "four"]
    assert pictures(attention_maps(weights, "xyz", "abcd", titles=["p", "q"]))[1][0] == "q"
    for wrong in (weights[0], weights.transpose(1, 2)):
        with pytest.raises(ValueError, match="3 queries and 4 keys do not name weights"):
            attention_maps(wrong, "xyz", "abcd")
