// Overlay engines that others wrote: each applies spec/overlay.yaml to the published page, and what comes
// out has to be generated/openapi.yaml.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parse } from "yaml";
import { placesIn } from "../spec/generate.js";
import { install, root, run } from "./pack.js";

const OPENAPI_FORMAT = "1.33.6";
const BUMP = "2.11.0";
const OVERLAYS_JS = "0.2.0";

const { spec, overlay, generated } = placesIn();

/** Writes the corrected document to a file, and returns the version of the engine. */
type Engine = (output: string) => Promise<string>;

const ENGINES: Record<string, Engine> = {
  async Redocly(output) {
    const folder = path.join(root, "node_modules", "@redocly", "cli");
    const env = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
    const cli = path.join(folder, "bin", "cli.js");
    await run(process.execPath, [cli, "bundle", spec, "--overlay", overlay, "-o", output], { env });
    const manifest = await readFile(path.join(folder, "package.json"), "utf8");
    return (JSON.parse(manifest) as { version: string }).version;
  },

  async "openapi-format"(output) {
    const cli = path.join(await install("openapi-format", OPENAPI_FORMAT), "bin", "cli.js");
    const args = [cli, spec, "--overlayFile", overlay, "--no-sort", "--output", output];
    await run(process.execPath, args);
    return OPENAPI_FORMAT;
  },

  async "bump-cli"(output) {
    const cli = path.join(await install("bump-cli", BUMP), "bin", "run.js");
    const env = { BUMP_SKIP_NEW_VERSION_CHECK: "true" };
    await run(process.execPath, [cli, "overlay", spec, overlay, "--out", output], { env });
    return BUMP;
  },

  async "openapi-overlays-js"(output) {
    const cli = path.join(await install("openapi-overlays-js", OVERLAYS_JS), "index.js");
    const args = [cli, "--openapi", spec, "--overlay", overlay];
    const { stdout } = await run(process.execPath, args);
    await writeFile(output, stdout);
    return OVERLAYS_JS;
  },
};

/** For each engine, a check that resolves with its version and what was found. */
export const overlayEngines = Object.entries(ENGINES).map(([name, engine]) => {
  const check = async (): Promise<[version: string, result: string]> => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-overlay-"));
    try {
      const output = path.join(folder, "openapi.json");
      const version = await engine(output);
      const committed = await readFile(path.join(generated, "openapi.yaml"), "utf8");
      assert.deepEqual(parse(await readFile(output, "utf8")), parse(committed));
      return [version, "ok: makes generated/openapi.yaml of the overlay"];
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
  return [name, check] as const;
});
