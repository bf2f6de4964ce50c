"""Other libraries: their data come in and go out without a copy where that is possible."""

import numpy as np
import pytest

import minitorch
from minitorch import nn


def test_torch_by_dlpack():
    torch = pytest.importorskip("torch")
    theirs = torch.arange(6.0).reshape(2, 3).t()
    mine = minitorch.from_torch(theirs)
    assert mine.stride() == theirs.stride() and mine.tolist() == theirs.tolist()
    mine[0, 1] = 9
    assert theirs[0, 1] == 9  # one memory
    back = minitorch.to_torch(mine)
    assert isinstance(back, torch.Tensor) and back.data_ptr() == theirs.data_ptr()
    leaf = minitorch.from_torch(torch.ones(2, requires_grad=True))
    assert leaf.requires_grad and minitorch.to_torch(leaf).requires_grad
    half = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    assert minitorch.from_torch(half).dtype is minitorch.bfloat16
    assert minitorch.to_torch(minitorch.from_torch(half)).tolist() == [1.5, -2.0]
    assert minitorch.from_torch(torch.tensor([True, False])).tolist() == [True, False]
    assert (
        np.shares_memory(minitorch.from_dlpack(np.arange(3.0)).numpy(), minitorch.from_dlpack(np.arange(3.0)).numpy())
        is False
    )
    assert torch.from_dlpack(minitorch.arange(3)).tolist() == [0, 1, 2]
    with pytest.raises(TypeError, match="torch.Tensor"):
        minitorch.from_torch([1, 2])


def test_frames_and_pictures():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert minitorch.tensor(frame.to_numpy()).tolist() == [[1, 3], [2, 4]]
    assert minitorch.tensor(frame["a"].values, dtype=minitorch.float32).tolist() == [1, 2]
    assert minitorch.from_numpy(frame.to_numpy(copy=True)).dtype is minitorch.float64
    assert pandas.DataFrame(minitorch.eye(2).numpy()).shape == (2, 2)
    Image = pytest.importorskip("PIL.Image")
    picture = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    assert minitorch.from_numpy(np.array(picture)).shape == (3, 4)
    assert (minitorch.tensor(np.asarray(picture)) == minitorch.from_numpy(np.array(picture))).all()


def test_einops():
    einops = pytest.importorskip("einops")
    minitorch.enable_einops()
    x = minitorch.arange(24.0).reshape(2, 3, 4).requires_grad_()
    for pattern, sizes in (("b c w -> b (c w)", {}), ("b c (w v) -> (b v) c w", {"v": 2}), ("b c w -> w 1 c b", {})):
        mine = einops.rearrange(x, pattern, **sizes)
        assert isinstance(mine, minitorch.Tensor)
        np.testing.assert_array_equal(mine.detach().numpy(), einops.rearrange(x.detach().numpy(), pattern, **sizes))
    for how in ("mean", "sum", "max", "min", "prod"):
        np.testing.assert_allclose(
            einops.reduce(x, "b c w -> b w", how).detach().numpy(),
            einops.reduce(x.detach().numpy(), "b c w -> b w", how),
        )
    assert einops.repeat(x, "b c w -> b c (w n)", n=2).shape == (2, 3, 8)
    product = einops.einsum(x, x, "b c w, b d w -> b c d")
    np.testing.assert_allclose(product.detach().numpy(), np.einsum("bcw,bdw->bcd", *[x.detach().numpy()] * 2))
    assert einops.pack([x, x], "b * w")[0].shape == (2, 6, 4)
    einops.reduce(x, "b c w -> b", "sum").sum().backward()
    assert (x.grad == 1).all()


def test_summary_writer(tmp_path, capsys):
    pytest.importorskip("tensorboardX")
    from minitorch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", minitorch.tensor(0.5), 3)
        writer.add_scalars("both", {"a": minitorch.tensor(1.0), "b": 2.0}, 1)
        writer.add_image("image", minitorch.rand(3, 4, 4))
        writer.add_images("images", minitorch.rand(2, 3, 4, 4))
        writer.add_histogram("weights", minitorch.randn(100), 1)
        writer.add_text("words", "hello")
        writer.add_embedding(minitorch.randn(4, 3), metadata=list("abcd"))
        writer.add_hparams({"lr": 0.1}, {"accuracy": 0.9})
        writer.add_graph(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), minitorch.randn(1, 3))
        writer.flush()
        with pytest.raises(AttributeError, match="add_nothing"):
            writer.add_nothing()
    (events,) = tmp_path.glob("events*")
    assert capsys.readouterr().out == ""
    content = events.read_bytes()
    for word in (b"loss", b"image", b"weights", b"hello", b"Gemm"):
        assert word in content
