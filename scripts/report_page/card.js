// The card of a perturbation: what it does, its cells, its scores, what changed, its doses and its wells.

const CELLS = 6; // wells whose example cells the card shows
const FAMILIES = 40; // rows of the plot of what changed
const NOT_SCORES = ["name", "pert_iname", "gene", "target", "control_type"]; // which the card shows under "About"
const ARROWS = { up: "▲ up", down: "▼ down", mixed: "mixed" };

// The wells of a perturbation on every plate: pairs of a plate and the number of the well.
function wellsOf(name) {
  const found = [];
  for (const { id, wells } of EXPERIMENT.plates) {
    const plate = wells ? getBlock(id) : null;
    const code = plate ? plate.treatment.values.indexOf(name) : -1;
    if (code >= 0) plate.treatment.codes.forEach((each, well) => { if (each === code) found.push([plate, well]); });
  }
  return found;
}

// Negative controls of the plates of some wells, taken from each plate in turn; those with example cells first.
function controlsOf(wells) {
  const plates = [...new Set(wells.map(([plate]) => plate))];
  const hasCells = (plate, well) => (plate.examples ? plate.examples.cells[plate.wells[well]] > 0 : 0);
  const lists = plates.map((plate) => plate.wells.map((_, well) => [plate, well]).filter(([, well]) => decode(plate.text["control type"], well) === "negcon").sort((a, b) => hasCells(...b) - hasCells(...a)));
  const found = [];
  for (let i = 0; i < Math.max(0, ...lists.map((list) => list.length)); i += 1) for (const list of lists) if (list[i]) found.push(list[i]);
  return found;
}

function wellTiles(wells, most = 12) {
  return h("div", { class: "tiles" }, ...wells.slice(0, most).map(([plate, well]) => {
    const picture = wellPicture(plate, well, "composite", 150);
    return h("button", { type: "button", class: "tile", click: () => openWell(plate.id, plate.wells[well]) }, picture || "", h("span", {}, `${plateLabel(plate)} ${plate.wells[well]}`));
  }), wells.length > most ? h("span", { class: "quiet" }, `and ${wells.length - most} more`) : "");
}

function openCard(name) {
  const wells = wellsOf(name), [first] = wells;
  const conditions = EXPERIMENT.conditions.map((condition) => [condition, getBlock(condition.id)]);
  const scores = conditions.map(([condition, data]) => [condition, data, data.perturbations.find((row) => row.name === name)]).filter(([, , row]) => row);
  const hits = conditions.filter(([, data]) => data.hits[name]);
  const known = first ? first[0].name[first[1]] : scores.length ? scores[0][2].pert_iname || "" : "";
  // Conditions of which the page has some perturbations, and not this one.
  const without = conditions.filter(([, data]) => data.left_out && !data.hits[name]).filter(([condition]) => !scores.some(([scored]) => scored === condition));
  const ofScores = !first && scores.length ? NOT_SCORES.slice(1).map((key) => [key.replace("_", " "), scores[0][2][key]]).filter(([, value]) => value !== undefined) : [];
  const about = !first ? ofScores : Object.entries(first[0].text).map(([key, text]) => [key, decode(text, first[1])]).filter(([key, value]) => value !== null && key !== "Replicating");
  const controls = controlsOf(wells);
  const changes = h("div", { class: "chart", "data-name": "what_changed" });
  const doses = h("div", { class: "doses" });
  openPanel(
    "card",
    shortText(name, 120),
    known && known !== name ? h("p", {}, shortText(known, 200)) : null,
    ...without.map(([condition, data]) => h("p", { class: "left-out" }, `${EXPERIMENT.conditions.length > 1 ? `${conditionLabel(condition)}: t` : "T"}his page has ${data.left_out.shown.toLocaleString("en")} of ${data.left_out.total.toLocaleString("en")} perturbations, and this is not one of them: see `, linkToAll(data.left_out), ".")),
    ...hits.map(([condition, data]) => describeHit(condition, data, data.hits[name], hits.length > 1)),
    wells.length ? describeCells(wells, controls) : null,
    scores.length ? scoresTable(scores) : without.length ? null : h("p", { class: "quiet" }, EXPERIMENT.index ? h("a", { href: EXPERIMENT.index }, "The report of the experiment has the scores.") : "This perturbation has no score."),
    EXPERIMENT.index || (without.length && !scores.length) ? null : h("div", {}, h("h3", {}, "What changed"), changes),
    doses,
    matchesTable(name),
    wells.length ? h("div", {}, h("h3", {}, "Wells"), wellTiles(wells)) : null,
    controls.length && first[0].sheets ? h("div", {}, h("h3", {}, "Negative controls of the same plates"), wellTiles(controls, 4)) : null,
    EXPERIMENT.all_plates ? h("p", { class: "quiet" }, `Its wells on plates that this page does not have are on the pages of these plates (this page has ${EXPERIMENT.plates.length.toLocaleString("en")} of ${EXPERIMENT.all_plates.toLocaleString("en")}).`) : null,
    about.length ? h("div", {}, h("h3", {}, "About"), pairsTable(about)) : null,
  );
  drawChanges(changes, scores, name);
  drawDoses(doses, conditions, wells);
}

