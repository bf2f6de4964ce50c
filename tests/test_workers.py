"""DataLoader workers: torch's batches, seeds and errors; whoever is killed, nothing hangs and nothing is left running."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from worker_data import PROGRAM, Draws, Large, Parts, Trouble, as_is, fail_to_begin

import minitorch
from minitorch.utils.data import DataLoader
from minitorch.utils.data.parcel import HAS_FILES, LARGE, Parcel

HERE = Path(__file__).parent
posix = pytest.mark.skipif(os.name != "posix", reason="kills with a signal")


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def epochs(library, loader, count=2):
    """What `count` passes give, with draws of the main process between the batches."""
    seen = []
    for _ in range(count):
        for batch in loader:
            seen.append([part.tolist() for part in batch] if isinstance(batch, list) else batch.tolist())
            seen.append(library.rand(1).tolist())
    return seen


@posix
def test_batches_seeds_and_draws_are_torchs():
    torch = pytest.importorskip("torch")
    theirs = torch.utils.data

    class TheirParts(theirs.IterableDataset):
        __iter__ = lambda self: iter(range(theirs.get_worker_info().id, 17, 3))  # noqa: E731

    options = dict(num_workers=2, persistent_workers=True)
    for mine, expected, order in (
        (Draws(11), Draws(11, "torch"), dict(batch_size=2, shuffle=True)),
        (Parts(17), TheirParts(), dict(batch_size=3)),
    ):
        minitorch.manual_seed(3)
        got = epochs(minitorch, DataLoader(mine, **options, **order))
        torch.manual_seed(3)
        # The same whatever starts the processes; torch's start quickest by fork.
        want = epochs(torch, theirs.DataLoader(expected, multiprocessing_context="fork", **options, **order))
        assert got == want and len(got) >= 16


@posix
def test_errors_come_back_with_the_workers_traceback():
    mishaps = ["ValueError", 1, "KeyError", "TwoArguments", "local class", "no pickle", 2]
    batches = iter(DataLoader(Trouble(mishaps), batch_size=None, num_workers=1, collate_fn=as_is))
    with pytest.raises(
        ValueError, match=r"Caught ValueError in DataLoader worker process 0\.\nOriginal Traceback"
    ) as told:
        next(batches)
    assert "this sample is bad" in str(told.value) and "worker_data.py" in str(told.value)
    assert next(batches) == 1  # an error costs its batch only
    with pytest.raises(KeyError) as told:
        next(batches)
    assert "\n" in str(told.value) and "this key is missing" in str(told.value)
    with pytest.raises(RuntimeError, match="Caught TwoArguments"):
        next(batches)
    with pytest.raises(IndexError, match="out of the local range"):
        next(batches)
    with pytest.raises(Exception, match="pickle"):
        next(batches)
    assert next(batches) == 2
    with pytest.raises(StopIteration):
        next(batches)


@posix
@pytest.mark.parametrize(
    ("mishap", "cause"), [("kill", "is killed by signal: Killed"), ("exit", "unexpectedly with exit code 7")]
)
def test_dead_workers_are_noticed(mishap, cause):
    batches = iter(DataLoader(Trouble([1, mishap, 2]), batch_size=None, num_workers=1, multiprocessing_context="fork"))
    assert next(batches) == 1
    (process,) = batches._crew.processes
    with pytest.raises(
        RuntimeError, match=rf"DataLoader worker \(pid\(s\) {process.pid}\) exited unexpectedly"
    ) as told:
        for _ in batches:
            pass
    assert cause in str(told.value.__cause__)
    with pytest.raises((RuntimeError, OSError)):  # the epoch is broken, it does not just end
        next(batches)


@posix
def test_a_worker_that_cannot_begin_says_why():
    loader = DataLoader([1, 2], num_workers=1, worker_init_fn=fail_to_begin, multiprocessing_context="fork")
    with pytest.raises(OSError, match="(?s)Caught OSError in DataLoader worker process 0.*worker 0 has no disk"):
        next(iter(loader))


@posix
def test_timeout():
    loader = DataLoader(Trouble(["sleep"]), num_workers=1, timeout=0.2, multiprocessing_context="fork")
    batches = iter(loader)
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0\.2 seconds"):
        next(batches)
    batches._crew.processes[0].kill()


@posix
def test_an_abandoned_pass_ends_its_workers():
    batches = iter(DataLoader(range(100), num_workers=2, multiprocessing_context="fork"))
    next(batches)
    pids = [process.pid for process in batches._crew.processes]
    assert all(is_running(pid) for pid in pids)
    del batches
    gc.collect()
    wait_until(lambda: not any(is_running(pid) for pid in pids))


@posix
def test_what_cannot_be_pickled_is_explained_and_forks():
    add = 1
    collate = lambda batch: sum(batch) + add  # noqa: E731
    with pytest.raises((AttributeError, TypeError), match="pickle|local") as told:
        iter(DataLoader([1, 2, 3, 4], batch_size=2, num_workers=1, collate_fn=collate))
    assert "top level of a module" in told.value.__notes__[0]
    loader = DataLoader([1, 2, 3, 4], batch_size=2, num_workers=1, collate_fn=collate, multiprocessing_context="fork")
    assert list(loader) == [4, 8]


@posix
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_worker_outlives_its_parent(end):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    command = [sys.executable, "-c", PROGRAM]
    parent = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert parent.stdout is not None and parent.stderr is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2, parent.stderr.read()
    if end == signal.SIGINT:
        os.killpg(parent.pid, end)  # Ctrl-C reaches all of them
    else:
        parent.send_signal(end)
    errors = parent.communicate(timeout=120)[1]
    wait_until(lambda: not any(is_running(pid) for pid in pids))
    assert errors.count("Traceback") == (1 if end == signal.SIGINT else 0), errors


# Parcels


@posix
def test_parcels_keep_values_and_share_large_arrays():
    large, small = np.arange(LARGE, dtype=np.float64), np.arange(3)
    value = {"large": minitorch.from_numpy(large), "small": small, "turned": large.reshape(256, -1).T, "n": None}
    parcel = Parcel.of(value)
    assert sum(part.__class__.__name__ == "Segment" for part in parcel.parts) == (2 if HAS_FILES else 0)
    first, second, private = parcel.open(), parcel.open(), parcel.open(private=True)
    parcel.close()
    for opened in (first, second, private):
        np.testing.assert_array_equal(opened["large"].numpy(), large)
        np.testing.assert_array_equal(opened["turned"], value["turned"])
        assert opened["small"].tolist() == [0, 1, 2] and opened["n"] is None
    private["large"][0] = 5
    first["large"][0] = 7  # shared with the second, not with the private one, nor with the original
    assert second["large"][0].item() == (7 if HAS_FILES else 0)
    assert private["large"][0].item() == 5 and large[0] == 0


@posix
def test_large_batches_leave_no_descriptor_and_no_memory_behind():
    descriptors = lambda: len(os.listdir("/proc/self/fd"))  # noqa: E731
    loader = DataLoader(Large(24, (100, 100)), batch_size=4, num_workers=2, multiprocessing_context="fork")
    list(loader)
    gc.collect()
    before, shared = descriptors(), set(os.listdir("/dev/shm"))
    for _ in range(2):
        for number, batch in enumerate(loader):
            assert batch[:, 0, 0].tolist() == [4 * number + k for k in range(4)]
            batch += 1  # may be written to
    gc.collect()
    assert descriptors() == before and set(os.listdir("/dev/shm")) <= shared
