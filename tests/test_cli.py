"""The command line and the training behind it: what it prints and writes, how it stops, resumes and fails."""

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace

import numpy as np
import pytest
from click.testing import CliRunner

import minitorch
from minitorch.cli import main
from minitorch.core.tensor import wrap
from minitorch.io import load_checkpoint, save_checkpoint
from minitorch.kernels import registry, threads
from minitorch.models import MLP, LeNet
from minitorch.train import MODELS, ImageData, TrainConfig, Training, TrainingDiverged, load_images
from minitorch.train.console import confusion_matrix
from minitorch.train.images import pixel_statistics
from minitorch.train.training import random_shift
from minitorch.vision.datasets import CIFAR10, MNIST, shapes, single_shapes
from minitorch.viz import draw_training

posix = pytest.mark.skipif(os.name != "posix", reason="sends signals")


@pytest.fixture(autouse=True)
def selection_as_before():
    """Runs select kernels and threads for the whole process."""
    selection, count = registry.current(), threads.get_num_threads()
    yield
    registry.use(selection)
    threads.set_num_threads(count)


def invoke(*arguments, **options):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)


QUICK = ["train", "--model", "linear", "--epochs", "2", "--batch-size", "100", "--threads", "1"]


# What is printed and written


def test_train_prints_the_accuracy_and_writes_its_files(tmp_path):
    result = invoke(*QUICK, "--out", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "runs/digits-linear"
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.safetensors", "curves.png", "history.json"]
    history = json.loads((folder / "history.json").read_text())
    assert [line["epoch"] for line in history["epochs"]] == [1, 2]
    matrix = np.array(history["confusion_matrix"])
    assert matrix.sum(1).tolist() == [36] * 10
    assert history["test_accuracy"] == np.trace(matrix) / 360 == history["epochs"][-1]["test_accuracy"]
    assert f"test accuracy {100 * history['test_accuracy']:.1f} %" in result.output
    assert f"({np.trace(matrix)} of 360 images)" in result.output and "confusion matrix" in result.output
    assert re.search(r"epoch 2/2  loss \d\.\d+  accuracy +\d+\.\d %  +[\d,]+ images/s  test \d+\.\d %", result.output)
    assert (folder / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    tree = load_checkpoint(folder / "checkpoint.safetensors")
    assert tree["epoch"] == 2 and tree["config"]["model"] == "linear" and tree["optimizer"]["state"]
    # A second run gets a folder of its own.
    assert invoke(*QUICK, "--out", tmp_path / "runs", "--epochs", "1").exit_code == 0
    assert (tmp_path / "runs/digits-linear-2/curves.png").exists()


def test_lenet_learns_the_digits(tmp_path):
    """The main job, as a user runs it."""
    result = invoke("train", "--out", tmp_path)
    found = re.search(r"test accuracy (\d+\.\d) % \(\d+ of 360 images\)", result.output)
    assert found and float(found[1]) >= 98.0, result.output


def test_help_names_every_option():
    text = invoke("train", "--help").output
    options = {"--" + field.name.replace("_", "-") for field in fields(TrainConfig)}
    for option in options | {"--data-dir", "--out", "--name", "--resume"}:
        assert option in text
    for choice in (
        "lenet|cifar-quick|resnet-8",
        "digits|shapes|mnist|fashion-mnist|cifar10",
        "sgd|adam|adamw",
        "auto|numba|numpy",
    ):
        assert choice in text
    assert "train" in invoke("--help").output and "compile" in invoke("kernels", "--help").output


def test_help_loads_nothing_heavy():
    program = (
        "import sys\n"
        "from minitorch.cli import main\n"
        "for arguments in (['--help'], ['train', '--help']):\n"
        "    try: main(arguments)\n"
        "    except SystemExit: pass\n"
        "print('LOADED', sorted({'numba', 'matplotlib', 'PIL', 'rich', 'torch', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("LOADED []\n")


def test_info_shows_versions_machine_threads_kernels_and_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("MINITORCH_HOME", str(tmp_path))
    result = invoke("info", env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    for text in ("minitorch", "numpy", np.__version__, "numba", "processor", "BLAS", "threads", "conv2d", "selection"):
        assert text in result.output
    assert f"{tmp_path / 'datasets'} (0 files, 0.0 MB)" in result.output


def test_kernels_compile_shows_what_took_how_long(monkeypatch):
    def compile_all(report):
        for name, seconds, cached in (("conv2d", 1.25, False), ("matmul", 0.5, True)):
            report(name)
            yield name, "float32", seconds, cached

    monkeypatch.setattr("minitorch.kernels.compile_all", compile_all)
    result = invoke("kernels", "compile")
    assert result.exit_code == 0
    assert re.search(r"conv2d +float32 +1\.25 +compiled", result.output)
    assert re.search(r"matmul +float32 +0\.50 +was compiled already", result.output)
    assert re.search(r"all kernels in \d+\.\d s", result.output)

    def no_numba(report):
        raise ImportError("No module named 'numba'")
        yield

    monkeypatch.setattr("minitorch.kernels.compile_all", no_numba)
    fails_plainly(invoke("kernels", "compile"), "need Numba")


# Bad input


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "resnet"], "'resnet' is not one of"),
        (["--dataset", "imagenet"], "'imagenet' is not one of"),
        (["--epochs", "0"], "0 is not in the range"),
        (["--batch-size", "many"], "not a valid integer"),
        (["--lr", "0"], "0.* is not in the range"),
        (["--lr", "-1"], "not in the range"),
        (["--seed", "-1"], "not in the range"),
        (["--optimizer", "adam", "--momentum", "0.9"], "momentum is an option of sgd"),
        (["--data-dir", "/nowhere/at/all"], "does not exist"),
        (["--resume", "/nowhere/at/all"], "does not exist"),
        (["--threads", "0"], "not in the range"),
        (["--colour"], "No such option"),
    ],
)
def test_bad_options_get_a_plain_message(tmp_path, arguments, words):
    result = invoke("train", "--out", tmp_path, *arguments)
    assert result.exit_code == 2 and "Usage:" in result.output
    assert re.search(words, result.output) and "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def fails_plainly(result, words):
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert result.output.splitlines()[-1].startswith("Error: ") or "Error: " in result.output
    assert re.search(words, result.output, re.S), result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("mnist", r"train-images-idx3-ubyte\.gz is not in"),
        ("fashion-mnist", r"train-images-idx3-ubyte\.gz is not in"),
        ("cifar10", r"none of cifar-10-python\.tar\.gz"),
    ],
)
def test_missing_data_get_a_plain_message(tmp_path, dataset, words):
    fails_plainly(invoke(*QUICK, "--dataset", dataset, "--data-dir", tmp_path, "--out", tmp_path / "runs"), words)
    assert not (tmp_path / "runs").exists()


