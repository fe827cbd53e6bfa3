/* One example: its question, its gold answers, and what each run wrote, with the answers marked. */

const LONGEST = 20000;
const HEAD = 4000;
const TAIL = 1500;
const COMPARED = 400000;
const REASONING = -1;

function renderExample(group, index, row, example, state) {
  const runs = about.groups[group].runs;
  const parts = [
    make("h3", {}, "Question"),
    make("p", { class: runs[0].form === "program" ? "text question code" : "text question", dir: "auto" }, ...long(example.question)),
    ...goldList(example, runs),
    make("h3", {}, runs.length === 1 ? "What the run wrote" : "What each run wrote"),
  ];
  if (runs.some((run) => run.sets * run.members > 1)) {
    parts.push(make("p", { class: "option" }, make("label", {},
      make("input", { type: "checkbox", id: "overlap", checked: state.overlap, onchange: (event) => {
        state.overlap = event.target.checked;
        showExample();
      } }), " Mark wording of the reasoning that another generation of the same run shares (three words or more in a row)")));
  }
  parts.push(make("div", { class: "runs" }, ...runs.map((run, number) =>
    renderRun(run, example, example.runs[number], number === state.run, state.overlap))));
  return parts;
}

function goldList(example, runs) {
  if (!example.gold.length) return [make("h3", {}, "Gold answers"), make("p", { class: "quiet" },
    runs.some((run) => run.graded) ? "None: no answer to this question is right." : "None: nothing here is right or wrong.")];
  return [
    make("h3", {}, "Gold answers"),
    make("ol", { class: "gold", start: "0" }, ...example.gold.map((gold, place) => {
      const by = runs.filter((_, number) => example.runs[number].answers.some((answer) => answer && answer.gold === place));
      const told = [];
      if (gold.weight !== undefined) told.push(`weight ${number(gold.weight)}`);
      if (gold.aliases) told.push(`also: ${gold.aliases.join(" · ")}`);
      told.push(by.length ? `given by ${by.map((run) => run.name).join(", ")}` : "given by no run");
      return make("li", {}, make("span", { class: "quiet" }, `${place}  `), gold.text, " ", make("span", { class: "by" }, `(${told.join("; ")})`));
    })),
    example.truth !== undefined && make("p", { class: "quiet" }, `What turned out to be the case: ${example.truth}`),
  ].filter(Boolean);
}

function renderRun(run, example, own, chosen, overlap) {
  const each = run.k / run.members;
  const parts = [make("h3", {}, run.name, run.trouble && " ", run.trouble && make("span", { class: "trouble" }, run.trouble))];
  const shared = overlap ? sharedWords(own.generations) : null;
  own.generations.forEach((generation, sample) => {
    parts.push(make("h4", {}, heading(run, generation, sample)));
    if (!generation) {
      const failure = (own.failures ?? []).find(([failed]) => failed === sample);
      parts.push(make("p", {}, make("span", { class: "trouble" }, failure ? `failed: ${failure[1]}` : "missing: it was never finished")));
      return;
    }
    parts.push(...renderGeneration(run, generation, own.answers, sample * each, shared && shared[sample]));
  });
  parts.push(answerTable(run, own));
  if (run.messages.length) parts.push(promptOf(run, example));
  return make("section", { class: chosen ? "run chosen" : "run", "aria-label": run.name }, ...parts);
}

function heading(run, generation, sample) {
  const parts = [run.sets * run.members > 1 ? `Generation ${sample}` : "Completion"];
  if (run.members > 1 && run.sets > 1) parts[0] += ` (set ${Math.floor(sample / run.members)})`;
  if (generation) {
    const [prompt, generated] = generation.tokens;
    if (generated !== null) parts.push(counted(generated, "token"));
    if (prompt !== null) parts.push(`after ${prompt.toLocaleString("en")} of prompt`);
    if (generation.end === "length") parts.push("cut off at the limit");
    if (generation.overlap !== undefined) parts.push(`3-gram overlap with the next ${number(generation.overlap)}`);
  }
  return parts.join(", ");
}

function renderGeneration(run, generation, answers, first, shared) {
  const parts = [];
  if (generation.reasoning !== undefined) {
    parts.push(make("p", { class: "quiet" }, "Reasoning, returned apart:"),
      make("div", { class: "text reasoning", dir: "auto", tabindex: "0" }, ...(shared ? highlighted(generation.reasoning, shared) : long(generation.reasoning))));
  }
  generation.lines.forEach((pieces, stage) => {
    if (stage > 0) parts.push(make("p", { class: "quiet" }, "Follow-up, asked for what was missing:"));
    parts.push(make("div", { class: "text completion", dir: "auto", tabindex: "0" }, ...pieces.flatMap(([text, what]) => {
      if (what === null) return long(text);
      if (what === REASONING) {
        const content = shared && generation.reasoning === undefined ? highlighted(text, shared) : long(text);
        return [make("span", { class: "reasoning" }, ...content)];
      }
      const place = first + what;
      const answer = answers[place];
      return [make("mark", { class: style(run, answer), "data-number": place % run.k + 1, title: told(run, answers, place) }, ...long(text))];
    })));
  });
  if (!generation.lines.some((pieces) => pieces.length)) parts.push(make("p", { class: "quiet" }, "The completion is empty."));
  if (generation.deviations) {
    parts.push(make("ul", { class: "deviations" }, ...generation.deviations.map((name) =>
      make("li", {}, `not as asked: ${about.deviations[name] ?? name}`))));
    if (run.strict) parts.push(make("p", { class: "quiet" }, "Scored strictly: a generation that is not as asked holds no answers."));
  }
  return parts;
}

