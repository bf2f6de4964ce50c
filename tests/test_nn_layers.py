"""Layers that torch's module database leaves out, the options it leaves out, and what layers refuse."""

import copy
import re
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nn_against_torch import assert_same_call, assert_same_state, assert_same_text, make, minitorch  # noqa: E402

from parity.harness import assert_same  # noqa: E402


def x(*shape, seed=0, dtype=torch.float64):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).to(dtype).requires_grad_(True)


def ints(*shape, high=5, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, high, shape))


# Name, arguments, options, inputs.
LAYERS = [
    ("Flatten", (), {}, (x(2, 3, 4),)),
    ("Flatten", (0, 1), {}, (x(2, 3, 4),)),
    ("Unflatten", (1, (2, 3)), {}, (x(4, 6),)),
    ("Identity", (3, "anything"), {"goes": 1}, (x(2),)),
    ("Upsample", (), {"scale_factor": 2}, (x(1, 2, 3, 4),)),
    ("Upsample", ((5, 7),), {"mode": "bilinear", "align_corners": True}, (x(1, 2, 3, 4),)),
    ("Upsample", (), {"scale_factor": (2, 3), "mode": "bilinear"}, (x(1, 2, 3, 4),)),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, (x(1, 2, 3, 4),)),
    ("UpsamplingBilinear2d", ((5, 6),), {}, (x(1, 2, 3, 4),)),
    ("PixelShuffle", (2,), {}, (x(1, 8, 2, 3),)),
    ("PixelUnshuffle", (2,), {}, (x(1, 2, 4, 6),)),
    ("ChannelShuffle", (2,), {}, (x(1, 4, 2, 3),)),
    ("Fold", ((4, 5), (2, 2)), {"stride": 1}, (x(2, 8, 12),)),
    ("Unfold", ((2, 3),), {"padding": 1, "stride": 2, "dilation": (1, 2)}, (x(2, 3, 5, 7),)),
    ("CosineSimilarity", (), {"dim": 2, "eps": 1e-3}, (x(2, 3, 4), x(2, 3, 4, seed=1))),
    ("PairwiseDistance", (), {"p": 3.0, "keepdim": True}, (x(4, 3), x(4, 3, seed=1))),
    ("TripletMarginLoss", (), {"margin": 0.7, "swap": True}, (x(4, 3), x(4, 3, seed=1), x(4, 3, seed=2))),
    ("TripletMarginWithDistanceLoss", (), {"margin": 0.7}, (x(4, 3), x(4, 3, seed=1), x(4, 3, seed=2))),
    ("EmbeddingBag", (6, 3), {"mode": "sum"}, (ints(4, 3),)),
    ("EmbeddingBag", (6, 3), {"mode": "max", "padding_idx": 1}, (ints(4, 3),)),
    ("EmbeddingBag", (6, 3), {}, (ints(7), torch.tensor([0, 3, 5]))),
    ("EmbeddingBag", (6, 3), {"include_last_offset": True, "mode": "sum"}, (ints(7), torch.tensor([0, 3, 7]))),
    ("Embedding", (6, 3), {"padding_idx": -2}, (ints(4, 3, high=6),)),
    ("Embedding", (6, 3), {"max_norm": 0.5, "norm_type": 1.0}, (ints(4, 3),)),
    ("Embedding", (6, 3), {"scale_grad_by_freq": True, "sparse": False}, (ints(4, 3),)),
    ("Conv1d", (4, 6, 3), {"padding": "same", "dilation": 2, "groups": 2}, (x(2, 4, 9),)),
    ("Conv2d", (2, 4, (2, 4)), {"padding": "same"}, (x(1, 2, 5, 6),)),
    ("Conv2d", (2, 4, 3), {"padding": 1, "padding_mode": "reflect", "stride": 2}, (x(1, 2, 5, 6),)),
    ("Conv2d", (2, 4, 3), {"padding": (1, 2), "padding_mode": "circular"}, (x(1, 2, 5, 6),)),
    ("Conv2d", (2, 4, 3), {"padding": (2, 1), "padding_mode": "replicate", "bias": False}, (x(2, 5, 6),)),
    ("Conv2d", (2, 4, (2, 3)), {"padding": "same", "padding_mode": "circular"}, (x(1, 2, 5, 6),)),
    ("Conv3d", (2, 4, 2), {"padding": "valid", "groups": 2}, (x(1, 2, 3, 4, 5),)),
    ("ConvTranspose2d", (4, 2, 3), {"stride": 2, "padding": 1, "output_padding": 1, "dilation": 2}, (x(1, 4, 3, 4),)),
    ("ConvTranspose1d", (4, 4, 3), {"stride": 3, "groups": 2, "bias": False}, (x(2, 4, 5),)),
    ("MaxPool2d", ((2, 3),), {"stride": 1, "padding": (0, 1), "ceil_mode": True}, (x(1, 2, 5, 6),)),
    ("MaxPool2d", (2,), {"return_indices": True}, (x(1, 2, 5, 6),)),
    ("AvgPool2d", (3,), {"padding": 1, "count_include_pad": False, "divisor_override": 5}, (x(1, 2, 5, 6),)),
    ("AdaptiveAvgPool2d", ((None, 2),), {}, (x(1, 2, 5, 6),)),
    ("RReLU", (), {"lower": 0.1, "upper": 0.3}, (x(3, 4),)),
    ("AdaptiveLogSoftmaxWithLoss", (8, 12, [3, 7]), {"div_value": 2.0, "head_bias": True}, (x(6, 8), ints(6, high=12))),
    ("Softmax2d", (), {}, (x(2, 3, 4, 5),)),
    ("GELU", (), {"approximate": "tanh"}, (x(3, 4),)),
    ("Threshold", (0.1, 20.0), {"inplace": False}, (x(3, 4),)),
    ("BCELoss", (), {"weight": torch.tensor([0.3, 2.0])}, (x(3, 2).sigmoid(), ints(3, 2, high=2).double())),
    ("BCEWithLogitsLoss", (), {"pos_weight": torch.tensor([0.3, 2.0])}, (x(3, 2), ints(3, 2, high=2).double())),
    ("MSELoss", (), {"size_average": False}, (x(3, 2), x(3, 2, seed=1))),
    ("L1Loss", (), {"reduce": False}, (x(3, 2), x(3, 2, seed=1))),
    ("SyncBatchNorm", (3,), {}, (x(4, 3, 5),)),
    ("NLLLoss2d", (), {}, (x(2, 3, 4, 5), ints(2, 4, 5, high=3))),
]  # fmt: skip


