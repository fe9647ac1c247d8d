"use strict";
// The legend: classes, what colours the nuclei, facts of the slide, regions.

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

const whole = (n) => n.toLocaleString("en");

// The counts are those of the report: without the nuclei in regions that are to be ignored.
facts.classes.forEach(({ name, colour }, code) => {
  const label = element("label", "", "row");
  const box = document.createElement("input");
  Object.assign(box, { type: "checkbox", checked: true, id: `class-${code}` });
  box.addEventListener("change", () => {
    visible[code] = box.checked;
    showClasses();
  });
  const n = element("output", whole(counted.whole.counts[code]));
  label.append(box, swatch(colour), element("span", name), n);
  byId("classes").append(label);
});
byId("ignored").hidden = !counted.ignored;
byId("ignored").textContent = `${whole(counted.ignored)} nuclei in ignored regions are not counted.`;

const rounded = (value) => Number(value.toPrecision(3)).toString();

function colourBy(chosen) {
  colouredBy = chosen;
  const feature = facts.features[chosen];
  byId("ramp").hidden = !feature;
  byId("classes").classList.toggle("plain", chosen !== "class");
  if (feature) {
    byId("low").textContent = `≤ ${rounded(feature.low)}`;
    byId("high").textContent = `≥ ${rounded(feature.high)} ${feature.unit}`;
  }
  showClasses();
}

facts.features.forEach(({ name }, at) => byId("colour-by").append(new Option(name, at)));
byId("ramp").querySelector("i").style.background =
  `linear-gradient(to right, ${RAMP.map((colour) => css(colour, 1)).join()})`;
byId("colour-by").addEventListener("change", ({ target }) => {
  colourBy(target.value === "class" ? "class" : Number(target.value));
  target.blur(); // so that keys move the slide again
});

// --- What the report says of the slide

const perMm2 = ({ n, tissue_mm2 }) => tissue_mm2 ? `${whole(Math.round(n / tissue_mm2))} per mm²` : "";

function listFacts() {
  const rows = [
    ["Nuclei", whole(counted.whole.n)],
    ["Tissue", `${counted.whole.tissue_mm2.toFixed(2)} mm²`],
    ["Density", perMm2(counted.whole) || "–"],
    ...counted.facts,
    ...counted.checks.map(({ name, value, verdict, text }) => [name, value, verdict, text]),
  ];
  for (const [name, value, verdict, text] of rows) {
    const shown = element("dd", value, verdict === "review" ? "review" : "");
    if (text) shown.title = text;
    byId("facts").querySelector("dl").append(element("dt", name), shown);
  }
  const doubtful = counted.checks.filter(({ verdict }) => verdict === "review").length;
  byId("doubtful").textContent = doubtful ? `${doubtful} to look at` : "";
}

listFacts();

const LISTED = 500;
function showRegion({ rings }) {
  const span = (odd) => {
    let low = Infinity, high = -Infinity;
    for (const ring of rings) {
      for (let at = odd; at < ring.length; at += 2) {
        low = Math.min(low, ring[at]);
        high = Math.max(high, ring[at]);
      }
    }
    return [low, high];
  };
  const [left, right] = span(0), [top, bottom] = span(1);
  const wide = Math.max(right - left, (bottom - top) * window.innerWidth / window.innerHeight);
  showPlace((left + right) / 2, (top + bottom) / 2, 1.2 * wide * facts.mpp);
}

counted.regions.slice(0, LISTED).forEach((region) => {
  const button = element("button", "");
  button.append(element("span", region.name), element("small", whole(region.n)));
  button.title = [region.class, `${whole(region.n)} nuclei`, perMm2(region),
    ...facts.classes.map(({ name }, code) => `${name} ${whole(region.counts[code])}`)]
    .filter(Boolean).join("\n");
  button.addEventListener("click", () => showRegion(region));
  const item = document.createElement("li");
  item.append(button);
  byId("regions").querySelector("ol").append(item);
});
byId("regions").hidden = !counted.regions.length;
byId("region-outlines").closest("label").hidden = !counted.regions.length;
if (counted.regions.length > LISTED) {
  byId("regions").append(element("p", `and ${counted.regions.length - LISTED} more`, "quiet"));
}
