// Boxes and non-maximum suppression.
"use strict";

{
  const COLOURS = { ellipse: "#e69f00", rectangle: "#56b4e9", triangle: "#f0e442", cross: "#cc79a7" }; // Okabe and Ito
  const SVG = "http://www.w3.org/2000/svg";
  let scene = 0, answer = null;

  const ask = asker("boxes", (received) => {
    answer = received;
    showScene();
    showBoxes();
  });

  function submit() {
    const confidence = +byId("confidence").value, overlap = +byId("overlap").value;
    byId("scene-number").textContent = scene;
    byId("confidence-value").textContent = confidence.toFixed(2);
    byId("overlap-value").textContent = overlap.toFixed(2);
    ask({ scene, confidence, overlap });
  }

  function showScene() {
    const { side } = answer, pen = byId("scene").getContext("2d"), image = pen.createImageData(side, side);
    const bytes = atob(answer.image);
    for (let k = 0; k < side * side; k++)
      image.data.set([bytes.charCodeAt(3 * k), bytes.charCodeAt(3 * k + 1), bytes.charCodeAt(3 * k + 2), 255], 4 * k);
    pen.putImageData(image, 0, 0);
  }

  function rectangle([left, top, right, bottom], kind, colour) {
    const made = document.createElementNS(SVG, "rect");
    const sizes = { x: 100 * left, y: 100 * top, width: 100 * Math.max(0, right - left), height: 100 * Math.max(0, bottom - top), class: kind };
    for (const [name, value] of Object.entries(sizes)) made.setAttribute(name, value);
    if (colour) made.style.stroke = colour;
    return made;
  }

  function label({ box, label, score }) {
    const made = document.createElementNS(SVG, "text");
    made.setAttribute("x", 100 * box[0] + 0.8);
    made.setAttribute("y", Math.max(3.2, 100 * box[1] - 1));
    made.textContent = `${label} ${score.toFixed(2)}`;
    return made;
  }

  function showBoxes() {
    const stay = answer.candidates.filter((c) => c.stays), gone = answer.candidates.filter((c) => !c.stays);
    const drawn = [];
    if (byId("suppressed").checked) drawn.push(...gone.map((c) => rectangle(c.box, "suppressed")));
    if (byId("truth").checked) drawn.push(...answer.true.map((t) => rectangle(t.box, "truth")));
    drawn.push(...stay.map((c) => rectangle(c.box, "stays", COLOURS[c.label])), ...stay.map(label));
    byId("overlay").replaceChildren(...drawn);
    const scored = answer.candidates.length;
    byId("count").textContent = `Of ${answer.anchors.toLocaleString("en")} anchor boxes ${scored} ${scored === 1 ? "reaches" : "reach"} the score for some class; `
      + `${stay.length} ${stay.length === 1 ? "stays" : "stay"}, ${gone.length} ${gone.length === 1 ? "is" : "are"} suppressed. `
      + `In the scene: ${answer.true.map((t) => t.label).join(", ")}.`;
    byId("list").tBodies[0].replaceChildren(...stay.slice(0, 12).map((c) => {
      const spot = element("i");
      spot.style.background = COLOURS[c.label];
      return element("tr", {}, element("td", {}, spot, c.label), element("td", {}, c.score.toFixed(3)));
    }));
  }

  for (const id of ["confidence", "overlap"]) byId(id).addEventListener("input", submit);
  for (const id of ["suppressed", "truth"]) byId(id).addEventListener("change", () => answer && showBoxes());
  const turn = (step) => () => {
    scene = (scene + step + 1000) % 1000;
    submit();
  };
  byId("previous").addEventListener("click", turn(-1));
  byId("following").addEventListener("click", turn(1));
  starting.boxes = submit;
}
