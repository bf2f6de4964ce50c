"""save and load: what torch wrote is read, what was saved comes back with its sharing, and no file runs anything."""

import argparse
import io
import pickle
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest

import minitorch
from minitorch.io import CheckpointError, load_file
from minitorch.serialization import UnsafeFileError

torch = pytest.importorskip("torch")


def contents(library):
    """Everything that programs put into checkpoints, made with `library`."""
    library.manual_seed(0)
    model = library.nn.Sequential(library.nn.Linear(3, 4), library.nn.BatchNorm1d(4), library.nn.Linear(4, 2))
    optimizer = library.optim.Adam(model.parameters(), lr=0.01)
    model(library.ones(5, 3)).sum().backward()
    optimizer.step()
    base = library.arange(24).reshape(4, 6)
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "parameter": model[0].weight,
        "rng": library.get_rng_state(),
        "types": [library.zeros(2, 3, dtype=getattr(library, name)) for name in
                  ("float64", "float16", "bfloat16", "int32", "int16", "int8", "uint8", "bool")],
        "base": base, "turned": base.t(), "sliced": base[1:, ::2], "empty": library.zeros(0, 3),
        "number": library.tensor(2.5), "expanded": library.ones(1).expand(5),
        "grad": library.ones(2, requires_grad=True),
        "size": base.shape, "dtype": library.float32, "device": library.device("cpu"),
        "plain": [1, 2.5, None, True, "text", 2**70, (3, (4,)), {5}, b"bytes", bytearray(b"more"), 1 + 2j],
    }  # fmt: skip


def same(mine, expected):
    if isinstance(expected, (torch.Tensor, minitorch.Tensor)):
        assert type(mine).__name__ == type(expected).__name__ and mine.requires_grad == expected.requires_grad
        assert str(mine.dtype) == str(expected.dtype) and tuple(mine.shape) == tuple(expected.shape)
        assert mine.tolist() == expected.tolist()
    elif isinstance(expected, dict):
        assert type(mine) is type(expected) and list(mine) == list(expected)
        for key in expected:
            same(mine[key], expected[key])
        if isinstance(expected, OrderedDict):
            assert getattr(mine, "_metadata", None) == getattr(expected, "_metadata", None)
    elif isinstance(expected, (list, tuple)):
        assert type(mine).__name__ == type(expected).__name__ and len(mine) == len(expected)
        for one, other in zip(mine, expected, strict=True):
            same(one, other)
    else:
        assert str(mine) == str(expected) and type(mine).__name__ == type(expected).__name__


def shares(tree):
    tree["base"][1, 2] = -7
    assert tree["turned"][2, 1] == tree["sliced"][0, 1] == -7
    assert tree["model"]["0.weight"].data_ptr() == tree["parameter"].data_ptr()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("weights_only", [True, False])
