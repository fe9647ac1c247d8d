"use strict";
// What lies over the slide, as tiles of its own: from afar the density of each class, from near
// the outlines of the nuclei. OpenSeadragon keeps and moves them like those of the slide.

const NEAR = 0.25; // pixels of a tile per canvas pixel from which on nuclei are drawn
const RATIO = 0.7; // a tile is shrunk to this at most, before that of a coarser level is taken
const TILE = 256;
const CLOSER = 3; // levels beyond the slide's own resolution, so that outlines stay sharp
const FRAME_MS = 8; // time for drawing in each frame

// Work that is done bit by bit, so that the page answers at once.
const work = {
  waiting: [],
  add(job) {
    if (work.waiting.push(job) === 1) requestAnimationFrame(work.go);
  },
  go() {
    const end = performance.now() + FRAME_MS;
    do work.waiting.shift()(); while (work.waiting.length && performance.now() < end);
    if (work.waiting.length) requestAnimationFrame(work.go);
  },
};

function css(colour, alpha) {
  return `rgb(${colour.join(" ")} / ${alpha})`;
}

function tracePath(context, tile, i, stride) {
  const { xy, start } = tile, end = start[i + 1];
  context.moveTo(xy[start[i]], xy[start[i] + 1]);
  for (let k = start[i] + 2 * stride; k < end; k += 2 * stride) context.lineTo(xy[k], xy[k + 1]);
  context.closePath();
}

function drawNuclei(context, tiles, classes, visible, scale, left, top) {
  const width = TILE / scale;
  const outlined = scale >= 0.5;
  // At a few pixels each, half of the corners will do.
  const stride = outlined ? 1 : 2;
  classes.forEach(({ colour }, code) => {
    if (!visible[code]) return;
    context.fillStyle = css(colour, outlined ? Math.max(0.12, 0.4 - scale / 5) : 0.75);
    context.strokeStyle = css(colour, 1);
    for (const tile of tiles) {
      const x = left - tile.x, y = top - tile.y, { box } = tile;
      context.setTransform(scale, 0, 0, scale, -x * scale, -y * scale);
      context.lineWidth = Math.min(2.5, 1 + scale / 2) / scale;
      context.beginPath();
      for (let i = 0; i < tile.n; i++) {
        if (tile.code[i] !== code) continue;
        const b = 4 * i, edge = context.lineWidth;
        if (box[b + 2] < x - edge || box[b] > x + width + edge) continue;
        if (box[b + 3] < y - edge || box[b + 1] > y + width + edge) continue;
        tracePath(context, tile, i, stride);
      }
      context.fill();
      if (outlined) context.stroke();
    }
  });
}

// One picture of the densities of the visible classes; mixed colours, stronger where it is denser.
class DensityPicture {
  constructor(maps, levels, classes) {
    [this.nClasses, this.height, this.width] = maps.shape;
    this.cellUm = maps.cell_um;
    this.levels = levels;
    this.classes = classes;
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.width;
    this.canvas.height = this.height;
    // Half of the top is enough for full strength: the densest spot is rarely typical.
    this.full = 0.5;
  }

  paint(visible) {
    const { nClasses, levels, classes, width, height } = this, size = width * height;
    const context = this.canvas.getContext("2d"), image = context.createImageData(width, height);
    for (let at = 0; at < size; at++) {
      let total = 0, red = 0, green = 0, blue = 0;
      for (let code = 0; code < nClasses; code++) {
        const level = visible[code] ? levels[code * size + at] : 0;
        if (level < 2) continue;
        const density = ((level - 1) / 254) ** 2, [r, g, b] = classes[code].colour;
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
  }

  draw(context, scale, left, top, mpp) {
    const perPixel = mpp / this.cellUm, side = TILE / scale * perPixel;
    context.imageSmoothingEnabled = true;
    context.drawImage(this.canvas, left * perPixel, top * perPixel, side, side, 0, 0, TILE, TILE);
  }
}

async function densityPicture(facts) {
  await loadScript("density.js");
  const levels = new Uint8Array(await unpacked(nucwsi.maps.data));
  return new DensityPicture(nucwsi.maps, levels, facts.classes);
}

// A source of tiles for OpenSeadragon. `version` tells the tiles of one choice of classes from
// those of another.
function overlaySource(facts, store, density, visible, version) {
  const grow = 2 ** CLOSER, maxLevel = facts.image.max + CLOSER;
  const source = new OpenSeadragon.TileSource({
    width: facts.width * grow, height: facts.height * grow, tileSize: TILE, tileOverlap: 0,
    minLevel: facts.image.min, maxLevel,
  });
  const painted = density.then((picture) => work.add(() => picture.paint(visible)));
  source.version = version;
  source.getTileUrl = (level, x, y) => `overlay:${version}/${level}/${x}/${y}`;
  source.hasTransparency = () => true;
  source.downloadTileStart = async (job) => {
    const [level, x, y] = job.src.split("/").slice(1).map(Number);
    const scale = 2 ** (level - facts.image.max), side = TILE / scale;
    const left = x * side, top = y * side, near = scale >= NEAR;
    let data;
    try {
      data = near ? await store.window(left, top, left + side, top + side)
                  : (await painted, await density);
    } catch (error) {
      job.fail(error.message);
      return;
    }
    if (job.userData.aborted) return;
    work.add(() => {
      if (job.userData.aborted) return;
      const canvas = document.createElement("canvas");
      const [width, height] = [facts.width, facts.height];
      canvas.width = Math.max(1, Math.min(TILE, Math.ceil(width * scale - x * TILE)));
      canvas.height = Math.max(1, Math.min(TILE, Math.ceil(height * scale - y * TILE)));
      const context = canvas.getContext("2d");
      if (near) drawNuclei(context, data, facts.classes, visible, scale, left, top);
      else data.draw(context, scale, left, top, facts.mpp);
      job.finish(context, null, "context2d");
    });
  };
  source.downloadTileAbort = (job) => { job.userData.aborted = true; };
  return source;
}
