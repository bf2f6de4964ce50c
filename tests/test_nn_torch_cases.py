"""Every module on the inputs of torch's own module database, in float64: text, state, output, gradients, buffers."""

import warnings

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")

from nn_against_torch import assert_same_call, assert_same_state, assert_same_text, make, minitorch  # noqa: E402
from torch.testing._internal.common_modules import module_db  # noqa: E402

# A ten-thousandth of what torch's assert_close allows in float64.
TOLERANCE = 1e-11
NAMES = [info.name.removeprefix("nn.") for info in module_db]
# Not among the modules minitorch has: fused linear and cross-entropy; random pooling windows.
ABSENT = {"LinearCrossEntropyLoss", "FractionalMaxPool2d", "FractionalMaxPool3d"}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ABSENT])
def test_module(name):
    info = module_db[NAMES.index(name)]
    count = 0
    for training in (True, False) if info.train_and_eval_differ else (True,):
        torch.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cases = info.module_inputs_func(
                info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
            )
        for case in cases:
            if case.forward_input is None:
                continue
            mine, true = make(name, *case.constructor_input.args, **case.constructor_input.kwargs)
            assert_same_state(mine, true)
            assert_same_text(mine, true)
            mine.to(minitorch.float64).train(training)
            true.to(torch.float64).train(training)
            args, kwargs = case.forward_input.args, case.forward_input.kwargs
            assert_same_call(mine, true, *args, where=name, tolerance=TOLERANCE, **kwargs)
            count += 1
    assert count
