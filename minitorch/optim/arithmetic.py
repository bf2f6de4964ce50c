"""The steps that update rules are made of: in-place arithmetic on ndarrays, in torch's order of operations.

Intermediate results go to scratch memory that is kept between calls, so that an update allocates nothing.
"""

from __future__ import annotations

import threading

import numpy as np


class _Scratch(threading.local):
    def __init__(self):
        self.memory: dict[tuple, np.ndarray] = {}


_scratch = _Scratch()


def scratch(like: np.ndarray, slot: int = 0) -> np.ndarray:
    """Memory of the shape, type and order of `like`, valid until the next request for the same slot."""
    memory = _scratch.memory.get((slot, like.dtype))
    if memory is None or memory.size < like.size:
        memory = _scratch.memory[slot, like.dtype] = np.empty(like.size, like.dtype)
    flat = memory[: like.size]
    if like.flags.c_contiguous:
        return flat.reshape(like.shape)
    return flat.reshape(like.shape[::-1]).T if like.flags.f_contiguous else flat.reshape(like.shape)


def descent_direction(
    param: np.ndarray, grad: np.ndarray, weight_decay: float, maximize: bool, slot: int = 0
) -> np.ndarray:
    """grad, negated to maximize, plus weight_decay * param: `grad` itself where that is nothing, else in scratch."""
    if maximize:
        grad = np.negative(grad, out=scratch(grad, slot))
    if weight_decay != 0:
        decay = np.multiply(param, weight_decay, out=scratch(param, slot + 1))
        grad = np.add(grad, decay, out=scratch(param, slot))
    return grad


def add_scaled(array: np.ndarray, other: np.ndarray, factor: float, temporary: np.ndarray) -> None:
    """array += factor * other."""
    np.multiply(other, factor, out=temporary)
    np.add(array, temporary, out=array)


def add_product(array: np.ndarray, a: np.ndarray, b: np.ndarray, factor: float, temporary: np.ndarray) -> None:
    """array += factor * a * b."""
    np.multiply(a, factor, out=temporary)
    np.multiply(temporary, b, out=temporary)
    np.add(array, temporary, out=array)


def add_quotient(array: np.ndarray, a: np.ndarray, b: np.ndarray, factor: float, temporary: np.ndarray) -> None:
    """array += factor * a / b."""
    np.multiply(a, factor, out=temporary)
    np.divide(temporary, b, out=temporary)
    np.add(array, temporary, out=array)


def average(array: np.ndarray, new: np.ndarray, weight: float, temporary: np.ndarray) -> None:
    """array += weight * (new - array), from the end that is nearer (torch's lerp)."""
    np.subtract(new, array, out=temporary)
    if abs(weight) < 0.5:
        np.multiply(temporary, weight, out=temporary)
        np.add(array, temporary, out=array)
    else:
        np.multiply(temporary, array.dtype.type(1) - array.dtype.type(weight), out=temporary)
        np.subtract(new, temporary, out=array)


def average_square(array: np.ndarray, new: np.ndarray, beta: float, temporary: np.ndarray) -> None:
    """array = beta * array + (1 - beta) * new^2."""
    np.multiply(array, beta, out=array)
    add_product(array, new, new, 1 - beta, temporary)
