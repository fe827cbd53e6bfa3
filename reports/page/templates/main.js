/* What is looked at, kept in the address so that it can be shared; and the keyboard. */

const $ = (id) => document.getElementById(id);
const START = {
  group: 0, example: null, run: -1, wrong: false, missed: false, repeats: false, malformed: false, sure: false,
  level: 0.8, failed: false, a: -1, b: -1, query: "", texts: false, sort: "data", overlap: false,
};
const state = { ...START };
let index = null;
let list = null;
let found = null;
let row = -1;
let searches = 0;

function readAddress() {
  if (!location.hash.includes("=")) return false;
  const given = new URLSearchParams(location.hash.slice(1));
  const groups = about.groups.length;
  Object.assign(state, START);
  const group = Number(given.get("group") ?? 0);
  state.group = Number.isInteger(group) && group >= 0 && group < groups ? group : 0;
  const runs = about.groups[state.group].runs;
  const run = (name) => runs.findIndex((own) => own.name === given.get(name));
  state.run = run("run");
  state.a = run("covered");
  state.b = run("uncovered");
  for (const filter of FILTERS) state[filter.name] = given.has(filter.name);
  const level = Number(given.get("sure"));
  if (given.has("sure") && level >= 0 && level <= 1) state.level = level;
  if (given.get("sort") in ORDERS) state.sort = given.get("sort");
  state.query = given.get("query") ?? "";
  state.texts = given.has("texts");
  state.example = given.get("example");
  return true;
}

function address() {
  const runs = about.groups[state.group].runs;
  const given = new URLSearchParams();
  if (state.group > 0) given.set("group", state.group);
  if (state.run >= 0) given.set("run", runs[state.run].name);
  for (const { name } of FILTERS) if (state[name]) given.set(name, name === "sure" ? state.level : 1);
  if (state.a >= 0 && state.b >= 0) {
    given.set("covered", runs[state.a].name);
    given.set("uncovered", runs[state.b].name);
  }
  if (state.query) given.set("query", state.query);
  if (state.texts) given.set("texts", 1);
  if (state.sort !== "data") given.set("sort", state.sort);
  if (row >= 0) given.set("example", index.ids[row]);
  return `#${given}`;
}

function writeAddress() {
  const own = address();
  if (own !== location.hash && own !== "#") history.replaceState(null, "", own);
}

/* The controls say what the state says. */
function writeControls() {
  const runs = about.groups[state.group].runs;
  const options = (first) => [make("option", { value: "-1" }, first), ...runs.map((run, number) => make("option", { value: number }, run.name))];
  $("run").replaceChildren(...(runs.length === 1 ? [make("option", { value: "-1" }, runs[0].name)] : options("any run")));
  $("covered").replaceChildren(...options("choose a run"));
  $("uncovered").replaceChildren(...options("choose a run"));
  $("run").value = state.run;
  $("covered").value = state.a;
  $("uncovered").value = state.b;
  $("run").disabled = runs.length === 1;
  $("pair").hidden = runs.length === 1 || !runs.some((run) => run.graded);
  if ($("group")) $("group").value = state.group;
  const shown = runs.slice(0, PILLS).map((run) => run.name).join(", ");
  $("legend").textContent = !runs.some((run) => run.graded) ? ""
    : `The numbers beside an example are the gold answers that a run names, of how many there are${runs.length > 1 ? `; in this order: ${shown}` : ""}.`;
  $("query").value = state.query;
  $("sort").replaceChildren(...Object.entries(ORDERS).map(([name, order]) => make("option", { value: name }, order.label)));
  $("sort").value = state.sort;
  const chips = FILTERS.filter((filter) => (!filter.graded || runs.some((run) => run.graded))
    && (!filter.confident || runs.some((run) => run.confident)));
  $("chips").replaceChildren(...chips.map((filter) => make("label", { class: "chip", title: filter.about },
    make("input", { type: "checkbox", id: `filter-${filter.name}`, checked: state[filter.name], onchange: (event) => {
      state[filter.name] = event.target.checked;
      refresh();
    } }),
    filter.label,
    filter.name === "sure" && make("input", {
      type: "number", id: "level", min: "0", max: "1", step: "0.05", value: state.level, "aria-label": "least confidence",
      onchange: (event) => {
        state.level = Math.min(Math.max(Number(event.target.value), 0), 1);
        refresh();
      } }),
    make("small", { id: `count-${filter.name}` }))));
}

/* List what passes the filters. */
function refresh() {
  const rows = filtered(index, state, found);
  list.show(state.group, index, rows, row);
  $("count").textContent = `${rows.length.toLocaleString("en")} of ${counted(index.count, "example")}`;
  for (const [name, count] of Object.entries(counts(index, state))) {
    const place = $(`count-${name}`);
    if (place) place.textContent = count.toLocaleString("en");
  }
  writeAddress();
  const note = $("example").querySelector(".bar + .notice");
  if (note) note.hidden = list.at >= 0;
}

async function search() {
  const mine = ++searches;
  const query = state.query;
  $("search-state").textContent = "";
  if (!query) {
    found = null;
    refresh();
    return;
  }
  found = searchHeads(index, query);
  refresh();
  if (about.folder && !state.texts) {
    $("search-state").textContent = "in ids and beginnings of questions; “Search the texts” looks through everything";
    return;
  }
  let shown = performance.now();
  const tell = (done, all) => {
    if (mine !== searches) return false;
    const now = performance.now();
    if (done === all || now - shown > 500) {
      shown = now;
      $("search-state").textContent = done === all ? "in all texts" : `searched ${Math.floor((100 * done) / all)} % of the texts`;
      refresh();
    }
    return true;
  };
  try {
    await searchTexts(state.group, index, query, found, tell);
  } catch (error) {
    $("search-state").textContent = error.message;
  }
}

