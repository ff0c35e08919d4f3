const process = require("node:process");
const library = require("kling-lip-sync");
const { scenario } = require("./scenario.js");

scenario(library, JSON.parse(process.env.SCENARIO)).then((report) => {
  console.log(JSON.stringify(report));
});
