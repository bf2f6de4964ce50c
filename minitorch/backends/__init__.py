"""torch.backends: the libraries torch computes with, and their switches. None of them is used here: a switch may be set,
and changes nothing."""

from . import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp, quantized

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "quantized"]
