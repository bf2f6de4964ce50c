"""Memory of freed arrays is not given back to the system between two steps."""

import os
import platform
import subprocess
import sys

import pytest

STEPS = """
import resource
import numpy as np
{}
def step():
    arrays = [np.ones(size) for size in (1_000_000, 300_000, 1_000_000, 1_000_000, 50_000, 1_000_000)]
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(code: str, **environment) -> int:
    environment = {**os.environ, **environment}
    found = subprocess.run(
        [sys.executable, "-c", STEPS.format(code)], capture_output=True, text=True, check=True, env=environment
    )
    return int(found.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a matter of glibc")
def test_steps_cause_no_page_faults():
    assert faults("import minitorch") < 500 < faults("import numpy")
    # What the user has told glibc holds.
    assert faults("import minitorch", MALLOC_TRIM_THRESHOLD_="131072") > 500
