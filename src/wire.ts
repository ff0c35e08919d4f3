// Names for the parts of generated/schema.ts that the wrapper is built on.
import type { components, paths } from "../generated/schema.js";

export const LIP_SYNC_PATH = "/kling/v1/videos/lip-sync";

/** The body of a create as the document has it; its `input` has every field of every mode. */
export type RequestBody =
  paths[typeof LIP_SYNC_PATH]["post"]["requestBody"]["content"]["application/json"];
export type RequestInput = RequestBody["input"];

export type WireTask = components["schemas"]["LipSyncTask"];
export type WireVideo = components["schemas"]["LipSyncVideo"];