@pytest.mark.parametrize("case", LAYERS, ids=[f"{case[0]}-{i}" for i, case in enumerate(LAYERS)])
def test_layer_equals_torch(case):
    name, args, options, inputs = case
    if name == "RReLU" and not hasattr(minitorch.nn.functional, "rrelu"):
        pytest.skip("rrelu is not there")
    mine, true = make(name, *args, **options)
    assert_same_text(mine, true)
    if name not in ("Embedding", "EmbeddingBag"):  # drawn by Box-Muller: equal to an ulp
        assert_same_state(mine, true)
    assert_same_state(mine, true, exact=False)
    mine.double(), true.double()
    if name == "RReLU":
        mine.eval(), true.eval()
    assert_same_call(mine, true, *inputs, where=name, tolerance=1e-11 if "mbedding" not in name else 1e-6)


DROPOUTS = ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]


@pytest.mark.parametrize("name", DROPOUTS)
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_dropout_drops_the_same(name, p):
    mine, true = make(name, p)
    assert_same_text(mine, true)
    shape = {"Dropout1d": (3, 4, 5), "Dropout3d": (2, 3, 2, 3, 2)}.get(name, (3, 4, 5, 2))
    for dtype in (torch.float32, torch.float64):
        assert_same_call(mine, true, x(*shape, dtype=dtype), seed=7, where=name)
    mine.eval(), true.eval()
    assert_same_call(mine, true, x(*shape), where=name)