function style(run, answer) {
  if (!answer || !run.graded) return "";
  return answer.gold >= 0 ? "right" : "wrong";
}

function told(run, answers, place) {
  const answer = answers[place];
  const parts = [`answer ${place % run.k + 1}`];
  if (answer && run.graded) parts.push(answer.gold >= 0 ? `right: gold ${answer.gold}` : "wrong");
  if (answer && answer.confidence !== undefined) parts.push(`confidence ${number(answer.confidence)}`);
  if (answer && repeats(run, answers, place)) parts.push("a repetition");
  return parts.join(", ");
}

/* Whether an earlier answer of the set is the same. */
function repeats(run, answers, place) {
  const set = Math.floor(place / run.k) * run.k;
  return answers.slice(set, place).some((other) => other && other.same === answers[place].same);
}

function answerTable(run, own) {
  const rows = [];
  own.answers.forEach((answer, place) => {
    if (run.sets > 1 && place % run.k === 0) {
      rows.push(make("tr", { class: "family" }, make("th", { colspan: "4", scope: "rowgroup" }, `Answer set ${place / run.k}`)));
    }
    const cells = [make("td", { class: "num" }, String(place % run.k + 1))];
    if (!answer) cells.push(make("td", { class: "quiet", colspan: "3" }, "missing"));
    else {
      const text = answer.text === null ? make("span", { class: "quiet" }, "(not readable here)") : make("div", { dir: "auto" }, ...long(answer.text));
      cells.push(make("td", { class: "answer" }, text, answer.about && make("div", { class: "quiet" }, ...long(answer.about))));
      const confidence = make("td", { class: "num" });
      if (answer.confidence !== undefined) {
        const bar = make("i");
        bar.style.width = `${100 * Math.min(Math.max(answer.confidence, 0), 1)}%`;
        confidence.append(make("span", { class: "meter", "aria-hidden": "true" }, bar), make("span", { "data-confidence": answer.confidence }, number(answer.confidence)));
      } else confidence.append("–");
      const grade = !run.graded ? "–" : answer.gold >= 0 ? `right: gold ${answer.gold}` : "wrong";
      cells.push(confidence, make("td", { class: `grade ${style(run, answer)}` }, grade, repeats(run, own.answers, place) && make("div", { class: "quiet" }, "repeats another")));
    }
    rows.push(make("tr", {}, ...cells));
  });
  const head = ["", "answer", "confidence", "grade"].map((name) => make("th", { scope: "col" }, name));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Answers of ${run.name}` },
    make("table", { class: "answers" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
}

function promptOf(run, example) {
  const details = make("details", { class: "all" }, make("summary", {}, "Prompt as it was asked"));
  const [last] = run.messages.slice(-1);
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    for (const message of run.messages) {
      const [role, content] = message;
      const asked = message === last ? content.split("{question}").join(example.question) : content;
      details.append(make("h4", {}, role), make("div", { class: "text", dir: "auto" }, ...long(asked)));
    }
  });
  return details;
}

/* Give a text as nodes; of a very long one the middle waits behind a button. */
function long(text) {
  if (text.length <= LONGEST) return [document.createTextNode(text)];
  const head = whole(text, HEAD), tail = whole(text, text.length - TAIL);
  const rest = text.slice(head, tail);
  const button = make("button", { type: "button", class: "cut", onclick: () => button.replaceWith(document.createTextNode(rest)) },
    `Show the ${rest.length.toLocaleString("en")} characters left out here`);
  return [document.createTextNode(text.slice(0, head)), button, document.createTextNode(text.slice(tail))];
}

/* A place near `at` that does not split a character in two. */
function whole(text, at) {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff ? at + 1 : at;
}

/* Overlap: words as in marl_eval.estimators.overlap, runs of letters and digits in lower case. */
const WORD = /[\p{L}\p{N}]+/gu;

function reasoningOf(generation) {
  if (!generation) return "";
  if (generation.reasoning !== undefined) return generation.reasoning;
  return generation.lines[0].filter(([, what]) => what === REASONING).map(([text]) => text).join("")
    .replace(/<\/?think>/g, (tag) => " ".repeat(tag.length));
}

/* Of each generation, which of its three-word sequences another one has too: a set, or null. */
function sharedWords(generations) {
  const texts = generations.map(reasoningOf);
  if (texts.reduce((sum, text) => sum + text.length, 0) > COMPARED) return null;
  const grams = texts.map((text) => new Set(trigrams(text).map(([gram]) => gram)));
  return grams.map((own, place) => new Set([...own].filter((gram) =>
    grams.some((other, at) => at !== place && other.has(gram)))));
}

/* The three-word sequences of a text, each with where it begins and ends. */
function trigrams(text) {
  const words = [...text.matchAll(WORD)];
  return words.slice(2).map((last, place) => {
    const three = words.slice(place, place + 3);
    return [three.map(([word]) => word.toLowerCase()).join(" "), three[0].index, last.index + last[0].length];
  });
}

function highlighted(text, shared) {
  const plain = text.replace(/<\/?think>/g, (tag) => " ".repeat(tag.length));
  const spans = [];
  for (const [gram, first, end] of trigrams(plain)) {
    if (!shared.has(gram)) continue;
    const before = spans[spans.length - 1];
    if (before && first <= before[1]) before[1] = end;
    else spans.push([first, end]);
  }
  const nodes = [];
  let at = 0;
  for (const [first, end] of spans) {
    nodes.push(document.createTextNode(text.slice(at, first)), make("span", { class: "shared" }, text.slice(first, end)));
    at = end;
  }
  nodes.push(document.createTextNode(text.slice(at)));
  return nodes;
}
