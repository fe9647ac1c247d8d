"use strict";
// The slide, the layer of nuclei, keyboard and address.

const facts = nucwsi.facts, counted = nucwsi.counted;
const visible = facts.classes.map(() => true);
const nuclei = new Nuclei(facts);
const byId = (id) => document.getElementById(id);
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;

document.title = `${facts.name} – nucwsi`;
byId("name").textContent = facts.name;

function imageSource() {
  const { tile, min, max, whole, rows } = facts.image;
  const source = new OpenSeadragon.TileSource({
    width: facts.width, height: facts.height, tileSize: tile, tileOverlap: 0, minLevel: min,
    maxLevel: max,
  });
  source.getTileUrl = (level, x, y) => `image/${level}/${x}_${y}.jpg`;
  // Away from the tissue, only the levels of the overview exist.
  source.tileExists = (level, x, y) => {
    if (level <= whole) return true;
    const span = 2 ** (max - level);
    return rows.slice(y * span, (y + 1) * span)
      .some((row) => row.slice(x * span, (x + 1) * span).includes("1"));
  };
  return source;
}

const common = {
  drawer: "canvas", showNavigationControl: false, minPixelRatio: RATIO, blendTime: 0,
  imageLoaderLimit: 8, maxImageCacheCount: 300,
};
const viewer = OpenSeadragon({
  ...common, id: "slide", tileSources: [imageSource()],
  showNavigator: true, navigatorPosition: "BOTTOM_RIGHT",
  navigatorSizeRatio: 0.16, navigatorAutoFade: false, navigatorOpacity: 1, maxZoomPixelRatio: 16, minZoomImageRatio: 0.7, visibilityRatio: 0.2,
  animationTime: reducedMotion ? 0 : 0.5, springStiffness: 9,
  gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
});

// The nuclei have a canvas of their own: if the tiles of one canvas exceed 32 MiB in a frame,
// Chromium paints them immediately, while the script waits.
const overlay = OpenSeadragon({
  ...common, element: overlayElement(), mouseNavEnabled: false, tabIndex: -1, autoResize: false,
  preserveViewport: true,
});

function overlayElement() {
  const made = document.createElement("div");
  made.className = "overlay";
  viewer.canvas.append(made);
  return made;
}

function followSlide() {
  overlay.viewport.zoomTo(viewer.viewport.getZoom(true), null, true);
  overlay.viewport.panTo(viewer.viewport.getCenter(true), true);
}

viewer.addHandler("resize", ({ newContainerSize }) => overlay.viewport.resize(newContainerSize));
viewer.addHandler("viewport-change", followSlide);

const outlines = new Outlines(viewer, counted);
nucwsi.viewer = viewer;

// --- The layer of nuclei. A new layer replaces the old one when all its tiles are drawn.

const layers = [];
let version = 0;
let colouredBy = "class"; // or "none", or the number of a feature

function showClasses() {
  version += 1;
  overlay.addTiledImage({
    tileSource: overlaySource(facts, nuclei, [...visible], colouredBy, version),
    success: ({ item }) => {
      layers.push(item);
      item.addHandler("fully-loaded-change", ({ fullyLoaded }) => {
        if (!fullyLoaded) return;
        while (layers.length && layers[0] !== item) overlay.world.removeItem(layers.shift());
      });
    },
  });
}

function applyOpacity() {
  overlay.element.style.opacity = byId("opacity").value / 100;
}

byId("opacity").addEventListener("input", applyOpacity);
applyOpacity();
byId("region-outlines").addEventListener("change", (event) => {
  outlines.shown = event.target.checked;
  outlines.draw();
});

function showPlace(x, y, widthUm) {
  const image = viewer.world.getItemAt(0);
  const width = widthUm / facts.mpp, height = width * window.innerHeight / window.innerWidth;
  const box = new OpenSeadragon.Rect(x - width / 2, y - height / 2, width, height);
  viewer.viewport.fitBounds(image.imageToViewportRectangle(box), reducedMotion);
}

function showsOutlines() {
  return pixelsPerCanvasPixel() >= NEAR * RATIO;
}

function pixelsPerCanvasPixel() {
  return viewer.world.getItemAt(0).viewportToImageZoom(viewer.viewport.getZoom(true));
}

function clicked(event) {
  if (!event.quick || !showsOutlines()) return;
  const image = viewer.world.getItemAt(0);
  const { x, y } = image.viewerElementToImageCoordinates(event.position);
  if (review.isAsking) review.click(x, y);
  else select(x, y, 4 / pixelsPerCanvasPixel());
}

// --- Buttons and keyboard

