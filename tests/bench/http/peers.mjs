// Adds jobs to another durable queue, so many at once, and prints how it went as one JSON line:
//   node peers.mjs bullmq REDIS_PORT PACKET CONNECTIONS COUNT
//   node peers.mjs graphile POSTGRES_SOCKET_FOLDER PACKET CONNECTIONS COUNT
// Every job has a key of its own, and counts once the queue has said that it is durable.
import {readFile} from 'node:fs/promises';

const [name, where, packetFile, connections, count] = process.argv.slice(2);
const packet = JSON.parse(await readFile(packetFile, 'utf8'));

async function bullmq() {
  const {Queue} = await import('bullmq');
  const queue = new Queue('bench', {connection: {host: '127.0.0.1', port: Number(where)}});
  return {
    add: (key) => queue.add('packet', packet, {jobId: key}),
    close: () => queue.close(),
  };
}

async function graphile() {
  const {default: pg} = await import('pg');
  const {makeWorkerUtils, Logger} = await import('graphile-worker');
  const pool = new pg.Pool({host: where, user: 'postgres', database: 'postgres', max: 16});
  const utils = await makeWorkerUtils({pgPool: pool, logger: new Logger(() => () => {})});
  await utils.migrate();
  return {
    add: (key) => utils.addJob('packet', packet, {jobKey: key}),
    close: async () => {
      await utils.release();
      await pool.end();
    },
  };
}

const queue = await {bullmq, graphile}[name]();

async function load(prefix, wanted) {
  const took = [];
  let next = 0;
  const produce = async () => {
    while (next < wanted) {
      const key = `${prefix}-${next++}`;
      const start = performance.now();
      await queue.add(key);
      took.push(performance.now() - start);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({length: Number(connections)}, produce));
  return {took, seconds: (performance.now() - start) / 1e3};
}

await load('warm', 500);
const {took, seconds} = await load('job', Number(count));
took.sort((a, b) => a - b);
const quantile = (share) => Number(took[Math.floor(share * (took.length - 1))].toFixed(2));
console.log(JSON.stringify({
  count: took.length,
  per_second: Math.round(took.length / seconds),
  p50_ms: quantile(0.5),
  p99_ms: quantile(0.99),
  max_ms: quantile(1),
}));
await queue.close();
