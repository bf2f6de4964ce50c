"""Recurrent layers and packed sequences against torch, beyond what torch's module database tries."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nn_against_torch import assert_same_call, assert_same_state, assert_same_text, make, minitorch  # noqa: E402

from parity.harness import assert_same  # noqa: E402

TOLERANCE = 1e-11
KINDS = ["RNN", "LSTM", "GRU"]


def x(*shape, seed=0, dtype=np.float64):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(dtype)).requires_grad_(True)


def build(kind, *args, **options):
    mine, true = make(kind, *args, **options)
    assert_same_state(mine, true)
    assert_same_text(mine, true)
    return mine.double(), true.double()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("layers", "bidirectional", "batch_first", "bias"),
    [(1, False, False, True), (2, True, True, True), (3, True, False, False), (1, True, False, True)],
)
def test_sequences(kind, layers, bidirectional, batch_first, bias):
    options = dict(num_layers=layers, bidirectional=bidirectional, batch_first=batch_first, bias=bias)
    mine, true = build(kind, 3, 4, **options)
    directions = 2 if bidirectional else 1
    h = x(layers * directions, 2, 4, seed=1)
    state = (h, x(layers * directions, 2, 4, seed=2)) if kind == "LSTM" else h
    data = x(2, 5, 3) if batch_first else x(5, 2, 3)
    assert_same_call(mine, true, data, tolerance=TOLERANCE)
    assert_same_call(mine, true, data, state, tolerance=TOLERANCE)
    single = (state[0][:, 0], state[1][:, 0]) if kind == "LSTM" else state[:, 0]
    assert_same_call(mine, true, x(5, 3), single, tolerance=TOLERANCE)
    assert_same_call(mine, true, x(5, 3), tolerance=TOLERANCE)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_projections(bidirectional):
    mine, true = build("LSTM", 3, 5, num_layers=2, proj_size=2, bidirectional=bidirectional)
    directions = 2 if bidirectional else 1
    state = (x(2 * directions, 2, 2, seed=1), x(2 * directions, 2, 5, seed=2))
    assert_same_call(mine, true, x(4, 2, 3), state, tolerance=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_relu_dropout_and_modes(kind):
    options = {"nonlinearity": "relu"} if kind == "RNN" else {}
    mine, true = build(kind, 3, 4, num_layers=3, dropout=0.4, **options)
    assert_same_call(mine, true, x(6, 2, 3), seed=11, tolerance=TOLERANCE)
    mine.eval(), true.eval()
    assert_same_call(mine, true, x(6, 2, 3), tolerance=TOLERANCE)


def packed(library, data, lengths, **options):
    return library.nn.utils.rnn.pack_padded_sequence(data, lengths, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [[5, 3, 3, 1], [2, 5, 1, 4], [4, 4, 4, 4]])
def test_packed_sequences(kind, bidirectional, lengths):
    mine, true = build(kind, 3, 4, num_layers=2, bidirectional=bidirectional)
    results = []
    for library, layer in ((minitorch, mine), (torch, true)):
        data = library.tensor(x(5, 4, 3).detach().numpy()).requires_grad_(True)
        sequence = packed(library, data, lengths, enforce_sorted=False)
        h = library.tensor(x(4 if bidirectional else 2, 4, 4, seed=3).detach().numpy())
        output, last = layer(sequence, (h, h) if kind == "LSTM" else h)
        padded, sizes = library.nn.utils.rnn.pad_packed_sequence(output)
        last = last if isinstance(last, tuple) else (last,)
        loss = (padded**2).sum() + sum((s**3).sum() for s in last)
        loss.backward()
        gradients = [p.grad for p in layer.parameters()]
        results.append([padded, sizes, *last, *output, data.grad, *gradients])
    for a, b in zip(*results, strict=True):
        assert_same(a, b, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(("batch_first", "sort"), [(False, False), (False, True), (True, False), (True, True)])
def test_packing_and_padding(batch_first, sort):
    lengths = [4, 2, 2, 1] if sort else [2, 4, 1, 2]
    results = []
    for library in (minitorch, torch):
        rnn = library.nn.utils.rnn
        data = library.tensor(x(4, 4, 3).detach().numpy()).requires_grad_(True)
        sequence = rnn.pack_padded_sequence(data, library.tensor(lengths), batch_first, enforce_sorted=sort)
        padded = rnn.pad_packed_sequence(sequence, batch_first, padding_value=-1.0, total_length=6)
        (padded[0] ** 2).sum().backward()
        parts = [library.tensor(x(n, 2, seed=n).detach().numpy()) for n in lengths]
        options = {} if sort else {"padding_side": "left"}
        together = rnn.pad_sequence(parts, batch_first, 7.0, **options)
        several = rnn.pack_sequence(parts, enforce_sorted=sort)
        apart = rnn.unpack_sequence(several)
        cut = rnn.unpad_sequence(rnn.pad_sequence(parts, batch_first), library.tensor(lengths), batch_first)
        inverse = [] if sort else [rnn.invert_permutation(sequence.sorted_indices)]
        results.append(
            [
                *[t for t in sequence if t is not None],
                *padded,
                data.grad,
                together,
                several.data,
                *apart,
                *cut,
                *inverse,
            ]
        )
        assert sequence.double().data.dtype is library.float64 and not sequence.is_cuda
    for a, b in zip(*results, strict=True):
        assert_same(a, b)


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("bias", [True, False])
def test_cells(kind, bias):
    mine, true = build(kind, 3, 4, bias=bias)
    h = (x(2, 4, seed=1), x(2, 4, seed=2)) if kind == "LSTMCell" else x(2, 4, seed=1)
    assert_same_call(mine, true, x(2, 3), h, tolerance=TOLERANCE)
    assert_same_call(mine, true, x(2, 3), tolerance=TOLERANCE)
    single = (x(4, seed=1), x(4, seed=2)) if kind == "LSTMCell" else x(4, seed=1)
    assert_same_call(mine, true, x(3), single, tolerance=TOLERANCE)
    if kind == "RNNCell":
        assert_same_call(*build(kind, 3, 4, bias, "relu"), x(2, 3), tolerance=TOLERANCE)


def test_layers_are_cells_in_a_row():
    """The definition: a layer over a sequence is its cell, step after step."""
    for kind in KINDS:
        layer = getattr(minitorch.nn, kind)(3, 4).double()
        cell = getattr(minitorch.nn, f"{kind}Cell")(3, 4).double()
        cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
        data, state = minitorch.tensor(x(5, 2, 3).detach().numpy()), None
        steps = []
        for step in data:
            state = cell(step, state)
            steps.append(state[0] if kind == "LSTM" else state)
        output, _ = layer(data)
        assert_same(output, minitorch.stack(steps).detach().numpy(), rtol=1e-14, atol=1e-14)


def test_second_derivatives():
    """The gradient of a gradient through an LSTM."""
    mine, true = build("LSTM", 2, 3)
    results = []
    for library, layer in ((minitorch, mine), (torch, true)):
        data = library.tensor(x(3, 1, 2).detach().numpy()).requires_grad_(True)
        output, _ = layer(data)
        (g,) = library.autograd.grad((output**2).sum(), [data], create_graph=True)
        results.append(library.autograd.grad((g**2).sum(), [data, *layer.parameters()]))
    for a, b in zip(*results, strict=True):
        assert_same(a, b, rtol=TOLERANCE, atol=TOLERANCE)


REFUSED = [
    lambda lib: lib.nn.LSTM(3, 0),
    lambda lib: lib.nn.LSTM(0, 3),
    lambda lib: lib.nn.LSTM(3, 4, num_layers=0),
    lambda lib: lib.nn.LSTM(3, 4.5),
    lambda lib: lib.nn.LSTM(3, 4, bias=1),
    lambda lib: lib.nn.LSTM(3, 4, batch_first=1),
    lambda lib: lib.nn.LSTM(3, 4, dropout=1.5),
    lambda lib: lib.nn.LSTM(3, 4, proj_size=-1),
    lambda lib: lib.nn.LSTM(3, 4, proj_size=4),
    lambda lib: lib.nn.GRU(3, 4, proj_size=2),
    lambda lib: lib.nn.RNN(3, 4, nonlinearity="sigmoid"),
    lambda lib: lib.nn.GRU(3, 4)(lib.ones(2, 2, 5)),
    lambda lib: lib.nn.GRU(3, 4)(lib.ones(2, 2, 3, dtype=lib.float64)),
    lambda lib: lib.nn.GRU(3, 4)(lib.ones(2, 2, 3), lib.ones(1, 3, 4)),
    lambda lib: lib.nn.GRU(3, 4)(lib.ones(2, 2, 3), lib.ones(1, 4)),
    lambda lib: lib.nn.GRU(3, 4)(lib.ones(2, 3), lib.ones(1, 2, 4)),
    lambda lib: lib.nn.GRU(3, 4)(lib.ones(3)),
    lambda lib: lib.nn.LSTM(3, 4)(lib.ones(3)),
    lambda lib: lib.nn.LSTM(3, 4)(lib.ones(2, 2, 3), (lib.ones(1, 2, 4), lib.ones(1, 2, 5))),
    lambda lib: lib.nn.LSTM(3, 4)(lib.ones(2, 2, 3), (lib.ones(1, 2, 5), lib.ones(1, 2, 4))),
    lambda lib: lib.nn.LSTM(3, 4)(lib.ones(2, 2, 3), (lib.ones(1, 4), lib.ones(1, 4))),
    lambda lib: lib.nn.LSTM(3, 4)(lib.ones(2, 3), (lib.ones(1, 1, 4), lib.ones(1, 1, 4))),
    lambda lib: lib.nn.LSTMCell(3, 4)(lib.ones(2, 2, 3)),
    lambda lib: lib.nn.GRUCell(3, 4)(lib.ones(2, 3), lib.ones(1, 2, 4)),
    lambda lib: lib.nn.RNNCell(3, 4, nonlinearity="sigmoid")(lib.ones(2, 3)),
    lambda lib: lib.nn.RNNCell(3, 4)(lib.ones(2, 5)),
    lambda lib: lib.nn.RNNCell(3, 4)(lib.ones(2, 3), lib.ones(3, 4)),
    lambda lib: lib.nn.RNNCell(3, 4)(lib.ones(2, 3), lib.ones(2, 5)),
    lambda lib: packed(lib, lib.ones(3, 2, 1), [2, 3]),
    lambda lib: packed(lib, lib.ones(3, 2, 1), [2, 0]),
    lambda lib: packed(lib, lib.ones(3, 2, 1), [2]),
    lambda lib: lib.nn.utils.rnn.pad_packed_sequence(packed(lib, lib.ones(3, 2, 1), [3, 2]), total_length=2),
    lambda lib: lib.nn.utils.rnn.pad_sequence(3),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(REFUSED)))
def test_error_classes_are_those_of_torch(i):
    errors = []
    for lib in (minitorch, torch):
        with pytest.raises(Exception) as raised, warnings.catch_warnings():  # noqa: B017 - the class is compared below
            warnings.simplefilter("ignore")
            REFUSED[i](lib)
        errors.append(raised.value)
    assert type(errors[0]) is type(errors[1]), errors


def test_weights_that_are_replaced_are_used():
    layer = minitorch.nn.GRU(2, 2)
    data = minitorch.ones(1, 1, 2)
    before = layer(data)[0].detach().numpy()
    with minitorch.no_grad():
        weight = layer.weight_ih_l0 * 2
    del layer.weight_ih_l0
    layer.weight_ih_l0 = weight
    assert not np.array_equal(layer(data)[0].detach().numpy(), before)
    layer.flatten_parameters()
    assert [len(group) for group in layer.all_weights] == [4]


def test_lengths_beyond_the_data_are_refused():
    # torch reads past the end here.
    with pytest.raises(RuntimeError, match="Expected lengths of at most 3"):
        packed(minitorch, minitorch.ones(3, 2, 1), [4, 1])
