// Usage: node browser.js PLAYWRIGHT-FOLDER CHROMIUM PAGE-URL
import { createRequire } from "node:module";

const [, , library, executablePath, url] = process.argv;
const { chromium } = createRequire(import.meta.url)(library);
// The servers of the scenario send no CORS headers. Nothing beyond this machine is called.
const cors = "--disable-web-security";
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync", cors];
const browser = await chromium.launch({ executablePath, args });
try {
  const page = await browser.newPage();
  await page.goto(url);
  const places = JSON.parse(process.env.SCENARIO);
  console.log(JSON.stringify(await page.evaluate((given) => runScenario(given), places)));
} finally {
  await browser.close();
}
