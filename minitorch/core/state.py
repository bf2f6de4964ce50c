"""What the current thread is doing: recording or not, and who is watching the operations."""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
from typing import Any

# One clock for everything whose order matters: nodes are born and memory is edited at ticks of it. A node's
# birth orders the backward walk; a kept tensor was edited too late when its last edit is younger than its node.
tick = itertools.count(1).__next__


class watched:
    """In how many threads primitive calls are watched. Whoever calls one looks here before it asks for its own thread's
    `state.trace`, which takes five times as long."""

    threads = 0
    lock = threading.Lock()


class _State(threading.local):
    grad = True  # record operations for the backward pass
    _trace: Any = None
    profile: Any = None  # the one among them that times the calls below all levels, or None
    levels: tuple = ()  # the transformations that are open, innermost last (levels.py)
    walk: Any = None  # the backward pass that is running (engine.py)
    transforms = 0  # how many reverse modes of minitorch.func are running
    inference = False

    @property
    def trace(self):
        """A function (op, inputs, params) -> outputs that every primitive call of this thread goes to, or None."""
        return self._trace

    @trace.setter
    def trace(self, function) -> None:
        with watched.lock:
            watched.threads += (function is not None) - (self._trace is not None)
        self._trace = function


state = _State()


class anomaly:
    """Process-wide switch of anomaly mode: nodes remember the stack of their forward call."""

    enabled = False
    check_nan = True


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require grad are recorded in this thread."""
    return state.grad


class _Mode:
    """A context manager that is also a decorator, for functions and for generators."""

    def __call__(self, function):
        if inspect.isclass(function):
            function.__init__ = self(function.__init__)
            return function
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args, **kwargs):
                # The mode holds while the generator's body runs, not while its caller does.
                source = function(*args, **kwargs)
                value, error = None, None
                while True:
                    try:
                        with self.clone():
                            value = source.send(value) if error is None else source.throw(error)
                    except StopIteration as stop:
                        return stop.value
                    try:
                        value, error = (yield value), None
                    except GeneratorExit:
                        source.close()
                        raise
                    except BaseException as raised:
                        value, error = None, raised

            return generator

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            with self.clone():
                return function(*args, **kwargs)

        return wrapper

    def clone(self):
        return type(self)()


class no_grad(_Mode):
    """Nothing inside is recorded. Context manager (`with no_grad():`) and decorator (`@no_grad()` or `@no_grad`)."""

    def __new__(cls, function=None):
        mode = object.__new__(cls)
        return mode if function is None else mode(function)

    def __enter__(self):
        self.previous, state.grad = state.grad, False

    def __exit__(self, *error):
        state.grad = self.previous


class enable_grad(_Mode):
    """Operations inside are recorded, also within `no_grad`."""

    def __new__(cls, function=None):
        mode = object.__new__(cls)
        return mode if function is None else mode(function)

    def __enter__(self):
        self.previous, state.grad = state.grad, True

    def __exit__(self, *error):
        state.grad = self.previous


class set_grad_enabled(_Mode):
    """Switch recording on or off, at once; as a context manager, until its end."""

    def __init__(self, mode: bool):
        self.mode = bool(mode)
        self.previous, state.grad = state.grad, self.mode

    def __call__(self, function):
        state.grad = self.previous  # as a decorator it only acts inside the function
        return super().__call__(function)

    def __enter__(self):
        state.grad = self.mode

    def __exit__(self, *error):
        state.grad = self.previous

    def clone(self):
        return type(self)(self.mode)


class inference_mode(_Mode):
    """As `no_grad` (`mode=True`), or nothing (`mode=False`); tensors made inside carry no special mark here."""

    def __new__(cls, mode=True):
        made = object.__new__(cls)
        if callable(mode):
            made.mode = True
            return made(mode)
        made.mode = mode
        return made

    def __init__(self, mode=True):
        pass

    def __enter__(self):
        self.previous = state.grad, state.inference
        if self.mode:
            state.grad, state.inference = False, True

    def __exit__(self, *error):
        state.grad, state.inference = self.previous

    def clone(self):
        return type(self)(self.mode)
