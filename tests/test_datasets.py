"""Data sets: the shipped digits, and the loaders on small files in the real formats, served by a local HTTP server."""

import gzip
import hashlib
import http.server
import io
import pickle
import struct
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitorch.vision.datasets import CIFAR10, CIFAR100, EMNIST, KMNIST, MNIST, Digits, FashionMNIST
from minitorch.vision.datasets import digits as digits_module
from minitorch.vision.datasets.cifar_files import read_archive, read_binary_batch, read_pickle_batch
from minitorch.vision.datasets.download import (
    ChecksumError,
    DatasetError,
    DownloadError,
    MalformedFileError,
    RemoteFile,
    TruncatedFileError,
    dataset_home,
    fetch,
)
from minitorch.vision.datasets.idx import read_idx

# A local server


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; `faults` is a list of what goes wrong with the coming requests, in order."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.faults: list = []
        self.requests: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server, name, wanted = self.server, self.path.lstrip("/"), self.headers.get("Range")
        server.requests.append((name, wanted))
        fault = server.faults.pop(0) if server.faults else None
        if isinstance(fault, int) and fault >= 400:
            return self.send_error(fault)
        if name not in server.files:
            return self.send_error(404)
        content = server.files[name]
        if fault == "slow":
            time.sleep(0.3)
        start = 0
        if wanted and fault != "ignore range":
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if fault == "refuse range" or start >= len(content):
                return self.send_error(416)
            claimed = start + 1 if fault == "another range" else start
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {claimed}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        if fault != "no length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if isinstance(fault, tuple):  # ("cut", n): n bytes, then the connection ends
            body = body[: fault[1]]
        self.wfile.write(body)


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


CONTENT = np.random.RandomState(0).bytes(100_000)


def remote(name: str, content: bytes) -> RemoteFile:
    return RemoteFile(name, len(content), hashlib.sha256(content).hexdigest())


FILE = remote("file.bin", CONTENT)


def get(server: Server, folder: Path, file: RemoteFile = FILE, **options) -> Path:
    return fetch(file, folder, [server.url], pause=0.001, timeout=5, **options)


def test_fetch_downloads_checks_and_keeps(server, tmp_path):
    server.files["file.bin"] = CONTENT
    seen = []
    path = get(server, tmp_path / "new" / "folder", progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT)) and seen == sorted(seen)
    assert get(server, path.parent) == path
    assert len(server.requests) == 1  # the second time nothing is asked for
    assert [entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")] == ["file.bin"]


@pytest.mark.parametrize("cut", [1, 4096, 99_999])
def test_fetch_continues_where_the_connection_broke(server, tmp_path, cut):
    server.files["file.bin"] = CONTENT
    server.faults = [("cut", cut)]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [("file.bin", None), ("file.bin", f"bytes={cut}-")]


def test_fetch_continues_a_file_left_by_an_earlier_process(server, tmp_path):
    server.files["file.bin"] = CONTENT
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:70_000])
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [("file.bin", "bytes=70000-")]


def test_fetch_takes_a_complete_part_without_asking(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == []


def test_fetch_starts_again_when_the_part_is_of_another_file(server, tmp_path):
    server.files["file.bin"] = CONTENT
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [("file.bin", "bytes=1000-"), ("file.bin", None)]


def test_fetch_starts_again_when_the_part_is_too_long(server, tmp_path):
    server.files["file.bin"] = CONTENT
    (tmp_path / "file.bin.part").write_bytes(CONTENT + b"more")
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("fault", ["ignore range", "refuse range", "another range"])
def test_fetch_from_servers_without_proper_ranges(server, tmp_path, fault):
    server.files["file.bin"] = CONTENT
    server.faults = [fault]
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:500])
    assert get(server, tmp_path).read_bytes() == CONTENT
    second = {"ignore range": [], "refuse range": [("file.bin", None)], "another range": [("file.bin", "bytes=500-")]}
    assert server.requests == [("file.bin", "bytes=500-"), *second[fault]]


def test_fetch_without_content_length(server, tmp_path):
    server.files["file.bin"] = CONTENT
    server.faults = ["no length"]
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_fetch_tries_again_after_passing_errors(server, tmp_path, status):
    server.files["file.bin"] = CONTENT
    server.faults = [status, status]
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_fetch_names_the_missing_file_and_does_not_insist(server, tmp_path):
    with pytest.raises(DownloadError, match=r"(?s)file\.bin.*404.*put the file into"):
        get(server, tmp_path)
    assert len(server.requests) == 1