def test_no_network_gets_a_plain_message(tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10, "mirrors", ("http://nowhere.invalid/",))
    monkeypatch.setenv("MINITORCH_HOME", str(tmp_path))
    result = invoke(*QUICK, "--dataset", "cifar10", "--out", tmp_path / "runs")
    fails_plainly(result, r"could not download cifar-10-python\.tar\.gz.*no network.*Check the network connection")


def test_a_learning_rate_that_is_too_large_is_named(tmp_path):
    result = invoke(*QUICK, "--optimizer", "sgd", "--lr", "1e38", "--out", tmp_path)
    fails_plainly(result, r"the loss is (nan|inf) in epoch \d, batch \d+: try a smaller learning rate")


def test_a_run_is_not_overwritten(tmp_path):
    assert invoke(*QUICK, "--out", tmp_path, "--name", "mine").exit_code == 0
    fails_plainly(invoke(*QUICK, "--out", tmp_path, "--name", "mine"), "holds a run already: go on with --resume")


def test_what_cannot_be_resumed_is_named(tmp_path):
    assert invoke(*QUICK, "--out", tmp_path, "--name", "a").exit_code == 0
    path = tmp_path / "a/checkpoint.safetensors"
    result = invoke("train", "--resume", path, "--lr", "0.1", "--batch-size", "2")
    assert result.exit_code == 2 and "--batch-size, --lr cannot be changed" in result.output

    fails_plainly(invoke("train", "--resume", tmp_path), r"checkpoint\.safetensors: there is no such file")
    good = path.read_bytes()
    path.write_bytes(good[:-100])
    fails_plainly(invoke("train", "--resume", path), "is damaged")
    path.write_bytes(good)
    tree = load_checkpoint(path)
    for key, value, words in (
        ("config", {"colour": "red"}, "unknown options: colour"),
        ("config", {"model": "mlp"}, "cannot be resumed"),
        ("model", {}, "cannot be resumed"),
    ):
        save_checkpoint(tmp_path / "other", tree | {key: value})
        fails_plainly(invoke("train", "--resume", tmp_path / "other"), words)
    save_checkpoint(tmp_path / "other", {"epoch": 1})
    fails_plainly(invoke("train", "--resume", tmp_path / "other"), "no checkpoint of a training run")