def test_torchs_files_are_read(tmp_path, zipped, weights_only):
    expected = contents(torch)
    torch.save(expected, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    mine = minitorch.load(tmp_path / "x.pt", map_location="cpu", weights_only=weights_only)
    same(mine, expected)
    assert mine["turned"].stride() == expected["turned"].stride()
    shares(mine)


@pytest.mark.parametrize("target", ["path", "buffer", "file"])
def test_what_is_saved_comes_back(tmp_path, target):
    expected = contents(minitorch)
    path = tmp_path / "x.pt"
    if target == "buffer":
        buffer = io.BytesIO()
        minitorch.save(expected, buffer)
        buffer.seek(0)
        mine = minitorch.load(buffer)
    elif target == "file":
        with open(path, "wb") as file:
            minitorch.save(expected, file)
        with open(path, "rb") as file:
            mine = minitorch.load(file)
    else:
        minitorch.save(expected, str(path))
        mine = minitorch.load(str(path))
    same(mine, expected)
    shares(mine)


def test_a_state_dict_is_a_safetensors_file_with_its_names(tmp_path):
    layer = minitorch.nn.Linear(2, 3)
    minitorch.save(layer.state_dict(), tmp_path / "x")
    assert sorted(load_file(tmp_path / "x")) == ["bias", "weight"]
    other = minitorch.nn.Linear(2, 3)
    other.load_state_dict(minitorch.load(tmp_path / "x"))
    assert (other.weight == layer.weight).all()


def test_any_safetensors_file_is_a_dict_of_tensors(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.arange(6).reshape(2, 3)}, tmp_path / "x")
    assert minitorch.load(tmp_path / "x")["a"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_tied_weights_are_stored_once_and_stay_tied(tmp_path):
    weight = minitorch.randn(300, 300)
    minitorch.save({"a": weight}, tmp_path / "one")
    minitorch.save({"a": weight, "b": weight, "c": {"d": weight.t()}}, tmp_path / "two")
    assert (tmp_path / "two").stat().st_size < 1.05 * (tmp_path / "one").stat().st_size
    tree = minitorch.load(tmp_path / "two")
    tree["a"][0, 1] = 9
    assert tree["b"][0, 1] == tree["c"]["d"][1, 0] == 9
    # Neighbours in one memory that do not overlap are independent, and files hold only what is seen of it.
    minitorch.save({"a": weight[:1], "b": weight[1:2]}, tmp_path / "parts")
    assert (tmp_path / "parts").stat().st_size < 8000
    assert (minitorch.load(tmp_path / "parts")["b"] == weight[1:2]).all()


def test_whole_modules_need_trust(tmp_path):
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8, 2))
    torch.save(theirs, tmp_path / "theirs")
    with pytest.raises(UnsafeFileError, match=r"torch\.nn\.modules\.container\.Sequential"):
        minitorch.load(tmp_path / "theirs")
    mine = minitorch.load(tmp_path / "theirs", weights_only=False)
    image = torch.randn(3, 1, 4, 4)
    expected = theirs(image).detach().numpy()
    np.testing.assert_allclose(mine(minitorch.from_numpy(image.numpy())).detach().numpy(), expected, atol=1e-6)
    minitorch.save(mine, tmp_path / "mine")
    with pytest.raises(UnsafeFileError, match=r"minitorch\.nn\.modules\.container\.Sequential"):
        minitorch.load(tmp_path / "mine")
    again = minitorch.load(tmp_path / "mine", weights_only=False)
    np.testing.assert_allclose(again(minitorch.from_numpy(image.numpy())).detach().numpy(), expected, atol=1e-6)


class Malicious:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


ran: list = []


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        ((ran.append, 1), "getattr"),
        ((exec, "ran.append(1)"), r"builtin.*\.exec"),
        ((__import__("os").system, "true"), r"posix\.system|os\.system"),
        ((bytearray, 1 << 40), "bytearray of int"),
        ((Counter, "text"), "Counter of something"),
    ],
)
def test_hostile_files_run_nothing_and_are_told_apart(tmp_path, zipped, call, name):
    torch.save({"a": Malicious(*call)}, tmp_path / "x", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsafeFileError, match=name) as told:
        minitorch.load(tmp_path / "x")
    assert str(tmp_path / "x") in str(told.value) and isinstance(told.value, pickle.UnpicklingError)
    assert not ran


class Config:
    """What a program of its own keeps beside the weights."""

    def __init__(self, width):
        self.width = width


@pytest.mark.parametrize("zipped", [True, False])
def test_a_program_can_vouch_for_classes(tmp_path, zipped):
    config = Config(torch.arange(3.0))
    config.inner = argparse.Namespace(lr=0.1)
    torch.save({"config": config, "again": config}, tmp_path / "x", _use_new_zipfile_serialization=zipped)
    serialization = minitorch.serialization
    with pytest.raises(UnsafeFileError, match=r"Config.*safe_globals"):
        minitorch.load(tmp_path / "x")
    with serialization.safe_globals([Config]), pytest.raises(UnsafeFileError, match=r"argparse\.Namespace"):
        minitorch.load(tmp_path / "x")
    with serialization.safe_globals([Config, (argparse.Namespace, "argparse.Namespace")]):
        assert serialization.get_safe_globals() == [Config, argparse.Namespace]
        read = minitorch.load(tmp_path / "x")
    assert read["config"] is read["again"] and type(read["config"]) is Config
    assert read["config"].width.tolist() == [0, 1, 2] and read["config"].inner.lr == 0.1
    assert serialization.get_safe_globals() == []
    serialization.add_safe_globals([Config])
    assert serialization.get_safe_globals() == [Config]
    serialization.clear_safe_globals()
    for wrong in (3, (Config, 3)):
        with pytest.raises((TypeError, ValueError), match="Expected a callable"):
            serialization.add_safe_globals([wrong])


