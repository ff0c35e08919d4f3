// The one room of openapi-fetch. It checks the path, the parameters and the body of each operation
// against the generated `paths`, and it writes the request. It neither sends nor reads: its
// `Request` loses its signal to a garbage collection (nodejs/undici#4068), and it reads a failed
// response without a bound. What sends and reads is attempt.ts.
import createClient from "openapi-fetch";
import type { paths } from "../generated/schema.js";
import { LIP_SYNC_PATH, type RequestBody } from "./wire.js";

type WrittenInit = { method: "GET" | "POST"; headers: Headers; body: string | undefined };

/**
 * A request as openapi-fetch wrote it, without the base URL and the key. openapi-fetch constructs
 * it in place of a `Request` and passes it to `fetch`, which is `writer.fetch` below and hands it
 * back. As a response with status 204 it has no body to read, and no `content-length` to look at.
 */
export class WrittenRequest {
  readonly status = 204;
  /** Of the response; those of the request are in `init`. */
  readonly headers: Map<string, string> = new Map();
  readonly path: string;
  readonly init: WrittenInit;

  constructor(path: string, init: WrittenInit) {
    this.path = path;
    this.init = init;
  }
}

const writer = /* @__PURE__ */ createClient<paths>({
  Request: WrittenRequest as unknown as typeof Request,
  fetch: (written) => Promise.resolve(written as unknown as Response),
});

async function written(writing: Promise<{ response: unknown }>): Promise<WrittenRequest> {
  return (await writing).response as WrittenRequest;
}

export function createTask(body: RequestBody): Promise<WrittenRequest> {
  return written(writer.POST(LIP_SYNC_PATH, { body }));
}

export function getTask(taskId: string): Promise<WrittenRequest> {
  const params = { path: { task_id: taskId } };
  return written(writer.GET(`${LIP_SYNC_PATH}/{task_id}`, { params }));
}
