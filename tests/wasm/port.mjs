// MicroPython's 32-bit port in Node, for the tests: one process answers line after line.
//
// Usage: node port.mjs MICROPYTHON.mjs MODULE FOLDER... The FOLDERs are on the path of modules; the function `answer`
// of MODULE gets each line of the standard input, and what it returns goes to the standard output.
import { readFileSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [micropython, module, ...folders] = process.argv.slice(2);

function copy(mp, from, to) {
  mp.FS.mkdir(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory() && entry.name !== "__pycache__") {
      copy(mp, `${from}/${entry.name}`, `${to}/${entry.name}`);
    } else if (/\.m?py$/.test(entry.name)) {
      mp.FS.writeFile(`${to}/${entry.name}`, readFileSync(`${from}/${entry.name}`));
    }
  }
}

try {
  const { loadMicroPython } = await import(pathToFileURL(micropython));
  const mp = await loadMicroPython({ stdout: (text) => process.stderr.write(`${text}\n`), heapsize: 4 << 20 });
  folders.forEach((folder, number) => copy(mp, folder, `/path${number}`));
  const path = folders.map((_, number) => `"/path${number}"`).join(", ");
  mp.runPython(`import sys\nsys.path[:] = [${path}, ".frozen"]\nfrom ${module} import answer`);
  const answer = mp.globals.get("answer");
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${answer(line)}\n`);
  }
} catch (error) {
  // Without this, Node would print the port's whole source, which is one line.
  process.stderr.write(`${String(error.message ?? error)}\n`);
  process.exit(1);
}
