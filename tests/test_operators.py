"""Python's operators with foreign operands, and augmented ones: the result or the class of the error, as in torch."""

import operator
import re
import warnings

import numpy as np
import pytest

import minitorch

torch = pytest.importorskip("torch")

OPERATORS = {
    name: getattr(operator, name)
    for name in (
        "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift lt le gt ge eq ne "
        "iadd isub imul itruediv ifloordiv imod ipow iand ior ixor ilshift irshift"
    ).split()
}


class Foreign:
    """Takes part in every operation, from either side."""

    def answer(self, other):
        return "foreign"

    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __rpow__ = __rmatmul__ = answer
    __rand__ = __ror__ = __rxor__ = __rlshift__ = __rrshift__ = __lt__ = __le__ = __gt__ = __ge__ = answer
    __eq__ = __ne__ = answer
    __hash__ = object.__hash__


OPERANDS = {
    "None": None,
    "a string": "ab",
    "an object": object(),
    "a foreign object": Foreign(),
    "a dict": {},
    "a tuple": (1.0,),
    "a NumPy number": np.float64(2),
    "a NumPy int": np.int64(2),
    "a bool": True,
}


def outcome(lib, function, operand, swapped: bool, dtype: str):
    x = lib.ones(3, dtype=getattr(lib, dtype))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function(operand, x) if swapped else function(x, operand)
    except Exception as error:
        return type(error)
    return (str(result.dtype), result.tolist(), result is x) if isinstance(result, lib.Tensor) else result


@pytest.mark.parametrize("dtype", ("float32", "int64"))
@pytest.mark.parametrize("swapped", (False, True))
@pytest.mark.parametrize("name", OPERATORS)
def test_operands_of_every_kind(name, swapped, dtype):
    if swapped and name.startswith("i"):
        return
    for kind, operand in OPERANDS.items():
        if swapped and name == "truediv" and kind == "a foreign object":
            continue  # torch multiplies the object by the reciprocal, which the object answers
        mine = outcome(minitorch, OPERATORS[name], operand, swapped, dtype)
        assert mine == outcome(torch, OPERATORS[name], operand, swapped, dtype), (kind, mine)


def test_an_array_on_the_right_counts_as_a_tensor():
    x, array = minitorch.ones(3), np.arange(3, dtype=np.float32)
    for function in (operator.add, operator.mul, operator.truediv, operator.pow, operator.eq, operator.matmul):
        assert function(x, array).tolist() == function(x, minitorch.from_numpy(array)).tolist()
    for function in (operator.add, operator.mul, operator.lt):
        with pytest.raises(TypeError):
            function(array, x)


def test_functions_name_the_argument_that_is_no_tensor():
    x = minitorch.ones(2)
    for name in ("add", "sub", "mul", "div", "floor_divide", "remainder", "pow", "matmul", "eq"):
        for value in (None, "a", [1.0]):
            with pytest.raises(TypeError, match=r"must be Tensor"):
                getattr(minitorch, name)(x, value)


@pytest.mark.parametrize("dtype", ("float32", "bool"))
@pytest.mark.parametrize("name", OPERATORS)
def test_shapes_that_do_not_fit(name, dtype):
    """The class of the error is torch's, and its text has the name of the operation as users know it."""
    errors = []
    for lib in (minitorch, torch):
        a, b = lib.ones(3, 4).to(getattr(lib, dtype)), lib.ones(3).to(getattr(lib, dtype))
        with pytest.raises(Exception) as refused:
            OPERATORS[name](a, b)
        errors.append((refused.type, str(refused.value)))
        assert a.all()
    assert errors[0][0] is errors[1][0]
    known = name.removeprefix("i").rstrip("_")
    known = {
        "truediv": "div",
        "floordiv": "floor_divide",
        "mod": "remainder",
        "lshift": "left_shift",
        "rshift": "right_shift",
    }.get(known, known)
    assert re.match(rf"(bitwise_)?{known}\(\): |Subtraction, the `-` operator", errors[0][1]), errors[0][1]
