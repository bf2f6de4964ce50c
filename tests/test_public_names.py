"""What users call: found again by its name, and named by its errors."""

import pickle
from types import FunctionType

import pytest

import minitorch

NAMESPACES = {
    "minitorch": minitorch,
    "functional": minitorch.nn.functional,
    "linalg": minitorch.linalg,
    "special": minitorch.special,
}


@pytest.mark.parametrize("name", NAMESPACES)
def test_functions_are_pickled_by_their_names(name):
    functions = [f for key, f in vars(NAMESPACES[name]).items() if isinstance(f, FunctionType) and key[0] != "_"]
    assert functions
    assert all(pickle.loads(pickle.dumps(f)) is f for f in functions)


def test_a_model_that_holds_a_function_is_pickled():
    layer = minitorch.nn.TransformerEncoderLayer(4, 2, 8, activation=minitorch.nn.functional.gelu)
    assert pickle.loads(pickle.dumps(layer)).activation is minitorch.nn.functional.gelu


CALLS = {
    "roll": lambda x: x.roll((1, 2), (0,)),
    "std_mean": lambda x: minitorch.std_mean(x, 5),  # the one that was called, not one that it calls
    "cat": lambda x: minitorch.cat([x, x[None]]),
    "conv2d": lambda x: minitorch.nn.functional.conv2d(x, x),
    "transpose": lambda x: x.transpose(0, 5),
    "masked_fill_": lambda x: x.masked_fill_(x > 0, minitorch.ones(2)),
}


@pytest.mark.parametrize("name", CALLS)
def test_errors_name_what_was_called_and_the_shapes(name):
    with pytest.raises((RuntimeError, IndexError)) as raised:
        CALLS[name](minitorch.zeros(2, 3))
    text = str(raised.value)
    assert name in text and text.count("()") <= 1
    assert "[2, 3]" in text or name == "transpose"


def test_an_error_of_the_users_own_is_left_alone():
    x = minitorch.ones(3, requires_grad=True)
    x.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="^division by zero$"):
        x.sum().backward()
