"""Files of tensors and checkpoints: every layout and type comes back, damage is noticed, a kill leaves a whole file."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minitorch
from minitorch.io import CheckpointError, load_checkpoint, load_file, replacing, save_checkpoint, save_file

# Tensors in a file


def layouts():
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    return {
        "contiguous": base,
        "transposed": base.T,
        "permuted": base.transpose(1, 0, 2),
        "fortran": np.asfortranarray(base),
        "sliced": base[:, ::2, 1:],
        "negative": base[::-1, :, ::-2],
        "broadcast": np.broadcast_to(base[:1], (5, 3, 4)),
        "zero-dim": np.array(7.5),
        "empty": np.zeros((0, 3)),
        "one": base[:1, :1, :1],
        "big-endian": base.astype(">f4"),
    }


@pytest.mark.parametrize("name", layouts())
def test_every_layout_comes_back(tmp_path, name):
    array = layouts()[name]
    save_file({"x": array}, tmp_path / "file")
    result = load_file(tmp_path / "file")["x"]
    assert tuple(result.shape) == array.shape
    np.testing.assert_array_equal(result.numpy(), array)
    result += 1  # and may be written to
    np.testing.assert_array_equal(load_file(tmp_path / "file")["x"].numpy(), array)


DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_comes_back(tmp_path, name):
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    tensor = minitorch.tensor([[0, 1, 0], [2, 3, 4]]).to(getattr(minitorch, name)).t()
    save_file({"x": tensor}, tmp_path / "file")
    result = load_file(tmp_path / "file")["x"]
    assert result.dtype is tensor.dtype
    np.testing.assert_array_equal(result.array, tensor.array)


def test_bfloat16_loads_in_a_process_that_has_not_used_it(tmp_path):
    pytest.importorskip("ml_dtypes")
    save_file({"x": minitorch.tensor([1.0, 2.0]).to(minitorch.bfloat16)}, tmp_path / "file")
    program = "import sys; from minitorch.io import load_file; print(load_file(sys.argv[1])['x'].dtype)"
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "file"], capture_output=True, text=True)
    assert done.stdout.strip() == "torch.bfloat16", done.stderr


def test_torch_reads_and_writes_the_same_files(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file as torch_load
    from safetensors.torch import save_file as torch_save

    array = layouts()["permuted"]
    save_file({"x": array}, tmp_path / "mine", {"made": "here"})
    np.testing.assert_array_equal(torch_load(tmp_path / "mine")["x"].numpy(), array)
    torch_save({"y": torch.arange(6).reshape(2, 3).to(torch.int16)}, tmp_path / "theirs")
    assert load_file(tmp_path / "theirs")["y"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("value", [[1.0, 2.0], 3.0, None, np.array(["text"]), np.array([object()])])
def test_what_no_file_can_hold_is_refused_and_nothing_is_written(tmp_path, value):
    with pytest.raises(TypeError):
        save_file({"x": value}, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


# Trees


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
arrays = st.sampled_from(
    [np.arange(6.0).reshape(2, 3).T, np.zeros((0, 2), np.int64), np.array(True), np.float32([1, np.nan, -0.0])]
)
keys = st.text(max_size=4) | st.integers() | st.booleans()
trees = st.recursive(
    scalars | arrays,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner, max_size=3)
        | st.builds(lambda array: minitorch.from_numpy(np.ascontiguousarray(array)), arrays)
    ),
    max_leaves=12,
)


def same(one, other):
    assert type(one) is type(other)
    if isinstance(other, (np.ndarray, minitorch.Tensor)):
        one, other = (value.array if isinstance(value, minitorch.Tensor) else value for value in (one, other))
        assert one.dtype == other.dtype and one.shape == other.shape
        assert np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()
    elif isinstance(other, dict):
        assert list(one) == list(other) and [type(key) for key in one] == [type(key) for key in other]
        for key in other:
            same(one[key], other[key])
    elif isinstance(other, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    elif isinstance(other, float):
        assert np.float64(one).tobytes() == np.float64(other).tobytes() or (one != one and other != other)
    else:
        assert one == other


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.dictionaries(st.text(max_size=4), trees, max_size=4))
def test_every_tree_comes_back(tmp_path, tree):
    save_checkpoint(tmp_path / "file", tree)
    same(load_checkpoint(tmp_path / "file"), tree)


def test_names_that_meet_are_kept_apart(tmp_path):
    tree = {"a.b": np.array(1), "a": {"b": np.array(2), "b_": np.array(3)}}
    save_checkpoint(tmp_path / "file", tree)
    same(load_checkpoint(tmp_path / "file"), tree)


def test_weights_have_their_plain_names_in_the_file(tmp_path):
    save_checkpoint(tmp_path / "file", {"model": {"fc.weight": np.ones((2, 2))}, "epoch": 3})
    assert list(load_file(tmp_path / "file")) == ["model.fc.weight"]


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"a": [1, {"b": object()}]}, "object at 'a.1.b'"),
        ({"a": {(1, 2): 3}}, r"key \(1, 2\) at 'a'"),
        ({"a": range(3)}, "range at 'a'"),
    ],
)
def test_what_no_checkpoint_can_hold_is_named(tmp_path, tree, words):
    with pytest.raises(TypeError, match=words):
        save_checkpoint(tmp_path / "file", tree)


# Damage


TREE = {"model": {"weight": np.arange(10.0), "bias": np.zeros(3, np.float32)}, "epoch": 3, "list": [1, 2.5, "x"]}


def test_missing_and_foreign_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_checkpoint(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(CheckpointError, match="text is damaged or no safetensors file"):
        load_checkpoint(tmp_path / "text")
    save_file({"x": np.zeros(2)}, tmp_path / "other")
    with pytest.raises(CheckpointError, match="no minitorch checkpoint"):
        load_checkpoint(tmp_path / "other")


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path):
    save_checkpoint(tmp_path / "good", TREE)
    good = (tmp_path / "good").read_bytes()
    path = tmp_path / "bad"
    chance = random.Random(0)
    for number in range(300):
        place = chance.randrange(len(good))
        changed = bytearray(good)
        changed[place] ^= 1 << chance.randrange(8)
        path.write_bytes(changed if number % 2 else good[:place])
        try:
            tree = load_checkpoint(path)
        except CheckpointError as error:
            assert str(path) in str(error)
        else:  # a header can be written in more than one way: then the content is the same
            same(tree, TREE)
            assert number % 2


@pytest.mark.parametrize(
    "packed",
    [
        {"dict": 5},
        {"unknown": {}},
        {"dict": [["a", {"tensor": "none"}]]},
        {"dict": [[[], 1]]},
        {"list": [{"a": 1, "b": 2}]},
        {},
    ],
)
def test_forged_headers_are_refused(tmp_path, packed):
    from minitorch.io import checkpoint

    header = {"version": checkpoint.VERSION, "sha256": checkpoint._digest(json.dumps(packed), {}), "tree": packed}
    for content in (header, {"version": 99} | header, [], {}):
        text = json.dumps(content)
        save_file({}, tmp_path / "file", {checkpoint.KEY: text})
        with pytest.raises(CheckpointError, match="file"):
            load_checkpoint(tmp_path / "file")


# Atomic writing


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["file"]
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and [entry.name for entry in tmp_path.iterdir()] == ["file"]


WRITER = """
import sys
import numpy as np
from minitorch.io import save_checkpoint
number = 0
while True:
    number += 1
    save_checkpoint(sys.argv[1], {"number": number, "array": np.full(100_000, float(number))})
    if number == 1:
        print("ready", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills with a signal")
def test_killed_writers_leave_a_whole_file(tmp_path):
    path = tmp_path / "file"
    chance = random.Random(1)
    seen = set()
    for _ in range(8):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
        time.sleep(chance.random() * 0.05)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        tree = load_checkpoint(path)
        assert (tree["array"] == tree["number"]).all()
        seen.add(tree["number"])
    assert len(seen) > 1
    # What the killed ones left behind goes with the next write.
    save_checkpoint(path, {"number": 0})
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
