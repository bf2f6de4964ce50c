"""Names around the tensors: mixed precision, storages, sizes in place, comparison for tests, processes, switches."""

import math
import signal
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
import minitorch.amp  # noqa: E402
import minitorch.distributed  # noqa: E402
import minitorch.nn  # noqa: E402
import minitorch.optim  # noqa: E402
from parity.harness import assert_same  # noqa: E402
from tests.both_libraries import agree_or_both_raise  # noqa: E402
from tests.spawned import work  # noqa: E402

# GradScaler and autocast


def scaled_training(lib, scales):
    """Four steps; the loss of step 2 overflows, which skips the step and halves the scale."""
    p = lib.nn.Parameter(lib.tensor([1.0, -2.0]))
    optimizer = lib.optim.SGD([p], lr=0.1)
    scaler = lib.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    history = []
    for factor in scales:
        optimizer.zero_grad()
        scaler.scale((p * p).sum() * factor).backward()
        scaler.unscale_(optimizer)
        lib.nn.utils.clip_grad_norm_([p], 3.0)
        scaler.step(optimizer)
        scaler.update()
        history += [p.detach().clone(), scaler.get_scale()]
    state = scaler.state_dict()
    other = lib.amp.GradScaler("cpu")
    other.load_state_dict(state)
    return history, state, other.get_scale(), scaler.scale([p.detach(), (p.detach() * 2,)])


@pytest.mark.parametrize("scales", [(1, 1, 1, 1), (1, math.inf, 1, 1), (math.nan, 1, 1, 1, 1)])
def test_grad_scaler(scales):
    assert_same(scaled_training(minitorch, scales), scaled_training(torch, scales))


def misuse(lib, what):
    p = lib.nn.Parameter(lib.ones(2))
    optimizer = lib.optim.SGD([p], lr=0.1)
    scaler = lib.amp.GradScaler("cpu")
    scaler.scale(p.sum()).backward()
    for name in what.split():
        getattr(scaler, name)(*([optimizer] if name in ("step", "unscale_") else []))


@pytest.mark.parametrize("what", ["update", "unscale_ unscale_", "step step", "step unscale_", "unscale_ step update"])
def test_grad_scaler_calls_in_the_wrong_order(what):
    raised = []
    for lib in (minitorch, torch):
        try:
            misuse(lib, what)
            raised.append(None)
        except Exception as error:
            raised.append((type(error), str(error)))
    assert raised[0] == raised[1]


def test_without_a_gpu_cuda_s_scaler_and_autocast_are_disabled():
    for lib in (minitorch, torch):
        with pytest.warns(UserWarning, match="[Dd]isabling"):
            scaler = lib.amp.GradScaler()
        assert not scaler.is_enabled() and scaler.get_scale() == 1.0 and scaler.state_dict() == {}
        with pytest.warns(UserWarning, match="CUDA is not available"), lib.autocast("cuda"):
            assert not lib.is_autocast_enabled("cuda")


def test_autocast_knows_where_it_is():
    for lib in (minitorch, torch):
        assert not lib.is_autocast_enabled("cpu")
        with lib.autocast("cpu", dtype=lib.bfloat16):
            assert lib.is_autocast_enabled("cpu") and lib.get_autocast_dtype("cpu") is lib.bfloat16
            with lib.autocast("cpu", enabled=False):
                assert not lib.is_autocast_enabled("cpu")
            assert lib.is_autocast_enabled("cpu")
        assert lib.amp.autocast("cpu")(lib.is_autocast_enabled)("cpu") is True
        assert not lib.is_autocast_enabled("cpu")
        with pytest.raises(RuntimeError):
            lib.autocast("nothing")


# A GPU that is not there, a group of processes that is not there yet


