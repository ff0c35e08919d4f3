import process from "node:process";
import * as library from "kling-lip-sync";
import { scenario } from "./scenario.js";

console.log(JSON.stringify(await scenario(library, JSON.parse(process.env.SCENARIO))));