// What the table of hits says of a perturbation: the call, the strongest groups of features, and its neighbors.
function describeHit(condition, data, hit, several) {
  const call = hit.active === undefined ? "No call" : hit.active ? "Active" : "Not active";
  const counted = hit.cell_count_z === undefined ? "" : ` Cell count: ${asText(hit.cells)} per well, robust z ${asText(hit.cell_count_z)}${hit.toxic === undefined ? "" : hit.toxic ? ", toxic" : ", not toxic"}.`;
  const strongest = hit.strongest.filter(([text]) => text).map(([text, score]) => {
    const at = text.lastIndexOf(" ");
    return h("tr", {}, h("td", {}, text.slice(0, at)), h("td", {}, ARROWS[text.slice(at + 1)] || text.slice(at + 1)), h("td", { class: "number" }, asText(score)));
  });
  const neighbors = hit.neighbors.filter(([other]) => other).map(([other, cosine, annotation, name]) => h("li", {}, button(shortText(name || other, 40), () => openCard(other)), ` ${asText(cosine)}`, annotation ? h("span", { class: "quiet" }, ` ${shortText(annotation, 40)}`) : ""));
  const members = hit.cluster === undefined ? [] : Object.entries(data.hits).filter(([, other]) => other !== hit && other.cluster === hit.cluster).map(([other]) => other);
  // of all in the cluster, without this one
  const others = hit.cluster !== undefined && data.left_out ? data.left_out.clusters[String(hit.cluster)] - 1 : members.length;
  const classes = hit.cluster === undefined ? [] : data.clusters[String(hit.cluster)] || [];
  return h("div", { class: "hit" },
    several ? h("h3", {}, conditionLabel(condition)) : null,
    h("p", {}, h("strong", { class: "call" }, call), hit.active_rule ? `: ${hit.active_rule}.` : ".", counted),
    h("div", { class: "columns" },
      strongest.length ? h("div", {}, h("h4", {}, "Strongest groups of features"), h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Group"), h("th", {}, "Direction"), h("th", { class: "number" }, "Score"))), h("tbody", {}, ...strongest)), h("p", { class: "quiet" }, "Score: standard deviations above sets of as many controls.")) : null,
      neighbors.length ? h("div", {}, h("h4", {}, "Nearest neighbors"), h("ol", { class: "neighbors" }, ...neighbors), h("p", { class: "quiet" }, "Cosine of the consensus profiles.")) : null,
      members.length ? h("div", {}, h("h4", {}, `Cluster ${hit.cluster}`), h("p", { class: "neighbors" }, ...members.slice(0, 12).flatMap((other) => [button(shortText(other, 40), () => openCard(other)), " "]), others > Math.min(12, members.length) ? `and ${others - Math.min(12, members.length)} more` : ""), ...classes.map(([name, q]) => h("p", { class: "quiet" }, `${name} is enriched (q ${asText(q)}).`))) : null));
}

// Example cells of a perturbation beside those of negative controls; without pictures, why there are none.
function describeCells(wells, controls) {
  const has = ([plate, well]) => plate.examples && plate.examples.cells[plate.wells[well]] > 0;
  const some = wells.filter(has), others = controls.filter(has);
  const links = [...new Set(some.map(([plate]) => plate))].filter((plate) => !plate.examples.picture);
  const strip = ([plate, well]) => h("button", { type: "button", class: "tile", click: () => openWell(plate.id, plate.wells[well]) }, examplePicture(plate, well), h("span", {}, `${plateLabel(plate)} ${plate.wells[well]}`));
  const row = (title, list) => h("div", {}, h("h4", {}, title), list.length ? h("div", { class: "tiles" }, ...list.slice(0, CELLS).map(strip)) : h("p", { class: "quiet" }, "None."));
  let content;
  if (EXPERIMENT.pages[wells[0][0].id]) content = h("p", { class: "quiet" }, "The pages of the plates have pictures of cells: ", ...[...new Set(wells.map(([plate]) => plate))].flatMap((plate) => [h("a", { href: EXPERIMENT.pages[plate.id] }, plateLabel(plate)), " "]));
  else if (!some.length) content = h("p", { class: "quiet" }, "There are no pictures of its cells: they are cut from plates that start with images, unless montages.thumbnails is 0 in the config.");
  else if (links.length) content = h("p", { class: "quiet" }, "Sheets with the example cells of all wells lie beside the page: ", ...links.flatMap((plate) => [h("a", { href: plate.examples.link }, plateLabel(plate)), " "]));
  else content = h("div", {}, h("div", { class: "columns" }, row("This perturbation", some), row("Negative controls", others)), h("p", { class: "quiet" }, "Up to three cells of a well, those nearest to the median of the perturbation's cells on its plate, in the colors of the montages. Click cells to open their well."));
  return h("div", { class: "examples" }, h("h3", {}, "Example cells"), content);
}

// The example cells of a well beside each other; a sheet has a place for three in each well of the plate.
function examplePicture(plate, well) {
  const [name, count] = [plate.wells[well], plate.examples.cells[plate.wells[well]]];
  const canvas = h("canvas", { role: "img", "aria-label": `${count} cells of well ${name} of plate ${plateLabel(plate)}` });
  loadPicture(plate, "examples").then((image) => {
    const side = image.naturalHeight / plate.examples.rows, width = image.naturalWidth / plate.examples.columns;
    const [, letters, number] = /^([A-Z]+)(\d+)$/.exec(name);
    const gap = Math.max(1, Math.round(side / 16)), shown = Math.round(side);
    canvas.width = count * shown + (count - 1) * gap; canvas.height = shown;
    for (let cell = 0; cell < count; cell += 1) canvas.getContext("2d").drawImage(image, (Number(number) - 1) * width + cell * side, (letterNumber(letters) - 1) * side, side, side, cell * (shown + gap), 0, shown, shown);
    canvas.style.width = `${count * 63}px`;
  });
  return canvas;
}

// The scores: one row per number, one column per condition or feature set.
function scoresTable(scores) {
  const names = [...new Set(scores.flatMap(([, , row]) => Object.keys(row)))].filter((key) => !NOT_SCORES.includes(key));
  const head = scores.length > 1 ? h("thead", {}, h("tr", {}, h("th", {}, ""), ...scores.map(([condition]) => h("th", { class: "number" }, conditionLabel(condition))))) : null;
  return h("div", {}, h("h3", {}, scores.length > 1 ? "Scores" : `Scores: ${conditionLabel(scores[0][0])}`), h("div", { class: "scroll" }, h("table", { class: "scores" }, head, h("tbody", {}, ...names.map((key) => h("tr", {}, h("th", { scope: "row" }, key), ...scores.map(([, , row]) => h("td", { class: "number" }, asText(row[key])))))))));
}

function matchesTable(name) {
  const matches = (EXPERIMENT.matches || []).flatMap((file) => file.a.map((a, i) => [a, file.b[i], i, file]).filter(([a, b]) => a === name || b === name));
  const partial = (EXPERIMENT.matches || []).filter((file) => file.total);
  const cut = partial.length ? h("p", { class: "quiet" }, "Of many pairs, this page has those that correlate most: ", ...partial.flatMap((file) => [h("a", { href: file.link }, `${file.a.length.toLocaleString("en")} of ${file.total.toLocaleString("en")}`), ` (${file.label}) `])) : null;
  if (!matches.length) return cut && h("div", {}, h("h3", {}, "Matching perturbations"), cut);
  const titles = ["Conditions", "Other perturbation", "Genes", "Median correlation", "q-value"];
  return h("div", {}, h("h3", {}, "Matching perturbations"), h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ...titles.map((key) => h("th", {}, key)))), h("tbody", {}, ...matches.map(([a, b, i, file]) => h("tr", {}, h("td", {}, file.label), h("td", {}, button(shortText(a === name ? b : a, 40), () => openCard(a === name ? b : a))), h("td", {}, file.genes[i]), h("td", {}, asText(file.correlation[i])), h("td", {}, asText(file.q[i]))))))), cut);
}

