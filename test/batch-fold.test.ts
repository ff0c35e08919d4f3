import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type BatchEvent,
  type Clip,
  failureOf,
  fold,
  newClip,
  parseEvent,
  stageOf,
} from "../src/batch/fold.js";

const claim = (name: string): BatchEvent => ({
  event: "claim",
  id: "a",
  claim: name,
  at: 1,
  host: "h",
  pid: 1,
  sha256: "0",
});
const task = (claim: string, taskId: string): BatchEvent => ({
  event: "task",
  id: "a",
  claim,
  taskId,
});
const free = (claim: string): BatchEvent => ({ event: "free", id: "a", claim });
const noTask = (claim: string): BatchEvent => ({ event: "no task", id: "a", claim });
const uncertain = (claim: string): BatchEvent => ({
  event: "uncertain",
  id: "a",
  claim,
  reason: "r",
});
const refused = (claim: string): BatchEvent => ({ event: "refused", id: "a", claim, reason: "no" });
const failed = (taskId: string): BatchEvent => ({
  event: "failed",
  id: "a",
  taskId,
  reason: "bad",
});
const saved = (taskId: string): BatchEvent => ({ event: "saved", id: "a", taskId });
const found = (taskId: string): BatchEvent => ({ event: "found", id: "a", taskId });
const again = (of: string): BatchEvent => ({ event: "again", id: "a", of });

const foldAll = (events: BatchEvent[]): Clip => events.reduce(fold, newClip("a"));

/** The stage of a clip, its task and its other tasks, in one line. */
function summary(events: BatchEvent[]): string {
  const clip = foldAll(events);
  return [stageOf(clip), clip.task?.id, ...clip.extraTaskIds.map((id) => `+${id}`)]
    .filter((part) => part !== undefined)
    .join(" ");
}

describe("the state of a clip", () => {
  it.each<[string, BatchEvent[], string]>([
    ["is left without a line", [], "left"],
    ["is claimed by a claim", [claim("p")], "claimed"],
    ["is created with a task", [claim("p"), task("p", "1")], "created 1"],
    ["is saved with its video", [claim("p"), task("p", "1"), saved("1")], "saved 1"],
    ["is failed with its task", [claim("p"), task("p", "1"), failed("1")], "failed 1"],
    ["is uncertain", [claim("p"), uncertain("p")], "uncertain"],
    ["is failed if it is refused", [claim("p"), refused("p")], "failed"],
    ["is left again when it is freed", [claim("p"), free("p")], "left"],
    ["is left when a person denies its task", [claim("p"), uncertain("p"), noTask("p")], "left"],
    ["is claimed anew after it was freed", [claim("p"), free("p"), claim("q")], "claimed"],
  ])("%s", (_, events, expected) => {
    expect(summary(events)).toBe(expected);
  });
});

describe("a claim on a clip that was taken", () => {
  it("is void", () => {
    expect(foldAll([claim("p"), claim("q")]).claim?.claim).toBe("p");
  });

  it("stays void after the other one is freed", () => {
    expect(summary([claim("p"), claim("q"), free("p")])).toBe("left");
  });

  it("can end nothing", () => {
    const events = [claim("p"), claim("q")];
    for (const event of [free("q"), noTask("q"), uncertain("q"), refused("q")])
      expect(summary([...events, event])).toBe("claimed");
  });
});

describe("a late process", () => {
  it("frees nothing that another process has claimed since", () => {
    expect(summary([claim("p"), noTask("p"), claim("q"), free("p")])).toBe("claimed");
  });

  it("gives its task to a clip that a person freed", () => {
    expect(summary([claim("p"), noTask("p"), task("p", "1")])).toBe("created 1");
  });

  it("gives its task to a clip that another process has claimed since", () => {
    const events = [claim("p"), noTask("p"), claim("q"), task("p", "1")];
    expect(summary(events)).toBe("created 1");
    expect(summary([...events, free("q")])).toBe("created 1");
    expect(summary([...events, task("q", "2")])).toBe("created 1 +2");
  });

  it("adds its task to a clip that has another one", () => {
    const events = [claim("p"), noTask("p"), claim("q"), task("q", "2"), saved("2")];
    expect(summary([...events, task("p", "1")])).toBe("saved 2 +1");
  });

  it("changes nothing when it repeats itself", () => {
    const events = [claim("p"), task("p", "1"), task("p", "2")];
    expect(foldAll([...events, task("p", "1"), task("p", "2")])).toEqual(foldAll(events));
  });

  it("does not take a saved video back", () => {
    expect(summary([claim("p"), task("p", "1"), saved("1"), failed("1")])).toBe("saved 1");
    expect(summary([claim("p"), task("p", "1"), failed("1"), saved("1")])).toBe("saved 1");
  });
});

