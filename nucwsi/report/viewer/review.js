"use strict";
// A review: asks about the nuclei and frames of a worklist, one after the other.

const NOT_A_NUCLEUS = "not a nucleus";
const VIEW_UM = 110; // width of the view in which a nucleus is shown
const INSTRUCTION = {
  shown: "What is the outlined nucleus? Press its digit, or Enter if the class shown is right.",
  hidden: "What is the outlined nucleus? Press its digit.",
  frame: "Click every nucleus in the square that has no outline; a digit chooses its class. Then press Enter.",
};

// As nucwsi/classes.py shows the names of classes.
function displayName(name) {
  const text = name.replaceAll("_", " ");
  return text.slice(0, 1).toUpperCase() + text.slice(1).toLowerCase();
}

// What a worklist asks: its classes, and its items in their order, in canvas pixels.
function readWorklist(document) {
  const draw = document?.nucwsi?.draw;
  if (draw?.kind !== "draw" || !Array.isArray(document.features)) {
    throw new Error("This is no worklist of nucwsi review, nor answers to one.");
  }
  if (draw.slide !== facts.name) throw new Error(`This worklist is of the slide ${draw.slide}.`);
  if (draw.results !== facts.results) {
    throw new Error("This worklist was drawn from other results of the slide. Run nucwsi review again.");
  }
  const classes = document.nucwsi.classes.map(({ name, color }) => ({ name, colour: color.map(Number) }));
  const canvas = (ring) => ring.flatMap(([x, y]) => [x / facts.scale[0], y / facts.scale[1]]);
  const items = [], frames = [];
  for (const { id, geometry, properties } of document.features) {
    const label = properties.classification?.name;
    const isNucleus = properties.nucleus_id !== undefined;
    if (!isNucleus && !(label === "Frame" && /^Frame \d+$/.test(properties.name))) continue;
    const shown = draw.blind ? undefined : classes.find(({ name }) => displayName(name) === label);
    const item = { id, name: properties.name, outline: canvas(geometry.coordinates[0]), isNucleus };
    if (isNucleus) items.push({ ...item, predicted: shown?.name });
    else frames.push(item);
  }
  return { draw: draw.key, slide: draw.slide, blind: draw.blind === true, classes, items: [...items, ...frames] };
}

class Review {
  constructor() {
    this.isOpen = false;
    this.worklist = null;
    this.answers = null;
    this.at = 0;
    this.brush = 0; // class of the next missed nucleus
    byId("open-review").addEventListener("click", () => this.open());
    byId("end-review").addEventListener("click", () => this.close());
    byId("back").addEventListener("click", () => this.go(this.at - 1));
    byId("next").addEventListener("click", () => this.go(this.at + 1));
    byId("confirm").addEventListener("click", () => this.confirm());
    byId("save").addEventListener("click", () => this.save());
    byId("file").addEventListener("change", ({ target }) => this.read(target));
    // Before the keys of the slide, of which some are the same.
    document.addEventListener("keydown", (event) => this.key(event), true);
  }

  // Begins by itself, unless the address leads to a place of its own.
  start() {
    if (!nucwsi.worklist || !["", "#", "#review"].includes(location.hash)) return;
    this.load(nucwsi.worklist);
  }

  async load(document) {
    try {
      this.worklist = readWorklist(document);
    } catch (error) {
      this.open();
      this.say(error.message);
      return;
    }
    const { draw, slide, items, classes } = this.worklist;
    const answers = new Answers(draw, slide);
    this.answers = answers;
    this.disk = new Disk(answers, (text) => this.say(text));
    await this.disk.find();
    answers.changed = () => this.show();
    this.brush = Math.max(0, classes.findIndex(({ name }) => name === items[0]?.predicted));
    const first = items.findIndex((item) => !this.isAnswered(item));
    this.at = first < 0 ? 0 : first;
    this.open();
  }

  async read(input) {
    const [file] = input.files;
    if (!file) return;
    try {
      const text = await file.text();
      input.value = ""; // so that the same file can be opened again
      const found = JSON.parse(text);
      if (found?.kind !== "answers") await this.load(found);
      else if (!this.answers?.merge(found)) throw new Error("These answers are of another worklist. Open that first.");
      else this.store();
    } catch (error) {
      this.say(error instanceof SyntaxError ? `${file.name} is no JSON file.` : error.message);
    }
  }

