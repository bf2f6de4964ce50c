"""The comparison suite: its arithmetic, its reports, and one small row of each command. Nothing here asserts a speed."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from benchmarks import (
    conv,
    footprint,
    layers,
    matmul,
    memory,
    networks,
    ops,
    overhead,
    peak,
    scaling,
    stateful,
    suites,
    timing,
    train,
)
from benchmarks.__main__ import main
from benchmarks.case import Case, Row, WrongResultError, difference, run_case
from benchmarks.libraries import OURS, Library, load, pinned, usable_cores
from benchmarks.machine import caches, describe
from benchmarks.page import write_page
from benchmarks.pictures import draw_all
from benchmarks.results import Report, merged, save, summary, together
from benchmarks.results import load as load_reports
from benchmarks.tables import quantity
from benchmarks.timing import Effort, Figure, Ratio

TINY = Effort(seconds=0.0, least=2, most=2, batch=0.0)
positive = st.floats(1e-6, 1e3)


@pytest.fixture(scope="module")
def libraries():
    threads = minitorch.get_num_threads(), torch.get_num_threads()
    yield load(["torch", "numpy"], 1)
    minitorch.set_num_threads(threads[0])
    torch.set_num_threads(threads[1])


class Clock:
    """Time that passes only when a function says so."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=self, process_time=self))
        monkeypatch.setattr(timing, "keep_busy", self.advance)

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


class TestTiming:
    @given(st.lists(positive, min_size=1, max_size=9))
    def test_quartiles_are_numpys(self, values):
        assert np.allclose(timing.quartiles(values), np.quantile(values, [0.25, 0.5, 0.75]))

    @given(st.lists(st.tuples(positive, positive), min_size=1, max_size=9), positive)
    def test_a_ratio_lies_in_its_range_and_turns_round_with_the_sides(self, pairs, factor):
        ours, theirs = map(list, zip(*pairs, strict=True))
        found, turned = timing.ratio(ours, theirs), timing.ratio(theirs, ours)
        assert found.low <= found.value <= found.high
        assert found.value * turned.value == pytest.approx(1)
        slower = timing.ratio(ours, [factor * t for t in theirs])
        assert slower.value == pytest.approx(factor * found.value)

    @given(positive, positive)
    def test_a_batch_lasts_about_as_long_as_asked(self, once, seconds):
        calls = timing.calls_for(once, seconds)
        assert calls == 1 or abs(calls * once - seconds) <= once / 2 * (1 + 1e-9)

    @given(positive, positive)
    def test_rounds_stay_within_the_effort(self, round_seconds, seconds):
        effort = Effort(seconds=seconds, least=3, most=20)
        rounds = timing.rounds_for(round_seconds, effort)
        assert 3 <= rounds <= 20
        assert rounds == 3 or rounds * round_seconds <= seconds * (1 + 1e-9)

    def test_geometric_mean(self):
        assert timing.geometric_mean([2.0, 0.5]) == pytest.approx(1)

    def test_sides_take_turns_and_get_their_own_times(self, monkeypatch):
        clock, order = Clock(monkeypatch), []

        def side(name, seconds):
            return lambda: (order.append(name), clock.advance(seconds))

        effort = Effort(seconds=1.0, least=4, most=4, batch=0.02, settle=0.5)
        found = timing.measure({"a": side("a", 0.01), "b": side("b", 0.05)}, effort)
        assert found["a"].seconds == pytest.approx([0.01] * 4)
        assert found["b"].seconds == pytest.approx([0.05] * 4)
        assert found["a"].cores == pytest.approx(1)  # the pauses count for nobody
        turns = "".join(order)[-4 * 5 :]  # in each round two calls of a and one of b, and one of each that is not timed
        assert turns == "aaabb" + "bbaaa" + "aaabb" + "bbaaa"

    def test_half_the_cpu_is_half_a_core(self, monkeypatch):
        clock = Clock(monkeypatch)
        timing.time.process_time = lambda: clock.now / 2
        assert timing.measure({"a": lambda: clock.advance(0.01)}, Effort())["a"].cores == pytest.approx(0.5)


def fake(name, results):
    """A library whose function returns the given results one after another, or raises one that is an exception."""

    def make():
        calls = iter(results)

        def function():
            result = next(calls, results[-1])
            if isinstance(result, Exception):
                raise result
            return np.asarray(result, np.float64)

        return function

    return Library(name, SimpleNamespace(make=make), np.asarray, np.asarray, lambda: 1)