const zoom = (factor) => viewer.viewport.zoomBy(factor, null, reducedMotion).applyConstraints();
byId("zoom-in").addEventListener("click", () => zoom(2));
byId("zoom-out").addEventListener("click", () => zoom(0.5));
byId("whole").addEventListener("click", () => viewer.viewport.goHome(reducedMotion));
byId("keys").addEventListener("click", () => byId("help").showModal());
byId("close").addEventListener("click", () => deselect());

viewer.addHandler("canvas-key", (event) => {
  // OpenSeadragon would rotate or flip the slide, but not the outlines.
  if ("rRfF".includes(event.originalEvent.key)) event.preventDefaultAction = true;
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (event.target.matches("#number, select")) return;
  const typing = event.target.matches("input, button, summary");
  if (event.key === "Escape") deselect();
  else if (event.key === "?") byId("help").showModal();
  else if (/^[1-9]$/.test(event.key)) byId(`class-${event.key - 1}`)?.click();
  else if (event.key === "Enter" && !typing && showsOutlines()) {
    const image = viewer.world.getItemAt(0);
    const { x, y } = image.viewportToImageCoordinates(viewer.viewport.getCenter(true));
    select(x, y, Math.min(window.innerWidth, window.innerHeight) / 4 / pixelsPerCanvasPixel());
  }
});

// --- Scale bar, mode, address

let shownScale = null; // scale for which the bar was drawn; each redraw costs a layout

function updateScale() {
  const scale = pixelsPerCanvasPixel(), um = facts.mpp / scale;
  if (scale === shownScale) return;
  shownScale = scale;
  const room = 160 * um, power = 10 ** Math.floor(Math.log10(room));
  const length = [5, 2, 1].find((step) => step * power <= room) * power;
  byId("bar").style.width = `${length / um}px`;
  byId("length").textContent = length >= 1000 ? `${length / 1000} mm` : `${length} µm`;
  const mode = showsOutlines() ? "Outlines of nuclei" : "Density of nuclei. Zoom in for outlines.";
  if (byId("mode").textContent !== mode) byId("mode").textContent = mode;
}

function writeAddress() {
  if (review.isAsking) return;
  const image = viewer.world.getItemAt(0);
  const { x, y } = image.viewportToImageCoordinates(viewer.viewport.getCenter());
  const um = viewer.viewport.getBounds().width * facts.width * facts.mpp;
  const at = [x * facts.scale[0], y * facts.scale[1], um].map(Math.round).join(",");
  history.replaceState(null, "", `#at=${at}`);
}

// Goes to the place in the address. `#at=x,y,width` is its centre in level-0 pixels, as in QuPath,
// and the width of the view in µm; `#region=name` is the first region of that name, `#nucleus=id` a
// nucleus.
function readAddress() {
  const numbers = /^#at=(-?\d+),(-?\d+),(\d+)$/.exec(location.hash)?.slice(1).map(Number);
  if (numbers) showPlace(numbers[0] / facts.scale[0], numbers[1] / facts.scale[1], numbers[2]);
  const named = /^#region=(.+)$/.exec(location.hash)?.[1];
  const id = /^#nucleus=(\d+)$/.exec(location.hash)?.[1];
  if (id) goToNucleus(id);
  const region = named && counted.regions.find(({ name }) => name === unquoted(named));
  if (region) showRegion(region);
}

function unquoted(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a percent sign that somebody wrote by hand
  }
}

// Smooths the seams of enlarged tiles, but only at rest and once all tiles are loaded: smoothing
// copies the whole image in every frame.
function smoothSeams(atRest) {
  const image = viewer.world.getItemAt(0);
  image.smoothTileEdgesMinZoom = atRest && image.getFullyLoaded() ? 1.1 : Infinity;
  viewer.forceRedraw();
}

viewer.addHandler("animation-start", () => smoothSeams(false));
viewer.addHandler("animation-finish", () => smoothSeams(true));
viewer.addHandler("fully-loaded-change", () => smoothSeams(!viewer.isAnimating()));
viewer.addHandler("update-viewport", updateScale);
viewer.addOnceHandler("tile-drawn", () => { nucwsi.firstPicture = performance.now(); });

// What needs the other scripts waits until they have run.
const opened = new Promise((resolve) => { viewer.addOnceHandler("open", resolve); });
document.addEventListener("DOMContentLoaded", async () => {
  await opened;
  viewer.addHandler("animation-finish", writeAddress);
  viewer.addHandler("canvas-click", clicked);
  window.addEventListener("hashchange", readAddress);
  readAddress();
  followSlide();
  showClasses();
  review.start();
});
