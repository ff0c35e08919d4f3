// What a subcommand sees of the process: its output, its environment, one question, and Ctrl-C.

import type { Writable } from "node:stream";
import type { FakeGateway } from "../testing.js";

/** What a subcommand prints to, asks and is stopped by. */
export interface Terminal {
  env: NodeJS.ProcessEnv;
  /** The version of the package. */
  version: string;
  /** What to type before a subcommand, such as `npx kling-lip-sync`. */
  command: string;
  /** Prints a line to standard output. */
  print: (line: string) => void;
  /** Prints a line to standard error. */
  warn: (line: string) => void;
  /** Where a progress bar is drawn; `undefined` where a line cannot be redrawn. */
  screen: Writable | undefined;
  /** Asks a question that takes yes or no; `undefined` where nobody can answer. */
  ask: ((question: string) => Promise<boolean>) | undefined;
  /** Serves a fake gateway on a port of this machine; 0 takes a free one. */
  serve: (gateway: FakeGateway, port: number) => Promise<Served>;
  /** Aborts with a `Stopped` on Ctrl-C, SIGTERM, SIGHUP, or when the output is closed. */
  signal: AbortSignal;
}

/** A server that runs until it is closed. */
export interface Served {
  baseUrl: string;
  close: () => void;
}

/** What was typed cannot be run, and nothing was sent. */
export class UsageError extends Error {}

/** The run was stopped by a person or by the system. */
export class Stopped extends Error {}

/** How a command ends; `--help` lists these. */
export const EXIT_CODES = { done: 0, needsPerson: 1, wrongUse: 2, stopped: 130 } as const;
