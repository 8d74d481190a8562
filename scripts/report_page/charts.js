// The plots as Vega-Lite specifications. A field of the data has a plain name (`x`, `value`, `t0`), and what people
// read is a title, since Vega takes a dot or a bracket in a field's name as a path.

const PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
const OTHER = "other";
const NONE = "none"; // the class of a well that has none
const TREATMENT = "treatment"; // the class of a treated well among the control types
const GRAYS = { __proto__: null, [OTHER]: "#8b939d", [TREATMENT]: "#a9b1bb", [NONE]: "#c3c9d1" };
const NO_VALUE = "#e3e6ea";
const FONT = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';
const CONFIG = {
  font: FONT,
  background: "#ffffff",
  view: { stroke: null },
  axis: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal", grid: false, domainColor: "#9aa2ad", tickColor: "#9aa2ad" },
  legend: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal", labelLimit: 220, titleLimit: 300 },
  header: { labelFontSize: 11, titleFontSize: 12 },
};

// The range of a color scale: the median and four robust standard deviations on both sides, within the data, so that
// one outlier does not use up the colors; around 0 for values that have a sign.
function colorRange(values, signed) {
  const known = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (!known.length) return [0, 1];
  const at = (list, share) => list[Math.min(list.length - 1, Math.floor(share * list.length))];
  if (signed) {
    const size = known.map(Math.abs).sort((a, b) => a - b);
    const end = Math.max(3, at(size, 0.98));
    return [-end, end];
  }
  const middle = at(known, 0.5);
  const spread = 4 * 1.4826 * at(known.map((value) => Math.abs(value - middle)).sort((a, b) => a - b), 0.5);
  const [least, most] = [known[0], known[known.length - 1]];
  const [low, high] = spread ? [Math.max(least, middle - spread), Math.min(most, middle + spread)] : [least, most];
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

// At most seven classes have a color; the most common ones, if there are more.
function commonClasses(values, most = PALETTE.length) {
  const count = new Map();
  for (const value of values) if (value !== null && !(value in GRAYS)) count.set(value, (count.get(value) || 0) + 1);
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  const names = [...count.keys()].sort((a, b) => count.get(b) - count.get(a) || compare(a, b));
  return names.length <= most ? names.sort(compare) : names.slice(0, most);
}

// The values of classes as they are drawn: the common ones, "other" for the rest, and "none" for a missing one.
function nameClasses(values) {
  const classes = new Set(commonClasses(values));
  return values.map((value) => (value === null ? NONE : classes.has(value) || value in GRAYS ? value : OTHER));
}

function colorOf(measure, all, legend = {}) {
  const missing = { test: "!isValid(datum.value)", value: NO_VALUE };
  if (measure.kind === "number") {
    const scale = { domain: colorRange(all, measure.signed), clamp: true, scheme: measure.signed ? "blueorange" : "viridis" };
    return { condition: missing, field: "value", type: "quantitative", scale, legend: { title: null, gradientLength: 160, ...legend } };
  }
  const classes = commonClasses(all);
  const others = Object.keys(GRAYS).filter((value) => all.includes(value));
  const scale = { domain: [...classes, ...others], range: [...PALETTE.slice(0, classes.length), ...others.map((value) => GRAYS[value])] };
  return { condition: missing, field: "value", type: "nominal", scale, legend: { title: null, symbolLimit: 12, ...legend } };
}

const tooltipOf = (titles) => titles.map((title, number) => ({ field: `t${number}`, type: "nominal", title }));

// A plate in its shape. `rows`: one object per well with row, column, value, flagged, faded and t0, t1, ...
function plateSpec(rows, size, measure, all, titles, width, narrow) {
  const below = measure.kind === "number" ? { direction: "horizontal", gradientLength: Math.min(240, width - 60) } : { columns: 2 };
  const legend = narrow ? { orient: "bottom", ...below } : {};
  const step = Math.max(7, Math.min(34, Math.floor((width - 40) / size[1])));
  const letters = Array.from({ length: size[0] }, (_, i) => rowName(i + 1));
  const numbers = Array.from({ length: size[1] }, (_, i) => i + 1);
  const every = (count, most) => Math.ceil((count * 13) / Math.max(count * step, 1) / most);
  const some = (list, skip) => list.filter((_, i) => i % skip === 0);
  const axis = { title: null, labelAngle: 0, ticks: false, domain: false, labelFontSize: Math.min(11, Math.max(8, step - 2)), labelPadding: 3 };
  return {
    width: { step }, height: { step }, autosize: { type: "pad" }, config: CONFIG,
    data: { values: rows },
    params: [{ name: "chosen", value: "" }],
    encoding: {
      x: { field: "column", type: "ordinal", scale: { domain: numbers, padding: 0.06 }, axis: { ...axis, orient: "top", values: some(numbers, Math.max(1, every(size[1], 0.9))) } },
      y: { field: "row", type: "ordinal", scale: { domain: letters, padding: 0.06 }, axis: { ...axis, values: some(letters, Math.max(1, every(size[0], 1))) } },
    },
    layer: [
      {
        mark: { type: "rect", cursor: "pointer", invalid: null },
        encoding: { color: colorOf(measure, all, legend), opacity: { condition: { test: "datum.faded", value: 0.15 }, value: 1 }, tooltip: tooltipOf(titles) },
      },
      {
        transform: [{ filter: "datum.flagged" }],
        mark: { type: "point", filled: true, fill: "#fff", stroke: "#000", strokeWidth: 1, size: Math.max(6, step * 1.6), opacity: 1, tooltip: null, cursor: "pointer" },
      },
      {
        mark: { type: "rect", fill: null, stroke: "#000", strokeWidth: 3, cursor: "pointer" },
        encoding: { opacity: { condition: { test: "datum.well === chosen", value: 1 }, value: 0 }, tooltip: tooltipOf(titles) },
      },
    ],
  };
}

// Wells on two axes. `rows`: x, y, value, faded, t0, ...
function mapSpec(rows, axes, measure, titles, width) {
  const all = rows.map((row) => row.value);
  const color = colorOf(measure, all, { orient: "bottom", columns: width < 420 ? 2 : 3 });
  const searched = rows.some((row) => row.faded);
  const size = Math.max(24, Math.min(90, 60000 / rows.length));
  const encoding = {
    x: { field: "x", type: "quantitative", title: axes[0], scale: { zero: false, nice: false, padding: 12 } },
    y: { field: "y", type: "quantitative", title: axes[1], scale: { zero: false, nice: false, padding: 12 } },
    color, tooltip: tooltipOf(titles),
    opacity: { condition: { test: "datum.faded", value: 0.12 }, value: 0.85 },
    size: searched ? { condition: { test: "datum.faded", value: size }, value: 2.2 * size } : { value: size },
  };
  if (measure.kind !== "number") {
    const shapes = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right"];
    encoding.shape = { field: "value", type: "nominal", legend: null, scale: { domain: color.scale.domain, range: color.scale.domain.map((_, i) => shapes[i % 7]) } };
    encoding.shape.legend = color.legend;
  }
  return {
    width, height: Math.round(Math.min(520, Math.max(300, width * 0.7))), autosize: { type: "fit", contains: "padding" }, config: CONFIG,
    data: { values: rows },
    params: [{ name: "zoom", select: "interval", bind: "scales" }],
    mark: { type: "point", filled: true, cursor: "pointer", invalid: null },
    encoding,
  };
}

// The null as a histogram, and below it every perturbation by rank against its own threshold.
function nullSpec(bars, points, titles, width) {
  const marks = ["Replicating", "Not replicating"];
  const tickCount = width < 320 ? 4 : 6;
  const named = ["Median correlation of a perturbation's", "replicates (Pearson's r)"];
  const x = { field: "x", type: "quantitative", title: width < 400 ? named : named.join(" "), axis: { tickCount } };
  const parts = [];
  if (bars.length) {
    parts.push({
      width, height: 110, data: { values: bars }, mark: { type: "rect", color: "#b9c0c9" },
      encoding: {
        x: { field: "from", type: "quantitative", title: null, axis: { tickCount } }, x2: { field: "to" },
        y: { field: "share", type: "quantitative", title: "Null (% of sets)" }, y2: { datum: 0 },
        tooltip: [{ field: "from", title: "From", format: ".3f" }, { field: "to", title: "To", format: ".3f" }, { field: "share", title: "% of sets", format: ".2f" }],
      },
    });
  }
  parts.push({
    width, height: Math.max(120, Math.min(360, points.length * 6)), data: { values: points },
    layer: [
      { mark: { type: "tick", color: "#444", thickness: 2, height: 8, orient: "vertical" }, encoding: { x: { field: "threshold", type: "quantitative" }, y: { field: "rank", type: "quantitative" } } },
      {
        mark: { type: "point", filled: true, cursor: "pointer", size: 55, opacity: 0.9 },
        encoding: {
          x, tooltip: tooltipOf(titles),
          y: { field: "rank", type: "quantitative", title: "Rank", scale: { reverse: true, zero: false }, axis: { tickMinStep: 1 } },
          color: { field: "kind", type: "nominal", title: null, legend: { orient: "bottom" }, scale: { domain: marks, range: ["#0072B2", "#D55E00"] } },
          shape: { field: "kind", type: "nominal", title: null, scale: { domain: marks, range: ["circle", "diamond"] } },
          opacity: { condition: { test: "datum.faded", value: 0.15 }, value: 0.9 },
        },
      },
    ],
  });
  return { vconcat: parts, spacing: 10, resolve: { scale: { x: "shared" } }, autosize: { type: "pad" }, config: CONFIG };
}

// The groups of features that changed: compartments and channels from left to right, families from top to bottom.
function changesSpec(rows, families, channels, compartments, limit) {
  return {
    data: { values: rows }, autosize: { type: "pad" }, config: CONFIG, spacing: 6,
    facet: { column: { field: "compartment", type: "nominal", sort: compartments, title: null } },
    resolve: { scale: { x: "independent" } },
    spec: {
      width: { step: 26 }, height: { step: 20 }, mark: { type: "rect", invalid: null },
      encoding: {
        x: { field: "channel", type: "nominal", sort: channels, title: null, axis: { labelAngle: -90, ticks: false, domain: false } },
        y: { field: "family", type: "nominal", sort: families, title: null, axis: { ticks: false, domain: false } },
        color: { field: "value", type: "quantitative", title: "median |z|", scale: { domain: [0, limit], clamp: true, scheme: "cividis" } },
        tooltip: [{ field: "compartment", title: "Compartment" }, { field: "family", title: "Family" }, { field: "channel", title: "Channel" }, { field: "value", title: "Median |z|", format: ".3g" }, { field: "features", title: "Features" }],
      },
    },
  };
}

// A benchmark's scores: bars with one interval and a cross for the published value; the other numbers are for hovering.
function scoreSpec(rows, titles, axis, chance, percent, width) {
  const sets = [...new Set(rows.map((row) => row.set))], labels = [...new Set(rows.map((row) => row.label))];
  const narrow = width < 480;
  // A comparison whose label is too long for one line has a line per condition.
  const split = 7.5 * Math.max(...labels.map((label) => label.length)) > 0.42 * width;
  const y = { field: "label", type: "nominal", sort: labels, title: null, axis: { labelLimit: Math.round(width * 0.42), labelFontSize: narrow ? 11 : 13, ticks: false, domain: false, ...(split ? { labelExpr: "split(datum.label, /(?<= ×) /)" } : {}) }, scale: { paddingInner: 0.3 } };
  const yOffset = { field: "set", sort: sets };
  const x = { field: "x", type: "quantitative", title: narrow ? axis.split("; ") : axis, scale: percent ? { domain: [0, 100] } : {}, axis: { grid: true, gridColor: "#e3e6ea", tickCount: narrow ? 3 : 6, labelFontSize: narrow ? 11 : 13, titleFontSize: narrow ? 11 : 13, ...(narrow ? { titleAnchor: "end" } : {}) } };
  const color = { field: "set", type: "nominal", sort: sets, title: null, scale: { domain: sets, range: sets.map((_, i) => PALETTE[i % 7]) }, legend: sets.length > 1 ? { orient: "bottom", columns: 1, labelLimit: 500 } : null };
  const layer = [
    { mark: { type: "bar", opacity: 0.5 }, encoding: { x, y, yOffset, color, tooltip: tooltipOf(titles) } },
    { mark: { type: "rule", strokeWidth: 1.5, color: "#222" }, encoding: { x: { ...x, field: "low" }, x2: { field: "high" }, y, yOffset: { ...yOffset, bandPosition: 0.5 }, tooltip: tooltipOf(titles) } },
  ];
  if (rows.some((row) => row.published !== undefined)) layer.push({ mark: { type: "point", shape: "cross", angle: 45, filled: true, color: "#000", size: 70 }, encoding: { x: { ...x, field: "published" }, y, yOffset: { ...yOffset, bandPosition: 0.5 }, tooltip: tooltipOf(titles) } });
  if (chance !== null) layer.push({ data: { values: [{ x: chance, text: `Chance: ${chance} %` }] }, mark: { type: "rule", strokeDash: [4, 3], color: "#555" }, encoding: { x: { field: "x", type: "quantitative" }, tooltip: { field: "text", title: "Expected" } } });
  layer.push({ mark: { type: "text", align: "left", dx: 6, fontSize: 13, baseline: "middle" }, encoding: { x: { value: "width" }, y, yOffset: { ...yOffset, bandPosition: 0.5 }, text: { field: "x", format: percent ? ".1f" : ".3f" } } });
  const lines = split ? labels.flatMap((label) => label.split(/(?<= ×) /)) : labels;
  const longest = Math.min(0.42 * width, (narrow ? 6.3 : 7.5) * Math.max(...lines.map((line) => line.length)));
  return { width: Math.max(140, width - longest - 80), height: { step: sets.length > 1 ? 20 : 34 }, autosize: { type: "pad" }, config: CONFIG, data: { values: rows }, layer };
}

// The wells of a compound by dose, its curve, and its benchmark dose with the interval. `rows`: x, value, kind, ...
function doseSpec(rows, line, benchmark, title, measure, width) {
  const kinds = ["Solvent", "Other doses", "This perturbation"].filter((kind) => rows.some((row) => row.kind === kind));
  const style = { Solvent: ["#8b939d", "square"], "Other doses": ["#56B4E9", "circle"], "This perturbation": ["#D55E00", "diamond"] };
  const x = { field: "x", type: "quantitative", title, scale: { type: "log", nice: false, padding: 12 }, axis: { tickCount: 6 } };
  const y = { field: "value", type: "quantitative", title: measure, scale: { zero: false } };
  const scale = (at) => ({ domain: kinds, range: kinds.map((kind) => style[kind][at]) });
  const layer = [];
  const within = (value) => Math.min(Math.max(value, Math.min(...rows.map((row) => row.x))), 3 * Math.max(...rows.map((row) => row.x)));
  if (benchmark.dose !== null) {
    if (benchmark.low !== null && benchmark.high !== null) layer.push({ data: { values: [{ x: within(benchmark.low), x2: within(benchmark.high) }] }, mark: { type: "rect", color: "#000", opacity: 0.1, tooltip: null }, encoding: { x, x2: { field: "x2" } } });
    layer.push({ data: { values: [{ x: benchmark.dose }] }, mark: { type: "rule", color: "#000" }, encoding: { x } });
  }
  if (line.length) layer.push({ data: { values: line }, mark: { type: "line", color: "#0072B2", strokeDash: benchmark.counts ? [1, 0] : [3, 3] }, encoding: { x, y: { ...y, field: "y" } } });
  layer.push({
    data: { values: rows }, mark: { type: "point", filled: true, size: 60, opacity: 0.9, cursor: "pointer" },
    encoding: {
      x, y,
      color: { field: "kind", type: "nominal", title: null, scale: scale(0), legend: { orient: "bottom" } },
      shape: { field: "kind", type: "nominal", title: null, scale: scale(1) },
      tooltip: [{ field: "label", title: "Well" }, { field: "dose", title: "Dose" }, { field: "value", title: measure, format: ".3g" }],
    },
  });
  return { width, height: 260, autosize: { type: "fit", contains: "padding" }, config: CONFIG, layer };
}

// Draw a specification; Vega's expressions are interpreted, since the content policy forbids to compile them.
async function draw(place, spec, onClick) {
  if (place.view) place.view.finalize();
  const actions = { export: true, source: false, compiled: false, editor: false };
  const result = await vegaEmbed(place, { $schema: "https://vega.github.io/schema/vega-lite/v6.json", ...spec }, { ast: true, actions, renderer: "canvas", downloadFileName: place.dataset.name || "figure" });
  place.view = result.view;
  if (onClick) result.view.addEventListener("click", (_, item) => { if (item && item.datum) onClick(item.datum); });
  return result.view;
}

function rowName(number) {
  return number <= 26 ? String.fromCharCode(64 + number) : "A" + String.fromCharCode(64 + number - 26);
}
