"""Batching: primitives on whole batches where a function deals with one example, and `vmap`, which asks for it."""

from . import products, shapes
from .vmap import vmap

__all__ = ["products", "shapes", "vmap"]
