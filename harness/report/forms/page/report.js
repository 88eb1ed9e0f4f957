"use strict";

// Tables: a button in every column's head sorts by it, numbers by size, words by the alphabet, missing ones last.
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  if (body.rows.length < 2) return;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sorted = head.getAttribute("aria-sort");
      const rows = [...body.rows].map((row) => [row, keyOf(row.cells[column])]);
      const words = rows.some(([, key]) => typeof key === "string");
      const descending = sorted ? sorted === "ascending" : !words; // the largest number first, words from A to Z
      rows.sort(([, a], [, b]) => compare(a, b, descending ? -1 : 1));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      body.append(...rows.map(([row]) => row));
      table.classList.add("sorted");
    });
  });
}

// The number that a cell starts with, or its words; null if nothing is known there.
function keyOf(cell) {
  const text = (cell.dataset.value ?? cell.textContent).trim();
  const number = /^(?:below )?([+-]?[\d,]*\.?\d+)(?![\w-])/.exec(text);
  if (number && cell.tagName === "TD") return Number(number[1].replaceAll(",", ""));
  return /\w/.test(text) ? text : null;
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return typeof a === "string" ? 1 : -1;
  return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
}

document.querySelectorAll("table").forEach(sortable);

// A link to a list of runs opens it.
function reveal() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
}
addEventListener("hashchange", reveal);
reveal();

// Plots.
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "triangle-left",
  "triangle-right", "star", "hexagon"];
const SIGNS = ["●", "■", "▲", "◆", "▼", "✚", "✖", "◀", "▶", "★", "⬢"];
const COLOURS = 9;
const CONFIG = {displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"]};

const property = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colourOf = (look) => property(`--m${look % COLOURS}`);

// 1, 2 and 5 of every power of ten between two numbers.
function decades(low, high) {
  const values = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    values.push(...[1, 2, 5].map((first) => first * 10 ** power));
  }
  const short = new Intl.NumberFormat("en", {notation: "compact"});
  return {type: "log", tickvals: values, ticktext: values.map((value) => short.format(value))};
}

function layout(place, x, y, more) {
  const axis = {gridcolor: property("--rule"), linecolor: property("--rule"), zeroline: false, automargin: true};
  return {
    font: {family: getComputedStyle(document.body).fontFamily, size: 12, color: property("--ink")},
    paper_bgcolor: "transparent", plot_bgcolor: "transparent", showlegend: false, hovermode: "closest",
    modebar: {color: property("--soft"), activecolor: property("--link"), bgcolor: "transparent"},
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", // a finger scrolls the page
    hoverlabel: {bgcolor: property("--wash"), bordercolor: property("--rule"), font: {color: property("--ink")}},
    width: place.clientWidth, height: place.clientHeight, margin: {l: 48, r: 12, t: 12, b: 44},
    xaxis: {...axis, title: {text: x, standoff: 8}, ...more}, yaxis: {...axis, title: {text: y, standoff: 8}},
  };
}

// Three lines a method: the edges of the band, and the median on top of it.
function lines(data, shown) {
  return data.curves.filter((curve) => shown.has(curve.method)).flatMap((curve) => {
    const {name, look} = data.methods[curve.method];
    const colour = colourOf(look);
    const line = {x: curve.x, mode: "lines", hoverinfo: "skip"};
    const edge = {...line, line: {width: 0, shape: "hv"}};
    const filled = {...edge, y: curve.high, fill: "tonexty", fillcolor: `${colour}2e`};
    const band = curve.low ? [{...edge, y: curve.low}, filled] : [];
    const label = `${name} (${curve.count})${curve.shared ? ", shared weights" : ""}`;
    return [...band, {
      ...line, y: curve.middle, mode: "lines+markers", hoverinfo: undefined,
      hovertemplate: `%{y:.2f} % at %{x}<extra>${escaped(label)}</extra>`,
      line: {color: colour, width: 2, shape: "hv", dash: curve.shared ? "dash" : "solid"},
      marker: {color: colour, symbol: SYMBOLS[look % SYMBOLS.length], size: 7, maxdisplayed: 8},
    }];
  });
}

