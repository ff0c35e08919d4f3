/**
 * What a consumer does with the installed package, in whatever runtime. It judges nothing: the
 * report says what happened, and scripts/runtimes.ts says what should have.
 */
export async function scenario(library, places) {
  const { createLipSyncClient, ApiError } = library;
  const { origin, apiKey } = places;
  const client = createLipSyncClient({ baseUrl: origin, apiKey });

  async function video() {
    const { task_id } = await client.create(REQUEST);
    const task = await client.wait(task_id, { intervalMs: 10 });
    return task.task_result.videos[0].url;
  }

  /** Aborts as soon as the head of an answer is there whose body never ends. */
  async function abort() {
    const stop = new AbortController();
    const reason = { why: "the caller left" };
    const fetchHead = async (...args) => {
      const response = await fetch(...args);
      setTimeout(() => stop.abort(reason), 20);
      return response;
    };
    const stalled = createLipSyncClient({ baseUrl: `${origin}/stalled`, apiKey, fetch: fetchHead });
    const caught = await failureOf(stalled.create(REQUEST, { signal: stop.signal }));
    return caught === reason ? "rejects with the signal's reason" : describe(caught);
  }

  async function apiError() {
    const broken = createLipSyncClient({ baseUrl: `${origin}/broken`, apiKey });
    const error = await failureOf(broken.create(REQUEST));
    const { status, mayHaveCreatedTask } = error;
    return { isApiError: error instanceof ApiError, status, mayHaveCreatedTask };
  }

  async function noConnection(baseUrl) {
    const gave = [];
    const watchedFetch = (...args) =>
      fetch(...args).catch((error) => {
        gave.push(describe(error));
        throw error;
      });
    const cut = createLipSyncClient({ baseUrl, apiKey, maxRetries: 1, fetch: watchedFetch });
    const { name, mayHaveCreatedTask } = await failureOf(cut.create(REQUEST));
    return { name, mayHaveCreatedTask, attempts: gave.length, gave: gave[0] };
  }

  /** A server that reads the request, then closes a connection that had been of use before. */
  async function dropped(baseUrl) {
    await (await fetch(baseUrl)).text();
    const error = await failureOf(createLipSyncClient({ baseUrl, apiKey }).create(REQUEST));
    return { name: error.name, mayHaveCreatedTask: error.mayHaveCreatedTask };
  }

  const unconnected = [noConnection(places.refused), noConnection(places.unknownHost)];
  const report = {
    video: await video(),
    abort: await abort(),
    apiError: await apiError(),
    dropped: await dropped(places.dropping),
    droppedForGood: await dropped(places.leaving),
    connectionsLeft: await connectionsLeft(origin),
  };
  const [refused, unknownHost] = await Promise.all(unconnected);
  return { ...report, refused, unknownHost };
}

const REQUEST = {
  input: {
    mode: "text2video",
    video_url: "https://files.example/face.mp4",
    text: "你好",
    voice_id: "genshin_vindi2",
    voice_language: "zh",
  },
};

/** How many stalled connections the server still holds; those that are aborted must go soon. */
async function connectionsLeft(origin) {
  for (let tries = 0; ; tries++) {
    const left = await (await fetch(`${origin}/stalled-connections`)).json();
    if (left === 0 || tries === 40) return left;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function failureOf(promise) {
  try {
    return { message: "it did not fail", value: await promise };
  } catch (error) {
    return error;
  }
}

/** An error and its causes in one line: what a runtime tells, and where. */
function describe(error) {
  const { name, code, syscall, message, cause } = error;
  const says = [name, code && `code=${code}`, syscall && `syscall=${syscall}`, `"${message}"`];
  return says.filter(Boolean).join(" ") + (cause ? ` <- ${describe(cause)}` : "");
}
