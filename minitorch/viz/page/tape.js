// The page: draws the graph, takes steps through the pass, opens and closes groups.

const tape = JSON.parse(document.getElementById("data").textContent);
const { entries, edges, steps, groups, layouts } = tape;
const byId = (id) => document.getElementById(id);
const view = { step: 0, chosen: tape.root, zoom: 0, timer: null };

const SVG = "http://www.w3.org/2000/svg";
function shape(tag, attributes = {}, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// What is true for the whole run.

const stepOf = new Map(steps.map((step, k) => [step.entry, k + 1])); // the step in which a node is visited
const arrivals = entries.map(() => []); // what a node is sent, and in which step
steps.forEach((step, k) => step.sent.forEach((sent) => arrivals[sent.to].push({ ...sent, from: step.entry, step: k + 1 })));
const usersOf = entries.map(() => []);
for (const edge of edges) usersOf[edge.source].push(edge.target);

const usedOutputs = new Set(edges.map((edge) => `${edge.source} ${edge.output}`));

function ancestors(entry) {
  const path = [];
  for (let group = entries[entry].group; group; group = groups[group].parent) path.push(group);
  return path;
}

const membersOf = groups.map(() => []);
for (const entry of entries) for (const group of [...ancestors(entry.id), 0]) membersOf[group].push(entry.id);

function nameOf(id) {
  const entry = entries[id];
  if (entry.kind === "operation") return entry.title ? `${entry.title} = ${entry.name}` : entry.name;
  return entry.title || (entry.kind === "leaf" ? "leaf" : "input");
}

function placeOf(id) {
  const path = ancestors(id).reverse().map((group) => groups[group].title);
  return [...path, entries[id].module].filter(Boolean).join(" / ");
}

// Drawing.

function linesOf(entry) {
  const value = entry.values && entry.values.length === 1 ? shortNumbers(entry.values[0]) : null;
  const used = entry.shapes.filter((_, k) => entry.shapes.length === 1 || usedOutputs.has(`${entry.id} ${k}`)).map((s) => s.join("×"));
  const shapes = used.length > 1 && new Set(used).size === 1 ? `${used.length} of ${used[0]}` : used.join(", ");
  const name = entry.kind === "leaf" ? nameOf(entry.id).split(".").slice(-2).join(".") : nameOf(entry.id);
  return [name, [entry.module, value || shapes || "number"].filter(Boolean).join(" · ")];
}

function groupLines(group) {
  const operations = membersOf[group].filter((id) => entries[id].kind === "operation").length;
  return [`▸ ${groups[group].title}`, `${groups[group].kind === "run" ? "" : groups[group].kind + " · "}${operations} operations`];
}

function sizeOf(item) {
  const number = +item.slice(1);
  const lines = item[0] === "g" ? groupLines(number) : linesOf(entries[number]);
  let width = Math.max(textWidth(lines[0], 13) * 1.07, textWidth(lines[1], 11.5)) + 28;
  if (item[0] === "n" && steps.length)
    for (const line of [gradientLine(entries[number], steps.length), arrivals[number].length > 1 ? "10 of 10 arrived" : ""])
      width = Math.max(width, textWidth(line, 11.5) * 1.07 + 28);
  return { width: Math.max(width, 76), height: NODE_HEIGHT };
}

function gradientLine(entry, step) {
  const visited = stepOf.get(entry.id);
  if (visited !== undefined && visited <= step) {
    const gradient = (entry.gradients || []).find(Boolean);
    return gradient ? `∂ ${shortNumbers(gradient) || `norm ${gradient.norm}`}` : "";
  }
  const arrived = arrivalsAt(entry.id, step).length;
  const all = arrivals[entry.id].length;
  return !arrived ? "" : all === 1 ? "arrived" : `${arrived} of ${all} arrived`;
}

function arrivalsAt(id, step) {
  return arrivals[id].filter((arrival) => arrival.step <= step);
}

function draw() {
  const arranged = arrange(0, layouts, groups, sizeOf, (item) => item[0] === "n" && entries[+item.slice(1)].kind !== "operation");
  const svg = shape("svg", { role: "group", "aria-label": "the graph, from its inputs at the top to the loss" });
  const marker = shape("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" });
  marker.append(shape("path", { d: "M0,0L8,4L0,8z", class: "arrow" }));
  svg.append(shape("defs"));
  svg.firstChild.append(marker);
  drawInside(0, arranged, 0, -FRAME.top + 12, svg);
  view.width = arranged.width;
  view.height = arranged.height - FRAME.top + 14;
  svg.setAttribute("viewBox", `0 0 ${view.width} ${view.height}`);
  byId("graph").replaceChildren(svg);
  zoomed();
  update();
}