  open() {
    this.isOpen = true;
    deselect();
    byId("review").hidden = false;
    byId("opened").hidden = !this.worklist;
    byId("unopened").hidden = Boolean(this.worklist);
    this.say("");
    if (!this.worklist) return;
    history.replaceState(null, "", "#review");
    document.body.classList.add("reviewing");
    // Nobody is led by the network where its classes are hidden.
    visible.fill(true);
    colourBy(this.worklist.blind ? "none" : "class");
    byId("answer-buttons").replaceChildren(...this.worklist.classes.map(({ name, colour }, at) => {
      const button = element("button", "");
      button.append(element("kbd", this.keyOf(at)), swatch(colour), element("span", displayName(name)));
      button.addEventListener("click", () => this.choose(at));
      return button;
    }));
    this.go(this.at);
    viewer.canvas.focus();
  }

  close() {
    this.isOpen = false;
    byId("review").hidden = true;
    document.body.classList.remove("reviewing", "asking", "marking");
    outlines.ask(null);
    if (!this.worklist) return;
    document.querySelectorAll("#classes input").forEach((box, code) => { visible[code] = box.checked; });
    const { value } = byId("colour-by");
    colourBy(value === "class" ? "class" : Number(value));
    writeAddress();
  }

  say(text) {
    byId("said").textContent = text;
  }

  get isAsking() {
    return this.isOpen && Boolean(this.worklist?.items.length);
  }

  get item() {
    return this.worklist.items[this.at];
  }

  keyOf(at) {
    if (this.worklist.classes[at].name === NOT_A_NUCLEUS) return "0";
    return at < 9 ? String(at + 1) : at < 18 ? `⇧${at - 8}` : "";
  }

  isAnswered({ id, isNucleus }) {
    return isNucleus ? Boolean(this.answers.rows.get(id)?.class) : this.answers.frames.get(id)?.done === true;
  }

  frameOf({ id }) {
    return this.answers.frames.get(id) ?? { done: false, missed: [] };
  }

  // Shows an item; the zoom is kept from nucleus to nucleus.
  go(at) {
    const { items } = this.worklist;
    this.at = Math.max(0, Math.min(items.length - 1, at));
    if (!items.length) return;
    const { outline, isNucleus } = this.item;
    const [x, y] = [middle(outline, 0), middle(outline, 1)];
    if (!isNucleus) {
      const side = Math.max(...[0, 1].map((odd) => 2 * Math.max(...outline.filter((_, k) => k % 2 === odd).map((v) => Math.abs(v - [x, y][odd])))));
      showPlace(x, y, 1.65 * side * facts.mpp * Math.max(1, window.innerWidth / window.innerHeight));
    } else if (pixelsPerCanvasPixel() * VIEW_UM / facts.mpp < window.innerWidth / 2) {
      showPlace(x, y, VIEW_UM);
    } else {
      const point = viewer.world.getItemAt(0).imageToViewportCoordinates(x, y);
      viewer.viewport.panTo(point, reducedMotion);
    }
    this.show();
  }

  show() {
    if (!this.isAsking) return;
    const { item, worklist: { items, classes, blind } } = this;
    const isFrame = !item.isNucleus, frame = isFrame && this.frameOf(item);
    document.body.classList.toggle("asking", !isFrame);
    document.body.classList.toggle("marking", isFrame);
    byId("instruction").textContent = INSTRUCTION[isFrame ? "frame" : blind ? "hidden" : "shown"];
    const said = isFrame ? null : this.answers.rows.get(item.id)?.class;
    const shown = isFrame ? classes[this.brush].name : said || item.predicted;
    const state = isFrame ? `${frame.missed.length} marked${frame.done ? ", finished" : ""}`
      : said ? "answered" : item.predicted ? "as predicted" : "";
    const parts = [element("span", isFrame ? item.name : `Nucleus ${item.name}`)];
    if (!isFrame && shown) parts.push(swatch(this.colourOf(shown)), element("span", displayName(shown)));
    byId("item").replaceChildren(...parts, element("small", state));
    [...byId("answer-buttons").children].forEach((button, at) => {
      button.setAttribute("aria-pressed", String(classes[at].name === (isFrame ? shown : said)));
      button.hidden = isFrame && classes[at].name === NOT_A_NUCLEUS;
    });
    byId("confirm").textContent = isFrame ? "Finished (Enter)" : "As shown (Enter)";
    byId("confirm").hidden = !isFrame && !item.predicted;
    outlines.ask({
      outline: item.outline,
      marks: (frame.missed ?? []).map(({ x, y, class: name }) => ({
        x: x / facts.scale[0], y: y / facts.scale[1], colour: css(this.colourOf(name), 1),
      })),
    });
    this.count(items);
  }

