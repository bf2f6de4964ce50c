"""`python -m parity run`: a program on both libraries, compared call by call; what is reported when one of them is wrong."""

import ast
import math
import pickle
import textwrap

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from parity.__main__ import main  # noqa: E402
from parity.scripts import run as scripts  # noqa: E402
from parity.scripts.compare import compare  # noqa: E402
from parity.scripts.coverage import has  # noqa: E402
from parity.scripts.kept import Kept, apart, keep  # noqa: E402
from parity.scripts.nudged import nudged  # noqa: E402
from parity.scripts.recorder import Call  # noqa: E402
from parity.scripts.scan import scan  # noqa: E402

# Everything at once: initial weights, shuffled batches, dropout, batch norm, a schedule, an edit in place, a bias that
# gets no gradient but rounding (in front of the batch norm), and Adam, which divides by such gradients.
PROGRAM = """
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

if "minitorch" in torch.__version__ and len(sys.argv) > 1:
    exec(sys.argv[1])  # the fault

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 5))

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))  # line of relu
        x = F.dropout(F.max_pool2d(x, 2), 0.25, self.training)  # line of dropout
        return self.head(x.flatten(1))  # line of head

model = Net()
images, labels = torch.randn(80, 1, 8, 8), torch.randint(0, 5, (80,))  # line of data
images[:, :, 0] += 0.1
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 4, gamma=0.5)
for epoch in range(2):
    for x, y in DataLoader(TensorDataset(images, labels), batch_size=20, shuffle=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()  # line of backward
        optimizer.step()  # line of step
        schedule.step()
        print(f"loss {loss.item():.3f}")
try:
    torch.zeros(2, 3) @ torch.zeros(2, 3)
except RuntimeError:
    print("refused")
"""

KERNEL = "from minitorch.core.op import REGISTRY as R; k = R[{0!r}].kernel; R[{0!r}].kernel = lambda *a, **p: {1}"
# What is broken -> (the code that breaks it in minitorch, the call that must be named, where it stands).
FAULTS = {
    "an elementwise kernel": (KERNEL.format("relu", "k(*a, **p) * a[0].dtype.type(1.001)"), "nn.functional.relu", "relu"),
    "one element": (
        KERNEL.format("tanh", "(z := k(*a, **p), z.__setitem__((0, 3), z[0, 3] + z.dtype.type(1e-3)))[0]"), "nn.Tanh", "head",
    ),
    "a gradient": (
        "from minitorch.core.op import REGISTRY as R; r = R['tanh'].rules['input']; "
        "R['tanh'].rules['input'] = lambda g, z: r(g, z) * 1.001",
        "Tensor.backward", "backward",
    ),
    "an optimizer": (
        "u = torch.optim.Adam.step\ndef step(self, *a):\n for g in self.param_groups: g['lr'] *= 1.01\n u(self, *a)\n"
        " for g in self.param_groups: g['lr'] /= 1.01\ntorch.optim.Adam.step = step",
        "optim.Adam.step", "step",
    ),
    "the number of draws": (
        "d = F.dropout\ndef dropout(*a):\n z = d(*a)\n torch.rand(1)\n return z\ntorch.nn.functional.dropout = dropout",
        "nn.functional.dropout", "dropout",
    ),
    "a missing name": ("del torch.randint", "the program", "data"),
}  # fmt: skip


