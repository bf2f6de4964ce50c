"""Learning rate schedules and weight averages against torch."""

import copy
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
import minitorch.nn  # noqa: E402
import minitorch.optim  # noqa: E402


class Halve:
    """A callable object, whose attributes belong to the scheduler's state."""

    def __init__(self):
        self.base = 0.5

    def __call__(self, epoch):
        return self.base**epoch


# Each makes a scheduler from a library's `lr_scheduler` and an optimizer of two groups.
SCHEDULES = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda e: 0.95**e),
    "LambdaLR of groups": lambda s, o: s.LambdaLR(o, [lambda e: 0.95**e, Halve()]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.9 + 0.01 * e),
    "StepLR": lambda s, o: s.StepLR(o, 3, gamma=0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9], gamma=0.5),
    "ConstantLR": lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=4),
    "LinearLR": lambda s, o: s.LinearLR(o, start_factor=0.3, end_factor=0.8, total_iters=7),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, total_iters=6, power=2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 6, eta_min=0.01),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.01),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.5, step_size_up=4, step_size_down=3),
    "CyclicLR triangular2": lambda s, o: s.CyclicLR(o, [0.01, 0.02], [0.5, 0.3], step_size_up=3, mode="triangular2"),
    "CyclicLR exp_range": lambda s, o: s.CyclicLR(
        o, 0.01, 0.5, step_size_up=3, mode="exp_range", gamma=0.9, cycle_momentum=False
    ),
    "CyclicLR scale_fn": lambda s, o: s.CyclicLR(
        o, 0.01, 0.5, step_size_up=3, scale_fn=lambda x: 1 / x, base_momentum=0.7, max_momentum=0.99
    ),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, max_lr=0.5, total_steps=20),
    "OneCycleLR linear": lambda s, o: s.OneCycleLR(
        o, max_lr=[0.5, 0.2], epochs=4, steps_per_epoch=5, anneal_strategy="linear", pct_start=0.4, three_phase=True
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9)]),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=4), s.CosineAnnealingLR(o, 6), s.ExponentialLR(o, 0.9)], [4, 9]
    ),
    "SWALR": lambda s, o: swa_of(s).SWALR(o, 0.05, anneal_epochs=4),
    "SWALR linear": lambda s, o: swa_of(s).SWALR(o, [0.05, 0.02], anneal_epochs=3, anneal_strategy="linear"),
}


def swa_of(schedulers):
    return minitorch.optim.swa_utils if schedulers.__name__.startswith("minitorch") else torch.optim.swa_utils


def optimizer_of(library, name="SGD"):
    a, b = library.ones(2).requires_grad_(True), library.ones(1).requires_grad_(True)
    options = {"momentum": 0.9} if name == "SGD" else {}
    return getattr(library.optim, name)([{"params": [a]}, {"params": [b], "lr": 0.05}], lr=0.1, **options)


def walk(optimizer, scheduler, steps=18):
    """Learning rates, and momenta, after each step."""
    rows = []
    for _ in range(steps):
        groups = optimizer.param_groups
        rows.append([(g["lr"], g.get("momentum"), g.get("betas")) for g in groups] + [scheduler.get_last_lr()])
        optimizer.step()
        scheduler.step()
    return rows


@pytest.mark.parametrize("optimizer_name", ["SGD", "Adam"])
@pytest.mark.parametrize("name", list(SCHEDULES))
def test_rates_equal_torch(name, optimizer_name):
    rows = []
    for library in (minitorch, torch):
        optimizer = optimizer_of(library, optimizer_name)
        rows.append(walk(optimizer, SCHEDULES[name](library.optim.lr_scheduler, optimizer)))
    assert rows[0] == rows[1]


@pytest.mark.parametrize("name", [name for name in SCHEDULES if not name.startswith(("Chained", "Sequential"))])
def test_resuming_equals_going_on(name):
    optimizer = optimizer_of(minitorch)
    scheduler = SCHEDULES[name](minitorch.optim.lr_scheduler, optimizer)
    walk(optimizer, scheduler, 7)
    saved = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    expected = walk(optimizer, scheduler, 8)
    other = optimizer_of(minitorch)
    resumed = SCHEDULES[name](minitorch.optim.lr_scheduler, other)
    other.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    other.step()  # so that the scheduler does not complain about the order
    assert walk(other, resumed, 8) == expected


