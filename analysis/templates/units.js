"use strict";
const table = document.querySelector("table.index"), search = document.querySelector("input[type=search]");
if (table) {
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const all = document.querySelector("input[type=checkbox]"), count = document.querySelector("output");
  const words = rows.map(row => [...row.cells].filter(c => c.classList.contains("t")).map(c => c.textContent).join(" ").toLowerCase());
  let by = -1, down = false;
  const value = (row, n) => {
    const cell = row.cells[n];
    if (cell.classList.contains("t")) return cell.textContent || null;
    return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
  };
  const compare = (a, b) => {
    const x = value(a, by), y = value(b, by);
    if (x === null || y === null) return (x === null) - (y === null); // what is not known comes last
    const order = typeof x === "string" ? x.localeCompare(y, undefined, {numeric: true}) : x - y;
    return down ? -order : order;
  };
  const keep = () => {
    const state = new URLSearchParams();
    if (search.value) state.set("find", search.value);
    if (by >= 0) state.set("by", (down ? "-" : "") + by);
    if (all.checked) state.set("all", "");
    history.replaceState(null, "", "#" + state);
  };
  const show = () => {
    const asked = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, n) => {
      row.hidden = !asked.every(word => words[n].includes(word));
      shown += !row.hidden;
    });
    count.textContent = shown === rows.length ? `${rows.length} units` : `${shown} of ${rows.length} units`;
    table.classList.toggle("brief", !all.checked);
    heads.forEach((head, n) => n === by ? head.setAttribute("aria-sort", down ? "descending" : "ascending") : head.removeAttribute("aria-sort"));
    body.append(...(by < 0 ? rows : [...rows].sort(compare)));
  };
  heads.forEach((head, n) => head.querySelector("button").addEventListener("click", () => {
    down = n === by ? !down : head.dataset.first === "down";
    by = n;
    show(); keep();
  }));
  for (const input of [search, all]) input.addEventListener("input", () => { show(); keep(); });
  const state = new URLSearchParams(location.hash.slice(1));
  search.value = state.get("find") || "";
  all.checked = state.has("all");
  if (/^-?\d+$/.test(state.get("by") || "")) {
    by = Math.min(Math.abs(Number(state.get("by"))), heads.length - 1);
    down = state.get("by").startsWith("-");
  }
  show();
} else {
  addEventListener("keydown", event => {
    const way = {ArrowLeft: "prev", ArrowRight: "next"}[event.key];
    const link = way && !event.altKey && !event.ctrlKey && !event.metaKey && document.querySelector(`a[rel=${way}]`);
    if (link) link.click();
  });
}
