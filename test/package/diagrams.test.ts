// The diagrams of the documentation: Mermaid draws each of them in a browser.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { install, run } from "../../scripts/pack.js";
import { pages } from "../fixtures/markdown.js";
import { temporaryFolders } from "../fixtures/scripts.js";
import { requireChromium } from "../fixtures/tools.js";

const MERMAID = "12.3.0";

const newFolder = temporaryFolders();

it("draws every diagram", async (test) => {
  const chromium = requireChromium(test);
  const library = path.join(await install("mermaid", MERMAID), "dist", "mermaid.min.js");
  const diagrams = [...pages].flatMap(([page, text]) =>
    [...text.matchAll(/^```mermaid\n(.*?)^```$/gms)].map(([, diagram]) => ({ page, diagram })),
  );
  expect(diagrams).not.toEqual([]);
  const page = path.join(await newFolder(), "page.html");
  await writeFile(page, pageOf(pathToFileURL(library).href, diagrams));
  const flags = ["--headless", "--no-sandbox", "--virtual-time-budget=30000", "--dump-dom"];
  const { stdout } = await run(chromium, [...flags, pathToFileURL(page).href]);
  const [, problems] = /<title>(.*)<\/title>/.exec(stdout) ?? [];
  expect(problems).toBe("[]");
});

/** A page whose title is the list of what Mermaid refuses. */
function pageOf(library: string, diagrams: object[]): string {
  return `<!doctype html><title>not run</title><body><script src="${library}"></script>
    <script type="module">
      const problems = [];
      for (const [index, { page, diagram }] of ${JSON.stringify(diagrams)}.entries())
        await mermaid.render("diagram-" + index, diagram).catch((error) => {
          problems.push(page + ": " + error.message);
        });
      document.title = JSON.stringify(problems);
    </script>`;
}
