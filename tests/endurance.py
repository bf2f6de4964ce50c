"""Kills at random moments and damaged files, in any number:

    python tests/endurance.py kills 1000
    python tests/endurance.py damage 10000

The ordinary suite runs a few of each (test_endurance.py).
"""

import contextlib
import gzip
import io
import os
import pickle
import random
import resource
import signal
import struct
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

import minitorch
from minitorch.io import CheckpointError, load_checkpoint, save_checkpoint
from minitorch.utils.data import DataLoader
from minitorch.vision.datasets import DatasetError
from minitorch.vision.datasets.cifar_files import read_archive, read_binary_batch, read_pickle_batch
from minitorch.vision.datasets.idx import read_idx

# Kills


def fork(body) -> int:
    """Run `body()` in a copy of this process."""
    pid = os.fork()
    if pid:
        return pid
    try:
        body()
    finally:
        os._exit(1)


def kill_while_saving(folder: Path, chance: random.Random) -> None:
    """The file is whole: as the dead process left it, or as the one before did."""
    path = folder / "model"

    def write_for_ever():
        number = 0
        while True:
            number += 1
            value = float(number)
            tree = {"number": value, "weight": minitorch.full((200, 200), value)}
            minitorch.save(tree, path) if number % 2 else save_checkpoint(path, tree)

    minitorch.save({"number": 0.0, "weight": minitorch.zeros(200, 200)}, path)
    writer = fork(write_for_ever)
    time.sleep(chance.random() * 0.03)
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    tree = minitorch.load(path) if chance.random() < 0.5 else load_checkpoint(path)
    assert (tree["weight"] == tree["number"]).all()
    minitorch.save({}, path)  # what the dead process left goes with the next write
    assert [entry.name for entry in folder.iterdir()] == ["model"]
    path.unlink()