ON_A_GPU = {
    "Tensor.cuda": lambda lib: lib.ones(2).cuda(),
    "Tensor.cuda, without waiting": lambda lib: lib.ones(2).cuda(non_blocking=True),
    "Tensor.cuda of a number": lambda lib: lib.ones(2).cuda(0),
    "Tensor.to": lambda lib: lib.ones(2).to("cuda"),
    "Tensor.to a device": lambda lib: lib.ones(2).to(lib.device("cuda:0"), non_blocking=True),
    "Tensor.to a number": lambda lib: lib.ones(2).to(0),
    "zeros": lambda lib: lib.zeros(2, device="cuda"),
    "tensor": lambda lib: lib.tensor([1.0], device=lib.device("cuda", 0)),
    "Module.cuda": lambda lib: lib.nn.Linear(2, 2).cuda(),
    "Module.to": lambda lib: lib.nn.Linear(2, 2).to("cuda"),
    "Linear": lambda lib: lib.nn.Linear(2, 2, device="cuda"),
    "synchronize": lambda lib: lib.cuda.synchronize(),
    "get_device_name": lambda lib: lib.cuda.get_device_name(0),
    "FloatTensor": lambda lib: lib.cuda.FloatTensor(2),
    "Stream": lambda lib: lib.cuda.Stream(),
    "pin_memory": lambda lib: lib.ones(2).pin_memory(),
    "xpu": lambda lib: lib.ones(2).to("xpu"),
    "mps": lambda lib: lib.ones(2).to("mps"),
    "no device": lambda lib: lib.ones(2).to("gpu"),
}


@pytest.mark.skipif(torch.cuda.is_available(), reason="this torch has a GPU")
@pytest.mark.parametrize("name", ON_A_GPU)
def test_what_needs_a_gpu_is_refused_as_by_a_torch_without_one(name):
    raised = []
    for lib in (torch, minitorch):
        with pytest.raises(Exception) as refused:  # noqa: PT011  (torch says which)
            ON_A_GPU[name](lib)
        raised.append(refused)
    assert raised[1].type is raised[0].type
    beginning = "Torch not compiled with "
    assert str(raised[1].value).startswith(beginning) == str(raised[0].value).startswith(beginning)


@pytest.mark.parametrize("given", [{}, {"num_replicas": 3}, {"rank": 0}])
def test_a_distributed_sampler_asks_the_process_group(given):
    for lib in (minitorch, torch):
        with pytest.raises(ValueError, match="Default process group has not been initialized"):
            lib.utils.data.DistributedSampler(range(5), **given)
    stores = {minitorch: {}, torch: {"store": torch.distributed.HashStore()}}
    orders = []
    for lib, store in stores.items():
        lib.distributed.init_process_group("gloo", rank=0, world_size=1, **store)
        try:
            sampler = lib.utils.data.DistributedSampler(range(5), seed=3, **given)
            orders.append((sampler.num_replicas, sampler.rank, len(sampler), list(sampler)))
        finally:
            lib.distributed.destroy_process_group()
    assert orders[0] == orders[1]
    assert not minitorch.distributed.is_initialized()


# sizes in place and storages


SIZES = [((6,), (2, 2)), ((2, 3), (3, 2)), ((2, 3), ()), ((4,), (0, 3)), ((3, 4), (12,)), ((), (1, 1))]


@pytest.mark.parametrize("before, after", SIZES)
def test_resize_(before, after):
    def program(lib):
        x = lib.arange(int(np.prod(before)) or 1).reshape(before) if before else lib.tensor(7)
        version = x._version
        z = x.resize_(*after) if after else x.resize_(())
        return x, z is x, x.is_contiguous(), x._version > version, lib.zeros(2).resize_as_(lib.ones(1, 2)).shape

    assert_same(program(minitorch), program(torch))


def test_resize_grows_a_view_and_keeps_what_was_there():
    def program(lib):
        x = lib.arange(8)[2:5]
        inside = x.resize_(6).clone()
        return inside, x.resize_(3, 3).view(-1)[:6]

    assert_same(program(minitorch), program(torch))


def test_resize_of_a_tensor_that_requires_grad_is_refused():
    agree_or_both_raise(lambda lib: lib.ones(2, requires_grad=True).resize_(1))
    agree_or_both_raise(lambda lib: lib.ones(2).resize_(-1))
    agree_or_both_raise(lambda lib: lib.ones(2).values())


