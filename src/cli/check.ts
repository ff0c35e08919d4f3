// kling-lip-sync check: whether base URL, path and key are good, found out free of charge.
import { Command } from "commander";
import { ApiError, ConnectionError, createLipSyncClient } from "../index.js";
import { parseJson, property, textOf } from "../json.js";
import { errorChain } from "../network-error.js";
import { isUnknownTask, REDIRECTS } from "../outcome.js";
import { LIP_SYNC_PATH } from "../wire.js";
import { connect } from "./connection.js";
import type { Done } from "./flags.js";
import { EXIT_CODES, type Terminal } from "./terminal.js";
import { messageOf, oneLine } from "./text.js";

/** The id of a task that cannot exist: no gateway makes ids like this. */
const TASK_ID = "kling-lip-sync-check";

export function checkCommand(terminal: Terminal, done: Done): Command {
  return new Command("check")
    .description("check base URL, path and key with one request (free of charge)")
    .option("--json", "print the result as JSON")
    .action(async ({ json }: { json?: boolean }) => {
      const { baseUrl, apiKey } = connect(terminal);
      const { isGood, line } = await checkGateway({ baseUrl, apiKey, signal: terminal.signal });
      if (json) terminal.print(JSON.stringify({ isGood, line }));
      else if (isGood) terminal.print(line);
      else terminal.warn(line);
      done(isGood ? EXIT_CODES.done : EXIT_CODES.needsPerson);
    });
}

/** The gateway to check. */
export interface CheckOptions {
  baseUrl: string;
  apiKey: string;
  /** Default: that of Node. */
  fetch?: typeof globalThis.fetch;
  /** Default 15_000. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** What was found, in one line. */
export interface Finding {
  isGood: boolean;
  line: string;
}

/** Asks the gateway for a task that cannot exist: one GET, which is not billed. */
export async function checkGateway(options: CheckOptions): Promise<Finding> {
  const { timeoutMs = 15_000, signal, ...connection } = options;
  const client = createLipSyncClient({ ...connection, timeoutMs, maxRetries: 0 });
  const gateway = oneLine(options.baseUrl).replace(/\/+$/, "");
  try {
    await client.get(TASK_ID, { signal });
  } catch (error) {
    if (error instanceof ApiError) return judgeAnswer(error, gateway);
    if (error instanceof ConnectionError) return judgeConnection(error, gateway, timeoutMs);
    throw error;
  }
  return bad(
    `Odd: ${gateway} returned a task for the id ${TASK_ID}, which cannot exist. Is it a mock?`,
  );
}

function judgeAnswer(error: ApiError, gateway: string): Finding {
  const { status, headers, body, code } = error;
  const message = messageOf(error);
  const json = parseJson(body);

  if (REDIRECTS.includes(status)) {
    const target = targetOf(headers.get("location"), gateway);
    return bad(
      `Wrong base URL: ${gateway} redirects to ${target}. Set KLING_BASE_URL to the API itself.`,
    );
  }
  // A server that fails says nothing about the path or the key.
  if (status >= 500) return unclear(gateway, message);
  if (json === undefined && isHtml(headers, body)) {
    return bad(
      `Wrong base URL: ${gateway} returned ${status} with a web page. Either it is a web site and not an API, or it does not have the path ${LIP_SYNC_PATH}, or a proxy responded in its place.`,
    );
  }
  // Kling's codes for a missing, invalid or expired key, at whatever status they are passed on.
  const isKeyCode = typeof code === "number" && code >= 1000 && code <= 1004;
  if (status === 401 || status === 403 || isKeyCode) {
    return bad(`Key refused: ${gateway} refuses KLING_API_KEY: ${message}`);
  }
  if (status === 404 && json === undefined) {
    return bad(
      `No such path: ${gateway} returned 404 without JSON, so it does not have the path ${LIP_SYNC_PATH}.`,
    );
  }
  if (status === 404 && isNoRoute(code, json)) {
    return bad(
      `No such path: ${gateway} does not have the path ${LIP_SYNC_PATH}, according to its response: ${message}`,
    );
  }
  if (code === 1203 || (isUnknownTask(error) && /task/i.test(body))) {
    return good(
      `Good: base URL, path and key work at ${gateway}. It was asked for a task that cannot exist; nothing was billed.`,
    );
  }
  if (isUnknownTask(error)) {
    return good(
      `Probably good: ${gateway} returned 404 in JSON, as for an unknown task, but does not say what is missing: ${message}`,
    );
  }
  return unclear(gateway, message);
}

function judgeConnection(error: ConnectionError, gateway: string, timeoutMs: number): Finding {
  const chain = errorChain(error);
  const has = (...codes: string[]) => chain.some(({ code }) => codes.includes(code));
  const { hostname, host } = new URL(gateway);
  if (has("ENOTFOUND", "EAI_AGAIN")) {
    return bad(`Wrong base URL, or no network: the host ${hostname} is not found.`);
  }
  if (has("ECONNREFUSED")) {
    return bad(`Wrong base URL, or the gateway is down: ${host} refuses the connection.`);
  }
  if (has("ETIMEDOUT", "UND_ERR_CONNECT_TIMEOUT")) {
    return bad(
      `Timeout: ${host} cannot be reached. Is KLING_BASE_URL right, or is a proxy needed?`,
    );
  }
  if (chain.some(({ name }) => name === "TimeoutError")) {
    return bad(
      `Timeout: no complete response from ${host} within ${timeoutMs / 1000} s. Is KLING_BASE_URL right, or is a proxy needed?`,
    );
  }
  return unclear(gateway, messageOf(error));
}

function good(line: string): Finding {
  return { isGood: true, line };
}

function bad(line: string): Finding {
  return { isGood: false, line };
}

function unclear(gateway: string, message: string): Finding {
  return bad(`Unclear: whether base URL, path and key work at ${gateway} is not known: ${message}`);
}

function isHtml(headers: Headers, body: string): boolean {
  return (
    /^\s*text\/html\b/i.test(headers.get("content-type") ?? "") ||
    /^\s*<(?:!doctype\s+html|html)\b/i.test(body)
  );
}

/** Whether a 404 is about the path and not about the task. */
function isNoRoute(code: number | string | undefined, json: unknown): boolean {
  // Kling: the method or the path is invalid.
  if (code === 1202) return true;
  // FastAPI and Django: {"detail":"Not Found"}, {"detail":"Not found."}
  if (/^not found\.?$/i.test(textOf(property(json, "detail")) ?? "")) return true;
  // Spring: {"status":404,"error":"Not Found","path":"/kling/…"}
  if (property(json, "error") === "Not Found" && textOf(property(json, "path"))) return true;
  const said =
    textOf(property(property(json, "error"), "message")) ?? textOf(property(json, "message")) ?? "";
  // OpenAI and new-api: "Invalid URL (GET /kling/…)"; Express and Nest: "Cannot GET /kling/…";
  // Kong: "no Route matched with those values".
  return /^(?:invalid url\b|cannot get\b|no route\b)/i.test(said);
}

/** Where a redirect leads, as a whole URL where that can be told. */
function targetOf(location: string | null, gateway: string): string {
  if (location === null) return "a place that it does not name";
  return URL.canParse(location, gateway) ? new URL(location, gateway).href : oneLine(location);
}