function drawInside(group, arranged, left, top, svg) {
  for (const edge of layouts[group].edges) for (const tensor of edge.tensors) drawEdge(edge, tensor, group, arranged, left, top, svg);
  for (const [name, item] of Object.entries(arranged.items)) {
    const x = left + item.x - item.width / 2, y = top + item.y, number = +name.slice(1);
    if (name[0] === "n") svg.append(drawNode(entries[number], x, y, item));
    if (name[0] === "g") {
      svg.append(drawGroup(number, x, y, item));
      if (item.inside) drawInside(number, item.inside, x, y, svg);
    }
  }
}

function drawEdge(edge, tensor, group, arranged, left, top, svg) {
  const end = (name, isTop) => {
    const item = arranged.items[name];
    if ("io".includes(name[0])) return [left + item.x, isTop ? top + arranged.height : top];
    const port = item.inside && item.inside.items[`${isTop ? "i" : "o"}${tensor}`];
    const x = port ? item.x - item.width / 2 + port.x : item.x;
    return [left + x, top + item.y + (isTop ? 0 : item.height)];
  };
  const bends = edge.through.flatMap((name) => {
    const { x, y, height } = arranged.items[name];
    return [[left + x, top + y], [left + x, top + y + height]];
  });
  const path = shape("path", { d: curve([end(edge.from, false), ...bends, end(edge.to, true)]), class: "edge" });
  if (edge.to[0] === "n" || (edge.to[0] === "g" && !groups[+edge.to.slice(1)].open)) path.setAttribute("marker-end", "url(#arrow)");
  path.dataset.tensor = tensor;
  path.users = usersBehind(edge.to, tensor, group);
  svg.append(path);
}

// The nodes that a piece of an edge leads to.
function usersBehind(name, tensor, group) {
  const users = usersOf[tensor];
  const number = +name.slice(1);
  if (name[0] === "n") return users.filter((user) => user === number);
  if (name[0] === "g") return users.filter((user) => membersOf[number].includes(user));
  return users.filter((user) => !membersOf[group].includes(user));
}

function drawNode(entry, x, y, { width, height }) {
  const [first, second] = linesOf(entry);
  const node = shape("g", { class: `node ${entry.kind}`, tabindex: 0, role: "button", "aria-label": `${first}, ${second}`, transform: `translate(${round1(x)},${round1(y)})` });
  node.dataset.entry = entry.id;
  node.append(
    shape("rect", { width: round1(width), height, rx: entry.kind === "operation" ? 6 : 20 }),
    shape("text", { class: "name", x: width / 2, y: 20 }, first),
    shape("text", { class: "small", x: width / 2, y: 37 }, second),
    shape("text", { class: "gradient", x: width / 2, y: 53 }),
  );
  node.addEventListener("click", () => choose(entry.id));
  return node;
}

function drawGroup(group, x, y, { width, height, inside }) {
  const { title, kind } = groups[group];
  const drawn = shape("g", { class: `group ${inside ? "open" : "closed"}`, tabindex: 0, role: "button", "aria-expanded": Boolean(inside), "aria-label": `${title} ${kind}`, transform: `translate(${round1(x)},${round1(y)})` });
  drawn.dataset.group = group;
  if (inside) {
    const label = shape("text", { x: 12, y: 20 });
    label.append(shape("tspan", { class: "name" }, `▾ ${title} `), shape("tspan", { class: "small" }, kind === "run" ? "" : kind));
    drawn.append(shape("rect", { width: round1(width), height: round1(height), rx: 10 }), label);
  } else {
    const [first, second] = groupLines(group);
    drawn.append(
      shape("rect", { class: "behind", x: 4, y: 4, width: round1(width), height, rx: 6 }),
      shape("rect", { width: round1(width), height, rx: 6 }),
      shape("text", { class: "name", x: width / 2, y: 20 }, first),
      shape("text", { class: "small", x: width / 2, y: 37 }, second),
      shape("text", { class: "gradient", x: width / 2, y: 53 }),
    );
  }
  drawn.addEventListener("click", () => toggle(group));
  return drawn;
}

