"""`python -m parity run`: a program on both libraries, compared call by call; what is reported when one of them is wrong."""

import ast
import math
import textwrap

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from parity.__main__ import main  # noqa: E402
from parity.scripts import run as scripts  # noqa: E402
from parity.scripts.compare import Read, numbers  # noqa: E402
from parity.scripts.coverage import has  # noqa: E402
from parity.scripts.kept import Kept, apart  # noqa: E402
from parity.scripts.nudged import nudged  # noqa: E402
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
    "a slope": (
        "from minitorch.core.op import REGISTRY as R; r = R['relu'].rules['input']; "
        "R['relu'].rules['input'] = lambda g, z: r(g, z) + 1e-3 * g",
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
    """A function: the fault's code -> (what following torch's run finds, minitorch's run, torch's, the script)."""
    folder = tmp_path_factory.mktemp("runs")
    script, stream = folder / "program.py", folder / "stream"
    script.write_text(PROGRAM)
    true = scripts.Started("lead", "torch", str(script), (), 0, str(stream)).ended()
    assert true.code == 0, true.complained

    def run(*fault):
        mine = scripts.Started("follow", "minitorch", str(script), fault, 0, str(stream)).ended()
        return mine.found, mine, true, str(script)

    return run


def test_a_right_library_does_the_same(runs):
    found, mine, true, script = runs()
    assert mine.code == 0, mine.complained
    assert found.first is None and found.same, found.first
    assert found.steps == 8 and found.calls > 100
    assert 0 < found.widest[0] < 1e-4  # of the gradient of the bias in front of the batch norm
    assert scripts.without_numbers(mine.printed) == scripts.without_numbers(true.printed)
    free = scripts.Started("free", "minitorch", script, (), 0).ended()
    assert [(n.what, n.where, n.step) for n in free.found] == [(n.what, n.where, n.step) for n in true.found]
    assert len([n for n in free.found if n.what == "loss"]) == 8
    sides = numbers(free.found, true.found, [])
    assert not sides[1] and all(number.good for number in sides[0])


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
    elif fault in ("an elementwise kernel", "one element", "a slope"):
        assert 1e-4 < found.first.apart.far < 2e-3
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
    script.write_text("import sys\nsys.exit(3)\n")
    assert CliRunner().invoke(main, ["run", str(script)]).exit_code == 0  # nothing that differs


# Decisions that hang on rounding: free runs part, runs in step do not, and a fault beside them is found.

# Rounding decides which of three sums of 1 is the largest, and what is left of two equal deviations, times 1e7, weighs
# the loss: as sorting and a ReLU at 0 do it in real programs.
DECIDING = """
import sys
import torch
import torch.nn as nn

if "minitorch" in torch.__version__ and len(sys.argv) > 1:
    exec(sys.argv[1])  # the fault

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True), 2)

    def forward(self, x):
        return self.layers(x)  # line of model

x = torch.randn(4, 5, 8)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    y = model(x)
    z = y.flatten(1)
    sums = torch.stack([z.softmax(1).sum(1), z.flip(1).softmax(1).sum(1), z.log_softmax(1).exp().sum(1)])
    order = sums.argsort(0)  # line of order
    rounded = (z.std(1) - z.pow(2).mean(1).sub(z.mean(1).pow(2)).mul(40 / 39).sqrt()) * 1e7
    loss = (z.pow(2).mean(1) * torch.relu(rounded.detach())).sum() + (order[0] * z[:, 0]).sum()
    optimizer.zero_grad()
    loss.backward()  # line of backward
    optimizer.step()
    print(loss.item())
"""


def test_what_hangs_on_rounding_differs_free_and_is_the_same_in_step(tmp_path):
    script, stream = tmp_path / "program.py", str(tmp_path / "stream")
    script.write_text(DECIDING)

    def run(role, library, *fault):
        done = scripts.Started(role, library, str(script), fault, 0, stream if role != "free" else "-").ended()
        assert done.code == 0, done.complained
        return done

    true, free, mine = run("lead", "torch"), run("free", "minitorch"), run("follow", "minitorch")
    assert not all(number.good for number in numbers(free.found, true.found, [])[0])
    assert mine.found.first is None and mine.found.steps == 3, mine.found.first
    assert mine.printed == true.printed != free.printed
    for fault, name, part, place in (
        # Inside a Transformer's layer no one sees the ReLU itself, but the dropout that is given its result.
        (KERNEL.format("relu", "k(*a, **p) * a[0].dtype.type(1.001)"), "nn.Dropout", "argument 0, before the call", "model"),
        (KERNEL.format("sort_dim", "(lambda z: (z[0], z[1][::-1].copy()))(k(*a, **p))"), "Tensor.argsort", "the result", "order"),
    ):  # fmt: skip
        first = run("follow", "minitorch", fault).found.first
        assert first is not None and (first.call.name, first.part) == (name, part)
        assert DECIDING.splitlines()[first.call.where[1] - 1].endswith(f"# line of {place}")


# How far two tensors are apart.


def kept(array, dtype="float32"):
    return Kept(dtype, np.shape(array), False, np.asarray(array))


def test_distance_is_relative_to_the_largest_element():
    a = np.linspace(-4, 2, 30, dtype=np.float32).reshape(5, 6)
    b = a.copy()
    b[3, 4] += 2e-3
    assert apart(kept(a), kept(a)).far == 0
    found = apart(kept(b), kept(a))
    assert found.far == pytest.approx(5e-4, rel=1e-3) and found.what == "element [3, 4]"
    assert apart(kept(b), kept(a), floor=40).far == pytest.approx(5e-5, rel=1e-3)
    integers = np.arange(8)
    found = apart(kept(integers[::-1], "int64"), kept(integers, "int64"))
    assert (found.far, found.what, found.ours, found.theirs) == (1.0, "element [0]", 7, 0)


@pytest.mark.parametrize("other", [[1.0, math.nan], [1.0, -math.inf], [1.0, 2.0]])
def test_what_is_not_finite_has_to_be_the_same(other):
    right = kept(np.array([1.0, math.inf], np.float32))
    assert apart(right, right).far == 0
    assert apart(kept(np.array(other, np.float32)), right).far == math.inf
    nan = kept(np.array([math.nan, 4.0], np.float32))
    assert apart(nan, nan).far == 0
    assert apart(kept(np.array([math.nan, 2.0], np.float32)), nan).far == 0.5


def test_dtype_shape_and_requires_grad_count():
    a = kept(np.ones(3, np.float32))
    for other in (kept(np.ones(3), "float64"), kept(np.ones((3, 1), np.float32)), Kept("float32", (3,), True, None)):
        assert apart(other, a).far == math.inf


# The losses of free runs, and what the control explains.


def read(*values, line=3):
    return [Read("loss", ("program.py", line), step, value) for step, value in enumerate(values)]


@pytest.mark.parametrize(("control", "same"), [(None, False), (1.0001, False), (1.0003, True)])
def test_ten_times_what_the_control_moves_is_rounding_that_grew(control, same):
    controls = [] if control is None else [read(1.0, control), read(1.0, 1.00001)]
    sides, other_way = numbers(read(1.0, 1.002), read(1.0, 1.0), controls)
    assert [number.good for number in sides] == [True, same] and not other_way
    if control is not None:
        assert sides[1].moved == pytest.approx(control - 1, rel=1e-2)


def test_a_control_explains_nothing_before_it_moves():
    sides, _ = numbers(read(1.0, 1.002, 1.0), read(1.0, 1.0, 1.0), [read(1.0, 1.0, 1.5)])
    assert [number.good for number in sides] == [True, False, True]


def test_another_way_through_the_program_is_excused_where_the_control_takes_one_too():
    true, other = read(1.0, 1.0), [*read(1.0), *read(2.0, line=9)]
    assert numbers(other, true, [])[1] == "after 1 numbers minitorch reads loss in line 9, torch loss in line 3"
    assert numbers(true[:1], true, [true])[1] == "after 1 numbers minitorch reads nothing, torch loss in line 3"
    assert numbers(other, true, [other])[1] == ""


def test_the_control_starts_one_unit_off():
    start = torch.tensor([0.0, 1.0, -2.0]).repeat(50, 1)
    patterns = []
    for number in (0, 1):
        parameter = torch.nn.Parameter(start.clone())
        with nudged(torch, number):
            torch.optim.SGD([parameter], lr=1.0)
        off = (parameter - start).detach()
        for column, steps in enumerate(({-(2.0**-23), 2.0**-23}, {-(2.0**-24), 2.0**-23}, {-(2.0**-22), 2.0**-23})):
            assert set(off[:, column].tolist()) <= {*steps, *(-s for s in steps)} - {0.0}
            assert len(set(off[:, column].sign().tolist())) == 2
        patterns.append(off.sign())
    assert not torch.equal(*patterns)
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
            y.angle = self.angle.cos() + self.dist.stop(y.mT, key=y.median) * self.ridge
            return r(y), torch.float32.itemsize, o.Adam, torch.no_such_thing, nn.NoSuchModule, x.q_scale()
        """,
    )
    for name in ("nn", "utils.data", "optim", "nn.functional.relu", "nn.functional.softmax", "nn.Linear", "Tensor.view",
                 "Tensor.sinh", "float32", "optim.Adam", "Tensor.cos", "Tensor.mT"):  # fmt: skip
        assert used[name].supported, name
    missing = {name for name, use in used.items() if not use.supported}
    assert missing == {"distributions.Nothing", "no_such_thing", "nn.NoSuchModule", "Tensor.q_scale"}
    assert used["nn.Linear"].places[0][1] == 12
    others = {"linspace", "Tensor.linspace", "Tensor.no_such_thing", "Tensor.angle", "Tensor.dist", "Tensor.median",
              "Tensor.ridge"}  # fmt: skip
    assert not others & set(used)


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
