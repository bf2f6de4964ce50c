"""A few kills and damaged files of `endurance.py`, which has the command for any number of them."""

import os

import pytest
from endurance import damaged_files, kills

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills with a signal")


def test_kills():
    kills(20)


def test_damaged_files():
    outcomes = damaged_files(500)
    assert outcomes["refused"] > 250 and outcomes["read right"] > 5
