// Where everything stands, for the groups that are open now. Python says in which layer an item is and in which order
// (layout.py); here every layer gets its height, and every item the place nearest to its neighbours that is free.

const LAYER_GAP = 34, ITEM_GAP = 20, FRAME = { side: 16, top: 30, bottom: 14 }, NODE_HEIGHT = 62;

// Places x_i near the wishes d_i, in this order and at least gaps_i apart: least squares, by pooling neighbours that
// would stand in each other's way (isotonic regression).
function spaced(wishes, gaps) {
  const pools = [];
  let offset = 0;
  wishes.forEach(([wish, weight], i) => {
    offset += i ? gaps[i - 1] : 0;
    pools.push({ sum: (wish - offset) * weight, weight, count: 1 });
    while (pools.length > 1) {
      const last = pools[pools.length - 1], before = pools[pools.length - 2];
      if (before.sum / before.weight <= last.sum / last.weight) break;
      pools.pop();
      before.sum += last.sum;
      before.weight += last.weight;
      before.count += last.count;
    }
  });
  const places = [];
  let place = 0;
  for (const pool of pools)
    for (let k = 0; k < pool.count; k++) {
      place += places.length ? gaps[places.length - 1] : 0;
      places.push(pool.sum / pool.weight + place);
    }
  return places;
}

// The inside of one group: { width, height, items: { name: { x, y, width, height, inside } } }, x: centre, y: top.
function arrange(group, layouts, groups, sizeOf, isSource) {
  const { layers, edges } = layouts[group];
  const items = {}, above = {}, below = {};
  for (const name of layers.flat()) {
    const isGroup = name[0] === "g", number = +name.slice(1);
    const inside = isGroup && groups[number].open ? arrange(number, layouts, groups, sizeOf, isSource) : null;
    const size = inside || ("ng".includes(name[0]) ? sizeOf(name) : { width: 0, height: 0 });
    items[name] = { width: size.width, height: size.height, inside, x: 0, y: 0 };
    above[name] = [];
    below[name] = [];
  }
  for (const edge of edges) {
    const way = [edge.from, ...edge.through, edge.to];
    for (let k = 0; k + 1 < way.length; k++) {
      // A leaf goes to its operation, not the operation to it.
      above[way[k + 1]].push([way[k], isSource(way[k]) ? 0.02 : 1]);
      below[way[k]].push([way[k + 1], 1]);
    }
  }
  let y = FRAME.top;
  for (const layer of layers) {
    const height = Math.max(0, ...layer.map((name) => items[name].height));
    for (const name of layer) {
      if (name[0] === "d") items[name].height = height; // past everything in its layer
      items[name].y = y + (height - items[name].height) * (isSource(name) ? 1 : 0.5); // a leaf close to its use
    }
    y += height + (height ? LAYER_GAP : LAYER_GAP / 2);
    const gaps = gapsOf(layer, items);
    spaced(layer.map((_, i) => [i * 10, 1]), gaps).forEach((x, i) => { items[layer[i]].x = x; });
  }
  // Down with the wishes of what is above, up with those of what is below; at last with both.
  const heavy = (name) => (isSource(name) ? 0.02 : name[0] === "d" ? 2 : 1);
  for (let round = 0; round < 14; round++) {
    const downwards = round % 2 === 0, both = round > 9;
    for (const layer of downwards ? layers : [...layers].reverse())
      settle(layer, items, (name) => (both ? [...above[name], ...below[name]] : downwards ? above[name] : below[name]), heavy);
  }
  return framed(items, y, group === 0 ? 0 : groupWidth(groups[group]));
}

function gapsOf(layer, items) {
  return layer.slice(1).map((name, i) => (items[layer[i]].width + items[name].width) / 2 + ITEM_GAP);
}

function settle(layer, items, neighbours, heavy) {
  const wishes = layer.map((name) => {
    let sum = 0, weight = 0;
    for (const [other, w] of neighbours(name)) {
      sum += items[other].x * w;
      weight += w;
    }
    return weight ? [sum / weight, heavy(name)] : [items[name].x, 0.02];
  });
  spaced(wishes, gapsOf(layer, items)).forEach((x, i) => { items[layer[i]].x = x; });
}

function framed(items, bottom, least) {
  const all = Object.values(items);
  const left = Math.min(...all.map((i) => i.x - i.width / 2)), right = Math.max(...all.map((i) => i.x + i.width / 2));
  const width = Math.max(right - left + 2 * FRAME.side, least);
  const shift = (width - (right - left)) / 2 - left;
  for (const item of all) item.x += shift;
  return { width, height: Math.max(...all.map((i) => i.y + i.height)) + FRAME.bottom, items };
}

function groupWidth(group) {
  return textWidth(`▾ ${group.title} ${group.kind}`, 13) + 2 * FRAME.side;
}

function textWidth(text, size) {
  const pen = (textWidth.pen ||= document.createElement("canvas").getContext("2d"));
  pen.font = `${size}px system-ui, sans-serif`;
  return pen.measureText(text).width;
}

// An edge as a curve through its points: every point is left downwards and reached from above.
function curve(points) {
  let path = `M${points[0].map(round1)}`;
  for (let k = 1; k < points.length; k++) {
    const [x0, y0] = points[k - 1], [x1, y1] = points[k];
    const bend = Math.max(12, Math.abs(y1 - y0) / 2);
    path += `C${[x0, y0 + bend, x1, y1 - bend, x1, y1].map(round1)}`;
  }
  return path;
}

function round1(x) {
  return Math.round(x * 10) / 10;
}
