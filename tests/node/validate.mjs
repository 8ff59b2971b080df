// Prints the Khronos glTF validator's report on the GLB file named on the command line, as JSON.
import { readFile } from "node:fs/promises";
import validator from "gltf-validator";

const [path] = process.argv.slice(2);
const report = await validator.validateBytes(new Uint8Array(await readFile(path)), {
  format: "glb",
  maxIssues: 0,
  writeTimestamp: false,
});
process.stdout.write(JSON.stringify(report));
