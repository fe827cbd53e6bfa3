/* Searching: ids and beginnings of questions at once, all texts chunk by chunk. */

function searchHeads(index, query) {
  const wanted = query.toLowerCase();
  index.lower ??= index.ids.map((id, row) => `${id}\n${index.heads[row]}`.toLowerCase());
  return Uint8Array.from(index.lower, (text) => text.includes(wanted));
}

/* Mark in `found` the examples whose texts hold the query; `tell` hears of each chunk and may stop it. */
async function searchTexts(group, index, query, found, tell) {
  const wanted = query.toLowerCase();
  const chunks = Math.ceil(index.count / about.chunk);
  for (let number = 0; number < chunks; number++) {
    const chunk = await load(`chunk-${group}-${number}`);
    for (let place = 0; place < chunk.length; place++) {
      const row = number * about.chunk + place;
      if (!found[row] && holds(chunk[place], wanted)) found[row] = 1;
    }
    if (!tell(number + 1, chunks)) return;
    // So that the page stays alive.
    await new Promise((resolve) => setTimeout(resolve));
  }
}

function holds(example, wanted) {
  const has = (text) => typeof text === "string" && text.toLowerCase().includes(wanted);
  return has(example.question)
    || example.gold.some((gold) => has(gold.text) || (gold.aliases ?? []).some(has))
    || example.runs.some((run) => run.answers.some((answer) => answer && has(answer.text))
      || run.generations.some((generation) => generation && (has(generation.reasoning)
        || generation.lines.some((pieces) => has(pieces.map(([text]) => text).join(""))))));
}
