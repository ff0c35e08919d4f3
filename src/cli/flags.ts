// Flags that several subcommands have.
import { type Command, InvalidArgumentError } from "commander";
import { type Fields, FIELDS } from "./request.js";

/** How a subcommand ends: with an exit code. */
export type Done = (exitCode: number) => void;

/** Adds a flag for each field of a request. */
export function addFieldFlags(command: Command): Command {
  for (const [name, meaning] of Object.entries(FIELDS)) {
    command.option(`--${name.replaceAll("_", "-")} <value>`, meaning);
  }
  return command;
}

/** The fields that were given as flags. */
export function fieldsOf(options: object): Fields {
  const given = new Map<string, unknown>(Object.entries(options));
  const names = Object.keys(FIELDS);
  return Object.fromEntries(names.map((name) => [name, given.get(camelCase(name))]));
}

/** Adds the flags of what waits for a task. */
export function addWaitFlags(command: Command): Command {
  return command
    .option("--save <file>", "download the video to a new file, never over an existing one")
    .option("--interval <seconds>", "delay between two polls; default 10", positive)
    .option("--timeout <minutes>", "how long to wait for the video; default 30", positive)
    .option("--json", "print the task as JSON");
}

/** What the flags of `addWaitFlags` give. */
export interface WaitFlags {
  save?: string;
  interval?: number;
  timeout?: number;
  json?: boolean;
}

/** Those flags in the units of the client. */
export const waitOptions = ({ save, interval, timeout, json }: WaitFlags) => ({
  save,
  json,
  intervalMs: milliseconds(interval, 1000),
  timeoutMs: milliseconds(timeout, 60_000),
});

export const milliseconds = (value: number | undefined, unitMs: number): number | undefined =>
  value === undefined ? undefined : value * unitMs;

/** Parses a number above 0. */
export function positive(text: string): number {
  const number = Number(text);
  if (text.trim() !== "" && number > 0 && Number.isFinite(number)) return number;
  throw new InvalidArgumentError("It must be a number above 0.");
}

/** Parses a whole number from 1. */
export function count(text: string): number {
  const number = positive(text);
  if (Number.isInteger(number)) return number;
  throw new InvalidArgumentError("It must be a whole number from 1.");
}

const camelCase = (name: string): string =>
  name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
