"use strict";
// The page: slide, legend, the nucleus that was clicked, keys.

const facts = nucwsi.facts;
const visible = facts.classes.map(() => true);
const nuclei = new Nuclei(facts);
const byId = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

document.title = `${facts.name} – nucwsi`;
byId("name").textContent = facts.name;

function imageSource() {
  const { tile, min, max, whole, rows } = facts.image;
  const source = new OpenSeadragon.TileSource({
    width: facts.width, height: facts.height, tileSize: tile, tileOverlap: 0, minLevel: min,
    maxLevel: max,
  });
  source.getTileUrl = (level, x, y) => `image/${level}/${x}_${y}.jpg`;
  // Far from the tissue there is nothing but the overview.
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
  animationTime: calm ? 0 : 0.5, springStiffness: 9,
  gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
});

// Nuclei have a canvas of their own: when the tiles of one frame hold more than 32 MiB, Chromium
// paints them at once, in the middle of the script.
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

function follow() {
  overlay.viewport.zoomTo(viewer.viewport.getZoom(true), null, true);
  overlay.viewport.panTo(viewer.viewport.getCenter(true), true);
}

viewer.addHandler("resize", ({ newContainerSize }) => overlay.viewport.resize(newContainerSize));
viewer.addHandler("viewport-change", follow);

const outlines = new Outlines(viewer, facts);
nucwsi.viewer = viewer;

// --- The layer of nuclei; a new one takes its place when it is ready.

const layers = [];
let version = 0;

function showClasses() {
  version += 1;
  overlay.addTiledImage({
    tileSource: overlaySource(facts, nuclei, [...visible], version),
    success: ({ item }) => {
      layers.push(item);
      item.addHandler("fully-loaded-change", ({ fullyLoaded }) => {
        if (!fullyLoaded) return;
        while (layers.length && layers[0] !== item) overlay.world.removeItem(layers.shift());
      });
    },
  });
}

function fade() {
  overlay.element.style.opacity = byId("strength").value / 100;
}

byId("strength").addEventListener("input", fade);
fade();
byId("outlined").addEventListener("change", (event) => {
  outlines.shown = event.target.checked;
  outlines.draw();
});

// --- Legend

function swatch(colour) {
  const mark = document.createElement("i");
  mark.className = "swatch";
  mark.style.background = css(colour, 1);
  return mark;
}

function element(kind, text, className = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  made.className = className;
  return made;
}

facts.classes.forEach(({ name, colour, n }, code) => {
  const label = element("label", "", "row");
  const box = document.createElement("input");
  Object.assign(box, { type: "checkbox", checked: true, id: `class-${code}` });
  box.addEventListener("change", () => {
    visible[code] = box.checked;
    showClasses();
  });
  label.append(box, swatch(colour), element("span", name), element("output", n.toLocaleString("en")));
  byId("classes").append(label);
});

function place(x, y, widthUm) {
  const image = viewer.world.getItemAt(0);
  const width = widthUm / facts.mpp, height = width * window.innerHeight / window.innerWidth;
  const box = new OpenSeadragon.Rect(x - width / 2, y - height / 2, width, height);
  viewer.viewport.fitBounds(image.imageToViewportRectangle(box), calm);
}

const LISTED = 500;
facts.regions.slice(0, LISTED).forEach(({ name, rings }) => {
  const button = element("button", name);
  const xs = rings[0].filter((_, at) => at % 2 === 0), ys = rings[0].filter((_, at) => at % 2);
  const span = (values) => [Math.min(...values), Math.max(...values)];
  const [left, right] = span(xs), [top, bottom] = span(ys);
  button.addEventListener("click", () => {
    const wide = Math.max(right - left, (bottom - top) * window.innerWidth / window.innerHeight);
    place((left + right) / 2, (top + bottom) / 2, 1.2 * wide * facts.mpp);
  });
  const item = document.createElement("li");
  item.append(button);
  byId("regions").querySelector("ol").append(item);
});
byId("regions").hidden = !facts.regions.length;
byId("outlined").closest("label").hidden = !facts.regions.length;
if (facts.regions.length > LISTED) {
  byId("regions").append(element("p", `and ${facts.regions.length - LISTED} more`, "quiet"));
}

// --- The nucleus that was clicked

async function choose(x, y, reach) {
  const { nucleus: found } = await nuclei.ask("at", { x, y, reach, visible });
  byId("nucleus").hidden = !found;
  outlines.choose(found?.outline);
  if (!found) return;
  const { name, colour } = facts.classes[found.code];
  byId("nucleus").querySelector("h2").replaceChildren(swatch(colour), name);
  byId("nucleus").querySelector("tbody").replaceChildren(...found.shares.map((share, code) => {
    const row = document.createElement("tr"), cell = document.createElement("td");
    const bar = element("i", "", "share");
    bar.style.cssText = `width: ${100 * share}%; background: ${css(facts.classes[code].colour, 1)}`;
    cell.append(bar);
    row.append(element("th", facts.classes[code].name), cell,
      element("td", `${(100 * share).toFixed(0)} %`));
    return row;
  }));
  byId("area").textContent = `${found.area.toFixed(1)} µm²`;
  byId("centre").textContent = centreText(found.outline);
  byId("ident").textContent = found.id;
}

