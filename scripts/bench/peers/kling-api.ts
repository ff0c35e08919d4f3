import axios from "axios";
import { KlingAPI } from "kling-api";
import { type Connect, KEY, TASK } from "../peer.js";

/** Has Kling's own host, and a token that it signs. It has no lip-sync; this is its nearest. */
export const connect: Connect = () => {
  // By default it has Node's http, which takes no stub.
  axios.defaults.adapter = "fetch";
  const client = new KlingAPI({ accessKey: KEY, secretKey: KEY });
  return {
    create: () => client.textToVideo({ prompt: "A person speaks." }),
    get: () => client.queryTextToVideoTask(TASK),
    wait: () => client.waitForVideoResult(TASK, undefined, { showSpinner: false }),
  };
};