def test_storages():
    def program(lib):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x = lib.arange(6.0).reshape(2, 3).t()[1:]
            storage = x.storage()
            storage[1] = 50.0
            made = lib.FloatStorage([1, 2])
            bytes_ = lib.ByteStorage.from_buffer(b"\x01\x02\x03")
            shorts = lib.ShortStorage.from_buffer(b"\x01\x02\x03\x04", "big")
            return (
                x, len(storage), storage.tolist(), storage.nbytes(), x.untyped_storage().nbytes(), made.tolist(), made.size(),
                made.dtype, lib.ByteTensor(bytes_), shorts.tolist(), repr(made), made[0], list(made.fill_(3)), made.element_size(),
            )  # fmt: skip

    assert_same(program(minitorch), program(torch))


# histogram


HISTOGRAMS = {
    "bins": lambda lib, x, w: lib.histogram(x, 5),
    "range": lambda lib, x, w: lib.histogram(x, bins=4, range=(-0.5, 1.5)),
    "density": lambda lib, x, w: lib.histogram(x, 3, density=True),
    "weight": lambda lib, x, w: lib.histogram(x, 4, weight=w, density=True),
    "edges": lambda lib, x, w: lib.histogram(x, lib.tensor([-2.0, -0.1, 0.0, 2.0], dtype=x.dtype), weight=w),
    "empty": lambda lib, x, w: lib.histogram(x[:0], 3),
    "one value": lambda lib, x, w: lib.histogram(x[:1, :1], 3),
    "no bins": lambda lib, x, w: lib.histogram(x, 0),
    "min above max": lambda lib, x, w: lib.histogram(x, 2, range=(1.0, 0.0)),
    "edges in two dimensions": lambda lib, x, w: lib.histogram(x, lib.ones(2, 2, dtype=x.dtype)),
    "weights of another size": lambda lib, x, w: lib.histogram(x, 2, weight=w[:1]),
    "nan": lambda lib, x, w: lib.histogram(x * math.nan, 2),
    "integers": lambda lib, x, w: lib.histogram(x.long(), 2),
}


@pytest.mark.parametrize("kind", HISTOGRAMS)
@pytest.mark.parametrize("layout", ["contiguous", "permuted", "reversed"])
def test_histogram(kind, layout):
    rng = np.random.default_rng(0)
    agree_or_both_raise(HISTOGRAMS[kind], rng.standard_normal((6, 5)), rng.random((6, 5)), order=0, layout=layout)


# torch.testing


CLOSE = {
    "the same": lambda lib: (lib.ones(3), lib.ones(3)),
    "within tolerance": lambda lib: (lib.ones(3), lib.ones(3) + 1e-6),
    "one element": lambda lib: (lib.tensor([[1.0, 2.0], [3.0, 4.0]]), lib.tensor([[1.0, 2.5], [3.0, 4.0]])),
    "integers": lambda lib: (lib.tensor([1, 2]), lib.tensor([1, 3])),
    "numbers": lambda lib: (1.0, 1.1),
    "0-dim": lambda lib: (lib.tensor(1.0), lib.tensor(2.0)),
    "shapes": lambda lib: (lib.ones(2), lib.ones(2, 1)),
    "types": lambda lib: (lib.ones(2), lib.ones(2, dtype=lib.float64)),
    "nan": lambda lib: (lib.tensor([math.nan]), lib.tensor([math.nan])),
    "lists": lambda lib: ([lib.ones(1), lib.zeros(1)], [lib.ones(1), lib.ones(1)]),
    "lengths": lambda lib: ([lib.ones(1)], [lib.ones(1), lib.ones(1)]),
    "dictionaries": lambda lib: ({"a": lib.ones(1)}, {"a": lib.zeros(1)}),
    "something else": lambda lib: (object(), object()),
}


@pytest.mark.parametrize("kind", CLOSE)
@pytest.mark.parametrize(
    "options", [{}, {"rtol": 0.2, "atol": 0.0}, {"rtol": 0.0, "atol": 0.0}, {"equal_nan": True}, {"rtol": 0.1}]
)
def test_assert_close(kind, options):
    texts = []
    for lib in (minitorch, torch):
        try:
            lib.testing.assert_close(*CLOSE[kind](lib), **options)
            texts.append("passes")
        except Exception as error:
            texts.append(
                f"{type(error).__name__}: {error}" if isinstance(error, AssertionError) else type(error).__name__
            )
    ours, theirs = (text.replace("torch.Size", "Size").splitlines() for text in texts)
    assert ours[0] == theirs[0]
    if kind in ("one element", "integers", "0-dim", "shapes", "types"):
        assert ours == theirs


