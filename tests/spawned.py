"""A function for processes that tests start: its module imports next to nothing, so they start quickly."""


def work(i, name):
    if name == "fails" and i == 1:
        raise ValueError(f"process {i}")
    if name == "exits" and i == 0:
        raise SystemExit(3)
