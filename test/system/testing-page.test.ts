// The code of docs/testing.md runs: as a program, and under Vitest. Jest is in `npm run test:package`.
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { entries } from "../fixtures/compiler.js";
import { blockOf, linkPackages, writeProgram } from "../fixtures/programs.js";
import { node, project, temporaryFolders } from "../fixtures/scripts.js";

// Processes are slow on a machine that is busy.
vi.setConfig({ testTimeout: 30_000 });

const PAGE = "docs/testing.md";
const temporaryFolder = temporaryFolders();

test.each(["## With the fake gateway", "## Failures and retries"])(
  "%s: every assertion is true",
  async (heading) => {
    const program = await writeProgram(
      blockOf(heading, PAGE),
      await temporaryFolder(),
      "block.mjs",
    );
    expect(await node([program])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  },
);

test("the tests with fake timers pass under Vitest", async () => {
  const folder = await temporaryFolder();
  await linkPackages(folder);
  // The longest first, because Vite replaces what a path begins with.
  const alias = Object.fromEntries(Object.entries(entries).sort().reverse());
  const config = `export default { resolve: { alias: ${JSON.stringify(alias)} } };`;
  await writeFile(path.join(folder, "vitest.config.mjs"), config);
  await writeFile(path.join(folder, "wait.test.mts"), blockOf("## Fake timers", PAGE));
  const vitest = path.join(project, "node_modules", "vitest", "vitest.mjs");
  const { stdout } = await node([vitest, "run", "--reporter=json"], folder);
  expect(JSON.parse(stdout)).toMatchObject({ numPassedTests: 2, numTotalTests: 2 });
});
