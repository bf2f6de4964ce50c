"""The tape's page in a real browser: it draws, steps, folds, listens to keys, and fits into a narrow window."""

import pytest

import minitorch
from minitorch import nn, viz
from minitorch.nn import functional as F
from tests.browser import CHROMIUM, Browser

pytest.importorskip("igraph")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(6)
        self.mlp = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 6))

    def forward(self, x):
        return x + self.mlp(self.norm(x))


def two_blocks():
    minitorch.manual_seed(0)
    model = nn.Sequential(Block(), Block())
    x = minitorch.randn(4, 6)
    with viz.recording():
        loss = F.mse_loss(model(x), x)
    return viz.tape(loss)


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        yield browser


@pytest.fixture
def page(browser, tmp_path):
    tape = two_blocks()
    tape.save(tmp_path / "tape.html")
    browser.resize(1300, 850)
    browser.open(tmp_path / "tape.html")
    yield tape
    assert browser.errors == []


def count(browser, selector):
    return browser.evaluate(f"document.querySelectorAll({selector!r}).length")


def text(browser, selector):
    return browser.evaluate(f"document.querySelector({selector!r}).textContent")


def test_before_any_click_the_graph_of_the_run_is_there(browser, page):
    drawn = browser.evaluate("[...document.querySelectorAll('.node .name')].map(e => e.textContent)")
    assert "loss = mse_loss" in drawn and "x" in drawn and "native_layer_norm" in drawn
    assert count(browser, ".edge") >= len(page.graph.edges) - 2
    # No two nodes lie on each other, and each lies in the drawing.
    overlaps = browser.evaluate("""(() => {
        const boxes = [...document.querySelectorAll('.node')].map(e => e.getBoundingClientRect());
        return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b =>
            a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)).length; })()""")
    assert overlaps == 0
    assert "Before the pass" in text(browser, "#sentence") and text(browser, "#panel h2") == "loss = mse_loss"


def test_steps_go_forwards_and_backwards(browser, page):
    assert count(browser, ".visited") == 0
    browser.click("#on")
    assert text(browser, ".node.active .name") == "loss = mse_loss"
    assert text(browser, ".node.active .gradient") == "∂ 1"
    assert "The pass begins at" in text(browser, "#sentence") and count(browser, ".edge.sending") >= 1
    browser.click("#on")
    assert text(browser, "#panel h2") == "add" and "Gradient of the loss" in text(browser, "#panel")
    waiting = browser.evaluate("[...document.querySelectorAll('.arriving .gradient')].map(e => e.textContent)")
    assert "1 of 2 arrived" in waiting  # the other way round the block has not been gone yet
    browser.click("#back")
    assert text(browser, ".node.active .name") == "loss = mse_loss" and count(browser, ".node.visited") == 1
    browser.click("#last")
    assert text(browser, "#position") == f"step {len(page.graph.steps)} of {len(page.graph.steps)}"
    assert count(browser, ".node:not(.visited)") == count(browser, ".node.constant")
    browser.click("#first")
    assert count(browser, ".visited, .active, .edge.sent") == 0


def test_keys(browser, page):
    for _ in range(3):
        browser.key("ArrowRight")
    browser.key("ArrowLeft")
    assert text(browser, "#position").startswith("step 2 of")
    browser.key("End")
    assert browser.evaluate("view.step === steps.length")
    browser.key("Home")
    assert browser.evaluate("view.step") == 0
    browser.key(" ")
    browser.wait("view.step >= 2")  # it runs
    browser.key(" ")
    at = browser.evaluate("view.step")
    assert browser.evaluate("view.timer === null") and browser.evaluate("view.step") == at
    browser.evaluate("document.querySelector('[data-group=\"1\"]').focus()")
    browser.key("Enter")
    assert browser.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"
    browser.key("Enter")
    assert browser.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"


def test_modules_fold(browser, page):
    browser.click("#unfold")
    assert count(browser, ".group.closed") == 0 and count(browser, ".node") == len(page.graph.entries)
    browser.click("#fold")
    assert count(browser, ".group.closed") == 1 and count(browser, ".group.open") == 0
    browser.key("End")
    assert (
        text(browser, ".group.closed .gradient") == f"{len(page.graph.steps) - 1} of {len(page.graph.steps) - 1} done"
    )
    browser.click(".group.closed")
    assert count(browser, ".group.open") == 1 and count(browser, ".group.closed") == 2
    browser.key("Home")
    for _ in range(3):
        browser.key("ArrowRight")
    assert count(browser, ".group.closed.active") == 1  # the step is inside of it


def test_a_chosen_node_tells_all(browser, page):
    browser.click("#unfold")
    linear = next(e.id for e in page.graph.entries if e.module == "mlp.0")
    browser.key("End")
    browser.evaluate(f"choose({linear})")
    panel = text(browser, "#panel")
    for word in ("AddmmBackward0", "Value", "Gradient of the loss", "Rules", "Kept for the rules", "Called from"):
        assert word in panel, word
    assert "return x + self.mlp(self.norm(x))" in panel and "minitorch/ops/matmul.py:" in panel
    assert count(browser, "#panel canvas") == 2 and count(browser, "#panel .bars") == 2
    gelu = next(e.id for e in page.graph.entries if e.name == "gelu")
    browser.evaluate(f"choose({gelu})")
    assert count(browser, "#panel math") <= 1


@pytest.mark.parametrize("dark", [False, True])
def test_a_narrow_window(browser, page, tmp_path, dark):
    browser.resize(380, 740, dark)
    browser.open(tmp_path / "tape.html")
    browser.key("ArrowRight")
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")  # only the graph scrolls sideways
    box = browser.evaluate(
        "(r => [r.left, r.right, r.top, r.bottom])(document.querySelector('.active').getBoundingClientRect())"
    )
    assert 0 <= box[0] and box[1] <= 380 and 0 <= box[2] and box[3] <= 740
    below = "document.querySelector('#panel').getBoundingClientRect().top >= document.querySelector('#graph').getBoundingClientRect().bottom"
    assert browser.evaluate(below)
    luminance = browser.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (luminance < 60) == dark


def test_in_a_notebook_the_page_is_a_frame(browser, tmp_path):
    (tmp_path / "notebook.html").write_text(f"<!doctype html><h1>cell</h1>{two_blocks()._repr_html_()}")
    browser.resize(1000, 850)
    browser.open(tmp_path / "notebook.html")
    browser.wait("document.querySelector('iframe').contentDocument.querySelectorAll('.node').length > 5")
    browser.evaluate("document.querySelector('iframe').contentDocument.querySelector('#on').click()")
    assert browser.evaluate("document.querySelector('iframe').contentDocument.querySelectorAll('.active').length") == 1
