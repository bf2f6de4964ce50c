"""Automatic differentiation: backward passes, gradients, functions of one's own, checks."""

from ..core.state import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from . import anomaly, forward_ad, function, functional, graph, profiler, variable
from .anomaly import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from .backward import backward, grad
from .function import Function
from .gradcheck import gradcheck, gradgradcheck
from .variable import Variable

__all__ = [
    "Function", "Variable", "anomaly", "backward", "detect_anomaly", "enable_grad", "forward_ad", "function", "functional", "grad",
    "gradcheck", "gradgradcheck", "graph", "inference_mode", "is_anomaly_enabled", "is_grad_enabled", "no_grad", "profiler",
    "set_detect_anomaly", "set_grad_enabled", "variable",
]  # fmt: skip
