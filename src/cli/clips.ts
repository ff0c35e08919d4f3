// Reads a file of clips, JSON lines or CSV. All mistakes are found before anything is sent.
import { createReadStream } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { CsvError, parse as parseCsv } from "csv-parse";
import type { LipSyncRequest } from "../index.js";
import { isRecord, parseJson } from "../json.js";
import { completeRequest, draftOf, FIELDS, type Fields } from "./request.js";
import { inTypedNames, invalidField, readAudio, skipAudio } from "./request.js";
import { UsageError } from "./terminal.js";
import { messageOf, oneLine } from "./text.js";

/** One clip of a file. */
export interface Clip {
  id: string;
  request: LipSyncRequest;
}

/** What is in a file of clips; the bytes of its audio files are not read. */
export interface CheckedFile {
  /** All ids, in the order of the file. */
  ids: string[];
  /** The first three clips. */
  examples: Clip[];
  /** The columns that are not used. */
  otherColumns: string[];
}

/** A line of JSON, or a row of a CSV. */
interface Row {
  line: number;
  /** Its columns, or the names beside `request`. */
  columns: string[];
  id: unknown;
  /** Why nothing of it can be read. */
  problem: string | undefined;
  /** Its request, with the file in `audio_file` read if that is a path. */
  draft: (audio: typeof readAudio) => Promise<Fields>;
  typed: "columns" | undefined;
}

/** The columns that are sent; the mode and the type of the audio can be left out. */
const FIELD_NAMES = [...Object.keys(FIELDS), "mode", "audio_type"];
const MOST_EXAMPLES = 3;
const MOST_PROBLEMS = 50;
const MOST_ALIKE = 10;

/** Reads the file, with the bytes of its audio files, one clip at a time. */
export async function* readClips(file: string, defaults: Fields): AsyncGenerator<Clip> {
  for await (const row of rowsOf(file)) {
    yield { id: idOf(row), request: await requestOf(row, defaults, readAudio) };
  }
}

/**
 * Checks every line of a file.
 *
 * @throws UsageError - all mistakes, each with file, line and field
 */
export async function checkClips(file: string, defaults: Fields): Promise<CheckedFile> {
  const ids: string[] = [];
  const examples: Clip[] = [];
  const otherColumns = new Set<string>();
  let isCsv = false;
  const lineOf = new Map<string, number>();
  const problems: Problem[] = [];

  async function noting<Value>(line: number, work: () => Value | Promise<Value>) {
    try {
      return await work();
    } catch (error) {
      problems.push({ line, message: messageOf(error) });
      return undefined;
    }
  }

  try {
    for await (const row of rowsOf(file)) {
      const { line } = row;
      for (const column of row.columns) otherColumns.add(column);
      isCsv = row.typed === "columns";
      if (row.problem) {
        problems.push({ line, message: row.problem });
        continue;
      }
      const request = await noting(line, () => requestOf(row, defaults, skipAudio));
      const id = await noting(line, () => newIdOf(row, lineOf));
      if (id === undefined || request === undefined) continue;
      ids.push(id);
      if (examples.length < MOST_EXAMPLES) examples.push({ id, request });
    }
  } catch (error) {
    // The rest of the file cannot be read.
    problems.push({ line: undefined, message: messageOf(error) });
  }
  if (problems.length > 0)
    throw new UsageError(listOf(file, problems, isCsv ? [...otherColumns] : []));
  if (ids.length === 0) throw new UsageError(`${oneLine(file)} has no clips.`);
  return { ids, examples, otherColumns: [...otherColumns] };
}

/** What is wrong with a line; without one, with the rest of the file. */
interface Problem {
  line: number | undefined;
  message: string;
}

/** The mistakes of a file, and how many more lines have the same ones. */
function listOf(file: string, problems: Problem[], unused: string[]): string {
  const lines = new Map<string, number>();
  const rows: string[] = [];
  for (const { line, message } of problems) {
    const count = (lines.get(message) ?? 0) + 1;
    lines.set(message, count);
    if (count <= MOST_ALIKE)
      rows.push(line === undefined ? message : `${oneLine(file)}:${line}: ${message}`);
  }
  const hidden = rows.splice(MOST_PROBLEMS).length;
  for (const [message, count] of lines) {
    if (count > MOST_ALIKE) rows.push(`… and ${count - MOST_ALIKE} more lines: ${message}`);
  }
  if (hidden > 0) rows.push(`… and ${hidden} more.`);
  // One of them may be a misspelt field.
  if (unused.length > 0) rows.push(`Columns that are not used: ${unused.map(oneLine).join(", ")}`);
  return [`mistakes in ${oneLine(file)} (${problems.length}):`, ...rows].join("\n");
}

async function requestOf(
  { draft, typed }: Row,
  defaults: Fields,
  audio: typeof readAudio,
): Promise<LipSyncRequest> {
  try {
    return completeRequest(await draft(audio), defaults);
  } catch (error) {
    throw typed ? inTypedNames(error, typed) : error;
  }
}

function idOf({ id }: Row): string {
  const isId = typeof id === "string" && /^[\w-]{1,100}$/.test(id);
  if (!isId) throw invalidField("id", "must be 1 to 100 letters, digits, - and _");
  return id;
}

/** The id of a row, unless an earlier line has it; case does not matter, as in names of files. */
function newIdOf(row: Row, lineOf: Map<string, number>): string {
  const id = idOf(row);
  const earlier = lineOf.get(id.toLowerCase());
  if (earlier) throw invalidField("id", `${id} is also in line ${earlier}`);
  lineOf.set(id.toLowerCase(), row.line);
  return id;
}