def line_of(word: str) -> int:
    return next(i for i, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith(f"# line of {word}"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A function: the fault's code -> what the comparison finds; torch runs once."""
    folder = tmp_path_factory.mktemp("runs")
    script, theirs = folder / "program.py", folder / "torch"
    script.write_text(PROGRAM)
    true = scripts.run_one("torch", str(script), (), theirs, None, 0)
    assert true.code == 0, true.complained

    def run(*fault):
        ours = folder / "minitorch"
        mine = scripts.run_one("minitorch", str(script), fault, ours, theirs, 0)
        return compare(ours, theirs), mine, true, str(script)

    return run


def test_a_right_library_does_the_same(runs):
    found, mine, true, _ = runs()
    assert mine.code == 0, mine.complained
    assert found.first is None and found.same, found.first
    assert (found.steps, len([n for n in found.numbers if n.what == "loss"])) == (8, 8)
    assert found.calls > 100
    assert 0 < found.widest[0] < 0.02  # of the bias in front of the batch norm, whose steps are noise
    assert scripts.without_numbers(mine.printed) == scripts.without_numbers(true.printed)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_where_it_is(runs, fault):
    code, name, place = FAULTS[fault]
    found, mine, true, script = runs(code)
    assert not found.same and found.first is not None
    assert (found.first.call.name if fault != "a missing name" else found.first.ours.name) == name
    call = found.first.ours if fault == "a missing name" else found.first.call
    assert call.where == (script, line_of(place))
    if fault == "a missing name":
        assert call.error[0] == "MissingName" and "docs/coverage.md" in call.error[1]
    elif fault in ("an elementwise kernel", "one element"):
        assert 5e-4 < found.first.apart.far < 2e-3
    console = scripts.Console(record=True, width=300)
    scripts.report(console, script, found, mine, true)
    text = console.export_text()
    assert f"program.py:{line_of(place)}: " in text and "not the same" in text


def test_the_command_says_same_and_ends_with_0(tmp_path):
    script = tmp_path / "tiny.py"
    script.write_text("import sys, torch\nprint(sys.argv[1:], __name__)\nassert (torch.rand(3) < 1).all()\n")
    done = CliRunner().invoke(main, ["run", "--seed", "3", str(script), "--flag", "x"])
    assert done.exit_code == 0, done.output
    assert "the same: 4 calls" in done.output


# What is kept of a tensor.


def kept(array, dtype="float32"):
    return keep(np.asarray(array), dtype, False)


def test_distance_is_relative_to_the_largest_element():
    a = np.linspace(-4, 2, 30, dtype=np.float32).reshape(5, 6)
    b = a.copy()
    b[3, 4] += 2e-3
    assert apart(kept(a), kept(a)).far == 0
    found = apart(kept(b), kept(a))
    assert found.far == pytest.approx(5e-4, rel=1e-3) and found.what == "element [3, 4]"
    assert apart(kept(b), kept(a), floor=40).far == pytest.approx(5e-5, rel=1e-3)
    assert apart(kept(b), kept(a), excused=np.full(30, 3e-3)).far == 0


def test_an_element_outside_the_sample_and_an_exchange_are_noticed():
    a = np.random.default_rng(1).standard_normal(5000).astype(np.float32)
    b = a.copy()
    b[1] += 3
    assert apart(kept(b), kept(a)).far > 1e-4
    c = a.copy()
    c[[1, 2]] = c[[2, 1]]
    assert apart(kept(c), kept(a)).far > 1e-5
    integers = np.arange(5000)
    swapped = integers.copy()
    swapped[1] = 0
    assert apart(kept(swapped, "int64"), kept(integers, "int64")).far > 0


@pytest.mark.parametrize("other", [[1.0, math.nan], [1.0, -math.inf], [1.0, 2.0]])
def test_what_is_not_finite_has_to_be_the_same(other):
    right = kept(np.array([1.0, math.inf], np.float32))
    assert apart(right, right).far == 0
    assert apart(kept(np.array(other, np.float32)), right).far == math.inf


def test_dtype_shape_and_requires_grad_count():
    a = kept(np.ones(3, np.float32))
    for other in (kept(np.ones(3), "float64"), kept(np.ones((3, 1), np.float32)), Kept("float32", (3,), True, None)):
        assert apart(other, a).far == math.inf


# The control run, and what is excused, on traces made by hand.


def trace(path, *calls):
    with path.open("wb") as file:
        write = pickle.Pickler(file).dump
        write([])
        for call in calls:
            write(call)
    return path


def relu_and_loss(value):
    tensor = kept(np.array([value, 0.5], np.float32))
    loss = Call("Tensor.item", ("program.py", 4), [tensor], [float(value)])
    return Call("nn.functional.relu", ("program.py", 3), [kept(np.ones(2, np.float32))], [tensor]), loss


@pytest.mark.parametrize(("control", "same"), [(None, False), (1.0001, False), (1.0003, True)])
def test_ten_times_what_the_control_moves_is_rounding_that_grew(tmp_path, control, same):
    ours, theirs = trace(tmp_path / "a", *relu_and_loss(1.002)), trace(tmp_path / "b", *relu_and_loss(1.0))
    third = None if control is None else trace(tmp_path / "c", *relu_and_loss(control))
    found = compare(ours, theirs, third)
    assert (found.same, found.controlled) == (same, control is not None)
    assert same or found.by_values and found.first.call.name == "nn.functional.relu"
    if control is not None:
        assert found.moved == pytest.approx(control - 1, rel=1e-2)


def test_a_control_explains_no_other_type_and_no_other_order(tmp_path):
    relu, loss = relu_and_loss(1.0)
    wide = Call(relu.name, relu.where, relu.inputs, [kept(np.array([1.0, 0.5]), "float64")])
    theirs, control = trace(tmp_path / "a", relu, loss), trace(tmp_path / "b", *relu_and_loss(2.0))
    for calls in ((wide, loss), (loss, relu), (relu,)):
        found = compare(trace(tmp_path / "c", *calls), theirs, control)
        assert not found.same and not found.by_values


def test_optimizers_of_one_class_are_told_apart(tmp_path):
    def step(line, size, gradient):
        before, after = kept(np.ones(size, np.float32)), kept(np.full(size, 0.9, np.float32))
        given = [before, kept(np.full(size, gradient, np.float32))]
        return Call("optim.Adam.step", ("program.py", line), given, [after], ["parameter 0"], [0.1])

    calls = [step(line, size, 0.5) for _ in range(2) for line, size in ((7, 3), (9, 5))]
    theirs = trace(tmp_path / "a", *calls)
    ours = trace(tmp_path / "b", *[step(line, size, 0.5 + 1e-7) for _ in range(2) for line, size in ((7, 3), (9, 5))])
    assert compare(ours, theirs).same


def test_the_control_starts_one_unit_off():
    start = torch.tensor([0.0, 0.0, 1.0, 1.0, -2.0, -2.0])
    parameter = torch.nn.Parameter(start.clone())
    with nudged(torch):
        torch.optim.SGD([parameter], lr=1.0)
    off = (parameter - start).tolist()
    assert [np.sign(x) for x in off] == [1, -1] * 3
    assert [abs(x) for x in off] == [2.0**-23, 2.0**-23, 2.0**-23, 2.0**-24, 2.0**-23, 2.0**-22]
    untouched = torch.nn.Parameter(start.clone())
    torch.optim.SGD([untouched], lr=1.0)
    assert (untouched == start).all()


# Reading programs for the names they use.


def names(tmp_path, source):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(source))
    ast.parse(path.read_text())
    uses, failed = scan(path)
    assert not failed
    return {use.name: use for use in uses}


def test_scan_follows_imports(tmp_path):
    used = names(
        tmp_path,
        """
        import numpy as np
        import torch, torch.nn as nn
        import torch.utils.data
        from torch import optim as o, Tensor as T
        from torch.nn import functional as F
        from torch.nn.functional import relu as r

        def f(x: T):
            from torch.distributions import Nothing
            np.linspace(0, 1).cumsum()
            y = F.softmax(nn.Linear(2, 3)(x.view(-1).sinh()), dim=1)
            return r(y), torch.float32.itemsize, o.Adam, torch.no_such_thing, nn.NoSuchModule, x.q_scale()
        """,
    )
    for name in ("nn", "utils.data", "optim", "nn.functional.relu", "nn.functional.softmax", "nn.Linear", "Tensor.view",
                 "Tensor.sinh", "float32", "optim.Adam"):  # fmt: skip
        assert used[name].supported, name
    missing = {name for name, use in used.items() if not use.supported}
    assert missing == {"distributions.Nothing", "no_such_thing", "nn.NoSuchModule", "Tensor.q_scale"}
    assert used["nn.Linear"].places[0][1] == 12
    assert not {"linspace", "Tensor.linspace", "Tensor.no_such_thing"} & set(used)


def test_scan_says_what_it_cannot_read(tmp_path):
    (tmp_path / "a.py").write_text("import torch\ntorch.ones(2)\n")
    (tmp_path / "b.py").write_text("print 'old'\n")
    uses, failed = scan(tmp_path)
    assert [use.name for use in uses] == ["ones"] and [path.name for path in failed] == ["b.py"]


def test_scan_command(tmp_path):
    (tmp_path / "a.py").write_text("import torch\ntorch.ones(2)\ntorch.no_such()\n")
    done = CliRunner().invoke(main, ["scan", str(tmp_path), "--missing"])
    assert done.exit_code == 1 and "no_such" in done.output and "1 of 2 names" in done.output


def test_has():
    assert has("nn.functional.relu") and has("Tensor.view") and has("backends.cudnn.benchmark")
    assert not has("nn.functional.nothing") and not has("nothing.at.all")