@pytest.mark.skipif(not hasattr(minitorch.nn.functional, "rrelu"), reason="rrelu is not there")
def test_random_leaky_relu_draws_the_same():
    mine, true = make("RReLU")
    assert_same_call(mine, true, x(5, 6), seed=3)


def test_max_unpool_undoes_max_pool():
    pool, true_pool = make("MaxPool2d", 2, return_indices=True)
    unpool, true_unpool = make("MaxUnpool2d", 2)
    assert_same_text(unpool, true_unpool)
    (values, indices), (true_values, true_indices) = assert_same_call(pool, true_pool, x(1, 2, 5, 6))
    assert_same(unpool(values, indices, output_size=(5, 6)), true_unpool(true_values, true_indices, output_size=(5, 6)))


def test_transposed_convolution_with_output_size():
    mine, true = make("ConvTranspose2d", 3, 2, 3, stride=2, padding=1)
    mine.double(), true.double()
    for size in ((5, 8), (6, 7), (1, 2, 6, 8)):
        assert_same_call(mine, true, x(1, 3, 3, 4), output_size=list(size), tolerance=1e-11)


def test_batch_norm_over_several_batches():
    for options in (
        {},
        {"momentum": None},
        {"track_running_stats": False},
        {"affine": False, "eps": 1e-2},
        {"bias": False},
    ):
        mine, true = make("BatchNorm2d", 3, **options)
        assert_same_text(mine, true)
        mine.double(), true.double()
        for step in range(3):
            assert_same_call(mine, true, x(2, 3, 4, 5, seed=step), tolerance=1e-11)
        mine.eval(), true.eval()
        assert_same_call(mine, true, x(2, 3, 4, 5, seed=9), tolerance=1e-11)
        if options.get("track_running_stats", True):
            mine.reset_running_stats(), true.reset_running_stats()
            assert_same_state(mine, true, exact=False)


def test_adaptive_softmax_predicts_the_same():
    mine, true = make("AdaptiveLogSoftmaxWithLoss", 8, 12, [3, 7], div_value=2.0)
    mine.double(), true.double()
    data = x(20, 8).detach() * 3
    ours = minitorch.tensor(data.numpy())
    assert_same(mine.log_prob(ours), true.log_prob(data))
    np.testing.assert_array_equal(mine.predict(ours).numpy(), true.predict(data).numpy())


def test_embedding_from_pretrained():
    table = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    for name in ("Embedding", "EmbeddingBag"):
        mine = getattr(minitorch.nn, name).from_pretrained(minitorch.tensor(table), padding_idx=1)
        true = getattr(torch.nn, name).from_pretrained(torch.tensor(table), padding_idx=1)
        assert_same_text(mine, true)
        assert mine.weight.requires_grad is true.weight.requires_grad is False
        assert_same_call(mine, true, ints(2, 3))
    assert minitorch.nn.Embedding.from_pretrained(minitorch.tensor(table), freeze=False).weight.requires_grad


def both_raise(call):
    errors = []
    for lib in (minitorch, torch):
        with pytest.raises(Exception) as raised, warnings.catch_warnings():  # noqa: B017 - the class is compared below
            warnings.simplefilter("ignore")
            call(lib)
        errors.append(raised.value)
    assert type(errors[0]) is type(errors[1]), errors
    return [str(error) for error in errors]


