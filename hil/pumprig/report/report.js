"use strict";
(() => {
  const data = JSON.parse(document.getElementById("run-data").textContent);
  const chart = document.getElementById("chart");
  // A run that never began has nothing to draw.
  if (!chart) return;
  const readout = document.getElementById("readout");
  const HOUR_MS = 3600e3, LEFT = 74, RIGHT = 14, NEAR_MS = 48 * HOUR_MS, LABELS_MOST = 24;
  const atMs = (s) => data.wall_ms + (s - data.start_s) * 1000;
  const toS = (ms) => (ms - data.wall_ms) / 1000 + data.start_s;
  const run = [atMs(data.first_s), atMs(Math.max(data.end_s, data.start_s + 60))];
  // A little air on both sides, so that what happens in the first and last second is seen whole.
  const air = (run[1] - run[0]) * 0.006;
  const whole = [run[0] - air, run[1] + air];
  const glucoseTop = Math.max(260, ...data.glucose.v.map((v) => v || 0), ...data.plasma.v) + 15;
  const amountTop = 1.18 * Math.max(1, ...data.iob.v, ...data.boluses.map((b) => Number(b.programmed) || 0));
  const rateTop = 1.25 * Math.max(0.5, ...data.rate.v, ...data.profile.v);
  const LANES = ["meal", "carbs", "therapy", "command", "annunciation", "fault", "violation"].filter((lane) => data.marks[lane]);
  const SYMBOLS = { violation: "x", fault: "diamond", annunciation: "triangle-up", command: "circle", therapy: "square", meal: "star-square", carbs: "pentagon" };

  // Pulses that no rule gives stand in a row of their own.
  const PULSES = ["basal", "bolus", "prime", "unexpected"].filter((source, row) => row < 2 || (data.pulses[source] || []).length);

  // Panels from top to bottom: height in px and the space for the title above each.
  const panels = [["y", 270, "Glucose, mg/dL"], ["y2", 22 * LANES.length, "Events"], ["y3", 116, "Basal rate, U/h"],
    ["y4", 20 * PULSES.length, "Motor pulses"], ["y5", 130, "Insulin on board and boluses, U"]].filter((panel) => panel[1]);
  const GAP = 34, BOTTOM = 42;
  const height = panels.reduce((sum, panel) => sum + panel[1] + GAP, 0) + BOTTOM;

  function colours() {
    const style = getComputedStyle(document.documentElement);
    return (name) => style.getPropertyValue("--" + name).trim();
  }

  // Separate strokes in one path: a null between two ends them.
  const strokes = (seconds, from, to) => ({
    x: seconds.flatMap((s) => [atMs(s), atMs(s), null]), y: seconds.flatMap(() => [from, to, null]),
  });
  const boxes = (spans, top) => ({
    x: spans.flatMap(([a, b]) => [atMs(a), atMs(a), atMs(b), atMs(b), null]), y: spans.flatMap(() => [0, top, top, 0, null]),
  });

  const rateEnd = (i) => (i + 1 < data.rate.s.length ? data.rate.s[i + 1] : data.end_s);
  const chosenRates = (use) => data.rate.s.map((s, i) => i).filter(use);

  // A line over the stretches that `use` chooses, joined where they touch.
  function steps(use) {
    const x = [], y = [];
    let before = -2;
    for (const i of chosenRates(use)) {
      if (before !== i - 1) { x.push(null); y.push(null); }
      x.push(atMs(data.rate.s[i]), atMs(rateEnd(i)));
      y.push(data.rate.v[i], data.rate.v[i]);
      before = i;
    }
    return { x, y };
  }

  // The areas below them: what a rate encloses is insulin.
  function areas(use) {
    const chosen = chosenRates(use);
    return {
      x: chosen.flatMap((i) => [atMs(data.rate.s[i]), atMs(data.rate.s[i]), atMs(rateEnd(i)), atMs(rateEnd(i)), null]),
      y: chosen.flatMap((i) => [0, data.rate.v[i], data.rate.v[i], 0, null]),
    };
  }

  function glucoseTraces(c) {
    const g = data.glucose, x = g.s.map(atMs);
    return [
      { name: "suspension", ...boxes(data.suspensions, glucoseTop), mode: "none", fill: "toself", fillcolor: c("suspension"), hoverinfo: "skip" },
      { name: "gap", ...boxes(data.gaps, glucoseTop), mode: "none", fill: "toself", hoverinfo: "skip", fillcolor: c("tint"),
        fillpattern: { shape: "/", size: 7, solidity: 0.12, fgcolor: c("gap"), bgcolor: "rgba(0,0,0,0)" } },
      { name: "plasma", x: data.plasma.s.map(atMs), y: data.plasma.v, mode: "lines", hoverinfo: "none", line: { color: c("plasma"), width: 1.5 } },
      { name: "glucose", x, y: g.v, mode: "lines", connectgaps: false, hoverinfo: "none", line: { color: c("glucose"), width: 2 } },
      { name: "dots", x: [], y: [], mode: "markers", hoverinfo: "skip", marker: { size: 5, color: c("glucose") } },
      { name: "low", x: [], y: [], mode: "markers", hoverinfo: "skip", marker: { symbol: "triangle-down", size: 7, color: c("low") } },
      { name: "high", x: [], y: [], mode: "markers", hoverinfo: "skip", marker: { symbol: "triangle-up", size: 7, color: c("high") } },
    ];
  }

  function nearestGlucose(s) {
    const i = last(data.glucose.s, s);
    return i < 0 || data.glucose.v[i] === null ? 125 : data.glucose.v[i];
  }

  function markTraces(c) {
    const traces = LANES.map((lane, row) => {
      const marks = data.marks[lane];
      return { name: "lane " + lane, x: marks.s.map(atMs), y: marks.s.map(() => row), yaxis: "y2", mode: "markers",
        text: marks.title.map((title, i) => label(title, marks.text[i])), hovertemplate: "%{text}<extra></extra>",
        marker: { symbol: SYMBOLS[lane], size: lane === "violation" ? 11 : 9, color: c(lane) } };
    });
    const found = data.marks.violation;
    if (found) {
      // The first of each check is what to look at; what follows from it stays small.
      const firsts = found.first.map((s) => s === 1), all = found.s.map((_, i) => i);
      const sized = (yes, no) => all.map((i) => (firsts[i] ? yes : no));
      traces.push({ name: "violation line", ...strokes(found.s.filter((_, i) => firsts[i]), 0, glucoseTop), mode: "lines", hoverinfo: "skip",
        line: { color: c("violation"), width: 1, dash: "dot" } });
      traces.push({ name: "violation", x: found.s.map(atMs), y: found.s.map(nearestGlucose), mode: "markers",
        text: found.title.map((title, i) => label(title, found.text[i])), hovertemplate: "%{text}<extra></extra>",
        marker: { symbol: "x", size: sized(13, 6), color: c("violation"), line: { color: c("card"), width: sized(1.5, 0) } } });
    }
    return traces;
  }

  // Plotly reads some markup in hover texts: what comes from the record is made plain, and broken into lines.
  function label(title, text) {
    const safe = (t) => String(t).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    const lines = safe(text).replace(/(.{60}\S*)\s+/g, "$1<br>");
    return "<b>" + safe(title) + "</b>" + (lines ? "<br>" + lines : "");
  }

  function insulinTraces(c) {
    const rate = data.rate;
    const amount = (b) => Number(b.delivered === undefined ? b.programmed : b.delivered) || 0;
    return [
      { name: "suspension", ...boxes(data.suspensions, rateTop), yaxis: "y3", mode: "none", fill: "toself",
        fillcolor: c("suspension"), hoverinfo: "skip" },
      { name: "rate fill", ...areas((i) => !rate.tbr[i]), yaxis: "y3", mode: "none", fill: "toself", fillcolor: c("rate-fill"), hoverinfo: "skip" },
      { name: "tbr fill", ...areas((i) => rate.tbr[i]), yaxis: "y3", mode: "none", fill: "toself", fillcolor: c("tbr-fill"), hoverinfo: "skip" },
      { name: "profile", x: [...data.profile.s, data.end_s].map(atMs), y: [...data.profile.v, data.profile.v.at(-1)], yaxis: "y3", mode: "lines",
        line: { color: c("rate"), width: 1, dash: "dot", shape: "hv" }, hoverinfo: "none" },
      { name: "rate", ...steps((i) => !rate.tbr[i]), yaxis: "y3", mode: "lines", line: { color: c("rate"), width: 1.5 }, hoverinfo: "none" },
      { name: "tbr", ...steps((i) => rate.tbr[i]), yaxis: "y3", mode: "lines", line: { color: c("tbr"), width: 2.5 }, hoverinfo: "none" },
      ...PULSES.map((source) => ({ name: source + " pulses", x: [], y: [], yaxis: "y4", mode: "lines", hoverinfo: "skip",
        line: { color: c({ basal: "rate", bolus: "bolus", prime: "soft", unexpected: "violation" }[source]), width: 1 } })),
      { name: "iob", x: data.iob.s.map(atMs), y: data.iob.v, yaxis: "y5", mode: "lines", fill: "tozeroy", fillcolor: c("iob-fill"),
        line: { color: c("iob"), width: 1.5 }, hoverinfo: "none" },
      { name: "bolus stems", yaxis: "y5", mode: "lines", line: { color: c("bolus"), width: 2 }, hoverinfo: "skip",
        x: data.boluses.flatMap((b) => [atMs(b.s), atMs(b.s), null]), y: data.boluses.flatMap((b) => [0, amount(b), null]) },
      { name: "bolus", x: data.boluses.map((b) => atMs(b.s)), y: data.boluses.map(amount), yaxis: "y5", mode: "markers",
        text: data.boluses.map((b) => (amount(b) < b.programmed ? amount(b) + " of " + b.programmed : amount(b)) + " "),
        textposition: "middle left", textfont: { size: 12, color: c("ink") }, cliponaxis: false,
        customdata: data.boluses.map((b) => [b.id, b.programmed, b.delivered === undefined ? "not ended" : b.delivered + " U delivered", b.automatic ? "Automatic bolus" : "Bolus"]),
        hovertemplate: "<b>%{customdata[3]} %{customdata[0]}</b><br>%{customdata[1]} U programmed, %{customdata[2]}<extra></extra>",
        marker: { symbol: data.boluses.map((b) => (b.automatic ? "diamond" : "circle")), size: 7,
          color: data.boluses.map((b) => c(b.automatic ? "automatic" : "bolus")) } },
    ];
  }

  function layout(c, range) {
    const axis = (extra) => ({ fixedrange: true, zeroline: false, gridcolor: c("grid"), tickfont: { size: 11 }, ...extra });
    const inner = height - BOTTOM, annotations = [], domains = {};
    let top = 0;
    for (const [name, size, title] of panels) {
      top += GAP;
      domains[name] = [Math.max(0, 1 - (top + size) / inner), 1 - top / inner];
      annotations.push({ text: "<b>" + title + "</b>", xref: "paper", x: 0, yref: "paper", y: domains[name][1], yshift: 3, xanchor: "left",
        yanchor: "bottom", showarrow: false, font: { size: 12, color: c("soft") } });
      top += size;
    }
    return {
      height, margin: { l: LEFT, r: RIGHT, t: 0, b: BOTTOM, autoexpand: false }, showlegend: false, hovermode: "closest", dragmode: "zoom",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", annotations,
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: c("soft") },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: c("soft"), activecolor: c("ink") },
      hoverlabel: { bgcolor: c("card"), bordercolor: c("line"), font: { color: c("ink"), size: 12 }, align: "left" },
      xaxis: { type: "date", range, anchor: "free", position: 0, gridcolor: c("grid"), linecolor: c("line"), tickfont: { size: 11 },
        minallowed: whole[0] - HOUR_MS, maxallowed: whole[1] + HOUR_MS, nticks: Math.max(4, Math.floor(chart.clientWidth / 110)) },
      yaxis: axis({ domain: domains.y, range: [30, glucoseTop], tickvals: [54, 70, 100, 140, 180, 250, 300, 350, 400] }),
      yaxis2: axis({ domain: domains.y2 || [0, 0.001], range: [-0.5, LANES.length - 0.5], tickvals: LANES.map((_, i) => i),
        ticktext: LANES }),
      yaxis3: axis({ domain: domains.y3, range: [0, rateTop], nticks: 4 }),
      yaxis4: axis({ domain: domains.y4, range: [0, PULSES.length], tickvals: PULSES.map((_, row) => row + 0.5), ticktext: PULSES, showgrid: false }),
      yaxis5: axis({ domain: domains.y5, range: [0, amountTop], nticks: 5 }),
      shapes: [
        { type: "rect", xref: "paper", x0: 0, x1: 1, y0: 70, y1: 180, layer: "below", line: { width: 0 }, fillcolor: c("band") },
        ...[70, 180].map((v) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: v, y1: v, layer: "below",
          line: { width: 1, dash: "dot", color: c("in-range") } })),
      ],
    };
  }

  // Plotly gives the range back as milliseconds or as a local time without a zone, which is meant as UTC here.
  const toMs = (value) => (typeof value === "number" ? value : Date.parse(value.replace(" ", "T") + (value.length > 10 ? "Z" : "T00:00Z")));
  const rangeNow = () => (chart.layout ? chart.layout.xaxis.range.map(toMs) : whole);
  const CONFIG = { displaylogo: false, responsive: true, showTips: false, doubleClick: false,
    modeBarButtons: [["toImage"], ["zoom2d", "pan2d"]],
    toImageButtonOptions: { format: "png", scale: 2, filename: "pumprig-timeline" } };

  function draw() {
    const c = colours();
    // The order is the order of drawing within a panel.
    const traces = [...glucoseTraces(c), ...insulinTraces(c), ...markTraces(c)].map((t) => ({ type: "scatter", ...t }));
    const range = rangeNow(), parts = detail(...range);
    return Plotly.react(chart, traces.map((t) => ({ ...t, ...parts[t.name] })), layout(c, range), CONFIG);
  }

  function show(from, to) {
    const span = Math.min(to - from, whole[1] - whole[0]);
    const start = Math.min(Math.max(from, whole[0]), whole[1] - span);
    return redraw(start, start + span);
  }

  // What depends on the stretch that is shown: single readings, pulses and amounts. Drawing two weeks of them is slow and
  // says nothing, so a wide view has one stroke for each pixel that holds a pulse, and a close one only what is near.
  let held = null;

  function detail(from, to) {
    const span = to - from, near = span <= NEAR_MS, first = toS(from - span), final = toS(to + span), g = data.glucose;
    const within = (list) => list.slice(last(list, first) + 1, last(list, final) + 1);
    const pixel = span / 1000 / Math.max(chart.clientWidth - LEFT - RIGHT, 300);
    const thin = (list) => within(list).filter((s, i, all) => !i || Math.floor(s / pixel) !== Math.floor(all[i - 1] / pixel));
    const readings = (test) => {
      const x = [], y = [];
      for (let i = last(g.s, first) + 1; i <= last(g.s, final); i++) if (g.v[i] !== null && test(g.v[i])) { x.push(atMs(g.s[i])); y.push(g.v[i]); }
      return { x, y };
    };
    held = { from: from - span, to: to + span, span };
    return {
      dots: near ? readings(() => true) : { x: [], y: [] },
      low: readings((v) => v < 70),
      high: near ? readings((v) => v > 180) : { x: [], y: [] },
      ...Object.fromEntries(PULSES.map((source, row) => [source + " pulses", strokes(thin(data.pulses[source] || []), row + 0.12, row + 0.88)])),
      // Amounts that would lie over each other say nothing; hovering tells each.
      bolus: { mode: near && within(data.boluses.map((b) => b.s)).length <= 3 * LABELS_MOST ? "markers+text" : "markers" },
    };
  }

  // One call for data and range: each call draws everything once.
  function redraw(from, to) {
    const parts = detail(from, to), update = { x: [], y: [], mode: [] };
    const indices = chart.data.map((_, i) => i).filter((i) => chart.data[i].name in parts);
    indices.forEach((index) => {
      const part = parts[chart.data[index].name];
      for (const key of Object.keys(update)) update[key].push(part[key]);
    });
    return Plotly.update(chart, update, { "xaxis.range": [from, to] }, indices);
  }

  function settle() {
    const [from, to] = rangeNow(), ratio = held ? (to - from) / held.span : 0;
    if (ratio < 0.7 || ratio > 1.5 || from < held.from || to > held.to) redraw(from, to);
    for (const button of document.querySelectorAll("[data-hours]")) {
      const span = button.dataset.hours === "all" ? whole[1] - whole[0] : button.dataset.hours * HOUR_MS;
      button.setAttribute("aria-pressed", String(Math.abs(to - from - span) < 1000));
    }
  }

  function last(sorted, s) {
    let low = 0, high = sorted.length;
    while (low < high) { const middle = (low + high) >> 1; if (sorted[middle] <= s) low = middle + 1; else high = middle; }
    return low - 1;
  }

  const clock = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ");
  const cursor = Object.assign(document.createElement("div"), { className: "cursor" });

  function point(event) {
    const box = chart.getBoundingClientRect(), [from, to] = rangeNow(), width = box.width - LEFT - RIGHT;
    const share = (event.clientX - box.left - LEFT) / width;
    const inside = share >= 0 && share <= 1;
    cursor.style.display = inside ? "block" : "none";
    if (!inside) return;
    cursor.style.left = event.clientX - box.left + "px";
    const ms = from + share * (to - from), s = toS(ms), parts = [["", clock(ms)]];
    const g = data.glucose, i = last(g.s, s), r = last(data.rate.s, s), b = last(data.iob.s, s);
    if (i >= 0 && g.v[i] !== null) parts.push(["glucose", g.v[i] + " mg/dL"]);
    const p = last(data.plasma.s, s);
    if (p >= 0) parts.push(["plasma", data.plasma.v[p] + " mg/dL"]);
    if (i >= 0 && g.predicted[i] !== null) parts.push(["predicted", g.predicted[i] + ""]);
    if (r >= 0) parts.push([data.rate.tbr[r] ? "TBR" : "basal", data.rate.v[r] + " U/h"]);
    if (b >= 0) parts.push(["IOB", data.iob.v[b] + " U"]);
    if (i >= 0 && g.decision[i] >= 0) parts.push(["decision", g.words[g.decision[i]]]);
    if (i >= 0 && g.why[i]) parts.push(["because", g.why[i]]);
    readout.replaceChildren(...parts.flatMap(([name, value]) => {
      const bold = Object.assign(document.createElement("b"), { textContent: value });
      return [document.createTextNode((name ? "  ·  " + name + " " : "")), bold];
    }));
  }

  function bind() {
    chart.append(cursor);
    chart.addEventListener("pointermove", point);
    chart.addEventListener("pointerleave", () => { cursor.style.display = "none"; });
    chart.on("plotly_relayout", settle);
    chart.on("plotly_update", settle);
    chart.on("plotly_doubleclick", () => { show(...whole); });
    const move = (share) => { const [from, to] = rangeNow(), by = (to - from) * share; return show(from + by, to + by); };
    const zoom = (factor) => {
      const [from, to] = rangeNow(), middle = (from + to) / 2, half = Math.max(((to - from) * factor) / 2, 60e3);
      return show(middle - half, middle + half);
    };
    chart.addEventListener("keydown", (event) => {
      const act = { ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25), "+": () => zoom(0.5), "=": () => zoom(0.5),
        "-": () => zoom(2), 0: () => show(...whole) }[event.key];
      if (act && !event.ctrlKey && !event.metaKey) { event.preventDefault(); act(); }
    });
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-hours], [data-step], [data-at], [data-copy]");
      if (!button) return;
      const { hours, step, at, copy } = button.dataset, [from, to] = rangeNow();
      if (hours === "all") show(...whole);
      else if (hours) show((from + to) / 2 - (hours * HOUR_MS) / 2, (from + to) / 2 + (hours * HOUR_MS) / 2);
      else if (step) move(0.5 * step);
      else if (at) show(atMs(Number(at)) - HOUR_MS, atMs(Number(at)) + HOUR_MS);
      else if (copy && navigator.clipboard) {
        navigator.clipboard.writeText(document.getElementById(copy).textContent).then(() => { button.textContent = "Copied"; });
      }
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    // Paper is white and narrower than the screen.
    addEventListener("beforeprint", () => { draw(); Plotly.relayout(chart, { width: 760 }); });
    addEventListener("afterprint", () => { Plotly.relayout(chart, { width: null, autosize: true }).then(draw); });
  }

  draw().then(() => {
    bind();
    settle();
    document.documentElement.dataset.chart = "ready";
  });
})();
