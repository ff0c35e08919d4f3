// Each sentence of the documentation about money, failures and time, and the test that shows it.
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

/** What is no claim about the library: what to do, or what gateways do. */
const ADVICE = "advice";

/** The file of each test without its ending, and the test's name as it is written there. */
const promises: Record<string, Record<string, string>> = {
  "README.md, Money": {
    "A task is billed when the gateway accepts it.":
      "system/simulation: keeps its promises in any weather",
    "Only `create` costs something; `get` and `wait` are free.":
      "client: asks for a task by its id, with the bearer token and without a body",
    "Whether a task that fails is refunded is up to the gateway.": ADVICE,
    "`create` is retried only where it is certain that no task was created: the connection was never made, or the gateway refused because of too many requests or tasks (429, 1302, 1303).":
      "system/simulation: keeps its promises in any weather",
    "`get` and the polls of `wait` are also retried after a 5xx, a reset or a timeout.":
      "outcome: has its row in the table: $name",
    "A timeout of `wait` is not a failure.":
      "wait: can be followed by another wait with the same id",
    "The task goes on: call `wait` again with the same id.":
      "wait: can be followed by another wait with the same id",
    "Every error of the library has `mayHaveCreatedTask`.":
      "client: throws errors that are LipSyncErrors, each with the name of its class",
    "If it is `false`, this call created no task, and calling `create` again is safe.":
      "system/simulation: keeps its promises in any weather",
    "If it is `true`, a task may exist and be billed, so look for it before you call `create` again.":
      "system/simulation: keeps its promises in any weather",
  },
  "docs/waiting.md, After a timeout": {
    "A `TaskTimeoutError` does not mean that the task failed: it goes on, and has been billed.":
      "wait: can be followed by another wait with the same id",
    "Call `wait` again with `error.taskId`; do not call `create` again.":
      "wait: is half an hour, and its error carries the id and the last task",
    "[Errors](errors.md#the-errors) says what else the error carries.": ADVICE,
    "A `ConnectionError` of `create` that says it timed out is something else: see [A task may exist](errors.md#a-task-may-exist).":
      "system/attempt: timeoutMs ends a call %s, and its connection",
    "Failures that may pass do not end it: no connection, a reset, 5xx, 408, 429 without a numeric code, 1302, 1303.":
      "wait: are waited out, each for an interval, however long they go on",
    "They are not counted.": "wait: are waited out, each for an interval, however long they go on",
    "A `Retry-After` can make the pause longer, not shorter.":
      "wait: may ask for a longer pause, not for a shorter one",
    "A gateway may not know a new task yet.":
      "wait: may be new: two such polls in a row are forgiven, the third ends the wait",
    "`wait` forgives a 404 in JSON or the code `task_not_exist`, and throws the third one in a row.":
      "wait: may be new: two such polls in a row are forgiven, the third ends the wait",
    "A 404 that is not JSON ends it immediately, because then the base URL is wrong.":
      "wait: is not meant by a 404 that is no JSON: it ends the wait at once",
    "It throws immediately on errors that waiting cannot fix, such as 401, 403, or an account in arrears.":
      "wait: comes at once with what waiting cannot fix: $name",
    "Its timeout bounds everything: a poll that hangs, the pause, and `onUpdate`.":
      "wait: bounds a poll that hangs",
    "A task that is done counts even if the time runs out while `onUpdate` runs.":
      "wait: that takes longer than the rest of the limit does not lose a finished task",
    "Its `signal` ends it immediately.": "wait: ends a wait at once with its reason: %j",
    "The task goes on.": "wait: ends a wait at once with its reason: %j",
  },
  "docs/errors.md": {
    "All extend `LipSyncError`.":
      "client: throws errors that are LipSyncErrors, each with the name of its class",
    "The message of an `ApiError` has the method, the path and the status, and the code and the request id if there are any.":
      "answer: tells %s (%i)",
    "`ApiError.code` is Kling's code as a number, also if it came as a numeric string, or else the gateway's word.":
      "outcome: has its row in the table: $name",
    "`ApiError.requestId` is the `request_id` of the response, or else its header `x-request-id`.":
      "answer: an ApiError has the request id of the body, else of the header",
    "Gateways ask for it.": ADVICE,
    "`ApiError.taskId` is the id of a task, if the response mentions one although it is not a task itself.":
      "outcome: with %i follows the rules, whatever the body",
    "`TaskTimeoutError.task` is the task as the gateway last described it.":
      "wait: is half an hour, and its error carries the id and the last task",
    "It is `undefined` if no poll succeeded.":
      "wait: carries the error of the last poll, and no task where no poll succeeded",
    "`TaskTimeoutError.cause` is the error of the last poll, if that failed.":
      "wait: carries the error of the last poll, and no task where no poll succeeded",
    "Every error of the library has `mayHaveCreatedTask`.":
      "client: throws errors that are LipSyncErrors, each with the name of its class",
    "Only `create` can set it to `true`.": "outcome: with %i follows the rules, whatever the body",
    "`false`: this call created no task.": "system/simulation: keeps its promises in any weather",
    "Calling `create` again cannot pay twice.":
      "system/simulation: keeps its promises in any weather",
    "`true`: this call may have created a task, and it may be billed.":
      "system/simulation: keeps its promises in any weather",
    "It is `false` in three cases:": "outcome: with %i follows the rules, whatever the body",
    "Nothing was sent.":
      "attempt: bounds the key function; then nothing is sent, not even late, and create tries again",
    "The connection was never made.": "outcome: has its row in the table: $name",
    "The server refused: a top-level `code` from 1000 to 1999 at any status, a 3xx except 303, or a 4xx except 408.":
      "outcome: with %i follows the rules, whatever the body",
    "A response that mentions a task is not a refusal.": "outcome: has its row in the table: $name",
    "Everything else is `true`.": "outcome: with %i follows the rules, whatever the body",
    "A 5xx is `true`, because a gateway can respond with 500 after Kling accepted the task.":
      "outcome: has its row in the table: $name",
    "A 200 with a web page is `true`, too.": "outcome: has its row in the table: $name",
    "If it is `true`, look for the task before you call `create` again:":
      "system/simulation: keeps its promises in any weather",
    "If the error has a `taskId`, call `wait` with it.":
      "system/simulation: keeps its promises in any weather",
    "Look at the gateway's console, or its list of tasks.": ADVICE,
    "If the request had a `callback_url` with an id of your own, a [callback](recipes.md#a-callback-in-express) brings the `task_id`.":
      "system/recipes: brings the id of a task whose create had no response",
    "If there is certainly no task, call `create` again.": ADVICE,
    "An account can run a limited number of tasks at once.": ADVICE,
    "A further task is refused with 429 and code 1303, and is not billed.":
      "testing: refuses a create while too many tasks are not done",
    "`create` is retried `maxRetries` times, 2 by default.": "retry: with maxRetries %j is %i",
    "With `maxRetries: Infinity` it is retried until there is room, or until a `Retry-After` says more than 60 s.":
      "retry: is unbounded with Infinity: create waits until the gateway has room for a task",
    "End it early with a `signal`.": "retry: ends with an abort, and its reason",
    "Start fewer tasks at once: [A batch](recipes.md#a-batch-from-a-file) starts five.":
      "system/batch: saves every clip, with no more tasks at once than the gateway takes",
    "[Many workers](fleet.md) pause by themselves.":
      "bullmq: because of %s delays creates, not polls",
    "A gateway may hide the code: 429 without a numeric code is treated in the same way.":
      "outcome: has its row in the table: $name",
    "1302 is the same for too many requests.": "outcome: has its row in the table: $name",
    "429 with 1100, 1101, 1102 or 1304 is not retried: the account has to be fixed first.":
      "outcome: has its row in the table: $name",
    "Where a runtime does not say that the connection was never made, it counts as a reset.":
      "outcome: has its row in the table: $name",
    "`create` and `get` are retried at most `maxRetries` times.": "retry: with maxRetries %j is %i",
    "`create` is never retried after an error with `mayHaveCreatedTask: true`.":
      "outcome: with %i follows the rules, whatever the body",
    "`wait` does not count retries.":
      "wait: are waited out, each for an interval, however long they go on",
    "It goes on through everything that `get` may retry, until its own timeout.":
      "wait: are waited out, each for an interval, however long they go on",
    "It also tolerates [a new task that the gateway does not know yet](waiting.md#what-ends-a-wait).":
      "wait: may be new: two such polls in a row are forgiven, the third ends the wait",
    "The pause is what `Retry-After` says, in seconds or as a date.":
      "retry: after Retry-After: %s is %i ms",
    "If it says more than 60 s, `create` and `get` throw the error instead of waiting.":
      "retry: is not slept after Retry-After: %s; the error is thrown",
    "Without a `Retry-After`, the pause is 1 s plus a random part of at most 1, 2, 4, … and in the end 60 s.":
      "retry: grows from 1 s to at most 61 s where random is %d",
    "Every attempt of one `create` sends the same bytes.":
      "retry: ends with the first task; each attempt sent the same bytes",
    "An attempt that timed out before its request was handed to `fetch`, because the key function was slow, sent nothing.":
      "attempt: bounds the key function; then nothing is sent, not even late, and create tries again",
    "It is retried, also by `create`.":
      "attempt: bounds the key function; then nothing is sent, not even late, and create tries again",
    "Gateways add words of their own, see [The wire](wire.md#other-responses-of-gateways).":
      "outcome: has its row in the table: $name",
    "`timeoutMs` of the client or of a call limits one attempt.":
      "retry: comes on top of the time of each attempt",
    "With two retries, a call can take three times as long, plus the pauses.":
      "retry: comes on top of the time of each attempt",
    "`timeoutMs` of `wait` limits the whole wait, a hanging poll included.":
      "wait: bounds a poll that hangs",
    "An attempt ends after 24 days at the latest.":
      "time: takes 2^31 ms and more for the longest time that a timer can hold",
    "`wait` has no limit if its timeout is `Infinity`.": "wait: is none where it is %d",
    "An abort rejects immediately with `signal.reason`, whatever that is.":
      "attempt: rejects with its reason, whatever that is, and reaches fetch",
    "It is not wrapped, so it has no `mayHaveCreatedTask`.":
      "attempt: rejects with its reason, whatever that is, and reaches fetch",
    "An aborted `create` may have created a task.": "system/attempt: %s closes the connection",
    "Treat it as `mayHaveCreatedTask: true`.": "system/attempt: %s closes the connection",
    "If the signal was aborted before the call, nothing is sent.":
      "attempt: before the call sends nothing",
    "An aborted `wait` leaves the task as it is.": "wait: ends a wait at once with its reason: %j",
    "Nothing is cancelled at Kling.": "wait: ends a wait at once with its reason: %j",
    "A redirect is never followed.":
      "system/faults: ends %s as the decision table says, whatever the body",
    "Following could turn the POST into a GET, or send it and its body elsewhere.":
      "system/faults: ends %s as the decision table says, whatever the body",
    "It is an `ApiError` whose message names the location, if the runtime shows it.":
      "answer: names the place of a %i",
    "If the gateway is there, change `baseUrl`.": "answer: names the place of a %i",
    "Browsers hide the location: there, `status` is 0, and `mayHaveCreatedTask` of `create` is `true`.":
      "outcome: with the status of a redirect that a browser hides is uncertain for good",
    "The key is replaced by `***` in everything that an error keeps: message, body, headers and cause.":
      "system/faults: ends as the decision table says, without the key: $name",
    "Copies escaped by JSON or URL encoding are replaced, too.": "system/faults: is taken out %s",
    "A key that the gateway masks, cuts or writes as HTML entities is not found.": ADVICE,
    "A key shorter than six characters is not looked for.":
      "redact: keeps what is too short to be a key",
    "What your key function throws reaches you as it is.":
      "auth: is not sent where its function throws, and that passes through: %j",
  },
};

