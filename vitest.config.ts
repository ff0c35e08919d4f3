import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // On two cores vitest would take one; several files wait for processes and servers.
    maxWorkers: 2,
    projects: [
      // No process, no socket, no compiler: for the edit loop, and what coverage is counted over.
      { extends: true, test: { name: "unit", include: ["test/*.test.ts"] } },
      { extends: true, test: { name: "system", include: ["test/system/*.test.ts"] } },
    ],
    coverage: {
      include: ["src/**", "scripts/spec/{overlay,changes}.ts"],
      thresholds: { 100: true },
      reporter: ["text-summary", "text"],
    },
  },
});
