"""`minitorch demo`: the server answers its own page and nobody else; what the page shows is what the models compute."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from click.testing import CliRunner

import minitorch
from minitorch.cli import main
from minitorch.demo import BadRequest, Demo, Exhibit, kept
from minitorch.demo.attention import Attention
from minitorch.demo.boxes import KINDS, Boxes
from minitorch.demo.digits import Digits, as_the_data
from minitorch.demo.stage import Stage
from minitorch.models.boxes import iou
from minitorch.nn import functional as F
from minitorch.vision.datasets.digits import load_originals, resize_bilinear
from tests.browser import CHROMIUM, Browser


def trained(exhibit):
    reports = []
    assert not exhibit.prepare()
    exhibit.train(lambda done, text: reports.append(done))
    assert exhibit.describe() and reports == sorted(reports) and reports[-1] == 1
    return exhibit


@pytest.fixture(scope="module")
def exhibits():
    return trained(Digits(epochs=1)), trained(Attention(steps=4)), trained(Boxes(steps=2, images=16))


class Ready(Exhibit):
    """An exhibit that was trained before."""

    def __init__(self, exhibit):
        self.name, self.answer = exhibit.name, exhibit.answer

    def prepare(self):
        return True

    def describe(self):
        return "trained before"


@pytest.fixture(scope="module")
def demo(exhibits):
    demo = Demo([Ready(e) for e in exhibits])
    demo.start()
    while any(stage.state != "ready" for stage in demo.stages.values()):
        time.sleep(0.01)
    yield demo
    demo.close()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MINITORCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def ask(demo, method, path, body=None, **headers):
    """(status, JSON or text) of one request, sent as it is given."""
    connection = http.client.HTTPConnection("127.0.0.1", demo.port, timeout=30)
    given = {"Content-Type": "application/json"} if method == "POST" else {}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, given)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, json.loads(text) if response.headers.get_content_type() == "application/json" else text


def post(demo, name, **request):
    return ask(demo, "POST", f"/api/{name}", json.dumps(request))


# The server


def test_it_listens_on_the_loopback_interface_only(demo):
    assert demo.server.server_address[0] == "127.0.0.1"
    with pytest.raises(OSError):
        Demo([], demo.port)


def test_the_page_and_its_files_load_nothing_from_elsewhere(demo):
    status, page = ask(demo, "GET", "/")
    assert status == 200 and "<title>minitorch demo" in page
    for name in ("palette.css", "demo.css", "demo.js", "picture.js", "digits.js", "attention.js", "boxes.js"):
        status, text = ask(demo, "GET", f"/{name}")
        assert status == 200 and name in page
        assert "https:" not in text and text.replace("http://www.w3.org/2000/svg", "").count("http:") == 0


@pytest.mark.parametrize(
    "path", ["/../cli.py", "/page/demo.js", "//etc/passwd", "/%2e%2e/cli.py", "/nothing", "/demo.css/"]
)
def test_nothing_else_is_served(demo, path):
    assert ask(demo, "GET", path)[0] == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example:{}", "", "[::1]:{}"]
)
def test_requests_for_other_hosts_are_refused(demo, host):
    for method, path in (("GET", "/"), ("GET", "/api/status"), ("POST", "/api/boxes")):
        status, answer = ask(demo, method, path, "{}" if method == "POST" else None, Host=host.format(demo.port))
        assert status == 403 and str(demo.port) in answer["error"]


def test_requests_from_other_pages_are_refused(demo):
    body = json.dumps({"scene": 1, "confidence": 0.3, "overlap": 0.5})
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{demo.port}", "http://127.0.0.1:1"):
        assert ask(demo, "POST", "/api/boxes", body, Origin=origin)[0] == 403
    assert ask(demo, "POST", "/api/boxes", body, Origin=demo.url.rstrip("/"))[0] == 200
    assert ask(demo, "POST", "/api/boxes", body, Host=f"localhost:{demo.port}")[0] == 200


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (415, "{}", {"Content_Type": "text/plain"}),  # what a form of another page could send
        (413, " " * 70_000, {}),
        (400, "{", {}),
        (400, "[" * 5000, {}),
        (400, "[1]", {}),
        (400, b"\xff\xfe", {}),
        (400, "", {}),
        (400, "{}", {"Content_Length": "-1"}),
        (400, "{}", {"Content_Length": "2x"}),
        (413, "{}", {"Content_Length": "99999999999999999999"}),
    ],
)
def test_bad_bodies_are_refused_with_a_message(demo, status, body, headers):
    found, answer = ask(demo, "POST", "/api/boxes", body, **headers)
    assert found == status and answer["error"]
    assert ask(demo, "GET", "/api/status")[0] == 200  # and it lives on


def test_a_body_without_a_length_is_refused(demo):
    with socket.create_connection(("127.0.0.1", demo.port), timeout=20) as connection:
        head = f"POST /api/boxes HTTP/1.1\r\nHost: 127.0.0.1:{demo.port}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n".encode())
        assert b" 411 " in connection.recv(1000)


def test_other_methods_and_names(demo):
    assert ask(demo, "GET", "/api/boxes")[0] == 405
    assert ask(demo, "POST", "/", "{}")[0] == 405
    assert ask(demo, "PUT", "/")[0] == 501
    status, answer = ask(demo, "POST", "/api/none", "{}")
    assert status == 404 and "digits, attention, boxes" in answer["error"]


@pytest.mark.parametrize(
    ("name", "request_", "word"),
    [
        ("digits", {}, "ink"),
        ("digits", {"ink": "01"}, "1024"),
        ("digits", {"ink": "x" * 1024}, "0 or 1"),
        ("digits", {"ink": "0" * 1024, "target": 10}, "between 0 and 9"),
        ("digits", {"ink": "0" * 1024, "target": 1.5}, "whole"),
        ("digits", {"example": -1}, "between"),
        ("digits", {"example": True}, "number"),
        ("attention", {}, "text"),
        ("attention", {"text": ""}, "1 to"),
        ("attention", {"text": "a" * 61}, "1 to 60"),
        ("attention", {"text": "Ä"}, "no token for 'Ä'"),
        ("attention", {"text": 7}, "text"),
        ("boxes", {"scene": 1000, "confidence": 0.5, "overlap": 0.5}, "between 0 and 999"),
        ("boxes", {"scene": 1, "confidence": 0, "overlap": 0.5}, "confidence"),
        ("boxes", {"scene": 1, "confidence": 0.5, "overlap": float("nan")}, "overlap"),
        ("boxes", {"scene": 10**400, "confidence": 0.5, "overlap": 0.5}, "scene"),
        ("boxes", {"scene": 1, "confidence": 0.5}, "overlap must be a number, not None"),
    ],
)
def test_bad_requests_say_what_is_wrong(demo, name, request_, word):
    status, answer = post(demo, name, **request_)
    assert status == 400 and word in answer["error"]


def test_before_its_model_is_ready_an_exhibit_says_so_and_a_failing_one_why(home):
    class Slow(Exhibit):
        name = "slow"

        def settings(self):
            return {}

        def prepare(self):
            self.model = minitorch.nn.Linear(1, 1)
            return False

        def train(self, report):
            for _ in range(10**6):
                report(0.25, "loss 1")
                time.sleep(0.005)

    class Failing(Exhibit):
        name = "failing"

        def prepare(self):
            raise ValueError("no data")

    demo = Demo([Failing(), Slow()])
    demo.start()
    try:
        deadline = time.monotonic() + 20
        while demo.status()["slow"]["done"] != 0.25 and time.monotonic() < deadline:
            time.sleep(0.01)
        status, answer = post(demo, "slow")
        assert status == 503 and "training loss 1" in answer["error"]
        assert ask(demo, "GET", "/api/status")[1]["failing"] == {
            "state": "failed",
            "done": 0.0,
            "words": "ValueError: no data",
        }
    finally:
        demo.close()  # in the middle of the training
    assert not any(thread.is_alive() for thread in demo.threads)


# What the models say


def test_a_drawing_becomes_what_the_data_set_has():
    """A bitmap that fills its frame is counted in blocks and resized, exactly as the data were made."""
    original = load_originals()[0][0]  # counts 0 to 16
    bitmap = np.zeros((32, 32), bool)
    for i, j in np.ndindex(8, 8):
        bitmap[4 * i : 4 * i + 4, 4 * j : 4 * j + 4].flat = np.arange(16) < original[i, j]
    bitmap[0, 0] = bitmap[31, 31] = True  # so that it fills the frame
    counts = bitmap.reshape(8, 4, 8, 4).sum((1, 3))
    np.testing.assert_array_equal(as_the_data(bitmap), np.rint(255 * resize_bilinear(counts[None] / 16, 28)[0]))
    small = np.zeros((32, 32), bool)
    small[3:19, 10:14] = True  # a stroke of 16 x 4 fills the height and stays in the middle
    filled = as_the_data(small)
    assert filled[:, 13:15].min() == 255 and filled[:, :9].max() == 0 == filled[:, 19:].max()
    assert not as_the_data(np.zeros((32, 32), bool)).any()


def test_digits_gradient_is_that_of_the_loss(exhibits, demo):
    digits = exhibits[0]
    ink = "".join("1" if 8 <= k % 32 < 14 else "0" for k in range(1024))
    digits.training.model.zero_grad()
    status, answer = post(demo, "digits", ink=ink, target=4)
    assert status == 200 and sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert all(p.grad is None for p in digits.training.model.parameters())
    # In float32: in the uniform paper the maxima of the pooling are ties, which another rounding breaks otherwise.
    pixels = minitorch.tensor(as_the_data(np.array([c == "1" for c in ink]).reshape(32, 32)))[None, None]
    image = (pixels.float() / 255).requires_grad_()
    loss = F.cross_entropy(digits.training.model(digits.training.normalise(255 * image)), minitorch.tensor([4]))
    loss.backward()
    digits.training.model.zero_grad()
    assert answer["loss"] == pytest.approx(loss.item(), abs=1e-4)
    levels = np.frombuffer(base64.b64decode(answer["gradient"]["levels"]), np.uint8).reshape(28, 28)
    g = image.grad.numpy()[0, 0]
    np.testing.assert_allclose(levels, 127 + 127 * g / abs(g).max(), atol=1)
    assert [layer["shape"] for layer in answer["layers"]] == [[6, 24, 24], [16, 8, 8], [120], [84]]


def test_attention_weights_are_those_of_the_model(exhibits, demo):
    text = "a small red cross"
    status, answer = post(demo, "attention", text=text)
    weights = np.array(answer["weights"])
    assert status == 200 and weights.shape == (2, 4, len(text), len(text))
    np.testing.assert_allclose(weights.sum(-1), 1, atol=5e-3)
    assert not np.triu(weights, 1).any()
    exhibit = exhibits[1]
    tokens = minitorch.tensor([exhibit.tokenizer.encode(text)])
    with minitorch.no_grad():
        # Layer 1 by the definition: softmax(q k^T / sqrt(d)) of the normalised embeddings.
        model = exhibit.model
        x = model.h[0].ln_1(model.wte(tokens) + model.wpe(minitorch.arange(len(text))))
        q, k, _ = model.h[0].attn.c_attn(x)[0].double().numpy().reshape(len(text), 3, 4, 12).transpose(1, 2, 0, 3)
        best = model(tokens)[0].argmax(-1).tolist()
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(12)
    scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    np.testing.assert_allclose(weights[0], shares / shares.sum(-1, keepdims=True), atol=2e-4)
    assert [row[0][0] for row in answer["next"]] == [exhibit.tokenizer.characters[i] for i in best]


def test_of_overlapping_boxes_of_a_class_the_best_stays(demo):
    status, answer = post(demo, "boxes", scene=2, confidence=0.05, overlap=0.3)
    assert status == 200 and answer["anchors"] == 336
    assert len(base64.b64decode(answer["image"])) == 64 * 64 * 3
    candidates = answer["candidates"]
    assert candidates and [c["score"] for c in candidates] == sorted((c["score"] for c in candidates), reverse=True)
    assert min(c["score"] for c in candidates) >= 0.05 - 1e-4
    for kind in KINDS:
        ours = [c for c in candidates if c["label"] == kind]
        stay = minitorch.tensor([c["box"] for c in ours if c["stays"]]).reshape(-1, 4)
        gone = minitorch.tensor([c["box"] for c in ours if not c["stays"]]).reshape(-1, 4)
        overlap = iou(stay, stay).numpy() - np.eye(len(stay))
        assert (overlap <= 0.3 + 0.02).all()  # the boxes are rounded
        if len(gone):
            assert (iou(gone, stay).numpy().max(1) > 0.3 - 0.02).all()
    everything = post(demo, "boxes", scene=2, confidence=0.05, overlap=1)[1]["candidates"]
    assert all(c["stays"] for c in everything) and len(everything) == len(candidates)


# What is kept between two starts


class Little(Exhibit):
    """A model of one weight, and how often it was trained."""

    name = "little"

    def __init__(self, goal=3.0):
        self.goal, self.trainings = goal, 0

    def settings(self):
        return {"goal": self.goal}

    def prepare(self):
        self.model = minitorch.nn.Linear(1, 1, bias=False)
        return False

    def train(self, report):
        self.trainings += 1
        minitorch.nn.init.constant_(self.model.weight, self.goal)

    def describe(self):
        return f"weight {self.model.weight.item():g}"


def start(exhibit):
    """(how often it was trained, what it says of itself)."""
    stage = Stage(exhibit)
    stage.prepare(threading.Event())
    assert stage.state == "ready", stage.words
    return exhibit.trainings, stage.words


def test_a_model_is_trained_once_for_each_of_its_settings(home):
    assert start(Little()) == (1, "weight 3")
    assert start(Little()) == (0, "weight 3")
    assert start(Little(4.0)) == (1, "weight 4")
    (only,) = (home / "demo").iterdir()  # what is out of date goes
    assert only == kept.file_of(Little(4.0))
    assert start(Little()) == (1, "weight 3")


def test_a_model_is_trained_again_when_the_code_has_changed(home, monkeypatch, tmp_path):
    assert start(Little()) == (1, "weight 3")
    (tmp_path / "package").mkdir()
    monkeypatch.setattr(kept, "PACKAGE", tmp_path / "package")
    (tmp_path / "package" / "a.py").write_text("x = 1")
    kept.source_hash.cache_clear()
    try:
        first = kept.source_hash()
        assert start(Little()) == (1, "weight 3")
        kept.source_hash.cache_clear()
        (tmp_path / "package" / "a.py").rename(tmp_path / "package" / "b.py")
        assert kept.source_hash() != first and start(Little()) == (1, "weight 3")
    finally:
        monkeypatch.undo()
        kept.source_hash.cache_clear()


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[:-3], lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_a_damaged_file_is_replaced(home, damage):
    start(Little())
    path = kept.file_of(Little())
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert start(Little()) == (1, "weight 3")
    assert path.read_bytes() == whole


def test_where_nothing_can_be_kept_it_is_trained_at_every_start(home, monkeypatch):
    home.write_text("no folder")
    assert start(Little()) == start(Little()) == (1, "weight 3")
    for name in ("MINITORCH_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(kept.Path, "expanduser", nobody)
    assert start(Little()) == (1, "weight 3")


@pytest.mark.parametrize("k", range(3))
def test_a_restored_exhibit_answers_as_the_trained_one(home, exhibits, k):
    new = (Digits(epochs=1), Attention(steps=4), Boxes(steps=2, images=16))[k]
    kept.keep(exhibits[k])
    new.prepare()
    assert kept.restore(new) and new.describe() == exhibits[k].describe()
    request = ({"example": 5}, {"text": "a red"}, {"scene": 2, "confidence": 0.05, "overlap": 0.3})[k]
    assert new.answer(request) == exhibits[k].answer(request)


# The command


def test_a_checkpoint_of_minitorch_train_is_shown(tmp_path, exhibits):
    exhibits[0].training.save(tmp_path / "checkpoint.safetensors")
    again = Digits(tmp_path / "checkpoint.safetensors")
    assert again.prepare() and again.describe().startswith("LeNet")
    request = {"example": 5}
    assert again.answer(request) == exhibits[0].answer(request)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    train = ["train", "--model", "linear", "--epochs", "1", "--out", str(tmp_path), "--name", "run"]
    assert CliRunner().invoke(main, train).exit_code == 0
    with pytest.raises(BadRequest, match="is a linear trained on digits"):
        Digits(tmp_path / "run" / "checkpoint.safetensors").prepare()
    result = CliRunner().invoke(main, ["demo", "--no-browser", "--checkpoint", str(tmp_path / "nothing")])
    assert result.exit_code == 2 and "does not exist" in result.output


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_it_cleanly(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "minitorch", "demo", "--no-browser"],
        env=os.environ | {"MINITORCH_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    line = process.stdout.readline()
    assert line.startswith("http://127.0.0.1:"), line
    process.send_signal(signal.SIGINT)  # in the middle of the training
    rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "stopped\n")


# In a browser


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_in_a_browser(demo):
    with Browser() as browser:
        browser.resize(1200, 850)
        browser.open(demo.url)
        browser.wait("document.querySelectorAll('.class').length === 10")
        left, top = browser.evaluate("(r => [r.x, r.y])(document.getElementById('drawing').getBoundingClientRect())")
        browser.click("#clear")
        browser.mouse((left + 140, top + 30), (left + 140, top + 150), (left + 140, top + 260))
        browser.wait("document.querySelector('#seen canvas')?.getContext('2d').getImageData(14, 14, 1, 1).data[0] > 60")
        browser.click(".class:nth-child(3)")
        browser.wait("document.querySelector('#loss').textContent.includes('if it is a 2')")
        browser.click("#tab-attention")
        browser.wait("document.querySelectorAll('#heads canvas').length === 8")
        browser.evaluate("document.getElementById('characters').focus()")
        browser.key("Home")
        browser.key("ArrowRight")
        browser.key("ArrowRight")
        assert "(place 3)" in browser.evaluate("document.getElementById('reading').textContent")
        browser.click("#heads button:nth-child(6)")
        assert "Layer 2, head 2" in browser.evaluate("document.getElementById('map-title').textContent")
        browser.click("#tab-boxes")
        browser.wait("document.getElementById('count').textContent.includes('336 anchor boxes')")
        slide = "(e => {{ e.value = {}; e.dispatchEvent(new Event('input')); }})(document.getElementById('{}'))"
        browser.evaluate(slide.format(0.05, "confidence"))
        browser.wait("document.querySelectorAll('#overlay rect.stays').length > 0")
        browser.evaluate(slide.format(1, "overlap"))
        browser.wait("document.querySelectorAll('#overlay rect.suppressed').length === 0")
        browser.click("#following")
        browser.wait("document.getElementById('scene-number').textContent === '1'")
        for name in ("digits", "attention", "boxes"):
            for width in (360, 1200):
                browser.resize(width, 800)
                browser.click(f"#tab-{name}")
                assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        assert browser.errors == []
        browser.evaluate(
            "(async () => { byId('text').value = 'Ä!'; byId('text').dispatchEvent(new Event('input')); })()"
        )
        browser.wait("document.getElementById('error').textContent.includes('no token')")