// The state of the pass, put on what is drawn.

function update() {
  const { step } = view, active = step ? steps[step - 1] : null;
  const senders = new Set(steps.slice(0, step).map((s) => s.entry));
  for (const node of document.querySelectorAll(".node")) {
    const entry = entries[+node.dataset.entry], line = gradientLine(entry, step);
    const visited = senders.has(entry.id);
    node.classList.toggle("visited", visited);
    node.classList.toggle("arriving", !visited && line !== "");
    node.classList.toggle("active", active !== null && active.entry === entry.id);
    node.classList.toggle("failed", active !== null && active.entry === entry.id && active.error !== null);
    node.classList.toggle("chosen", view.chosen === entry.id);
    node.querySelector(".gradient").textContent = line;
  }
  for (const drawn of document.querySelectorAll(".group")) {
    const members = membersOf[+drawn.dataset.group].filter((id) => stepOf.has(id));
    const done = members.filter((id) => senders.has(id)).length;
    const holdsActive = active !== null && members.includes(active.entry);
    drawn.classList.toggle("active", holdsActive && drawn.classList.contains("closed"));
    drawn.classList.toggle("visited", done > 0 && done === members.length && drawn.classList.contains("closed"));
    const line = drawn.querySelector(".gradient");
    if (line) line.textContent = done ? `${done} of ${members.length} done` : "";
  }
  for (const path of document.querySelectorAll(".edge")) {
    const tensor = +path.dataset.tensor;
    const sends = (id) => steps[stepOf.get(id) - 1]?.sent.some((sent) => sent.to === tensor);
    path.classList.toggle("sending", active !== null && path.users.includes(active.entry) && sends(active.entry));
    path.classList.toggle("sent", path.users.some((user) => senders.has(user) && sends(user)));
  }
  byId("slider").value = step;
  byId("position").textContent = steps.length ? `step ${step} of ${steps.length}` : "";
  for (const [id, off] of [["first", step === 0], ["back", step === 0], ["on", step === steps.length], ["last", step === steps.length]])
    byId(id).disabled = off;
  byId("sentence").textContent = sentence(active);
  const chosen = entries[view.chosen];
  byId("panel").replaceChildren(panelOf(chosen, tape.rules, placeOf(chosen.id), arrivalsAt(chosen.id, step), senders.has(chosen.id), nameOf));
}

function sentence(active) {
  if (!steps.length) return "The graph of the forward run, from its inputs at the top to the result at the bottom.";
  if (!active) return "Before the pass: the graph of the forward run, from its inputs at the top to the result at the bottom. The right arrow key takes a step of the backward pass.";
  const name = nameOf(active.entry), count = arrivalsAt(active.entry, view.step).length;
  const complete = view.step === 1 ? `The pass begins at ${name}` : `${name} has its gradient complete${count > 1 ? `, the sum of ${count} contributions` : ""}`;
  if (active.error) return `${complete}, and its rule fails.`;
  if (entries[active.entry].kind === "leaf") return `${complete}. It is a leaf: the gradient is added to its .grad.`;
  const targets = active.sent.map((sent) => nameOf(sent.to));
  return targets.length ? `${complete}; its rules send a gradient on to ${targets.join(" and ")}.` : `${complete}.`;
}

// What the user does.

function go(step) {
  view.step = Math.min(Math.max(step, 0), steps.length);
  if (view.step) view.chosen = steps[view.step - 1].entry;
  update();
  reveal();
}

