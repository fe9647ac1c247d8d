"use strict";
// Loads the nuclei tile by tile. The data are scripts, because a page that is opened from a disk may
// load nothing else; each script calls one of the functions of `nucwsi`.

const nucwsi = {
  facts: null,
  counted: null,
  maps: null,
  worklist: null,
  slide(facts) { nucwsi.facts = facts; },
  regions(counted) { nucwsi.counted = counted; },
  offer(worklist) { nucwsi.worklist = worklist; },
  density(maps) { nucwsi.maps = maps; },
  nuclei(key, data) { arrived.get(key).push(data); },
};

const arrived = new Map(); // key of a tile whose script is loading -> its packed pieces

function loadScript(address) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => { script.remove(); resolve(); };
    script.onerror = () => { script.remove(); reject(new Error(`${address} cannot be read`)); };
    document.head.append(script);
  });
}

// Colours of nuclei that are not coloured by their class: of all, of those that lack the feature,
// and of a feature from low to high. The ramp is told apart in the common colour blindnesses.
const PLAIN = [80, 210, 255], UNKNOWN = [170, 170, 170];
const RAMP = rampOf([[20, 90, 255], [70, 200, 235], [250, 250, 110], [250, 150, 30], [205, 10, 30]], 4);

function rampOf(stops, steps) {
  const made = [];
  for (let at = 0; at + 1 < stops.length; at++) {
    for (let step = 0; step < steps; step++) {
      const mix = (from, k) => Math.round(from + (stops[at + 1][k] - from) * step / steps);
      made.push(stops[at].map(mix));
    }
  }
  return [...made, stops.at(-1)];
}

// Sends requests to the worker (`worker.js`) and loads the tiles that the worker lacks.
class Nuclei {
  constructor({ classes, features, mpp, nuclei }) {
    const text = new Blob([`(${workerMain})()`], { type: "text/javascript" });
    this.worker = new Worker(URL.createObjectURL(text));
    this.pending = new Map(); // number of a request -> how to resolve or reject it
    this.requests = 0;
    this.loading = new Map(); // key of a tile -> promise that the worker has it
    this.worker.onmessage = ({ data: { id, answer, error } }) => {
      const { resolve, reject } = this.pending.get(id);
      this.pending.delete(id);
      if (error) reject(new Error(error));
      else resolve(answer);
    };
    const colours = { plain: PLAIN, ramp: RAMP, unknown: UNKNOWN };
    this.post("start", { facts: { classes, features, mpp, nuclei, ...colours } });
    this.maps = loadScript("density.js").then(() => this.post("maps", { maps: nucwsi.maps }));
  }

  post(kind, values) {
    return new Promise((resolve, reject) => {
      const id = ++this.requests;
      this.pending.set(id, { resolve, reject });
      this.worker.postMessage({ id, kind, values });
    });
  }

  async ask(kind, values) {
    if (kind === "density") await this.maps;
    for (;;) {
      const answer = await this.post(kind, values);
      if (!answer.missing) return answer;
      await Promise.all(answer.missing.map((key) => this.load(key)));
    }
  }

  load(key) {
    if (!this.loading.has(key)) {
      const loaded = this.transfer(key).finally(() => this.loading.delete(key));
      this.loading.set(key, loaded);
    }
    return this.loading.get(key);
  }

  async transfer(key) {
    arrived.set(key, []);
    await loadScript(`nuclei/${key}.js`);
    const pieces = arrived.get(key);
    arrived.delete(key);
    await this.post("tile", { key, pieces });
  }
}
