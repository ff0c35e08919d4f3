// Overlay engines that others wrote: each applies spec/overlay.yaml to the published page, and what comes
// out is generated/openapi.yaml.
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { install, root, run } from "../../scripts/pack.js";
import { placesIn } from "../../scripts/spec/generate.js";
import { temporaryFolders } from "../fixtures/scripts.js";

const OPENAPI_FORMAT = "1.33.6";
const BUMP = "2.11.0";
const OVERLAYS_JS = "0.2.0";

const { spec, overlay, generated } = placesIn();

/** Writes the corrected document to a file. */
const ENGINES: Record<string, (output: string) => Promise<unknown>> = {
  Redocly(output) {
    const cli = path.join(root, "node_modules", "@redocly", "cli", "bin", "cli.js");
    const env = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
    const args = [cli, "bundle", spec, "--overlay", overlay, "-o", output];
    return run(process.execPath, args, { env });
  },

  async "openapi-format"(output) {
    const cli = path.join(await install("openapi-format", OPENAPI_FORMAT), "bin", "cli.js");
    const args = [cli, spec, "--overlayFile", overlay, "--no-sort", "--output", output];
    await run(process.execPath, args);
  },

  async "bump-cli"(output) {
    const cli = path.join(await install("bump-cli", BUMP), "bin", "run.js");
    const env = { BUMP_SKIP_NEW_VERSION_CHECK: "true" };
    await run(process.execPath, [cli, "overlay", spec, overlay, "--out", output], { env });
  },

  async "openapi-overlays-js"(output) {
    const cli = path.join(await install("openapi-overlays-js", OVERLAYS_JS), "index.js");
    const args = [cli, "--openapi", spec, "--overlay", overlay];
    const { stdout } = await run(process.execPath, args);
    await writeFile(output, stdout);
  },
};

const newFolder = temporaryFolders();

it.each(Object.entries(ENGINES))("%s makes generated/openapi.yaml of it", async (_, engine) => {
  const output = path.join(await newFolder(), "openapi.json");
  await engine(output);
  const committed = await readFile(path.join(generated, "openapi.yaml"), "utf8");
  expect(parse(await readFile(output, "utf8"))).toEqual(parse(committed));
});
