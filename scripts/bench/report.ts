// What is made of a run's figures: medians for the terminal, and the charts of docs/benchmarks.md.
import { type BarSeriesOption, init } from "echarts";

/** Every round's value of each peer, by what was measured. */
export type Results = Record<string, Record<string, number[]>>;
type Medians = Record<string, Record<string, number>>;

const PEERS = ["kling-lip-sync", "fetch", "openapi-fetch", "ky", "replicate", "openai"];
const PANELS = [
  { name: "Bundle, gzip (kB)", measured: "bundleBytes", unit: 1000 },
  { name: "Installed (kB)", measured: "installedBytes", unit: 1000 },
  { name: "Import (ms)", measured: "importMs", unit: 1 },
  { name: "CPU of a POST (µs)", measured: "postCpuUs", unit: 1 },
];
const THEMES = {
  light: { page: "#ffffff", text: "#1f2328", ours: "#0969da", others: "#afb8c1" },
  dark: { page: "#0d1117", text: "#f0f6fc", ours: "#4493f8", others: "#59636e" },
};

const rounded = (value: number) => Number(value.toFixed(value < 100 ? 1 : 0));

/** The median of each peer's rounds, rounded. There is an odd number of rounds. */
export function mediansOf(results: Results): Medians {
  const medians: Medians = {};
  for (const [measured, byPeer] of Object.entries(results)) {
    const peers = Object.entries(byPeer).map(([peer, values]): [string, number] => {
      const sorted = [...values].sort((a, b) => a - b);
      return [peer, rounded(sorted[(sorted.length - 1) / 2] ?? NaN)];
    });
    medians[measured] = Object.fromEntries(peers);
  }
  return medians;
}

/** The names and texts of the SVG files, one for light pages and one for dark pages. */
export function chartsOf(medians: Medians): Map<string, string> {
  const themes = Object.entries(THEMES);
  return new Map(themes.map(([name, colors]) => [`benchmarks-${name}.svg`, draw(medians, colors)]));
}

function draw(medians: Medians, { page, text, ours, others }: typeof THEMES.light): string {
  const panels = PANELS.map(({ name, measured, unit }, index) => {
    const data = PEERS.map((peer) => rounded((medians[measured]?.[peer] ?? NaN) / unit));
    const [max = 0, second = 0] = data.filter(isFinite).sort((a, b) => b - a);
    // A bar that would leave the others too short to compare is cut.
    const cut = { start: 2 * second, end: max - 0.2 * second, gap: 0 };
    return { index, name, data, max, breaks: max > 5 * second ? [cut] : [] };
  });
  const cutStyle = { borderColor: page, borderType: "solid", borderWidth: 3, opacity: 1 };
  const chart = init(null, null, { renderer: "svg", ssr: true, width: 800, height: 228 });
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: "sans-serif" },
    grid: panels.map(({ index }) => ({ left: 110 + 170 * index, width: 105, top: 36, bottom: 0 })),
    xAxis: panels.map(({ index, max, breaks }) => ({
      gridIndex: index,
      axisLabel: { show: false },
      splitLine: { show: false },
      max,
      breaks,
      breakArea: { itemStyle: cutStyle, zigzagMinSpan: 7, zigzagMaxSpan: 7 },
    })),
    yAxis: panels.map(({ index, name }) => ({
      gridIndex: index,
      type: "category",
      data: PEERS,
      inverse: true,
      axisLabel: { show: index === 0, color: text },
      axisLine: { show: false },
      axisTick: { show: false },
      name,
      nameLocation: "start",
      nameTextStyle: { color: text, fontWeight: "bold", align: "left" },
    })),
    series: panels.map(({ index, data }): BarSeriesOption => ({
      type: "bar",
      xAxisIndex: index,
      yAxisIndex: index,
      data,
      barWidth: 20,
      itemStyle: { color: ({ dataIndex }) => (dataIndex === 0 ? ours : others) },
      label: { show: true, position: "right", color: text },
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  // Class names differ from one chart to the next; all of this is for a page that runs ECharts.
  return svg.replace(/ (class|ecmeta_\w+|pointer-events)="[^"]*"|\n<style[^]*<\/style>/g, "");
}
