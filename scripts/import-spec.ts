// The command line of `npm run spec:import`. What it does is in spec/import.ts.
import { buffer } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { decode, readSource } from "./files.js";
import { runScript } from "./run-script.js";
import { importSpec } from "./spec/import.js";

const USAGE = `Usage: npm run spec:import -- FILE [options]

Imports a new version of the published page into spec/lip-sync.yaml, and runs the generator.

  FILE                      the page as Markdown, YAML or JSON; - reads standard input
  --operation "POST /path"  an operation that the document must have; it also selects one of
                            several documents (default "POST /kling/v1/videos/lip-sync")
  --help                    show this text
`;

export async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { operation: { type: "string" }, help: { type: "boolean" } },
  });
  const [file, ...more] = positionals;
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (file === undefined || more.length > 0) throw new Error(USAGE);
  const page =
    file === "-" ? decode("standard input", await buffer(process.stdin)) : await readSource(file);
  const { report, problem } = await importSpec(page, values);
  console.log(report);
  if (problem === undefined) return 0;
  console.error(problem);
  return 1;
}

await runScript(import.meta.url, main);
