import * as library from "kling-lip-sync";
import { scenario } from "./scenario.js";

globalThis.runScenario = (places) => scenario(library, places);