@pytest.mark.parametrize("name", ["StepLR", "CosineAnnealingLR", "LambdaLR of groups", "SequentialLR", "CyclicLR"])
def test_state_has_torch_names(name):
    states = []
    for library in (minitorch, torch):
        optimizer = optimizer_of(library)
        scheduler = SCHEDULES[name](library.optim.lr_scheduler, optimizer)
        walk(optimizer, scheduler, 3)
        states.append(scheduler.state_dict())
    missing = set(states[1]) - set(states[0])
    # torch keeps a reference to a function here, without which it could not be restored.
    assert missing <= {"_get_lr_called_within_step", "_is_initial"}, missing


@pytest.mark.parametrize("last_epoch", [3, 8])
@pytest.mark.parametrize("name", ["StepLR", "CosineAnnealingLR", "LinearLR", "ExponentialLR", "MultiStepLR"])
def test_closed_form_and_last_epoch(name, last_epoch):
    options = {"StepLR": (3,), "CosineAnnealingLR": (10,), "ExponentialLR": (0.9,), "MultiStepLR": ([2, 5],)}
    rates = []
    for library in (minitorch, torch):
        cls = getattr(library.optim.lr_scheduler, name)
        optimizer = optimizer_of(library)
        scheduler = cls(optimizer, *options.get(name, ()))
        optimizer.step()
        with pytest.warns(UserWarning, match="epoch parameter in"):
            scheduler.step(last_epoch)
        row = [scheduler.get_last_lr()]
        again = optimizer_of(library)
        with pytest.raises(KeyError, match="initial_lr"):
            cls(again, *options.get(name, ()), last_epoch=last_epoch)
        for group in again.param_groups:
            group["initial_lr"] = group["lr"]
        row.append(cls(again, *options.get(name, ()), last_epoch=last_epoch).get_last_lr())
        rates.append(row)
    assert rates[0] == rates[1]


@pytest.mark.parametrize(
    "options",
    [
        {}, {"mode": "max", "patience": 1}, {"patience": 2, "cooldown": 2, "factor": 0.5},
        {"min_lr": [0.04, 0.01], "patience": 0}, {"threshold_mode": "abs", "threshold": 0.2, "patience": 1},
        {"mode": "max", "threshold_mode": "abs", "patience": 1},
    ],
)  # fmt: skip
def test_reduce_on_plateau(options):
    measures = [1.0, 0.9, 0.95, 0.95, 0.9, 0.91, 0.89, 0.95, 0.95, 0.95, 0.95, 0.1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]
    rows = []
    for library in (minitorch, torch):
        optimizer = optimizer_of(library)
        scheduler = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        row = []
        for measure in measures:
            scheduler.step(library.tensor(measure, dtype=library.float64))
            row.append((scheduler.get_last_lr(), scheduler.num_bad_epochs, scheduler.best, scheduler.in_cooldown))
        rows.append((row, {k: v for k, v in scheduler.state_dict().items() if k != "optimizer"}))
    assert rows[0] == rows[1]


def test_warnings_about_the_order():
    scheduler = minitorch.optim.lr_scheduler.StepLR(optimizer_of(minitorch), 2)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()
    optimizer = optimizer_of(minitorch)
    scheduler = minitorch.optim.lr_scheduler.StepLR(optimizer, 2)
    optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()
    optimizer.step = lambda: None
    scheduler = minitorch.optim.lr_scheduler.StepLR(optimizer_of(minitorch), 2)
    scheduler.optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden"):
        scheduler.step()


def both_raise(call):
    errors = []
    for library in (minitorch, torch):
        with pytest.raises(Exception) as raised:  # noqa: B017 - the class is compared below
            call(library.optim.lr_scheduler, optimizer_of(library), library)
        errors.append(raised.value)
    assert type(errors[0]) is type(errors[1]) and str(errors[0]) == str(errors[1])