describe("what a person says", () => {
  it("gives a clip its task", () => {
    expect(summary([claim("p"), uncertain("p"), found("1")])).toBe("created 1");
    expect(summary([claim("p"), refused("p"), found("1")])).toBe("created 1");
  });

  it("corrects what a person said", () => {
    expect(summary([claim("p"), found("1"), found("2")])).toBe("created 2");
    expect(summary([claim("p"), found("1"), saved("1"), found("2")])).toBe("created 2");
    const corrected = [claim("p"), found("1"), task("p", "2"), found("2")];
    expect(summary(corrected)).toBe("created 2");
    expect(summary([...corrected, found("3")])).toBe("created 2 +3");
  });

  it("does not replace the task that the gateway gave", () => {
    expect(summary([claim("p"), task("p", "1"), found("2")])).toBe("created 1 +2");
    expect(summary([claim("p"), found("1"), task("p", "1"), found("2")])).toBe("created 1 +2");
  });

  it("changes nothing if it was said before", () => {
    expect(summary([claim("p"), found("1"), saved("1"), found("1")])).toBe("saved 1");
  });

  it("denies only the claim that it names", () => {
    expect(summary([claim("p"), free("p"), claim("q"), noTask("p")])).toBe("claimed");
    expect(summary([claim("p"), task("p", "1"), noTask("p")])).toBe("created 1");
  });
});

describe("again", () => {
  it("frees a clip whose task failed, and forgets no task", () => {
    const clip = foldAll([claim("p"), task("p", "1"), failed("1"), again("1")]);
    expect(stageOf(clip)).toBe("left");
    expect(clip.pastTaskIds).toEqual(["1"]);
  });

  it("frees a clip whose request was refused", () => {
    expect(summary([claim("p"), refused("p"), again("p")])).toBe("left");
  });

  it("applies only to what failed", () => {
    expect(summary([claim("p"), task("p", "1"), again("1")])).toBe("created 1");
    const twice = [claim("p"), task("p", "1"), failed("1"), again("1"), claim("q")];
    expect(summary([...twice, task("q", "2"), failed("2"), again("1")])).toBe("failed 2");
  });

  it("takes another task of the clip instead of a new one", () => {
    const events = [claim("p"), task("p", "1"), task("q", "2"), failed("1"), again("1")];
    expect(summary(events)).toBe("created 2");
    expect(foldAll(events).task?.isFromPerson).toBe(false);
  });

  it("is not undone by a late line about the task that failed", () => {
    const events = [claim("p"), task("p", "1"), failed("1"), again("1")];
    for (const event of [task("p", "1"), failed("1"), saved("1")])
      expect(summary([...events, event])).toBe("left");
  });
});

it("takes a task from the line that says how it ended, if the line with its id is unreadable", () => {
  expect(summary([claim("p"), saved("1")])).toBe("saved 1");
  expect(summary([claim("p"), failed("1")])).toBe("failed 1");
});

it("ignores how a task ended that is not the clip's", () => {
  expect(summary([claim("p"), task("p", "1"), failed("2")])).toBe("created 1");
});

describe("a line", () => {
  const valid = [
    { ...claim("p"), text: "Hello" },
    ...[claim("p"), task("p", "1"), free("p"), noTask("p"), uncertain("p"), refused("p")],
    { ...uncertain("p"), taskId: "1" },
    ...[failed("1"), saved("1"), found("1"), again("1")],
  ];

  it.each(valid.map((event) => [JSON.stringify(event), event]))("is read: %s", (line, event) => {
    expect(parseEvent(line)).toEqual(event);
  });

  it.each(valid.map((event) => JSON.stringify(event)))("is unreadable if cut: %s", (line) => {
    for (let length = 0; length < line.length; length++)
      expect(parseEvent(line.slice(0, length))).toBeUndefined();
  });

  it.each([
    ["of another event", { ...free("p"), event: "forget" }],
    ["without an id", { ...free("p"), id: undefined }],
    ["with an id that is not one", { ...free("p"), id: "../a" }],
    ["without a claim", { ...free("p"), claim: " " }],
    ["without a task", { ...saved("1"), taskId: undefined }],
    ["without a pid", { ...claim("p"), pid: "1" }],
    ["without a time", { ...claim("p"), at: undefined }],
    ["with a text that is not one", { ...claim("p"), text: 1 }],
    ["with a task that is not one", { ...uncertain("p"), taskId: 1 }],
    ["that is an array", [free("p")]],
  ])("is unreadable %s", (_, value) => {
    expect(parseEvent(JSON.stringify(value))).toBeUndefined();
  });
});

