"""Anomaly mode: every node remembers its forward call, and a NaN gradient is an error that names it."""

from __future__ import annotations

from ..core.state import anomaly


class set_detect_anomaly:
    """Switch anomaly mode on or off, at once; as a context manager, until its end."""

    def __init__(self, mode: bool, check_nan: bool = True):
        self.previous = anomaly.enabled, anomaly.check_nan
        anomaly.enabled, anomaly.check_nan = bool(mode), check_nan

    def __enter__(self):
        return self

    def __exit__(self, *error):
        anomaly.enabled, anomaly.check_nan = self.previous


class detect_anomaly(set_detect_anomaly):
    """Context manager: anomaly mode on. Slow, since every operation stores its stack."""

    def __init__(self, check_nan: bool = True):
        super().__init__(True, check_nan)


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    return anomaly.enabled
