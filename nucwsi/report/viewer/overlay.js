"use strict";
// What lies over the slide, as tiles of its own: from afar the density of each class, from near
// the outlines of the nuclei. OpenSeadragon keeps and moves them like those of the slide.

const NEAR = 0.25; // pixels of a tile per canvas pixel from which on nuclei are drawn
const RATIO = 0.7; // a tile is shrunk to this at most, before that of a coarser level is taken
const TILE = 512; // so that a pan asks for few of them
const CLOSER = 3; // levels beyond the slide's own resolution, so that outlines stay sharp

function css(colour, alpha) {
  return `rgb(${colour.join(" ")} / ${alpha})`;
}

// A source of tiles for OpenSeadragon. `version` tells the tiles of one choice of classes from
// those of another.
function overlaySource(facts, nuclei, visible, version) {
  const grow = 2 ** CLOSER, maxLevel = facts.image.max + CLOSER;
  // Tiles without any overlap would be enlarged by a pixel, which shows where they are transparent.
  const source = new OpenSeadragon.TileSource({
    width: facts.width * grow, height: facts.height * grow, tileSize: TILE, tileOverlap: 1e-6,
    minLevel: facts.image.min, maxLevel,
  });
  source.version = version;
  source.getTileUrl = (level, x, y) => `overlay:${version}/${level}/${x}/${y}`;
  // It has, but OpenSeadragon would draw the second of two such layers apart and copy it whole in
  // every frame.
  source.hasTransparency = () => false;
  source.downloadTileStart = async (job) => {
    const [level, x, y] = job.src.split("/").slice(1).map(Number);
    const scale = 2 ** (level - facts.image.max), side = TILE / scale;
    const extent = (whole, at) => Math.max(1, Math.min(TILE, Math.ceil(whole * scale - at * TILE)));
    const [width, height] = [extent(facts.width, x), extent(facts.height, y)];
    const view = { left: x * side, top: y * side, side, scale, width, height, visible };
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