function drawChanges(place, scores, name) {
  const known = scores.filter(([, data]) => data.changes && data.changes.perturbations[name]);
  if (!known.length) { place.replaceChildren(h("p", { class: "quiet" }, "Not computed for this perturbation (it takes two replicates).")); return; }
  const grouped = known.find(([, data]) => data.changes.groups.length > 1);
  if (!grouped) { place.replaceChildren(h("p", { class: "quiet" }, "These features are components, or have names that do not say what was measured.")); return; }
  const [condition, { changes }] = grouped;
  if (scores.length > 1) place.before(h("p", { class: "quiet" }, conditionLabel(condition)));
  // A feature that is a group of its own has a row with its name; of many rows, those that changed most are drawn.
  let rows = changes.groups.map(([compartment, family, channel, features], i) => ({ compartment: family ? compartment : "features", family: family || compartment, channel, features, value: changes.perturbations[name][i] }));
  const largest = new Set([...rows].sort((a, b) => b.value - a.value).slice(0, FAMILIES).map((row) => row.family));
  if (new Set(rows.map((row) => row.family)).size > FAMILIES) rows = rows.filter((row) => largest.has(row.family));
  const every = Object.values(changes.perturbations).flat().filter(Number.isFinite).sort((a, b) => a - b);
  const limit = Math.max(2, every[Math.floor(0.98 * every.length)] || 0);
  const distinct = (key) => [...new Set(rows.map((row) => row[key]))];
  draw(place, changesSpec(rows, distinct("family"), distinct("channel"), distinct("compartment"), limit));
}

