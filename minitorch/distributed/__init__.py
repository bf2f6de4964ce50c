"""torch.distributed for one process: a group of one, in which every collective is what it is for a single member.

`init_process_group` with a world of one makes the group; with more it raises, because processes do not exchange
tensors here. Calling a collective before it raises torch's ValueError.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from typing import Any

from ..core.state import no_grad
from ..core.tensor import Tensor

__all__ = [
    "Backend", "GroupMember", "ProcessGroup", "ReduceOp", "Work", "all_gather", "all_gather_into_tensor", "all_gather_object",
    "all_reduce", "all_to_all", "all_to_all_single", "barrier", "broadcast", "broadcast_object_list", "default_pg_timeout",
    "destroy_process_group", "gather", "gather_object", "get_backend", "get_default_backend_for_device",
    "get_global_rank", "get_group_rank", "get_node_local_rank", "get_process_group_ranks", "get_rank", "get_world_size",
    "group", "init_process_group", "irecv", "is_available", "is_gloo_available", "is_initialized", "is_mpi_available",
    "is_nccl_available", "is_torchelastic_launched", "isend", "monitored_barrier", "new_group", "recv", "reduce",
    "reduce_op", "reduce_scatter", "reduce_scatter_tensor", "scatter", "scatter_object_list", "send",
]  # fmt: skip

default_pg_timeout = timedelta(minutes=30)


class ReduceOp(Enum):
    """How a reduction combines the members' tensors. Of one member's, every one gives the tensor itself."""

    SUM = "sum"
    AVG = "avg"
    PRODUCT = "product"
    MIN = "min"
    MAX = "max"
    BAND = "band"
    BOR = "bor"
    BXOR = "bxor"


reduce_op = ReduceOp


class Backend(str):
    """The name of a way to exchange tensors, in lower case."""

    GLOO = "gloo"
    NCCL = "nccl"
    MPI = "mpi"
    UNDEFINED = "undefined"

    def __new__(cls, name: str) -> Backend:
        return super().__new__(cls, name.lower())


class ProcessGroup:
    """The group of the one process."""

    def __init__(self, backend: str = "gloo") -> None:
        self.backend = Backend(backend)

    def rank(self) -> int:
        """0."""
        return 0

    def size(self) -> int:
        """1."""
        return 1


class Work:
    """What a collective with async_op=True returns; it is done already."""

    def wait(self, timeout: Any = None) -> bool:
        """True."""
        return True

    def is_completed(self) -> bool:
        """True."""
        return True


class _World:
    group: ProcessGroup | None = None


class _GroupMeta(type):
    @property
    def WORLD(cls) -> ProcessGroup | None:
        """The group of all processes, None before `init_process_group`."""
        return _World.group


class group(metaclass=_GroupMeta):
    """`group.WORLD`."""


class GroupMember(metaclass=_GroupMeta):
    """`GroupMember.WORLD`; NON_GROUP_MEMBER stands for a group that this process is not in."""

    NON_GROUP_MEMBER = -100


def is_available() -> bool:
    """True: programs for one process may use it."""
    return True


def is_initialized() -> bool:
    """Whether `init_process_group` was called."""
    return _World.group is not None


def is_nccl_available() -> bool:
    """False."""
    return False


def is_gloo_available() -> bool:
    """True: the name that the group of one answers to."""
    return True


def is_mpi_available() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """Whether a launcher of torch's started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: Any = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Make the group of this process alone.

    The size of the world comes from `world_size`, or from the environment's WORLD_SIZE, as in torch.
    RuntimeError for a world of more than one; ValueError where there is a group already.
    """
    if _World.group is not None:
        raise ValueError("trying to initialize the default process group twice!")
    size = world_size if world_size > 0 else int(os.environ.get("WORLD_SIZE", "1"))
    if size != 1:
        raise RuntimeError(
            f"init_process_group: world_size is {size}, and minitorch's processes do not exchange tensors; run the program "
            "in one process (WORLD_SIZE=1)"
        )
    _World.group = ProcessGroup(backend or "gloo")


def destroy_process_group(group: Any = None) -> None:
    """End the group."""
    _default()
    _World.group = None


def _default() -> ProcessGroup:
    if _World.group is None:
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")
    return _World.group


def new_group(ranks: list[int] | None = None, timeout: Any = None, backend: str | None = None, **options: Any) -> Any:
    """A group of some of the members: of this one, or one that it is not in."""
    default = _default()
    return ProcessGroup(backend or default.backend) if ranks is None or 0 in ranks else GroupMember.NON_GROUP_MEMBER


def get_rank(group: Any = None) -> int:
    """0; -1 in a group that this process is not in."""
    _default()
    return -1 if group == GroupMember.NON_GROUP_MEMBER else 0


def get_world_size(group: Any = None) -> int:
    """1; -1 in a group that this process is not in."""
    _default()
    return -1 if group == GroupMember.NON_GROUP_MEMBER else 1


def get_backend(group: Any = None) -> str:
    """The name that the group was made with."""
    return str((group or _default()).backend)


def get_default_backend_for_device(device: Any) -> str:
    """ "gloo" for the CPU. ValueError for another device."""
    kind = str(getattr(device, "type", device)).partition(":")[0]
    if kind != "cpu":
        raise ValueError(f"Default backend not registered for device : {kind}")
    return "gloo"


def get_global_rank(group: Any, group_rank: int) -> int:
    """The member's number among all processes: 0."""
    return 0


