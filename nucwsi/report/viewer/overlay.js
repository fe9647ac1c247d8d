"use strict";
// Tiles that lie over the slide: the density of each class when zoomed out, the outlines of the
// nuclei when zoomed in. OpenSeadragon caches and moves them like the tiles of the slide.

const NEAR = 0.25; // nuclei are drawn from this many tile pixels per canvas pixel on
const RATIO = 0.7; // a tile shrunk further than this is replaced by one of a coarser level
const TILE = 512; // side of a tile in its pixels, large enough that a pan needs few of them
const FINER = 3; // levels finer than the canvas, so that outlines stay sharp

function css(colour, alpha) {
  return `rgb(${colour.join(" ")} / ${alpha})`;
}

// A source of tiles for OpenSeadragon. `visible` says for each class whether it is drawn, `by` what
// colours the nuclei; `version` identifies these choices, so that the tiles of two choices have
// different addresses.
function overlaySource(facts, nuclei, visible, by, version) {
  const grow = 2 ** FINER, maxLevel = facts.image.max + FINER;
  // OpenSeadragon enlarges tiles without any overlap by a pixel; on transparent tiles this is
  // visible as a seam.
  const source = new OpenSeadragon.TileSource({
    width: facts.width * grow, height: facts.height * grow, tileSize: TILE, tileOverlap: 1e-6,
    minLevel: facts.image.min, maxLevel,
  });
  source.version = version;
  source.getTileUrl = (level, x, y) => `overlay:${version}/${level}/${x}/${y}`;
  // The tiles are transparent, but if OpenSeadragon knew, it would draw the second of two such
  // layers separately and copy all of it in every frame.
  source.hasTransparency = () => false;
  source.downloadTileStart = async (job) => {
    const [level, x, y] = job.src.split("/").slice(1).map(Number);
    const scale = 2 ** (level - facts.image.max), side = TILE / scale;
    const extent = (whole, at) => Math.max(1, Math.min(TILE, Math.ceil(whole * scale - at * TILE)));
    const [width, height] = [extent(facts.width, x), extent(facts.height, y)];
    const view = { left: x * side, top: y * side, side, scale, width, height, visible, by };
    try {
      const { picture } = await nuclei.ask(scale >= NEAR ? "nuclei" : "density", view);
      if (job.userData.aborted) {
        picture.close();
        return;
      }
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [width, height];
      const context = canvas.getContext("2d");
      context.drawImage(picture, 0, 0);
      picture.close();
      job.finish(context, null, "context2d");
    } catch (error) {
      job.fail(error.message);
    }
  };
  source.downloadTileAbort = (job) => { job.userData.aborted = true; };
  return source;
}