# Stopping and going on


def tiny_images(count=23) -> ImageData:
    generator = np.random.RandomState(0)
    images = generator.randint(0, 256, (count, 1, 28, 28)).astype(np.uint8)
    labels = generator.randint(0, 10, count)
    mean, std = pixel_statistics(images)
    tensors = (wrap(array) for array in (images, labels, images[:7], labels[:7]))
    return ImageData(*tensors, [str(digit) for digit in range(10)], wrap(mean), wrap(std))


def everything(training: Training) -> dict:
    """The state of a run without its clock times, as plain values and bytes."""
    tree = {
        "model": {name: value.numpy().tobytes() for name, value in training.model.state_dict().items()},
        "optimizer": repr(training.optimizer.state_dict()["param_groups"]),
        "moments": [
            value.numpy().tobytes()
            for state in training.optimizer.state_dict()["state"].values()
            for value in state.values()
            if isinstance(value, minitorch.Tensor)
        ],
        "history": [{key: value for key, value in line.items() if "second" not in key} for line in training.history],
        "random": minitorch.default_generator.state.tobytes(),
    }
    return tree


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adamw"])
def test_a_run_stopped_after_any_step_ends_the_same(tmp_path, optimizer):
    config = TrainConfig(optimizer=optimizer, epochs=3, batch_size=5)  # 3 x 5 steps, the last one of an epoch short
    data = tiny_images()
    whole = Training(config, data)
    assert whole.run(lambda: False, lambda: None)
    expected = everything(whole)
    for stop in (1, 4, 5, 6, 12, 15):
        steps = 0

        def after_step():
            nonlocal steps
            steps += 1
            return steps == stop  # noqa: B023

        stopped = Training(config, data)
        assert not stopped.run(after_step, lambda: None)
        stopped.save(tmp_path / "checkpoint")
        resumed = Training(replace(config, seed=99), data)  # nothing may hang on the seed any more
        resumed.restore(load_checkpoint(tmp_path / "checkpoint"))
        assert resumed.run(lambda: False, lambda: None)
        assert everything(resumed) == expected, stop


