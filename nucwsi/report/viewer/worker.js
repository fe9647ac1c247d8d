"use strict";
// Unpacks, draws and looks up nuclei in a worker, so that the page stays responsive. A page that is
// opened from a disk cannot load a worker from a file, so the worker gets the source text of this
// function. The function must not use anything outside of it.

function workerMain() {
  const MAX_HELD = 600000; // most nuclei that are kept unpacked
  const REACH = 48; // canvas pixels by which a nucleus may reach beyond its tile

  let facts = null, density = null;
  const held = new Map(); // key of a tile -> its unpacked pieces, in order of last use

  function bytesOf(base64) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
    const letters = atob(base64), bytes = new Uint8Array(letters.length);
    for (let at = 0; at < bytes.length; at++) bytes[at] = letters.charCodeAt(at);
    return bytes;
  }

  async function unpacked(text) {
    const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }

  // Reads the nuclei of one piece of a tile; `pack_nuclei` in viewer_tiles.py defines the format.
  // (x, y) is the tile's upper left corner in canvas pixels; the corners of outlines are counted
  // from there.
  function nucleiOf(buffer, x, y) {
    const nClasses = facts.classes.length, { units } = facts.nuclei;
    const [n, corners] = new Uint32Array(buffer, 0, 2);
    const id = new Float64Array(buffer, 8, n);
    const area = new Float32Array(buffer, 8 + 8 * n, n);
    const count = new Uint16Array(buffer, 8 + 12 * n, n);
    const steps = new Int16Array(buffer, 8 + 14 * n, 2 * corners);
    const code = new Uint8Array(buffer, 8 + 14 * n + 4 * corners, n);
    const share = new Uint8Array(buffer, 8 + 15 * n + 4 * corners, n * nClasses);
    const level = new Uint8Array(buffer, 8 + (15 + nClasses) * n + 4 * corners);
    const xy = new Float32Array(2 * corners);
    const start = new Uint32Array(n + 1);
    const box = new Float32Array(4 * n);
    let at = 0;
    for (let i = 0; i < n; i++) {
      let column = 0, row = 0;
      let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
      start[i] = at;
      for (const end = at + 2 * count[i]; at < end; at += 2) {
        column += steps[at];
        row += steps[at + 1];
        const px = column / units, py = row / units;
        xy[at] = px;
        xy[at + 1] = py;
        if (px < left) left = px;
        if (px > right) right = px;
        if (py < top) top = py;
        if (py > bottom) bottom = py;
      }
      box.set([left, top, right, bottom], 4 * i);
    }
    start[n] = at;
    return { n, id, area, code, share, level, xy, start, box, x, y };
  }

  function makeRoom(coming) {
    let total = coming;
    for (const key of held.keys()) total += facts.nuclei.tiles[key];
    for (const key of [...held.keys()]) {
      if (total <= MAX_HELD) return;
      total -= facts.nuclei.tiles[key];
      held.delete(key);
    }
  }

  // Returns the pieces whose nuclei may reach into a window, or the keys of tiles not yet loaded.
  function within(left, top, right, bottom, reach) {
    const { tile, tiles } = facts.nuclei, keys = [];
    const from = (value) => Math.max(0, Math.floor((value - reach) / tile));
    for (let row = from(top); row * tile < bottom + reach; row++) {
      for (let column = from(left); column * tile < right + reach; column++) {
        if (`${column}_${row}` in tiles) keys.push(`${column}_${row}`);
      }
    }
    const missing = keys.filter((key) => !held.has(key));
    if (missing.length) return { missing };
    for (const key of keys) {
      const pieces = held.get(key);
      held.delete(key);
      held.set(key, pieces);
    }
    return { pieces: keys.flatMap((key) => held.get(key)) };
  }

  function css(colour, alpha) {
    return `rgb(${colour.join(" ")} / ${alpha})`;
  }

  function tracePath(context, piece, i, stride) {
    const { xy, start } = piece, end = start[i + 1];
    context.moveTo(xy[start[i]], xy[start[i] + 1]);
    for (let k = start[i] + 2 * stride; k < end; k += 2 * stride) context.lineTo(xy[k], xy[k + 1]);
    context.closePath();
  }

  // What nuclei are coloured by: "class", "none" (one colour for all), or the number of a feature.
  // Returns the colours, and for each nucleus the place of its own among them.
  function colouring(by) {
    if (by === "class") {
      return { palette: facts.classes.map(({ colour }) => colour), of: (piece, i) => piece.code[i] };
    }
    if (by === "none") return { palette: [facts.plain], of: () => 0 };
    const { ramp, features } = facts, last = ramp.length - 1, width = features.length;
    const of = ({ level }, i) => {
      const value = level[i * width + by];
      return value ? Math.round((value - 1) / 254 * last) : last + 1;
    };
    return { palette: [...ramp, facts.unknown], of };
  }

  function drawNuclei(context, pieces, { visible, by, scale, left, top, side }) {
    const outlined = scale >= 0.5;
    // Nuclei of a few pixels look the same with every second corner.
    const stride = outlined ? 1 : 2;
    const { palette, of } = colouring(by);
    palette.forEach((colour, group) => {
      context.fillStyle = css(colour, outlined ? Math.max(0.12, 0.4 - scale / 5) : 0.75);
      context.strokeStyle = css(colour, 1);
      for (const piece of pieces) {
        const x = left - piece.x, y = top - piece.y, { box } = piece;
        context.setTransform(scale, 0, 0, scale, -x * scale, -y * scale);
        context.lineWidth = Math.min(2.5, 1 + scale / 2) / scale;
        context.beginPath();
        for (let i = 0; i < piece.n; i++) {
          if (!visible[piece.code[i]] || of(piece, i) !== group) continue;
          const b = 4 * i, edge = context.lineWidth;
          if (box[b + 2] < x - edge || box[b] > x + side + edge) continue;
          if (box[b + 3] < y - edge || box[b + 1] > y + side + edge) continue;
          tracePath(context, piece, i, stride);
        }
        context.fill();
        if (!outlined) continue;
        // A dark casing: outlines are seen on pale nuclei and on glass, too.
        const thin = context.lineWidth;
        context.lineWidth = thin + 1.6 / scale;
        context.strokeStyle = "rgb(0 0 0 / .75)";
        context.stroke();
        context.lineWidth = thin;
        context.strokeStyle = css(colour, 1);
        context.stroke();
      }
    });
  }

  // The densities of the visible classes as one image: their colours are mixed by density, and the
  // denser a place, the more opaque it is.
  class DensityPicture {
    constructor(maps, levels) {
      [this.nClasses, this.height, this.width] = maps.shape;
      this.cellUm = maps.cell_um;
      this.levels = levels;
      this.canvas = new OffscreenCanvas(this.width, this.height);
      this.painted = "";
      // Full opacity from half of the highest density on, which is rarely typical.
      this.full = 0.5;
    }

    paint(visible, by) {
      const wanted = `${visible.join()} ${by}`;
      if (this.painted === wanted) return;
      const { nClasses, levels, width, height } = this, size = width * height;
      const context = this.canvas.getContext("2d"), image = context.createImageData(width, height);
      for (let at = 0; at < size; at++) {
        let total = 0, red = 0, green = 0, blue = 0;
        for (let code = 0; code < nClasses; code++) {
          const level = visible[code] ? levels[code * size + at] : 0;
          if (level < 2) continue;
          const density = ((level - 1) / 254) ** 2;
          // From afar there is no feature to be seen, only how many nuclei there are.
          const [r, g, b] = by === "class" ? facts.classes[code].colour : facts.plain;
          total += density;
          red += density * r;
          green += density * g;
          blue += density * b;
        }
        if (!total) continue;
        const alpha = 230 * Math.sqrt(Math.min(1, total / this.full));
        image.data.set([red / total, green / total, blue / total, alpha], 4 * at);
      }
      context.putImageData(image, 0, 0);
      this.painted = wanted;
    }

    draw(context, { left, top, side, scale }) {
      const perPixel = facts.mpp / this.cellUm, from = side * perPixel, to = side * scale;
      context.imageSmoothingEnabled = true;
      context.drawImage(this.canvas, left * perPixel, top * perPixel, from, from, 0, 0, to, to);
    }
  }

  function insideOutline(piece, i, x, y) {
    const { xy, start } = piece;
    let inside = false;
    for (let a = start[i], b = start[i + 1] - 2; a < start[i + 1]; b = a, a += 2) {
      if (xy[a + 1] > y !== xy[b + 1] > y &&
          x < (xy[b] - xy[a]) * (y - xy[a + 1]) / (xy[b + 1] - xy[a + 1]) + xy[a]) {
        inside = !inside;
      }
    }
    return inside;
  }

  function described(piece, i) {
    const { xy, start, share, code, area, id } = piece, c = facts.classes.length;
    const outline = Array.from(xy.subarray(start[i], start[i + 1]),
      (value, k) => value + (k % 2 ? piece.y : piece.x));
    const shares = Array.from(share.subarray(i * c, (i + 1) * c), (value) => value / 255);
    return { id: id[i], code: code[i], area: area[i], shares, outline };
  }

  const actions = {
    start(values) {
      ({ facts } = values);
    },

    async tile({ key, pieces }) {
      const [x, y] = key.split("_").map((number) => number * facts.nuclei.tile);
      const buffers = await Promise.all(pieces.map(unpacked));
      makeRoom(facts.nuclei.tiles[key]);
      held.set(key, buffers.map((buffer) => nucleiOf(buffer, x, y)));
    },

    async maps({ maps }) {
      density = new DensityPicture(maps, new Uint8Array(await unpacked(maps.data)));
    },

    nuclei(view) {
      const { left, top, side } = view;
      const { missing, pieces } = within(left, top, left + side, top + side, REACH);
      if (missing) return { missing };
      const canvas = new OffscreenCanvas(view.width, view.height);
      drawNuclei(canvas.getContext("2d"), pieces, view);
      return { picture: canvas.transferToImageBitmap() };
    },

    density(view) {
      const canvas = new OffscreenCanvas(view.width, view.height);
      density.paint(view.visible, view.by);
      density.draw(canvas.getContext("2d"), view);
      return { picture: canvas.transferToImageBitmap() };
    },

    // Finds the smallest visible nucleus at a place, or else the nearest one within reach.
    at({ x, y, reach, visible }) {
      const { missing, pieces } = within(x, y, x, y, Math.max(REACH, reach));
      if (missing) return { missing };
      let best = null;
      for (const piece of pieces) {
        const { box } = piece, px = x - piece.x, py = y - piece.y;
        for (let i = 0; i < piece.n; i++) {
          if (!visible[piece.code[i]]) continue;
          const b = 4 * i;
          let rank = piece.area[i];
          if (!(px >= box[b] && px <= box[b + 2] && py >= box[b + 1] && py <= box[b + 3] &&
                insideOutline(piece, i, px, py))) {
            const [middleX, middleY] = [(box[b] + box[b + 2]) / 2, (box[b + 1] + box[b + 3]) / 2];
            const away = Math.hypot(px - middleX, py - middleY);
            if (away > reach) continue;
            rank = 1e6 + away;
          }
          if (best === null || rank < best.rank) best = { piece, i, rank };
        }
      }
      return { nucleus: best && described(best.piece, best.i) };
    },

    // Finds a nucleus by its id among those near a place, or in one tile.
    find({ id, x, y, key }) {
      const found = key === undefined ? within(x, y, x, y, REACH) :
        held.has(key) ? { pieces: held.get(key) } : { missing: [key] };
      if (found.missing) return found;
      for (const piece of found.pieces) {
        const i = piece.id.indexOf(id);
        if (i >= 0) return { nucleus: described(piece, i) };
      }
      return { nucleus: null };
    },
  };

  self.onmessage = async ({ data: { id, kind, values } }) => {
    try {
      const answer = await actions[kind](values) ?? {};
      self.postMessage({ id, answer }, answer.picture ? [answer.picture] : []);
    } catch (error) {
      self.postMessage({ id, error: error.message });
    }
  };
}
