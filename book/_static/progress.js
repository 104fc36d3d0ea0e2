// What a reader has read, answered and mastered, kept in this browser and nowhere else.
// One key, which names its version, holds { version, read, checks, points }: days by page, by page
// and question, by item.
(() => {
  "use strict";
  const KEY = "generative-models-course.progress.v1";
  const VERSION = 1;
  const empty = () => ({ version: VERSION, read: {}, checks: {}, points: {} });
  const today = () => new Date().toISOString().slice(0, 10);
  const find = (selector) => Array.from(document.querySelectorAll(selector));

  // --- The record. Where nothing may be stored, it lasts as long as the page. ---

  const storage = (() => {
    try {
      localStorage.setItem(KEY + ".try", "1");
      localStorage.removeItem(KEY + ".try");
      return localStorage;
    } catch {
      return null;
    }
  })();
  let unstored = empty();

  function load() {
    if (!storage) return unstored;
    try {
      return understand(storage.getItem(KEY) || JSON.stringify(empty()));
    } catch {
      return empty();
    }
  }

  function change(edit) {
    const state = load();
    edit(state);
    try {
      if (storage) storage.setItem(KEY, JSON.stringify(state));
      else unstored = state;
    } catch {
      tell("The browser's storage is full, so this could not be kept.");
    }
    show();
  }

  // Read a record or throw an error with one line that says what is wrong with it.
  function understand(text) {
    let state;
    try {
      state = JSON.parse(text);
    } catch {
      throw new Error("it is not JSON");
    }
    const isMap = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
    const isDay = (value) => typeof value === "string" && /^\d{4}-\d\d-\d\d$/.test(value);
    const areDays = (value) => isMap(value) && Object.values(value).every(isDay);
    if (!isMap(state) || !("version" in state)) throw new Error("it is not a record of progress");
    if (state.version !== VERSION) throw new Error("it has another version than " + VERSION);
    const whole = areDays(state.read) && areDays(state.points) &&
      isMap(state.checks) && Object.values(state.checks).every(areDays);
    if (!whole) throw new Error("parts of it are missing or not dates");
    // Without a prototype, so that a name such as "__proto__" is a name like any other.
    const plain = (map) => Object.assign(Object.create(null), map);
    const checks = plain(state.checks);
    Object.keys(checks).forEach((page) => { checks[page] = plain(checks[page]); });
    return { version: VERSION, read: plain(state.read), checks, points: plain(state.points) };
  }

  // Everything that is in either; where both have a day, the earlier one.
  function join(mine, theirs) {
    Object.entries(theirs).forEach(([name, day]) => {
      if (!mine[name] || day < mine[name]) mine[name] = day;
    });
    return mine;
  }

  // --- Pages ---

  const root = new URL(document.documentElement.dataset.content_root || "./", location.href);

  function pageOf(address) {
    const url = new URL(address, location.href);
    if (url.origin !== root.origin || !url.pathname.startsWith(root.pathname)) return "";
    return decodeURIComponent(url.pathname.slice(root.pathname.length)).replace(/\.html$/, "");
  }
  const here = pageOf(location.href);

  // --- What is shown ---

  const shown = (day) => new Date(day + "T12:00").toLocaleDateString(
    "en-GB", { day: "numeric", month: "long", year: "numeric" });

  // A sign beside the links to chapters that were read, with words for who cannot see it.
  function markLinks(state) {
    find(".bd-links a, .progress-legs a").forEach((link) => {
      const old = link.querySelector(".read-mark");
      const read = pageOf(link.href) in state.read;
      if (old && !read) old.remove();
      if (old || !read) return;
      const mark = document.createElement("span");
      mark.className = "read-mark";
      mark.innerHTML = " <span aria-hidden=\"true\">\u2713</span><span class=\"visually-hidden\">(read)</span>";
      link.append(mark);
    });
  }

  function markPage(state) {
    find(".reading").forEach((place) => {
      const day = state.read[place.dataset.page];
      place.querySelector("button").setAttribute("aria-pressed", String(Boolean(day)));
      place.querySelector("[role=status]").textContent =
        day ? "Read on " + shown(day) + "." : storage ? "" : "This browser keeps it only until you leave the page.";
    });
    const passed = state.checks[here] || {};
    find(".check").forEach((check) => {
      const legend = check.querySelector("legend");
      const old = legend.querySelector(".passed-mark");
      const now = check.dataset.check in passed;
      if (old && !now) old.remove();
      if (old || !now) return;
      const mark = document.createElement("span");
      mark.className = "passed-mark";
      mark.textContent = ", passed";
      legend.append(mark);
    });
  }

  // Only chapters, questions and items that this site has are counted.
  function count(state) {
    const totals = { chapters: 0, read: 0, checks: 0, passed: 0, points: 0, ticked: 0 };
    find(".progress-read").forEach((cell) => {
      const day = state.read[cell.dataset.page];
      cell.textContent = day ? "read on " + shown(day) : "not yet";
      totals.chapters += 1;
      totals.read += day ? 1 : 0;
    });
    find(".progress-passed").forEach((cell) => {
      const names = cell.dataset.checks.split(" ").filter(Boolean);
      const passed = names.filter((name) => name in (state.checks[cell.dataset.page] || {})).length;
      cell.textContent = passed + " of " + names.length;
      totals.checks += names.length;
      totals.passed += passed;
    });
    find(".progress-point input").forEach((box) => {
      box.checked = box.value in state.points;
      totals.points += 1;
      totals.ticked += box.checked ? 1 : 0;
    });
    return totals;
  }

  function summarise(totals) {
    const kept = storage ? "" : "This browser lets the page store nothing, so what you do here is forgotten when you leave it. ";
    find(".progress-summary").forEach((place) => {
      place.textContent = kept + (totals.read + totals.passed + totals.ticked === 0
        ? "Nothing is noted yet. Mark a chapter as read at its end, or answer one of its questions, and it is counted here."
        : "You have read " + totals.read + " of " + totals.chapters + " chapters, answered " + totals.passed +
          " of " + totals.checks + " questions, and ticked " + totals.ticked + " of " + totals.points +
          " items of the checkpoints.");
    });
  }

  function show() {
    const state = load();
    markLinks(state);
    markPage(state);
    if (document.querySelector(".progress-summary")) summarise(count(state));
  }

  function tell(sentence) {
    find(".progress-message").forEach((place) => { place.textContent = sentence; });
  }

  // --- What a reader does ---

  function toggle(map, name, on) {
    if (on) map[name] = map[name] || today();
    else delete map[name];
  }

  function prepareReading(place) {
    place.hidden = false;
    const button = place.querySelector("button");
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      change((state) => toggle(state.read, place.dataset.page, on));
    });
  }

  function preparePoint(place) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    const text = document.createElement("span");
    box.type = "checkbox";
    box.autocomplete = "off";
    box.value = place.dataset.point;
    text.append(...place.childNodes);
    label.append(box, text);
    place.append(label);
    box.addEventListener("change", () => change((state) => toggle(state.points, box.value, box.checked)));
  }

  function exportFile() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(load(), null, 2) + "\n"], { type: "application/json" }));
    link.download = "progress-" + today() + ".json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    tell("Exported as " + link.download + ".");
  }

  async function importFile(event) {
    const [file] = event.target.files;
    if (!file) return;
    try {
      if (file.size > 1e6) throw new Error("it is larger than a megabyte");
      const theirs = understand(await file.text());
      tell("Imported " + file.name + ": what it holds was added.");
      change((mine) => {
        join(mine.read, theirs.read);
        join(mine.points, theirs.points);
        Object.entries(theirs.checks).forEach(([page, days]) => {
          mine.checks[page] = join(mine.checks[page] || Object.create(null), days);
        });
      });
    } catch (error) {
      tell("Nothing was imported: " + file.name + " cannot be used, " + error.message + ".");
    }
    event.target.value = "";
  }

  function reset() {
    if (!confirm("Forget everything this page keeps about your progress in this browser?")) return;
    tell("Everything is forgotten.");
    change((state) => Object.assign(state, empty()));
  }

  document.addEventListener("check-passed", (event) => change((state) => {
    state.checks[here] = state.checks[here] || Object.create(null);
    toggle(state.checks[here], event.detail.check, true);
  }));

  document.addEventListener("DOMContentLoaded", () => {
    find(".reading").forEach(prepareReading);
    find(".progress-point").forEach(preparePoint);
    find(".progress-controls").forEach((place) => {
      place.hidden = false;
      place.querySelector(".progress-export").addEventListener("click", exportFile);
      place.querySelector(".progress-import").addEventListener("change", importFile);
      place.querySelector(".progress-reset").addEventListener("click", reset);
    });
    // Another tab's changes show here too.
    window.addEventListener("storage", (event) => event.key === KEY && show());
    show();
  });
})();
