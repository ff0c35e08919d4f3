// Finds the id of a task in a response that is not a task, whatever its format: a paid task must not
// be lost because a gateway wrapped it in another way.
import { parseJson, property } from "./json.js";
import { idOf } from "./task.js";

/** Where a task_id or taskId has its value. Each only reads forwards: a hostile text costs no time. */
const IN_TEXT = [
  // JSON at any depth, and its relatives: "task_id": "t-1", taskId = 't-1', 'task_id' => 't-1'
  /(?:^|[^\w.-])task_?id["'\]]*\s*[:=][>\s[]*["']([^"'\s]+)["']/gi,
  // A number with all its digits, or a form: "task_id": 831922345719271433, &task_id=t-1
  /(?:^|[^\w.-])task_?id(?:["']\s*:\s*|=)([\w.:-]+)/gi,
  // A line of a text; what follows may be a sentence, so it needs a digit: task_id: 831922345719271433
  /(?:^|[^\w.-])task_?id:\s*(?=[\w.:-]*\d)([\w.:-]+)/gi,
  // XML: <task_id>t-1</task_id>
  /<(?:\w+:)?task_?id\b[^<>]*>\s*(?:<!\[CDATA\[)?([^\s<>[\]]+)/gi,
];

/** In JSON that is cut off. */
const IN_CUT_JSON = /^\s*\{[^]*?"(?:data|id)"\s*:\s*"?([\w.:-]+)/g;

const NO_ID = /^(?:null|none|undefined|true|false|[-0.]+)$/i;

/** The first id of a task in the text of a response, other than those that the request names. */
export function taskIdIn(text: string, isSuccess: boolean, sent = ""): string | undefined {
  const plain = withoutEscapes(text);
  const old = namedIn(withoutEscapes(sent));
  const isNew = (id: string) => !old.includes(id) && !NO_ID.test(id);
  const named = namedIn(plain).find(isNew);
  if (named !== undefined || !isSuccess) return named;
  // {"code":"success","data":"t-1"}, {"id":"t-1"}, {"data":{"id":"t-1"}}
  const json = parseJson(text);
  if (json === undefined) return idsBy(IN_CUT_JSON, plain).find(isNew);
  const data = property(json, "data");
  const inner = typeof data === "string" ? parseJson(data) : data;
  const ids = [data, property(json, "id"), property(inner, "id")].map(idOf);
  return ids.find((id = "") => /^[\w.:+=-]+$/.test(id) && isNew(id));
}

const namedIn = (text: string): string[] => IN_TEXT.flatMap((pattern) => idsBy(pattern, text));

const idsBy = (pattern: RegExp, text: string): string[] =>
  Array.from(text.matchAll(pattern), ([, id = ""]) => id);

/** A text without the escapes of JSON in JSON, of HTML and of URLs. */
const withoutEscapes = (text: string): string =>
  text
    .replace(/\\+/g, "\\")
    .replace(/(?:\\u00|%)([\da-f]{2})/gi, (_, code: string) =>
      String.fromCharCode(parseInt(code, 16)),
    )
    .replace(/&(?:quot|#34|#x22);/gi, '"')
    .replace(/\\[nrt]/g, " ")
    .replace(/[\\\0]/g, "");