def test_fetch_turns_to_the_next_mirror(server, tmp_path):
    server.files["good/file.bin"] = CONTENT
    mirrors = ["http://127.0.0.1:9/", server.url + "none/", server.url + "good/"]
    path = fetch(FILE, tmp_path, mirrors, pause=0.001, timeout=5)
    assert path.read_bytes() == CONTENT


def test_fetch_without_network_says_so(tmp_path):
    with pytest.raises(DownloadError, match=r"(?s)could not download file\.bin.*no connection.*Check the network"):
        fetch(FILE, tmp_path, ["http://127.0.0.1:9/"], pause=0.001, attempts=2, timeout=1)


def test_fetch_with_unknown_server_says_so(tmp_path):
    with pytest.raises(DownloadError, match=r"(?s)no network, or the server's name is unknown"):
        fetch(FILE, tmp_path, ["http://nowhere.invalid/"], timeout=5)


def test_fetch_refuses_a_wrong_file(server, tmp_path):
    server.files["file.bin"] = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(ChecksumError, match=r"(?s)file\.bin.*wrong checksum"):
        get(server, tmp_path)
    assert not (tmp_path / "file.bin").exists() and not (tmp_path / "file.bin.part").exists()


@pytest.mark.parametrize("fault", [None, "no length"])
@pytest.mark.parametrize("content", [CONTENT + b"x", b"<html>please log in</html>"])
def test_fetch_refuses_a_file_of_another_length(server, tmp_path, content, fault):
    server.files["file.bin"] = content
    server.faults = [fault] * 4
    with pytest.raises(DatasetError, match=r"file\.bin"):
        get(server, tmp_path)
    assert not (tmp_path / "file.bin").exists()


