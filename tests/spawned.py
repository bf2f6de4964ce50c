"""A function for processes that tests start: its module imports next to nothing, so they start quickly."""

import time


def work(i, name):
    if name == "fails" and i == 0:
        time.sleep(60)  # until the other one's failure ends it
    if name == "fails" and i == 1:
        raise ValueError(f"process {i}")
    if name == "exits" and i == 0:
        raise SystemExit(3)
