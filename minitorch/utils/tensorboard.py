"""torch.utils.tensorboard: logs for TensorBoard, written by the package tensorboardX."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

from .. import onnx
from ..core.tensor import Tensor
from ..trees import map_leaves

DELEGATED = (
    "add_scalar", "add_scalars", "add_image", "add_images", "add_image_with_boxes", "add_histogram", "add_figure",
    "add_text", "add_embedding", "add_hparams", "add_pr_curve", "add_video", "add_audio", "add_mesh",
)  # fmt: skip


def _as_arrays(value: Any) -> Any:
    """Tensors, also in lists and dicts, as ndarrays."""
    return map_leaves(lambda leaf: leaf.detach().array if isinstance(leaf, Tensor) else leaf, value)


class SummaryWriter:
    """Writes event files to `log_dir` (default: runs/DATE_HOST). Methods and arguments are torch's; tensors are taken as
    they are.

    add_scalar(tag, value, step), add_scalars, add_histogram, add_image(s), add_figure, add_text, add_embedding,
    add_hparams, add_pr_curve, add_video, add_audio, add_mesh; add_graph(model, example), flush, close.
    """

    def __init__(
        self,
        log_dir: str | Path | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ):
        try:
            import tensorboardX
        except ImportError as error:
            raise ImportError("SummaryWriter needs the package tensorboardX (pip install tensorboardX)") from error
        self._writer = tensorboardX.SummaryWriter(
            None if log_dir is None else str(log_dir), comment, purge_step, max_queue, flush_secs, filename_suffix
        )
        self.log_dir = self._writer.logdir

    def __getattr__(self, name: str) -> Any:
        if name not in DELEGATED:
            raise AttributeError(f"SummaryWriter has no attribute {name!r}")
        write = getattr(self._writer, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return write(*_as_arrays(list(args)), **_as_arrays(kwargs))

        return call

    def add_graph(self, model: Any, input_to_model: Any = None, verbose: bool = False, **_: Any) -> None:
        """The graph of `model` on the example `input_to_model`, as `onnx.export` sees it."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            onnx.export(model, input_to_model, path)
            with contextlib.redirect_stdout(io.StringIO()):  # tensorboardX prints the node names
                self._writer.add_onnx_graph(str(path))

    def get_logdir(self) -> str:
        """The folder that it writes to."""
        return self.log_dir

    def flush(self) -> None:
        """Write out what is still waiting."""
        for writer in (self._writer.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Write everything and end."""
        self._writer.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()
