"""What is written down of one call that a program makes."""

from __future__ import annotations

from dataclasses import dataclass, field

LOSS = ("Tensor.backward", "autograd.backward")  # called on one
BACKWARD = (*LOSS, "autograd.grad")
READ = ("Tensor.item", "Tensor.__float__", "Tensor.tolist")
# What they return has not been written yet.
UNINITIALISED = (
    "empty", "empty_like", "empty_strided", "Tensor.new_empty", "Tensor.new", "Tensor.resize_", "Tensor.new_empty_strided",
)  # fmt: skip


@dataclass(slots=True)
class Call:
    """One call: what it was given, what came of it, and where in the program it stands."""

    name: str
    where: tuple[str, int]
    inputs: list = field(default_factory=list)  # `Kept`
    scale: float = 0.0  # the largest element among the inputs
    outputs: list = field(default_factory=list)  # `Kept`, numbers, strings ...
    labels: list[str] = field(default_factory=list)  # of the outputs, where they are not simply what was returned
    error: tuple[str, str] | None = None
    stream: int | None = None  # checksum of the default generator's state after the call; None where it cannot be read

    @property
    def steps(self) -> bool:
        """Whether it is the step of an optimizer."""
        return self.name.startswith("optim.") and not self.name.startswith("optim.lr") and self.name.endswith(".step")

    def __str__(self) -> str:
        return f"{self.name} in line {self.where[1]}"
