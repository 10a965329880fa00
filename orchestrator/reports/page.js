// Figures of a section are drawn when it is open: a page may hold hundreds.
const FONT = getComputedStyle(document.body).fontFamily;

function draw(place) {
  const figure = FIGURES[Number(place.dataset.figure)];
  const layout = {
    ...figure.layout,
    template: LOOK,
    autosize: true,
    height: place.clientHeight,
    margin: { l: 60, r: 24, t: 30, b: 50 },
    font: { family: FONT, size: 12, color: "#1c2430" },
    legend: { orientation: "h", x: 0, y: 1.01, yanchor: "bottom" },
    modebar: { bgcolor: "rgba(255,255,255,0)", color: "#b4bfcd", activecolor: "#2563c9" },
  };
  Plotly.newPlot(place, figure.data, layout, {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  });
}

function drawIn(section) {
  section.querySelectorAll(".chart:not(.js-plotly-plot)").forEach(draw);
}

document.querySelectorAll("section, details[open]").forEach(drawIn);
document.querySelectorAll("details").forEach((section) => {
  section.addEventListener("toggle", () => section.open && drawIn(section));
});
