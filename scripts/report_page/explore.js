// Explore the plates, the wells, the profiles and the perturbations. Data come from blocks of JSON in the page, which
// are read when they are needed; they become text, numbers and pictures, never elements.

const EXPERIMENT = readBlock("experiment");
const cache = new Map();

function readBlock(name) {
  const element = document.getElementById(`data-${name}`);
  return element ? JSON.parse(element.textContent) : null;
}

function getBlock(name) {
  if (!cache.has(name)) cache.set(name, readBlock(name));
  return cache.get(name);
}

// An element with attributes, functions for events, and children; strings are text.
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const button = (text, click) => h("button", { type: "button", click }, text);
const shortText = (text, most = 60) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const asText = (value) => (value === null || value === undefined ? "–" : typeof value === "number" ? value.toLocaleString("en-US", { maximumSignificantDigits: 4 }) : String(value));
const pairsTable = (pairs) => h("table", { class: "pairs" }, h("tbody", {}, ...pairs.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value instanceof Node ? value : asText(value))))));

function chooser(label, options, change) {
  const select = h("select", { change: () => change(select.value) });
  const groups = new Map();
  for (const { value, text, group } of options) {
    if (group && !groups.has(group)) { groups.set(group, h("optgroup", { label: group })); select.append(groups.get(group)); }
    (groups.get(group) || select).append(h("option", { value }, shortText(text, 80)));
  }
  return { field: h("label", {}, `${label} `, select), select };
}

// --- wells ----------------------------------------------------------------------------------------

