// npm run build: bundles each entry of the package, and writes the declarations that they need.
import { spawnSync } from "node:child_process";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { build, type Plugin } from "esbuild";
import { format } from "prettier";

const ENTRIES = {
  index: "index.ts",
  testing: "testing.ts",
  batch: "batch/index.ts",
  bullmq: "bullmq/index.ts",
};

await rm("dist", { recursive: true, force: true });
await build({
  entryPoints: Object.entries(ENTRIES).map(([out, file]) => ({ in: `src/${file}`, out })),
  outdir: "dist",
  bundle: true,
  // Code that several entries need is in a file that they import. With a copy in each entry,
  // `instanceof ApiError` would be false for an error that another entry threw.
  splitting: true,
  chunkNames: "shared-[hash]",
  format: "esm",
  target: "es2022",
  // Nothing that only Node or only browsers have, except for what src/batch imports by name.
  platform: "neutral",
  packages: "external",
  // A third of the bytes. Names stay, for the stack of an error.
  minifyWhitespace: true,
  minifySyntax: true,
  // Node shows the line of an error that nobody catches.
  lineLimit: 160,
  charset: "utf8",
  logLevel: "warning",
});

// The command: its packages are bundled into it, so that the library keeps its one dependency.
const { metafile } = await build({
  entryPoints: { main: "src/cli/main.ts" },
  outdir: "dist/cli",
  bundle: true,
  format: "esm",
  target: "node20",
  platform: "node",
  minify: true,
  charset: "utf8",
  plugins: [libraryBeside()],
  metafile: true,
  // Two of the packages require what Node has; a module has no `require` of its own.
  banner: {
    js: [
      "#!/usr/bin/env node",
      'import { createRequire } from "node:module";',
      "const require = createRequire(import.meta.url);",
    ].join("\n"),
  },
  logLevel: "warning",
});

await writeFile("dist/cli/LICENSES.txt", await licensesOf(Object.keys(metafile.inputs)));

/** The notices of the packages that these files belong to; their license has the text of our own. */
async function licensesOf(files: string[]): Promise<string> {
  const folders = files.map((file) => /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  const notices: string[] = [];
  for (const folder of new Set(folders)) {
    if (folder === undefined) continue;
    const manifest = await readFile(path.join(folder, "package.json"), "utf8");
    const { name, license } = JSON.parse(manifest) as { name: string; license: string };
    const file = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name)) ?? "LICENSE";
    const [notice] = /^Copyright .*$/m.exec(await readFile(path.join(folder, file), "utf8")) ?? [];
    if (license !== "MIT" || notice === undefined) throw new Error(`${name} is not under MIT.`);
    notices.push(`${name}: ${notice}`);
  }
  const list = notices.join("\n");
  return `The command contains these packages, under the MIT license as in ../../LICENSE:\n\n${list}\n`;
}

/** The command uses the library as its users do, from the entries beside it: no second copy. */
function libraryBeside(): Plugin {
  return {
    name: "library-beside",
    setup(build) {
      build.onResolve({ filter: /^\.\.\/(?:index|testing|batch\/index)\.js$/ }, ({ path }) => ({
        path: path.replace("batch/index", "batch"),
        external: true,
      }));
    },
  };
}

for (const config of ["tsconfig.build.json", "src/batch"]) {
  const tsc = ["node_modules/typescript/bin/tsc", "-p", config];
  const { status } = spawnSync(process.execPath, tsc, { stdio: "inherit" });
  if (status !== 0) process.exit(1);
}

// A declaration that no entry imports describes the inside of the bundles.
const needed = new Set<string>();
for (const file of Object.values(ENTRIES)) {
  await need(path.join("dist", "src", file.replace(/\.ts$/, ".d.ts")));
}
for (const name of await readdir(path.join("dist", "src"), { recursive: true })) {
  const file = path.join("dist", "src", name);
  if (name.endsWith(".d.ts") && !needed.has(file)) await rm(file);
}

// tsc indents by four spaces, also what openapi-typescript has indented already.
const style = { parser: "typescript", printWidth: 100, useTabs: true };
for (const file of needed) {
  await writeFile(file, await format(await readFile(file, "utf8"), style));
}

async function need(declaration: string): Promise<void> {
  if (needed.has(declaration)) return;
  needed.add(declaration);
  const text = await readFile(declaration, "utf8");
  for (const [, target = ""] of text.matchAll(/"(\.[^"]+)\.js"/g)) {
    await need(path.join(path.dirname(declaration), `${target}.d.ts`));
  }
}
