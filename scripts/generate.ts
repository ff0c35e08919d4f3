// The command line of `npm run generate`. What it does is in spec/generate.ts.
import { parseArgs } from "node:util";
import { readSource, staleFiles, writeFiles } from "./files.js";
import { runScript } from "./run-script.js";
import { generate, generateDocs, generateVoices, placesIn } from "./spec/generate.js";

const USAGE = `Usage: npm run generate -- [options]

Corrects the published document with the overlay, and writes openapi.yaml, schema.ts, voices.ts and
the pages of the voices in docs/.

  --check           write nothing; exit 1 and name the files that are not up to date
  --spec FILE       the published document   (default spec/lip-sync.yaml)
  --overlay FILE    the corrections          (default spec/overlay.yaml)
  --voices FILE     the known voices         (default spec/voices.yaml)
  --out FOLDER      the folder of the document and its types   (default generated)
  --docs FOLDER     the folder of the pages  (default docs; none if --out is given)
  --help            show this text
`;

export async function main(args: string[]): Promise<number> {
  const places = placesIn();
  const { values } = parseArgs({
    args,
    options: {
      check: { type: "boolean", default: false },
      spec: { type: "string", default: places.spec },
      overlay: { type: "string", default: places.overlay },
      voices: { type: "string", default: places.voices },
      out: { type: "string" },
      docs: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const voices = await readSource(values.voices);
  const out = values.out ?? places.generated;
  // With files of another project, nothing of this one is touched.
  const docs = values.docs ?? (values.out === undefined ? places.docs : undefined);
  const files = new Map([
    ...(await generate(await readSource(values.spec), await readSource(values.overlay))),
    ...generateVoices(voices),
  ]);
  const pages = generateDocs(voices);
  if (!values.check) {
    const written = await writeFiles(files, out);
    if (docs !== undefined) written.push(...(await writeFiles(pages, docs)));
    console.log(written.length > 0 ? `Wrote ${written.join(", ")}.` : "Everything is up to date.");
    return 0;
  }
  const stale = await staleFiles(files, out);
  if (docs !== undefined) stale.push(...(await staleFiles(pages, docs)));
  if (stale.length === 0) return 0;
  console.error(`Not up to date: ${stale.join(", ")}. Run \`npm run generate\`.`);
  return 1;
}

await runScript(import.meta.url, main);
