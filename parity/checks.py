"""What is checked of one sample: each check runs the call on both libraries and yields what differs.

``forward``   structure, dtype, shape, values, what the call did to its inputs, which outputs are views
``accuracy``  rounding errors of values and gradients, against torch's own
``grad``      random cotangents pulled back, with and without ``create_graph``
``grad2``     the gradient of the gradient, also with respect to the cotangents (not in half precision)
``jvp``       random tangents pushed forward
``vmap``      the call and its gradient over a batch, against a loop over the examples
``method``, ``inplace``, ``operator``    the other spellings of the same call
``out``       what ``out=`` does with tensors of the right and of another shape, layout and dtype (see outs.py)
``error``     the class of the exception, and that the inputs came out unchanged
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import minitorch

from . import calls
from .accuracy import Accuracy, Truth
from .batches import check_vmap
from .bridge import ToMinitorch, Unsupported, tensors_in
from .calls import Call
from .harness import Difference, compare, to_array
from .outs import check_out
from .sample import Sample


def differs(where: str, ours: Any, theirs: Any) -> Difference:
    return Difference("behaviour", where, f"{where}: minitorch {ours}, torch {theirs}", ours=ours, theirs=theirs)


def failed_alike(ours: Call, theirs: Call, where: str = "call") -> Difference | None:
    """A difference when only one side raised, or the two raised different classes."""
    if (ours.error is None) == (theirs.error is None):
        same = ours.error is None or error_name(ours.error) == error_name(theirs.error)
        return None if same else differs(where, describe_error(ours.error), describe_error(theirs.error))
    return differs(where, describe_error(ours.error), describe_error(theirs.error))


def error_name(error: Exception) -> str:
    """The class; torch's LinAlgError calls itself _LinAlgError."""
    return type(error).__name__.removeprefix("_")


def describe_error(error: Exception | None) -> str:
    if error is None:
        return "raises nothing"
    lines = str(error).strip().splitlines()
    return f"raises {type(error).__name__}: {lines[0][:200] if lines else ''}"


def forms_differ(ours: Any, theirs: Any) -> Difference | None:
    """The first difference in structure, dtype or shape, whatever the values."""
    found = compare(ours, theirs, rtol=0, atol=float("inf"))
    return None if found is None or found.kind == "value" else found


def check_forward(sample: Sample, accuracy: Accuracy | None = None) -> Iterator[tuple[str, Difference | None]]:
    """Values, then gradient, then second gradient: one forward call serves all three."""
    info = sample.info
    ours, theirs, to = sample.both(info.op)
    ours.run(), theirs.run()
    found = failed_alike(ours, theirs)
    if found or theirs.error:
        yield "forward", found
        return
    truth = Truth(sample, theirs.function)
    our_values, values = tensors_in(ours.unique), tensors_in(theirs.unique)
    found = forms_differ(ours.output, theirs.output) or compare(ours.unique, theirs.unique)
    found = truth.unless_rounding(found, truth.output, our_values, values)
    found = found or inputs_differ(to) or (None if sample.negative_strides else views_differ(ours, theirs))
    yield "forward", found
    if found:
        return
    if not (info.supports_autograd and theirs.leaves):
        if accuracy is not None:
            yield "accuracy", accuracy.judge(truth, truth.output, our_values, values)
        return
    outputs, our_outputs = theirs.differentiable(), ours.differentiable()
    if len(outputs) != len(our_outputs):
        yield "grad", differs("outputs that require grad", len(our_outputs), len(outputs))
        return
    truth.starts = starts = [v.requires_grad_() for v in calls.cotangents(outputs, sample.rng)]
    our_starts = calls.carry(starts, to)
    try:
        grads = calls.gradient(torch, outputs, theirs.leaves, starts, create_graph=True)
    except RuntimeError:  # torch cannot differentiate this call: some of its rules want contiguous memory
        return
    plain = calls.gradient(minitorch, our_outputs, ours.leaves, our_starts)
    yield "grad", (found := compare_gradients(plain, grads, "gradient", truth, truth.gradients))
    if accuracy is not None:
        yield "accuracy", accuracy.judge(truth, truth.results, [*our_values, *plain], [*values, *grads])
    half = any(t.dtype in (torch.float16, torch.bfloat16) for t in theirs.leaves)
    if found or half or not info.supports_gradgrad:  # in half precision a second derivative is mostly rounding
        return
    rng = np.random.default_rng(sample.seed + 1)
    truth.seconds = seconds = [None if g is None else calls.cotangents([g], rng)[0] for g in grads]
    try:
        expected = calls.second_gradient(torch, grads, [*theirs.leaves, *starts], seconds)
    except RuntimeError:  # torch has no second derivative here
        return
    our_grads = calls.gradient(minitorch, our_outputs, ours.leaves, our_starts, create_graph=True)
    if found := compare_gradients(our_grads, grads, "gradient with create_graph", truth, truth.gradients):
        yield "grad", found
        return
    our_second = calls.second_gradient(minitorch, our_grads, [*ours.leaves, *our_starts], calls.carry(seconds, to))
    yield "grad2", compare_gradients(our_second, expected, "second gradient", truth, truth.second_gradients)