# switches


def test_switches():
    def program(lib):
        lib.set_float32_matmul_precision("high")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lib.set_float32_matmul_precision("low")  # left with a warning
        precision = lib.get_float32_matmul_precision()
        lib.set_float32_matmul_precision("highest")
        lib.use_deterministic_algorithms(True, warn_only=True)
        mode = lib.are_deterministic_algorithms_enabled(), lib.get_deterministic_debug_mode()
        lib.use_deterministic_algorithms(False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lib.set_default_tensor_type(lib.DoubleTensor)
            made = lib.ones(1)
            lib.set_default_tensor_type("torch.FloatTensor")
        with lib.inference_mode():
            inside = lib.is_inference_mode_enabled()
        leaves, spec = lib.utils._pytree.tree_flatten({"a": 1, "b": (2, [3])})
        again = lib.utils._pytree.tree_unflatten([x * 2 for x in leaves], spec)
        return (
            precision,
            mode,
            made,
            lib.ones(1),
            inside,
            leaves,
            again,
            str(lib.get_default_device()),
            lib.typename(lib.ones(1)),
        )

    assert_same(program(minitorch), program(torch))
    for call in (
        lambda lib: lib.set_deterministic_debug_mode("loud"),
        lambda lib: lib.set_default_tensor_type(lib.LongTensor),
        lambda lib: lib._assert(False, "no"),
    ):
        agree_or_both_raise(call)


# several processes


def test_spawn():
    mp = minitorch.multiprocessing
    assert mp.spawn(work, ("works",), nprocs=2) is None
    context = mp.spawn(work, ("fails",), nprocs=2, join=False)
    with pytest.raises(mp.ProcessRaisedException, match="ValueError: process 1") as raised:
        while not context.join():
            pass
    assert raised.value.error_index == 1
    assert context.processes[0].exitcode == -signal.SIGTERM  # the one that had not failed was ended
    with pytest.raises(mp.ProcessRaisedException, match="SystemExit: 3"):
        mp.spawn(work, ("exits",), nprocs=1)
    assert mp.Process and mp.Pipe and mp.get_context("spawn")


def test_a_group_of_one():
    def program(lib, **options):
        dist = lib.distributed
        dist.init_process_group("gloo", rank=0, world_size=1, **options)
        try:
            x, gathered = lib.arange(3.0), [lib.zeros(3)]
            dist.all_reduce(x, op=dist.ReduceOp.SUM)
            dist.all_gather(gathered, x)
            objects = [None]
            dist.all_gather_object(objects, {"a": 1})
            dist.barrier()
            done = dist.broadcast(x, src=0, async_op=True)
            done.wait()
            group = dist.new_group([0])
            twice = None
            try:
                dist.init_process_group("gloo", rank=0, world_size=1, **options)
            except ValueError as error:
                twice = str(error)
            return (
                x, gathered, objects, dist.get_rank(), dist.get_world_size(group), dist.get_backend(), dist.is_initialized(),
                dist.group.WORLD is not None, twice,
            )  # fmt: skip
        finally:
            dist.destroy_process_group()

    ours = program(minitorch)
    store = torch.distributed.HashStore()
    assert_same(ours, program(torch, store=store))
    assert not minitorch.distributed.is_initialized()
    with pytest.raises(RuntimeError, match="world_size is 2"):
        minitorch.distributed.init_process_group("gloo", world_size=2)


def test_hub_fetches_a_file_once_and_checks_its_hash(tmp_path):
    import hashlib

    source = tmp_path / "model-x.bin"
    source.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    target = tmp_path / "fetched"
    minitorch.hub.download_url_to_file(source.as_uri(), str(target), digest[:8], progress=False)
    assert target.read_bytes() == b"weights"
    with pytest.raises(RuntimeError, match="invalid hash value"):
        minitorch.hub.download_url_to_file(source.as_uri(), str(tmp_path / "other"), "00", progress=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fetched", "model-x.bin"]
