"""A fixture for the tests of functions of one's own: ``parity_check``, which is ``parity.check``.

    def test_my_gelu(parity_check):
        parity_check(my_gelu, torch.nn.functional.gelu, (3, 4), ranges=(-4, 4))

Every run of pytest loads this module where minitorch-lab is installed, so it imports nothing until the fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def parity_check() -> Callable:
    """``parity.check``; the test is skipped, with the reason, where PyTorch or Hypothesis is missing."""
    import parity
    from parity.guard import NoTorch, real_torch

    try:
        real_torch()
    except NoTorch as error:
        pytest.skip(str(error))
    pytest.importorskip("hypothesis", reason="parity draws its calls with Hypothesis, which is missing")
    return parity.check
