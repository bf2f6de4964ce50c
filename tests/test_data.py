"""utils.data: the same batches in the same order as torch, for the same seed, whatever else draws in between."""

import warnings
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from minitorch.utils import data as ours

torch = pytest.importorskip("torch")
theirs = torch.utils.data

BOTH = ((minitorch, ours), (torch, theirs))


def same(mine, expected):
    """Equal in structure, types of containers, dtypes and values."""
    if isinstance(expected, torch.Tensor):
        assert isinstance(mine, minitorch.Tensor)
        assert str(mine.dtype) == str(expected.dtype) and tuple(mine.shape) == tuple(expected.shape)
        np.testing.assert_array_equal(mine.numpy(), expected.numpy())
    elif isinstance(expected, dict):
        assert type(mine) is type(expected) and list(mine) == list(expected)
        for key in expected:
            same(mine[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert type(mine) is type(expected) and len(mine) == len(expected)
        for one, other in zip(mine, expected, strict=True):
            same(one, other)
    else:
        assert type(mine) is type(expected) and mine == expected


def compare(run):
    """`run(library, data)` on both sides: the same result, or errors of one class."""
    results = []
    for library, data in BOTH:
        library.manual_seed(1234)
        try:
            results.append((run(library, data), None))
        except Exception as error:
            results.append((None, type(error)))
    (mine, my_error), (expected, their_error) = results
    assert my_error is their_error
    same(mine, expected)


def after(library):
    """A number drawn afterwards: equal only if everything before drew the same amount."""
    return library.randint(0, 2**31, (3,)).tolist()


# Samplers


SAMPLERS = {
    "sequential": lambda data, n, generator: data.SequentialSampler(range(n)),
    "random": lambda data, n, generator: data.RandomSampler(range(n), generator=generator),
    "random, more": lambda data, n, generator: data.RandomSampler(range(n), num_samples=2 * n + 3, generator=generator),
    "random, fewer": lambda data, n, generator: data.RandomSampler(range(n), num_samples=1, generator=generator),
    "replacement": lambda data, n, generator: data.RandomSampler(range(n), replacement=True, generator=generator),
    "replacement, 70": lambda data, n, generator: data.RandomSampler(
        range(n), replacement=True, num_samples=70, generator=generator
    ),
    "subset": lambda data, n, generator: data.SubsetRandomSampler([7 * i for i in range(n)], generator=generator),
    "weighted": lambda data, n, generator: data.WeightedRandomSampler(
        [1.0 + i % 3 for i in range(n)], 2 * n, generator=generator
    ),
    "weighted, distinct": lambda data, n, generator: data.WeightedRandomSampler(
        [1.0 + i % 3 for i in range(n)], n, replacement=False, generator=generator
    ),
}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize("n", [1, 2, 33, 100])
def test_samplers_give_torchs_order(name, own_generator, n):
    def run(library, data):
        generator = library.Generator().manual_seed(5) if own_generator else None
        sampler = SAMPLERS[name](data, n, generator)
        return [list(sampler), list(sampler), len(sampler), after(library)]

    compare(run)


@settings(deadline=None, max_examples=40)
@given(n=st.integers(0, 30), size=st.integers(1, 12), drop_last=st.booleans())
def test_batch_sampler(n, size, drop_last):
    def run(library, data):
        sampler = data.BatchSampler(data.SequentialSampler(range(n)), size, drop_last)
        return [list(sampler), len(sampler), list(data.BatchSampler(iter("abcdefg"[:n]), size, drop_last))]

    compare(run)


@pytest.mark.parametrize(
    "make",
    [
        lambda data: data.RandomSampler([]),
        lambda data: data.RandomSampler([1], replacement=1),
        lambda data: data.RandomSampler([1], num_samples=0),
        lambda data: data.RandomSampler([1], num_samples=2.0),
        lambda data: data.WeightedRandomSampler([1.0], 0),
        lambda data: data.WeightedRandomSampler([1.0], True),
        lambda data: data.WeightedRandomSampler([1.0], 1, replacement=None),
        lambda data: data.WeightedRandomSampler([[1.0]], 1),
        lambda data: list(data.WeightedRandomSampler([-1.0, 2.0], 1)),
        lambda data: list(data.WeightedRandomSampler([1.0], 2, replacement=False)),
        lambda data: data.BatchSampler([1], 0, False),
        lambda data: data.BatchSampler([1], True, False),
        lambda data: data.BatchSampler([1], 1, 0),
    ],
)
def test_bad_samplers(make):
    compare(lambda library, data: make(data))


# Data sets


def numbers(library, n=10):
    return library.arange(3 * n).reshape(n, 3)


@pytest.mark.parametrize(
    "lengths", [[3, 7], [0, 10], [0.5, 0.5], [0.33, 0.33, 0.34], [1.0], [10], [0.3, 0.3, 0.3, 0.1], [3, 3], [1.5, -0.5]]
)
@pytest.mark.parametrize("own_generator", [False, True])
def test_random_split(lengths, own_generator):
    def run(library, data):
        options = {"generator": library.Generator().manual_seed(3)} if own_generator else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parts = data.random_split(range(10), lengths, **options)
        return [[list(part.indices) for part in parts], [part[0] for part in parts if len(part)], after(library)]

    compare(run)


def test_random_split_warns_of_empty_parts():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        ours.random_split(range(10), [1.0, 0.0])


def test_data_sets_of_tensors_and_their_combinations():
    def run(library, data):
        one = data.TensorDataset(numbers(library), library.arange(10))
        two = data.Subset(data.TensorDataset(numbers(library, 4), library.arange(4)), [3, 1])
        both = one + two
        stacked = data.StackDataset(one, two + two + two + two + two)
        named = data.StackDataset(x=one, y=one)
        return [
            [len(one), len(two), len(both), len(stacked), both.cumulative_sizes],
            [list(one[3]), list(one[-1]), list(two[1]), list(both[11]), list(both[-1]), list(both[-12])],
            [list(entry) for entry in stacked[4]],
            {key: list(value) for key, value in named[2].items()},
            [[list(entry) for entry in sample] for sample in stacked.__getitems__([1, 9])],
            [list(sample) for sample in two.__getitems__([1, 0, 1])],
        ]

    compare(run)


@pytest.mark.parametrize(
    "make",
    [
        lambda library, data: data.TensorDataset(library.zeros(2), library.zeros(3)),
        lambda library, data: data.ConcatDataset([]),
        lambda library, data: data.IterableDataset(),
        lambda library, data: data.ConcatDataset([data.ChainDataset([])]),
        lambda library, data: data.ConcatDataset([[1], [2]])[-3],
        lambda library, data: data.StackDataset(),
        lambda library, data: data.StackDataset([1], [1, 2]),
        lambda library, data: data.StackDataset([1], a=[1]),
        lambda library, data: list(data.ChainDataset([[1, 2]])),
        lambda library, data: data.Dataset()[0],
    ],
)
def test_bad_data_sets(make):
    compare(lambda library, data: make(library, data))


def test_a_subset_must_override_both_ways_of_access():
    class Half(ours.Subset):
        def __getitem__(self, index):
            return None

    with pytest.raises(NotImplementedError, match="__getitems__"):
        Half([1, 2], [0])


# Collation


Point = namedtuple("Point", ["x", "y"])


class Attributes(dict):
    """A mapping that carries more than its items."""

    extra = None


SAMPLES = {
    "tensors": lambda library: [library.arange(3), library.arange(3) + 1],
    "float arrays": lambda library: [np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32)],
    "array scalars": lambda library: [np.float32(1.5), np.float32(2)],
    "array bools": lambda library: [np.bool_(True), np.bool_(False)],
    "zero-dim arrays": lambda library: [np.array(1), np.array(2)],
    "floats": lambda library: [1.5, 2.0],
    "integers": lambda library: [1, 2, 3],
    "bools": lambda library: [True, False],
    "texts": lambda library: ["a", "b"],
    "bytes": lambda library: [b"a", b"b"],
    "tuples": lambda library: [(1, 2.0, "x"), (3, 4.0, "y")],
    "lists": lambda library: [[1, [2.0, 3.0]], [4, [5.0, 6.0]]],
    "dicts": lambda library: [{"a": 1, "b": [2.0]}, {"b": [3.0], "a": 4}],
    "ordered": lambda library: [OrderedDict(b=1, a=2), OrderedDict(b=3, a=4)],
    "namedtuples": lambda library: [Point(1, "u"), Point(2, "v")],
    "ranges": lambda library: [range(3), range(3, 6)],
    "nested": lambda library: [{"x": (library.ones(2), Point(1, 2.0))}, {"x": (library.zeros(2), Point(3, 4.0))}],
    "unequal lists": lambda library: [[1, 2], [3]],
    "unequal tensors": lambda library: [library.ones(2), library.ones(3)],
    "texts in arrays": lambda library: [np.array("a"), np.array("b")],
    "objects": lambda library: [object(), object()],
    "nothing": lambda library: [None, None],
}


@pytest.mark.parametrize("name", SAMPLES)
def test_collate(name):
    compare(lambda library, data: data.default_collate(SAMPLES[name](library)))


CONVERTED = {
    "array": lambda library: np.arange(3.0),
    "array scalar": lambda library: np.float64(2),
    "text array": lambda library: np.array("a"),
    "tensor": lambda library: library.ones(2),
    "number": lambda library: 3,
    "text": lambda library: "text",
    "tuple": lambda library: (np.ones(2), "a"),
    "list": lambda library: [np.ones(2), 5],
    "dict": lambda library: {"k": np.ones(1), "l": None},
    "namedtuple": lambda library: Point(np.ones(1), 2),
    "range": lambda library: range(2),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_convert(name):
    compare(lambda library, data: data.default_convert(CONVERTED[name](library)))


def test_collate_keeps_what_containers_carry_and_takes_other_functions():
    first, second = Attributes(a=1), Attributes(a=2)
    first.extra = "kept"
    merged = ours.default_collate([first, second])
    assert type(merged) is Attributes and merged.extra == "kept" and merged["a"].tolist() == [1, 2]
    from minitorch.utils.data.collate import collate

    assert collate([1, 2], collate_fn_map={int: lambda batch, *, collate_fn_map: sum(batch)}) == 3


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(("n", "replicas"), [(10, 3), (9, 3), (2, 5), (7, 1)])
def test_distributed_sampler(shuffle, drop_last, n, replicas):
    def run(library, data):
        seen = []
        for rank in range(replicas):
            sampler = data.DistributedSampler(range(n), replicas, rank, shuffle=shuffle, seed=5, drop_last=drop_last)
            sampler.set_epoch(rank % 2)
            seen += [len(sampler), list(sampler)]
        return seen

    compare(run)


def test_distributed_sampler_refuses_a_rank_that_is_not_there():
    compare(lambda library, data: data.DistributedSampler(range(3), 2, 2))


# DataLoader


def rows(library, data, n=11):
    return data.TensorDataset(numbers(library, n), library.arange(n))


OPTIONS = {
    "plain": {},
    "batches": dict(batch_size=4),
    "shuffled": dict(batch_size=4, shuffle=True),
    "dropping": dict(batch_size=4, shuffle=True, drop_last=True),
    "single samples": dict(batch_size=None),
    "single samples, shuffled": dict(batch_size=None, shuffle=True),
    "sampler": dict(batch_size=3, sampler=[5, 1, 1, 9]),
    "batch sampler": dict(batch_sampler=[[5, 1], [2], [3, 4, 5]]),
    "collate": dict(batch_size=4, collate_fn=len),
}


@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize("name", OPTIONS)
def test_loader_gives_torchs_batches(name, own_generator):
    def run(library, data):
        options = dict(OPTIONS[name])
        if own_generator:
            options["generator"] = library.Generator().manual_seed(11)
        loader = data.DataLoader(rows(library, data), **options)
        seen = [len(loader)]
        for _ in range(2):
            for batch in loader:
                seen.append(batch if isinstance(batch, int) else list(batch))
                seen.append(after(library))  # somebody else draws between two batches
        return [seen, after(library)]

    compare(run)


@pytest.mark.parametrize("own_generator", [False, True])
def test_workers_seed_is_torchs(own_generator):
    def run(library, data):
        options = {"generator": library.Generator().manual_seed(4)} if own_generator else {}
        return [iter(data.DataLoader([1, 2], **options))._base_seed for _ in range(20)]

    compare(run)


def test_draws_with_replacement_are_made_in_torchs_blocks():
    """Seen when the generator is used for something else before the sampler is exhausted."""

    def run(library, data):
        generator = library.Generator().manual_seed(0)
        draws = iter(data.RandomSampler(range(10), replacement=True, num_samples=70, generator=generator))
        return [[next(draws) for _ in range(33)], library.randint(0, 1000, (3,), generator=generator).tolist()]

    compare(run)


@settings(deadline=None, max_examples=30)
@given(n=st.integers(1, 40), size=st.integers(1, 9), drop_last=st.booleans(), seed=st.integers(0, 2**64 - 1))
def test_epochs_of_shuffled_batches(n, size, drop_last, seed):
    def run(library, data):
        library.manual_seed(seed)
        loader = data.DataLoader(list(range(n)), batch_size=size, shuffle=True, drop_last=drop_last)
        return [[list(loader) for _ in range(3)], after(library)]

    compare(run)


@pytest.mark.parametrize("options", [{}, dict(batch_size=3), dict(batch_size=3, drop_last=True), dict(batch_size=None)])
def test_loader_of_a_stream(options):
    def run(library, data):
        class Stream(data.IterableDataset):
            def __iter__(self):
                return iter(range(8))

            def __len__(self):
                return 8

        loader = data.DataLoader(Stream() + Stream(), **options)
        return [len(loader), list(loader), list(loader), after(library)]

    compare(run)


def test_loader_warns_when_a_stream_is_longer_than_it_said():
    class Stream(ours.IterableDataset):
        def __iter__(self):
            return iter(range(3))

        def __len__(self):
            return 2

    loader = ours.DataLoader(Stream())
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="was reported to be 2"):
        assert len(list(loader)) == 3


def test_loader_uses_the_data_sets_own_batches():
    class Batches(ours.Dataset):
        def __len__(self):
            return 4

        def __getitems__(self, indices):
            return [-index for index in indices]

    assert [batch.tolist() for batch in ours.DataLoader(Batches(), batch_size=3)] == [[0, -1, -2], [-3]]


@pytest.mark.parametrize(
    "options",
    [
        dict(num_workers=-1),
        dict(timeout=-1),
        dict(prefetch_factor=2),
        dict(persistent_workers=True),
        dict(multiprocessing_context="spawn"),
        dict(multiprocessing_context="threads", num_workers=1),
        dict(multiprocessing_context=3, num_workers=1),
        dict(sampler=[1], shuffle=True),
        dict(batch_sampler=[[1]], batch_size=2),
        dict(batch_sampler=[[1]], shuffle=True),
        dict(batch_sampler=[[1]], drop_last=True),
        dict(batch_size=None, drop_last=True),
        dict(batch_size=0),
        dict(shuffle=True, num_workers=0, batch_size=True),
    ],
)
def test_loader_refuses_what_excludes_itself(options):
    compare(lambda library, data: data.DataLoader([1, 2, 3], **options) and None)


@pytest.mark.parametrize("options", [dict(shuffle=True), dict(sampler=[1]), dict(batch_sampler=[[1]])])
def test_loader_refuses_an_order_for_streams(options):
    compare(lambda library, data: data.DataLoader(data.ChainDataset([]), **options) and None)


@pytest.mark.parametrize("name", ["batch_size", "sampler", "batch_sampler", "drop_last", "dataset"])
def test_loader_keeps_its_parts(name):
    def run(library, data):
        setattr(data.DataLoader([1]), name, None)

    compare(run)
    loader = ours.DataLoader([1])
    loader.collate_fn = len  # what may change, may change
    assert list(loader) == [1]


@pytest.mark.parametrize("skipped", [0, 1, 3, 4])
def test_skipping_goes_on_as_if_the_batches_had_been_taken(skipped):
    def batches(skip):
        minitorch.manual_seed(7)
        iterator = iter(ours.DataLoader(list(range(14)), batch_size=4, shuffle=True))
        if skip:
            iterator.skip(skipped)
        else:
            for _ in range(skipped):
                next(iterator)
        return [batch.tolist() for batch in iterator], after(minitorch)

    assert batches(True) == batches(False)
