// The only file that uses openapi-fetch. It checks the path, the parameters and the body of each
// operation against the generated `paths`, and writes the request. It does not send or read: a
// `Request` can lose its signal in a garbage collection (nodejs/undici#4068), and openapi-fetch reads
// a failed response without a limit. attempt.ts sends and reads.
import createClient from "openapi-fetch";
import type { paths } from "../generated/schema.js";
import { LIP_SYNC_PATH, type RequestBody } from "./wire.js";

/** A request as openapi-fetch wrote it, without the base URL and the key. */
export interface WrittenRequest {
  path: string;
  method: "GET" | "POST";
  headers: Headers;
  body: string | undefined;
}

/**
 * openapi-fetch constructs this in place of a `Request` and passes it to `fetch`, which returns it as
 * the response. With status 204, openapi-fetch reads no body.
 */
function write(path: string, { method, headers, body }: WrittenRequest) {
  return { status: 204, path, method, headers, body };
}

const writer = /* @__PURE__ */ createClient<paths>({
  Request: write as unknown as typeof Request,
  fetch: (written) => Promise.resolve(written as unknown as Response),
});

const written = async (writing: Promise<{ response: unknown }>): Promise<WrittenRequest> =>
  (await writing).response as WrittenRequest;

export const createTask = (body: RequestBody): Promise<WrittenRequest> =>
  written(writer.POST(LIP_SYNC_PATH, { body }));

export const getTask = (task_id: string): Promise<WrittenRequest> =>
  written(writer.GET(`${LIP_SYNC_PATH}/{task_id}`, { params: { path: { task_id } } }));
