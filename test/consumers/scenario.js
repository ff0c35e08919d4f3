// Uses the installed package as a consumer does, in any runtime, and reports what happened. What
// should have happened is in test/package/runtimes.test.ts.
export async function scenario(library, places) {
  const { createLipSyncClient, ApiError } = library;
  const { apiKey } = places;
  const client = createLipSyncClient({ baseUrl: places.gateway, apiKey });

  async function video() {
    const { task_id } = await client.create(REQUEST);
    const task = await client.wait(task_id, { intervalMs: 10 });
    return task.task_result.videos[0].url;
  }

  /** Aborts after the headers of a response whose body never ends. */
  async function abort() {
    const stop = new AbortController();
    const reason = { why: "the caller left" };
    const fetchHead = async (...args) => {
      const response = await fetch(...args);
      setTimeout(() => stop.abort(reason), 20);
      return response;
    };
    const stalled = createLipSyncClient({ baseUrl: places.stalling, apiKey, fetch: fetchHead });
    const caught = await failureOf(stalled.create(REQUEST, { signal: stop.signal }));
    return caught === reason ? "rejects with the signal's reason" : describe(caught);
  }

  async function apiError() {
    const broken = createLipSyncClient({ baseUrl: places.broken, apiKey });
    const error = await failureOf(broken.create(REQUEST));
    const { status, mayHaveCreatedTask } = error;
    return { isApiError: error instanceof ApiError, status, mayHaveCreatedTask };
  }

  async function noConnection(baseUrl) {
    const thrown = [];
    const watchedFetch = (...args) =>
      fetch(...args).catch((error) => {
        thrown.push(describe(error));
        throw error;
      });
    const client = createLipSyncClient({ baseUrl, apiKey, maxRetries: 1, fetch: watchedFetch });
    const { name, mayHaveCreatedTask, cause } = await failureOf(client.create(REQUEST));
    const attempts = thrown.length;
    return { name, mayHaveCreatedTask, attempts, thrown: thrown.at(-1), cause: describe(cause) };
  }

  /** The server reads the request, then closes a connection that had been used before. */
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
    connectionsLeft: await connectionsLeft(places.stalling),
  };
  const [refused, unknownHost] = await Promise.all(unconnected);
  return { ...report, refused, unknownHost };
}

const speech = { text: "你好", voice_id: "genshin_vindi2", voice_language: "zh" };
const REQUEST = {
  input: { mode: "text2video", video_url: "https://files.example/face.mp4", ...speech },
};

/** How many stalled connections the server still has; an aborted call must close its own soon. */
async function connectionsLeft(stalling) {
  for (let tries = 0; ; tries++) {
    const left = await (await fetch(stalling)).json();
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

/** An error and its causes in one line. */
function describe(error) {
  if (error === undefined) return "nothing";
  const { name, code, message, cause } = error;
  const line = code ? `${name} code=${code} "${message}"` : `${name} "${message}"`;
  return cause ? `${line} <- ${describe(cause)}` : line;
}