  count(items) {
    const of = (kind) => items.filter(({ isNucleus }) => isNucleus === kind);
    const text = [[true, "nuclei"], [false, "frames"]].filter(([kind]) => of(kind).length).map(([kind, name]) =>
      `${of(kind).filter((one) => this.isAnswered(one)).length} of ${of(kind).length} ${name}`);
    Object.assign(byId("progress"), { max: items.length, value: items.filter((one) => this.isAnswered(one)).length });
    byId("done").textContent = `${text.join(", ")}. ${this.answers.isKept
      ? "This browser keeps every answer." : "This browser keeps no answers: save them often."}`;
  }

  colourOf(name) {
    return this.worklist.classes.find((one) => one.name === name)?.colour ?? [128, 128, 128];
  }

  choose(at) {
    const { name } = this.worklist.classes[at] ?? {};
    if (name === undefined) return;
    if (this.item.isNucleus) {
      this.answers.answer(this.item.id, name);
      this.store();
      this.go(this.at + 1);
    } else if (name !== NOT_A_NUCLEUS) {
      this.brush = at;
      this.show();
    }
  }

  confirm() {
    const { item } = this;
    if (!item.isNucleus) this.answers.frame(item.id, true, this.frameOf(item).missed);
    else if (this.answers.rows.get(item.id)?.class) { /* stays as it was answered */ }
    else if (item.predicted) this.answers.answer(item.id, item.predicted);
    else return;
    this.store();
    this.go(this.at + 1);
  }

  takeBack() {
    const { item } = this;
    if (item.isNucleus) this.answers.answer(item.id, "");
    else this.answers.frame(item.id, false, []);
    this.store();
  }

  // Marks a missed nucleus, or takes away the mark that is clicked; x and y in canvas pixels.
  click(x, y) {
    if (this.item.isNucleus) return;
    const { item, worklist: { classes } } = this, { missed, done } = this.frameOf(item);
    const [sx, sy] = facts.scale, reach = 9 / pixelsPerCanvasPixel();
    const kept = missed.filter((mark) => Math.hypot(mark.x / sx - x, mark.y / sy - y) > reach);
    const isInside = [x, y].every((value, odd) => {
      const sides = item.outline.filter((_, k) => k % 2 === odd);
      return value >= Math.min(...sides) && value <= Math.max(...sides);
    });
    if (kept.length === missed.length) {
      if (!isInside) return;
      const level0 = (value) => Math.round(10 * value) / 10;
      kept.push({ x: level0(x * sx), y: level0(y * sy), class: classes[this.brush].name });
    }
    this.answers.frame(item.id, done, kept);
    this.store();
  }

  key(event) {
    if (!this.isOpen || event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    const isEscape = event.key === "Escape";
    const act = isEscape ? () => this.close() : this.isAsking && this.actionOf(event);
    if (!act) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    act();
  }

  actionOf({ key, code, shiftKey, target }) {
    // Keyboards of some languages have digits on Shift only.
    const digit = /^\d$/.test(key) ? key : /^Digit(\d)$/.exec(code)?.[1];
    if (digit) {
      const wanted = shiftKey && digit !== key ? `⇧${digit}` : digit;
      return () => this.choose(this.worklist.classes.findIndex((_, at) => this.keyOf(at) === wanted));
    }
    if (key === "Enter") return target.matches("#review button, #review input") ? null : () => this.confirm();
    return {
      n: () => this.go(this.at + 1), p: () => this.go(this.at - 1), Backspace: () => this.go(this.at - 1),
      x: () => this.takeBack(), Delete: () => this.takeBack(), s: () => this.save(), m: () => this.mark(),
    }[key.length === 1 ? key.toLowerCase() : key];
  }

  mark() {
    const image = viewer.world.getItemAt(0);
    const { x, y } = image.viewportToImageCoordinates(viewer.viewport.getCenter(true));
    this.click(x, y);
  }

  // What `nucwsi view` serves is written at once; a file is made on request.
  store() {
    this.disk.write();
  }

  async save() {
    if (await this.disk.write()) return;
    const text = JSON.stringify(this.answers.document(), null, 1);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `answers.${this.worklist.slide}.${this.worklist.draw}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
    this.say(`Downloaded: ${link.download}`);
  }
}

const review = new Review();