const read = (...names: string[]) => readFileSync(path.join(import.meta.dirname, ...names), "utf8");

/** The sentences of a text, without tables, headings and code. */
function sentencesOf(text: string): string[] {
  const prose = text.replace(/```[^]*?```|^[|#].*$/gm, "");
  const parts = prose
    .split(/\n(?:- |\d\. |\s*\n)/)
    .map((part) => part.replace(/^(?:- |\d\. )/, ""));
  const sentences = parts.flatMap((part) => part.trim().split(/(?<=\.)\s+(?=[A-Z`[])/));
  return sentences.filter((sentence) => sentence !== "");
}

const [, money = ""] = read("..", "README.md").split(/^## Money$/m);
const [, waiting = ""] = read("..", "docs", "waiting.md").split(/^(?=## After a timeout$)/m);
const texts = {
  "README.md, Money": money.split(/^## /m)[0] ?? "",
  "docs/waiting.md, After a timeout": waiting,
  "docs/errors.md": read("..", "docs", "errors.md"),
};

describe.each(Object.entries(texts))("%s", (page, text) => {
  const rows = Object.entries(promises[page] ?? {});

  it("has a row for every sentence, and for no other", () => {
    expect(sentencesOf(text)).toEqual(rows.map(([sentence]) => sentence));
  });

  it.each(rows.filter(([, test]) => test !== ADVICE))(
    "is true, which a test shows: %s",
    (_, test) => {
      const [file = "", name] = test.split(/: (.*)/);
      const code = read(`${file}.test.ts`);
      expect(code).toContain(JSON.stringify(name));
      expect(code).not.toMatch(/\b(?:it|test|describe)(?:\.\w+)*\.(?:skip|only|todo)\b/);
    },
  );
});
