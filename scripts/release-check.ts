// npm run release:check: prints what would be published, and fails when it must not be.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { runScript } from "./run-script.js";
import { pack, root, run, type Tarball } from "./pack.js";

/** The part of package.json that matters to whoever installs the package. */
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

const ALLOWED_FILES =
  /^(?:dist\/.+\.(?:js|d\.ts)|dist\/cli\/LICENSES\.txt|docs\/[\w.-]+\.md|(?:generated|spec)\/\w+\.yaml|package\.json)$/;
const REQUIRED_FILES = ["LICENSE", "CHANGELOG.md", "README.md", "README.zh-CN.md"];
const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall"];

async function main(): Promise<number> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "kling-lip-sync-release-"));
  try {
    const tarball = await pack(folder);
    const texts = await unpack(tarball, folder);
    print(tarball, manifestIn(texts));
    const problems = problemsOf(texts, [root, folder]);
    if (!hasRepository(texts)) {
      const notice = "package.json has no repository, which provenance needs";
      if (process.env["GITHUB_REF_TYPE"] === "tag") problems.push(notice);
      else console.log(`To be done by the owner: ${notice}.`);
    }
    for (const problem of problems) console.log(`- ${problem}`);
    console.log(problems.length === 0 ? "Ready to publish." : "This must not be published.");
    return problems.length === 0 ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Unpacks a tarball into `package/` of a folder, and returns the text of each file by its path. */
export async function unpack(tarball: Tarball, folder: string): Promise<Map<string, string>> {
  await run("tar", ["-xzf", tarball.filename, "-C", folder]);
  const texts = new Map<string, string>();
  for (const file of tarball.files) {
    texts.set(file.path, await readFile(path.join(folder, "package", file.path), "utf8"));
  }
  return texts;
}

/**
 * What is wrong with an unpacked package, in words.
 *
 * @param foldersOfThisMachine must not be named in any of its files
 */
export function problemsOf(texts: Map<string, string>, foldersOfThisMachine: string[]): string[] {
  return [...problemsOfManifest(texts), ...problemsOfFiles(texts, foldersOfThisMachine)];
}

function manifestIn(texts: Map<string, string>): Manifest {
  return JSON.parse(texts.get("package.json") ?? "{}") as Manifest;
}

function hasRepository(texts: Map<string, string>): boolean {
  return JSON.stringify(manifestIn(texts).repository ?? "").includes("://");
}

function print({ size, unpackedSize, files }: Tarball, manifest: Manifest): void {
  const { name, version, license = "none", exports, dependencies } = manifest;
  console.log(`${name}@${version}, license: ${license}`);
  for (const file of files) console.log(`${String(file.size).padStart(8)}  ${file.path}`);
  console.log(`${String(unpackedSize).padStart(8)}  in ${files.length} files; packed ${size}`);
  console.log(`exports: ${JSON.stringify(exports, null, 2)}`);
  console.log(`dependencies: ${JSON.stringify(dependencies)}\n`);
}

function problemsOfManifest(texts: Map<string, string>): string[] {
  const problems: string[] = [];
  const { version, exports, dependencies, scripts, ...manifest } = manifestIn(texts);
  for (const targets of Object.values(exports)) {
    for (const target of typeof targets === "string" ? [targets] : Object.values(targets)) {
      if (!texts.has(path.posix.normalize(target)))
        problems.push(`exports names ${target}, which is missing`);
    }
  }
  for (const [dependency, range] of Object.entries(dependencies)) {
    if (!/^\d+\.\d+\.\d+$/.test(range))
      problems.push(`${dependency} ${range} is not an exact version`);
  }
  for (const script of INSTALL_SCRIPTS) {
    if (script in scripts) problems.push(`package.json has a ${script} script`);
  }
  if (manifest.private) problems.push("package.json says that the package is private");
  if (manifest.license !== "MIT") problems.push("the license is not MIT");
  const heading = new RegExp(`^## ${version.replaceAll(".", "\\.")}(?: |$)`, "m");
  if (!heading.test(texts.get("CHANGELOG.md") ?? ""))
    problems.push(`CHANGELOG.md has no section for ${version}`);
  return problems;
}

function problemsOfFiles(texts: Map<string, string>, foldersOfThisMachine: string[]): string[] {
  const problems: string[] = [];
  for (const file of REQUIRED_FILES) {
    if (!texts.has(file)) problems.push(`${file} is missing`);
  }
  for (const [file, text] of texts) {
    if (!REQUIRED_FILES.includes(file) && !ALLOWED_FILES.test(file))
      problems.push(`${file} does not belong in the package`);
    if (foldersOfThisMachine.some((folder) => text.includes(folder)))
      problems.push(`${file} names a folder of this machine`);
    if (!file.endsWith(".md")) continue;
    for (const [, link = ""] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      const target = path.posix.join(path.posix.dirname(file), link);
      if (!texts.has(target)) problems.push(`${file} links to ${target}, which is missing`);
    }
  }
  return problems;
}

await runScript(import.meta.url, main);