/** The rows of a file; one that starts with "{" is JSON lines. */
async function* rowsOf(file: string): AsyncGenerator<Row> {
  const first = await firstLine(file);
  const hasNoCommas = /^[^,{]*[;\t][^,]*$/.test(first);
  if (hasNoCommas) {
    const advice = "the columns are not separated by commas: save the file as CSV with commas.";
    throw new UsageError(`${oneLine(file)}:1: ${advice}`);
  }
  yield* first.startsWith("{") ? jsonRows(file) : csvRows(file);
}

async function firstLine(file: string): Promise<string> {
  for await (const line of linesOf(file)) {
    if (line.trim() !== "") return line.trim();
  }
  return "";
}

async function* jsonRows(file: string): AsyncGenerator<Row> {
  let line = 0;
  for await (const text of linesOf(file)) {
    line += 1;
    if (text.trim() === "") continue;
    const json = parseJson(text);
    const { id, request, ...others } = isRecord(json) ? json : {};
    const draft = () => {
      refuseLookalikes(Object.keys(others), ["id", "request"]);
      const outside = Object.keys(others).find((name) => nearest(name, FIELD_NAMES));
      if (outside !== undefined) throw invalidField(outside, "must be inside of request");
      if (!isRecord(request)) throw invalidField("request", 'must be an object: {"input":{…}}');
      return Promise.resolve(request);
    };
    const problem = isRecord(json)
      ? undefined
      : 'This is not a JSON object such as {"id":"a","request":{…}}.';
    yield { line, columns: Object.keys(others), id, problem, draft, typed: undefined };
  }
}

async function* csvRows(file: string): AsyncGenerator<Row> {
  const text = Readable.from(withLineFeeds(linesOf(file)));
  const options = { info: true, relax_column_count: true, skip_records_with_empty_values: true };
  const records = text.pipe(parseCsv({ ...options, record_delimiter: "\n" }));
  text.on("error", (error) => records.destroy(error));
  let columns: string[] | undefined;
  let end = 0;
  try {
    for await (const { record, info } of records as AsyncIterable<CsvRecord>) {
      // A row with line breaks in its cells has several lines; the first one is named.
      const line = info.lines - record.join("").split("\n").length + 1;
      end = info.lines;
      if (columns) yield csvRow({ file, line, columns, record });
      else columns = checkColumns(`${oneLine(file)}:${line}`, record);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new UsageError(`${oneLine(file)}:${end + 1}: ${messageOf(error)}`);
  } finally {
    text.destroy();
  }
}

/** What csv-parse says about a row. */
interface CsvRecord {
  record: string[];
  info: { lines: number };
}

function csvRow(read: { file: string; line: number; columns: string[]; record: string[] }): Row {
  const { file, line, columns, record } = read;
  const cells = Object.fromEntries(columns.map((name, index) => [name, record[index]]));
  const fields = Object.fromEntries(FIELD_NAMES.map((name) => [name, cells[name]]));
  const folder = path.dirname(file);
  return {
    line,
    columns: columns.filter((name) => !["", "id", ...FIELD_NAMES].includes(name)),
    id: cells["id"]?.trim(),
    problem:
      record.length === columns.length
        ? undefined
        : `${record.length} cells for ${columns.length} columns: put a text that has a comma in quotes.`,
    draft: async (audio) => draftOf(await audio(fields, folder)),
    typed: "columns",
  };
}

/** Throws unless the first line of a CSV has the names of columns that can be used. */
function checkColumns(place: string, columns: string[]): string[] {
  const invalid = (why: string) => new UsageError(`${place}: ${why}`);
  try {
    refuseLookalikes(columns, ["id", ...FIELD_NAMES]);
  } catch (error) {
    throw invalid(messageOf(error));
  }
  const twice = columns.find((name, index) => name !== "" && columns.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`the column ${oneLine(twice)} is there twice.`);
  if (columns.includes("id")) return columns;
  throw invalid("the first line must name the columns, and one of them must be id.");
}

/** Throws for a name such as voiceId or "Voice ID", which would be left out without a word. */
function refuseLookalikes(names: string[], fields: string[]): void {
  for (const name of names) {
    const field = nearest(name, fields);
    if (field === undefined || field === name) continue;
    throw invalidField(JSON.stringify(name), `looks like ${field}: rename or remove it`);
  }
}

const nearest = (name: string, fields: string[]): string | undefined =>
  fields.find((field) => plain(field) === plain(name));

const plain = (name: string): string => name.toLowerCase().replace(/^input\.|[^a-z]/g, "");

async function* withLineFeeds(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`;
}

/** The lines of a file in UTF-8, without their ends and without a byte order mark. */
async function* linesOf(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (bytes?: Uint8Array) => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch {
      const advice = 'save it as UTF-8 (in Excel: "CSV UTF-8")';
      throw new UsageError(`${oneLine(file)} is not UTF-8 text: ${advice}.`);
    }
  };
  let rest = "";
  try {
    for await (const bytes of createReadStream(file) as AsyncIterable<Uint8Array>) {
      const lines = (rest + decode(bytes)).split(/\r?\n/);
      rest = lines.splice(-1).join("");
      yield* lines;
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${oneLine(file)} cannot be read: ${messageOf(error)}`);
  }
  rest += decode();
  if (rest !== "") yield rest;
}
