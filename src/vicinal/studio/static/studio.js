// What the pages do by themselves; the rest is htmx's.
"use strict";

// Files: dropped or chosen, sent as they are, and the page is loaded again
const bound = 256 * 2 ** 20;

function send(drop, file) {
  const said = drop.querySelector(".wrong"), bar = drop.querySelector("progress");
  said.textContent = "";
  if (file.size > bound) {
    said.textContent = `${file.name} is larger than ${bound / 2 ** 20} MB.`;
    return;
  }
  const request = new XMLHttpRequest();
  bar.hidden = false;
  bar.value = 0;
  request.upload.onprogress = event => {
    if (event.loaded < event.total) bar.value = event.loaded / event.total;
    else bar.removeAttribute("value"); // it is read now
  };
  request.onloadend = () => {
    if (request.status === 200 && request.responseText === "read") return location.reload();
    bar.hidden = true;
    said.textContent = request.responseText || "The studio did not answer. Is it still running?";
  };
  request.open("POST", `${drop.dataset.into}?name=${encodeURIComponent(file.name)}`);
  request.send(file);
}

document.addEventListener("change", event => {
  const drop = event.target.closest(".drop");
  if (drop && event.target.files[0]) send(drop, event.target.files[0]);
  if (event.target.name === "privacy") turn(event.target.value);
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, event => {
    event.preventDefault(); // or the browser would open the file
    const drop = event.target.closest(".drop") || document.querySelector(".drop");
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) send(drop, event.dataTransfer.files[0]);
  });
}

// The dial: everything moves to where it stands in another setting
function turn(setting) {
  const from = document.getElementById("panel");
  const to = document.querySelector(`template[data-setting="${setting}"]`);
  document.getElementById("made").textContent = "";
  if (to) become(from, to.content.firstElementChild.cloneNode(true));
  else from.innerHTML = '<p class="busy" role="status">This setting is not tried yet.</p>';
}

function become(old, next) {
  if (old.nodeName !== next.nodeName) return old.replaceWith(next);
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
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
  navigator.clipboard.writeText(copy.parentElement.querySelector("pre").textContent);
  copy.textContent = "Copied";
  setTimeout(() => { copy.textContent = "Copy"; }, 1500);
});
document.addEventListener("htmx:afterSwap", event => {
  event.target.querySelector("[data-auto]")?.click();
});

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
document.addEventListener("htmx:responseError", event => tell(event.detail.xhr.responseText));
document.addEventListener("htmx:sendError", () => tell("The studio does not answer. Is it still running?"));
const alive = () => fetch("alive").then(answer => {
  if (answer.status === 410) answer.text().then(tell);
}, () => {});
addEventListener("pageshow", alive); // a page that was loaded again was left before
setInterval(alive, 60000);
addEventListener("pagehide", () => navigator.sendBeacon("leave"));
