import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // On two cores vitest would take one; several files wait for processes and servers.
    maxWorkers: 2,
    coverage: {
      include: ["src/**", "scripts/overlay.ts"],
      thresholds: { 100: true },
      reporter: ["text-summary", "text"],
    },
  },
});
