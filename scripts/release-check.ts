import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { pack, root, run } from "./pack.js";

/** What of package.json matters to whoever installs it. */
interface Manifest {
  name: string;
  version: string;
  license?: string;
  repository?: unknown;
  private?: boolean;
  exports: Record<string, string | Record<string, string>>;
  dependencies: Record<string, string>;
  scripts: Record<string, string>;
}

const MAY_BE_THERE =
  /^(?:dist\/.+\.(?:js|d\.ts|d\.ts\.map)|src\/[\w-]+\.ts|generated\/schema\.ts|package\.json)$/;
const MUST_BE_THERE = ["LICENSE", "CHANGELOG.md", "README.md", "README.zh-CN.md"];
const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall"];

const temp = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-release-"));

/** Packs what would be published, prints it, and resolves with what is wrong with it. */
async function check(): Promise<string[]> {
  const { filename, size, unpackedSize, files } = await pack(temp);
  await run("tar", ["-xzf", filename, "-C", temp]);
  const read = (file: string) => readFile(path.join(temp, "package", file), "utf8");
  const manifest = JSON.parse(await read("package.json")) as Manifest;
  const { name, version, exports, dependencies, scripts } = manifest;
  const paths = files.map((file) => file.path);
  const has = (file: string) => paths.includes(path.posix.normalize(file));

  console.log(`${name}@${version}, licence ${manifest.license ?? "none"}`);
  for (const file of files) console.log(`${String(file.size).padStart(8)}  ${file.path}`);
  console.log(`${String(unpackedSize).padStart(8)}  in ${files.length} files; packed ${size}`);
  console.log(`exports ${JSON.stringify(exports, null, 2)}`);
  console.log(`dependencies ${JSON.stringify(dependencies)}`);

  const problems: string[] = [];
  const expect = (isGood: boolean, problem: string) => {
    if (!isGood) problems.push(problem);
  };
  const isRelease = process.env["GITHUB_REF_TYPE"] === "tag";
  const hasRepository = JSON.stringify(manifest.repository ?? "").includes("://");
  if (isRelease) expect(hasRepository, "it has no repository, which provenance needs");
  else if (!hasRepository) console.log("left for the owner: repository, which provenance needs");
  for (const file of MUST_BE_THERE) expect(has(file), `${file} is missing`);
  for (const file of paths) {
    expect(MUST_BE_THERE.includes(file) || MAY_BE_THERE.test(file), `${file} does not belong`);
    expect(!(await read(file)).includes(root), `${file} names a folder of this machine`);
    if (!file.endsWith(".map")) continue;
    const { sources } = JSON.parse(await read(file)) as { sources: string[] };
    for (const source of sources) {
      const target = path.posix.join(path.posix.dirname(file), source);
      expect(has(target), `${file} leads to ${target}, which is missing`);
    }
  }
  const targets = Object.values(exports).flatMap((to) =>
    typeof to === "string" ? [to] : Object.values(to),
  );
  for (const file of targets) expect(has(file), `exports leads to ${file}, which is missing`);
  for (const [dependency, range] of Object.entries(dependencies)) {
    expect(/^\d+\.\d+\.\d+$/.test(range), `${dependency} ${range} is not an exact version`);
  }
  for (const script of INSTALL_SCRIPTS) expect(!(script in scripts), `it has a ${script} script`);
  expect(!manifest.private, "it is private");
  expect(manifest.license === "MIT", "its licence is not MIT");
  const heading = new RegExp(`^## ${version.replaceAll(".", "\\.")}(?: |$)`, "m");
  expect(heading.test(await read("CHANGELOG.md")), `CHANGELOG.md has nothing about ${version}`);
  return problems;
}

try {
  const problems = await check();
  console.log(["", ...problems.map((problem) => `- ${problem}`)].join("\n"));
  console.log(problems.length === 0 ? "Nothing is off." : "This must not be published.");
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  await rm(temp, { recursive: true, force: true });
}
