"use strict";
// The answers of a review: in memory, in the browser's own store, on the disk of `nucwsi view`, and
// as a file. Each answer has a time, and of two the later one counts, wherever it was kept.

class Answers {
  constructor(draw, slide) {
    this.draw = draw;
    this.slide = slide;
    this.name = `nucwsi:${slide}:${draw}`;
    this.rows = new Map(); // id of a nucleus -> { class, time }; an empty class is no answer
    this.frames = new Map(); // id of a frame -> { done, missed: [{ x, y, class }], time }
    this.isKept = true; // whether the browser keeps them
    this.changed = () => {};
    this.recall();
    // Another window with the same worklist.
    window.addEventListener("storage", ({ key }) => { if (key === this.name) this.recall(); });
  }

  recall() {
    try {
      const kept = localStorage.getItem(this.name);
      if (kept) this.merge(JSON.parse(kept));
    } catch {
      this.isKept = false;
    }
  }

  keep() {
    try {
      localStorage.setItem(this.name, JSON.stringify(this.document()));
      this.isKept = true;
    } catch {
      this.isKept = false;
    }
    this.changed();
  }

  answer(id, name) {
    this.rows.set(id, { class: name, time: new Date().toISOString() });
    this.keep();
  }

  frame(id, done, missed) {
    this.frames.set(id, { done, missed, time: new Date().toISOString() });
    this.keep();
  }

  // Takes over what is newer; returns whether the document is of this worklist.
  merge(document) {
    const { kind, draw, slide } = document ?? {};
    if (kind !== "answers" || draw !== this.draw || slide !== this.slide) return false;
    const newer = (kept, { id, time }, said) => {
      if (typeof id !== "string" || kept.get(id)?.time >= (time ?? "")) return;
      kept.set(id, { ...said, time: time ?? "" });
    };
    for (const row of document.answers ?? []) newer(this.rows, row, { class: row.class ?? "" });
    for (const frame of document.frames ?? []) {
      const missed = (frame.missed ?? []).map(({ x, y, class: name }) => ({ x, y, class: name }));
      newer(this.frames, frame, { done: frame.done === true, missed });
    }
    this.changed();
    return true;
  }

  // The file that `nucwsi correct` reads; docs/review.md describes it.
  document() {
    const listed = (kept) => [...kept].map(([id, said]) => ({ id, ...said }));
    return {
      kind: "answers", version: 1, slide: this.slide, draw: this.draw,
      answers: listed(this.rows), frames: listed(this.frames),
    };
  }
}

// Writes the answers to the folder of results, where `nucwsi view` serves the page.
class Disk {
  constructor(answers, say) {
    this.answers = answers;
    this.say = say;
    this.address = `../review/answers/${answers.draw}.json`;
    this.path = null; // of the file, once it was written
    this.isThere = false;
    this.isBusy = false;
    this.isBehind = false;
  }

  // Asks whether somebody is there who writes, and takes over what was written before.
  async find() {
    if (!location.protocol.startsWith("http")) return;
    try {
      const found = await fetch(this.address, { cache: "no-store" });
      this.isThere = found.ok && (found.headers.get("Allow") ?? "").includes("PUT");
      if (this.isThere && found.status === 200) this.answers.merge(await found.json());
    } catch {
      this.isThere = false;
    }
  }

  // Writes the answers; further ones that come in the meantime are written together.
  async write() {
    if (!this.isThere) return false;
    this.isBehind = true;
    if (this.isBusy) return true;
    this.isBusy = true;
    try {
      while (this.isBehind) {
        this.isBehind = false;
        const body = JSON.stringify(this.answers.document());
        const headers = { "Content-Type": "application/json" };
        const reply = await fetch(this.address, { method: "PUT", headers, body });
        const said = await reply.json();
        if (!reply.ok) throw new Error(said.error);
        this.path = said.path;
      }
      this.say(`Saved as ${this.path}`);
      return true;
    } catch (error) {
      this.say(`Not saved on disk (${error.message}). “Save answers” downloads them.`);
      return false;
    } finally {
      this.isBusy = false;
    }
  }
}
