"""Runs a program on one library and takes down every call it makes to the library's public interface.

The same wrapper goes around the same names of both libraries: the functions of the public modules, the methods and
operators of `Tensor`, the calls of layers, the steps of optimizers and schedulers, the batches of a `DataLoader`. It
takes a call down when the *program* makes it, that is, when the calling frame is not one of the library's; what the
library calls inside itself is its own affair. So a call stands for one line of the program on both sides.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import pickle
import random
import sys
import sysconfig
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from .. import dropin
from .call import Call
from .lockstep import Follow, Free, Lead, Side
from .nudged import nudged

FUNCTIONS = (
    "", "nn.functional", "linalg", "fft", "special", "nn.init", "nn.utils", "nn.utils.rnn", "autograd", "distributions",
    "utils.checkpoint", "func", "amp",
)  # fmt: skip
OPERATORS = tuple(
    f"__{name}__"
    for name in """
    add radd iadd sub rsub isub mul rmul imul truediv rtruediv itruediv floordiv rfloordiv ifloordiv mod rmod imod
    pow rpow ipow matmul rmatmul neg pos abs invert and rand iand or ror ior xor rxor ixor lshift rshift
    lt le gt ge eq ne getitem setitem bool int float index
    """.split()
)
# Names that answer with something of the library's own, or say what a program may not rely on.
LEFT_OUT = frozenset(
    """
    as_subclass compile data_ptr default_generator element_size get_device get_device_module get_file_path
    get_num_interop_threads get_num_threads get_rng_state import_ir_module initial_seed is_shared module_load
    pin_memory register_hook register_post_accumulate_grad_hook rename seed share_memory_ storage storage_type to_dlpack
    typed_storage untyped_storage vmap
    """.split()
)
SIDES = {"lead": Lead, "follow": Follow, "free": Free}
DISTRIBUTION_METHODS = ("sample", "rsample", "log_prob", "entropy", "cdf", "icdf")


class Program(dict):
    """File name -> whether its code belongs to the program, not to a library."""

    def __init__(self, library: ModuleType, extra: tuple[str, ...] = ()):
        super().__init__()
        paths = sysconfig.get_paths()
        folders = [Path(library.__file__ or "").parent, Path(dropin.__file__).parents[1]]
        folders += [Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
        self.libraries = tuple({str(folder.resolve()) + os.sep for folder in folders})
        self.extra = extra

    def __missing__(self, name: str) -> bool:
        full = str(Path(name).resolve())
        own = not name.startswith("<") and not full.startswith(self.libraries)
        self[name] = own or (bool(self.extra) and full.endswith(self.extra))
        return self[name]


class Recorder:
    """Wraps a library's public names and tells `side` (`lockstep`) of the calls that a program makes to them."""

    def __init__(self, library: ModuleType, side: Side):
        self.library = library
        self.side = side
        self.program = Program(library)
        # A Sequential calls its layers for the program, as it were, and so does a Transformer. In evaluation torch's
        # takes a way of its own, without its layers.
        layers = [os.path.join("nn", "modules", name) for name in ("container.py", "transformer.py")]
        self.calls_layers, self.trains_layers = Program(library, (layers[0],)), Program(library, tuple(layers))
        self.leaves: dict[int, weakref.ref] = {}  # the tensors that collect gradients, in the order they were met
        self.stepping = False
        self.process = os.getpid()

    # what a call is given, and what comes of it

    def flat(self, value: Any, found: list) -> list:
        """Append all tensors, arrays and plain values in `value` to `found`."""
        if isinstance(value, (self.library.Tensor, np.ndarray, bool, int, float, str)) or value is None:
            found.append(value)
        elif isinstance(value, self.library.Size):
            found.append(tuple(value))
        elif isinstance(value, dict):
            for key in value:
                self.flat(value[key], found)
        elif isinstance(value, (tuple, list)):
            for item in value[:64]:
                self.flat(item, found)
        else:
            found.append(type(value).__name__)
        return found

    def tensors(self, value: Any, found: list) -> list:
        """Append the tensors among arguments; leaves that collect gradients are noted."""
        if isinstance(value, self.library.Tensor):
            self.note_leaf(value)
            found.append(value)
        elif isinstance(value, dict):
            for key in value:
                self.tensors(value[key], found)
        elif isinstance(value, (tuple, list)):
            for item in value[:64]:
                self.tensors(item, found)
        return found

    def note_leaf(self, tensor: Any) -> None:
        if tensor.requires_grad and tensor.is_leaf:
            known = self.leaves.get(id(tensor))
            if known is None or known() is not tensor:
                self.leaves[id(tensor)] = weakref.ref(tensor)

    def gradients(self) -> Iterator[tuple[str, Any]]:
        for i, reference in enumerate(self.leaves.values()):
            leaf = reference()
            if leaf is not None and leaf.grad is not None:
                yield f"gradient of leaf {i}, {self.side.kept(leaf, None)}", leaf.grad

    # taking down

    def where(self, frame: FrameType | None) -> tuple[str, int]:
        while frame is not None and not self.program[frame.f_code.co_filename]:
            frame = frame.f_back
        return ("?", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno)

    def take(
        self,
        name: str,
        frame: FrameType | None,
        function: Callable,
        args: tuple,
        kwargs: dict,
        given: Iterable = (),
        results: Callable[[Any], Iterable[tuple[str, Any]]] | None = None,
    ) -> Any:
        """Run `function` and take the call down.

        given: what else the result depends on, besides the arguments. results: from what was returned, the labelled
        values to compare; otherwise what was returned is compared.
        """
        if os.getpid() != self.process:  # a forked worker
            return function(*args, **kwargs)
        call = Call(name, self.where(frame))
        self.side.begin(call, self.tensors((args, kwargs, list(given)), []))
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            call.error = type(error).__name__, str(error)
            self.side.end(call, [])
            raise
        found: list = []
        if results is None:
            self.flat(result, found)
        else:
            for label, value in results(result):
                self.flat(value, found)
                call.labels += [label] * (len(found) - len(call.labels))
        self.side.end(call, found)
        return result

    # wrapping

    def around(self, name: str, function: Callable, **how: Any) -> Callable:
        """`function`, its calls by the program taken down."""
        program, take = self.program, self.take

        @functools.wraps(function)
        def call(*args, **kwargs):
            frame = sys._getframe(1)
            if not program[frame.f_code.co_filename]:
                return function(*args, **kwargs)
            return take(name, frame, function, args, kwargs, **how)

        return call

    def wrap(self, names: Collection[str] | None) -> list[str]:
        """Wrap all public names, or those among `names`; the names that were wrapped."""
        done = []
        for name, holder, attribute, value in list(self.functions()) + list(self.methods()):
            if names is None or name in names:
                setattr(holder, attribute, self.special(name) or self.around(name, value))
                done.append(name)
        self.wrap_optimizers()
        # The compilers would look at the wrappers; without them a program computes the same.
        for holder, name in ((self.library, "compile"), (self.library.jit, "script")):
            setattr(holder, name, as_it_is)
        return done

    def wrap_classes(self) -> None:
        """Wrap what layers, loaders and distributions do."""
        self.wrap_modules()
        self.wrap_loader()
        self.wrap_distributions()

    def functions(self) -> Iterator[tuple[str, Any, str, Callable]]:
        """(name, module, attribute, function) of every public function."""
        for namespace in FUNCTIONS:
            try:
                module = importlib.import_module(f"torch.{namespace}".rstrip("."))
            except ModuleNotFoundError:
                continue
            for name, value in list(vars(module).items()):
                if name.startswith("_") or name in LEFT_OUT or not callable(value) or isinstance(value, type):
                    continue
                yield f"{namespace}.{name}".lstrip("."), module, name, value

    def methods(self) -> Iterator[tuple[str, Any, str, Callable]]:
        """The same of every public method and operator of Tensor."""
        cls = self.library.Tensor
        for name in dir(cls):
            value = getattr(cls, name)
            public = not name.startswith("_") and name not in LEFT_OUT and not name.startswith(("is_", "has_"))
            if (public or name in OPERATORS) and callable(value) and not isinstance(value, type):
                yield f"Tensor.{name}", cls, name, value

    def special(self, name: str) -> Callable | None:
        """The wrapper of a name whose effect is not in what it returns."""
        if name == "Tensor.__setitem__":
            return self.set_item(self.library.Tensor.__setitem__)
        if name in ("Tensor.backward", "autograd.backward"):
            holder = self.library.Tensor if name == "Tensor.backward" else self.library.autograd
            return self.around(name, holder.backward, results=lambda result: self.gradients())
        return None

    def set_item(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def call(tensor, key, value):
            frame = sys._getframe(1)
            if not self.program[frame.f_code.co_filename]:
                return function(tensor, key, value)
            written = lambda result: [("the tensor", tensor)]  # noqa: E731
            return self.take("Tensor.__setitem__", frame, function, (tensor, key, value), {}, results=written)

        return call

    def own(self, value: Any) -> bool:
        """Whether an object's class is the library's, not one that the program derives."""
        return type(value).__module__.partition(".")[0] == self.library.__name__

    def wrap_modules(self) -> None:
        nn = self.library.nn
        for cls in {nn.Module, *derived(nn.Module)}:
            if "__init__" in vars(cls):
                cls.__init__ = self.module_init(cls.__init__)
        function = nn.Module.__call__

        @functools.wraps(function)
        def call(module, *args, **kwargs):
            frame = sys._getframe(1)
            calls = self.trains_layers if module.training else self.calls_layers
            if not calls[frame.f_code.co_filename] or not self.own(module) or type(module) is nn.Sequential:
                return function(module, *args, **kwargs)
            state = lambda result: [("output", result), *module.named_buffers()]  # noqa: E731
            name = f"nn.{type(module).__name__}"
            return self.take(name, frame, function, (module, *args), kwargs, given=module.parameters(), results=state)

        nn.Module.__call__ = call

    def module_init(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def init(module, *args, **kwargs):
            frame = sys._getframe(1)
            if not self.program[frame.f_code.co_filename] or not self.own(module):
                return function(module, *args, **kwargs)
            state = lambda result: [*module.named_parameters(), *module.named_buffers()]  # noqa: E731
            name = f"nn.{type(module).__name__}()"
            return self.take(name, frame, function, (module, *args), kwargs, results=state)

        return init

    def wrap_optimizers(self) -> None:
        base = self.library.optim.Optimizer
        function = base.__init__

        @functools.wraps(function)
        def init(optimizer, *args, **kwargs):
            function(optimizer, *args, **kwargs)
            cls = type(optimizer)
            # Only now: torch puts its own wrapper, which runs the step's hooks, around `step` on first use.
            if not hasattr(cls.step, "taken_down"):
                cls.step = self.optimizer_step(cls.step)

        base.__init__ = init
        for cls in vars(self.library.optim.lr_scheduler).values():
            if isinstance(cls, type) and "step" in vars(cls):
                cls.step = self.scheduler_step(cls.step)

    def optimizer_step(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def step(optimizer, *args, **kwargs):
            if self.stepping:
                return function(optimizer, *args, **kwargs)
            # Schedulers and scalers call it for the program, so the calling frame says nothing.
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            after = lambda result: [(f"parameter {i}", p) for i, p in enumerate(parameters)]  # noqa: E731
            given = [t for p in parameters for t in (p, p.grad if p.grad is not None else p.detach() * 0)]
            self.stepping = True
            try:
                return self.take(
                    f"optim.{type(optimizer).__name__}.step",
                    sys._getframe(1),
                    function,
                    (optimizer, *args),
                    kwargs,
                    given=given,
                    results=after,
                )
            finally:
                self.stepping = False

        step.taken_down = True  # type: ignore[attr-defined]
        return step

    def scheduler_step(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def step(scheduler, *args, **kwargs):
            frame = sys._getframe(1)
            if not self.program[frame.f_code.co_filename]:
                return function(scheduler, *args, **kwargs)
            rates = lambda result: [(f"lr of group {i}", float(g["lr"])) for i, g in enumerate(groups)]  # noqa: E731
            groups = scheduler.optimizer.param_groups
            name = f"optim.lr_scheduler.{type(scheduler).__name__}.step"
            return self.take(name, frame, function, (scheduler, *args), kwargs, results=rates)

        return step

    def wrap_loader(self) -> None:
        loader = importlib.import_module("torch.utils.data").DataLoader
        function, record = loader.__iter__, self.take

        class Batches:
            """An iterator over batches that takes each down."""

            def __init__(self, source: Iterator):
                self.source = source

            def __iter__(self) -> Batches:
                return self

            def __next__(self) -> Any:
                end = object()
                batch = next(self.source, end)
                if batch is end:
                    raise StopIteration
                return record("utils.data.DataLoader.__next__", sys._getframe(1), lambda: batch, (), {})

            def __getattr__(self, name: str) -> Any:
                return getattr(self.source, name)

        loader.__iter__ = functools.wraps(function)(lambda loader: Batches(function(loader)))

    def wrap_distributions(self) -> None:
        module = importlib.import_module("torch.distributions")
        for cls in vars(module).values():
            if isinstance(cls, type) and issubclass(cls, module.Distribution):
                for name in DISTRIBUTION_METHODS:
                    if name in vars(cls):
                        setattr(cls, name, self.around(f"distributions.{name}", vars(cls)[name]))


def derived(cls: type) -> Iterator[type]:
    """All classes below `cls`."""
    for below in cls.__subclasses__():
        yield below
        yield from derived(below)


def as_it_is(function: Any = None, *args: Any, **kwargs: Any) -> Any:
    """`compile` and `jit.script` without a compiler; also as a decorator with arguments."""
    return as_it_is if function is None else function


def record(
    role: str,
    library: str,
    script: str,
    arguments: tuple[str, ...],
    stream: Path | None,
    found: Path,
    seed: int,
    nudge: int | None,
) -> None:
    """Run a program on `library` ("torch" or "minitorch") and write what was found.

    role: "lead" writes its calls to `stream`, "follow" reads them there; "free" runs on its own. nudge: with which
    signs to start one unit in the last place away (`nudged`).
    """
    if library == "minitorch":
        dropin.install()
    module = importlib.import_module("torch")
    for name in ("nn", "nn.functional", "optim", "optim.lr_scheduler", "autograd", "jit"):
        importlib.import_module(f"torch.{name}")
    file = contextlib.nullcontext() if stream is None else stream.open("wb" if role == "lead" else "rb")
    with file as open_file:
        side = SIDES[role](module, open_file)
        recorder = Recorder(module, side)
        side.names(recorder.wrap(side.wanted()))
        if role != "free":
            recorder.wrap_classes()
        random.seed(seed)
        np.random.seed(seed)
        module.manual_seed(seed)
        try:
            run_program(recorder, module, script, arguments, nudge)
        finally:
            with found.open("wb") as out:
                pickle.dump(side.found(), out)


def run_program(
    recorder: Recorder, module: ModuleType, script: str, arguments: tuple[str, ...], nudge: int | None
) -> None:
    """Run the program; an error that ends it is taken down, and raised."""
    checkpoint = importlib.import_module("torch.utils.checkpoint")
    off = contextlib.nullcontext() if nudge is None else nudged(module, nudge)
    try:
        # torch ends a recomputation early, by an exception out of whatever call has just given it the last tensor.
        with checkpoint.set_checkpoint_early_stop(False), off:
            dropin.run_program(script, arguments)
    except Exception as error:
        dropin.explain(error)
        where, last = ("?", 0), error.__traceback__
        while last is not None:
            if recorder.program[last.tb_frame.f_code.co_filename]:
                where = last.tb_frame.f_code.co_filename, last.tb_lineno
            last = last.tb_next
        notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
        call = Call("the program", where, error=(type(error).__name__, f"{error}{notes}"))
        recorder.side.begin(call, [])
        recorder.side.end(call, [])
        raise
