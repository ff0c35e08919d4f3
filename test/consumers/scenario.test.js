import process from "node:process";
import * as library from "kling-lip-sync";
import { scenario } from "./scenario.js";

test("runs the scenario", async () => {
  const report = await scenario(library, JSON.parse(process.env.SCENARIO));
  // Jest prints its own report to standard error.
  process.stdout.write(JSON.stringify(report));
});
