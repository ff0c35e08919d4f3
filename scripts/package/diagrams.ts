// The diagrams of the documentation: Mermaid has to draw each of them, in a browser.
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { install, root, run } from "./pack.js";

const MERMAID = "12.3.0";

/** Draws every diagram, and returns the version of Mermaid and how many there are. */
export async function drawsDiagrams(chromium: string): Promise<[string, string]> {
  const library = path.join(await install("mermaid", MERMAID), "dist", "mermaid.min.js");
  const diagrams = await findDiagrams();
  assert(diagrams.length > 0, "There is no diagram.");
  const folder = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-diagrams-"));
  try {
    const page = path.join(folder, "page.html");
    await writeFile(page, pageOf(pathToFileURL(library).href, diagrams));
    const flags = ["--headless", "--no-sandbox", "--virtual-time-budget=30000", "--dump-dom"];
    const { stdout } = await run(chromium, [...flags, pathToFileURL(page).href]);
    const [, problems] = /<title>(.*)<\/title>/.exec(stdout) ?? [];
    assert.equal(problems, "[]", `Mermaid does not draw a diagram: ${String(problems)}`);
    return [MERMAID, `ok: draws ${diagrams.length} diagrams`];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function findDiagrams(): Promise<{ page: string; text: string }[]> {
  const docs = (await readdir(path.join(root, "docs"))).filter((name) => name.endsWith(".md"));
  const pages = ["README.md", "README.zh-CN.md", ...docs.map((name) => `docs/${name}`)];
  const found = pages.map(async (page) => {
    const markdown = await readFile(path.join(root, page), "utf8");
    const blocks = [...markdown.matchAll(/^```mermaid\n(.*?)^```$/gms)];
    return blocks.map(([, text = ""]) => ({ page, text }));
  });
  return (await Promise.all(found)).flat();
}

/** A page whose title is the list of what Mermaid refuses. */
function pageOf(library: string, diagrams: object[]): string {
  return `<!doctype html><title>not run</title><body><script src="${library}"></script>
    <script type="module">
      const problems = [];
      for (const [index, { page, text }] of ${JSON.stringify(diagrams)}.entries())
        await mermaid.render("diagram-" + index, text).catch((error) => {
          problems.push(page + ": " + error.message);
        });
      document.title = JSON.stringify(problems);
    </script>`;
}
