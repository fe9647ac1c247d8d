"use strict";
// Nuclei, tile by tile. Data come as scripts, because a page that is opened from a disk may load
// nothing else; each script calls one of the functions of `nucwsi`.

const nucwsi = {
  facts: null,
  maps: null,
  slide(facts) { nucwsi.facts = facts; },
  density(maps) { nucwsi.maps = maps; },
  nuclei(key, data) { arrived.get(key)?.push(data); },
};

const arrived = new Map(); // key of a tile -> its packed pieces, while its script is loading

function loadScript(address) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => { script.remove(); resolve(); };
    script.onerror = () => { script.remove(); reject(new Error(`${address} cannot be read`)); };
    document.head.append(script);
  });
}

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

// The nuclei of one piece of a tile; `packed.py` says how they are written. Corners become canvas
// pixels, counted from the tile's upper left.
function nucleiOf(buffer, nClasses, units) {
  const [n, corners] = new Uint32Array(buffer, 0, 2);
  const id = new Float64Array(buffer, 8, n);
  const area = new Float32Array(buffer, 8 + 8 * n, n);
  const count = new Uint16Array(buffer, 8 + 12 * n, n);
  const steps = new Int16Array(buffer, 8 + 14 * n, 2 * corners);
  const code = new Uint8Array(buffer, 8 + 14 * n + 4 * corners, n);
  const share = new Uint8Array(buffer, 8 + 15 * n + 4 * corners, n * nClasses);
  const xy = new Float32Array(2 * corners);
  const start = new Uint32Array(n + 1);
  const box = new Float32Array(4 * n);
  let at = 0;
  for (let i = 0; i < n; i++) {
    let x = 0, y = 0, left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
    start[i] = at;
    for (const end = at + 2 * count[i]; at < end; at += 2) {
      x += steps[at];
      y += steps[at + 1];
      const px = x / units, py = y / units;
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
  return { n, id, area, code, share, xy, start, box };
}

function holds(tile, i, x, y) {
  const { xy, start } = tile;
  let inside = false;
  for (let a = start[i], b = start[i + 1] - 2; a < start[i + 1]; b = a, a += 2) {
    if (xy[a + 1] > y !== xy[b + 1] > y &&
        x < (xy[b] - xy[a]) * (y - xy[a + 1]) / (xy[b + 1] - xy[a + 1]) + xy[a]) {
      inside = !inside;
    }
  }
  return inside;
}

// Tiles of nuclei, kept as long as there is room.
class NucleusStore {
  constructor(facts, room = 600000) {
    this.side = facts.nuclei.tile;
    this.units = facts.nuclei.units;
    this.counts = facts.nuclei.tiles;
    this.nClasses = facts.classes.length;
    this.room = room;
    this.held = new Map(); // key -> promise of pieces; in order of last use
  }

  tile(column, row) {
    const key = `${column}_${row}`;
    if (!(key in this.counts)) return Promise.resolve([]);
    const known = this.held.get(key);
    this.held.delete(key);
    const tile = known ?? this.load(key);
    this.held.set(key, tile);
    return tile;
  }

  async load(key) {
    this.forget(this.counts[key]);
    arrived.set(key, []);
    await loadScript(`nuclei/${key}.js`);
    const pieces = arrived.get(key);
    arrived.delete(key);
    const buffers = await Promise.all(pieces.map(unpacked));
    return buffers.map((buffer) => nucleiOf(buffer, this.nClasses, this.units));
  }

  forget(coming) {
    let held = coming;
    for (const key of this.held.keys()) held += this.counts[key];
    for (const key of [...this.held.keys()]) {
      if (held <= this.room) return;
      held -= this.counts[key];
      this.held.delete(key);
    }
  }

  // The tiles that nuclei of a window may belong to: one may reach over the edge of its tile.
  async window(left, top, right, bottom, reach = 48) {
    const from = (value) => Math.max(0, Math.floor((value - reach) / this.side));
    const found = [];
    for (let row = from(top); row * this.side < bottom + reach; row++) {
      for (let column = from(left); column * this.side < right + reach; column++) {
        found.push(this.tile(column, row).then((pieces) =>
          pieces.map((piece) => ({ ...piece, x: column * this.side, y: row * this.side }))));
      }
    }
    return (await Promise.all(found)).flat();
  }

  // The smallest visible nucleus at a place, else the nearest within reach.
  async at(x, y, visible, reach = 0) {
    let best = null;
    for (const tile of await this.window(x, y, x, y, Math.max(48, reach))) {
      const { box } = tile, px = x - tile.x, py = y - tile.y;
      for (let i = 0; i < tile.n; i++) {
        if (!visible[tile.code[i]]) continue;
        const b = 4 * i;
        let rank = tile.area[i];
        if (!(px >= box[b] && px <= box[b + 2] && py >= box[b + 1] && py <= box[b + 3] &&
              holds(tile, i, px, py))) {
          const away = Math.hypot(px - (box[b] + box[b + 2]) / 2, py - (box[b + 1] + box[b + 3]) / 2);
          if (away > reach) continue;
          rank = 1e6 + away;
        }
        if (best === null || rank < best.rank) best = { tile, i, rank };
      }
    }
    return best && this.described(best.tile, best.i);
  }

  described(tile, i) {
    const { xy, start, share, code, area, id } = tile, c = this.nClasses;
    const outline = Array.from(xy.subarray(start[i], start[i + 1]),
      (value, k) => value + (k % 2 ? tile.y : tile.x));
    const shares = Array.from(share.subarray(i * c, (i + 1) * c), (value) => value / 255);
    return { id: id[i], code: code[i], area: area[i], shares, outline };
  }
}
