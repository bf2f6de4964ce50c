"""torch's own test cases, a few of each operation (``python -m parity`` runs them all), and the driver itself."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")
from click.testing import CliRunner  # noqa: E402

import minitorch  # noqa: E402
from minitorch.core.op import REGISTRY  # noqa: E402
from parity import checks, database, exceptions, guard, report, run, targets  # noqa: E402
from parity.__main__ import main  # noqa: E402
from parity.choices import LAYOUTS  # noqa: E402
from parity.resolve import missing_name, translate  # noqa: E402

ROOT = Path(__file__).parent.parent
FEW = run.Options(limit=3)


@pytest.mark.parametrize("name", database.select(None, []))
def test_agrees_with_torch(name):
    result = run.run_operation(name, FEW)
    assert result.cases
    assert result.good, "\n".join(f"{f.check} {f.dtype} {f.sample}: {f.message}" for f in result.failures[:3])


DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "bool")
WIDE = ("add", "sum", "matmul", "nn.functional.conv2d", "softmax", "cat", "__getitem__", "var")


@pytest.mark.parametrize("name", WIDE)
def test_agrees_in_awkward_memory_and_every_dtype(name):
    result = run.run_operation(name, run.Options(DTYPES, layouts=LAYOUTS, limit=2))
    assert result.good, "\n".join(f"{f.check} {f.dtype} {f.sample}: {f.message}" for f in result.failures[:3])


# The driver must see what is wrong. Each fault is planted in a declaration, and the check that is to find it named.


def scaled(kernel, factor):
    return lambda *args, **kwargs: kernel(*args, **kwargs) * factor


def failing(name, **options):
    result = run.run_operation(name, run.Options(limit=3, **options))
    return {failure.check for failure in result.failures}, result


def test_a_wrong_value_is_found(monkeypatch):
    monkeypatch.setattr(REGISTRY["atan"], "kernel", scaled(np.arctan, 1 + 1e-9))
    found, result = failing("atan", dtypes=("float64",))
    assert "forward" in found and not result.good
    failure = next(f for f in result.failures if f.check == "forward")
    assert failure.index is not None and failure.differing > 0 and "float64[" in failure.sample


def test_lost_accuracy_is_found(monkeypatch):
    monkeypatch.setattr(REGISTRY["atan"], "kernel", scaled(np.arctan, np.float32(1 + 6e-7)))
    assert "accuracy" in failing("atan", dtypes=("float32",))[0]


def plant(monkeypatch, op, input, rule):
    """Replace one derivative rule; the rule must ask for the same names as the true one."""
    monkeypatch.setitem(REGISTRY[op].rules, input, rule)


def test_a_wrong_gradient_is_found(monkeypatch):
    plant(monkeypatch, "atan", "input", lambda g, input: g / (1 + 1.001 * input * input))
    assert failing("atan", dtypes=("float64",))[0] >= {"grad", "jvp"}


def test_a_gradient_that_cannot_be_differentiated_is_found(monkeypatch):
    plant(monkeypatch, "atan", "input", lambda g, input: g / (1 + input * input).detach())
    assert failing("atan", dtypes=("float64",))[0] == {"grad2"}


def test_a_wrong_dtype_is_found(monkeypatch):
    monkeypatch.setattr(REGISTRY["atan"], "kernel", lambda x: np.arctan(x).astype(np.float32))
    assert "forward" in failing("atan", dtypes=("float64",))[0]


def test_an_input_overwritten_is_found(monkeypatch):
    def spoils(input):
        out = np.arctan(input)
        input *= 2
        return out

    monkeypatch.setattr(REGISTRY["atan"], "kernel", spoils)
    found, result = failing("atan", dtypes=("float64",))
    assert any("after the call" in f.message for f in result.failures)


def test_a_copy_instead_of_a_view_is_found(monkeypatch):
    monkeypatch.setattr(minitorch, "permute", lambda x, dims: x.clone().permute(dims))
    found, result = failing("permute", dtypes=("float64",))
    assert any("shares its memory" in f.message for f in result.failures)


@pytest.mark.parametrize(
    "fault, text",
    [
        (lambda x, out=None: x.exp(), "not the tensor that was given"),
        (lambda x, out=None: x.exp() if out is None else out, "out= (exact: float64[20]): value differs"),
        (lambda x, out=None: x.exp() if out is None else out.copy_(x.exp()), "empty"),
        (lambda x: x.exp(), "torch accepts"),
    ],
)
def test_a_wrong_out_is_found(monkeypatch, fault, text):
    monkeypatch.setattr(minitorch, "exp", fault)
    found, result = failing("exp", dtypes=("float64",), checks=("out",))
    assert found == {"out"} and text in result.failures[0].message


def test_a_crash_is_a_finding_not_the_end(monkeypatch):
    monkeypatch.setattr(REGISTRY["atan"], "kernel", lambda x: [][1])
    found, result = failing("atan", dtypes=("float64",))
    assert not result.good and any("IndexError" in f.message for f in result.failures)


def test_a_wrong_error_class_is_found(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no")

    monkeypatch.setattr(minitorch, "dot", refuse)
    assert "error" in failing("dot")[0]


def test_a_missing_name_is_said(monkeypatch):
    monkeypatch.delattr(minitorch, "atan")
    monkeypatch.setattr(minitorch, "__getattr__", lambda name: (_ for _ in ()).throw(AttributeError(name)))
    result = run.run_operation("atan", FEW)
    assert result.missing == "atan" and not result.good


# Around it.


def test_targets_are_names_of_torch_s_database():
    assert set(targets.names()) <= set(database.infos())
    assert len(targets.names("core")) == 355 and len(targets.names("stretch")) == 136
    assert len(set(targets.names())) == 491


def test_every_lambda_of_torch_s_is_understood():
    for name in targets.names():
        info = database.infos()[name]
        if missing_name(info) is None:
            function = translate(info.op)
            assert callable(function) and function is not info.op, name


def test_exceptions_give_reasons_and_stay_within_bounds():
    for entry in exceptions.KNOWN:
        assert len(entry.reason) > 20
        assert all(any(c.isalpha() for c in pattern) or pattern == "*" for pattern in entry.ops.split())
        assert entry.ops != "*" or entry.kinds == "unsupported"


def test_a_known_difference_is_bounded():
    found = checks.differs("output", 1, 2)
    assert exceptions.known("add", "forward", "float64", found) is None


def command(*args):
    return CliRunner().invoke(main, list(args))


def test_exit_codes(monkeypatch, tmp_path):
    assert command("--ops", "neg,exp", "--samples", "1").exit_code == 0
    assert command("--ops", "no_such_operation").exit_code == 1
    monkeypatch.setattr(REGISTRY["atan"], "kernel", scaled(np.arctan, 2.0))
    assert command("--ops", "atan", "--samples", "1", "--fail-fast").exit_code == 1
    assert command("--dtype", "float65").exit_code == 2


def test_reports(monkeypatch, tmp_path):
    monkeypatch.setattr(REGISTRY["atan"], "kernel", scaled(np.arctan, 2.0))
    paths = tmp_path / "out.json", tmp_path / "out.html"
    result = command("--ops", "atan,neg", "--samples", "1", "--json", str(paths[0]), "--html", str(paths[1]))
    assert result.exit_code == 1 and "value differs" in result.output and "1 of 2 operations agree" in result.output
    content = json.loads(paths[0].read_text())
    assert content["totals"]["operations"] == 2 and content["totals"]["good"] == 1
    by_name = {entry["op"]: entry for entry in content["operations"]}
    assert by_name["atan"]["failures"][0]["index"] is not None and by_name["neg"]["good"]
    page = paths[1].read_text()
    assert "atan" in page and "value differs" in page and "src=" not in page and "href=" not in page


def test_without_a_gpu_the_cuda_half_says_so():
    if guard.cuda_missing() is None:
        pytest.skip("there is a GPU")
    result = command("--device", "cuda")
    assert result.exit_code == 4 and "skipped" in result.output


def test_a_torch_that_is_not_pytorch_is_recognised(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("Tensor = None\n")
    code = "import parity.guard as g\ntry: g.real_torch()\nexcept g.NoTorch as e: print(e)"
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, cwd=tmp_path)
    assert "is not PyTorch" in done.stdout, done.stderr


def test_the_table_fits_eighty_columns(capsys):
    from rich.console import Console

    results = [run.run_operation(name, run.Options(limit=1)) for name in ("neg", "nn.functional.softsign")]
    console = Console(width=80)
    with console.capture() as captured:
        report.print_table(console, results)
    assert "nn.functional.softsign" in captured.get() and "torch's ulps" in captured.get()
