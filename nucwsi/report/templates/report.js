"use strict";
// What the page does besides showing: one switch for the unit of all tables, sorting, filtering,
// names of dots, and the download of what a table shows. Without it the page shows percentages.
{
  const root = document.documentElement;
  root.classList.add("js");

  // --- The unit of all tables

  for (const box of document.querySelectorAll("input[name=unit]")) {
    box.addEventListener("change", () => { root.dataset.unit = box.value; });
    if (box.checked) root.dataset.unit = box.value;
  }

  // --- Rows: a table of many slides draws the first, and more as one scrolls

  const STEP = 100, lists = new Map();
  // A name may stand above links to files.
  const nameIn = (cell) => (cell.querySelector(".files") ? cell.firstElementChild : cell).textContent;
  const part = (kind, id) => document.querySelector(`[data-${kind}="${CSS.escape(id)}"]`);

  // All rows of a table in their order, and those that the filter keeps.
  function listOf(table) {
    if (!lists.has(table)) {
      const rows = [...table.tBodies[0].rows], rest = part("rows", table.id);
      if (rest) {
        const holder = document.createElement("template");
        holder.innerHTML = rest.textContent;
        rows.push(...holder.content.children);
      }
      lists.set(table, { rows, kept: rows });
    }
    return lists.get(table);
  }

  function draw(table, n) {
    table.tBodies[0].replaceChildren(...listOf(table).kept.slice(0, n));
    table.parentElement.scrollTop = 0;
  }

  const long = [...document.querySelectorAll("[data-rows]")]
    .map((rest) => document.getElementById(rest.dataset.rows));
  for (const table of long) {
    const box = table.parentElement;
    box.addEventListener("scroll", () => {
      if (box.scrollTop + 2 * box.clientHeight < box.scrollHeight) return;
      const body = table.tBodies[0], n = body.rows.length;
      body.append(...listOf(table).kept.slice(n, n + STEP));
    }, { passive: true });
  }
  addEventListener("beforeprint", () => long.forEach((table) => draw(table)));

  // --- Sorting: by the number of a cell in the unit that is shown, else by its text

  // Where all units are shown, a table is sorted by percent.
  const unit = () => (root.dataset.unit === "all" ? "percent" : root.dataset.unit);

  function numberOf(cell) {
    const holder = cell.querySelector(`.u-${unit()}`) ?? cell;
    if (!("v" in holder.dataset)) return null;
    return holder.dataset.v === "" ? NaN : Number(holder.dataset.v);
  }

  const alphabet = new Intl.Collator("en", { numeric: true });

  function sortBy(table, head) {
    const at = head.cellIndex, heads = head.parentElement.cells;
    const first = head.dataset.first === "down" ? -1 : 1;
    const sign = head.classList.contains(first < 0 ? "down" : "up") ? -first : first;
    for (const other of heads) {
      other.classList.remove("up", "down");
      other.removeAttribute("aria-sort");
    }
    head.classList.add(sign > 0 ? "up" : "down");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const list = listOf(table);
    const keys = list.rows.map((row) => {
      const cell = row.cells[at], number = numberOf(cell);
      return { row, number, text: number === null ? nameIn(cell).trim() : "" };
    });
    keys.sort((a, b) => {
      if (a.number === null) {
        if (!a.text || !b.text) return !a.text - !b.text;
        return sign * alphabet.compare(a.text, b.text);
      }
      // What is not known stands last, whatever the direction.
      if (Number.isNaN(a.number) || Number.isNaN(b.number)) {
        return Number.isNaN(a.number) - Number.isNaN(b.number);
      }
      return sign * (a.number - b.number);
    });
    list.rows = keys.map(({ row }) => row);
    filter(table);
  }

  for (const head of document.querySelectorAll("th.sort")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(head.closest("table"), head));
  }

  // --- Filtering

  // Names and further columns, but not what is to be looked at: "pen" is part of "pending".
  const named = (row) => [...row.cells].filter((cell) => cell.matches("th, .word:not(.look)"))
    .map((cell) => nameIn(cell).toLowerCase()).join(" ");

  function filter(table) {
    const words = (part("filter", table.id)?.value ?? "").toLowerCase().split(/\s+/);
    const only = part("only", table.id)?.checked ?? false;
    const list = listOf(table), n = list.rows.length;
    list.kept = list.rows.filter((row) => {
      const text = named(row);
      return words.every((word) => text.includes(word)) && (!only || "review" in row.dataset);
    });
    draw(table, STEP);
    const output = part("shown", table.id);
    if (output) output.textContent = list.kept.length < n ? `${list.kept.length} of ${n}` : "";
  }

  for (const box of document.querySelectorAll("[data-filter], [data-only]")) {
    const table = document.getElementById(box.dataset.filter ?? box.dataset.only);
    box.addEventListener("input", () => filter(table));
    if (box.value || box.checked) filter(table);
  }

  // --- Download

  // A spreadsheet may execute a text that begins so; nucwsi's own tables have the apostrophe, too.
  const harmless = (text) => (/^(['\s]*[=+@＝＋＠－-]|'*[\t\r])/.test(text) ? `'${text}` : text);
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const tidy = (text) => text.replace(/\s+/g, " ").trim();
  const plain = (node) => tidy(node.textContent);

  function cellsOf(cell, units) {
    if (cell.querySelector("[class^=u-]")) {
      return units.map((one) => cell.querySelector(`.u-${one}`)?.dataset.v ?? "");
    }
    if (cell.matches(".look")) return [harmless([...cell.children].map(plain).join("; "))];
    return ["v" in cell.dataset ? cell.dataset.v : harmless(tidy(nameIn(cell)))];
  }

  function csvOf(table) {
    const chosen = root.dataset.unit;
    const units = chosen === "all" ? ["percent", "count", "density"] : [chosen];
    const suffix = { percent: " (%)", count: " (count)", density: " (per mm²)" };
    const heads = [...table.tHead.rows[0].cells];
    const kept = heads.map((head) => head.matches(".sort"));
    const header = heads.filter((_, at) => kept[at]).flatMap((head) => {
      const name = harmless(plain(head));
      return head.matches(".unit") ? units.map((one) => name + suffix[one]) : [name];
    });
    const rows = listOf(table).kept
      .map((row) => [...row.cells].filter((_, at) => kept[at]).flatMap((c) => cellsOf(c, units)));
    return `${[header, ...rows].map((row) => row.map(quoted).join(",")).join("\n")}\n`;
  }

  for (const button of document.querySelectorAll("[data-download]")) {
    button.addEventListener("click", () => {
      const table = document.getElementById(button.dataset.download);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([csvOf(table)], { type: "text/csv" }));
      link.download = `${table.dataset.name}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }

  // --- Which regions are compared

  for (const choice of document.querySelectorAll("[data-scopes]")) {
    const scopes = document.querySelectorAll(`#${choice.dataset.scopes} .scope`);
    const show = () => scopes.forEach((one) => { one.hidden = one.dataset.scope !== choice.value; });
    choice.addEventListener("change", show);
    show();
  }

  // --- Names of dots; all dots of a slide light up together

  const tip = document.getElementById("tip");
  const owner = (dot) => dot.dataset.tip.slice(0, dot.dataset.tip.lastIndexOf(":"));
  document.addEventListener("pointerover", ({ target }) => {
    const dot = target.closest?.("[data-tip]");
    document.querySelectorAll(".lit").forEach((one) => one.classList.remove("lit"));
    tip.hidden = !dot;
    if (!dot) return;
    tip.textContent = dot.dataset.tip;
    for (const one of dot.closest("section").querySelectorAll("[data-tip]")) {
      one.classList.toggle("lit", owner(one) === owner(dot));
    }
    const box = dot.getBoundingClientRect(), width = tip.offsetWidth;
    const left = Math.min(Math.max(8, box.left + box.width / 2 - width / 2), innerWidth - width - 8);
    tip.style.left = `${left}px`;
    tip.style.top = `${Math.max(8, box.top - tip.offsetHeight - 6)}px`;
  });
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  // --- The paragraph of methods

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy);
      getSelection().selectAllChildren(text);
      // A page from a disk may not always write to the clipboard; then the text is selected.
      const copied = await navigator.clipboard?.writeText(plain(text)).then(() => true, () => false);
      button.textContent = copied ? "Copied" : "Selected";
    });
  }
}
