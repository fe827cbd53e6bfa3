/* Which examples are listed: by what is known of each, and in what order. */

const BITS = { wrong: 1, repeats: 2, malformed: 4, failed: 8, missed: 16 };
const FILTERS = [
  { name: "wrong", label: "wrong", about: "No answer of the run is right.", graded: true },
  { name: "missed", label: "incomplete", about: "A gold answer is not covered.", graded: true },
  { name: "repeats", label: "repeating", about: "An answer repeats another one of its set." },
  { name: "malformed", label: "malformed", about: "A generation deviates from the format that was asked for." },
  { name: "sure", label: "over-confident from", about: "A wrong answer was stated with at least this confidence.", graded: true, confident: true },
  { name: "failed", label: "failed", about: "A request failed or is missing." },
];
const ORDERS = {
  data: { label: "as in the data" },
  right: { label: "fewest right first", key: (run, row) => run.right[row] },
  sure: {
    label: "most confident when wrong",
    key: (run, row) => (Number.isNaN(run.sure[row]) ? 2 ** 31 : Math.round((1 - run.sure[row]) * 2 ** 30)),
  },
  tokens: { label: "most tokens first", key: (run, row) => 2 ** 32 - 1 - run.tokens[row] },
};
const ROWS = 2 ** 21;

function passes(run, row, state) {
  const bits = run.bits[row];
  for (const name in BITS) if (state[name] && !(bits & BITS[name])) return false;
  // Confidences have 32 bits here: 0.9 is a little less than 0.9 in 64.
  return !state.sure || run.sure[row] >= Math.fround(state.level);
}

/* The examples that one run covers a gold answer of which the other does not name. */
function oneNotOther(index, a, b, row) {
  if ((a.bits[row] | b.bits[row]) & BITS.failed) return false;
  for (let word = row * index.width; word < (row + 1) * index.width; word++) {
    if (a.covered[word] & ~b.covered[word]) return true;
  }
  return false;
}

/* Give the rows to list, in order; `found` says which the search has found, if there is one. */
function filtered(index, state, found) {
  const runs = state.run < 0 ? index.runs : [index.runs[state.run]];
  const any = FILTERS.some((filter) => state[filter.name]);
  const a = index.runs[state.a], b = index.runs[state.b];
  const rows = [];
  for (let row = 0; row < index.count; row++) {
    if (found && !found[row]) continue;
    if (any && !runs.some((run) => passes(run, row, state))) continue;
    if (a && b && !oneNotOther(index, a, b, row)) continue;
    rows.push(row);
  }
  const key = ORDERS[state.sort].key;
  if (!key) return rows;
  // Key and row in one number: keys have at most 32 bits, and numbers alone are sorted fastest.
  const packed = Float64Array.from(rows, (row) => {
    let least = Infinity;
    for (const run of runs) least = Math.min(least, key(run, row));
    return least * ROWS + row;
  });
  return Array.from(packed.sort(), (value) => value % ROWS);
}

/* Count the examples that each filter alone lets through. */
function counts(index, state) {
  const asked = `${state.run} ${state.level}`;
  if (index.counted !== asked) {
    index.counted = asked;
    index.counts = countedAnew(index, state);
  }
  return index.counts;
}

function countedAnew(index, state) {
  const runs = state.run < 0 ? index.runs : [index.runs[state.run]];
  const found = {};
  for (const filter of FILTERS) {
    const alone = { level: state.level, [filter.name]: true };
    let count = 0;
    for (let row = 0; row < index.count; row++) {
      if (runs.some((run) => passes(run, row, alone))) count++;
    }
    found[filter.name] = count;
  }
  return found;
}
