// Finds and sorts columns; without it the list stands as it is, worst first.
(() => {
  const tools = document.getElementById("tools");
  const list = document.getElementById("cards");
  const cards = [...list.children];
  const find = document.getElementById("find");
  const order = document.getElementById("order");
  const count = document.getElementById("found");
  tools.hidden = false;
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    for (const card of cards) card.hidden = !card.dataset.name.toLowerCase().includes(wanted);
    count.textContent = `${cards.filter(card => !card.hidden).length} of ${cards.length}`;
  });
  order.addEventListener("change", () => {
    const by = order.value;
    const words = by === "name" || by === "kind";
    const value = card => (words ? card.dataset[by].toLowerCase() : Number(card.dataset[by]));
    const compare = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
    list.append(...cards.sort(compare));
  });
  // what a link leads to is opened, also by browsers that would not do so
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    if (target) target.scrollIntoView({ block: "nearest" });
  };
  addEventListener("hashchange", open);
  open();
})();