def get_group_rank(group: Any, global_rank: int) -> int:
    """The process's number in the group: 0."""
    return 0


def get_process_group_ranks(group: Any = None) -> list[int]:
    """[0]."""
    return [0]


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """The environment's LOCAL_RANK, or `fallback_rank`."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is None:
        raise RuntimeError("LOCAL_RANK is not in the environment. Consider passing fallback_rank")
    return int(fallback_rank)


def _collective(act: Callable) -> Callable:
    """Run `act`, with a group there, outside of autograd; the finished Work with async_op=True, None otherwise."""

    def call(*args: Any, group: Any = None, async_op: bool = False, **kwargs: Any) -> Work | None:
        _default()
        with no_grad():
            act(*args, **kwargs)
        return Work() if async_op else None

    call.__name__ = call.__qualname__ = act.__name__.lstrip("_")
    call.__doc__ = act.__doc__
    return call


@_collective
def all_reduce(tensor: Tensor, op: Any = ReduceOp.SUM) -> None:
    """The combination of one tensor is the tensor: it stays as it is."""


@_collective
def reduce(tensor: Tensor, dst: int = 0, op: Any = ReduceOp.SUM) -> None:
    """The tensor stays as it is."""


@_collective
def broadcast(tensor: Tensor, src: int = 0) -> None:
    """The tensor stays as it is."""


@_collective
def all_gather(tensor_list: list[Tensor], tensor: Tensor) -> None:
    """Copy the tensor into the one of the list."""
    tensor_list[0].copy_(tensor)


@_collective
def all_gather_into_tensor(output_tensor: Tensor, input_tensor: Tensor) -> None:
    """Copy the input into the output."""
    output_tensor.copy_(input_tensor.reshape(output_tensor.shape))


@_collective
def gather(tensor: Tensor, gather_list: list[Tensor] | None = None, dst: int = 0) -> None:
    """Copy the tensor into the one of the list."""
    if gather_list is None:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    gather_list[0].copy_(tensor)


@_collective
def scatter(tensor: Tensor, scatter_list: list[Tensor] | None = None, src: int = 0) -> None:
    """Copy the one tensor of the list into the tensor."""
    if scatter_list is None:
        raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
    tensor.copy_(scatter_list[0])


@_collective
def reduce_scatter(output: Tensor, input_list: list[Tensor], op: Any = ReduceOp.SUM) -> None:
    """Copy the one input into the output."""
    output.copy_(input_list[0])


@_collective
def reduce_scatter_tensor(output: Tensor, input: Tensor, op: Any = ReduceOp.SUM) -> None:
    """Copy the input into the output."""
    output.copy_(input.reshape(output.shape))


@_collective
def all_to_all(output_tensor_list: list[Tensor], input_tensor_list: list[Tensor]) -> None:
    """Copy the one input into the one output."""
    output_tensor_list[0].copy_(input_tensor_list[0])


@_collective
def all_to_all_single(
    output: Tensor, input: Tensor, output_split_sizes: Any = None, input_split_sizes: Any = None
) -> None:
    """Copy the input into the output."""
    output.copy_(input)


@_collective
def barrier(device_ids: Any = None) -> None:
    """Nobody to wait for."""


@_collective
def monitored_barrier(timeout: Any = None, wait_all_ranks: bool = False) -> None:
    """Nobody to wait for."""


def all_gather_object(object_list: list, obj: Any, group: Any = None) -> None:
    """Put the object into the list."""
    _default()
    object_list[0] = obj


def gather_object(obj: Any, object_gather_list: list | None = None, dst: int = 0, group: Any = None) -> None:
    """Put the object into the list."""
    _default()
    if object_gather_list is not None:
        object_gather_list[0] = obj


def broadcast_object_list(object_list: list, src: int = 0, group: Any = None, device: Any = None) -> None:
    """The list stays as it is."""
    _default()


def scatter_object_list(output: list, input: list | None = None, src: int = 0, group: Any = None) -> None:
    """Put the one input into the output."""
    _default()
    if input is not None:
        output[0] = input[0]


def _no_peer(tensor: Tensor, other: int | None = None, group: Any = None, tag: int = 0, **options: Any) -> Any:
    """ValueError: a process has nobody to send to, or to receive from, but itself."""
    _default()
    raise ValueError("Invalid peer: the process group has one member, which cannot exchange tensors with itself")


send = recv = isend = irecv = _no_peer
