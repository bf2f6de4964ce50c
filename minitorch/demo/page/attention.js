// Where the character GPT looks.
"use strict";

{
  const field = byId("text"), row = byId("characters");
  let answer = null, place = 0, layer = 1, head = 0;

  const ask = asker("attention", (received) => {
    answer = received;
    place = answer.text.length - 1;
    byId("continuation").textContent = answer.continuation || "(the line ends)";
    showCharacters();
    showHeads();
    showPlace();
  });

  const visible = (character) => ({ " ": "␣", "\n": "⏎" })[character] || character;

  function showCharacters() {
    row.replaceChildren(...[...answer.text].map((character, k) => {
      const shown = element("span", { role: "option" }, character === " " ? "\u00a0" : character);
      shown.addEventListener("pointerenter", () => move(k));
      shown.addEventListener("click", () => move(k));
      return shown;
    }));
  }

  function showHeads() {
    const buttons = answer.weights.flatMap((heads, l) => heads.map((weights, h) => {
      const button = element("button", { "aria-pressed": l === layer && h === head }, map(weights, -1), `layer ${l + 1}, head ${h + 1}`);
      button.addEventListener("click", () => {
        [layer, head] = [l, h];
        showHeads();
        showPlace();
      });
      return button;
    }));
    byId("heads").replaceChildren(...buttons);
  }

  // Rows: the place that looks; columns: the places that it looks at. The chosen row is tinted.
  function map(weights, chosen) {
    const size = weights.length, canvas = element("canvas", { width: size, height: size });
    const pen = canvas.getContext("2d"), image = pen.createImageData(size, size);
    weights.forEach((line, i) => line.forEach((weight, j) => {
      const level = Math.round(255 * Math.sqrt(weight));
      image.data.set(i === chosen ? [Math.max(level, 60), Math.round(0.75 * level), Math.round(0.4 * level), 255] : [level, level, level, 255], 4 * (i * size + j));
    }));
    pen.putImageData(image, 0, 0);
    return canvas;
  }

  function showPlace() {
    const weights = answer.weights[layer][head][place];
    [...row.children].forEach((shown, k) => {
      shown.classList.toggle("chosen", k === place);
      shown.setAttribute("aria-selected", k === place);
      shown.style.background = k <= place ? `rgb(255 120 30 / ${Math.sqrt(weights[k]).toFixed(3)})` : "";
    });
    const best = weights.map((w, k) => [w, k]).sort((a, b) => b[0] - a[0]).slice(0, 3).filter(([w]) => w > 0.02);
    byId("reading").textContent = `Layer ${layer + 1}, head ${head + 1}, at “${visible(answer.text[place])}” (place ${place + 1}): `
      + best.map(([w, k]) => `${Math.round(100 * w)} % to “${visible(answer.text[k])}” at ${k + 1}`).join(", ");
    byId("map").replaceChildren(map(answer.weights[layer][head], place));
    byId("map-title").textContent = `Layer ${layer + 1}, head ${head + 1}: each row looks at what came before`;
    byId("next").replaceChildren(
      element("p", { class: "muted" }, `after “${answer.text.slice(Math.max(0, place - 11), place + 1)}”:`),
      ...answer.next[place].map(([character, p]) => {
        const bar = element("div");
        bar.style.width = `${100 * p}%`;
        return element("div", { class: "next" }, element("span", {}, `“${visible(character)}”`), element("span", {}, bar), element("span", {}, `${(100 * p).toFixed(1)} %`));
      }));
  }

  function move(to) {
    place = Math.min(Math.max(to, 0), answer.text.length - 1);
    showPlace();
  }

  row.addEventListener("keydown", (event) => {
    const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: Infinity }[event.key];
    if (to === undefined || !answer) return;
    move(to);
    event.preventDefault();
  });
  field.addEventListener("input", () => { if (field.value) ask({ text: field.value }); });
  starting.attention = () => ask({ text: field.value });
}
