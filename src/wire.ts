// Names for the parts of generated/schema.ts that the client uses.
import type { components, paths } from "../generated/schema.js";

export const LIP_SYNC_PATH = "/kling/v1/videos/lip-sync";

/** The body of a create in the document; `input` has the fields of all modes. */
export type RequestBody =
  paths[typeof LIP_SYNC_PATH]["post"]["requestBody"]["content"]["application/json"];
export type RequestInput = RequestBody["input"];

/** The id of a voice: a known one, which an editor completes, or any other. */
export type VoiceId = components["schemas"]["VoiceId"];

export type WireTask = components["schemas"]["LipSyncTask"];
export type WireVideo = components["schemas"]["LipSyncVideo"];
