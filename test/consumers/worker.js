import * as library from "kling-lip-sync";
import { scenario } from "./scenario.js";

export default {
  async fetch(request) {
    return Response.json(await scenario(library, await request.json()));
  },
};
