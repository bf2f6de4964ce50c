"""Choosing between kernels and references, threads, the cache on disk, and compiling ahead."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kernel_cases import draw, exactly

import minitorch as mt
from minitorch import kernels
from minitorch.core.op import REGISTRY
from minitorch.kernels import compile as compiling
from minitorch.kernels import jit, registry, threads

ROOT = Path(mt.__file__).parents[1]


def python(code, **environment):
    """Output of a fresh interpreter."""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


# Selection.


def test_use_selects_and_restores():
    kernels.use("auto")
    reference = REGISTRY["conv2d"].reference
    with kernels.use("numpy"):
        assert kernels.current() == "numpy" and REGISTRY["conv2d"].kernel is reference
        with kernels.use("numba"):
            assert kernels.current() == "numba" and REGISTRY["conv2d"].kernel is not reference
        assert REGISTRY["conv2d"].kernel is reference
    assert kernels.current() == "auto" and REGISTRY["conv2d"].kernel is not reference


def test_use_works_without_with():
    try:
        kernels.use("numpy")
        assert kernels.current() == "numpy"
    finally:
        kernels.use("auto")


def test_use_restores_after_an_error():
    with pytest.raises(KeyError), kernels.use("numpy"):
        raise KeyError
    assert kernels.current() == "auto"


def test_an_unknown_selection_is_an_error():
    with pytest.raises(ValueError, match="auto"):
        kernels.use("cuda")
    assert kernels.current() == "auto"


def test_accelerates_wants_an_entry_in_the_table():
    with pytest.raises(ValueError, match="no_such_operation"):
        kernels.accelerates("no_such_operation")


def test_every_entry_is_an_operation_with_a_kernel_and_an_example():
    assert set(registry.KERNELS) <= set(REGISTRY)
    assert set(registry.KERNELS) == set(compiling.EXAMPLES)
    for name in registry.KERNELS:
        assert callable(registry.accelerated(name))


def test_the_choice_is_made_by_size_and_dtype():
    called = []
    registry.IMPLEMENTATIONS["softmax"], original = (
        lambda x, *, dim: called.append("kernel"),
        registry.accelerated("softmax"),
    )
    try:
        chosen = registry.choose("softmax", lambda x, *, dim: called.append("reference"), "auto")
        least = registry.KERNELS["softmax"].least
        chosen(np.ones((1, least - 1), np.float32), dim=1)
        chosen(np.ones((1, least), np.float32), dim=1)
        chosen(np.ones((1, least), np.float16), dim=1)
        chosen(np.ones((1, least), np.int64), dim=1)
        always = registry.choose("softmax", lambda x, *, dim: called.append("reference"), "numba")
        always(np.ones((1, 1)), dim=1)
        always(np.ones((1, 1), np.int32), dim=1)
    finally:
        registry.IMPLEMENTATIONS["softmax"] = original
    assert called == ["reference", "kernel", "reference", "reference", "kernel", "reference"]


def test_mixed_dtypes_go_to_the_reference():
    chosen = registry.choose("softmax_backward", lambda g, y, *, dim: "reference", "numba")
    assert chosen(np.ones((2, 2), np.float32), np.ones((2, 2)), dim=1) == "reference"


def test_importing_needs_no_numba_and_a_kernel_loads_it():
    out = python(
        "import sys, minitorch as mt, minitorch.kernels; print('numba' in sys.modules);"
        "mt.ones(3, 4) @ mt.ones(4, 5); print('numba' in sys.modules);"
        "mt.nn.functional.conv2d(mt.ones(8, 3, 32, 32), mt.ones(8, 3, 5, 5)); print('numba' in sys.modules)"
    )
    assert out.split() == ["False", "False", "True"]


def test_without_numba_auto_runs_the_references_and_says_so():
    out = python(
        "import sys, warnings; sys.modules['numba'] = None; import minitorch as mt\n"
        "x, w = mt.ones(8, 3, 32, 32), mt.ones(8, 3, 5, 5)\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always')\n"
        "    for _ in range(2): y = mt.nn.functional.conv2d(x, w)\n"
        "print(y.sum().item(), sum('Numba cannot be imported' in str(w.message) for w in seen))\n"
        "mt.kernels.use('numba')\n"
        "try: mt.nn.functional.conv2d(x, w)\n"
        "except ImportError: print('raises')\n"
    )
    assert out.split() == [str(8 * 8 * 28 * 28 * 75.0), "1", "raises"]


# Through the whole library: tensors, gradients of both orders, with kernels and without.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_with_kernels_and_without(dtype):
    def gradients(selection):
        with kernels.use(selection):
            x = mt.tensor(draw(0, (4, 3, 14, 14), dtype), requires_grad=True)
            w = mt.tensor(draw(1, (8, 3, 3, 3), dtype), requires_grad=True)
            y = mt.nn.functional.max_pool2d(mt.nn.functional.conv2d(x, w, padding=1, stride=2), 2)
            z = mt.nn.functional.log_softmax(y.flatten(1), 1) * mt.nn.functional.softmax(y.flatten(1), 1)
            first = mt.autograd.grad((z * z).sum(), (x, w), create_graph=True)
            second = mt.autograd.grad(sum((g * g).sum() for g in first), (x, w))
            return [t.detach().numpy() for t in (z, *first, *second)]

    tolerance = 1e-4 if dtype == "float32" else 1e-12
    for a, b in zip(gradients("numba"), gradients("numpy"), strict=True):
        assert np.allclose(a, b, rtol=tolerance, atol=tolerance * abs(b).max())


# Threads.


def test_the_number_of_threads_can_be_set(monkeypatch):
    before = mt.get_num_threads()
    try:
        mt.set_num_threads(1)
        assert mt.get_num_threads() == 1 and threads.threads_for(1e12) == 1
        mt.set_num_threads(3)
        assert mt.get_num_threads() == 3 and threads.threads_for(1e12) == 3 and threads.threads_for(1e3) == 1
    finally:
        mt.set_num_threads(before)


def test_the_number_of_threads_reaches_blas():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    before = mt.get_num_threads()

    def blas():
        return {p["num_threads"] for p in threadpoolctl.threadpool_info() if "numpy" in p["filepath"]}

    try:
        mt.set_num_threads(1)
        assert blas() == {1}
    finally:
        mt.set_num_threads(before)


@pytest.mark.parametrize(("bad", "error"), [(0, RuntimeError), (-1, RuntimeError), (1.0, TypeError), (True, TypeError)])
def test_a_bad_number_of_threads_is_an_error(bad, error):
    with pytest.raises(error, match="set_num_threads"):
        mt.set_num_threads(bad)


def test_the_default_follows_omp_num_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads.default_threads() == 5
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= threads.default_threads() == threads.physical_cores() <= os.cpu_count()


def test_an_error_in_a_worker_is_raised_and_the_pool_lives_on():
    def kernel(counter, seen):
        seen.append(1)
        raise ZeroDivisionError

    for _ in range(2):
        seen = []
        with pytest.raises(ZeroDivisionError):
            threads.run(kernel, 3, seen)
        assert len(seen) == 3


@jit.njit
def who_did_what(counter, done, times):
    """done[task] is added to once for every time that it is done; each task takes a moment, so that all threads get some."""
    task = jit.take(counter, len(done))
    while task < len(done):
        done[task] += 1
        for i in range(len(times)):
            times[i] = times[i] * 0.5 + i
        task = jit.take(counter, len(done))


@jit.njit
def take_one(counter, tasks):
    return jit.take(counter, tasks)


@jit.njit
def follow_one(counter, task, together, count):
    return jit.following(counter, task, count, together)


@jit.njit
def who_did_which_groups(counter, done, together):
    task = jit.take_many(counter, len(done), together)
    while task < len(done):
        done[task] += 1
        task = jit.following(counter, task, len(done), together)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 64, 65])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_every_task_is_done_once(count, number):
    done = np.zeros(count, np.int64)
    for _ in range(20):
        threads.run(who_did_what, number, done, np.zeros(5000))
    assert (done == 20).all()
    for together in (1, 2, 5, 100):
        done[:] = 0
        for _ in range(20):
            threads.run(who_did_which_groups, number, done, together)
        assert (done == 20).all()


def test_threads_meet_in_the_middle():
    """The caller goes up from the first task, its helper down from the last, whatever the other does in between."""

    def order(counter, tasks):
        return [take_one(counter, tasks) for _ in range(3)]

    shared = np.zeros(8, np.int64)
    front, back = shared[: threads.FRONT], shared[: threads.BACK]
    assert order(front, 9) == [0, 1, 2] and order(back, 9) == [8, 7, 6] and order(front, 9) == [3, 4, 5]
    assert min(order(back, 9) + order(front, 9)) >= 9
    # Groups of 5 of 12: the last one, 10 and 11, ends where the tasks do, and is followed by the one before it.
    shared[:] = 0
    assert [take_one(back, 3) * 5, *(follow_one(back, task, 5, 12) for task in (10, 11, 8, 9))] == [10, 11, 5, 9, 0]


def test_kernels_may_be_called_from_several_threads_at_once():
    from concurrent.futures import ThreadPoolExecutor

    softmax = registry.accelerated("softmax")
    arrays = [draw(i, (200, 50), "float32") for i in range(16)]
    with exactly(2), ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda a: softmax(a, dim=1), arrays))
    assert all(np.array_equal(softmax(a, dim=1), b) for a, b in zip(arrays, found, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kernels_run_after_a_fork():
    out = python(
        "import os, numpy as np\n"
        "from minitorch.kernels import threads, registry\n"
        "threads.threads_for = lambda work: 2\n"
        "softmax = registry.accelerated('softmax'); x = np.ones((64, 50), 'f'); softmax(x, dim=1)\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(int(softmax(x, dim=1).sum().round()))\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert out == "64"


# The cache.


CACHE = "from minitorch.kernels import jit; print(jit.cache_folder)"


def test_the_cache_is_where_numba_is_told(tmp_path):
    assert Path(python(CACHE, NUMBA_CACHE_DIR=str(tmp_path))).parent == tmp_path


def test_the_cache_is_in_the_home_folder_by_default(tmp_path):
    folder = Path(python(CACHE, NUMBA_CACHE_DIR="", HOME=str(tmp_path)))
    assert folder.parent == tmp_path / ".cache" / "minitorch" / "numba"


def test_a_cache_that_cannot_be_written_is_replaced_with_a_warning(tmp_path):
    (tmp_path / "file").write_text("")
    code = "import warnings; warnings.simplefilter('error')\ntry:\n    import minitorch.kernels.jit\n"
    code += "except UserWarning as warning: print(warning)"
    assert "cannot be written" in python(code, NUMBA_CACHE_DIR=str(tmp_path / "file" / "below"))


def test_two_processes_may_fill_one_cache(tmp_path):
    code = (
        "import numpy as np; from minitorch.kernels.correlate import pack_rows\n"
        "print(pack_rows(np.arange(12, dtype='f'), 1, 3, 4).sum())"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
        for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in both] == ["66.0", "66.0"]
    assert python(code, NUMBA_CACHE_DIR=str(tmp_path)) == "66.0"
    assert len(list(tmp_path.rglob("*.nbi"))) == len(list(tmp_path.rglob("*.nbc"))) == 1


def test_the_table_of_crossovers_is_rewritten_whole():
    from minitorch.kernels import crossovers, tune

    found = {name: i for i, name in enumerate(tune.LIMITS)}
    before, after = ({}, {})
    exec(Path(crossovers.__file__).read_text(), before)
    exec(tune.written(found), after)
    assert found.keys() <= before.keys()
    assert {k: after[k] for k in before if k.isupper()} == {k: before[k] for k in before if k.isupper()} | found
    rows, limit = tune.measure("TWO_ROWS", rounds=1)
    assert limit in [row.size for row in rows] + [crossovers.TWO_ROWS]


def test_the_cache_depends_on_every_source_file_and_leaves_the_users_alone(tmp_path):
    from minitorch.kernels import jit

    assert jit.cache_folder.name == f"minitorch-{jit.source_hash()}"
    out = python(
        "import numba; before = numba.config.CACHE_DIR\n"
        "import minitorch.kernels.softmax; print(numba.config.CACHE_DIR == before)"
    )
    assert out == "True"


def test_compiling_ahead_names_every_kernel_and_finds_them_cached():
    reported = []
    rows = list(kernels.compile_all(reported.append))
    assert [(name, dtype) for name, dtype, _, _ in rows] == [
        *((name, dtype) for name in registry.KERNELS for dtype in ("float32", "float64")),
        ("random draws", "all"),
        ("optimizer steps", "all"),
        ("products in pieces", "all"),
    ]
    assert reported == [f"{name} {dtype}" for name, dtype, _, _ in rows]
    assert all(seconds >= 0 for _, _, seconds, _ in rows)
    assert all(cached for *_, cached in kernels.compile_all())