def fake_row(ours, theirs, others=(), compared=1):
    case = Case("g", "n", lambda library: library.module.make(), ("torch", *others), compared=compared)
    sides = {OURS: fake(OURS, ours), "torch": fake("torch", theirs)} | {
        name: fake(name, r) for name, r in dict(others).items()
    }
    return run_case(Case(**vars(case) | {"beside": ("torch", *dict(others))}), sides, TINY)


class TestCase:
    def test_equal_results_are_timed(self):
        row = fake_row([[1.0, 2.0]], [[1.0, 2.0]])
        assert not row.failed and set(row.figures) == {OURS, "torch"} and set(row.ratios) == {"torch"}
        assert row.difference == {OURS: 0.0}

    @pytest.mark.parametrize(
        "wrong", [[1.0, 2.001], [1.0, np.nan], [1.0, np.inf], [[1.0, 2.0]], [1.0], ValueError("no\nkernel")], ids=str
    )
    def test_a_wrong_result_or_an_error_is_noted_and_not_timed(self, wrong):
        row = fake_row([wrong], [[1.0, 2.0]], {"jax": [[1.0, 2.0]]})
        assert set(row.failed) == {OURS} and set(row.figures) == {"torch", "jax"} and not row.ratios
        assert "\n" not in row.failed[OURS]

    def test_every_compared_call_counts(self):
        assert fake_row([[1.0], [2.0], [3.5]], [[1.0], [2.0], [3.0]], compared=2).failed == {}
        assert OURS in fake_row([[1.0], [2.0], [3.5]], [[1.0], [2.0], [3.0]], compared=3).failed

    def test_an_error_while_it_is_timed_is_noted(self):
        row = fake_row([[1.0], RuntimeError("gone")], [[1.0]])
        assert row.failed == {"measurement": "RuntimeError: gone"} and not row.figures

    @given(st.floats(1e-3, 1e3), st.floats(1e-6, 1.0))
    def test_difference_is_relative_to_the_scale_of_the_array(self, scale, error):
        expected = scale * np.array([1.0, -1.0, 1.0, -1.0])
        found = expected + [0, 0, error * scale, 0]
        assert difference([found], [expected]) == pytest.approx(error)

    def test_difference_refuses_other_shapes_and_dtypes(self):
        for found in (np.zeros(3), np.zeros(2, np.float32)):
            with pytest.raises(WrongResultError):
                difference([found], [np.zeros(2)])
        with pytest.raises(WrongResultError):
            difference([], [np.zeros(2)])


