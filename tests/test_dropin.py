"""`python -m parity dropin`: `import torch` is minitorch, in every spelling; what is missing says so."""

import importlib
import os
import subprocess
import sys
import textwrap

import pytest

from parity import dropin

PROGRAM = """
import multiprocessing, pickle, sys
import torch, torch.nn as nn, torch.nn.functional as F, torch.utils.data
import torch.backends.cudnn as cudnn
import torch.optim.lr_scheduler
from torch import nn as nn2, Tensor, optim
from torch.nn import functional as F2, Module
from torch.nn.modules.module import Module as Module2
from torch.optim import Adam
from torch.optim.optimizer import Optimizer
from torch.utils.data import DataLoader
from torch.nn.parameter import Parameter
import torch.nn.init as init, torch.linalg, torch.distributions as D, torch.multiprocessing as mp
from torch.autograd import Variable, Function
from torch.amp import autocast
from torch.cuda.amp import GradScaler
from torch.jit import script
import torchvision.datasets


def refused(work):
    try:
        work()
    except (AttributeError, ImportError) as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


def missing_import(statement):
    return refused(lambda: exec(statement))


def child(queue):
    import torch
    queue.put((torch.__version__, torch.nn.Linear(2, 2).weight.sum().item(), "torch" in sys.modules))


class Net(nn.Module):
    def __init__(self, scale: torch.Tensor, kind: "torch.FloatTensor" = None, where: torch.device = torch.device("cpu")):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    @torch.jit.export
    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


if __name__ == "__main__":
    # one module under every name, one set of classes
    assert nn is nn2 is torch.nn is sys.modules["torch.nn"] and F is F2 is torch.nn.functional
    assert Module is Module2 is nn.Module and Adam is optim.Adam and issubclass(Adam, Optimizer)
    assert isinstance(Parameter(torch.ones(2)), torch.Tensor) and DataLoader is torch.utils.data.DataLoader
    assert torch.utils.data is sys.modules["torch.utils.data"] and torch.optim.lr_scheduler.StepLR
    assert D.Normal is torch.distributions.Normal and init is torch.nn.init and cudnn is torch.backends.cudnn
    assert isinstance(torch.ones(2), torch.FloatTensor) and not isinstance(torch.ones(2), torch.LongTensor)
    assert tuple(int(n) for n in torch.__version__.split("+")[0].split(".")) >= (2, 0) and torch.version.cuda is None
    assert str(torch.float32) == "torch.float32" and torch.Size([1, 2]) == (1, 2)
    assert not torch.cuda.is_available() and not torch.jit.is_scripting() and script(child) is child
    # pickles, of classes of the program too
    net = Net(torch.ones(1))
    twin = pickle.loads(pickle.dumps(net))
    assert type(twin) is Net and torch.equal(twin.layer.weight, net.layer.weight)
    torch.manual_seed(0)
    # patching a function or a method acts as in torch
    before, torch.nn.functional.relu = torch.nn.functional.relu, lambda x: x + 1
    assert F.relu(torch.zeros(1)).item() == 1
    torch.nn.functional.relu = before
    print(sys.argv, __file__ == sys.argv[0])
    for work in (lambda: torch.no_such, lambda: nn.NoSuch, lambda: F.no_such):
        print(refused(work))
    for statement in ("from torch import no_such", "from torch.nn.functional import no_such", "import torch.no_such.thing"):
        print(missing_import(statement))
    print(hasattr(torch, "no_such"), getattr(torch, "no_such", 5), missing_import("import minitorch.nn.no_such"))
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(*queue.get(timeout=60))
    process.join()
    torch.ones(2).no_such_method()
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The program run once; its folder is not minitorch's."""
    script = tmp_path_factory.mktemp("dropin") / "program.py"
    script.write_text(PROGRAM)
    command = [sys.executable, "-m", "parity", "dropin", str(script), "--epochs", "3"]
    return script, subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_it_runs_with_its_arguments_and_ends_as_it_would(done):
    script, run = done
    lines = run.stdout.splitlines()
    assert lines[0] == f"{[str(script), '--epochs', '3']} True", run.stderr
    assert run.returncode == 1


