"use strict";
// Moves the pictures to the axes that are chosen, and says what is pointed at.
const tools = document.querySelector(".tools");
const said = document.querySelector(".said");
const map = document.querySelector("svg");
const pictures = [...map.querySelectorAll(".p")];
tools.hidden = false;

function place() {
  const [x, y] = [Number(tools.x.value), Number(tools.y.value)];
  const side = Number(tools.size.value);
  for (const picture of pictures) {
    const at = picture.dataset.at.split(" ").map(Number);
    picture.setAttribute("transform", `translate(${500 + 470 * at[x]} ${350 - 320 * at[y]})`);
    for (const part of picture.querySelectorAll("image, rect")) {
      part.setAttribute("x", -side / 2);
      part.setAttribute("y", -side / 2);
      part.setAttribute("width", side);
      part.setAttribute("height", side);
    }
  }
}

function choose() {
  const sought = tools.find.value.trim().toLowerCase();
  const groups = new Set([...tools.querySelectorAll("[name=group]:checked")].map(one => one.value));
  let found = 0;
  for (const picture of pictures) {
    const gone = !groups.has(picture.dataset.group);
    const other = sought !== "" && !picture.dataset.said.toLowerCase().includes(sought);
    picture.classList.toggle("gone", gone);
    picture.classList.toggle("faint", other);
    found += !gone && !other;
  }
  said.textContent = sought || found < pictures.length ? `${found} of ${pictures.length} pictures` : "Point at a picture for its name.";
}

function point(event) {
  const picture = event.target.closest(".p");
  if (!picture) return;
  said.textContent = picture.dataset.said;
  if (event.type === "mouseover" && map.lastElementChild !== picture) map.append(picture); // above the others
}

tools.addEventListener("submit", event => event.preventDefault());
for (const field of [tools.x, tools.y, tools.size]) field.addEventListener("input", place);
tools.find.addEventListener("input", choose);
for (const field of tools.querySelectorAll("[name=group]")) field.addEventListener("input", choose);
map.addEventListener("mouseover", point);
map.addEventListener("focusin", point);
place();