REFUSED = [
    lambda lib: lib.nn.Conv2d(3, 4, 3, groups=2),
    lambda lib: lib.nn.Conv2d(4, 3, 3, groups=2),
    lambda lib: lib.nn.Conv2d(4, 4, 3, groups=0),
    lambda lib: lib.nn.Conv2d(4, 4, 3, stride=2, padding="same"),
    lambda lib: lib.nn.ConvTranspose2d(4, 4, 3, padding_mode="reflect"),
    lambda lib: lib.nn.Bilinear(0, 2, 3),
    lambda lib: lib.nn.Dropout(1.5),
    lambda lib: lib.nn.GroupNorm(3, 4),
    lambda lib: lib.nn.BatchNorm2d(3)(lib.ones(2, 3)),
    lambda lib: lib.nn.BatchNorm1d(3)(lib.ones(2, 3, 4, 5)),
    lambda lib: lib.nn.BatchNorm1d(3)(lib.ones(1, 3)),
    lambda lib: lib.nn.InstanceNorm2d(3)(lib.ones(2, 3)),
    lambda lib: lib.nn.InstanceNorm1d(3, affine=True)(lib.ones(2, 4, 5)),
    lambda lib: lib.nn.CircularPad2d(1)(lib.ones(3, 3)),
    lambda lib: lib.nn.Softmax2d()(lib.ones(3)),
    lambda lib: lib.nn.Hardtanh(2, 1),
    lambda lib: lib.nn.Unflatten(1, 3),
    lambda lib: lib.nn.Unflatten(1, (2, 2.5)),
    lambda lib: lib.nn.MultiheadAttention(0, 1),
    lambda lib: lib.nn.MultiheadAttention(5, 2),
    lambda lib: lib.nn.TransformerEncoderLayer(4, 2, activation="tanh"),
    lambda lib: lib.nn.Transformer(4, 2, 1, 1, 8)(lib.ones(3, 2, 4), lib.ones(3, 1, 4)),
    lambda lib: lib.nn.Transformer(4, 2, 1, 1, 8)(lib.ones(3, 2, 5), lib.ones(3, 2, 4)),
    lambda lib: lib.nn.HuberLoss(delta="1"),
    lambda lib: lib.nn.MultiMarginLoss(p=3),
    lambda lib: lib.nn.TripletMarginLoss(margin=0),
    lambda lib: lib.nn.TripletMarginWithDistanceLoss(margin=-1.0),
    lambda lib: lib.nn.AdaptiveLogSoftmaxWithLoss(4, 5, []),
    lambda lib: lib.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [3, 2]),
    lambda lib: lib.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(lib.ones(3, 4), lib.tensor([0, 1, 9])),
    lambda lib: lib.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(lib.ones(3, 4), lib.tensor([0, 1])),
    lambda lib: lib.nn.ConvTranspose2d(2, 2, 3, stride=2)(lib.ones(1, 2, 3, 3), output_size=[99, 99]),
    lambda lib: lib.nn.ConvTranspose2d(2, 2, 3)(lib.ones(1, 2, 3, 3), output_size=[9]),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(REFUSED)))
def test_errors_are_those_of_torch(i):
    mine, true = both_raise(REFUSED[i])
    assert re.sub(r"^\w+\(\): ", "", mine) == true  # operations begin with their names


@pytest.mark.parametrize(
    "call",
    [
        lambda lib: lib.nn.Conv2d(4, 4, 3, padding="all"),
        lambda lib: lib.nn.Conv2d(4, 4, 3, padding_mode="wrap"),
        lambda lib: lib.nn.Embedding(3, 2, padding_idx=5),
        lambda lib: lib.nn.Embedding(3, 2, _weight=lib.ones(2, 2)),
        lambda lib: lib.nn.Embedding(3, 2)(lib.tensor([5])),
        lambda lib: lib.nn.Linear(3, 2)(lib.ones(2, 4)),
        lambda lib: lib.nn.Conv2d(3, 2, 1)(lib.ones(2, 4, 5, 5)),
        lambda lib: lib.nn.Linear(3, 2)(lib.ones(2, 3, dtype=lib.float64)),
        lambda lib: lib.nn.LayerNorm(4)(lib.ones(2, 3)),
        lambda lib: lib.nn.CrossEntropyLoss()(lib.ones(2, 3), lib.tensor([0, 3])),
    ],
)
def test_error_classes_are_those_of_torch(call):
    both_raise(call)


