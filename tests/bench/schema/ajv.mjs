// The same check by ajv's compiled validator: node ajv.mjs SCHEMA_FOLDER SCHEMA_URI INSTANCE_FILE
// prints nanoseconds, the fastest of several rounds.
import {readFileSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';

const [folder, uri, file] = process.argv.slice(2);
const ajv = new Ajv2020.default({validateFormats: false, strict: false});
for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.json'))) {
  ajv.addSchema(JSON.parse(readFileSync(join(folder, name), 'utf8')));
}
const validate = ajv.getSchema(uri);
const instance = JSON.parse(readFileSync(file, 'utf8'));

const rounds = 300;
const checks = 1000;
let best = Infinity;
for (let round = 0; round < rounds; ++round) {
  const start = process.hrtime.bigint();
  let valid = 0;
  for (let i = 0; i < checks; ++i) valid += validate(instance) ? 1 : 0;
  const took = Number(process.hrtime.bigint() - start);
  if (valid !== checks) throw new Error(JSON.stringify(validate.errors));
  best = Math.min(best, took / checks);
}
console.log(best.toFixed(0));
