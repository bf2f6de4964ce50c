"""The files that editors read say what is really there."""

from minitorch import stubs


def test_stubs_are_up_to_date():
    stale = [str(path) for path, text in stubs.stubs().items() if not path.exists() or path.read_text() != text]
    assert not stale, f"run `python -m minitorch.stubs`: {stale}"
