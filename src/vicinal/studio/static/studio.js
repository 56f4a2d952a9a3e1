// What the pages do by themselves; the rest is htmx's.
"use strict";

// Files: dropped or chosen, and sent as they are; of two that are under way the later one counts
const bound = 256 * 2 ** 20;
let request = null;

function send(drop, files) {
  const said = drop.querySelector(".wrong"), bar = drop.querySelector("progress"), [file] = files;
  said.textContent = "";
  if (!file) return said.textContent = "What was dropped is not a file. Drop a file, or click here to choose one.";
  if (files.length > 1) return said.textContent = `${files.length} files were dropped. Drop one file.`;
  if (file.size > bound) return said.textContent = `${file.name} is larger than ${bound / 2 ** 20} MB.`;
  if (request) request.onloadend = null;
  request?.abort();
  request = new XMLHttpRequest();
  bar.hidden = false;
  bar.value = 0;
  request.upload.onprogress = event => {
    if (event.loaded < event.total) bar.value = event.loaded / event.total;
    else bar.removeAttribute("value"); // it is read now
  };
  request.onloadend = () => {
    const { status, responseText } = request;
    request = null;
    bar.hidden = true;
    if (status !== 200 || responseText !== "read") {
      said.textContent = responseText || `${file.name} was not read. Is it a file, and is the studio still running?`;
    } else if (drop.dataset.into === "pool") { // what is written in the boxes stays
      htmx.ajax("GET", "sentences", { target: "#pool", select: "#pool", swap: "outerHTML" })
        .then(() => htmx.trigger("#between-form", "input"));
    } else location.reload();
  };
  request.open("POST", `${drop.dataset.into}?name=${encodeURIComponent(file.name)}`);
  request.send(file);
}

document.addEventListener("change", event => {
  const drop = event.target.closest(".drop");
  if (drop && event.target.files[0]) {
    send(drop, event.target.files);
    event.target.value = ""; // the same file may be chosen again
  }
  if (event.target.name === "privacy") turn(event.target.value);
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, event => {
    const isFile = event.dataTransfer.types.includes("Files");
    const at = event.target.closest ? event.target : document.body;
    if (!isFile && at.closest("textarea, input[type=search]")) return; // text goes into a box of text
    event.preventDefault(); // or the browser would open what is dropped
    const drop = at.closest(".drop") || (isFile && document.querySelector(".drop"));
    if (!drop) return;
    drop.classList.toggle("over", isFile && kind === "dragover");
    if (kind === "drop") send(drop, event.dataTransfer.files);
  });
}

// The dial: everything moves to where it stands in another setting
function turn(setting) {
  const from = document.getElementById("panel");
  const to = document.querySelector(`template[data-setting="${setting}"]`);
  become(from, to.content.firstElementChild.cloneNode(true));
}

function become(old, next) {
  if (old.nodeName !== next.nodeName) return old.replaceWith(next);
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name)) old.removeAttribute(name);
  }
  const before = [...old.childNodes], after = [...next.childNodes];
  if (before.length !== after.length) return old.replaceChildren(...after);
  after.forEach((one, at) => {
    if (one.nodeType === Node.ELEMENT_NODE) become(before[at], one);
    else if (before[at].data !== one.data) before[at].data = one.data;
  });
}

document.addEventListener("click", event => {
  const copy = event.target.closest("[data-copy]");
  if (!copy) return;
  const done = said => {
    say(said);
    copy.textContent = said;
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  };
  navigator.clipboard.writeText(copy.parentElement.querySelector("pre").textContent)
    .then(() => done("Copied"), () => done("Not allowed"));
});

// Answers: an older one changes nothing, and what was chosen, typed and opened meanwhile stays
let newest = 0, before = {};
document.addEventListener("htmx:beforeSwap", event => {
  const trial = Number(event.detail.xhr.getResponseHeader("vicinal-trial"));
  if (trial && trial < newest) event.detail.shouldSwap = false;
  newest = Math.max(newest, trial);
  before = {
    setting: document.querySelector("[name=privacy]:checked")?.id,
    find: document.getElementById("find")?.value,
    focus: document.activeElement.id,
    details: [...document.querySelectorAll("details[id]")].map(one => [one.id, one.open]),
  };
});
document.addEventListener("htmx:afterOnLoad", () => {
  for (const [id, open] of before.details ?? []) {
    const details = document.getElementById(id);
    if (details) details.open = open;
  }
  const setting = document.getElementById(before.setting);
  if (setting && !setting.checked) {
    setting.checked = true;
    turn(setting.value);
  }
  const find = document.getElementById("find");
  if (find && before.find !== undefined && find.value !== before.find) {
    find.value = before.find;
    htmx.trigger(find, "input");
  }
  if (document.activeElement === document.body) document.getElementById(before.focus)?.focus({ preventScroll: true });
  before = {};
  for (const one of document.querySelectorAll("[data-auto]")) {
    one.removeAttribute("data-auto");
    one.click();
  }
  const now = [...document.querySelectorAll("[data-said]")].map(one => one.dataset.said);
  const news = now.filter(one => !told.includes(one));
  told = now;
  if (news.length) say(news.join(" "));
});

// To a screen reader: what is new, and that alone
let told = [];
const say = words => document.getElementById("status").textContent = words;

// Sentences: the slider says how far it is
document.addEventListener("input", event => {
  if (event.target.id === "toward") {
    document.querySelector(".slide output").textContent = (+event.target.value).toFixed(2);
  }
});

// The tab lives as long as it says so
function tell(said) {
  const notice = document.getElementById("notice");
  notice.textContent = said;
  notice.hidden = false;
}
document.addEventListener("htmx:afterRequest", event => {
  if (event.detail.successful) document.getElementById("notice").hidden = true;
});
document.addEventListener("htmx:responseError", event => tell(event.detail.xhr.responseText));
document.addEventListener("htmx:sendError", () => tell("The studio does not answer. Is it still running?"));
const alive = () => fetch("alive").then(answer => {
  if (answer.status === 410) answer.text().then(tell);
}, () => {});
addEventListener("pageshow", alive); // a page that was loaded again was left before
setInterval(alive, 60000);
addEventListener("pagehide", () => navigator.sendBeacon("leave"));
