// What an import does: takes the document of a page into the project and reports what changed.
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { readSource, replaceFile, type Source, staleFiles, writeFiles } from "../files.js";
import { parseOpenApi, project } from "./document.js";
import { generate, placesIn } from "./generate.js";
import { OverlayError } from "./overlay.js";
import { documentIn } from "./page.js";

/** The result of an import. */
export interface Outcome {
  report: string;
  /** Why the overlay has to be edited before the work is done. */
  problem?: string;
}

/**
 * Takes the page's document into the project in a folder. Each file is written whole or not at all,
 * the document last, so that an import that was interrupted can be repeated.
 *
 * @throws Error - the page cannot be used; nothing was written
 */
export async function importSpec(
  page: Source,
  { operation, folder = project }: { operation?: string | undefined; folder?: string } = {},
): Promise<Outcome> {
  const { document, text } = documentIn(page, operation);
  const places = placesIn(folder);
  const before = await readSource(places.spec);
  const provenance = await readSource(places.provenance);
  const old = parseOpenApi(before);
  const isSame = isDeepStrictEqual(document, old);
  // The same document in another file format, or with other line ends, is no change.
  const isKept = isSame && provenance.text.includes(sumOf(before.text));
  const after = isKept ? before.text : text;
  const recorded = record(provenance.text, after);

  // Generated files name their sources as in the project, also when the folder is a copy of it.
  const named = placesIn();
  const overlay = { ...(await readSource(places.overlay)), file: named.overlay };
  let generated = new Map<string, string>();
  let misfit: OverlayError | undefined;
  try {
    generated = await generate({ file: named.spec, text: after }, overlay);
  } catch (error) {
    if (!(error instanceof OverlayError)) {
      throw new Error(`With ${page.file}, ${(error as Error).message}`);
    }
    misfit = error;
  }

  const stale = await staleFiles(generated, places.generated);
  const written = [
    ...(after === before.text ? [] : ["spec/lip-sync.yaml"]),
    ...(recorded === provenance.text ? [] : ["spec/README.md"]),
    ...stale.map((name) => `generated/${name}`),
  ];
  if (stale.length > 0) await writeFiles(generated, places.generated);
  if (recorded !== provenance.text) await replaceFile(places.provenance, recorded);
  if (after !== before.text) await replaceFile(places.spec, after);

  const report = [
    isSame ? "Nothing changed." : "The document has changed: read `git diff`.",
    ...(written.length > 0 ? [`Wrote ${written.join(", ")}.`] : []),
  ].join("\n\n");
  if (!misfit) return { report };
  const advice =
    "generated/ was not written. Edit spec/overlay.yaml as CONTRIBUTING.md describes, then run " +
    "`npm run generate`.";
  return { report, problem: `\n${misfit.message}\n${advice}` };
}

/** The provenance with the document's sum and today's date, unless it has that sum already. */
function record(provenance: string, text: string): string {
  const sum = sumOf(text);
  if (provenance.includes(sum)) return provenance;
  const today = `retrieved: ${new Date().toISOString().slice(0, 10)}`;
  return replaceLine(replaceLine(provenance, /^sha256: \S*/m, sum), /^retrieved: \S*/m, today);
}

function replaceLine(provenance: string, line: RegExp, entry: string): string {
  if (!line.test(provenance)) throw new Error(`spec/README.md has no line like "${entry}".`);
  return provenance.replace(line, entry);
}

function sumOf(text: string): string {
  return `sha256: ${createHash("sha256").update(text).digest("hex")}`;
}
