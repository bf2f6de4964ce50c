"""The profiler: what was called how often, how times and memory nest, and torch's names for all of it."""

import gzip
import json

import numpy as np
import pytest
import torch

import minitorch
from minitorch.autograd import profiler as autograd_profiler
from minitorch.profiler import ProfilerAction, ProfilerActivity, profile, record_function, schedule

state = minitorch.core.state.state


def work():
    x = minitorch.ones(20, 30, requires_grad=True)
    with record_function("forward"):
        z = (x @ x.t()).tanh().sum()
    z.backward()
    return x.grad


def by_key(prof):
    return {e.key: e for e in prof.key_averages()}


def test_counts_ranges_and_backward_nodes():
    plain = work()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as prof:
        found = work()
    np.testing.assert_array_equal(found.numpy(), plain.numpy())
    events = by_key(prof)
    assert events["aten::tanh"].count == events["forward"].count == 1
    assert events["autograd::engine::evaluate_function: TanhBackward0"].count == 1
    assert events["aten::tanh"].cpu_memory_usage == 20 * 20 * 4
    assert (state.trace, state.profile) == (None, None)
    shaped = {(e.key, str(e.input_shapes)) for e in prof.key_averages(group_by_input_shape=True)}
    assert ("aten::tanh", "[[20, 20]]") in shaped


def test_times_nest():
    with profile() as prof:
        work()
    events = prof.events()
    assert all(e.self_cpu_time_total >= 0 and e.cpu_time_total >= e.self_cpu_time_total for e in events)
    # What every event spent by itself adds up to the time of those on top.
    top = sum(e.cpu_time_total for e in events if e.depth == 0)
    assert events.self_cpu_time_total == pytest.approx(top)
    forward = next(e for e in events if e.name == "forward")
    inside = [e for e in events if e.depth == 1 and forward.start <= e.start < forward.start + forward.cpu_time_total]
    assert forward.cpu_memory_usage == sum(e.cpu_memory_usage for e in inside) and len(inside) >= 3


def test_table_and_traces(tmp_path):
    with profile(record_shapes=True) as prof:
        work()
    text = prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=3)
    lines = text.splitlines()
    assert all(
        title in lines[1] for title in ("Name", "Self CPU", "CPU total", "CPU time avg", "CPU Mem", "# of Calls")
    )
    assert len([line for line in lines if line.startswith("-")]) == 3 and len(lines) == 3 + 1 + 3 + 1
    assert "Self CPU time total" in lines[-1]
    for name in ("trace.json", "trace.json.gz"):
        prof.export_chrome_trace(tmp_path / name)
    plain = json.loads((tmp_path / "trace.json").read_text())
    with gzip.open(tmp_path / "trace.json.gz", "rt") as file:
        assert json.load(file) == plain
    assert {e["name"] for e in plain["traceEvents"]} == {e.name for e in prof.events()}


@pytest.mark.filterwarnings("ignore:Profiler won't be using warmup")
@pytest.mark.parametrize("options", [(1, 1, 2, 0, 0), (0, 0, 1, 2, 3), (2, 1, 3, 1, 1), (0, 2, 2, 2, 0)])
def test_schedules_are_torchs(options):
    names = dict(zip(("wait", "warmup", "active", "repeat", "skip_first"), options, strict=True))
    ours, theirs = schedule(**names), torch.profiler.schedule(**names)
    assert [ours(i).name for i in range(20)] == [theirs(i).name for i in range(20)]
    assert ProfilerAction.RECORD.value == torch.profiler.ProfilerAction.RECORD.value


def test_steps_by_schedule():
    seen = []

    def ready(prof):
        seen.append((prof.step_num, sorted(e.name for e in prof.events() if e.name.startswith("ProfilerStep"))))

    with profile(schedule=schedule(wait=1, warmup=1, active=2), on_trace_ready=ready) as prof:
        for _ in range(9):
            work()
            prof.step()
    assert seen == [(3, ["ProfilerStep#2", "ProfilerStep#3"]), (7, ["ProfilerStep#6", "ProfilerStep#7"])]
    assert (state.trace, state.profile) == (None, None)


def test_decorator_and_the_autograd_profiler():
    @record_function("named")
    def function(x):
        return x.exp()

    function(minitorch.ones(2))  # no profile is open: nothing happens
    with autograd_profiler.profile() as prof:
        function(function(minitorch.ones(2)))
        with pytest.raises(RuntimeError, match="already enabled"), autograd_profiler.profile():
            pass
    assert by_key(prof)["named"].count == by_key(prof)["aten::exp"].count == 2
    assert prof.total_average().count == 4
    with autograd_profiler.profile(enabled=False) as off:
        function(minitorch.ones(2))
    assert not off.function_events


def test_under_transformations():
    def per_example(x):
        return minitorch.func.vmap(minitorch.func.grad(lambda a: a.sin().sum()))(x)

    x = minitorch.randn(4, 3)
    with profile() as prof:
        found = per_example(x)
    np.testing.assert_array_equal(found.numpy(), per_example(x).numpy())
    assert by_key(prof)["aten::sin"].count == by_key(prof)["aten::cos"].count == 1  # for all examples at once
    assert state.profile is None and state.trace is None
