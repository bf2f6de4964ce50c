"""The comparison itself: what it lets pass, what it finds, and what it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from parity import bridge, calls, ulps  # noqa: E402
from parity.harness import assert_same, compare  # noqa: E402

floats = arrays(np.float64, array_shapes(min_dims=0, max_dims=3, max_side=4), elements=st.floats(-1e3, 1e3))
few = settings(deadline=None, max_examples=40)


@few
@given(floats)
def test_equal_is_equal(x):
    assert compare(wrap(x), torch.from_numpy(x.copy())) is None


@few
@given(floats, st.data())
def test_one_element_off_is_found_where_it_is(x, data):
    if x.size == 0:
        return
    at = data.draw(st.integers(0, x.size - 1))
    y = x.copy()
    y.reshape(-1)[at] += 1e-9 * (1 + abs(y.reshape(-1)[at]))
    found = compare(wrap(y), torch.from_numpy(x))
    assert found.kind == "value" and found.count == 1 and found.total == x.size
    assert found.index == tuple(int(i) for i in np.unravel_index(at, x.shape))
    assert found.ours == y.reshape(-1)[at] and found.theirs == x.reshape(-1)[at]


def test_infinities_and_nans_must_stand_at_the_same_places():
    special = np.array([np.nan, np.inf, -np.inf, 0.0])
    assert compare(wrap(special), torch.from_numpy(special)) is None
    for i, other in ((0, 0.0), (1, -np.inf), (2, -1e308), (3, np.nan)):
        changed = special.copy()
        changed[i] = other
        assert compare(wrap(changed), torch.from_numpy(special)).index == (i,)


def test_the_sign_of_zero_counts_on_request():
    ours, theirs = wrap(np.array([-0.0])), torch.tensor([0.0], dtype=torch.float64)
    assert compare(ours, theirs) is None
    assert compare(ours, theirs, signed_zeros=True).index == (0,)


@pytest.mark.parametrize(
    "ours, theirs, kind",
    [
        (lambda: wrap(np.zeros(2, np.float32)), lambda: torch.zeros(2, dtype=torch.float64), "dtype"),
        (lambda: wrap(np.zeros((2, 1), np.float32)), lambda: torch.zeros(2), "shape"),
        (lambda: 1.0, lambda: torch.tensor(1.0), "type"),
        (lambda: 1, lambda: 1.0, "type"),
        (lambda: 1, lambda: True, "type"),
        (lambda: [wrap(np.zeros(2, np.float32))], lambda: (torch.zeros(2),), "structure"),
        (lambda: (1, 2), lambda: (1, 2, 3), "structure"),
        (lambda: (wrap(np.zeros(2)), 0), lambda: torch.zeros(2, 2).max(0), "structure"),
        (lambda: None, lambda: torch.zeros(1), "type"),
        (lambda: minitorch.float32, lambda: torch.float64, "dtype"),
        (lambda: {"a": 1}, lambda: {"b": 1}, "structure"),
    ],
)
def test_what_is_not_a_value_is_compared_too(ours, theirs, kind):
    assert compare(ours(), theirs()).kind == kind


def test_integers_are_compared_exactly():
    big = np.array([2**62, 2**62 + 1])
    assert compare(wrap(big), torch.from_numpy(big.copy())) is None
    assert compare(wrap(big), torch.from_numpy(big - 1)).count == 2


def test_tolerances_are_torch_s_and_sharper_in_float64():
    one = torch.ones(1)
    for dtype, good, bad in ((torch.float32, 2e-6, 2e-5), (torch.float64, 1e-11, 1e-10), (torch.bfloat16, 0.01, 0.03)):
        theirs = one.to(dtype)
        name = str(dtype).removeprefix("torch.")
        for off, same in ((good, True), (bad, False)):
            ours = minitorch.tensor([1 + off], dtype=minitorch.float64).to(getattr(minitorch, name))
            assert (compare(ours, theirs) is None) == same, (dtype, off)


def test_the_report_says_it_in_words():
    with pytest.raises(AssertionError) as raised:
        assert_same(wrap(np.array([1.0, 2.0])), torch.tensor([1.0, 3.0], dtype=torch.float64), where="loss")
    message = str(raised.value)
    for part in ("loss", "differs at [1]", "minitorch 2.0", "torch 3.0", "1 of 2 elements", "ulp"):
        assert part in message


@few
@given(st.floats(1e-300, 1e300), st.integers(1, 40))
def test_an_error_of_n_neighbours_is_n_ulps(x, n):
    y = x
    for _ in range(n):
        y = np.nextafter(y, np.inf)
    if np.frexp(x)[1] == np.frexp(y)[1]:
        assert ulps.errors(np.array(y), np.array(x), "float64") == (n, n)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_spacing_is_numpy_s(dtype):
    x = np.array([1.0, 1.5, 3.0, 1e-3, 100.0, 1e-7, 0.0], dtype)
    np.testing.assert_array_equal(ulps.spacing(x.astype(np.float64), dtype), np.spacing(x).astype(np.float64))


LAYOUTS = {
    "contiguous": lambda t: t,
    "transposed": lambda t: t.t(),
    "sliced": lambda t: t[1::2, ::3],
    "expanded": lambda t: t[:1].expand(4, -1),
    "empty": lambda t: t[:0],
    "0-dim": lambda t: t[1, 2],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "uint8", "bool"])
def test_tensors_keep_numbers_strides_and_dtype_on_the_way_over(layout, dtype):
    torch.manual_seed(0)
    theirs = LAYOUTS[layout]((100 * torch.rand(5, 7)).to(getattr(torch, dtype)))
    ours = bridge.ToMinitorch()(theirs)
    assert compare(ours, theirs, rtol=0.0, atol=0.0) is None
    if theirs.numel():
        assert tuple(s // ours.array.itemsize for s in ours.array.strides) == theirs.stride()
    back = calls.copy_tensor(theirs)
    assert back.equal(theirs) and (back.stride() == theirs.stride() or not theirs.numel())
    assert not theirs.numel() or back.data_ptr() != theirs.data_ptr()


def test_one_tensor_in_two_places_stays_one():
    x = torch.ones(2, requires_grad=True)
    ours = bridge.ToMinitorch()([x, {"again": x}, (torch.float32, torch.Size([2]), slice(0, x), None, 1.5)])
    assert ours[0] is ours[1]["again"] is ours[2][2].stop and ours[0].requires_grad
    assert ours[2][:2] == (minitorch.float32, minitorch.Size([2])) and ours[2][3:] == (None, 1.5)