def test_containers_equal_torch():
    def program(lib):
        nn = lib.nn
        lib.manual_seed(0)
        s = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), nn.Tanh())
        out = [repr(s), repr(s[1:3]), repr(s[-1]), len(s)]
        s[1] = nn.Sigmoid()
        s.insert(1, nn.Identity())
        s.append(nn.ELU())
        del s[0]
        out += [repr(s), repr(s.pop(1)), repr(s)]
        s += nn.Sequential(nn.ReLU())
        out += [repr(s + nn.Sequential(nn.ReLU6())), repr(nn.Sequential(nn.ReLU()) * 2), list(s.state_dict())]
        del s[::2]
        out += [repr(s), repr(s.extend([nn.Tanh(), nn.Tanh()]))]
        named = nn.Sequential(lib_ordered(first=nn.Linear(1, 1), second=nn.ReLU()))
        out += [repr(named), repr(named[:1]), list(named.state_dict()), named.first is named[0]]
        layers = nn.ModuleList([nn.Linear(1, 1)] * 2 + [nn.ReLU()])
        layers += [nn.Tanh()]
        layers.insert(1, nn.ELU())
        layers[0] = nn.GELU()
        out += [repr(layers), repr(layers[1:]), repr(layers + [nn.ReLU()]), repr(nn.ModuleList()), len(layers)]
        del layers[0]
        out += [repr(layers), repr(layers.pop(-1)), list(layers.state_dict())]
        table = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
        table.update([("c", nn.Tanh())])
        out += [repr(table), list(table), list(table.keys()), "a" in table, repr(table.pop("a")), len(table)]
        table.clear()
        out += [repr(table)]
        values = nn.ParameterList([nn.Parameter(lib.ones(2)), lib.ones(3), 5])
        values += [lib.zeros(1)]
        values[0] = nn.Parameter(lib.ones(4))
        out += [repr(values), len(values), repr(values[1:]), list(values.state_dict()), type(values[1]).__name__]
        named = nn.ParameterDict({"b": lib.ones(2), "a": nn.Parameter(lib.ones(1, 2))})
        named["c"] = 3
        named |= nn.ParameterDict({"d": lib.ones(1)})
        out += [repr(named), list(named), list(named.state_dict()), named.get("z", 7), named.setdefault("e", 8)]
        out += [named.popitem()[0], named.pop("c"), list(reversed(named)), list(named.copy()), "a" in named, len(named)]
        out += [list(named.fromkeys(["x", "y"], 1).items())]
        return out

    ours, theirs = program(minitorch), program(torch)
    for a, b in zip(ours, theirs, strict=True):
        assert a == b


def lib_ordered(**modules):
    from collections import OrderedDict

    return OrderedDict(modules)


CONTAINER_ERRORS = [
    lambda lib: lib.nn.Sequential(lib.nn.ReLU())[3],
    lambda lib: lib.nn.Sequential(lib.nn.ReLU()) + [lib.nn.ReLU()],
    lambda lib: lib.nn.Sequential(lib.nn.ReLU()) * 0,
    lambda lib: lib.nn.Sequential(lib.nn.ReLU()) * 1.5,
    lambda lib: lib.nn.Sequential(lib.nn.ReLU()).insert(5, lib.nn.ReLU()),
    lambda lib: lib.nn.Sequential(3),
    lambda lib: lib.nn.ModuleList(3),
    lambda lib: lib.nn.ModuleList([3]),
    lambda lib: lib.nn.ModuleList()[0],
    lambda lib: lib.nn.ModuleDict(3),
    lambda lib: lib.nn.ModuleDict({"a.b": lib.nn.ReLU()}),
    lambda lib: lib.nn.ModuleDict({"keys": lib.nn.ReLU()}),
    lambda lib: lib.nn.ModuleDict([("a",)]),
    lambda lib: lib.nn.ParameterList(lib.ones(3)),
    lambda lib: lib.nn.ParameterList([3])[1],
    lambda lib: lib.nn.ParameterList([3])(1),
    lambda lib: lib.nn.ParameterDict({1: lib.ones(1)}),
    lambda lib: lib.nn.ParameterDict()(1),
    lambda lib: lib.nn.ModuleList([lib.nn.ReLU()])(1),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(CONTAINER_ERRORS)))
def test_container_errors_are_those_of_torch(i):
    both_raise(CONTAINER_ERRORS[i])