const decode = (text, well) => (text && text.codes[well] >= 0 ? text.values[text.codes[well]] : null);
const treatmentOf = (plate, well) => decode(plate.treatment, well);
const plateLabel = (plate) => (EXPERIMENT.plates.filter((other) => other.plate === plate.plate).length > 1 ? `${plate.plate} (${plate.batch})` : plate.plate);
const flagKind = (text) => text.split(/[:(]/)[0].trim();

function halfAt(bytes, position) {
  const bits = bytes.charCodeAt(2 * position) | (bytes.charCodeAt(2 * position + 1) << 8);
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return null;
  return exponent ? sign * 2 ** (exponent - 25) * (1024 + fraction) : sign * fraction * 2 ** -24;
}

function featureOf(plate, feature, well) {
  const number = EXPERIMENT.features.indexOf(feature);
  if (!plate.features || number < 0) return null;
  plate.bytes = plate.bytes || atob(getBlock(`${plate.id}-large`).features);
  return halfAt(plate.bytes, number * plate.wells.length + well);
}

// What wells can be colored by: the measures, contents and flags that any of the plates has.
function listMeasures(plates) {
  const found = new Map();
  for (const plate of plates) {
    for (const name of Object.keys(plate.measures)) found.set(`number:${name}`, { group: "Measures", text: name });
    if (Object.keys(plate.flags).length) found.set("flag:", { group: "Quality control", text: "Flag" });
    found.set("treatment:", { group: "Content", text: "Perturbation" });
    for (const name of Object.keys(plate.text)) found.set(`text:${name}`, { group: "Content", text: name });
    found.set("plate:", { group: "Content", text: "Plate" });
  }
  return [...found].map(([value, about]) => ({ value, ...about }));
}

// A function that names the perturbation of a well as people know it. Perturbations of these plates that share a name
// have their identifier behind it, and one of several columns (compound and dose) is more than its name.
function nameTreatments(plates) {
  const names = new Map(), sharing = new Map();
  for (const plate of plates) plate.wells.forEach((_, well) => {
    const identifier = treatmentOf(plate, well), known = plate.name[well];
    if (!identifier || names.has(identifier)) return;
    const name = known && !identifier.includes("|") ? known : identifier;
    names.set(identifier, name);
    sharing.set(name, (sharing.get(name) || 0) + 1);
  });
  return (plate, well) => {
    const identifier = treatmentOf(plate, well), name = names.get(identifier) || identifier;
    return name === identifier || sharing.get(name) === 1 ? name : `${name} (${identifier})`;
  };
}

// A measure by its key; `plates` are those that are drawn together.
function readMeasure(key, plates) {
  const [kind, name] = [key.slice(0, key.indexOf(":")), key.slice(key.indexOf(":") + 1)];
  const of = {
    number: (plate, well) => (plate.measures[name] ? plate.measures[name][well] : null),
    feature: (plate, well) => featureOf(plate, name, well),
    text: (plate, well) => decode(plate.text[name], well) ?? (name === "control type" && treatmentOf(plate, well) ? TREATMENT : null),
    treatment: kind === "treatment" ? nameTreatments(plates) : null,
    flag: (plate, well) => (plate.flags[plate.wells[well]] ? flagKind(plate.flags[plate.wells[well]][0]) : null),
    plate: (plate) => plateLabel(plate),
  }[kind];
  const number = kind === "number" || kind === "feature";
  return { key, kind: number ? "number" : "class", signed: kind === "feature" && EXPERIMENT.z_scores, name: name || { flag: "Flag", treatment: "Perturbation", plate: "Plate" }[kind], of };
}

const WORDS = new Map();
function wordsOf(plate, well) {
  const key = `${plate.id}/${well}`;
  if (!WORDS.has(key)) WORDS.set(key, [plate.wells[well], plate.name[well], treatmentOf(plate, well), ...Object.values(plate.text).map((text) => decode(text, well))].filter(Boolean).join(" ").toLowerCase());
  return WORDS.get(key);
}
const isFound = (plate, well, wanted) => wanted.every((word) => wordsOf(plate, well).includes(word));
const splitWords = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

// What hovering over a well shows: the titles, and their values as t0, t1, ...
function describeWell(plate, well, measure) {
  const tooltip = { Well: `${plate.wells[well]}, plate ${plateLabel(plate)}`, Content: shortText(plate.name[well] || treatmentOf(plate, well) || "–") };
  for (const name of ["gene", "control type"]) if (plate.text[name]) tooltip[name[0].toUpperCase() + name.slice(1)] = decode(plate.text[name], well) || "–";
  for (const name of ["Cells", "Distance to controls", "Replicate correlation (median)"]) if (plate.measures[name]) tooltip[name] = asText(plate.measures[name][well]);
  if (measure) tooltip[shortText(measure.name)] = asText(measure.of(plate, well));
  const flags = plate.flags[plate.wells[well]];
  if (flags) tooltip.Flags = shortText(flags.map(flagKind).join(", "), 120);
  return tooltip;
}

function addTooltips(rows, tooltips) {
  const titles = [...new Set(tooltips.flatMap((each) => Object.keys(each)))];
  rows.forEach((row, i) => titles.forEach((title, t) => { row[`t${t}`] = tooltips[i][title] === undefined ? "–" : tooltips[i][title]; }));
  return titles;
}

// --- pictures -------------------------------------------------------------------------------------

// The sheet of a channel, or of the example cells.
function loadPicture(plate, name) {
  const key = `${plate.id} ${name}`;
  if (!cache.has(key)) {
    const image = new Image();
    image.src = pictureOf(plate, name);
    cache.set(key, image.decode().then(() => image));
  }
  return cache.get(key);
}

function pictureOf(plate, name) {
  const { sheets, examples } = getBlock(`${plate.id}-large`);
  return name === "examples" ? examples : sheets[name];
}

function wellPicture(plate, well, name, size) {
  const place = plate.sheets && plate.sheets.pictures.includes(name) && plate.sheets.places[plate.wells[well]];
  if (!place) return null;
  const canvas = h("canvas", { role: "img", "aria-label": `${name}, well ${plate.wells[well]} of plate ${plateLabel(plate)}` });
  canvas.style.width = `${size}px`;
  loadPicture(plate, name).then((image) => {
    const factor = image.naturalWidth / (plate.sheets.columns * plate.sheets.side);
    const [left, top, width, height] = place.map((length) => length * factor);
    canvas.width = Math.max(1, Math.round(width));
    canvas.height = Math.max(1, Math.round(height));
    canvas.getContext("2d").drawImage(image, left, top, width, height, 0, 0, canvas.width, canvas.height);
  });
  return canvas;
}

// --- the panel: a well, or a perturbation's card -----------------------------------------------------

const panel = h("dialog", { class: "panel", "aria-labelledby": "panel-title" });
document.body.append(panel);
panel.addEventListener("click", (event) => { if (event.target === panel) panel.close(); });

function openPanel(kind, title, ...parts) {
  panel.dataset.kind = kind;
  panel.replaceChildren(h("div", { class: "panel-head" }, h("h2", { id: "panel-title", tabindex: "-1" }, title), button("Close", () => panel.close())), ...parts.filter(Boolean));
  if (!panel.open) panel.showModal();
  panel.scrollTop = 0;
  document.getElementById("panel-title").focus();
}

function openWell(identifier, name) {
  const plate = getBlock(identifier);
  const well = plate ? plate.wells.indexOf(name) : -1;
  if (well < 0) return;
  const treatment = treatmentOf(plate, well);
  const content = plate.name[well] || treatment || "";
  const flags = plate.flags[name] || [];
  const pictures = plate.sheets ? Object.keys(plate.sheets.links).map((channel) => {
    const canvas = wellPicture(plate, well, channel, channel === "composite" ? 340 : 165);
    const caption = h("figcaption", {}, h("a", { href: plate.sheets.links[channel] }, channel === "composite" ? "all stains" : channel));
    return canvas && h("figure", {}, canvas, caption);
  }).filter(Boolean) : [];
  const site = plate.sheets && plate.sheets.sites[name];
  const links = plate.sheets && pictures.length < Object.keys(plate.sheets.links).length ? h("p", { class: "quiet" }, "Sheets of all wells beside the page: ", ...Object.entries(plate.sheets.links).flatMap(([channel, link]) => [h("a", { href: link }, channel), " "])) : null;
  const strongest = plate.strongest ? plate.strongest.wells[well].map(([feature, value]) => [plate.strongest.features[feature], value]) : [];
  const page = EXPERIMENT.pages[identifier];
  openPanel(
    "well",
    `Well ${name}, plate ${plateLabel(plate)}${content ? `: ${shortText(content)}` : ""}`,
    treatment ? h("p", {}, button(`Card of ${shortText(treatment, 40)}`, () => openCard(treatment)), plate.outlines[name] ? h("span", {}, " ", h("a", { href: plate.outlines[name] }, "Outlines of nuclei and cells")) : "") : null,
    page ? h("p", {}, h("a", { href: page }, `Page of plate ${plateLabel(plate)}`), ", with the pictures and features of its wells.") : null,
    flags.length ? h("div", { class: "warning" }, h("strong", {}, "Flagged"), h("ul", {}, ...flags.map((flag) => h("li", {}, flag)))) : null,
    pictures.length ? h("div", { class: "tiles" }, pictures[0], h("div", { class: "tiles channels" }, ...pictures.slice(1))) : null,
    pictures.length ? h("p", { class: "quiet" }, `Site ${site}, corrected for illumination; a channel has the same contrast in all wells of the plate.`) : null,
    links,
    h("div", { class: "columns" },
      h("div", {}, h("h3", {}, "Content"), pairsTable([["Perturbation", treatment], ...Object.entries(plate.text).map(([key, text]) => [key, decode(text, well)]).filter(([, value]) => value !== null)])),
      h("div", {}, h("h3", {}, "Measures"), pairsTable(Object.entries(plate.measures).map(([key, values]) => [key, values[well]]))),
      strongest.length ? h("div", {}, h("h3", {}, "Strongest features (normalized)"), pairsTable(strongest)) : null),
  );
}
