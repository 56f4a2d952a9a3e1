"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  // with a separator a row may have several classes
  const { columns, classes, places, separator } = data;
  const total = columns.text.length;
  const kept = `vicinal-review-${data.key}`;
  const PAGE = 20;
  const PARENT = { left_text: "left", right_text: "right" };
  const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
  // as pages of figures have it: what HTML forbids, or would turn the text around
  const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;
  const $ = (id) => document.getElementById(id);
  const filters = $("filters");
  const field = (name) => filters.elements[name];

  // what was decided, by row: {verdict, text?, label?}, the label as the numbers of its classes
  let decisions = {};
  let shown = [];
  let cursor = 0;
  let editing = false;

  const flips = new Set(data.flips);
  const given = data.labels;
  const text = (at) => decisions[at]?.text ?? columns.text[at];
  const label = (at) => decisions[at]?.label ?? given[at];
  const named = (codes) => (separator === null ? classes[codes[0]] : codes.map((one) => classes[one]).join(separator));
  const state = (at) => decisions[at]?.verdict ?? "undecided";
  const visible = (words) => String(words).replace(CONTROL, "\ufffd") || "(empty)";
  const figure = (value) => (value === null ? "\u2013" : value.toFixed(2).replace("-", "\u2212"));

  function review(at) {
    const words = [state(at)];
    if (decisions[at]?.text !== undefined) words.push("edited");
    if (decisions[at]?.label !== undefined) words.push("relabeled");
    return words.join(", ");
  }

  // ---- decisions, and where they stay

  function store() {
    try {
      localStorage.setItem(kept, JSON.stringify(decisions));
    } catch {
      $("storage").textContent =
        "This browser keeps nothing for this page: save your decisions before you close it.";
    }
  }

  function restore() {
    try {
      decisions = checked(JSON.parse(localStorage.getItem(kept) ?? "{}"));
    } catch {
      decisions = {};
    }
  }

  function checked(found) {
    const isLabel = (codes) =>
      Array.isArray(codes) && codes.length > 0 && (separator !== null || codes.length === 1) &&
      codes.every((one, at) => Number.isInteger(one) && one in classes && !(one <= codes[at - 1]));
    const sound = ([at, one]) =>
      /^(0|[1-9]\d*)$/.test(at) && Number(at) < total &&
      ["accepted", "rejected"].includes(one?.verdict) &&
      (one.text === undefined || typeof one.text === "string") &&
      (one.label === undefined || isLabel(one.label));
    if (!Object.entries(found ?? { 0: {} }).every(sound)) throw new Error("these are no decisions of this page.");
    return found;
  }

  function decide(at, change) {
    const now = { verdict: "accepted", ...decisions[at], ...change };
    if (now.text === columns.text[at]) delete now.text;
    if (String(now.label) === String(given[at])) delete now.label;
    decisions[at] = now;
    store();
    say(`Row ${at + 1}: ${review(at)}.`);
    paint(at);
  }

  function judge(verdict) {
    if (!shown.length) return;
    decide(shown[cursor], { verdict });
    move(1);
  }

  function undo() {
    if (!shown.length) return;
    const at = shown[cursor];
    delete decisions[at];
    store();
    say(`Row ${at + 1} is undecided, and as it was written.`);
    paint(at);
    render(true);
  }

  function relabel(code) {
    if (!shown.length || !(code in classes)) return;
    assign(shown[cursor], code);
    render(true);
  }

  // gives a class to a row; of several, gives or takes it
  function assign(at, code) {
    let codes = [code];
    if (separator !== null) {
      const others = label(at).filter((one) => one !== code);
      codes = others.length < label(at).length ? others : [...others, code].sort((a, b) => a - b);
    }
    if (!codes.length) return say("A row has one label at least: give it another one first.");
    decide(at, { label: codes, verdict: "accepted" });
  }

  function say(words) {
    $("said").textContent = words;
    const count = { undecided: total, accepted: 0, rejected: 0 };
    for (const one of Object.values(decisions)) {
      count[one.verdict] += 1;
      count.undecided -= 1;
    }
    const tally = Object.entries(count).map(([name, many]) => `${many.toLocaleString("en")} ${name}`);
    $("tally").textContent = tally.join(", ") + share(count.accepted, total - count.undecided);
  }

  // accepted of read, with the 95 % interval by Wilson
  function share(accepted, read) {
    if (!read) return "";
    const [p, z] = [accepted / read, 1.959964];
    const middle = p + (z * z) / (2 * read);
    const half = z * Math.sqrt((p * (1 - p)) / read + (z / (2 * read)) ** 2);
    const [value, low, high] = [p, middle - half, middle + half].map((one, at) =>
      Math.round((100 * one) / (at ? 1 + (z * z) / read : 1)));
    return `: ${value} % of those read are kept (95 % interval ${low} to ${high} %)`;
  }

  // ---- the list

  // shows what the filters let through, from the top or from a row on
  function filter(here) {
    const words = field("words").value.trim().toLowerCase();
    const code = field("label").value;
    const wanted = field("state").value;
    const within = (name, at) => {
      const [low, high] = [field(`${name}-low`).value, field(`${name}-high`).value];
      const value = columns[name][at];
      if (value === null) return low === "" && high === "";
      return (low === "" || value >= Number(low)) && (high === "" || value <= Number(high));
    };
    shown = [...columns.text.keys()].filter(
      (at) =>
        (code === "" || label(at).includes(Number(code))) &&
        (wanted === "" || state(at) === wanted) &&
        within("confidence", at) && within("closeness", at) &&
        (words === "" || searched(at).includes(words)),
    );
    const order = field("order").value;
    if (order) {
      const figures = columns[order.slice(1)];
      const sign = order[0] === "-" ? 1 : -1;
      const of = (at) => figures[at] ?? -Infinity;
      shown.sort((a, b) => sign * (of(a) - of(b)) || a - b);
    }
    cursor = Math.max(0, shown.indexOf(here));
    say(`${shown.length.toLocaleString("en")} of ${total.toLocaleString("en")} rows are shown.`);
    const there = new Set(shown);
    dots.forEach((one, at) => one.classList.toggle("off", !there.has(at)));
    render(false);
  }

  function searched(at) {
    const parents = [columns.left[at], columns.right[at]].map((one) => data.parents[one]);
    return [text(at), ...parents].join("\n").toLowerCase();
  }

  function node(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value !== null) made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  function item(at, place) {
    const current = place === cursor;
    const row = node("li", {
      class: state(at),
      tabindex: current ? "0" : "-1",
      "aria-current": current ? "true" : null,
      onclick: () => place !== cursor && go(place),
    });
    row.append(node("p", { class: "sentence", dir: "auto" }, visible(text(at))));
    const says = [`confidence ${figure(columns.confidence[at])}`, `closeness ${figure(columns.closeness[at])}`];
    if (current) {
      says.push(`asked ${figure(columns.lam[at])}`, `measured ${figure(columns.lam_measured[at])}`, visible(columns.check[at]));
    }
    if (flips.has(at)) says.push("negated unlike both parents");
    row.append(
      node(
        "p", { class: "figures" },
        node("span", {}, String(at + 1)),
        node("span", { class: "label" }, visible(choices(at).join(", "))),
        node("span", { class: "state" }, review(at)),
        ...says.map((one) => node("span", {}, one)),
      ),
    );
    if (current) row.append(parentsOf(at), acts(at));
    return row;
  }

  function parentsOf(at) {
    const lam = columns.lam[at];
    const one = (name, share, end) =>
      node(
        "li", {}, node("b", {}, `${name} ${figure(share)}`),
        node("span", { dir: "auto" }, visible(data.parents[columns[end][at]])),
      );
    return node("ul", { class: "parents" }, one("L", lam, "left"), one("R", 1 - lam, "right"));
  }

  function acts(at) {
    const press = (words, action) => node("button", { type: "button", onclick: action }, words);
    const choice = separator === null ? oneOf(at) : someOf(at);
    choice.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      render(true);
    });
    return node(
      "div", { class: "acts" },
      press("Accept", () => judge("accepted")),
      press("Reject", () => judge("rejected")),
      press("Edit", edit),
      ...(separator === null ? [choice, press("Undo", undo)] : [press("Undo", undo), choice]),
    );
  }

  function oneOf(at) {
    const choice = node(
      "select", { "aria-label": "class of this row" },
      ...classes.map((one, code) => node("option", { value: code }, visible(one))),
    );
    choice.value = label(at)[0];
    choice.addEventListener("change", () => assign(at, Number(choice.value)));
    return choice;
  }

  function someOf(at) {
    const box = (one, code) => {
      const input = node("input", {
        type: "checkbox", value: code, checked: label(at).includes(code) ? "" : null,
        onchange: () => {
          assign(at, code);
          render(true);
          $("rows").querySelector(`.labels [value="${code}"]`).focus();
        },
      });
      return node("label", {}, input, visible(one));
    };
    return node("span", { class: "labels", role: "group", "aria-label": "classes of this row" }, ...classes.map(box));
  }

  function edit() {
    if (!shown.length || editing) return;
    const at = shown[cursor];
    const row = $("rows").children[cursor % PAGE];
    const box = node("textarea", { rows: "3", "aria-label": "sentence", dir: "auto" });
    box.value = text(at);
    const end = (keeps) => {
      editing = false;
      // a text area makes one line end of all kinds: what was not changed stays as it was
      if (keeps && box.value !== before) decide(at, { text: box.value, verdict: "accepted" });
      render(true);
    };
    const before = box.value;
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey && !event.isComposing)) {
        event.preventDefault();
        end(event.key === "Enter");
      }
    });
    const press = (words, keeps) => node("button", { type: "button", onclick: () => end(keeps) }, words);
    editing = true;
    row.replaceChildren(
      box,
      node("div", { class: "acts" }, press("Save (Enter)", true), press("Cancel (Esc)", false)),
    );
    box.focus();
  }

  function render(focus) {
    editing = false;
    const first = cursor - (cursor % PAGE);
    const rows = shown.slice(first, first + PAGE).map((at, place) => item(at, first + place));
    $("rows").replaceChildren(...rows);
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    $("page").textContent = `page ${first / PAGE + 1} of ${pages}`;
    $("before").disabled = first === 0;
    $("after").disabled = first + PAGE >= shown.length;
    if (focus) rows[cursor - first]?.focus();
    draw();
  }

  function go(place) {
    cursor = Math.min(Math.max(place, 0), shown.length - 1);
    render(true);
  }

  const move = (by) => shown.length && go(cursor + by);

  function undecided() {
    const after = [...shown.keys()].filter((place) => !decisions[shown[place]]);
    if (!after.length) return say("Every row that is shown is decided.");
    go(after.find((place) => place > cursor) ?? after[0]);
  }

  // ---- the map

  const dots = [...($("written")?.children ?? [])];

  function paint(at) {
    dots[at]?.classList.toggle("accepted", state(at) === "accepted");
    dots[at]?.classList.toggle("rejected", state(at) === "rejected");
  }

  function drawn(name, attributes, words = "") {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = words;
    return made;
  }

  function draw() {
    if (!places) return;
    const at = shown[cursor];
    if (at === undefined) return $("chosen").replaceChildren();
    const [left, right] = [places.parents[columns.left[at]], places.parents[columns.right[at]]];
    const lam = columns.lam[at];
    const aim = left.map((one, axis) => lam * one + (1 - lam) * right[axis]);
    const there = places.written[at];
    const path = (a, b, kind) => drawn("line", { x1: a[0], y1: a[1], x2: b[0], y2: b[1], class: kind });
    const disk = (a, r, kind) => drawn("circle", { cx: a[0], cy: a[1], r, class: kind });
    const letter = (a, words) => drawn("text", { x: a[0] + 8, y: a[1] - 6 }, words);
    $("chosen").replaceChildren(
      path(left, right, "way-line"), path(aim, there, "miss"),
      disk(left, 5.5, "parent"), disk(right, 5.5, "parent"), disk(aim, 7, "aim"), disk(there, 5, "landed"),
      letter(left, "L"), letter(right, "R"),
    );
  }

  function pick(event) {
    const map = $("map");
    const to = map.getScreenCTM().inverse();
    const here = new DOMPoint(event.clientX, event.clientY).matrixTransform(to);
    const far = (at) => Math.hypot(places.written[at][0] - here.x, places.written[at][1] - here.y);
    const near = shown.reduce((best, at, place) => (best < 0 || far(at) < far(shown[best]) ? place : best), -1);
    if (near >= 0) go(near);
  }

  // ---- what goes out

  function record(at) {
    const row = {};
    for (const name of data.order) {
      row[name] = name in PARENT ? data.parents[columns[PARENT[name]][at]] : columns[name][at];
    }
    row.text = text(at);
    if (decisions[at]?.label !== undefined) {
      row.label = named(label(at));
      data.weights.forEach((name, code) => (row[name] = label(at).includes(code) ? 1 : 0));
    }
    row.review = review(at);
    return row;
  }

  function cell(value) {
    if (value === null || value === undefined) return "";
    if (typeof value !== "string") return String(value);
    return `"${(FORMULA.test(value) ? `'${value}` : value).replaceAll('"', '""')}"`;
  }

  function csv(rows) {
    const names = [...data.order, "review"];
    const lines = rows.map((at) => record(at)).map((row) => names.map((name) => cell(row[name])).join(","));
    return [names.map(cell).join(","), ...lines, ""].join("\n");
  }

  const jsonl = (rows) => rows.map((at) => `${JSON.stringify(record(at))}\n`).join("");

  const choices = (at) => label(at).map((code) => String(classes[code]));

  // what Argilla's records.from_json reads
  function argilla(rows) {
    return JSON.stringify(rows.map((at) => {
      const { text: words, label: _, ...rest } = record(at);
      const value = separator === null ? choices(at)[0] : choices(at);
      const known = Object.entries(rest).filter(([, value]) => value !== null);
      return {
        id: String(at),
        fields: { text: words },
        metadata: Object.fromEntries(known),
        suggestions: { label: { value, score: null, agent: "vicinal" } },
        responses: {},
        vectors: {},
      };
    }), null, 1);
  }

  // Label Studio's tasks: what was read is annotated, what was not is predicted
  function labelstudio(rows) {
    return JSON.stringify(rows.map((at) => {
      const row = record(at);
      const value = { choices: choices(at) };
      const result = [{ from_name: "label", to_name: "text", type: "choices", value }];
      return { data: row, [state(at) === "undecided" ? "predictions" : "annotations"]: [{ result }] };
    }), null, 1);
  }

  const EXPORTS = {
    csv: ["reviewed.csv", "text/csv", csv],
    jsonl: ["reviewed.jsonl", "application/jsonl", jsonl],
    argilla: ["argilla.json", "application/json", argilla],
    labelstudio: ["label-studio.json", "application/json", labelstudio],
  };

  function save(name, type, words) {
    const url = URL.createObjectURL(new Blob([words], { type }));
    node("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  function take(kind) {
    const also = $("scope").value === "kept" ? ["accepted", "undecided"] : ["accepted"];
    const rows = [...columns.text.keys()].filter((at) => also.includes(state(at)));
    if (!rows.length) return say("No row is accepted yet, so that there is nothing to export.");
    const [name, type, write] = EXPORTS[kind];
    save(name, type, write(rows));
    say(`${rows.length.toLocaleString("en")} rows are exported as ${name}.`);
  }

  async function load(file) {
    try {
      const found = JSON.parse(await file.text());
      if (found.key !== data.key) throw new Error("they are of other rows.");
      decisions = checked(found.decisions);
      store();
      dots.forEach((one, at) => paint(at));
      filter(shown[cursor]);
      say(`${Object.keys(decisions).length} decisions of ${file.name} are loaded.`);
    } catch (error) {
      const why = error instanceof SyntaxError ? "the file is no JSON." : error.message;
      say(`Nothing was loaded from ${file.name}: ${why}`);
    }
  }

  // ---- keys and buttons

  const KEYS = {
    a: () => judge("accepted"), r: () => judge("rejected"), u: undo, n: undecided,
    e: edit, j: () => move(1), k: () => move(-1), arrowdown: () => move(1), arrowup: () => move(-1),
    l: () => $("rows").querySelector("select, .labels input")?.focus(),
    "/": () => field("words").focus(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape" && filters.contains(event.target)) render(true);
      return;
    }
    // where the keyboard writes other letters, the key itself counts
    const key = /^[^\x00-\x7f]$/.test(event.key) ? event.code.slice(-1).toLowerCase() : event.key.toLowerCase();
    const arrow = key.startsWith("arrow");
    if (arrow && !event.target.closest(".rows")) return;
    const code = /^[1-9]$/.test(key) && classes.length < 10 ? Number(key) - 1 : -1;
    const action = code >= 0 ? () => relabel(code) : Object.hasOwn(KEYS, key) ? KEYS[key] : null;
    if (!action) return;
    event.preventDefault();
    action();
  });
  let waiting = 0;
  filters.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => filter(), 80);
  });
  filters.addEventListener("reset", () => setTimeout(() => filter()));
  filters.addEventListener("submit", (event) => event.preventDefault());
  $("before").addEventListener("click", () => go(cursor - (cursor % PAGE) - PAGE));
  $("after").addEventListener("click", () => go(cursor - (cursor % PAGE) + PAGE));
  document.querySelectorAll("[data-as]").forEach((one) => one.addEventListener("click", () => take(one.dataset.as)));
  $("keep").addEventListener("click", () => {
    save("decisions.json", "application/json", JSON.stringify({ key: data.key, decisions }, null, 1));
  });
  $("load").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) load(file);
    event.target.value = "";
  });
  if (places) $("map").addEventListener("click", pick);
  addEventListener("storage", (event) => {
    if (event.key !== kept) return;
    restore();
    dots.forEach((one, at) => paint(at));
    filter(shown[cursor]);
  });

  restore();
  dots.forEach((one, at) => paint(at));
  $("desk").hidden = false;
  filter();
})();
