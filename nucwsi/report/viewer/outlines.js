"use strict";
// Draws the outlines of the regions and of the selected nucleus on a canvas above all tiles.

class Outlines {
  constructor(viewer, facts) {
    this.viewer = viewer;
    this.regions = facts.regions.map((region) => ({ ...region, path: Outlines.path(region.rings) }));
    this.shown = true;
    this.selected = null;
    this.asked = null; // what a review asks about: { outline, marks: [{ x, y, colour }], reach }
    this.canvas = document.createElement("canvas");
    this.canvas.className = "outlines";
    viewer.canvas.append(this.canvas);
    viewer.addHandler("update-viewport", () => this.draw());
    viewer.addHandler("resize", () => this.draw());
  }

  static path(rings) {
    const path = new Path2D();
    for (const ring of rings) {
      path.moveTo(ring[0], ring[1]);
      for (let at = 2; at < ring.length; at += 2) path.lineTo(ring[at], ring[at + 1]);
      path.closePath();
    }
    return path;
  }

  select(outline) {
    this.selected = outline && Outlines.path([outline]);
    this.draw();
  }

  ask(asked) {
    this.asked = asked && { ...asked, path: Outlines.path([asked.outline]) };
    this.draw();
  }

  draw() {
    const { viewer, canvas } = this, ratio = window.devicePixelRatio || 1;
    const image = viewer.world.getItemAt(0);
    if (!image) return;
    const size = viewer.viewport.getContainerSize();
    const width = Math.round(size.x * ratio), height = Math.round(size.y * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const point = (x, y) => image.imageToViewerElementCoordinates(new OpenSeadragon.Point(x, y));
    const origin = point(0, 0), scale = (point(1000, 0).x - origin.x) / 1000 * ratio;
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(scale, 0, 0, scale, origin.x * ratio, origin.y * ratio);
    const stroke = (path, colour, thick) => {
      context.strokeStyle = colour;
      context.lineWidth = thick * ratio / scale;
      context.stroke(path);
    };
    context.lineJoin = "round";
    for (const region of this.shown && !this.asked ? this.regions : []) {
      stroke(region.path, "rgb(255 255 255 / .6)", 2.6);
      stroke(region.path, "rgb(30 30 34 / .75)", 1);
    }
    if (this.asked) {
      // Thin: the nucleus is what shall be seen.
      stroke(this.asked.path, "rgb(0 0 0 / .8)", 3.5);
      stroke(this.asked.path, "#ffe600", 1.6);
      for (const { x, y, colour } of this.asked.marks) {
        const dot = new Path2D();
        dot.arc(x, y, 7 * ratio / scale, 0, 2 * Math.PI);
        stroke(dot, "#000", 5);
        stroke(dot, colour, 3);
      }
    }
    if (this.selected) {
      stroke(this.selected, "#fff", 6);
      stroke(this.selected, "#111", 2.5);
    }
  }
}
