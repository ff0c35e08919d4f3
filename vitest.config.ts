import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    coverage: {
      include: ["src/**", "scripts/overlay.ts"],
      thresholds: { 100: true },
      reporter: ["text-summary", "text"],
    },
  },
});
