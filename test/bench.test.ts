import { describe, expect, it } from "vitest";
import { mediansOf } from "../scripts/bench/bench.js";

describe("the table of the benchmark", () => {
  it("has the median of every round, with decimals only where they tell something", () => {
    const results = {
      importMs: { "kling-lip-sync": [5.04, 9, 7.26], ky: [60.31] },
      installedBytes: { ky: [452_253] },
    };
    expect(mediansOf(results)).toEqual({
      importMs: { "kling-lip-sync": 7.3, ky: 60.3 },
      installedBytes: { ky: 452_253 },
    });
  });
});