def test_lazy_layers_become_ordinary():
    data = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    states, texts = [], []
    for lib in (minitorch, torch):
        nn = lib.nn
        lib.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = nn.Sequential(
                nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.LazyConvTranspose2d(2, 3, stride=2),
                nn.LazyInstanceNorm2d(affine=True), nn.Flatten(), nn.LazyLinear(5), nn.LazyBatchNorm1d(),
            )  # fmt: skip
            before = repr(model)
            model(lib.tensor(data))
        texts.append((before, repr(model), [type(m).__name__ for m in model]))
        states.append(model.state_dict())
    assert texts[0] == texts[1]
    assert list(states[0]) == list(states[1])
    for key, value in states[1].items():
        assert_same(states[0][key], value, where=key)


def test_lazy_layers_load_and_copy():
    ordinary = minitorch.nn.Linear(4, 3)
    lazy = minitorch.nn.LazyLinear(3)
    assert lazy.has_uninitialized_params() and repr(lazy.weight) == "<UninitializedParameter>"
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
        lazy.weight.shape  # noqa: B018 - the access raises
    copied = copy.deepcopy(lazy)
    assert copied.has_uninitialized_params()
    lazy.load_state_dict(ordinary.state_dict())
    np.testing.assert_array_equal(lazy.weight.detach().numpy(), ordinary.weight.detach().numpy())
    lazy(minitorch.ones(1, 4))
    assert type(lazy) is minitorch.nn.Linear and lazy.in_features == 4
    assert type(lazy.weight) is minitorch.nn.Parameter and lazy.weight.is_leaf and lazy.weight.requires_grad
    with pytest.raises(RuntimeError, match="Expected 3D"):
        minitorch.nn.LazyConv2d(2, 3)(minitorch.ones(2, 2))


def test_transformer_zeroes_padding_where_torch_does():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        layer = torch.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        true = torch.nn.TransformerEncoder(layer, 2).eval()
        minitorch.manual_seed(0)
        mine = minitorch.nn.TransformerEncoder(
            minitorch.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2
        ).eval()
    assert_same_state(mine, true)
    data = x(2, 5, 4, dtype=torch.float32).detach()
    ours = minitorch.tensor(data.numpy())
    for padding in ([[0, 0, 0, 1, 1], [0, 0, 0, 0, 1]], [[0, 1, 0, 0, 1], [0, 0, 0, 0, 1]]):
        mask = torch.tensor(padding, dtype=torch.bool)
        with torch.no_grad(), minitorch.no_grad():
            expected = true(data, src_key_padding_mask=mask)
            output = mine(ours, src_key_padding_mask=minitorch.tensor(mask.numpy()))
        assert_same(output, expected, where=str(padding))


def test_causal_mask_and_decoder():
    torch.manual_seed(0)
    true = torch.nn.Transformer(4, 2, 1, 2, 8, dropout=0.2, batch_first=True, norm_first=True)
    minitorch.manual_seed(0)
    mine = minitorch.nn.Transformer(4, 2, 1, 2, 8, dropout=0.2, batch_first=True, norm_first=True)
    assert_same_state(mine, true)
    assert_same_text(mine, true)
    mine.double(), true.double()
    mask = torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64)
    assert_same(minitorch.nn.Transformer.generate_square_subsequent_mask(4, dtype=minitorch.float64), mask)
    assert_same_call(mine, true, x(2, 3, 4), x(2, 4, 4, seed=1), tgt_mask=mask, tolerance=1e-11, seed=5)


def test_new_tensors_take_dtype():
    for lib in (minitorch, torch):
        lib.manual_seed(0)
    mine, true = make("Linear", 3, 2, dtype=torch.float64)
    assert_same_state(mine, true)
    mine, true = make("LSTM", 3, 2, dtype=torch.float64)
    assert_same_state(mine, true)


def test_data_parallel_holds_the_module():
    model = minitorch.nn.DataParallel(minitorch.nn.Linear(2, 3))
    assert list(model.state_dict()) == list(torch.nn.DataParallel(torch.nn.Linear(2, 3)).state_dict())
    assert model(minitorch.ones(1, 2)).shape == (1, 3)