/** Processes and a person at their work: each list is in order, and they are mixed at random. */
const names = ["p", "q", "r"];
const ids = ["1", "2", "3", "4"];
const name = fc.constantFrom(...names);
const id = fc.constantFrom(...ids);
const anyEvent = fc.oneof(
  name.map(claim),
  fc.tuple(name, id).map(([name, id]) => task(name, id)),
  name.map(free),
  name.map(noTask),
  name.map(uncertain),
  name.map(refused),
  id.map(failed),
  id.map(saved),
  id.map(found),
  fc.oneof(id, name).map(again),
);
const anyEvents = fc.array(anyEvent, { maxLength: 25 });

describe("in any order of lines", () => {
  it("drops no task that the gateway gave", () => {
    fc.assert(
      fc.property(anyEvents, (events) => {
        const { task, extraTaskIds, pastTaskIds } = foldAll(events);
        const kept = [task?.id, ...extraTaskIds, ...pastTaskIds];
        for (const event of events)
          if (event.event === "task") expect(kept).toContain(event.taskId);
      }),
      { numRuns: 2000 },
    );
  });

  it("frees a clip with a task only if a person said again", () => {
    fc.assert(
      fc.property(anyEvents, anyEvent, (events, event) => {
        const before = foldAll(events);
        const after = fold(before, event);
        if (before.task && stageOf(after) === "left") expect(event.event).toBe("again");
      }),
      { numRuns: 2000 },
    );
  });

  it("lets a claim have the clip only if it was free at that line", () => {
    fc.assert(
      fc.property(anyEvents, anyEvent, (events, event) => {
        const before = foldAll(events);
        const after = fold(before, event);
        if (after.claim === before.claim) return;
        expect([event.event, stageOf(before)]).toEqual(["claim", "left"]);
      }),
      { numRuns: 2000 },
    );
  });

  it("changes nothing when any line comes twice", () => {
    fc.assert(
      fc.property(anyEvents, anyEvent, (events, event) => {
        // A claim has a random name, so it comes twice only as a repetition.
        const once = fold(foldAll(events), event);
        const isFreed = event.event === "free" || event.event === "no task";
        const twice = fold(once, event);
        if (event.event === "again") expect(failureOf(twice)).toBe(failureOf(once));
        else if (!isFreed || stageOf(once) !== "left") expect(twice).toEqual(once);
      }),
      { numRuns: 2000 },
    );
  });
});

/** Owners that keep to the protocol, one step at a time, and a person who is never wrong. */
interface Owner {
  name: string;
  step: "look" | "claim" | "send" | "tell" | "done";
  taskId: string | undefined;
}

describe("owners that keep to the protocol, mixed at random", () => {
  const steps = fc.array(fc.record({ owner: fc.nat(3), torn: fc.nat(9) }), { maxLength: 60 });

  /** Runs the steps. A torn line is appended again, as whoever appends reads it back. */
  function simulate(order: { owner: number; torn: number }[]) {
    const owners = names
      .concat("s")
      .map((name): Owner => ({ name, step: "look", taskId: undefined }));
    const lines: string[] = [];
    const clip = () => lines.flatMap((line) => parseEvent(line) ?? []).reduce(fold, newClip("a"));
    const append = (event: BatchEvent, isTorn: boolean) => {
      const line = JSON.stringify(event);
      if (isTorn) lines.push(line.slice(0, line.length / 2) + line);
      lines.push(line);
    };
    let posts = 0;
    for (const { owner: index, torn } of order) {
      const owner = owners[index];
      if (!owner || owner.step === "done") continue;
      const has = () => clip().isClaimed && clip().claim?.claim === owner.name;
      if (owner.step === "look") owner.step = stageOf(clip()) === "left" ? "claim" : "done";
      else if (owner.step === "claim") {
        append(claim(owner.name), torn === 0);
        owner.step = has() ? "send" : "done";
      } else if (owner.step === "send") {
        if (has() && !clip().task) {
          posts += 1;
          owner.taskId = `task-of-${owner.name}`;
        }
        owner.step = owner.taskId === undefined ? "done" : "tell";
      } else if (owner.taskId !== undefined) {
        append(task(owner.name, owner.taskId), torn === 0);
        owner.step = "done";
      }
    }
    return { posts, clip: clip() };
  }

  it("send one request for a clip, whoever comes first and whatever line is torn", () => {
    fc.assert(
      fc.property(steps, (order) => {
        const { posts, clip } = simulate(order);
        expect(posts).toBeLessThanOrEqual(1);
        expect(clip.extraTaskIds).toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });
});
