// The keyboard, and pages that change in place. All of it works without this file, link by link; text from the data is
// never made into markup here: pages come from the server, where everything is escaped.
"use strict";

const find = (selector) => document.querySelector(selector);
const told = (text) => { find("#told").textContent = text; };
let newest = 0;

async function show(address, { send, keep } = {}) {
  const mine = ++newest;
  document.body.classList.add("busy");
  try {
    const answer = await fetch(address, send ? { method: "POST", body: send } : {});
    const text = await answer.text();
    if (mine !== newest) return;
    const page = new DOMParser().parseFromString(text, "text/html");
    if (!answer.ok || !page.querySelector("#about")) throw new Error(page.body.textContent || `status ${answer.status}`);
    const list = find("#list");
    const scrolled = list ? list.scrollTop : 0;
    for (const place of ["main", "#about"]) find(place).replaceWith(document.adoptNode(page.querySelector(place)));
    document.title = page.title;
    if (!keep) history.pushState(null, "", address);
    find("#list").scrollTop = scrolled;
    const here = find("#list [aria-current]");
    if (here) here.scrollIntoView({ block: "nearest" });
    told("");
  } catch (error) {
    told(`That did not work: ${error.message}. Is phase0 view still running?`);
  } finally {
    if (mine === newest) document.body.classList.remove("busy");
  }
}

function query(form) {
  const given = [...new FormData(form)].filter(([name, value]) => value !== "" && !(name === "order" && value === "file"));
  return `./?${new URLSearchParams(given)}`;
}

async function mark(label, { onward = false } = {}) {
  const form = find(".marking");
  if (!form) return told("Open a row that has an instruction and a response to mark it.");
  const data = new URLSearchParams(new FormData(form));
  data.set("label", label);
  const here = new URLSearchParams(location.search);
  const after = find("a.after");
  await show("label", { send: data, keep: true });
  if (!onward || find("#told").textContent) return;
  if (here.get("label")) { // a row that leaves the list lets the next one take its place
    const place = new URLSearchParams(data.get("back").split("#")[0].slice(1)).get("at");
    here.delete("row");
    if (place !== null) here.set("at", place);
    await show(`./?${here}`);
  } else if (after) {
    await show(after.href);
  }
}

async function whole(link) {
  const answer = await fetch(link.href);
  find(`#text-${link.dataset.text}`).textContent = await answer.text();
  link.parentElement.remove();
}

async function follow(link, place) {
  if (!link) return;
  await show(link.href);
  const goal = place && find(place);
  if (goal) goal.scrollIntoView({ block: "start" });
  else if (!place && find("#row")) find("#row").scrollTop = 0;
}

function nextTwin() {
  const twins = [...document.querySelectorAll("a.twin")];
  if (!twins.length) return told("This row has no duplicates.");
  const at = twins.findIndex((twin) => twin.hasAttribute("aria-current"));
  return follow(twins[(at + 1) % twins.length], "#twins");
}

const keys = {
  j: () => follow(find("#row") ? find("a.after") : find("#list li a")),
  k: () => follow(find("a.before")),
  Enter: () => { if (!find("#row")) follow(find("#list li a")); },
  g: () => mark("good", { onward: true }),
  b: () => mark("bad", { onward: true }),
  u: () => mark(""),
  e: () => (find("#story") ? find("#story").scrollIntoView() : follow(find("a.explain"), "#story")),
  d: nextTwin,
  n: () => follow(find("a[rel=next]")),
  p: () => follow(find("a[rel=prev]")),
  "/": () => find("input[type=search]").select(),
  Escape: () => follow(find("a.back")),
  "?": () => find("dialog").showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || find("dialog").open) return;
  if (typing) {
    if (event.key === "Escape") typing.blur();
    return;
  }
  if (event.key === "Enter" && event.target.closest("a, button")) return;
  const act = keys[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("#keys-button")) return find("dialog").showModal();
  const link = event.target.closest("a[href]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || link.origin !== location.origin) return;
  event.preventDefault();
  if (link.classList.contains("all")) return whole(link);
  if (link.classList.contains("explain")) return follow(link, "#story");
  if (link.classList.contains("twin")) return follow(link, "#twins");
  return follow(link);
});

document.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.target.matches(".marking")) return mark(event.submitter.value);
  return show(query(event.target));
});

document.addEventListener("change", (event) => {
  const form = event.target.closest(".filters form");
  if (form) show(query(form));
});

window.addEventListener("popstate", () => show(location.href, { keep: true }));
