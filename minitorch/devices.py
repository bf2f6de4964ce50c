"""`device`: where a tensor lives. There is one kind, "cpu"; the names of the others exist so that programs can ask."""

from __future__ import annotations

KINDS = ("cpu", "cuda", "mps", "xpu", "meta", "mkldnn", "opengl", "ideep", "hip", "ve", "fpga", "xla", "vulkan", "hpu")


class device:
    """A place for tensors: `device("cpu")`, `device("cuda", 0)`, `device("cuda:0")`, `device(other)`.

    Only "cpu" can hold tensors here: using another one raises where the tensor would be made.
    """

    __slots__ = ("type", "index")
    type: str
    index: int | None

    def __init__(self, type, index: int | None = None):
        if isinstance(type, device):
            type, index = type.type, type.index
        elif isinstance(type, int) and not isinstance(type, bool):
            raise RuntimeError("Cannot access accelerator device when none is available.")  # what a number stands for
        elif not isinstance(type, str):
            raise TypeError(f"device(): argument 'type' must be str, int or device, not {type.__class__.__name__}")
        name, colon, number = type.partition(":")
        if name not in KINDS:
            raise RuntimeError(f"Expected one of {', '.join(KINDS)} device type at start of device string: {type}")
        if colon:
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {type}"
                )
            if not number.isdigit():
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        self.type, self.index = name, index

    def __eq__(self, other):
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self):
        return hash((self.type, self.index))

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self):
        return f"device(type='{self.type}'" + (")" if self.index is None else f", index={self.index})")

    def __reduce__(self):
        return device, (self.type, self.index)

    def __enter__(self):
        check_device(self)
        return self

    def __exit__(self, *error):
        pass


CPU = device("cpu")


def check_device(value) -> device:
    """`value` (a device, a string, None) as the CPU device.

    Another device is refused as by a torch that was compiled without it: AssertionError for "cuda" and "xpu",
    RuntimeError for the rest.
    """
    if value is None or value is CPU:
        return CPU
    found = value if isinstance(value, device) else device(value)
    if found.type in ("cuda", "xpu"):
        raise AssertionError(
            f"Torch not compiled with {found.type.upper()} enabled: minitorch's tensors live on the CPU "
            f"(asked for '{found}')"
        )
    if found.type != "cpu":
        raise RuntimeError(f"minitorch has no {found.type} device: tensors live on the CPU (asked for '{found}')")
    return found
