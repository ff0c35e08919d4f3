import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { type Figures, report, withTables } from "../scripts/bench/report.js";

const peers = [
  { name: "kling-lip-sync", peer: "kling-lip-sync" },
  { name: "openapi-fetch", peer: "openapi-fetch" },
];

function figuresOf(figures: Record<string, Record<string, number[]>>): Figures {
  const entries = Object.entries(figures);
  return new Map(entries.map(([name, byPeer]) => [name, new Map(Object.entries(byPeer))]));
}

/** The rows of the tables, their cells in one line. */
function rowsOf(text: string): string[] {
  return text.split("\n").filter((line) => line.startsWith("| "));
}

describe("the tables of the benchmark", () => {
  const figures = figuresOf({
    import: { "kling-lip-sync": [5, 9, 7], "openapi-fetch": [4, 6, 5], "one-line": [6.5] },
    packages: { "kling-lip-sync": [3], "openapi-fetch": [2] },
    heap: { "kling-lip-sync": [4097] },
    requests: { "kling-lip-sync": [40] },
  });

  it("give the median, the range and the ratio to what stands beside", () => {
    expect(rowsOf(report(figures, peers, "en"))).toContain(
      "| Import in a new process | 7.0 ms (5.0–9.0) | openapi-fetch 5.0 ms (4.0–6.0) | 1.40 × | ≤ 1.3 ×, **missed** |",
    );
  });

  it("give the reason for a target that is missed, with what was measured", () => {
    expect(report(figures, peers, "en")).toMatch(
      /^- \*\*Import in a new process\*\*: .* takes 6\.5 ms\.$/m,
    );
  });

  it("have a dash for what was not measured", () => {
    expect(rowsOf(report(figures, peers, "en"))).toContain(
      "| openapi-fetch | – | 2 | – | 5.0 ms (4.0–6.0) | – | – | – |",
    );
  });

  it("say what is missed also where there is no floor", () => {
    const row = rowsOf(report(figures, peers, "en")).find((line) => line.includes("sleeping"));
    expect(row).toContain("| 4,097 B |");
    expect(row).toContain("**missed**");
  });

  it("have the same figures in Chinese", () => {
    const cells = (language: "en" | "zh") =>
      rowsOf(report(figures, peers, language)).map((row) => row.match(/\d[\d.,]*/g));
    expect(cells("zh")).toEqual(cells("en"));
  });
});

describe("a README", () => {
  it.each(["README.md", "README.zh-CN.md"])(
    "%s takes the tables between its marks",
    async (file) => {
      const readme = await readFile(path.join(import.meta.dirname, "..", file), "utf8");
      const written = withTables(readme, "one");
      expect(written).toContain("<!-- bench -->\n\none\n\n<!-- /bench -->");
      expect(withTables(written, "$& two")).toBe(written.replace("\none\n", () => "\n$& two\n"));
      expect(written.replace(/<!-- bench -->.*<!-- \/bench -->/s, "")).toBe(
        readme.replace(/<!-- bench -->.*<!-- \/bench -->/s, ""),
      );
    },
  );

  it("without the marks is refused", () => {
    expect(() => withTables("# Nothing", "one")).toThrow("no marks");
  });
});
