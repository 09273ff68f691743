// oref0 in Node for the tests: one JSON object a line in, one a line out.
//
// Usage: node driver.cjs PACKAGE_FOLDER, with TZ=UTC. A request has `call`: "determine" (the keys of determine-basal, and
// `exact` to leave rounding to the pump's steps out), "glucose" (a list of readings), "total" (treatments, profile,
// times), "iob" (what lib/iob takes) or "meal" (what lib/meal/total takes, `time` and `every_dose`). oref0 changes
// what it is given, and each line is parsed anew, so nothing is shared.
const { createInterface } = require("node:readline");
const path = require("node:path");

const lib = (name) => path.join(process.argv[2], "lib", name);
console.error = () => {};
process.stderr.write = () => true;

// The functions look the rounding up when they are loaded or called, so one module that can be switched serves both.
const rounding = require(lib("round-basal.js"));
let exact = false;
require.cache[require.resolve(lib("round-basal.js"))].exports = (basal, profile) =>
  exact ? basal : rounding(basal, profile);

// lib/meal reads the history once for each of the carbs, and takes for its end the last bucket that it looked at before:
// newer doses drop out. With `every_dose` the history has no end.
const history = require(lib("iob/history.js"));
let everyDose = false;
require.cache[require.resolve(lib("iob/history.js"))].exports = (asked, ...more) =>
  history(everyDose ? { ...asked, clock: undefined } : asked, ...more);

const determine = require(lib("determine-basal/determine-basal.js"));
const setTemp = require(lib("basal-set-temp.js"));
const glucose = require(lib("glucose-get-last.js"));
const total = require(lib("iob/total.js"));
const calculate = require(lib("iob/calculate.js"));
const iob = require(lib("iob/index.js"));
const meal = require(lib("meal/total.js"));

const calls = {
  determine(asked) {
    exact = asked.exact === true;
    return determine(
      asked.glucose_status, asked.currenttemp, asked.iob, asked.profile, asked.autosens ?? undefined, asked.meal,
      setTemp, asked.microBolusAllowed, asked.reservoir, new Date(asked.now),
    );
  },
  glucose: (asked) => glucose(asked.readings),
  total: (asked) =>
    asked.times.map((time) =>
      total({ treatments: asked.treatments, profile: asked.profile, calculate }, new Date(time)),
    ),
  iob: (asked) => iob(asked),
  meal(asked) {
    everyDose = asked.every_dose === true;
    const said = meal(asked, new Date(asked.time));
    everyDose = false;
    return said;
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  let said;
  try {
    said = calls[asked.call](asked);
  } catch (error) {
    said = { thrown: String(error) };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
});
