import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // On two cores vitest would take one; several files wait for processes and servers.
    maxWorkers: 2,
    // Two cores may be busy with other work.
    testTimeout: 30_000,
    projects: [
      // No process, no socket, no compiler: for the edit loop, and what coverage is counted over.
      // They leave nothing behind, so the files share two threads, which load the source once each.
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/*.test.ts"],
          pool: "threads",
          isolate: false,
        },
      },
      { extends: true, test: { name: "system", include: ["test/system/*.test.ts"] } },
      // The packed tarball in runtimes, compilers and bundlers that npm installs: minutes.
      {
        extends: true,
        test: {
          name: "package",
          include: ["test/package/*.test.ts"],
          globalSetup: "test/package/setup.ts",
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      // Workers that are killed. What they do depends on the clock, so one file runs at a time.
      {
        extends: true,
        test: {
          name: "fleet",
          include: ["test/fleet/*.test.ts"],
          fileParallelism: false,
          maxConcurrency: 3,
          testTimeout: 180_000,
        },
      },
    ],
    coverage: {
      include: ["src/**/*.ts", "scripts/spec/overlay.ts"],
      // A process and its signals, and a server on a port: test/system/cli.test.ts.
      exclude: ["src/cli/main.ts", "src/cli/serve.ts"],
      thresholds: { 100: true },
      reporter: ["text-summary", "text"],
    },
  },
});