def compare_gradients(ours: list, theirs: list, where: str, truth: Truth, exact: Callable) -> Difference | None:
    """Gradient by gradient; one that is not there counts as zeros."""
    for i, (left, right) in enumerate(zip(ours, theirs, strict=True)):
        at = f"{where}[{i}]"
        if left is None and right is None:
            continue
        if left is None:
            found = compare(np.zeros_like(to_array(right)[0]), right, where=at, check_dtype=False)
        elif right is None:
            found = compare(left, np.zeros_like(to_array(left)[0]), where=at, check_dtype=False)
        else:
            found = compare(left, right, where=at)
        if found:
            return truth.unless_rounding(found, exact, ours, theirs)
    return None


def inputs_differ(to: ToMinitorch) -> Difference | None:
    """What the call did to its inputs (nothing, mostly) must be the same on both sides."""
    for i, (theirs, ours) in enumerate(to.pairs):
        if found := compare(ours, theirs, where=f"input {i} after the call"):
            return found
    return None


def views_differ(ours: Call, theirs: Call) -> Difference | None:
    """Where torch's output shares an input's memory, minitorch's must too, with the same strides; and the reverse."""
    for i, (left, right) in enumerate(zip(tensors_in(ours.output), tensors_in(theirs.output), strict=True)):
        if right.numel() == 0 or right.layout != torch.strided:
            continue
        start = right.untyped_storage().data_ptr()
        for j, (a, b) in enumerate(zip(ours.inputs, theirs.inputs, strict=True)):
            if b.numel() == 0:
                continue
            shares = b.untyped_storage().data_ptr() == start
            if np.may_share_memory(left.array, a.array) != shares:
                text = "shares its memory", "does not"
                return differs(f"output {i} and input {j}", text[shares], text[not shares])
            if shares and not calls.same_memory_layout(left, right):
                steps = [s // left.array.itemsize for s in left.array.strides]
                return differs(f"strides of output {i}, a view", steps, list(right.stride()))
    return None


def check_jvp(sample: Sample) -> Difference | None:
    ours, theirs, to = sample.both(sample.info.op)
    tangents = calls.cotangents(theirs.leaves, sample.rng)
    try:
        expected = calls.forward_derivative(theirs, tangents)
    except (RuntimeError, NotImplementedError):  # torch has no forward derivative here
        return None
    truth = Truth(sample, theirs.function)
    truth.tangents = tangents
    found = calls.forward_derivative(ours, calls.carry(tangents, to))
    return compare_gradients(found, expected, "forward derivative", truth, truth.derivative)


def check_variant(sample: Sample, variant: Callable, inplace: bool) -> Difference | None:
    """Another spelling of the operation. In place, the input is first cloned: a leaf must not be overwritten."""
    ours, theirs, to = sample.both(variant, wrapped=False)
    for call in (ours, theirs):
        if inplace:
            first, *rest = call.args
            call.args = (first.clone(), *rest)
        call.run()
    found = failed_alike(ours, theirs)
    if found or theirs.error:
        return found
    truth = Truth(sample, sample.info.op)
    our_values, values = tensors_in(ours.unique), tensors_in(theirs.unique)
    found = forms_differ(ours.output, theirs.output) or compare(ours.unique, theirs.unique)
    found = truth.unless_rounding(found, truth.output, our_values, values)
    if found or not inplace:
        return found
    found = compare(ours.args[0], theirs.args[0], where="input after the call")
    if found := truth.unless_rounding(found, truth.output, [ours.args[0]], [theirs.args[0]]):
        return found
    leaves, our_leaves = [[t for t, _ in to.pairs if t.requires_grad], [t for _, t in to.pairs if t.requires_grad]]
    outputs, our_outputs = [[t for t in tensors_in(c.output) if t.requires_grad] for c in (theirs, ours)]
    if not outputs or len(outputs) != len(our_outputs):
        return None if len(outputs) == len(our_outputs) else differs("requires_grad", len(our_outputs), len(outputs))
    truth.starts = starts = calls.cotangents(outputs, sample.rng)
    try:
        expected = calls.gradient(torch, outputs, leaves, starts)
    except NotImplementedError:  # torch cannot differentiate this in-place form
        return None
    except RuntimeError as error:  # an in-place edit destroyed what the rule needs
        try:
            calls.gradient(minitorch, our_outputs, our_leaves, calls.carry(starts, to))
        except RuntimeError:
            return None
        return differs("gradient", "raises nothing", describe_error(error))
    grads = calls.gradient(minitorch, our_outputs, our_leaves, calls.carry(starts, to))
    return compare_gradients(grads, expected, "gradient", truth, truth.gradients)


def torch_refuses(sample: Sample) -> bool:
    """Some of torch's error inputs are refused on other devices only, or merely warned about."""
    args, kwargs = calls.copy_strided(sample.args), calls.copy_strided(sample.kwargs)
    return Call(torch, sample.info.op, args, kwargs).run().error is not None


def check_error(sample: Sample) -> Difference | None:
    ours, theirs, to = sample.both(sample.info.op, wrapped=False)
    before = [calls.memory_of(t).copy() for t, _ in to.pairs]
    found = failed_alike(ours.run(), theirs.run()) or unclear(sample, ours.error, [t for _, t in to.pairs])
    for i, ((_, tensor), old) in enumerate(zip(to.pairs, before, strict=True)):
        if found is None and (change := compare(tensor.array, old, where=f"input {i} after the error")):
            return change
    return found


def unclear(sample: Sample, error: Exception, tensors: list) -> Difference | None:
    """Whether the message leaves out the operation, or the shapes of all its tensors (a number has none to name)."""
    name, text = sample.info.name.rpartition(".")[-1], str(error)
    if "__" not in name and name not in text:
        return Difference("behaviour", "message", f"the message does not name the operation: {text}")
    shapes = [tuple(t.array.shape) for t in tensors if t.array.ndim]
    if "__" not in name and shapes and not any(str(shape) in text or str(list(shape)) in text for shape in shapes):
        return Difference("behaviour", "message", f"the message does not name the shapes: {text}")
    return None


def guarded(check: Callable[[], Difference | None]) -> Difference | None:
    """A crash on our side is a finding, not the end of the run."""
    try:
        return check()
    except Exception as error:
        return crashed(error)


def crashed(error: Exception) -> Difference:
    trail = error.__traceback__
    while trail is not None and trail.tb_next is not None:
        trail = trail.tb_next
    place = f" ({trail.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trail.tb_lineno})" if trail else ""
    kind = "unsupported" if isinstance(error, Unsupported) else "crash"
    return Difference(kind, "call", f"minitorch {describe_error(error)}{place}", ours=type(error).__name__)


def run_checks(
    sample: Sample, wanted: set[str], accuracy: Accuracy | None = None
) -> Iterator[tuple[str, Difference | None]]:
    """Every wanted check of one sample, as (check, what differs or None)."""
    info = sample.info
    last = None
    try:
        for check, found in check_forward(sample, accuracy):
            last = check
            if check in wanted:
                yield check, found
    except Exception as error:
        yield {None: "forward", "forward": "grad", "grad": "grad2", "accuracy": "grad2"}[last], crashed(error)
    differentiable = any(t.requires_grad for t in tensors_in([sample.args, sample.kwargs]))
    if "jvp" in wanted and info.supports_forward_ad and differentiable:
        yield "jvp", guarded(lambda: check_jvp(sample))
    if "out" in wanted and info.supports_out:
        yield "out", guarded(lambda: check_out(sample))
    if "vmap" in wanted:
        yield "vmap", guarded(lambda: check_vmap(sample))
    if not sample.args or not isinstance(sample.args[0], torch.Tensor):
        return
    for name, variant in {"method": info.method_variant, "operator": info.operator_variant}.items():
        if name in wanted and variant is not None:
            yield name, guarded(lambda v=variant: check_variant(sample, v, inplace=False))
    for variant in (info.inplace_variant, info.inplace_operator_variant):
        if "inplace" in wanted and variant is not None and not sample.broadcasts_input:
            yield "inplace", guarded(lambda v=variant: check_variant(sample, v, inplace=True))