function marks(data, shown, cost) {
  return data.points.filter((points) => shown.has(points.method)).map((points) => {
    const {name, look} = data.methods[points.method];
    const many = points.accuracy.length > 30;
    return {
      x: points.cost[cost], y: points.accuracy, customdata: points.link, text: points.seed, mode: "markers",
      marker: {
        color: colourOf(look), symbol: SYMBOLS[look % SYMBOLS.length], size: many ? 6 : 10, opacity: many ? 0.6 : 1,
        line: {width: many ? 0 : 1, color: property("--bg")},
      },
      hovertemplate: `%{y:.2f} at %{x:,}<br>seed %{text}<extra>${escaped(name)}</extra>`,
    };
  });
}

// Plotly reads a few tags in texts.
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function charts(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const [left, right] = [figure.querySelector(".curves"), figure.querySelector(".cloud")];
  const select = figure.querySelector(".cost select");
  const spaces = figure.querySelector(".space select");
  const drawn = new Set([...data.curves, ...data.points].map((part) => part.method));
  const buttons = new Map();
  const shown = new Set();
  // The zero lines of several spaces look the same, so one space at a time is drawn.
  const choose = () => {
    shown.clear();
    for (const [method, button] of buttons) {
      const inside = !spaces || !spaces.value || data.methods[method].space === spaces.value;
      button.hidden = !inside;
      button.setAttribute("aria-pressed", "true");
      if (inside) shown.add(method);
    }
  };
  const draw = () => {
    if (data.curves.length) {
      const over = layout(left, data.unit, `${data.told} (%)`, {rangemode: "tozero"});
      Plotly.react(left, lines(data, shown), over, CONFIG);
    }
    if (select.value) {
      const title = select.selectedOptions[0].textContent;
      const inside = data.points.filter((points) => shown.has(points.method));
      const costs = inside.flatMap((points) => points.cost[select.value]).filter((cost) => cost !== null);
      const [low, high] = [Math.min(...costs), Math.max(...costs)];
      const scale = low > 0 && high > 5 * low ? decades(low, high) : {type: "linear"};
      Plotly.react(right, marks(data, shown, select.value), layout(right, title, data.measure, scale), CONFIG);
    }
  };
  data.methods.forEach(({name, look}, method) => {
    if (!drawn.has(method)) return;
    const button = document.createElement("button");
    const sign = document.createElement("span");
    sign.style.color = `var(--m${look % COLOURS})`;
    sign.textContent = SIGNS[look % SIGNS.length];
    button.type = "button";
    button.append(sign, name);
    buttons.set(method, button);
    button.addEventListener("click", () => {
      if (!shown.delete(method)) shown.add(method);
      button.setAttribute("aria-pressed", String(shown.has(method)));
      draw();
    });
    figure.querySelector(".legend").append(button);
  });
  for (const [place, empty] of [[left, !data.curves.length], [right, !select.value]]) {
    if (empty) place.textContent = "Nothing to draw: no run has the numbers.";
  }
  select.parentElement.hidden = select.options.length < 2;
  select.addEventListener("change", draw);
  if (spaces) {
    spaces.addEventListener("change", () => {
      choose();
      draw();
    });
  }
  choose();
  draw();
  if (right.on) right.on("plotly_click", (event) => open(event.points[0].customdata));
  return draw;
}

// Colours and sizes are those of the style sheet at the moment: on another screen, or on paper, they are others.
const redraws = [...document.querySelectorAll(".charts")].map(charts);
const redraw = () => redraws.forEach((draw) => draw());
for (const medium of ["(prefers-color-scheme: dark)", "print"]) matchMedia(medium).addEventListener("change", redraw);
let waiting;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(redraw, 100);
});
