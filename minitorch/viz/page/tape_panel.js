// What is said about one node: its numbers, its gradient, what it keeps, its rules, the lines of code.

function shapeText(shape) {
  return shape.length ? shape.join(" × ") : "a number";
}

function bytesText(bytes) {
  for (const [unit, size] of [["MB", 1e6], ["kB", 1e3]])
    if (bytes >= size) return `${(bytes / size).toFixed(bytes < 10 * size ? 1 : 0)} ${unit}`;
  return `${bytes} bytes`;
}

// A short form that fits on a node.
function shortNumbers(summary) {
  if (!summary || !summary.numbers) return null;
  const flat = summary.numbers.flat();
  if (flat.length > 4 || summary.numbers.length > 2) return null;
  if (!summary.shape.length) return flat[0];
  const rows = summary.numbers.map((row) => `[${row.join(", ")}]`);
  return summary.shape.length > 1 ? `[${rows.join(", ")}]` : rows[0];
}

function bars({ counts, low, high }) {
  const most = Math.max(...counts), svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${counts.length * 4} 40`);
  svg.setAttribute("preserveAspectRatio", "none");
  counts.forEach((count, k) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const height = count ? Math.max(1, (38 * count) / most) : 0;
    for (const [name, value] of Object.entries({ x: 4 * k + 0.3, y: 40 - height, width: 3.4, height }))
      bar.setAttribute(name, value);
    svg.append(bar);
  });
  return element("div", { class: "bars" }, svg, element("div", { class: "ends" }, element("span", {}, low), element("span", {}, high)));
}

function numberTable(rows) {
  const table = element("table", { class: "numbers" });
  for (const row of rows) table.append(element("tr", {}, ...row.map((value) => element("td", {}, value))));
  return table;
}

function summaryView(summary) {
  const view = element("div", { class: "summary" });
  const facts = [`${shapeText(summary.shape)}, ${summary.dtype}, ${bytesText(summary.bytes)}`];
  if (summary.least !== undefined && !(summary.numbers && summary.numbers.flat().length === 1))
    facts.push(`from ${summary.least} to ${summary.most}, mean ${summary.mean}, norm ${summary.norm}`);
  if (summary.not_finite) facts.push(`${summary.not_finite} not finite`);
  if (summary.numbers) view.append(numberTable(summary.numbers));
  if (summary.picture) view.append(painted(summary.picture));
  if (summary.histogram) view.append(bars(summary.histogram));
  view.append(...facts.map((fact) => element("div", { class: "fact" }, fact)));
  return view;
}

function section(title, ...children) {
  const kept = children.flat().filter(Boolean);
  return kept.length ? element("section", {}, element("h3", {}, title), ...kept) : null;
}

function summaries(list, missing) {
  if (!list) return missing ? [element("p", { class: "muted" }, missing)] : [];
  return list.filter(Boolean).map(summaryView);
}

function formulaView(rule, to, nameOf) {
  const view = element("div", { class: "rule" });
  view.append(element("div", { class: "fact" }, `for ${rule.name}, which is ${nameOf(to)}:`));
  if (rule.formula) {
    const formula = element("div", { class: "formula" });
    formula.innerHTML = rule.formula;
    view.append(formula);
  }
  view.append(element("pre", {}, rule.source), element("div", { class: "where" }, rule.where));
  return view;
}

function frameView(frame) {
  return element("div", { class: "frame" },
    element("pre", {}, frame.text || "(the line's text is not known)"),
    element("div", { class: "where" }, `${frame.file}:${frame.line}, in ${frame.function}`));
}

// arrivals: [{ from, value, summed }]: what has reached the node up to this step.
function panelOf(entry, rules, place, arrivals, isVisited, nameOf) {
  const panel = document.createDocumentFragment();
  panel.append(element("h2", {}, nameOf(entry.id)));
  const about = [place, entry.kind === "operation" ? [entry.primitive, entry.backward].filter(Boolean).join(" · ") : entry.kind === "leaf" ? "a leaf: here a gradient ends, in .grad" : "needs no gradient"];
  panel.append(element("p", { class: "muted" }, about.filter(Boolean).join(" · ")));
  const parameters = Object.entries(entry.parameters).map(([name, value]) => `${name} = ${value}`);
  if (parameters.length) panel.append(element("p", { class: "parameters" }, parameters.join(", ")));
  const missing = "Nothing has kept these numbers: no rule needs them. Inside minitorch.viz.recording() they are seen.";
  const several = arrivals.length > 1
    ? arrivals.map((a) => element("div", { class: "fact" }, `from ${nameOf(a.from)}: ${shortNumbers(a.value) || `norm ${a.value.norm}`}${a.summed ? `, summed from ${shapeText(a.summed)}` : ""}`))
    : arrivals.filter((a) => a.summed).map((a) => element("div", { class: "fact" }, `summed from ${shapeText(a.summed)}: what was broadcast is added up`));
  const gradient = isVisited ? [...several, ...summaries(entry.gradients)] : arrivals.length
    ? [element("p", { class: "muted" }, "Not complete yet."), ...several] : [];
  panel.append(...[
    section("Value", summaries(entry.values, missing)),
    section("Gradient of the loss", gradient),
    section("Rules", entry.rules.map(({ rule, to }) => formulaView(rules[rule], to, nameOf))),
    section("Kept for the rules", entry.kept.map((k) => element("div", { class: "fact" }, `${k.name}: ${shapeText(k.shape)}, ${bytesText(k.bytes)}${k.leaf ? " (a leaf's own memory)" : ""}`))),
    section("Called from", entry.frames.map(frameView)),
  ].filter(Boolean));
  return panel;
}
