// npm run build: bundles each entry of the package. The declarations are made by tsc afterwards.
import { rm } from "node:fs/promises";
import { build } from "esbuild";

await rm("dist", { recursive: true, force: true });
await build({
  entryPoints: ["src/index.ts", "src/testing.ts"],
  outdir: "dist",
  bundle: true,
  // Code that several entries need is in a file that they import. With a copy in each entry,
  // `instanceof ApiError` would be false for an error that another entry threw.
  splitting: true,
  chunkNames: "shared-[hash]",
  format: "esm",
  target: "es2022",
  // Nothing that only Node or only browsers have.
  platform: "neutral",
  packages: "external",
  logLevel: "warning",
});