def test_fetch_keeps_what_it_has_when_the_line_stays_bad(server, tmp_path):
    server.files["file.bin"] = CONTENT
    server.faults = [("cut", 1000)] * 4
    with pytest.raises(TruncatedFileError, match=r"(?s)4,000 of 100,000 bytes.*Run the same command again"):
        get(server, tmp_path, attempts=4)
    assert (tmp_path / "file.bin.part").read_bytes() == CONTENT[:4000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == ("file.bin", "bytes=4000-")


def test_fetch_replaces_a_damaged_file(server, tmp_path):
    server.files["file.bin"] = CONTENT
    (tmp_path / "file.bin").write_bytes(CONTENT[:10] + b"?" + CONTENT[11:])
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_several_downloads_of_one_file_fetch_it_once(server, tmp_path):
    """The lock holds between processes, and between threads, which are easier to start at the same moment."""
    server.files["file.bin"] = CONTENT
    server.faults = ["slow"] * 3
    together = [threading.Thread(target=get, args=(server, tmp_path)) for _ in range(3)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join(60)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MINITORCH_HOME", str(tmp_path))
    assert dataset_home() == tmp_path / "datasets"
    monkeypatch.delenv("MINITORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert dataset_home() == Path("/somewhere/minitorch/datasets")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert dataset_home() == Path.home() / ".cache/minitorch/datasets"


# IDX


def idx_bytes(array: np.ndarray, code: int = 8) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize(("code", "dtype"), [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
@pytest.mark.parametrize("compress", [False, True])
def test_idx_reads_every_type(tmp_path, code, dtype, compress):
    array = np.random.RandomState(code).randint(0, 100, (3, 4, 5)).astype(dtype)
    data = idx_bytes(array, code)
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(data, mtime=0) if compress else data)
    result = read_idx(path)
    assert result.dtype == array.dtype.newbyteorder("=") and result.flags.writeable
    np.testing.assert_array_equal(result, array)


GOOD_IDX = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", TruncatedFileError, "not even an IDX header"),
        (GOOD_IDX[:3], TruncatedFileError, "not even an IDX header"),
        (GOOD_IDX[:9], TruncatedFileError, "header ends too early"),
        (GOOD_IDX[:-1], TruncatedFileError, "23 of 24 data bytes"),
        (GOOD_IDX + b"x", MalformedFileError, "bytes follow"),
        (b"\x00\x01" + GOOD_IDX[2:], MalformedFileError, "magic number"),
        (b"\x00\x00\x07" + GOOD_IDX[3:], MalformedFileError, "magic number"),
        (b"\x00\x00\x08\x00" + GOOD_IDX[4:], MalformedFileError, "magic number"),
        (b"<html>not here</html>", MalformedFileError, "not an IDX file"),
        (struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 2**31), MalformedFileError, "announces"),
        (gzip.compress(GOOD_IDX, mtime=0)[:-9], TruncatedFileError, "end too early"),
        (gzip.compress(GOOD_IDX, mtime=0)[:-8] + b"\0" * 8, MalformedFileError, "gzip"),
        (b"\x1f\x8b" + b"rubbish" * 9, MalformedFileError, "gzip"),
    ],
)
def test_idx_says_what_is_wrong(tmp_path, data, error, words):
    path = tmp_path / "images-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(error, match=words) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(compress=st.booleans(), place=st.integers(0, 35), change=st.integers(1, 255), cut=st.booleans())
def test_damaged_idx_reads_or_raises_dataset_error(tmp_path, compress, place, change, cut):
    data = bytearray(gzip.compress(GOOD_IDX, mtime=0) if compress else GOOD_IDX)
    place %= len(data)
    data[place] ^= change
    path = tmp_path / "file"
    path.write_bytes(data[:place] if cut else data)
    try:
        assert read_idx(path).size == 24
    except DatasetError:
        pass


# MNIST


def write_mnist(folder: Path, train: int = 7, test: int = 5, pack: bool = True) -> dict[str, bytes]:
    """Small files under MNIST's names in `folder`; returns their contents by name."""
    random = np.random.RandomState(1)
    files = {}
    for prefix, count in (("train", train), ("t10k", test)):
        images = random.randint(0, 256, (count, 28, 28)).astype(np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        files[f"{prefix}-images-idx3-ubyte"] = idx_bytes(images)
        files[f"{prefix}-labels-idx1-ubyte"] = idx_bytes(labels)
    if pack:
        files = {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in files.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return files


@pytest.fixture
def small_mnist(monkeypatch, tmp_path):
    """MNIST whose published files are small ones in `tmp_path / "source"`."""
    files = write_mnist(tmp_path / "source")
    resources = tuple(remote(file.name, files[file.name]) for file in MNIST.resources)
    monkeypatch.setattr(MNIST, "resources", resources)
    monkeypatch.setattr(MNIST, "mirrors", ())
    return tmp_path / "source", files


def test_published_files_are_complete():
    for dataset in (MNIST, FashionMNIST, KMNIST):
        names = [file.name for file in dataset.resources]
        assert names == [
            f"{split}-{kind}-ubyte.gz" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
        ]
        assert len({file.sha256 for file in dataset.resources}) == 4
        assert all(len(bytes.fromhex(file.sha256)) == 32 for file in dataset.resources)
        assert len(dataset.classes) == 10
    for dataset in (CIFAR10, CIFAR100):
        assert all(len(bytes.fromhex(md5)) == 16 for md5 in (dataset.train_list | dataset.test_list).values())
        assert len(set(dataset.classes)) == len(dataset.classes) == (10 if dataset is CIFAR10 else 100)


@pytest.mark.parametrize("place", ["", "MNIST", "MNIST/raw"])
@pytest.mark.parametrize("pack", [True, False])
def test_mnist_reads_files_already_there(small_mnist, tmp_path, place, pack):
    source, files = small_mnist
    root = tmp_path / "root"
    (root / place).mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        if pack:
            (root / place / name).write_bytes(data)
        else:
            (root / place / name.removesuffix(".gz")).write_bytes(gzip.decompress(data))
    train, test = MNIST(root), MNIST(root, train=False)
    assert (len(train), len(test)) == (7, 5)
    images = read_idx(source / "train-images-idx3-ubyte.gz")
    np.testing.assert_array_equal(train.data.numpy(), images)
    assert train.targets.tolist() == list(range(7)) and train.targets.numpy().dtype == np.int64
    picture, target = train[3]
    assert picture.mode == "L" and picture.size == (28, 28) and target == 3
    np.testing.assert_array_equal(np.asarray(picture), images[3])


def test_mnist_downloads(small_mnist, server, monkeypatch, tmp_path):
    _, files = small_mnist
    server.files = files
    monkeypatch.setattr(MNIST, "mirrors", (server.url,))
    assert len(MNIST(tmp_path / "root", download=True)) == 7
    assert sorted(name for name, _ in server.requests) == sorted(files)
    assert len(MNIST(tmp_path / "root", train=False, download=True)) == 5
    assert len(server.requests) == 4


def test_mnist_transforms_and_text(small_mnist):
    source, _ = small_mnist
    dataset = MNIST(source, transform=lambda image: image.size, target_transform=lambda label: -label)
    assert dataset[4] == ((28, 28), -4)
    text = repr(MNIST(source, train=False)).splitlines()
    assert text == ["Dataset MNIST", "    Number of datapoints: 5", f"    Root location: {source}", "    Split: Test"]
    assert dataset.class_to_idx["7 - seven"] == 7


def test_mnist_without_pillow_gives_arrays(small_mnist, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    image, _ = MNIST(small_mnist[0])[0]
    assert isinstance(image, np.ndarray) and image.shape == (28, 28)


def test_mnist_names_what_is_missing(tmp_path):
    with pytest.raises(DatasetError, match=r"train-images-idx3-ubyte\.gz is not in .*download=True"):
        MNIST(tmp_path)


def test_mnist_refuses_wrong_and_truncated_files(small_mnist):
    source, files = small_mnist
    name = "train-images-idx3-ubyte.gz"
    (source / name).write_bytes(files[name][:-20])
    with pytest.raises(TruncatedFileError, match=name):
        MNIST(source)
    (source / name).write_bytes(files[name][:-20] + b"x" * 20)
    with pytest.raises(ChecksumError, match=name):
        MNIST(source)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(6, np.uint8), "7 images.*6 labels"),
        (np.full(7, 10, np.uint8), "label 10"),
        (np.zeros((7, 1), np.uint8), "1 dimensions"),
    ],
)
def test_mnist_refuses_files_that_do_not_fit(tmp_path, labels, words):
    write_mnist(tmp_path, pack=False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    with pytest.raises(MalformedFileError, match=words):
        MNIST(tmp_path)


@pytest.fixture
def small_emnist(monkeypatch):
    """EMNIST whose published archive is a small one; returns the archive and the arrays in it."""
    random, arrays = np.random.RandomState(2), {}
    for split, classes in EMNIST.classes_split_dict.items():
        for part, count in (("train", 70), ("test", 3)):
            first = int(classes[0] == "N/A")
            arrays[f"emnist-{split}-{part}-images-idx3-ubyte"] = random.randint(0, 256, (count, 28, 28)).astype(
                np.uint8
            )
            labels = np.arange(count, dtype=np.uint8) % (len(classes) - first) + first
            arrays[f"emnist-{split}-{part}-labels-idx1-ubyte"] = labels
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, values in arrays.items():
            archive.writestr(f"gzip/{name}.gz", gzip.compress(idx_bytes(values), mtime=0))
    monkeypatch.setattr(EMNIST, "archive", remote("gzip.zip", buffer.getvalue()))
    return buffer.getvalue(), arrays


@pytest.mark.parametrize(
    ("split", "classes"),
    [("byclass", 62), ("bymerge", 47), ("balanced", 47), ("letters", 27), ("digits", 10), ("mnist", 10)],
)
def test_emnist_unpacks_its_split(small_emnist, server, monkeypatch, tmp_path, split, classes):
    archive, arrays = small_emnist
    server.files = {"gzip.zip": archive}
    monkeypatch.setattr(EMNIST, "mirrors", (server.url,))
    train, test = (EMNIST(tmp_path, split, train=train, download=True) for train in (True, False))
    assert (len(train), len(test), len(train.classes)) == (70, 3, classes)
    np.testing.assert_array_equal(train.data.numpy(), arrays[f"emnist-{split}-train-images-idx3-ubyte"])
    np.testing.assert_array_equal(train.targets.numpy(), arrays[f"emnist-{split}-train-labels-idx1-ubyte"])
    assert train.targets.max() == min(classes - 1, 69) and test[2][1] == int(test.targets[2])
    assert len(server.requests) == 1  # the archive stays; the second part came from it
    assert sorted(path.name for path in (tmp_path / "EMNIST" / "raw").iterdir() if path.suffix == ".gz") == sorted(
        f"{name}.gz" for name in arrays if name.startswith(f"emnist-{split}-")
    )
    (tmp_path / "EMNIST" / "raw" / "gzip.zip").unlink()
    assert len(EMNIST(tmp_path, split=split)) == 70


def test_emnist_names_its_classes_and_what_is_missing(tmp_path):
    assert "".join(EMNIST.classes_split_dict["balanced"]) == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"
    with pytest.raises(ValueError, match="Unknown value 'latin' for argument split. Valid values are {'byclass', "):
        EMNIST(tmp_path, "latin")
    with pytest.raises(DatasetError, match=r"emnist-letters-train-images-idx3-ubyte\.gz is not in .*download=True"):
        EMNIST(tmp_path, "letters")


def test_kmnist_reads_mnists_format(tmp_path):
    write_mnist(tmp_path / "KMNIST" / "raw", pack=False)
    data = KMNIST(tmp_path)
    assert data.targets.tolist() == list(range(7)) and data.class_to_idx["tsu"] == 3


# CIFAR-10


def python2_pickle(value) -> bytes:
    """`value` as Python 2's pickle protocol 2 wrote it, which is how the published CIFAR files are written."""

    def write(item) -> bytes:
        if isinstance(item, bytes):  # a Python 2 str
            if len(item) < 256:
                return pickle.SHORT_BINSTRING + bytes([len(item)]) + item
            return pickle.BINSTRING + struct.pack("<i", len(item)) + item
        if isinstance(item, bool):
            return pickle.NEWTRUE if item else pickle.NEWFALSE
        if item is None:
            return pickle.NONE
        if isinstance(item, int):
            return pickle.BININT1 + bytes([item]) if 0 <= item < 256 else pickle.BININT + struct.pack("<i", item)
        if isinstance(item, list):
            return pickle.EMPTY_LIST + pickle.MARK + b"".join(map(write, item)) + pickle.APPENDS
        if isinstance(item, tuple):
            return pickle.MARK + b"".join(map(write, item)) + pickle.TUPLE
        if isinstance(item, dict):
            pairs = b"".join(write(key) + write(entry) for key, entry in item.items())
            return pickle.EMPTY_DICT + pickle.MARK + pairs + pickle.SETITEMS
        assert isinstance(item, np.ndarray)
        dtype = (
            pickle.GLOBAL + b"numpy\ndtype\n" + write((item.dtype.str[1:].encode(), 0, 1)) + pickle.REDUCE
            + write((3, b"|", None, None, None, -1, -1, 0)) + pickle.BUILD
        )  # fmt: skip
        fortran = item.flags.f_contiguous and not item.flags.c_contiguous
        raw = item.tobytes("F" if fortran else "C")
        return (
            pickle.GLOBAL + b"numpy.core.multiarray\n_reconstruct\n"
            + pickle.MARK + pickle.GLOBAL + b"numpy\nndarray\n" + write((0,)) + write(b"b") + pickle.TUPLE
            + pickle.REDUCE + pickle.BINPUT + b"\x01"
            + pickle.MARK + write(1) + write(item.shape) + dtype + write(fortran) + write(raw) + pickle.TUPLE
            + pickle.BUILD
        )  # fmt: skip

    return pickle.PROTO + b"\x02" + write(value) + pickle.STOP


def cifar_batch(seed: int, count: int = 4) -> dict:
    random = np.random.RandomState(seed)
    return {
        b"data": random.randint(0, 256, (count, 3072)).astype(np.uint8),
        b"labels": [int(label) for label in random.randint(0, 10, count)],
        b"batch_label": b"training batch",
        b"filenames": [b"image_%d.png" % index for index in range(count)],
    }


BATCHES = {f"data_batch_{number}": cifar_batch(number) for number in range(1, 6)} | {"test_batch": cifar_batch(6)}
PICKLES = {name: python2_pickle(batch) for name, batch in BATCHES.items()}
BINARIES = {
    f"{name}.bin": np.column_stack([np.array(batch[b"labels"], np.uint8), batch[b"data"]]).tobytes()
    for name, batch in BATCHES.items()
}


def tar_of(folder: str, files: dict[str, bytes], extra=()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in extra:
            archive.addfile(member)
    return buffer.getvalue()


@pytest.fixture
def small_cifar(monkeypatch, tmp_path):
    """CIFAR10 whose published files are small ones; returns the archives by name."""
    md5 = {name: hashlib.md5(data).hexdigest() for name, data in PICKLES.items()}
    archives = {
        "cifar-10-python.tar.gz": tar_of("cifar-10-batches-py", PICKLES),
        "cifar-10-binary.tar.gz": tar_of("cifar-10-batches-bin", BINARIES),
    }
    monkeypatch.setattr(CIFAR10, "train_list", {name: md5[name] for name in CIFAR10.train_list})
    monkeypatch.setattr(CIFAR10, "test_list", {name: md5[name] for name in CIFAR10.test_list})
    monkeypatch.setattr(CIFAR10, "archive", remote("cifar-10-python.tar.gz", archives["cifar-10-python.tar.gz"]))
    monkeypatch.setattr(CIFAR10, "binary_archive", remote("cifar-10-binary.tar.gz", archives["cifar-10-binary.tar.gz"]))
    monkeypatch.setattr(CIFAR10, "mirrors", ())
    return archives


def test_python2_pickles_are_what_pickle_reads():
    """The test's own writer, held against Python: otherwise these tests would only test themselves."""
    batch = cifar_batch(9)
    read = pickle.loads(python2_pickle(batch), encoding="bytes")
    np.testing.assert_array_equal(read.pop(b"data"), batch.pop(b"data"))
    assert read == batch


@pytest.mark.parametrize("form", ["python archive", "binary archive", "python folder", "binary folder"])
def test_cifar_reads_every_published_form(small_cifar, tmp_path, form):
    name = "cifar-10-python.tar.gz" if "python" in form else "cifar-10-binary.tar.gz"
    (tmp_path / name).write_bytes(small_cifar[name])
    if "folder" in form:
        with tarfile.open(tmp_path / name) as archive:
            archive.extractall(tmp_path, filter="data")
        (tmp_path / name).unlink()
    train, test = CIFAR10(tmp_path), CIFAR10(tmp_path, train=False)
    images = np.concatenate([BATCHES[f"data_batch_{number}"][b"data"] for number in range(1, 6)])
    assert train.data.shape == (20, 32, 32, 3) and test.data.shape == (4, 32, 32, 3)
    np.testing.assert_array_equal(train.data.transpose(0, 3, 1, 2).reshape(20, -1), images)
    assert test.targets == BATCHES["test_batch"][b"labels"]
    picture, target = train[5]
    assert picture.mode == "RGB" and target == BATCHES["data_batch_2"][b"labels"][1]
    np.testing.assert_array_equal(np.asarray(picture), train.data[5])
    assert train.classes[3] == "cat" and train.class_to_idx["truck"] == 9


def test_cifar_downloads(small_cifar, server, monkeypatch, tmp_path):
    server.files = small_cifar
    monkeypatch.setattr(CIFAR10, "mirrors", (server.url,))
    assert len(CIFAR10(tmp_path, download=True)) == 20
    assert len(CIFAR10(tmp_path, train=False, download=True)) == 4
    assert [name for name, _ in server.requests] == ["cifar-10-python.tar.gz"]


@pytest.mark.parametrize("form", ["python archive", "binary archive"])
def test_cifar100_reads_its_fine_labels(monkeypatch, tmp_path, form):
    random, batches = np.random.RandomState(3), {}
    for name in ("train", "test"):
        fine = [99, 0, *random.randint(0, 100, 3).tolist()]
        batches[name] = {
            b"data": random.randint(0, 256, (5, 3072)).astype(np.uint8),
            b"coarse_labels": [label // 5 for label in fine],
            b"fine_labels": fine,
        }
    pickles = {name: python2_pickle(batch) for name, batch in batches.items()}
    binaries = {
        f"{name}.bin": np.column_stack([batch[b"coarse_labels"], batch[b"fine_labels"], batch[b"data"]])
        .astype(np.uint8)
        .tobytes()
        for name, batch in batches.items()
    }
    if form == "python archive":
        data = tar_of("cifar-100-python", pickles)
        monkeypatch.setattr(CIFAR100, "archive", remote("cifar-100-python.tar.gz", data))
        (tmp_path / "cifar-100-python.tar.gz").write_bytes(data)
    else:
        data = tar_of("cifar-100-binary", binaries)
        monkeypatch.setattr(CIFAR100, "binary_archive", remote("cifar-100-binary.tar.gz", data))
        (tmp_path / "cifar-100-binary.tar.gz").write_bytes(data)
    for train in (True, False):
        dataset, batch = CIFAR100(tmp_path, train=train), batches["train" if train else "test"]
        assert dataset.targets == batch[b"fine_labels"]
        np.testing.assert_array_equal(dataset.data.transpose(0, 3, 1, 2).reshape(5, -1), batch[b"data"])
    assert dataset.class_to_idx["worm"] == 99 and dataset.classes[11] == "boy"


@pytest.mark.parametrize("label", [100, -1])
def test_cifar100_refuses_labels_beyond_its_classes(label):
    batch = {b"data": np.zeros((1, 3072), np.uint8), b"fine_labels": [label]}
    with pytest.raises(MalformedFileError, match="labels outside 0 to 99"):
        read_pickle_batch(python2_pickle(batch), "train", b"fine_labels", 100)
    with pytest.raises(MalformedFileError, match="classes are 0 to 99"):
        read_binary_batch(b"\x05\x64" + bytes(3072), "train.bin", 2, 100)


def test_cifar_names_what_is_missing(tmp_path):
    with pytest.raises(DatasetError, match=r"cifar-10-python\.tar\.gz.*download=True"):
        CIFAR10(tmp_path)
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DatasetError, match=r"cifar-10-batches-py lacks data_batch_1"):
        CIFAR10(tmp_path)


def test_cifar_refuses_changed_batches_and_archives(small_cifar, tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name, data in PICKLES.items():
        (folder / name).write_bytes(data)
    (folder / "data_batch_3").write_bytes(PICKLES["data_batch_3"].replace(b"image_1", b"image_7"))
    with pytest.raises(ChecksumError, match=r"data_batch_3.*MD5"):
        CIFAR10(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    archive = small_cifar["cifar-10-python.tar.gz"]
    (other / "cifar-10-python.tar.gz").write_bytes(archive[:-1])
    with pytest.raises(TruncatedFileError, match=r"cifar-10-python"):
        CIFAR10(other)
    (other / "cifar-10-python.tar.gz").write_bytes(archive[:-1] + b"?")
    with pytest.raises(ChecksumError, match=r"cifar-10-python"):
        CIFAR10(other)


class Exploit:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_runs_nothing(tmp_path, protocol):
    victim = tmp_path / "victim"
    hostile = pickle.dumps({b"data": Exploit(open, str(victim), "w")}, protocol=protocol)
    with pytest.raises(MalformedFileError, match=r"data_batch_1: refused"):
        read_pickle_batch(hostile, "data_batch_1")
    assert not victim.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("os", "system"),
        ("numpy", "load"),
        ("numpy", "dtype.__class__"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy.core.multiarray", "_reconstruct.__globals__"),
    ],
)
def test_a_pickle_may_not_name_other_functions(module, name):
    code = f"{module}\n{name}\n".encode()
    data = pickle.PROTO + b"\x02" + pickle.GLOBAL + code + pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.STOP
    with pytest.raises(MalformedFileError, match=f"asks for {module}.{name}"):
        read_pickle_batch(data, "data_batch_1")


@pytest.mark.parametrize(
    "instructions",
    [
        pickle.LONG_BINPUT + b"\xff\xff\xff\x7f" + pickle.POP,  # the C unpickler would make a table of that length
        pickle.BYTEARRAY8 + struct.pack("<Q", 1 << 40),
        pickle.EXT1 + b"\x01",
        pickle.BINPERSID,
        pickle.EMPTY_TUPLE + pickle.NEWOBJ,
    ],
)
def test_instructions_that_no_batch_needs_are_refused(instructions):
    with pytest.raises(MalformedFileError, match=r"data_batch_1: refused .*instruction \d+ is not allowed"):
        read_pickle_batch(pickle.PROTO + b"\x02" + pickle.NONE + instructions + pickle.STOP, "data_batch_1")


@pytest.mark.parametrize(
    "instructions",
    [
        pickle.GLOBAL + b"numpy\nndarray\n" + pickle.EMPTY_TUPLE + pickle.REDUCE,
        pickle.GLOBAL + b"numpy\ndtype\n" + pickle.NONE + pickle.BUILD,
        # (None, {"x": None}) as the state: attributes to set on what stands for the array class
        pickle.GLOBAL + b"numpy\nndarray\n" + pickle.NONE + pickle.EMPTY_DICT + pickle.BINUNICODE + b"\x01\0\0\0x"
        + pickle.NONE + pickle.SETITEM + pickle.TUPLE2 + pickle.BUILD,
        pickle.EMPTY_LIST + pickle.MARK + pickle.NONE + pickle.TUPLE + pickle.BUILD + pickle.APPENDS,
        pickle.TUPLE,
    ],
)  # fmt: skip
def test_odd_pickles_are_refused(instructions):
    with pytest.raises(MalformedFileError, match="data_batch_1: refused"):
        read_pickle_batch(pickle.PROTO + b"\x02" + pickle.NONE + instructions + pickle.STOP, "data_batch_1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({b"data": None}, "no images"),
        ({b"data": np.zeros((4, 3071), np.uint8)}, "no images"),
        ({b"data": np.zeros((4, 3072), np.float32)}, "unsigned bytes"),
        ({b"labels": [1, 2, 3]}, "not as many labels"),
        ({b"labels": [1, 2, 3, 10]}, "outside 0 to 9"),
        ({b"labels": [1, 2, 3, True]}, "outside 0 to 9"),
        ({b"labels": None}, "not as many labels"),
    ],
)
def test_cifar_batches_that_do_not_fit(change, words):
    with pytest.raises(MalformedFileError, match=words):
        read_pickle_batch(python2_pickle(cifar_batch(1) | change), "data_batch_1")


def test_cifar_batch_in_fortran_order():
    batch = cifar_batch(2)
    batch[b"data"] = np.asfortranarray(batch[b"data"])
    images, _ = read_pickle_batch(python2_pickle(batch), "batch")
    np.testing.assert_array_equal(images.reshape(4, -1), batch[b"data"])


@settings(deadline=None, max_examples=50)
@given(place=st.integers(0, 200), change=st.integers(1, 255), cut=st.booleans())
def test_damaged_pickles_read_or_raise_dataset_error(place, change, cut):
    """The instructions stand at the beginning and the end, the pixels in between: damage falls on the instructions."""
    data = bytearray(python2_pickle(cifar_batch(3, count=1)))
    place = place if place < 110 else len(data) - 201 + place
    data[place] ^= change
    try:
        images, labels = read_pickle_batch(bytes(data[:place] if cut else data), "batch")
        assert len(images) == len(labels)
    except DatasetError:
        pass


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (BINARIES["test_batch.bin"][:-1], TruncatedFileError, "whole number of records"),
        (b"\x0a" + bytes(3072), MalformedFileError, "label 10"),
    ],
)
def test_damaged_binary_batches(data, error, words):
    with pytest.raises(error, match=words):
        read_binary_batch(data, "test_batch.bin")


def link(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_archives_are_read_without_touching_the_disk(tmp_path):
    """Names that climb out, links and devices beside the wanted files neither harm nor disturb."""
    extra = [
        link("../../outside", tarfile.SYMTYPE, "/etc/passwd"),
        link("/etc/absolute", tarfile.LNKTYPE, "/etc/passwd"),
        link("device", tarfile.CHRTYPE, ""),
    ]
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(tar_of("folder", {"b": b"two", "a": b"one"}, extra))
    assert read_archive(path, "folder", ["a", "b"]) == {"a": b"one", "b": b"two"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["archive.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_wanted_file_must_be_a_plain_file(tmp_path, kind):
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(tar_of("folder", {"b": b"two"}, [link("folder/a", kind, "/etc/passwd")]))
    with pytest.raises(MalformedFileError, match="no plain file"):
        read_archive(path, "folder", ["a", "b"])


def test_damaged_archives(tmp_path):
    path = tmp_path / "archive.tar.gz"
    data = tar_of("folder", {"a": CONTENT})
    path.write_bytes(data[:5000])
    with pytest.raises(TruncatedFileError, match="ends too early"):
        read_archive(path, "folder", ["a"])
    path.write_bytes(b"no archive at all")
    with pytest.raises(MalformedFileError, match="damaged archive"):
        read_archive(path, "folder", ["a"])
    path.write_bytes(data)
    with pytest.raises(MalformedFileError, match="lacks folder/other"):
        read_archive(path, "folder", ["a", "other"])


def test_an_archive_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("minitorch.vision.datasets.cifar_files.MAX_ARCHIVE", 1 << 16)
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(tar_of("folder", {"padding": bytes(1 << 20), "a": b"one"}))
    with pytest.raises(MalformedFileError, match="unpacks to more than"):
        read_archive(path, "folder", ["a"])


# Digits


def test_digits_are_the_published_ones():
    images, labels = digits_module.load_originals()
    assert images.shape == (1797, 8, 8) and images.max() == 16
    # The class counts that the repository states for the test file.
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # Its first line.
    first = [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0, 0, 4, 12, 0, 0, 8, 8, 0]
    first += [0, 5, 8, 0, 0, 9, 8, 0, 0, 4, 11, 0, 1, 12, 7, 0, 0, 2, 14, 5, 10, 12, 0, 0, 0, 0, 6, 13, 10, 0, 0, 0]
    assert images[0].reshape(-1).tolist() == first and labels[0] == 0


def test_digits_split_is_fixed_balanced_and_disjoint():
    _, labels = digits_module.load_originals()
    train, test = digits_module.split_indices(labels)
    assert len(train) == 1437 and np.bincount(labels[test]).tolist() == [36] * 10
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(1797))
    digest = hashlib.sha256(test.astype("<i8").tobytes()).hexdigest()
    assert digest == "0735bcf7233c205e439933bf2835282a952ba531e8e423beda73aed57117d041"


def test_digits_dataset():
    train, test = Digits(), Digits(train=False)
    assert (len(train), len(test)) == (1437, 360)
    assert tuple(train.data.shape) == (1437, 28, 28) and train.data.numpy().dtype == np.uint8
    assert train.data.numpy().max() == 255
    picture, target = test[10]
    assert picture.size == (28, 28) and target == int(test.targets[10])
    assert "Split: Test" in repr(test)


def test_digits_notice_damage(tmp_path, monkeypatch):
    for file in (digits_module.IMAGES, digits_module.LABELS):
        data = bytearray((digits_module.FOLDER / file.name).read_bytes())
        data[100] ^= 1
        (tmp_path / file.name).write_bytes(data)
    monkeypatch.setattr(digits_module, "FOLDER", tmp_path)
    with pytest.raises(ChecksumError, match="digits-images"):
        Digits()


@pytest.mark.parametrize("size", [8, 9, 16, 28, 32])
def test_resize_equals_torch(size):
    torch = pytest.importorskip("torch")
    images = np.random.RandomState(size).rand(3, 8, 8)
    expected = torch.nn.functional.interpolate(torch.tensor(images)[:, None], (size, size), mode="bilinear")[:, 0]
    np.testing.assert_allclose(digits_module.resize_bilinear(images, size), expected.numpy(), rtol=0, atol=1e-15)
