"""The plan of the house, held by reading the imports: floors import downwards only, never in a circle."""

import ast
import subprocess
import sys
from pathlib import Path

import minitorch

ROOT = Path(minitorch.__file__).parent

FLOORS = [
    {
        "shapes",
        "strided",
        "dtypes",
        "rounding",
        "generator",
        "draws",
        "rejection",
        "samplers",
        "printing",
        "devices",
        "memory_formats",
        "trees",
    },
    {"core"},
    {"ops"},
    {"engine", "tape"},
    {"methods", "access", "kernels", "legacy", "random", "batching", "settings", "storage", "amp"},
    {"autograd", "extend", "func", "linalg", "special", "io", "profiler", "testing", "version", "hub"},
    {
        "nn",
        "optim",
        "utils",
        "vision",
        "distributions",
        "jit",
        "fx",
        "futures",
        "_C",
        "cuda",
        "backends",
        "accelerator",
        "compiler",
        "distributed",
        "multiprocessing",
        "serialization",
        "interop",
        "onnx",
    },
    {"__init__", "__main__", "cli", "info", "stubs", "viz", "models", "train", "demo"},
]
FLOOR = {name: i for i, names in enumerate(FLOORS) for name in names}
OPTIONAL = {
    "numba",
    "llvmlite",
    "matplotlib",
    "cycler",
    "rich",
    "PIL",
    "ml_dtypes",
    "safetensors",
    "tensorboardX",
    "onnx",
    "einops",
    "threadpoolctl",
    "click",
    "tqdm",
    "igraph",
    "latex2mathml",
}


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield path, parts


def imports(path: Path, parts: tuple):
    """(node, absolute dotted name below minitorch, or None for another package) of every import in the file."""
    package = parts if parts[-1] == "__init__" else parts[:-1]
    package = tuple(p for p in package if p != "__init__")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - (node.level - 1)]
                for alias in node.names:
                    yield node, base + (tuple(node.module.split(".")) if node.module else (alias.name,)), None
            elif (node.module or "").split(".")[0] == "minitorch":
                yield node, tuple(node.module.split(".")[1:]) or ("__init__",), None
            else:
                yield node, None, (node.module or "").split(".")[0]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield node, None, alias.name.split(".")[0]


def test_every_module_has_a_floor():
    assert {parts[0] for _, parts in modules()} <= set(FLOOR)


def test_imports_go_down_only():
    wrong = []
    for path, parts in modules():
        for node, target, _ in imports(path, parts):
            if target and target[0] in FLOOR and target[0] != parts[0] and FLOOR[target[0]] > FLOOR[parts[0]]:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {'.'.join(target)}")
    assert not wrong, "\n".join(wrong)


def test_no_circles():
    edges = {}
    for path, parts in modules():
        name = parts[:-1] if parts[-1] == "__init__" else parts
        for _, target, _ in imports(path, parts):
            if target:
                edges.setdefault(name, set()).add(target)
    state = {}

    def visit(name, trail):
        if state.get(name) == "done":
            return
        assert state.get(name) != "open", f"circle: {' -> '.join('.'.join(n) for n in (*trail, name))}"
        state[name] = "open"
        for target in edges.get(name, ()):
            if len(target) > 1 or (ROOT / f"{target[0]}.py").exists():
                visit(target, (*trail, name))
        state[name] = "done"

    for name in list(edges):
        visit(name, ())


def test_imports_inside_functions_are_for_optional_packages_only():
    wrong = []
    for path, parts in modules():
        tree = ast.parse(path.read_text())
        inner = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
            for node in ast.walk(function)
            if isinstance(node, (ast.Import, ast.ImportFrom))
        }
        if parts[0] in ("cli", "__main__"):  # so that `minitorch --help` loads next to nothing
            continue
        for function in ast.walk(tree):
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            for node in ast.walk(function):
                if id(node) not in inner:
                    continue
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                relative = isinstance(node, ast.ImportFrom) and node.level
                for name in names:
                    if relative and "kernels" not in parts and not name.startswith("kernels."):
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports .{name} inside {function.name}")
                    elif not relative and name.split(".")[0] not in OPTIONAL | set(sys.stdlib_module_names):
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {name} inside {function.name}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_minitorch_never_imports_torch_or_hypothesis():
    for path, parts in modules():
        for node, _, package in imports(path, parts):
            assert package not in ("torch", "hypothesis"), f"{path}:{node.lineno}"


def test_import_pulls_in_neither_numba_nor_matplotlib():
    code = "import sys, minitorch; print(sorted({'numba', 'matplotlib', 'torch', 'rich', 'PIL', 'igraph'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_files_stay_small():
    long = {str(p.relative_to(ROOT)): n for p, _ in modules() if (n := len(p.read_text().splitlines())) > 500}
    assert not long, long