def test_missing_names_say_so(done):
    lines = done[1].stdout.splitlines()[1:8]
    for line, kind, name in zip(
        lines,
        ["MissingName"] * 3 + ["MissingModule"] * 3,
        ["torch.no_such", "torch.nn.NoSuch", "torch.nn.functional.no_such"] * 1
        + ["torch.no_such", "torch.nn.functional.no_such", "torch.no_such"],
        strict=False,
    ):
        assert line.startswith(f"{kind}: minitorch has no {name} ") and "docs/coverage.md" in line, line
    assert lines[6].startswith("False 5 MissingModule: minitorch has no torch.nn.no_such")


def test_processes_that_it_starts_have_it_too(done):
    version, weight, loaded = done[1].stdout.splitlines()[8].split()
    assert version.endswith("+minitorch") and loaded == "True"


def test_a_missing_method_is_explained(done):
    last = done[1].stderr.strip().splitlines()[-2:]
    assert last[0].startswith("AttributeError") and "no_such_method" in last[0]
    assert last[1].startswith("minitorch's Tensor has no 'no_such_method'") and "docs/coverage.md" in last[1]


def test_a_module_runs_by_its_name(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "program.py").write_text(
        "from . import other\nimport sys\nprint(other.x.shape, sys.argv[1:])"
    )
    (tmp_path / "package" / "other.py").write_text("import torch\nx = torch.ones(2, 3)")
    command = [sys.executable, "-m", "parity", "dropin", "-m", "package.program", "a"]
    root = importlib.import_module("parity").__path__[0] + "/.."
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": root, "PATH": ""})
    assert run.stdout == "torch.Size([2, 3]) ['a']\n", run.stderr


def test_it_refuses_to_take_the_place_of_a_torch_that_is_loaded():
    code = textwrap.dedent(
        """
        import sys, types
        sys.modules["torch"] = types.ModuleType("torch")
        from parity import dropin
        try:
            dropin.install()
        except RuntimeError as error:
            print(error)
        """
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.startswith("torch is loaded already"), run.stderr


@pytest.mark.parametrize(
    "ours, theirs",
    [("minitorch", "torch"), ("minitorch.nn", "torch.nn"), ("minitorch.vision.datasets", "torchvision.datasets")],
)
def test_names_of_modules(ours, theirs):
    assert dropin.own_name(theirs) == ours and dropin.torch_name(ours) == theirs
    assert dropin.own_name(ours) is None


LOADING = """
import os

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info


class Squares(Dataset):
    def __init__(self, broken=False):
        self.broken = broken

    def __len__(self):
        return 12

    def __getitem__(self, i):
        if self.broken and i == 7:
            raise ValueError("item seven is broken")
        assert torch.__version__.endswith("+minitorch") and get_worker_info().num_workers == 2
        return torch.tensor(i * i), os.getpid()


if __name__ == "__main__":
    torch.manual_seed(3)
    processes = set()
    for squares, where in DataLoader(Squares(), batch_size=3, shuffle=True, num_workers=2):
        processes.update(where.tolist())
        print(squares.tolist())
    print(len(processes), os.getpid() in processes)
    try:
        list(DataLoader(Squares(broken=True), num_workers=2))
    except ValueError as error:
        print(all(word in str(error) for word in ("in DataLoader worker process 1", "item seven", "loading.py")))
"""


def test_workers_of_a_program_run_by_dropin_have_it_too(tmp_path):
    """They are spawned: each imports the program, whose `import torch` has to find minitorch there as well."""
    data = pytest.importorskip("torch.utils.data")
    script = tmp_path / "loading.py"
    script.write_text(LOADING)
    root = importlib.import_module("parity").__path__[0] + "/.."
    environment = {**os.environ, "PYTHONPATH": root}
    command = [sys.executable, "-m", "parity", "dropin", str(script)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    lines = run.stdout.splitlines()
    importlib.import_module("torch").manual_seed(3)
    loader = data.DataLoader([i * i for i in range(12)], batch_size=3, shuffle=True)
    assert lines[:4] == [str(batch.tolist()) for batch in loader], run.stderr
    assert lines[4:] == ["2 False", "True"], run.stdout