function choose(chosen) {
  row = chosen;
  state.example = index.ids[row];
  writeAddress();
  return showExample();
}

/* Where the example stands below the list, a press on a row goes there. */
function chosenByPress() {
  if (innerWidth <= 800) $("example").scrollIntoView();
}

async function showExample() {
  const mine = row;
  const group = state.group;
  const box = $("example");
  if (row < 0) {
    box.replaceChildren(make("p", { class: "quiet" }, "Choose an example from the list."));
    return;
  }
  let parts;
  try {
    parts = renderExample(group, index, row, await loadExample(group, row), state);
  } catch (error) {
    parts = [make("p", { class: "notice" }, error.message)];
  }
  if (mine !== row || group !== state.group) return;
  const listed = list.at >= 0 && list.rows[list.at] === row;
  const link = make("a", { href: linkTo(row), onclick: copyLink }, "Link to this example");
  box.replaceChildren(make("div", { class: "bar" },
    make("h2", { id: "example-title" }, index.ids[row]), link,
    make("button", { type: "button", onclick: () => list.step(-1), "aria-label": "Previous example" }, "↑ previous"),
    make("button", { type: "button", onclick: () => list.step(1), "aria-label": "Next example" }, "↓ next"),
    make("button", { type: "button", class: "back", onclick: () => $("list").scrollIntoView({ block: "center" }) }, "list")),
  make("p", { class: "notice", hidden: listed }, "The filters leave this example out of the list."), ...parts);
  box.dataset.example = index.ids[row];
}

function linkTo(place) {
  const given = new URLSearchParams();
  if (state.group > 0) given.set("group", state.group);
  if (state.run >= 0) given.set("run", about.groups[state.group].runs[state.run].name);
  given.set("example", index.ids[place]);
  return `#${given}`;
}

function copyLink(event) {
  const link = event.currentTarget;
  event.preventDefault();
  history.replaceState(null, "", link.getAttribute("href"));
  const copied = navigator.clipboard?.writeText(location.href) ?? Promise.reject(new Error());
  copied.then(() => { link.textContent = "Link copied"; }, () => { link.textContent = "The address bar has the link"; });
}

/* Go to where the address says. */
async function go(scroll) {
  try {
    index = await loadIndex(state.group);
  } catch (error) {
    $("example").replaceChildren(make("p", { class: "notice" }, error.message));
    return;
  }
  found = null;
  row = state.example === null ? -1 : index.ids.indexOf(state.example);
  writeControls();
  const missing = state.example !== null && row < 0;
  await search();
  if (missing) $("search-state").textContent = `There is no example “${state.example}” here.`;
  if (row < 0 && list.rows.length && !missing) row = list.rows[0];
  list.at = list.rows.indexOf(row);
  list.draw();
  await showExample();
  if (scroll) $(state.example === null || innerWidth > 800 ? "examples" : "example").scrollIntoView({ behavior: "instant" });
}

function wire() {
  list = new List($("list"), $("rows"), choose);
  $("browser").hidden = false;
  let typing = 0;
  $("filters").addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    state.texts = true;
    state.query = $("query").value;
    search();
  });
  $("query").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      state.query = $("query").value;
      state.texts = false;
      search();
    }, 120);
  });
  $("deep").hidden = !about.folder;
  const choice = (id, name) => $(id).addEventListener("change", (event) => {
    state[name] = id === "sort" ? event.target.value : Number(event.target.value);
    refresh();
    if (id === "run") showExample();
  });
  choice("sort", "sort");
  choice("run", "run");
  choice("covered", "a");
  choice("uncovered", "b");
  $("group")?.addEventListener("change", (event) => {
    Object.assign(state, START, { group: Number(event.target.value) });
    go(false);
  });
  $("clear").addEventListener("click", () => {
    Object.assign(state, START, { group: state.group, overlap: state.overlap });
    writeControls();
    search().then(showExample);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typed = event.target.closest("input, select, textarea");
    if (event.key === "Escape" && (typed || $("example").contains(event.target))) $("list").focus();
    else if (typed) return;
    else if (event.key === "j") list.step(1);
    else if (event.key === "k") list.step(-1);
    else if (event.key === "/") {
      event.preventDefault();
      $("query").focus();
    }
  });
  addEventListener("hashchange", () => {
    if (readAddress()) go(true);
  });
}

/* A page that is served asks for newer results, and takes them when nobody is in the middle of something. */
function follow() {
  setInterval(async () => {
    try {
      const answer = await fetch("version", { cache: "no-store" });
      if (!answer.ok) return;
      const { version, note } = await answer.json();
      if (note) $("live").textContent = note;
      if (version !== about.version && !document.activeElement?.matches("input, select")) location.reload();
    } catch {
      $("live").textContent = "The server of this page has ended; what is shown stays as it is.";
    }
  }, 2000);
}

const named = readAddress();
wire();
// The page is painted before its list is read.
requestAnimationFrame(() => setTimeout(() => go(named)));
if (about.version !== null) follow();