class TestLayers:
    @pytest.mark.parametrize(
        ("network", "millions"),
        [("ResNet-18", 1814), ("ResNet-50", 4087), ("VGG-16", 15347), ("MobileNet", 568), ("CIFAR-quick", 12.3)],
    )
    def test_multiply_adds_are_the_published_ones(self, network, millions):
        walk = layers.NETWORKS[network]()
        assert sum(layer.flops(1) for layer in walk.layers) / 2e6 == pytest.approx(millions, rel=1e-3)

    def test_no_layer_is_measured_twice(self):
        found = [layer for layers_ in layers.distinct(layers.NETWORKS).values() for layer in layers_]
        everything = {layer for network in layers.NETWORKS.values() for layer in network().layers}
        assert len(found) == len(set(found)) and set(found) == everything

    @pytest.mark.parametrize("kernel", [1, 2, 3, 5])
    @pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 0), (2, 1), (3, 2)])
    def test_sizes_are_those_that_torch_computes(self, kernel, stride, padding):
        layer = layers.Layer(4, (9, 6), 6, (kernel, kernel), stride, padding, groups=2)
        y = torch.conv2d(torch.ones(1, 4, 9, 6), torch.ones(layer.weight), None, stride, padding, 1, 2)
        assert tuple(y.shape) == (1, 6, *layer.out_size)
        walk = layers.Walk(1, 9).pool(kernel, stride, min(padding, kernel // 2))
        pooled = torch.max_pool2d(torch.ones(1, 1, 9, 9), kernel, stride, min(padding, kernel // 2))
        assert walk.size == pooled.shape[-1]

    def test_products_of_a_linear_layer_have_its_shapes(self):
        products = matmul.linear("g", "fc", 5, 7, 3)
        assert [(p.m, p.k, p.n) for p in products] == [(5, 7, 3), (5, 3, 7), (3, 5, 7)]
        assert len(matmul.network("g", 5, {"a": (7, 3), "b": (3, 2)})) == 5  # the input needs no gradient


class TestNetworks:
    @pytest.mark.parametrize(
        ("name", "count"),
        [
            ("MLP", 203_530),
            ("LeNet", 44_426),
            ("CIFAR-quick", 145_578),
            ("ResNet-18", 11_173_962),
            ("GPT-mini", 826_368),
        ],
    )
    def test_parameters(self, name, count):
        model = networks.NETWORKS[name].build(torch)
        assert sum(p.numel() for p in model.parameters()) == count

    @pytest.mark.parametrize("name", ["LeNet", "GPT-mini"])
    def test_initial_weights_are_equal(self, name):
        models = []
        for lib in (minitorch, torch):
            lib.manual_seed(0)
            models.append(networks.NETWORKS[name].build(lib).state_dict())
        assert list(models[0]) == list(models[1])
        for key, value in models[1].items():
            np.testing.assert_allclose(models[0][key].numpy(), value.numpy(), atol=1e-6)


def row_of(group, name, value, library="torch", **about):
    figures = {
        OURS: Figure(1.0, 0.5, 2.0, 0.1, 5, 1.0),
        library: Figure(value, value / 2, value * 2),
    }
    return Row(group, name, about, 1e6, 1e4, figures, {library: Ratio(value, value / 2, value * 2)})


def report_of(suite, rows, **facts):
    peak = {
        "threads": 1,
        "flops": {"float32": 4e10, "float64": 2e10},
        "bandwidth": {"L1": 8e10, "L2": 7e10, "memory": 9e9},
    }
    known = suites.SUITES[suite]
    header = {"cpu": "a CPU", "threads": 1, "threads read back": {OURS: 1, "torch": 1}, "versions": {"numpy": "2"}}
    return Report(suite, known.title, known.unit, known.by, header, rows, peak if known.roofline else {}, True, **facts)


def reports():
    """One report of each suite, with every kind of row."""
    failed = Row("g", "broken", {"dtype": "float32"}, failed={OURS: "ValueError: <no>"})
    passes = [
        row_of("LeNet", "5x5", r, batch=1, **{"pass": p, "layer": True})
        for p, r in zip(conv.PASSES, (2, 1, 0.4), strict=True)
    ]
    losses = row_of("MLP", "MLP, SGD", 1.2)
    losses.results = {OURS: [2.5, 2.4], "torch": [2.5, 2.4]}
    size = row_of("MLP", "MLP, SGD", 1.5, baseline={OURS: 5})
    scaled = [
        row_of("matmul", f"n = {n}", r, n=n, rate="GFLOP/s", work=1e-3 * n, threads=t)
        for n, r in ((8, 2), (16, 1))
        for t in (1, 2)
    ]
    return [
        report_of(
            "matmul",
            [row_of("g", "2 x 2", 2.0, dtype="float32"), row_of("g", "2 x 2", 60.0, "jax", dtype="float64"), failed],
        ),
        report_of("conv", passes),
        report_of("ops", [row_of(f"g{i}", f"op {i}", 0.5, **{"pass": "forward"}) for i in range(3)]),
        report_of("overhead", [row_of("one", "add", 1.5), row_of("two", "add", 0.8)]),
        report_of("train", [losses]),
        report_of("memory", [size]),
        report_of("scaling", scaled),
    ]


class TestReports:
    def test_summary(self):
        rows = [row_of("g", "a", 4.0, k="x"), row_of("g", "b", 1.0, k="y"), row_of("h", "c", 0.25, k="x")]
        report = Report("s", "t", by=("group", "k"), rows=rows)
        means = {mean.what: mean for mean in summary(report)}
        assert {what: mean.mean for what, mean in means.items()} == pytest.approx(
            {"g": 2.0, "h": 0.25, "k x": 1.0, "k y": 1.0, "all": 1.0}
        )
        assert (means["all"].worst, means["all"].worst_row, means["all"].best) == (0.25, "c x", 4.0)

    def test_passes_together_weigh_as_much_as_they_take(self):
        rows = reports()[1].rows
        rows[0].figures[OURS] = Figure(9.0, 0, 0)  # nine times as long as the others
        (joined,) = together(rows, "torch")
        assert joined.ratios["torch"].value == pytest.approx((2 + 1 + 0.4) / (9 + 1 + 1))

    def test_json_keeps_everything(self, tmp_path):
        save(reports(), tmp_path / "new" / "r.json")
        assert load_reports(tmp_path / "new" / "r.json") == reports()
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["r.json"]

    def test_json_is_json_for_infinities_too(self, tmp_path):
        report = report_of("ops", [Row("g", "n", {}, difference={OURS: float("inf")})])
        save([report], tmp_path / "r.json")
        json.loads((tmp_path / "r.json").read_text(), parse_constant=pytest.fail)

    def test_merged_runs_have_all_rows(self):
        one, two = reports()[-1], reports()[-1]
        two.header = two.header | {"threads": 2, "threads read back": {OURS: 2}}
        (both,) = merged([one, two])
        assert both.rows == one.rows + two.rows and both.header["threads"] == "1, 2"
        assert both.header["threads read back"]["2"] == {OURS: 2}

    @pytest.mark.parametrize(
        ("value", "unit", "text"),
        [
            (1.5, "s", "1.5 s"),
            (0.0123, "s", "12.3 ms"),
            (4.5e-8, "s", "0.045 us"),
            (2e9, "B", "2 GB"),
            (0, "B", "0 kB"),
        ],
    )
    def test_quantities(self, value, unit, text):
        assert quantity(value, unit) == text

    def test_pictures_and_page(self, tmp_path):
        pictures = draw_all(reports(), tmp_path)
        assert {suite: [path.name for path in paths] for suite, paths in pictures.items()} == {
            "matmul": ["matmul.png", "matmul-roofline.png"],
            "conv": ["conv-lenet.png", "conv-roofline.png"],
            "ops": ["ops.png"],
            "overhead": ["overhead.png"],
            "train": ["train.png"],
            "memory": ["memory.png"],
            "scaling": ["scaling-size.png", "scaling-threads.png"],
        }
        write_page(reports(), pictures, tmp_path / "page.html")
        page = (tmp_path / "page.html").read_text()
        assert page.count("data:image/png;base64,") == 10
        assert "ValueError: &lt;no&gt;" in page and "http" not in page.replace("data:", "")


class TestRows:
    """One small row of each command, really measured."""

    @pytest.mark.parametrize(
        "case",
        [
            matmul.case(matmul.Product("thin", "t", 3, 4, 5, (2,), "ab"), "float64"),
            matmul.case(matmul.Product("thin", "v", 3, 4, 1, vector=True), "float32"),
            *conv.layer_cases("g", layers.Layer(2, (5, 5), 4, (3, 3), 2, 1, 2), False, 1e4),
            *conv.layer_cases("g", layers.Layer(2, (6,), 4, (3,), 1, 1), False, 1e4, transposed=True),
            next(iter(stateful.cases(False))),
            *(case for case in stateful.cases(False) if case.name in ("randn 10", "AdamW, fused, LeNet")),
            *(
                case
                for case in ops.cases(False)
                if case.name.startswith(("cross_entropy 64x10", "LSTMCell", "embedding 8x128 of 65"))
            ),
            *list(overhead.cases(True))[-2:],
            train.case("MLP"),
            next(iter(scaling.cases(True))),
            *(case for case in scaling.cases(True) if case.about["n"] in (64, 8) and "attention" in case.group),
        ],
        ids=lambda case: f"{case.name} {case.about.get('pass', '')}",
    )
    def test_row(self, case, libraries):
        row = run_case(case, libraries, TINY)
        assert not row.failed
        assert {OURS, "torch"} <= set(row.figures) and "torch" in row.ratios
        assert all(figure.value > 0 for figure in row.figures.values())
        if case.shown:
            assert len(row.results[OURS]) == case.compared

    def test_every_case_has_a_name_of_its_own(self):
        for module in (matmul, conv, ops, stateful, overhead, train, scaling):
            for quick in (True, False):
                names = [(case.group, case.name, str(case.about)) for case in module.cases(quick)]
                assert len(names) == len(set(names))


class TestMemory:
    def test_the_high_water_mark_of_what_is_freed_again(self):
        size = 64 * 2**20
        _, peak = footprint.peak_of(lambda: np.ones(size, np.uint8).sum())
        assert 0.95 * size < peak < 1.2 * size
        _, later = footprint.peak_of(lambda: np.ones(size // 4, np.uint8).sum())
        if os.access("/proc/self/clear_refs", os.W_OK):
            assert later < size / 2

    def test_training_in_a_process_of_its_own(self):
        found = memory.footprint("MLP", "torch", 1)
        weights = 4 * 203_530
        assert found["peak"] > 2 * weights  # and their gradients
        assert len(found["losses"]) == memory.STEPS

    def test_a_failing_process_is_an_error_with_its_last_line(self):
        with pytest.raises(memory.ChildError, match="KeyError: 'GPT-huge'"):
            memory.footprint("GPT-huge", "numpy", 1)

    def test_rows(self):
        sides = {
            OURS: [{"peak": 50, "baseline": 9, "losses": [2.0, 1.0]}] * 2,
            "torch": [{"peak": 75, "baseline": 9, "losses": [2.0, 1.0]}] * 2,
        }
        row = memory.row("MLP", sides, {})
        assert row.ratios["torch"].value == 1.5 and not row.failed
        sides["torch"] = [{"peak": 75, "baseline": 9, "losses": [2.0, 1.1]}] * 2
        row = memory.row("MLP", sides, {})
        assert "torch" in row.failed and not row.ratios


class TestMachine:
    def test_pinned_to_one_core_and_back(self):
        before, cores = dict(os.environ), usable_cores()
        with pinned(1):
            assert os.environ["OMP_NUM_THREADS"] == "1"
            assert usable_cores() == 1 or not hasattr(os, "sched_setaffinity")
        assert dict(os.environ) == before and usable_cores() == cores

    def test_header_reads_threads_back(self, libraries):
        header = describe(libraries, 1, ["jax"])
        assert header["threads read back"] == {OURS: 1, "torch": 1, "numpy": 1}
        assert header["versions"]["torch"] == torch.__version__
        json.dumps(header)

    @pytest.mark.parametrize("bits", [32, 64])
    def test_the_loop_that_measures_arithmetic_does_it(self, bits):
        run = peak.fma_loop(bits, lanes=2, accumulators=3)
        for turns in (0, 1, 9):
            assert run(turns, 0.5) == pytest.approx((1 + 2 + 3) * 1.5**turns)

    def test_bandwidth_comes_from_a_triad(self):
        a, b, c = (np.arange(9, dtype=np.float32) for _ in range(3))
        peak.triad(a, b, c, 2)
        np.testing.assert_array_equal(a, b + 3 * c)
        assert all(size > 0 for size in caches().values())


class TestCommands:
    @pytest.fixture
    def fake_rows(self, monkeypatch):
        def use(suite, *rows, then=None):
            def rows_of(suite_, report, against, threads, quick):
                report.header = {"cpu": "a CPU", "threads": threads}
                yield from rows
                if then:
                    raise then

            monkeypatch.setattr(suites, "rows_of", rows_of)

        return use

    def test_a_command_writes_figures_pictures_and_page(self, fake_rows, tmp_path):
        fake_rows("overhead", row_of("one", "add", 1.5), row_of("two", "mul", 0.5))
        flags = ["--json", tmp_path / "r.json", "--out", tmp_path / "pictures", "--html", tmp_path / "r.html"]
        result = CliRunner().invoke(main, ["overhead", *map(str, flags)])
        assert result.exit_code == 0, result.output
        (report,) = load_reports(tmp_path / "r.json")
        assert report.complete and [row.name for row in report.rows] == ["add", "mul"]
        assert (tmp_path / "pictures" / "overhead.png").exists() and (tmp_path / "r.html").exists()
        again = CliRunner().invoke(main, ["report", str(tmp_path / "r.json")])
        assert again.exit_code == 0 and "add" in again.output

    def test_an_interrupted_run_keeps_its_rows(self, fake_rows, tmp_path):
        fake_rows("ops", row_of("one", "add", 1.5), then=KeyboardInterrupt())
        result = CliRunner().invoke(main, ["ops", "--json", str(tmp_path / "r.json")])
        assert result.exit_code == 1 and "Interrupted" in result.output
        (report,) = load_reports(tmp_path / "r.json")
        assert not report.complete and len(report.rows) == 1

    def test_a_failed_row_shows_in_the_end(self, fake_rows):
        fake_rows("ops", Row("one", "add", {}, failed={"torch": "OSError: no"}), row_of("one", "mul", 1.5))
        result = CliRunner().invoke(main, ["ops"])
        assert (
            result.exit_code == 1 and "failed: one: add: torch: OSError: no" in result.output and "mul" in result.output
        )

    @pytest.mark.parametrize(
        "flags", [["--against", "tensorflow"], ["--threads", "0"], ["--threads", "x"], ["--threads", "9999"]]
    )
    def test_bad_options(self, flags):
        assert CliRunner().invoke(main, ["ops", *flags]).exit_code == 2