class Images:
    """Samples large enough for shared memory."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        return np.full((64, 80), float(index))


def loader(workers: int) -> DataLoader:
    return DataLoader(Images(), batch_size=4, num_workers=workers, multiprocessing_context="fork")


def pids_of(batches) -> list[int]:
    return [process.pid for process in batches._crew.processes]


def kill_a_worker(chance: random.Random) -> None:
    """Every batch that comes is right and in its place; then comes the error, or, killed too late, the end."""
    batches = iter(loader(2))
    pids = pids_of(batches)
    taken, at = 0, chance.randrange(11)
    try:
        while True:
            if taken == at:
                time.sleep(chance.random() * 0.005)
                os.kill(chance.choice(pids), signal.SIGKILL)
            batch = next(batches)
            assert batch[:, 0, 0].tolist() == [4 * taken + k for k in range(4)] and (batch == batch[:, :1, :1]).all()
            taken += 1
    except StopIteration:
        assert taken == 10
    except (RuntimeError, ProcessLookupError) as error:
        assert isinstance(error, ProcessLookupError) or "exited unexpectedly" in str(error)
    batches._crew.end()
    assert_gone(pids)


def kill_the_parent(folder: Path, chance: random.Random) -> None:
    """Its workers go as well."""
    note = folder / "pids"

    def load_for_ever():
        while True:
            batches = iter(loader(2))
            note.with_suffix(".new").write_text(" ".join(map(str, pids_of(batches))))
            note.with_suffix(".new").rename(note)
            for _ in batches:
                pass

    parent = fork(load_for_ever)
    while not note.exists():
        time.sleep(0.002)
    time.sleep(chance.random() * 0.05)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert_gone([int(pid) for pid in note.read_text().split()])
    for left in folder.iterdir():
        left.unlink()


def assert_gone(pids: list[int]) -> None:
    end = time.monotonic() + 60
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < end, f"still running: {pids}"
        time.sleep(0.002)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kills(count: int) -> None:
    """`count` kills: half of them while a file is written, the others of workers and of their parents."""
    chance = random.Random(count)
    shared = set(os.listdir("/dev/shm"))
    for number in range(count):
        signal.alarm(300)  # a hang ends the run
        with tempfile.TemporaryDirectory() as folder:
            if number % 2 == 0:
                kill_while_saving(Path(folder), chance)
            elif number % 4 == 1:
                kill_a_worker(chance)
            else:
                kill_the_parent(Path(folder), chance)
        signal.alarm(0)
    left = [name for name in set(os.listdir("/dev/shm")) - shared if "minitorch" in name]
    assert not left, left


# Damaged files


def checkpoint_tree() -> dict:
    weight = minitorch.arange(60, dtype=minitorch.float32).reshape(6, 10)
    return {
        "model": {"weight": weight, "tied": weight.t(), "bias": minitorch.zeros(3, dtype=minitorch.float64)},
        "epoch": 3,
        "list": [1, 2.5, "x", (True, None)],
    }


STORAGES = [("FloatStorage", np.arange(60, dtype=np.float32)), ("LongStorage", np.arange(7))]


def pickled_state(keyed: bool) -> bytes:
    """The pickle of {"weight": (6, 10), "steps": (7,)} as torch writes it, written instruction by instruction."""

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    out = b"\x80\x02}("
    for key, ((kind, values), name, shape) in enumerate(
        zip(STORAGES, ["weight", "steps"], [(6, 10), (7,)], strict=True)
    ):
        strides = [s // values.itemsize for s in values.reshape(shape).strides]
        storage = b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(str(key)) + text("cpu")
        storage += number(values.size) + (b"" if keyed else b"N") + b"tQ"
        out += text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(0)
        for numbers in (shape, strides):
            out += b"(" + b"".join(map(number, numbers)) + b"t"
        out += b"\x89ccollections\nOrderedDict\n)RtR"
    return out + b"u."


def zip_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled_state(True))
        archive.writestr("archive/byteorder", "little")
        for key, (_, values) in enumerate(STORAGES):
            archive.writestr(f"archive/data/{key}", values.tobytes())
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def legacy_file() -> bytes:
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]
    content = b"".join(pickle.dumps(value, 2) for value in head) + pickled_state(False) + pickle.dumps(["0", "1"], 2)
    return content + b"".join(struct.pack("<q", values.size) + values.tobytes() for _, values in STORAGES)


def idx_file() -> bytes:
    return struct.pack(">HBB3I", 0, 8, 3, 5, 7, 7) + bytes(range(245))


def cifar_pickle() -> bytes:
    """A batch as Python 2 pickled them: the names are those of the published files."""
    images = np.arange(2 * 3072, dtype=np.uint32).astype(np.uint8).tobytes()

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85"
        + text(b"b")
        + b"tR(K\x01K\x02M\x00\x0c\x86"
    )
    array += (
        b"cnumpy\ndtype\n("
        + text(b"u1")
        + b"K\x00K\x01tR(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    array += b"\x89T" + struct.pack("<i", len(images)) + images + b"tb"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + b"](K\x03K\x07eu."


def tar_file() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("folder/batch")
        entry.size = 3073
        archive.addfile(entry, io.BytesIO(b"\x05" + bytes(3072)))
    return buffer.getvalue()


def in_memory(path: Path, tree: dict) -> bytes:
    save_checkpoint(path, tree)
    return path.read_bytes()


def plain(value):
    """Numbers, for comparing."""
    if isinstance(value, minitorch.Tensor):
        return value.dtype.name, value.tolist()
    if isinstance(value, np.ndarray):
        return value.dtype.name, value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


# name -> (content, reader, error, whether the format has a checksum over everything)
def kinds(folder: Path) -> dict:
    named = lambda read: lambda path: read(path.read_bytes(), str(path))  # noqa: E731
    return {
        "checkpoint": (in_memory(folder / "made", checkpoint_tree()), load_checkpoint, CheckpointError, True),
        "load": (in_memory(folder / "made", checkpoint_tree()), minitorch.load, CheckpointError, True),
        "pt": (zip_file(), minitorch.load, CheckpointError, True),
        "old pt": (legacy_file(), minitorch.load, CheckpointError, False),
        "idx": (idx_file(), read_idx, DatasetError, False),
        "idx.gz": (gzip.compress(idx_file()), read_idx, DatasetError, True),
        "cifar": (cifar_pickle(), named(read_pickle_batch), DatasetError, False),
        "cifar binary": (b"\x05" + bytes(3072), named(read_binary_batch), DatasetError, False),
        "tar": (tar_file(), lambda path: read_archive(path, "folder", ["batch"]), DatasetError, True),
    }


HOSTILE = [
    b"cos\nsystem\n(X\x05\x00\x00\x00falsetR.",
    b"cbuiltins\neval\n(X\x03\x00\x00\x001+1tR.",
    b"cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR.",
    b"c__builtin__\nexec\n(X\x04\x00\x00\x00passtR.",
    b"ctorch._utils\n_rebuild_tensor_v2\n}b.",
    b"(cos\nsystem\no.",
    b"\x8c\x02os\x8c\x06system\x93.",
    b"cminitorch\nload\n(X\x01\x00\x00\x00xtR.",
    b"X\xff\xff\xff\x7f.",
    b"B\xff\xff\xff\x7f.",
    b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"((((" * 2000 + b"t" * 8000,
    b"r\xff\xff\xff\x7f.",
]


def damage(content: bytes, chance: random.Random) -> bytes:
    """One of the ways in which files go bad, or are made bad."""
    data = bytearray(content)
    place = chance.randrange(len(data))
    match chance.randrange(8):
        case 0 | 1:  # flipped bits
            for _ in range(chance.choice([1, 1, 1, 4, 30])):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 2:  # cut off
            del data[place:]
        case 3:  # a lost sector
            data[place : place + 512] = bytes(len(data[place : place + 512]))
        case 4:  # the header
            data[chance.randrange(min(len(data), 200))] = chance.randrange(256)
        case 5:  # a size far too large
            data[place : place + 8] = chance.choice([b"\xff" * 8, b"\xff\xff\xff\x7f", struct.pack("<q", 1 << 40)])
        case 6:  # bytes from elsewhere
            other = chance.randrange(len(data))
            data[place:place] = data[other : other + chance.randrange(1, 100)]
        case 7:  # a pickle that wants to do something
            hostile = b"\x80\x02" + chance.choice(HOSTILE)
            if data.startswith(b"PK"):
                buffer = io.BytesIO()
                with zipfile.ZipFile(buffer, "w") as archive:
                    archive.writestr("archive/data.pkl", hostile)
                data = bytearray(buffer.getvalue())
            elif chance.random() < 0.5:
                data = bytearray(hostile)
            else:
                data[place:] = hostile
    return bytes(data)


FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "os.remove",
    "socket.",
    "compile",
    "exec",
)


@contextlib.contextmanager
def no_code_runs():
    """AssertionError if something was compiled, executed or started meanwhile."""
    seen: list[str] = []
    running = [True]

    def watch(event: str, arguments: tuple) -> None:
        if running[0] and event.startswith(FORBIDDEN):
            seen.append(f"{event} {arguments!r:.200}")

    sys.addaudithook(watch)  # hooks stay for good, hence the switch
    try:
        yield seen
    finally:
        running[0] = False
    assert not seen, seen


@contextlib.contextmanager
def bounded_memory(extra: int):
    """MemoryError for whoever asks for more than `extra` bytes above what the process has."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + extra, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def damaged_files(count: int) -> dict[str, int]:
    """Read `count` damaged files: each is read right or refused with the error of its kind that names the file."""
    chance = random.Random(count)
    outcomes = {"read right": 0, "refused": 0, "other values, where nothing can tell": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = kinds(folder)
        path = folder / "damaged"
        expected = {}
        for kind, (content, read, _, _) in table.items():
            path.write_bytes(content)
            expected[kind] = plain(read(path))
        with no_code_runs(), bounded_memory(256 << 20):
            for number in range(count):
                kind = list(table)[number % len(table)]
                content, read, error, has_checksum = table[kind]
                path.write_bytes(damage(content, chance))
                try:
                    result = plain(read(path))
                except error as told:
                    assert str(path) in str(told), told
                    outcomes["refused"] += 1
                else:
                    right = result == expected[kind]
                    assert right or not has_checksum, f"{kind}, file {number}: {result!r:.300}"
                    outcomes["read right" if right else "other values, where nothing can tell"] += 1
    return outcomes


if __name__ == "__main__":
    what, number = sys.argv[1], int(sys.argv[2])
    began = time.monotonic()
    print(kills(number) if what == "kills" else damaged_files(number), f"{number} in {time.monotonic() - began:.0f} s")
