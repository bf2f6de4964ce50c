"""torch.jit.annotations: types for torch's compiler, which annotations name."""

from __future__ import annotations

from typing import Any

__all__ = ["BroadcastingList1", "BroadcastingList2", "BroadcastingList3"]


class _Broadcasting:
    """`BroadcastingList2[int]`: one int, or two."""

    def __getitem__(self, kind: Any) -> Any:
        return kind


BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = _Broadcasting()