@pytest.mark.parametrize(
    "call",
    [
        lambda s, o, lib: s.StepLR(3, 2),
        lambda s, o, lib: s.LambdaLR(o, [lambda e: 1.0]),
        lambda s, o, lib: s.MultiplicativeLR(o, 0.5),
        lambda s, o, lib: s.ConstantLR(o, factor=1.5),
        lambda s, o, lib: s.LinearLR(o, start_factor=0.0),
        lambda s, o, lib: s.LinearLR(o, end_factor=2.0),
        lambda s, o, lib: s.CosineAnnealingWarmRestarts(o, 0),
        lambda s, o, lib: s.CosineAnnealingWarmRestarts(o, 2, T_mult=0),
        lambda s, o, lib: s.CosineAnnealingWarmRestarts(o, 2).step(-1),
        lambda s, o, lib: s.CyclicLR(o, [0.1], 0.2),
        lambda s, o, lib: s.CyclicLR(o, 0.1, 0.2, mode="square"),
        lambda s, o, lib: s.CyclicLR(lib.optim.Adagrad([lib.ones(1)]), 0.1, 0.2),
        lambda s, o, lib: s.OneCycleLR(o, 0.1),
        lambda s, o, lib: s.OneCycleLR(o, 0.1, total_steps=0),
        lambda s, o, lib: s.OneCycleLR(o, 0.1, total_steps=5, pct_start=2.0),
        lambda s, o, lib: s.OneCycleLR(o, 0.1, total_steps=5, anneal_strategy="step"),
        lambda s, o, lib: walk(o, s.OneCycleLR(o, 0.1, total_steps=3), 8),
        lambda s, o, lib: s.ReduceLROnPlateau(o, factor=1.0),
        lambda s, o, lib: s.ReduceLROnPlateau(o, mode="best"),
        lambda s, o, lib: s.ReduceLROnPlateau(o, threshold_mode="both"),
        lambda s, o, lib: s.ReduceLROnPlateau(o, min_lr=[0.1]),
        lambda s, o, lib: s.SequentialLR(o, [], []),
        lambda s, o, lib: s.SequentialLR(o, [s.StepLR(o, 1)], [3]),
        lambda s, o, lib: s.ChainedScheduler([]),
        lambda s, o, lib: s.ChainedScheduler([s.ReduceLROnPlateau(o)]),
        lambda s, o, lib: swa_of(s).SWALR(o, 0.1, anneal_strategy="step"),
        lambda s, o, lib: swa_of(s).SWALR(o, 0.1, anneal_epochs=-1),
        lambda s, o, lib: swa_of(s).get_ema_avg_fn(1.5),
    ],
)
def test_errors_are_those_of_torch(call):
    both_raise(call)


@pytest.mark.parametrize("average", ["swa", "ema", "ema multi", "own", "buffers"])
def test_averaged_model_equals_torch(average):
    results = []
    for library in (minitorch, torch):
        nn, swa = library.nn, library.optim.swa_utils
        library.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        options = {
            "swa": {},
            "ema": {"avg_fn": swa.get_ema_avg_fn(0.9)},
            "ema multi": {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9)},
            "own": {"avg_fn": lambda a, p, n: 0.3 * a + 0.7 * p},
            "buffers": {"use_buffers": True, "multi_avg_fn": swa.get_ema_multi_avg_fn(0.9)},
        }[average]
        averaged = swa.AveragedModel(model, **options)
        batches = [
            library.tensor(np.random.default_rng(i).standard_normal((5, 3)).astype(np.float32)) for i in range(4)
        ]
        optimizer = library.optim.SGD(model.parameters(), lr=0.1)
        for x in batches:
            optimizer.zero_grad()
            (model(x) ** 2).sum().backward()
            optimizer.step()
            averaged.update_parameters(model)
        swa.update_bn(batches, averaged)
        results.append(averaged.state_dict())
        assert averaged(batches[0]).shape == (5, 2)
    ours, theirs = results
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key].numpy(), value.numpy(), rtol=1e-5, atol=1e-6, err_msg=key)
