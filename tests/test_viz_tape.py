"""The tape, seen: what the page is told is what a backward pass does, and looking changes nothing."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import minitorch
from minitorch import nn, viz
from minitorch.autograd import Function
from minitorch.autograd.anomaly import set_detect_anomaly
from minitorch.models import GPT, LeNet
from minitorch.nn import functional as F
from minitorch.viz.groups import MOST, every
from minitorch.viz.summary import summary

pytest.importorskip("igraph")


def entry(page, title):
    (found,) = [e for e in page.graph.entries if e.title == title]
    return found


def named(page, name):
    return [e for e in page.graph.entries if e.name == name]


def small_gpt():
    minitorch.manual_seed(3)
    model = GPT(11, context=8, d_model=8, num_heads=2, num_layers=2)
    return model, minitorch.randint(0, 11, (2, 7))


def test_every_gradient_is_the_one_that_autograd_finds():
    model, tokens = small_gpt()
    with viz.recording():
        loss = model.loss(tokens)
    page = viz.tape(loss)
    named_parameters = dict(model.named_parameters())
    gradients = minitorch.autograd.grad(loss, list(named_parameters.values()), retain_graph=True)
    for name, g in zip(named_parameters, gradients, strict=True):
        assert entry(page, name).gradients == [summary(g.array)], name
    nodes = [e.node for e in page.graph.entries if e.kind == "operation"]
    seen = {}
    for node in nodes:
        node.register_prehook(lambda grads, node=node: seen.__setitem__(node, grads[0]))
    loss.backward()
    for e in page.graph.entries:
        if e.kind == "operation":
            g = seen[e.node]
            parts = g if isinstance(g, (list, tuple)) else [g]
            assert e.gradients == [None if part is None else summary(part.array) for part in parts], e.name


def test_looking_changes_nothing():
    x = minitorch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x.exp()
    y.retain_grad()
    w = minitorch.ones(3, requires_grad=True)
    w.grad = minitorch.full((3,), 5.0)
    loss = (y * w).sum()
    before = w.grad
    viz.tape(loss)
    assert x.grad is None and y.grad is None
    assert w.grad is before and w.grad.tolist() == [5.0] * 3 and w.grad._version == 0
    loss.backward()
    expected = y.detach().numpy()
    np.testing.assert_array_equal(x.grad.numpy(), expected)
    np.testing.assert_array_equal(y.grad.numpy(), np.ones(3))
    np.testing.assert_array_equal(w.grad.numpy(), 5 + expected)


def test_steps_are_a_topological_order_and_contributions_add_up():
    x = minitorch.tensor([0.5, -1.0], requires_grad=True)
    y = x.sin()
    loss = (y * x + y).sum()
    page = viz.tape(loss)
    order = [step.entry for step in page.graph.steps]
    assert sorted(order) == sorted(e.id for e in page.graph.entries)
    for k, step in enumerate(page.graph.steps):
        assert all(sent["to"] in order[k + 1 :] for sent in step.sent)
    arrived = [sent["value"] for step in page.graph.steps for sent in step.sent if sent["to"] == entry(page, "y").id]
    assert [value["numbers"] for value in arrived] == [[["1", "1"]], [["0.5", "-1"]]]
    assert entry(page, "y").gradients[0]["numbers"] == [["1.5", "0"]]


def test_a_contribution_is_shown_as_it_arrives_after_broadcasting():
    bias = minitorch.zeros(3, requires_grad=True)
    page = viz.tape((minitorch.ones(4, 3) + bias).sum())
    (sent,) = [s for step in page.graph.steps for s in step.sent if s["to"] == entry(page, "bias").id]
    assert sent["summed"] == [4, 3] and sent["value"]["numbers"] == [["4", "4", "4"]]


def test_what_is_kept_and_how_many_bytes():
    x = minitorch.ones(10, requires_grad=True)
    a = x.exp()  # keeps its output: 40 bytes, kept once more by mul
    loss = (a * a).sum()
    page = viz.tape(loss)
    assert [k["name"] for k in named(page, "exp")[0].kept] == ["z"]
    assert [(k["name"], k["bytes"]) for k in named(page, "mul")[0].kept] == [("input", 40), ("other", 40)]
    assert page.graph.kept_bytes == 40


def test_rules_are_shown_with_formula_code_and_place():
    pytest.importorskip("latex2mathml")
    x = minitorch.ones(2, requires_grad=True)
    (rule,) = named(viz.tape(x.sin().sum()), "sin")[0].rules
    assert rule["rule"].source == "g * input.cos()" and "cos" in rule["rule"].formula
    file, line = rule["rule"].where.split(":")
    lines = (Path(minitorch.__path__[0]).parent / file).read_text().splitlines()
    assert "g * input.cos()" in lines[int(line) - 1]


def test_recorded_lines_values_and_inputs_are_those_of_the_program():
    data = minitorch.tensor([[1.0, 2.0]])
    w = minitorch.tensor([[3.0], [4.0]], requires_grad=True)
    with viz.recording():
        product = data @ w  # this line
        loss = product + 1
    page = viz.tape(loss)
    frame = entry(page, "product").frames[0]
    assert frame.text == "product = data @ w  # this line" and frame.file == __file__
    assert entry(page, "product").values[0]["numbers"] == [["11"]]
    assert entry(page, "data").kind == "constant" and entry(page, "data").values[0]["numbers"] == [["1", "2"]]
    assert entry(page, "loss").parameters["other"] == "1"


def test_values_are_those_of_the_moment_of_the_call():
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    with viz.recording():
        y = x + 1
        before = y.node
        y.add_(10)
        loss = y.sum()
    page = viz.tape(loss)
    (first,) = [e for e in page.graph.entries if e.node is before]
    assert first.values[0]["numbers"] == [["2", "3"]] and entry(page, "y").values[0]["numbers"] == [["12", "13"]]


def test_anomaly_mode_tells_the_lines_too():
    x = minitorch.tensor([1.0], requires_grad=True)
    with set_detect_anomaly(True):
        y = x.cos()  # here
    assert viz.tape(y).graph.entries[0].frames[0].text == "y = x.cos()  # here"


def test_an_in_place_operation_on_a_view():
    x = minitorch.ones(2, 3, requires_grad=True)
    with viz.recording():
        y = x * 2
        y[0].mul_(3)  # in place
        loss = y.sum()
    page = viz.tape(loss)
    written = entry(page, "y")
    assert written.name == "copy_slices" and written.frames[0].text == "y[0].mul_(3)  # in place"
    assert written.values[0]["numbers"] == [["6"] * 3, ["2"] * 3]
    assert entry(page, "x").gradients[0]["numbers"] == [["6"] * 3, ["2"] * 3]


def test_a_function_of_the_user_is_shown_with_its_backward():
    class Twice(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return 2 * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    x = minitorch.ones(2, requires_grad=True)
    page = viz.tape(Twice.apply(x).sum())
    (found,) = named(page, "twice")
    assert "2 * g" in found.rules[0]["rule"].source and found.kept[0]["bytes"] == 8
    assert entry(page, "x").gradients[0]["numbers"] == [["2", "2"]]


def test_modules_fold_and_parameters_stand_in_their_module():
    model, tokens = small_gpt()
    with viz.recording():
        loss = model.loss(tokens)
    page = viz.tape(loss)
    titles = {group.title: group for group in every(page.top)}
    assert titles["GPT"].parent is page.top and titles["h.0"].kind == "Block" and titles["h.0"].parent is titles["GPT"]
    assert [g.title for g in every(titles["h.0"])] == ["h.0", "attn", "mlp"]
    assert page.home[entry(page, "h.0.ln_1.weight").id] is titles["h.0"]
    assert page.home[entry(page, "wte.weight").id] is titles["GPT"]  # used at both ends
    norm = next(e for e in page.graph.entries if e.module == "ln_1")
    assert norm.name == "native_layer_norm"  # a module around one operation is its name


def test_a_freed_graph_is_shown_and_says_why_there_is_no_pass():
    x = minitorch.ones(3, requires_grad=True)
    loss = (x.exp() * x).sum()
    loss.backward()
    page = viz.tape(loss)
    assert page.graph.steps == [] and "retain_graph=True" in page.graph.message
    assert len(page.graph.entries) == 4 and page.html()
    np.testing.assert_array_equal(x.grad.numpy(), (np.exp(1.0, dtype=np.float32) * 2 + np.zeros(3, np.float32)))


def test_a_pass_that_fails_ends_where_it_fails():
    x = minitorch.ones(3, requires_grad=True)
    e = x.exp()
    loss = (e * x).sum()
    e.add_(1)
    page = viz.tape(loss)
    assert [page.graph.entries[s.entry].name for s in page.graph.steps] == ["sum", "mul"]
    assert "modified by an inplace operation" in page.graph.steps[-1].error and "mul" in page.graph.message


def test_arguments_are_refused_as_backward_refuses_them():
    x = minitorch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        viz.tape(x * 2)
    with pytest.raises(RuntimeError, match="does not require grad"):
        viz.tape(minitorch.ones(()))
    with viz.recording(), pytest.raises(RuntimeError, match="being watched already"), viz.recording():
        pass
    assert minitorch.core.state.state.trace is None
    assert viz.tape(x * 2, minitorch.full((3,), 7.0)).graph.entries[0].gradients[0]["numbers"] == [["7"] * 3]


def test_groups_stay_small_however_long_the_graph_is():
    x = minitorch.ones(1, requires_grad=True)
    y = x
    for _ in range(1200):
        y = y.sin() * 1.5
    page = viz.tape(y.sum())
    assert len(page.graph.steps) == 2402
    assert all(
        sum(1 for m in g.members if not isinstance(m, int) or m in page.home) <= MOST + 1 for g in every(page.top)
    )
    assert sum(len(g.members) for g in every(page.top) if g.open) < 60
    check_layouts(page)


def check_layouts(page):
    """Every edge runs through layer after layer, each item stands once, and ports keep the rims to themselves."""
    for layout in page.data["layouts"].values():
        depth = {name: k for k, layer in enumerate(layout["layers"]) for name in layer}
        assert len(depth) == sum(map(len, layout["layers"]))
        for edge in layout["edges"]:
            way = [depth[name] for name in (edge["from"], *edge["through"], edge["to"])]
            assert way == list(range(way[0], way[-1] + 1))
        for port, rim in (("i", 0), ("o", len(layout["layers"]) - 1)):
            there = [name for name in depth if name[0] == port]
            assert all(depth[name] == rim for name in there)
            assert not there or all(name[0] in (port, "d") for name in layout["layers"][rim])


def test_edges_past_other_layers_bend_and_shared_leaves_stand_outside():
    model, tokens = small_gpt()
    tied = model.h[0].attn.c_proj.bias
    model.h[1].attn.c_proj.bias = tied
    with viz.recording():
        loss = model.loss(tokens)
    page = viz.tape(loss)
    check_layouts(page)
    assert sum(len(edge["through"]) > 1 for layout in page.data["layouts"].values() for edge in layout["edges"]) >= 4
    (leaf,) = [e for e in page.graph.entries if e.node is tied.node]
    assert page.home[leaf.id].title == "GPT"  # not in one of the two blocks


@pytest.mark.parametrize("shape", [(), (1,), (3,), (0,), (2, 0), (40,), (100, 3), (5, 1, 7, 7), (2, 3, 4, 90)])
def test_a_summary_has_the_numbers_or_their_picture(shape):
    array = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found = summary(array)
    assert found["shape"] == list(shape) and found["bytes"] == array.nbytes
    if array.size <= 36:
        assert [v for row in found["numbers"] for v in row] == [f"{v:.4g}" for v in array.ravel()]
    else:
        assert sum(found["histogram"]["counts"]) == array.size
        sizes = {
            (40,): (40, 1),
            (100, 3): (3, 56),
            (5, 1, 7, 7): (23, 15),
            (2, 3, 4, 90): (86, 9),
        }  # with lines between
        assert (found["picture"]["width"], found["picture"]["height"]) == sizes[shape]
    assert float(found["norm"]) == pytest.approx(np.linalg.norm(array.ravel()), rel=1e-3)


def test_summaries_of_numbers_that_are_not_finite():
    found = summary(np.array([np.nan, np.inf, 1.0, 2.0, 3.0]))
    assert found["not_finite"] == 2 and found["least"] == "1" and found["norm"] == "nan"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary(np.full(50, np.nan))
        summary(np.full((8, 9), 1e30, np.float32))


def test_a_page_loads_nothing_and_cannot_be_broken_by_names(tmp_path):
    x = minitorch.ones(2, requires_grad=True)
    page = viz.tape((x * 2).sum(), title="</script><b>")
    page.save(tmp_path / "tape.html")
    text = (tmp_path / "tape.html").read_text()
    assert not re.findall(r"(?:src|href)\s*=|@import|url\((?!#)", text)
    assert text.count("</script>") == 2 and "<b>" not in text
    frame = page._repr_html_()
    assert frame.startswith("<iframe srcdoc=") and "<script" not in frame


def test_lenet_has_no_node_without_group_or_layout():
    minitorch.manual_seed(0)
    model = nn.Sequential(LeNet(image_size=16), nn.ReLU())
    with viz.recording():
        loss = F.cross_entropy(model(minitorch.randn(2, 1, 16, 16)), minitorch.tensor([1, 2]))
    page = viz.tape(loss)
    drawn = {name for layout in page.data["layouts"].values() for layer in layout["layers"] for name in layer}
    assert {f"n{e.id}" for e in page.graph.entries} <= drawn
    assert {f"g{k}" for k in range(1, len(page.data["groups"]))} <= drawn
