import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import * as measure from "./bench/measure.js";
import { npmInstall, pack } from "./pack.js";

/** What the packed tarball may cost at most; raise one only for something that is worth it. */
const BUDGETS = { bundle: 7500, installed: 500_000, packages: 3, instantiations: 330 };

const UNITS = {
  bundle: "bytes of a bundle that creates a task, minified, with gzip",
  installed: "bytes on the disk after an installation",
  packages: "packages after an installation",
  instantiations: "type instantiations of a file that calls it",
};

const folder = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-budget-"));
try {
  const { filename } = await pack(folder);
  await npmInstall(folder, "--prefer-offline", filename);
  const place = await measure.place(folder, "kling-lip-sync");
  const found = {
    bundle: await measure.bundleBytes(place),
    ...(await measure.installed(place)),
    instantiations: measure.instantiations(place),
  };
  for (const name of ["bundle", "installed", "packages", "instantiations"] as const) {
    const isKept = found[name] <= BUDGETS[name];
    console.log(`${isKept ? "ok" : "TOO MUCH"}: ${found[name]} of ${BUDGETS[name]} ${UNITS[name]}`);
    if (!isKept) process.exitCode = 1;
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
