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
  plate.bytes = plate.bytes || atob(plate.features);
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

function readMeasure(key) {
  const [kind, name] = [key.slice(0, key.indexOf(":")), key.slice(key.indexOf(":") + 1)];
  const of = {
    number: (plate, well) => (plate.measures[name] ? plate.measures[name][well] : null),
    feature: (plate, well) => featureOf(plate, name, well),
    text: (plate, well) => decode(plate.text[name], well),
    treatment: treatmentOf,
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

// What hovering over a well tells: the titles, and their values as t0, t1, ...
function tellWell(plate, well, measure) {
  const told = { Well: `${plate.wells[well]}, plate ${plateLabel(plate)}`, Content: shortText(plate.name[well] || treatmentOf(plate, well) || "–") };
  for (const name of ["gene", "control type"]) if (plate.text[name]) told[name[0].toUpperCase() + name.slice(1)] = decode(plate.text[name], well) || "–";
  for (const name of ["Cells", "Distance to controls", "Replicate correlation (median)"]) if (plate.measures[name]) told[name] = asText(plate.measures[name][well]);
  if (measure) told[shortText(measure.name)] = asText(measure.of(plate, well));
  const flags = plate.flags[plate.wells[well]];
  if (flags) told.Flags = shortText(flags.map(flagKind).join(", "), 120);
  return told;
}

function withTold(rows, told) {
  const titles = [...new Set(told.flatMap((each) => Object.keys(each)))];
  rows.forEach((row, i) => titles.forEach((title, t) => { row[`t${t}`] = told[i][title] === undefined ? "–" : told[i][title]; }));
  return titles;
}

// --- pictures -------------------------------------------------------------------------------------

function loadSheet(plate, name) {
  const key = `${plate.id} ${name}`;
  if (!cache.has(key)) {
    const image = new Image();
    image.src = plate.sheets.pictures[name];
    cache.set(key, image.decode().then(() => image));
  }
  return cache.get(key);
}

function wellPicture(plate, well, name, size) {
  const place = plate.sheets && plate.sheets.pictures[name] && plate.sheets.places[plate.wells[well]];
  if (!place) return null;
  const canvas = h("canvas", { role: "img", "aria-label": `${name}, well ${plate.wells[well]} of plate ${plateLabel(plate)}` });
  canvas.style.width = `${size}px`;
  loadSheet(plate, name).then((image) => {
    const factor = image.naturalWidth / (plate.size[1] * plate.sheets.side);
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

// --- plates -----------------------------------------------------------------------------------------

function buildPlates(root) {
  const shown = EXPERIMENT.plates.filter((plate) => plate.wells);
  if (!shown.length) return;
  const state = { plate: shown[0].id, measure: null, words: "", beside: true };
  const charts = h("div", { class: "charts" });
  const status = h("p", { class: "quiet", "aria-live": "polite" });
  const sheet = h("div", { class: "sheet" });
  const pickPlate = chooser("Plate", shown.map((plate) => ({ value: plate.id, text: plateLabel(plate), group: plate.batch })), (value) => { state.plate = value; refresh(); });
  const measures = h("span", {});
  const feature = h("input", { type: "search", list: "feature-names", size: 28, placeholder: "any feature", "aria-label": "Color by a feature", change: () => { if (EXPERIMENT.features.includes(feature.value)) { state.measure = `feature:${feature.value}`; update(); } else if (!feature.value) { state.measure = null; refresh(); } } });
  const find = h("input", { type: "search", placeholder: "name, gene, well", "aria-label": "Find wells", input: () => { state.words = find.value; update(); } });
  const beside = h("input", { type: "checkbox", change: () => { state.beside = beside.checked; update(); } });
  beside.checked = true;
  const pictures = h("details", { toggle: () => drawSheet() }, h("summary", {}, "Pictures of all wells of this plate"), sheet);
  root.append(
    h("div", { class: "controls" }, pickPlate.field, measures, h("label", {}, "or by ", feature), h("label", {}, "Find ", find), h("label", {}, beside, " plates with the same map beside it")),
    h("datalist", { id: "feature-names" }, ...EXPERIMENT.features.map((name) => h("option", { value: name }))),
    charts, status,
    h("p", { class: "quiet" }, `Hover over a well for its content and numbers; click it for its pictures and its strongest features. With the keyboard: arrow keys, then Enter. A white dot marks a flagged well. ${EXPERIMENT.features.length < EXPERIMENT.all_features ? `${EXPERIMENT.features.length} of ${EXPERIMENT.all_features} features are in this page; the profiles have all of them.` : ""}`),
    pictures,
  );

  function neighbors() {
    const first = getBlock(state.plate);
    const same = shown.filter((plate) => plate.id !== state.plate && plate.plate_map && plate.plate_map === first.plate_map && plate.perturbation === first.perturbation);
    return [first, ...(state.beside ? same.slice(0, 3).map((plate) => getBlock(plate.id)) : [])].filter(Boolean);
  }

  function refresh() {
    const list = listMeasures([getBlock(state.plate)]);
    if (!list.some(({ value }) => value === state.measure) && !(state.measure || "").startsWith("feature:")) state.measure = list[0].value;
    const picked = chooser("Color by", list, (value) => { state.measure = value; feature.value = ""; update(); });
    picked.select.value = state.measure;
    measures.replaceChildren(picked.field);
    pickPlate.select.value = state.plate;
    drawSheet();
    return update();
  }

  let drawing = Promise.resolve();
  function update() { drawing = drawing.then(redraw); return drawing; }

  async function redraw() {
    const plates = neighbors(), measure = readMeasure(state.measure), wanted = splitWords(state.words);
    const all = plates.flatMap((plate) => plate.wells.map((_, well) => measure.of(plate, well)));
    const room = Math.max(300, charts.clientWidth || root.clientWidth);
    const width = room > 900 && plates.length > 1 ? Math.max(380, room / Math.min(plates.length, 2) - 130) : room - 130;
    let found = 0, total = 0;
    charts.replaceChildren();
    for (const plate of plates) {
      const rows = plate.wells.map((name, well) => {
        const [, letters, number] = /^([A-Z]+)(\d+)$/.exec(name);
        let value = measure.of(plate, well);
        if (measure.kind !== "number" && value !== null && !commonClasses(all).includes(value)) value = OTHER;
        const faded = wanted.length > 0 && !isFound(plate, well, wanted);
        found += !faded; total += 1;
        return { well: name, row: letters, column: Number(number), value, flagged: Boolean(plate.flags[name]), faded };
      });
      const titles = withTold(rows, plate.wells.map((_, well) => tellWell(plate, well, measure)));
      const place = h("div", { class: "chart", tabindex: "0", role: "application", "aria-label": `Plate ${plateLabel(plate)} colored by ${measure.name}; arrow keys choose a well, Enter opens it`, "data-name": `plate_${plate.plate}` });
      charts.append(h("figure", { class: "plate-chart" }, h("figcaption", {}, h("strong", {}, plateLabel(plate)), ` ${measure.name}`), place));
      const view = await draw(place, plateSpec(rows, plate.size, measure, all, titles, width, true), (datum) => { if (datum.well) openWell(plate.id, datum.well); });
      place.addEventListener("keydown", (event) => walk(event, plate, view, measure));
    }
    status.textContent = wanted.length ? `${found} of ${total} wells found.` : "";
  }

  function walk(event, plate, view, measure) {
    const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    const at = view.signal("chosen");
    if (event.key === "Enter" && at) openWell(plate.id, at);
    if (!steps[event.key]) return;
    event.preventDefault();
    let [row, column] = at ? [letterNumber(at), Number(at.replace(/\D+/, ""))] : [0, 0];
    if (!at) [row, column] = [1, 0].map((n, i) => (i ? 1 - steps.ArrowRight[1] * (event.key === "ArrowRight") : n));
    for (let tries = 0; tries < Math.max(...plate.size); tries += 1) {
      row += steps[event.key][0]; column += steps[event.key][1];
      const name = row >= 1 && column >= 1 ? `${rowName(row)}${String(column).padStart(2, "0")}` : "";
      const well = plate.wells.indexOf(name);
      if (well >= 0) {
        view.signal("chosen", name).runAsync();
        status.textContent = Object.entries(tellWell(plate, well, measure)).map(([key, value]) => `${key}: ${value}`).join("; ");
        return;
      }
    }
  }

  function drawSheet() {
    const plate = getBlock(state.plate);
    pictures.hidden = !plate.sheets;
    if (!plate.sheets || !pictures.open) return;
    const names = Object.keys(plate.sheets.pictures);
    const picture = h("img", { alt: `Thumbnails of all wells of plate ${plateLabel(plate)}`, src: plate.sheets.pictures[names[0]] });
    const channel = chooser("Channel", names.map((name) => ({ value: name, text: name === "composite" ? "all stains" : name })), (value) => { picture.src = plate.sheets.pictures[value]; });
    picture.addEventListener("click", (event) => {
      const column = Math.floor((event.offsetX / picture.clientWidth) * plate.size[1]) + 1;
      const row = Math.floor((event.offsetY / picture.clientHeight) * plate.size[0]) + 1;
      openWell(plate.id, `${rowName(row)}${String(column).padStart(2, "0")}`);
    });
    sheet.replaceChildren(h("p", {}, channel.field, " ", h("span", { class: "quiet" }, "Click a well to open it.")), h("div", { class: "scroll" }, picture));
  }

  root.showPlate = (identifier) => { state.plate = identifier; return refresh(); };
  return refresh();
}

function letterNumber(name) {
  const letters = name.replace(/\d+/, "");
  return letters.length === 1 ? letters.charCodeAt(0) - 64 : 26 + letters.charCodeAt(1) - 64;
}

// --- profiles ---------------------------------------------------------------------------------------

function conditionLabel(condition) {
  const several = new Set(EXPERIMENT.conditions.map((each) => each.feature_set)).size > 1;
  return several ? `${condition.label}, ${condition.feature_set}` : condition.label;
}

function buildProfiles(root) {
  if (!EXPERIMENT.conditions.length) return;
  const state = { condition: EXPERIMENT.conditions[0].id, map: null, measure: "treatment:", words: "" };
  const map = h("div", { class: "chart", "data-name": "profiles" });
  const ranks = h("div", { class: "chart", "data-name": "replicate_correlations" });
  const found = h("p", { class: "found" });
  const maps = h("span", {}), measures = h("span", {});
  const condition = chooser("Condition", EXPERIMENT.conditions.map((each) => ({ value: each.id, text: conditionLabel(each) })), (value) => { state.condition = value; refresh(); });
  const find = h("input", { type: "search", placeholder: "perturbation, gene, well", "aria-label": "Find a perturbation", input: () => { state.words = find.value; update(); } });
  root.append(
    h("div", { class: "controls" }, condition.field, maps, measures, h("label", {}, "Find ", find)),
    found,
    h("div", { class: "pair" },
      h("figure", {}, h("figcaption", {}, h("strong", {}, "Wells."), " Each point is a well; click it to open it. Drag to move, scroll to zoom, double-click to reset."), map),
      h("figure", {}, h("figcaption", {}, h("strong", {}, "Replicates."), " Each point is a perturbation, above or below its threshold (tick); the null is above. Click a point to open its card."), ranks)),
  );

  function refresh() {
    const data = getBlock(state.condition);
    const axes = data.points ? Object.keys(data.points.axes) : [];
    const pairs = [];
    if (axes.includes("PC2")) pairs.push("PC1/PC2");
    if (axes.includes("UMAP2")) pairs.push("UMAP1/UMAP2");
    for (let n = 3; n < 6; n += 2) if (axes.includes(`PC${n + 1}`)) pairs.push(`PC${n}/PC${n + 1}`);
    if (!pairs.includes(state.map)) [state.map] = pairs;
    const pickMap = chooser("Map", pairs.map((value) => ({ value, text: value.replace("/", " and ") })), (value) => { state.map = value; update(); });
    if (state.map) pickMap.select.value = state.map;
    maps.replaceChildren(pairs.length ? pickMap.field : "");
    const plates = data.plates.map(getBlock).filter(Boolean);
    const list = listMeasures(plates);
    if (!list.some(({ value }) => value === state.measure)) state.measure = "treatment:";
    const pick = chooser("Color by", list, (value) => { state.measure = value; update(); });
    pick.select.value = state.measure;
    measures.replaceChildren(pick.field);
    return update();
  }

  let drawing = Promise.resolve();
  function update() { drawing = drawing.then(redraw); return drawing; }

  async function redraw() {
    const data = getBlock(state.condition), wanted = splitWords(state.words), measure = readMeasure(state.measure);
    const width = Math.max(280, Math.min(620, map.parentElement.clientWidth - 10));
    if (data.points && state.map) {
      const [x, y] = state.map.split("/");
      const rows = [], told = [];
      data.points.plate.forEach((identifier, i) => {
        const plate = getBlock(identifier);
        const well = plate ? plate.wells.indexOf(data.points.well[i]) : -1;
        if (well < 0) return;
        rows.push({ plate: identifier, well: plate.wells[well], x: data.points.axes[x][i], y: data.points.axes[y][i], value: measure.of(plate, well), faded: wanted.length > 0 && !isFound(plate, well, wanted) });
        told.push({ ...tellWell(plate, well), [shortText(measure.name)]: asText(measure.of(plate, well)) });
      });
      if (measure.kind !== "number") {
        const classes = commonClasses(rows.map((row) => row.value));
        for (const row of rows) if (row.value !== null && !classes.includes(row.value)) row.value = OTHER;
      }
      const titles = withTold(rows, told);
      const share = (axis) => (data.shares[axis] ? `${axis} (${(100 * data.shares[axis]).toFixed(1)} %)` : axis.replace("UMAP", "UMAP "));
      await draw(map, mapSpec(rows, [share(x), share(y)], measure, titles, width), (datum) => { if (datum.plate) openWell(datum.plate, datum.well); });
    } else map.replaceChildren(h("p", { class: "quiet" }, "This condition has no map of its wells."));
    const scored = data.perturbations.filter((row) => row["Replicate correlation (median)"] !== undefined);
    const matches = (row) => wanted.every((word) => Object.values(row).join(" ").toLowerCase().includes(word));
    if (scored.length) {
      const points = scored.map((row, i) => ({ name: row.name, rank: i + 1, x: row["Replicate correlation (median)"], threshold: row.Threshold, kind: row.Replicating === "yes" ? "Replicating" : "Not replicating", faded: wanted.length > 0 && !matches(row) }));
      const titles = withTold(points, scored.map((row) => ({ Perturbation: shortText(row.name), ...Object.fromEntries(Object.entries(row).filter(([key]) => key !== "name").map(([key, value]) => [key, shortText(asText(value))])) })));
      const sum = data.null ? data.null.counts.reduce((a, b) => a + b, 0) : 1;
      const bars = data.null ? data.null.counts.map((count, i) => ({ from: data.null.edges[i], to: data.null.edges[i + 1], share: (100 * count) / sum })) : [];
      await draw(ranks, nullSpec(bars, points, titles, width - 110), (datum) => { if (datum.name) openCard(datum.name); });
    } else ranks.replaceChildren(h("p", { class: "quiet" }, "No perturbation of this condition was scored."));
    const hits = wanted.length ? data.perturbations.filter(matches) : [];
    found.replaceChildren(...(wanted.length ? [`${hits.length} perturbation${hits.length === 1 ? "" : "s"} found. `, ...hits.slice(0, 12).map((row) => button(shortText(row.name, 40), () => openCard(row.name)))] : []));
  }
  return refresh();
}

// --- a perturbation's card ----------------------------------------------------------------------------

function wellsOf(name) {
  const found = [];
  for (const { id, wells } of EXPERIMENT.plates) {
    const plate = wells ? getBlock(id) : null;
    const code = plate ? plate.treatment.values.indexOf(name) : -1;
    if (code >= 0) plate.treatment.codes.forEach((each, well) => { if (each === code) found.push([plate, well]); });
  }
  return found;
}

function wellTiles(wells, most = 12) {
  return h("div", { class: "tiles" }, ...wells.slice(0, most).map(([plate, well]) => {
    const picture = wellPicture(plate, well, "composite", 150);
    return h("button", { type: "button", class: "tile", click: () => openWell(plate.id, plate.wells[well]) }, picture || "", h("span", {}, `${plateLabel(plate)} ${plate.wells[well]}`));
  }), wells.length > most ? h("span", { class: "quiet" }, `and ${wells.length - most} more`) : "");
}

function scoresOf(name) {
  return EXPERIMENT.conditions.map((condition) => [condition, getBlock(condition.id)]).map(([condition, data]) => [condition, data, data.perturbations.find((row) => row.name === name)]).filter(([, , row]) => row);
}

function openCard(name) {
  const wells = wellsOf(name), scores = scoresOf(name);
  const first = wells[0];
  const about = first ? Object.entries(first[0].text).map(([key, text]) => [key, decode(text, first[1])]).filter(([key, value]) => value !== null && key !== "Replicating") : [];
  const columns = [...new Set(scores.flatMap(([, , row]) => Object.keys(row)))].filter((key) => key !== "name");
  const table = h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Condition"), ...columns.map((key) => h("th", {}, key)))), h("tbody", {}, ...scores.map(([condition, , row]) => h("tr", {}, h("td", {}, conditionLabel(condition)), ...columns.map((key) => h("td", {}, asText(row[key]))))))));
  const matches = (EXPERIMENT.matches || []).flatMap((file) => file.a.map((a, i) => [a, file.b[i], i, file]).filter(([a, b]) => a === name || b === name));
  const neighbors = scores.map(([condition, data]) => [condition, data.neighbors[name] || []]).filter(([, list]) => list.length);
  const changes = h("div", { class: "chart", "data-name": "what_changed" });
  const dose = h("div", { class: "chart", "data-name": "dose" });
  const controls = first ? first[0].wells.map((_, well) => [first[0], well]).filter(([plate, well]) => decode(plate.text["control type"], well) === "negcon").slice(0, 4) : [];
  openPanel(
    "card",
    shortText(name, 120),
    h("div", { class: "columns" },
      about.length ? h("div", {}, h("h3", {}, "About"), pairsTable(about)) : null,
      neighbors.length ? h("div", {}, h("h3", {}, "Nearest neighbors"), h("p", { class: "quiet" }, "Pearson's r of the median profiles."), ...neighbors.map(([condition, list]) => h("div", {}, neighbors.length > 1 ? h("p", { class: "quiet" }, conditionLabel(condition)) : "", h("ol", { class: "neighbors" }, ...list.map(([other, r]) => h("li", {}, button(shortText(other, 40), () => openCard(other)), ` ${asText(r)}`)))))) : null),
    scores.length ? h("div", {}, h("h3", {}, "Scores"), table) : h("p", { class: "quiet" }, EXPERIMENT.index ? h("a", { href: EXPERIMENT.index }, "The report of the experiment has the scores.") : "This perturbation has no score."),
    matches.length ? h("div", {}, h("h3", {}, "Matches of the same gene"), h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ...["Conditions", "Other perturbation", "Genes", "Median correlation", "q-value"].map((key) => h("th", {}, key)))), h("tbody", {}, ...matches.map(([a, b, i, file]) => h("tr", {}, h("td", {}, file.label), h("td", {}, button(shortText(a === name ? b : a, 40), () => openCard(a === name ? b : a))), h("td", {}, file.genes[i]), h("td", {}, asText(file.correlation[i])), h("td", {}, asText(file.q[i])))))))) : null,
    wells.length ? h("div", {}, h("h3", {}, "Wells"), wellTiles(wells)) : null,
    controls.length && first[0].sheets ? h("div", {}, h("h3", {}, `Negative controls of plate ${plateLabel(first[0])}`), wellTiles(controls)) : null,
    EXPERIMENT.index ? null : h("div", {}, h("h3", {}, "What changed"), changes),
    dose,
  );
  drawChanges(changes, scores, name);
  drawDose(dose, wells, name);
}

function drawChanges(place, scores, name) {
  const known = scores.filter(([, data]) => data.changes && data.changes.perturbations[name]);
  if (!known.length) { place.replaceChildren(h("p", { class: "quiet" }, "Not computed for this perturbation (it takes two replicates).")); return; }
  const { changes } = known[0][1];
  const rows = changes.groups.map(([compartment, family, channel, features], i) => ({ compartment, family, channel, features, value: changes.perturbations[name][i] }));
  const every = Object.values(changes.perturbations).flat().filter(Number.isFinite).sort((a, b) => a - b);
  const limit = Math.max(2, every[Math.floor(0.98 * every.length)] || 0);
  const distinct = (key) => [...new Set(rows.map((row) => row[key]))];
  draw(place, changesSpec(rows, distinct("family"), distinct("channel"), distinct("compartment"), limit));
}

// A dose curve, where the wells of the same compound have several doses.
function drawDose(place, wells, name) {
  if (!wells.length) return;
  const isDose = (key) => /dose|conc(entration)?\b|mmoles|micromolar|\buM\b|µM/i.test(key);
  const [plate] = wells[0];
  const column = Object.keys(plate.text).find((key) => isDose(key));
  const compound = ["pert iname", "compound", "broad sample", "treatment"].find((key) => plate.text[key]);
  if (!column) return;
  const wanted = compound ? new Set(wells.map(([each, well]) => decode(each.text[compound], well))) : null;
  const rows = [];
  for (const { id, wells: has } of EXPERIMENT.plates) {
    const each = has ? getBlock(id) : null;
    if (!each || !each.text[column] || !each.measures["Distance to controls"]) continue;
    each.wells.forEach((label, well) => {
      const same = wanted && each.text[compound] ? wanted.has(decode(each.text[compound], well)) : treatmentOf(each, well) === name;
      const amount = Number(decode(each.text[column], well));
      if (same && decode(each.text[column], well) !== null && Number.isFinite(amount)) rows.push({ plate: id, well: label, label: `${plateLabel(each)} ${label}`, dose: amount, value: each.measures["Distance to controls"][well] });
    });
  }
  if (new Set(rows.map((row) => row.dose)).size < 3) return;
  place.before(h("h3", {}, "Dose response"));
  draw(place, doseSpec(rows, column, "Distance to controls", Math.min(560, panel.clientWidth - 60)), (datum) => { if (datum.plate) openWell(datum.plate, datum.well); });
}

// --- the scores of the first screen ---------------------------------------------------------------------

async function buildScores() {
  const scores = getBlock("scores") || {};
  for (const figure of document.querySelectorAll("figure[data-score]")) {
    const charts = scores[figure.dataset.score] || [];
    const places = h("div", {});
    figure.prepend(places);
    for (const { title, unit, chance, rows } of charts) {
      const place = h("div", { class: "chart", "data-name": figure.dataset.score });
      places.append(h("p", { class: "table-title" }, title), place);
      const told = rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key[0].toUpperCase() + key.slice(1), asText(value)])));
      const bars = rows.map((row) => ({ label: row.condition, set: row["feature set"] || "", x: row.score, low: row["sampling low"], high: row["sampling high"], published: row.published }));
      const titles = withTold(bars, told);
      await draw(place, scoreSpec(bars, titles, unit === "%" ? "% above the null; line: 95 % interval for other perturbations" : title, chance, unit === "%", Math.max(260, Math.min(900, figure.clientWidth - 40))));
    }
    if (charts.length) figure.querySelector(":scope > a").hidden = true;
  }
}

// The rows of the tables of perturbations open cards.
for (const table of document.querySelectorAll("table[id$='-perturbations']")) {
  for (const row of table.tBodies[0].rows) {
    const [cell] = row.cells, name = cell.textContent;
    cell.replaceChildren(button(name, () => openCard(name)));
  }
}

async function explore() {
  const [plates, profiles] = [document.getElementById("plate-explorer"), document.getElementById("profile-explorer")];
  await buildScores();
  if (EXPERIMENT && plates) await buildPlates(plates);
  if (EXPERIMENT && profiles) await buildProfiles(profiles);
  document.documentElement.dataset.ready = "yes";
}
explore();