function reveal() {
  const shown = [`[data-entry="${view.chosen}"]`, ...ancestors(view.chosen).map((group) => `[data-group="${group}"].closed`)];
  const node = document.querySelector(shown.join(","));
  if (!node) return;
  // Only the graph scrolls, not the page around it.
  const box = byId("graph"), place = node.getBoundingClientRect(), frame = box.getBoundingClientRect();
  const margin = 40;
  if (place.top < frame.top + margin) box.scrollTop += place.top - frame.top - margin;
  if (place.bottom > frame.bottom - margin) box.scrollTop += place.bottom - frame.bottom + margin;
  if (place.left < frame.left + margin) box.scrollLeft += place.left - frame.left - margin;
  if (place.right > frame.right - margin) box.scrollLeft += place.right - frame.right + margin;
}

function choose(entry) {
  view.chosen = entry;
  update();
}

function toggle(group) {
  groups[group].open = !groups[group].open;
  draw();
  const drawn = document.querySelector(`[data-group="${group}"]`);
  drawn.focus({ preventScroll: true });
  drawn.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function openAll(open) {
  groups.forEach((group, k) => { group.open = k === 0 || open; });
  draw();
  reveal();
}

function zoomed(factor = 1) {
  const box = byId("graph");
  // At first as large as fits, but so that it can be read.
  const wide = (box.clientWidth - 16) / view.width, high = (box.clientHeight - 8) / view.height;
  if (!view.zoom) view.zoom = Math.max(Math.min(1.25, wide, high), Math.min(1, Math.max(wide, 0.8)));
  view.zoom = Math.min(Math.max(view.zoom * factor, 0.15), 3);
  const svg = box.querySelector("svg");
  svg.setAttribute("width", round1(view.width * view.zoom));
  svg.setAttribute("height", round1(view.height * view.zoom));
}

function run() {
  const stop = () => {
    clearInterval(view.timer);
    view.timer = null;
    byId("play").textContent = "run";
  };
  if (view.timer) return stop();
  if (view.step === steps.length) go(0);
  byId("play").textContent = "stop";
  view.timer = setInterval(() => (view.step < steps.length ? go(view.step + 1) : stop()), Math.max(120, Math.min(900, 30000 / steps.length)));
}

const KEYS = {
  ArrowRight: () => go(view.step + 1),
  ArrowLeft: () => go(view.step - 1),
  Home: () => go(0),
  End: () => go(steps.length),
  " ": run,
  "+": () => zoomed(1.2),
  "-": () => zoomed(1 / 1.2),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const target = event.target, drawn = target.closest?.("[data-entry], [data-group]");
  if (drawn && (event.key === "Enter" || event.key === " ")) {
    if (drawn.dataset.group) toggle(+drawn.dataset.group);
    else choose(+drawn.dataset.entry);
  } else if (target.id === "slider" || (target.tagName === "BUTTON" && event.key === " ") || !(event.key in KEYS)) {
    return;
  } else {
    KEYS[event.key]();
  }
  event.preventDefault();
});

for (const [id, action] of Object.entries({
  first: KEYS.Home, back: KEYS.ArrowLeft, on: KEYS.ArrowRight, last: KEYS.End, play: run, larger: KEYS["+"], smaller: KEYS["-"],
  fold: () => openAll(false), unfold: () => openAll(true),
}))
  byId(id).addEventListener("click", action);
byId("slider").addEventListener("input", (event) => go(+event.target.value));

function about() {
  const count = (kind) => entries.filter((entry) => entry.kind === kind).length;
  const counted = (number, one, many) => `${number} ${number === 1 ? one : many}`;
  const words = [counted(count("operation"), "operation", "operations"), counted(count("leaf"), "leaf", "leaves")];
  if (steps.length) words.push(`${bytesText(tape.keptBytes)} kept for the rules, beside the leaves`);
  return words.join(" · ");
}

byId("title").textContent = tape.title;
byId("about").textContent = about();
byId("message").textContent = tape.message || "";
byId("message").hidden = !tape.message;
byId("slider").max = steps.length;
for (const id of ["slider", "play"]) byId(id).disabled = !steps.length;
if (groups.length === 1) for (const id of ["fold", "unfold"]) byId(id).hidden = true;
draw();
byId("graph").scrollTop = byId("graph").scrollHeight; // the pass begins at the bottom
reveal();