def test_what_is_vouched_for_opens_no_other_door(tmp_path):
    """Neither another class through NEWOBJ, nor a function under the name of one that is vouched for."""
    with minitorch.serialization.safe_globals([Config]):
        torch.save({"a": Malicious(ran.append, 1)}, tmp_path / "x")
        with pytest.raises(UnsafeFileError, match="getattr"):
            minitorch.load(tmp_path / "x")
        for made in (pickle.EMPTY_DICT, b"ctorch\nSize\n", b"ccollections\nOrderedDict\n"):
            pickled = b"\x80\x02" + made + pickle.EMPTY_TUPLE + pickle.NEWOBJ + pickle.STOP
            with pytest.raises(UnsafeFileError, match="it makes a"):
                minitorch.load(archive(tmp_path / "y", pickled=lambda _, pickled=pickled: pickled))
    assert not ran


def archive(path, pickled=None, **entries):
    """A torch file with parts exchanged."""
    torch.save({"a": torch.arange(6.0)}, path)
    with zipfile.ZipFile(path) as old:
        parts = {entry.filename.partition("/")[2]: old.read(entry) for entry in old.infolist()}
    compression = entries.pop("compression", zipfile.ZIP_STORED)
    parts |= {name.replace("__", "/"): content for name, content in entries.items()}
    if pickled:
        parts["data.pkl"] = pickled(parts["data.pkl"])
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, content in parts.items():
            if content is not None:
                new.writestr(f"x/{name}", content)
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(compression=zipfile.ZIP_DEFLATED), "compressed"),
        (dict(data__0=b"short"), "instead of 6 elements"),
        (dict(data__0=None), "lacks data/0"),
        (dict(byteorder=b"middle"), "byte order"),
        (dict(pickled=lambda p: p.replace(b"K\x06\x85", b"K\x07\x85")), "beyond its storage"),
        (dict(pickled=lambda p: p.replace(b"K\x01\x85", b"K\x02\x85")), "beyond its storage"),
        (dict(pickled=lambda p: p.replace(b"FloatStorage", b"NoneStorage ")), "NoneStorage"),
        (dict(pickled=lambda p: p[:-1]), "damaged"),
        (dict(pickled=lambda p: b"\x80\x02]J\xff\xff\xff\x7fa."), None),
        (dict(**{"constants.pkl": b""}), "TorchScript"),
    ],
)
def test_forged_archives_are_refused(tmp_path, changes, words):
    path = archive(tmp_path / "x", **changes)
    if words is None:
        assert minitorch.load(path) == [2**31 - 1]
        return
    with pytest.raises(CheckpointError, match=words):
        minitorch.load(path)


def test_the_other_byte_order(tmp_path):
    path = archive(tmp_path / "x", byteorder=b"big", data__0=np.arange(6, dtype=">f4").tobytes())
    assert minitorch.load(path)["a"].tolist() == [0, 1, 2, 3, 4, 5]


def test_other_files_and_places_are_named(tmp_path):
    for content, words in ((b"", "is empty"), (b"hello world", "neither"), (b"\x80\x02", "damaged|cut")):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(CheckpointError, match=words):
            minitorch.load(tmp_path / "x")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        minitorch.load(tmp_path / "nowhere")
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        minitorch.save({}, tmp_path / "no" / "where")
    minitorch.save({}, tmp_path / "x")
    with pytest.raises(RuntimeError, match="cuda"):
        minitorch.load(tmp_path / "x", map_location="cuda")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    minitorch.save({"a": 1}, tmp_path / "x")
    with pytest.raises((AttributeError, pickle.PicklingError)):
        minitorch.save({"a": lambda: None}, tmp_path / "x")
    assert minitorch.load(tmp_path / "x") == {"a": 1} and len(list(tmp_path.iterdir())) == 1