// --- dose response --------------------------------------------------------------------------------------

// The curves of the compounds of some wells, from the workflow's tables: one chart per condition and compound.
function drawDoses(place, known, wells) {
  const mine = new Set(wells.map(([plate, well]) => `${plate.id} ${plate.wells[well]}`));
  for (const [condition, { doses }] of known) {
    if (!doses) continue;
    doses.bytes = doses.bytes || atob(doses.values);
    const compounds = new Set(doses.well.map((well, i) => (mine.has(`${doses.plate[i]} ${well}`) ? decode(doses.compound, i) : null)));
    for (const compound of compounds) if (compound && doses.compounds[compound]) place.append(doseChart(condition, doses, compound, mine));
  }
  for (const [condition, { doses }] of known) {
    if (doses && doses.left_out) place.append(h("p", { class: "quiet" }, `${conditionLabel(condition)}: this page has the curves of the ${doses.left_out.compounds.toLocaleString("en")} most potent of ${doses.left_out.total.toLocaleString("en")} compounds; `, h("a", { href: doses.left_out.link }, "the table of doses"), " has all."));
  }
  if (place.childNodes.length) place.prepend(h("h3", {}, "Dose response"));
}

function doseChart(condition, doses, compound, mine) {
  const { curves, point_of_departure: departure, most_sensitive: sensitive } = doses.compounds[compound];
  const unit = doses.unit ? ` ${doses.unit}` : "";
  const chart = h("div", { class: "chart", "data-name": "dose_response" }), note = h("p", { class: "quiet" });
  const responses = doses.responses.filter((name) => curves[name]);
  const pick = chooser("Response", responses.map((value) => ({ value, text: value })), show);
  function show(response) {
    const [bottom, top, ec50, slope, dose, low, high, counts, message] = curves[response];
    const own = new Set(doses.plate.filter((_, i) => decode(doses.compound, i) === compound));
    const rows = doses.well.map((well, i) => ({ plate: doses.plate[i], well, dose: doses.dose[i], value: halfAt(doses.bytes, doses.responses.indexOf(response) * doses.well.length + i), compound: decode(doses.compound, i) }))
      .filter((row) => row.value !== null && (row.compound === compound || (row.dose === 0 && own.has(row.plate))));
    const given = rows.filter((row) => row.dose > 0).map((row) => row.dose), least = Math.min(...given), most = Math.max(...given);
    for (const row of rows) {
      row.kind = row.dose === 0 ? "Solvent" : mine.has(`${row.plate} ${row.well}`) ? "This perturbation" : "Other doses";
      row.label = `${plateLabel(getBlock(row.plate))} ${row.well}`;
      row.x = row.dose || least / 3;
    }
    const share = (x) => 1 / (1 + (ec50 / x) ** slope); // Hill's curve, as it was fitted
    const line = bottom === null ? [] : Array.from({ length: 60 }, (_, i) => least * (most / least) ** (i / 59)).map((x) => ({ x, y: bottom + (top - bottom) * share(x) }));
    const units = response === "cell count" ? "Cells (% of the solvent)" : "Distance to the solvent";
    draw(chart, doseSpec(rows, line, { dose, low, high, counts }, `Dose${doses.unit ? ` (${doses.unit})` : ""}; left: solvent`, units, Math.min(560, panel.clientWidth - 60)), (datum) => { if (datum.plate) openWell(datum.plate, datum.well); });
    note.textContent = dose === null ? `No benchmark dose${message ? `: ${message}` : ""}.` : `Benchmark dose ${asText(dose)}${unit} (${asText(low)} to ${asText(high)}): the line and its band.`;
  }
  if (responses.length) show(responses[0]);
  return h("div", {}, h("p", {}, h("strong", {}, compound), EXPERIMENT.conditions.length > 1 ? `, ${conditionLabel(condition)}` : "", departure === undefined ? ". No point of departure." : `. Point of departure: ${asText(departure)}${unit} (${sensitive}).`), h("div", { class: "controls" }, pick.field), chart, note);
}
