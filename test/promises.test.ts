// Each sentence of the README's section on failures, and the test that shows that it is true.
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

/** The file of each test without its ending, and the test's name as it is written there. */
const promises: Record<string, string> = {
  "All extend `LipSyncError`.":
    "client: throws errors that are LipSyncErrors, each with the name of its class",
  "`ApiError.code` is Kling's code as a number, also where it came as a numeric string, or else the gateway's word.":
    "outcome: has its row in the table: $name",
  "`ApiError.requestId` is the answer's `request_id`, else its header `x-request-id`.":
    "answer: an ApiError has the request id of the body, else of the header",
  "`ApiError.taskId` is the id of a task that the answer names although it is not that task.":
    "outcome: with %i follows the rules, whatever the body",
  "Call `get` with it before you call `create` again.":
    "system/simulation: keeps its promises in any weather",
  "The message of an `ApiError` names method, path and status, and the code and the request id where there are any.":
    "answer: tells %s (%i)",
  "`TaskTimeoutError.task` is the task as it was last answered.":
    "wait: is half an hour, and its error carries the id and the last task",
  "It is absent if no poll was answered.":
    "wait: carries the error of the last poll, and no task where no poll succeeded",
  "`TaskTimeoutError.cause` is the error of the last poll that ended, if it failed.":
    "wait: carries the error of the last poll, and no task where no poll succeeded",
  "Every one of these errors has `mayHaveCreatedTask`.":
    "client: throws errors that are LipSyncErrors, each with the name of its class",
  "Only `create` can set it to `true`.": "outcome: with %i follows the rules, whatever the body",
  "`false`: this call created no task.": "system/simulation: keeps its promises in any weather",
  "Calling `create` again cannot pay twice.":
    "system/simulation: keeps its promises in any weather",
  "`true`: this call may have created one.": "system/simulation: keeps its promises in any weather",
  "Look for it at the gateway, in its console or its list of tasks, before you call `create` again.":
    "system/simulation: keeps its promises in any weather",
  "It is `false` in three cases:": "outcome: with %i follows the rules, whatever the body",
  "Nothing was sent.":
    "attempt: bounds the key function; then nothing is sent, not even late, and create tries again",
  "The connection was certainly never made.": "outcome: has its row in the table: $name",
  "The server refused.": "outcome: with %i follows the rules, whatever the body",
  "That is a Kling code from 1000 to 1999 at any status, a 3xx except 303, or a 4xx except 408.":
    "outcome: with %i follows the rules, whatever the body",
  "An answer that names a task is no refusal.": "outcome: has its row in the table: $name",
  "Every other answer without a task, and every connection that broke, is `true`.":
    "outcome: with %i follows the rules, whatever the body",
  "A 5xx is, since a gateway can answer 500 after Kling took the task.":
    "outcome: has its row in the table: $name",
  "So is a 200 with a web page in it.": "outcome: has its row in the table: $name",
  "Where a runtime does not say that the connection was never made, it is not certain.":
    "outcome: has its row in the table: $name",
  "`create` and `get` repeat at most `maxRetries` times.": "retry: with maxRetries %j is %i",
  "The pause is what `Retry-After` says, in seconds or as a date.":
    "retry: after Retry-After: %s is %i ms",
  "A `Retry-After` above 60 s is not slept: the error is thrown.":
    "retry: is not slept after Retry-After: %s; the error is thrown",
  "Without a `Retry-After`, the pause is 1 s plus a random part of at most 1, 2, 4, … and in the end 60 s.":
    "retry: grows from 1 s to at most 61 s where random is %d",
  "An attempt whose time was over before its request was handed to `fetch`, because the key function was slow, sent nothing.":
    "attempt: bounds the key function; then nothing is sent, not even late, and create tries again",
  "It is repeated, also by `create`.":
    "attempt: bounds the key function; then nothing is sent, not even late, and create tries again",
  "Each attempt of one `create` sends the same body.":
    "retry: ends with the first task; each attempt sent the same bytes",
  "`wait` does not count its polls.":
    "wait: are waited out, each for an interval, however long they go on",
  "What `get` may repeat, it waits out until its own limit.":
    "wait: are waited out, each for an interval, however long they go on",
  "There, `Retry-After` only makes the pause longer.":
    "wait: may ask for a longer pause, not for a shorter one",
  "`wait` ends at once on what waiting cannot fix, such as 401, 403 or an account in arrears.":
    "wait: comes at once with what waiting cannot fix: $name",
  "A gateway may not know a new task yet:":
    "wait: may be new: two such polls in a row are forgiven, the third ends the wait",
  "`wait` ends at the third 404 in JSON in a row.":
    "wait: may be new: two such polls in a row are forgiven, the third ends the wait",
  "A 404 that is not JSON ends it at once.":
    "wait: is not meant by a 404 that is no JSON: it ends the wait at once",
  "`timeoutMs` of the client or of a call limits one attempt, not the call.":
    "retry: comes on top of the time of each attempt",
  "With two repeats, a call may take three times as long, and the pauses.":
    "retry: comes on top of the time of each attempt",
  "`timeoutMs` of `wait` limits the whole wait, a hanging poll included.":
    "wait: bounds a poll that hangs",
  "A limit of 2³¹ ms (24 days) or more, `Infinity` included, is no limit for `wait`.":
    "wait: is none where it is %d",
  "An attempt ends after 24 days.":
    "time: takes 2^31 ms and more for the longest time that a timer can hold",
  "An abort rejects at once with `signal.reason`, whatever that is.":
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
  "Following could turn the POST into a GET, or send it and the body elsewhere.":
    "system/faults: ends %s as the decision table says, whatever the body",
  "It is an `ApiError` whose message names the location, where there is one that the runtime shows.":
    "answer: names the place of a %i",
  "If the gateway is there, change `baseUrl`.": "answer: names the place of a %i",
  "Browsers hide where a redirect leads: there, `status` is 0, and for `create`, `mayHaveCreatedTask` is `true`.":
    "outcome: with the status of a redirect that a browser hides is uncertain for good",
  "The key is taken out of all that an error keeps: message, answer, headers and cause have `***` in its place.":
    "system/faults: ends as the decision table says, without the key: $name",
  "The spellings of JSON and of URLs are found, too.": "system/faults: is taken out %s",
  "A key shorter than six characters is not looked for.":
    "redact: keeps what is too short to be a key",
  "What your key function throws reaches you as it is.":
    "auth: is not sent where its function throws, and that passes through: %j",
};

const read = (...names: string[]) => readFileSync(path.join(import.meta.dirname, ...names), "utf8");

describe("What happens when it fails", () => {
  it.each(Object.entries(promises))("has a test that shows it: %s", (_, test) => {
    const [file = "", name] = test.split(/: (.*)/);
    expect(read(`${file}.test.ts`)).toContain(JSON.stringify(name));
  });

  it("has a test for every sentence of the README's section, and for no other", () => {
    const [, section = ""] = read("..", "README.md").split(/^## What happens when.*$/m);
    const [text = ""] = section.split(/^## /m);
    const prose = text.replace(/```[^]*?```|^[|#].*$/gm, "");
    const parts = prose.split(/\n(?:- |\s*\n)/).map((part) => part.replace(/^- /, "").trim());
    const sentences = parts.flatMap((part) => part.split(/(?<=[.:])\s+(?=[A-Z`])/));
    const lines = sentences.map((sentence) => sentence.replaceAll("\n", " "));
    expect(lines.filter((line) => line !== "")).toEqual(Object.keys(promises));
  });
});
