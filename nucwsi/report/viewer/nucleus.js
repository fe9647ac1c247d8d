"use strict";
// The panel of the selected nucleus, and the way to a nucleus by its id.

async function select(x, y, reach) {
  showNucleus((await nuclei.ask("at", { x, y, reach, visible })).nucleus);
}

function showNucleus(nucleus) {
  byId("nucleus").hidden = !nucleus;
  outlines.select(nucleus?.outline);
  if (!nucleus) return;
  const { name, colour } = facts.classes[nucleus.code];
  byId("nucleus").querySelector("h2").replaceChildren(swatch(colour), name);
  byId("nucleus").querySelector("tbody").replaceChildren(...nucleus.shares.map((share, code) => {
    const row = document.createElement("tr"), cell = document.createElement("td");
    const bar = element("i", "", "share");
    bar.style.cssText = `width: ${100 * share}%; background: ${css(facts.classes[code].colour, 1)}`;
    cell.append(bar);
    row.append(element("th", facts.classes[code].name), cell,
      element("td", `${(100 * share).toFixed(0)} %`));
    return row;
  }));
  byId("area").textContent = `${nucleus.area.toFixed(1)} µm²`;
  byId("centre").textContent = centreText(nucleus.outline);
  byId("ident").textContent = nucleus.id;
}

const NEAR_UM = 120; // width of the view of a single nucleus

// Finds a nucleus by its id. The id of a nucleus of ours is its place on the canvas; those that
// others have found are searched for tile by tile.
async function nucleusOf(id) {
  const x = id % facts.width, y = Math.floor(id / facts.width);
  const near = await nuclei.ask("find", { id, x, y });
  if (near.nucleus) return near.nucleus;
  for (const key of Object.keys(facts.nuclei.tiles)) {
    const { nucleus } = await nuclei.ask("find", { id, key });
    if (nucleus) return nucleus;
  }
  return null;
}

async function goToNucleus(text) {
  const id = /^\s*\d{1,16}\s*$/.test(text) ? Number(text) : NaN;
  byId("not-found").textContent = "…";
  const nucleus = Number.isSafeInteger(id) ? await nucleusOf(id) : null;
  byId("not-found").textContent = nucleus ? "" : "No such nucleus on this slide.";
  if (!nucleus) return;
  showPlace(middle(nucleus.outline, 0), middle(nucleus.outline, 1), NEAR_UM);
  showNucleus(nucleus);
}

byId("go").addEventListener("submit", (event) => {
  event.preventDefault();
  goToNucleus(byId("number").value);
});

function middle(outline, odd) {
  const values = outline.filter((_, at) => at % 2 === odd);
  return (Math.min(...values) + Math.max(...values)) / 2;
}

function centreText(outline) {
  const [x, y] = [0, 1].map((odd) => Math.round(middle(outline, odd) * facts.scale[odd]));
  return `x ${x}, y ${y}`;
}

function deselect() {
  byId("nucleus").hidden = true;
  outlines.select(null);
}
