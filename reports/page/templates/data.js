/* What the page knows, and how the rest of it is loaded. */

const about = JSON.parse(document.getElementById("data-about").textContent);
const KEPT = 12;
const loading = new Map();
const loaded = new Map();
const arriving = new Map();
const trusted = about.folder && window.trustedTypes
  ? window.trustedTypes.createPolicy("chunks", { createScriptURL: (url) => url }) : null;

/* Called by the scripts of the folder. */
function receive(name, value) {
  arriving.set(name, value);
}

/* Give a promise of the data of that name: out of the page, or of a script beside it. */
function load(name) {
  const known = loaded.get(name);
  if (known !== undefined) {
    loaded.delete(name);
    loaded.set(name, known);
    return Promise.resolve(known);
  }
  if (!loading.has(name)) {
    const promise = (about.folder ? fromScript(name) : fromPage(name)).finally(() => loading.delete(name));
    loading.set(name, promise);
  }
  return loading.get(name);
}

async function fromPage(name) {
  return keep(name, JSON.parse(document.getElementById(`data-${name}`).textContent));
}

function fromScript(name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const url = `${encodeURIComponent(about.folder)}/${name}.js`;
    script.src = trusted ? trusted.createScriptURL(url) : url;
    script.onload = () => {
      script.remove();
      const value = arriving.get(name);
      arriving.delete(name);
      if (value === undefined) reject(new Error(name));
      else resolve(keep(name, value));
    };
    script.onerror = () => {
      script.remove();
      reject(new Error(`The folder ${about.folder} must stay beside this page: ${name}.js is not there.`));
    };
    document.head.append(script);
  });
}

function keep(name, value) {
  loaded.set(name, value);
  for (const old of loaded.keys()) {
    if (loaded.size <= KEPT) break;
    loaded.delete(old);
  }
  return value;
}

/* The list of a group's examples: ids, beginnings of questions, and arrays of numbers. */
const indexes = new Map();
function loadIndex(group) {
  if (!indexes.has(group)) indexes.set(group, load(`index-${group}`).then(unpacked));
  return indexes.get(group);
}

function unpacked(raw) {
  return {
    ids: raw.ids,
    heads: raw.heads,
    count: raw.ids.length,
    width: raw.width,
    golds: array(raw.golds, Uint16Array),
    runs: raw.runs.map((run) => ({
      bits: array(run.bits, Uint8Array),
      right: array(run.right, Uint16Array),
      sure: array(run.sure, Float32Array),
      tokens: array(run.tokens, Uint32Array),
      covered: array(run.covered, Uint32Array),
    })),
  };
}

function array(base64, Type) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Type(bytes.buffer);
}

async function loadExample(group, row) {
  const chunk = await load(`chunk-${group}-${Math.floor(row / about.chunk)}`);
  return chunk[row % about.chunk];
}

/* Make an element. Text only ever becomes text: nothing here reads HTML. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === undefined || value === null) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/* Four digits, as in the tables. */
function number(value) {
  return value === null || value === undefined ? "–" : String(Number(value.toPrecision(4)));
}

function counted(value, one, many = `${one}s`) {
  return `${value.toLocaleString("en")} ${value === 1 ? one : many}`;
}