def start(arguments, cwd, program="from minitorch.cli import main; main()"):
    """The command in a process of its own, with its output line by line."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"},
    )


def weights(folder):
    tree = load_checkpoint(folder / "checkpoint.safetensors")
    assert tree["epoch"] == tree["config"]["epochs"]
    return {name: value.numpy().tobytes() for name, value in tree["model"].items()}


LONG = ["train", "--model", "mlp", "--epochs", "5", "--threads", "1", "--kernels", "numpy"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert invoke(*LONG, "--out", folder, "--name", "run").exit_code == 0
    return weights(folder / "run")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_runs_save_and_say_how_to_go_on(tmp_path, uninterrupted, number):
    process = start([*LONG, "--name", "run"], tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 1/"):
            break
    process.send_signal(number)
    output = process.stdout.read()
    process.stdout.close()
    assert process.wait(60) == 128 + number and "Traceback" not in output
    assert "test accuracy" not in output
    found = re.search(r"stopped after .*; saved\. Go on with:\n  \S+ (.*)\n", output)
    assert found, output
    assert not load_checkpoint(tmp_path / "runs/run/checkpoint.safetensors")["epoch"] == 5

    if number == signal.SIGTERM:
        return
    process = start(shlex.split(found[1]), tmp_path)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0 and "resumed after" in output and "test accuracy" in output
    assert weights(tmp_path / "runs/run") == uninterrupted


SAVE_ALWAYS = "import minitorch.train.run as run; run.SECONDS_BETWEEN_SAVES = 0; from minitorch.cli import main; main()"


@posix
def test_killed_runs_go_on_from_a_whole_checkpoint(tmp_path, uninterrupted):
    """Every step saves, and the process is killed again and again: the end is the same, bit for bit."""
    chance = random.Random(0)
    folder = tmp_path / "runs/run"
    for attempt in range(4):
        arguments = ["train", "--resume", str(folder)] if attempt else [*LONG, "--name", "run"]
        process = start(arguments, tmp_path, SAVE_ALWAYS)
        deadline = time.monotonic() + 60
        path = folder / "checkpoint.safetensors"
        before = path.stat().st_mtime_ns if path.exists() else None
        while not path.exists() or path.stat().st_mtime_ns == before:  # until it has begun to save
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.2 * chance.random())
        process.kill()
        process.communicate()
        load_checkpoint(path)
    process = start(["train", "--resume", str(folder)], tmp_path)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert weights(folder) == uninterrupted
    assert sorted(entry.name for entry in folder.iterdir()) == ["checkpoint.safetensors", "curves.png", "history.json"]


def test_a_finished_run_can_be_shown_again_and_trained_further(tmp_path):
    assert invoke(*QUICK, "--schedule", "constant", "--out", tmp_path, "--name", "a").exit_code == 0
    again = invoke("train", "--resume", tmp_path / "a")
    assert again.exit_code == 0 and "test accuracy" in again.output
    assert invoke("train", "--resume", tmp_path / "a", "--epochs", "4").exit_code == 0
    assert invoke(*QUICK, "--schedule", "constant", "--epochs", "4", "--out", tmp_path, "--name", "b").exit_code == 0
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


# The parts


def test_training_steps_are_those_of_torch():
    """The same weights after two epochs as the same loop written with torch, seed for seed."""
    torch = pytest.importorskip("torch")
    config = TrainConfig(optimizer="sgd", epochs=2, batch_size=5, shift=0, lr=0.05)
    data = tiny_images()
    registry.use("numpy")
    mine = Training(config, data)
    mine.run(lambda: False, lambda: None)

    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    images, labels = torch.tensor(data.train_images.numpy()), torch.tensor(data.train_labels.numpy())
    mean, std = torch.tensor(data.mean.numpy()), torch.tensor(data.std.numpy())
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, labels), batch_size=5, shuffle=True)
    for _ in range(2):
        for batch, target in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model((batch.float() - mean) / std), target).backward()
            optimizer.step()
            schedule.step()
    for ours, theirs in zip(mine.model.parameters(), model.parameters(), strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_lenet_is_that_of_the_paper():
    model = LeNet()
    assert sum(parameter.numel() for parameter in model.parameters()) == 44_426
    assert tuple(model(minitorch.zeros(2, 1, 28, 28)).shape) == (2, 10)
    assert tuple(LeNet(3, 32)(minitorch.zeros(2, 3, 32, 32)).shape) == (2, 10)
    assert tuple(MLP(784)(minitorch.zeros(2, 1, 28, 28)).shape) == (2, 10)
    names = list(model.state_dict())
    assert names[:2] == ["conv1.weight", "conv1.bias"] and names[-1] == "fc3.bias"


@pytest.mark.parametrize("most", [0, 1, 3])
def test_random_shifts_move_the_whole_batch(most):
    images = np.random.RandomState(0).rand(4, 2, 6, 7).astype(np.float32) + 1
    seen = set()
    minitorch.manual_seed(0)
    for _ in range(60):
        moved = random_shift(wrap(images), most).numpy()
        padded = np.pad(images, ((0, 0), (0, 0), (most, most), (most, most)))
        places = [
            (down, right)
            for down in range(2 * most + 1)
            for right in range(2 * most + 1)
            if np.array_equal(moved, padded[:, :, down : down + 6, right : right + 7])
        ]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) > (2 * most + 1) ** 2 // 2


def test_pixel_statistics():
    images = np.random.RandomState(0).randint(0, 256, (5, 3, 4, 4)).astype(np.uint8)
    mean, std = pixel_statistics(images)
    np.testing.assert_allclose(mean.reshape(-1), images.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std.reshape(-1), images.std((0, 2, 3)), rtol=1e-5)


def test_confusion_matrix_has_true_classes_in_rows():
    assert confusion_matrix(np.array([0, 0, 2]), np.array([0, 1, 1]), 3).tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_a_loss_that_is_no_number_stops_the_run():
    training = Training(TrainConfig(model="linear", optimizer="sgd", lr=1e38), tiny_images())
    with pytest.raises(TrainingDiverged, match=r"epoch \d, batch"):
        training.run(lambda: False, lambda: None)


@pytest.mark.parametrize(("channels", "wrong"), [(1, 0), (1, 3), (3, 57)])
def test_pictures_of_any_run(tmp_path, channels, wrong):
    history = [dict(epoch=1, train_loss=2.0, train_accuracy=0.3, test_loss=1.5, test_accuracy=0.4)]
    images = np.random.RandomState(0).randint(0, 256, (60, channels, 8, 8)).astype(np.uint8)
    labels = np.zeros(60, np.int64)
    predictions = labels.copy()
    predictions[:wrong] = 1
    draw_training(tmp_path / "a.png", "title", history, images, labels, predictions, ["short", "a long name"])
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_other_data_sets_train_from_files_already_there(tmp_path, monkeypatch):
    """Small MNIST files in the real format, found by --data-dir."""
    import gzip
    import struct

    generator = np.random.RandomState(0)
    for prefix, count in (("train", 30), ("t10k", 12)):
        images = generator.randint(0, 256, (count, 28, 28)).astype(np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            (tmp_path / f"{prefix}-{kind}-ubyte").write_bytes(header + array.tobytes())
    result = invoke(*QUICK, "--dataset", "mnist", "--data-dir", tmp_path, "--out", tmp_path / "runs")
    assert result.exit_code == 0 and "30 training and 12 test images" in result.output, result.output
    # Packed, the files must be the published ones.
    path = tmp_path / "train-labels-idx1-ubyte"
    (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    result = invoke(*QUICK, "--dataset", "mnist", "--data-dir", tmp_path, "--out", tmp_path / "runs")
    fails_plainly(result, rf"{path.name}\.gz is truncated: \d+ of {MNIST.resources[1].size:,} bytes")


def test_digits_come_as_tensors():
    data = load_images("digits")
    assert tuple(data.train_images.shape) == (1437, 1, 28, 28) and data.channels == 1 and data.side == 28
    assert str(data.train_labels.dtype) == "torch.int64" and len(data.classes) == 10


@pytest.mark.parametrize("model", ["cifar-quick", "resnet-8", "vgg-11"])
@pytest.mark.parametrize("channels, side", [(1, 28), (3, 32)])
def test_every_image_model_takes_every_size(model, channels, side):
    network = MODELS[model](channels, side, 5).eval()
    assert network(minitorch.zeros(2, channels, side, side)).shape == (2, 5)


def test_generated_shapes_are_a_data_set_to_train_on(monkeypatch):
    monkeypatch.setattr(shapes, "single_shapes", lambda count, seed: single_shapes(count // 100, seed))
    data = load_images("shapes")
    assert data.train_images.shape == (40, 3, 32, 32) and data.test_labels.shape == (10,) and len(data.classes) == 6
    images, labels = single_shapes(40, 0)
    assert (data.train_images == images).all() and (data.train_labels == labels).all()
    picture, label = shapes.SingleShapes(train=False)[3]
    assert picture.size == (32, 32) and label == int(data.test_labels[3])
