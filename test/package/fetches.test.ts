// The types of other fetches, as the packed library accepts them.
import { cp, symlink } from "node:fs/promises";
import path from "node:path";
import { expect, it } from "vitest";
import { install, root } from "../../scripts/pack.js";
import { compile } from "../fixtures/tsc.js";
import { consumer } from "./consumer.js";

const OTHERS = ["node-fetch@3.3.2", "cross-fetch@4.1.0", "@types/bun@1.4.5", "@types/node@26.6.7"];
const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");

const NODE = ["--lib", "es2022", "--types", "node"];
const NODE_AND_DOM = ["--lib", "es2022,dom", "--types", "node"];
const DOM = ["--lib", "es2022,dom"];
const BUN = ["--lib", "esnext", "--types", "bun"];
const PACKAGES = ["undici.ts", "node-fetch.ts", "cross-fetch.ts", "global.ts"];

it.each<[string, [types: string[], files: string[]][]]>([
  [
    "7.30.2",
    [
      [NODE, PACKAGES],
      [NODE_AND_DOM, PACKAGES],
      [DOM, ["global.ts"]],
      [BUN, ["global.ts"]],
    ],
  ],
  [
    "8.13.1",
    [
      [NODE, ["undici.ts"]],
      [NODE_AND_DOM, ["undici.ts"]],
    ],
  ],
])("compile beside undici %s", async (version, programs) => {
  const folder = path.join(consumer, `undici-${version}`);
  await cp(path.join(root, "test", "consumers", "fetches"), folder, { recursive: true });
  const undici = await install("undici", version, ...OTHERS);
  await symlink(path.dirname(undici), path.join(folder, "node_modules"), "junction");
  for (const [types, [file = "", ...files]] of programs) {
    const flags = ["--skipLibCheck", "true", ...types, ...files];
    await expect(compile(tsc, folder, file, "nodenext", ...flags)).resolves.toBeUndefined();
  }
});
