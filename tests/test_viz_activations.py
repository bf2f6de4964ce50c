"""The figures about activation functions, against what is known of them by formula."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minitorch.nn import functional as F
from minitorch.viz import activations

pytest.importorskip("matplotlib")


def test_relu_by_formula():
    a = activations.study("relu", F.relu)
    assert a.mean == pytest.approx(1 / math.sqrt(2 * math.pi), abs=1e-4)  # the integral of x phi(x) from 0 on
    assert a.dead == pytest.approx(0.5, abs=1e-3) and a.saturated == pytest.approx(0.5, abs=1e-2)
    np.testing.assert_array_equal(a.value, np.maximum(a.x, 0))
    np.testing.assert_array_equal(a.slope, a.x > 0)
    assert a.seconds > 0


def test_sigmoid_and_tanh_by_formula():
    sigmoid, tanh = activations.study("sigmoid", F.sigmoid), activations.study("tanh", F.tanh)
    assert sigmoid.mean == pytest.approx(0.5, abs=1e-5) and tanh.mean == pytest.approx(0, abs=1e-5)
    assert sigmoid.slope.max() == pytest.approx(0.25) and tanh.slope.max() == pytest.approx(1)
    # s (1 - s) = 0.05 where s = (1 - sqrt(0.8)) / 2; 1 - t^2 = 0.05 where t = sqrt(0.95).
    s = (1 - math.sqrt(0.8)) / 2
    edges = {"sigmoid": -math.log(s / (1 - s)), "tanh": math.atanh(math.sqrt(0.95))}
    for a in (sigmoid, tanh):
        assert a.saturated == pytest.approx(1 - edges[a.name] / activations.REACH, abs=2e-3)
        assert a.dead < 1e-3


def test_the_mean_of_gelu():
    """E X Phi(X) = E phi(X) = 1 / (2 sqrt(pi)), by partial integration."""
    assert activations.study("gelu", F.gelu).mean == pytest.approx(1 / (2 * math.sqrt(math.pi)), abs=1e-4)


def test_table_and_figure():
    import matplotlib.pyplot as plt

    studied = activations.study_all({"relu": F.relu, "tanh": F.tanh})
    lines = activations.table(studied).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["relu", "tanh"] and " 1.0" in "".join(lines)
    with plt.rc_context():
        figure = activations.draw(studied)
        titles = [ax.get_title() for ax in figure.axes if ax.axison]
        plt.close(figure)
    assert titles == ["relu", "tanh"]
