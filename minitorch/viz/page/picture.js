// Elements, and the picture of an array as `minitorch.viz.summary` writes it.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Levels 0 to 254 as colours: from black to white, or blue through white to red around zero; 255 stays empty.
// As large as the room allows, in whole pixels.
function painted(picture, room = [330, 200]) {
  const { width, height, signed, levels } = picture;
  const canvas = element("canvas", { width, height });
  const image = canvas.getContext("2d").createImageData(width, height);
  [...atob(levels)].forEach((character, k) => {
    const level = character.charCodeAt(0);
    if (level === 255) return;
    const t = level / 127 - 1; // -1 to 1
    const fade = 255 * (1 - Math.abs(t));
    const rgb = !signed ? [level, level, level] : t > 0 ? [215 + 0.16 * fade, 48 + 0.81 * fade, 39 + 0.85 * fade]
      : [49 + 0.81 * fade, 97 + 0.62 * fade, 180 + 0.29 * fade];
    image.data.set([...rgb, 255], 4 * k);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  const scale = Math.max(1, Math.min(24, Math.floor(Math.min(room[0] / width, room[1] / height))));
  canvas.style.width = `${width * scale}px`;
  return canvas;
}