function centreText(outline) {
  const mean = (odd) => {
    const values = outline.filter((_, at) => at % 2 === odd);
    return (Math.min(...values) + Math.max(...values)) / 2;
  };
  return `x ${Math.round(mean(0) * facts.scale[0])}, y ${Math.round(mean(1) * facts.scale[1])}`;
}

function forget() {
  byId("nucleus").hidden = true;
  outlines.choose(null);
}

function near() {
  return pixelsPerCanvasPixel() >= NEAR * RATIO;
}

function pixelsPerCanvasPixel() {
  return viewer.world.getItemAt(0).viewportToImageZoom(viewer.viewport.getZoom(true));
}

viewer.addHandler("canvas-click", (event) => {
  if (!event.quick || !near()) return;
  const image = viewer.world.getItemAt(0);
  const { x, y } = image.viewerElementToImageCoordinates(event.position);
  choose(x, y, 4 / pixelsPerCanvasPixel());
});

// --- Tools, keys

const zoom = (factor) => viewer.viewport.zoomBy(factor, null, calm).applyConstraints();
byId("closer").addEventListener("click", () => zoom(2));
byId("farther").addEventListener("click", () => zoom(0.5));
byId("whole").addEventListener("click", () => viewer.viewport.goHome(calm));
byId("keys").addEventListener("click", () => byId("help").showModal());
byId("close").addEventListener("click", forget);

viewer.addHandler("canvas-key", (event) => {
  // Turning and mirroring would part the outlines from the slide.
  if ("rRfF".includes(event.originalEvent.key)) event.preventDefaultAction = true;
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const typing = event.target.matches("input, button, summary");
  if (event.key === "Escape") forget();
  else if (event.key === "?") byId("help").showModal();
  else if (/^[1-9]$/.test(event.key)) byId(`class-${event.key - 1}`)?.click();
  else if (event.key === "Enter" && !typing && near()) {
    const image = viewer.world.getItemAt(0);
    const { x, y } = image.viewportToImageCoordinates(viewer.viewport.getCenter(true));
    choose(x, y, Math.min(window.innerWidth, window.innerHeight) / 4 / pixelsPerCanvasPixel());
  }
});

// --- Scale bar, mode, address

let tidied = null; // scale that is written; writing it anew in every frame costs a layout

function tidy() {
  const scale = pixelsPerCanvasPixel(), um = facts.mpp / scale;
  if (scale === tidied) return;
  tidied = scale;
  const room = 160 * um, power = 10 ** Math.floor(Math.log10(room));
  const length = [5, 2, 1].find((step) => step * power <= room) * power;
  byId("bar").style.width = `${length / um}px`;
  byId("length").textContent = length >= 1000 ? `${length / 1000} mm` : `${length} µm`;
  const mode = near() ? "Outlines of nuclei" : "Density of nuclei; zoom in for outlines";
  if (byId("mode").textContent !== mode) byId("mode").textContent = mode;
}

function remember() {
  const image = viewer.world.getItemAt(0);
  const { x, y } = image.viewportToImageCoordinates(viewer.viewport.getCenter());
  const um = viewer.viewport.getBounds().width * facts.width * facts.mpp;
  const at = [x * facts.scale[0], y * facts.scale[1], um].map(Math.round).join(",");
  history.replaceState(null, "", `#at=${at}`);
}

// `#at=x,y,width`: a place in level-0 pixels as in QuPath, and the width of the view in µm.
function recall() {
  const numbers = /^#at=(-?\d+),(-?\d+),(\d+)$/.exec(location.hash)?.slice(1).map(Number);
  if (numbers) place(numbers[0] / facts.scale[0], numbers[1] / facts.scale[1], numbers[2]);
}

// Seams of enlarged tiles are smoothed at rest only, when all have arrived: it copies the whole
// picture in every frame.
function smooth(atRest) {
  const image = viewer.world.getItemAt(0);
  image.smoothTileEdgesMinZoom = atRest && image.getFullyLoaded() ? 1.1 : Infinity;
  viewer.forceRedraw();
}

viewer.addHandler("animation-start", () => smooth(false));
viewer.addHandler("animation-finish", () => smooth(true));
viewer.addHandler("fully-loaded-change", () => smooth(!viewer.isAnimating()));
viewer.addHandler("update-viewport", tidy);
viewer.addHandler("animation-finish", remember);
window.addEventListener("hashchange", recall);
viewer.addOnceHandler("open", () => {
  recall();
  follow();
  showClasses();
});
viewer.addOnceHandler("tile-drawn", () => { nucwsi.firstPicture = performance.now(); });
