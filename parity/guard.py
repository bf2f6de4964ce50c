"""Which torch is this? A look before anything is compared with it."""

from __future__ import annotations

import importlib
import importlib.util


class NoTorch(RuntimeError):
    """PyTorch is not there, or what answers to ``import torch`` is something else."""


def real_torch():
    """Import PyTorch, or raise ``NoTorch`` saying what was found instead.

    A package on the index that is called ``minitorch`` (not this one, whose distribution is ``minitorch-lab``)
    installs a top-level ``torch`` folder over PyTorch's, so the name alone proves nothing.
    """
    if importlib.util.find_spec("torch") is None:
        raise NoTorch("PyTorch, which parity compares with, is missing: python -m pip install 'minitorch-lab[parity]'")
    try:
        torch = importlib.import_module("torch")
    except Exception as error:  # a damaged installation fails in many ways
        raise NoTorch(f"`import torch` failed: {type(error).__name__}: {error}") from error
    where = getattr(torch, "__file__", None) or list(getattr(torch, "__path__", ["?"]))
    if not (hasattr(torch, "_C") and hasattr(getattr(torch, "version", None), "git_version")):
        raise NoTorch(
            f"the torch at {where} is not PyTorch: the distribution called `minitorch` on the package index (not this "
            "project) puts a folder of that name over PyTorch's; uninstall it and install torch again"
        )
    return torch


def opinfo_database() -> list:
    """torch's own list of operations with sample inputs (``op_db``)."""
    real_torch()
    if importlib.util.find_spec("expecttest") is None:
        raise NoTorch("torch's test database needs the package `expecttest`: python -m pip install expecttest")
    module = importlib.import_module("torch.testing._internal.common_methods_invocations")
    return list(module.op_db)


def cuda_missing() -> str | None:
    """Why nothing can run on a GPU here, or ``None`` when it can."""
    torch = real_torch()
    if torch.version.cuda is None:
        return f"this PyTorch ({torch.__version__}) is built without CUDA"
    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} (CUDA {torch.version.cuda}) finds no usable NVIDIA GPU"
    return None
