// Draw a digit.
"use strict";

{
  const SIDE = 32, drawing = byId("drawing"), pen = drawing.getContext("2d", { willReadFrequently: true });
  let request = null, target = null, last = null, tests = 0;

  const ask = asker("digits", show);

  function clear() {
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, drawing.width, drawing.height);
  }

  // The drawing in 32 x 32 points: one is set where there is ink in the middle of it.
  function ink() {
    const { data } = pen.getImageData(0, 0, drawing.width, drawing.height);
    const step = drawing.width / SIDE;
    let text = "";
    for (let y = 0; y < SIDE; y++)
      for (let x = 0; x < SIDE; x++)
        text += data[4 * (Math.floor((y + 0.5) * step) * drawing.width + Math.floor((x + 0.5) * step))] > 127 ? "1" : "0";
    return text;
  }

  function place(event) {
    const box = drawing.getBoundingClientRect(), scale = drawing.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  function stroke(event) {
    const [x, y] = place(event);
    pen.strokeStyle = pen.fillStyle = "#fff";
    pen.lineWidth = 30;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...(last || [x, y]));
    pen.lineTo(x, y + 0.01);
    pen.stroke();
    last = [x, y];
    submit({ ink: ink() });
  }

  function submit(next) {
    request = next;
    ask({ ...request, target });
  }

  function show(answer) {
    byId("seen").replaceChildren(painted(answer.image, [140, 140]));
    byId("pixels").replaceChildren(painted(answer.gradient, [140, 140]));
    byId("classes").replaceChildren(...answer.probabilities.map((p, digit) => classRow(p, digit, answer)));
    const aim = target ?? answer.predicted;
    byId("loss").textContent = `The loss, if it is a ${aim}: −ln p(${aim}) = ${answer.loss.toPrecision(3)}. Choose another class to see which ink speaks for it.`;
    byId("layers").replaceChildren(...answer.layers.map(layerView));
    if (!("ink" in request)) drawExample(answer.image);
  }

  function classRow(p, digit, answer) {
    const inner = element("div");
    inner.style.width = `${100 * p}%`;
    const row = element("button", { class: "class", role: "radio", "aria-checked": target === digit },
      element("span", {}, digit), element("div", { class: "bar" }, inner), element("span", {}, `${(100 * p).toFixed(1)} %`));
    row.classList.toggle("predicted", digit === answer.predicted);
    row.addEventListener("click", () => {
      target = target === digit ? null : digit;
      if (request) submit(request);
    });
    return row;
  }

  const WORDS = { relu1: "convolution 1, ReLU", relu2: "convolution 2, ReLU", relu3: "linear 1, ReLU", relu4: "linear 2, ReLU" };

  function layerView({ name, shape, values, gradient }) {
    const half = (picture, words) => element("figure", {}, painted(picture, [190, 110]), element("figcaption", {}, words));
    return element("div", { class: "layer" }, element("h3", {}, `${WORDS[name]}: ${shape.join(" × ")}`),
      element("div", { class: "two" }, half(values, "activations"), half(gradient, "gradient of the loss")));
  }

  // A test image, shown where one draws.
  function drawExample(picture) {
    clear();
    pen.imageSmoothingEnabled = false;
    pen.drawImage(painted(picture), 0, 0, drawing.width, drawing.height);
  }

  drawing.addEventListener("pointerdown", (event) => {
    drawing.setPointerCapture(event.pointerId);
    if (request && !("ink" in request)) clear();
    last = null;
    stroke(event);
  });
  drawing.addEventListener("pointermove", (event) => { if (event.buttons & 1 && last) stroke(event); });
  drawing.addEventListener("pointerup", () => { last = null; });
  byId("clear").addEventListener("click", () => {
    clear();
    submit({ ink: ink() });
  });
  byId("example").addEventListener("click", () => {
    submit({ example: tests });
    tests = (tests + 7) % 360;
  });
  clear();
  starting.digits = () => byId("example").click();
}
