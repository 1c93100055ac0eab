"use strict";
const cards = [...document.querySelectorAll(".card")], dialog = document.querySelector("dialog");
const large = dialog.querySelector(".screen"), said = dialog.querySelector(".said");
let shown = 0;
const show = number => {
  shown = Math.max(0, Math.min(cards.length - 1, number));
  const card = cards[shown];
  large.className = "screen " + card.dataset.image;
  said.replaceChildren(...[...card.children].slice(1).map(part => part.cloneNode(true)));
  if (!dialog.open) dialog.showModal();
};
cards.forEach((card, number) => card.addEventListener("click", () => show(number)));
dialog.addEventListener("close", () => { cards[shown].focus(); cards[shown].scrollIntoView({block: "nearest"}); });
dialog.querySelector(".close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const step = {ArrowLeft: -1, ArrowRight: 1, Home: -cards.length, End: cards.length}[event.key];
  if (step === undefined) return;
  if (dialog.open) { show(shown + step); event.preventDefault(); return; }
  const at = cards.indexOf(document.activeElement);
  if (at < 0 || Math.abs(step) > 1) return;
  cards[Math.max(0, Math.min(cards.length - 1, at + step))].focus();
  event.preventDefault();
});
