// Has every driver do the same jobs in turn on the same look-alike, and prints what they took:
//   node compare.mjs BUILD_FOLDER [JOBS [DRIVERS]]
// DRIVERS is a pattern of the names of those that take part; few jobs are done in one round.
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

import {linesOf, withBrowser, withSite} from './rig.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const [build, jobsWanted = '30', rowsWanted = ''] = process.argv.slice(2);
const bench = join(build, 'bin/chat_bench');
const flywheel = join(build, 'bin/flywheel');
const packet = join(here, 'packet.json');
const peer = (name) => ['node', join(here, `${name}.mjs`)];

const rounds = Number(jobsWanted) < 12 ? 1 : 3;
const jobsInRound = Math.ceil(Number(jobsWanted) / rounds);
const commandCount = 10000;
const startCount = 10;
// Deltas as in the stream of the real site that was captured: 12 of them for 840 characters.
const knobs = {generate_ms_min: 400, generate_ms_max: 1400, reply_bytes: 2800, token_chars: 70};

const takesPart = ({name}) => new RegExp(rowsWanted).test(name);

// What every job of a setting has in common. Smaller deltas are more events for the same reply.
const settings = [
  {name: 'shell B', shell: 'B'},
  {name: 'shell C', shell: 'C'},
  {
    name: 'shell C, deltas of 24 characters',
    shell: 'C',
    token_chars: 24,
    only: ['flywheel, network', 'bare CDP reader'],
  },
];

// Each driver's way of waiting is a row of its own. `program` runs a role of chat_bench.cc.
const rows = [
  {name: 'flywheel, network', program: [bench], route: 'both', launches: true},
  {name: 'flywheel, page only', program: [bench], route: 'dom_only', launches: true},
  {name: 'flywheel, network, attached', program: [bench], route: 'both'},
  // What the browser and the site take before any driver can have the bytes.
  {name: 'bare CDP reader', program: [bench], role: 'bare', launches: true},
  {name: 'Playwright, locator', program: peer('playwright'), waiting: 'locator'},
  {name: 'Playwright, waitForFunction', program: peer('playwright'), waiting: 'function'},
  {name: 'Puppeteer, waitForFunction', program: peer('puppeteer'), waiting: 'raf'},
  {name: 'Puppeteer, polling: mutation', program: peer('puppeteer'), waiting: 'mutation'},
].filter(takesPart);
const programs = [
  {name: 'flywheel', program: [bench]},
  {name: 'Playwright', program: peer('playwright')},
  {name: 'Puppeteer', program: peer('puppeteer')},
].filter(takesPart);

const samples = new Map();
function note(figure, name, value) {
  const of = samples.get(figure) ?? samples.set(figure, new Map()).get(figure);
  (of.get(name) ?? of.set(name, []).get(name)).push(value);
}

const size = {};

async function jobsOf(row, {name: setting, shell, token_chars = knobs.token_chars}, site, folder) {
  const {id, url} = await site.newConversation({...knobs, shell, token_chars});
  const prompts = join(folder, 'prompts');
  const lines = await linesOf([bench, 'prompts', packet, String(jobsInRound + 1)]);
  await writeFile(prompts, lines.map((line) => JSON.stringify(line)).join('\n'));
  const own = row.route ? [row.route, packet, String(jobsInRound)] :
      row.waiting       ? [shell, row.waiting, prompts] :
                          [prompts];
  const work = (browser) => linesOf([...row.program, row.role ?? 'jobs', browser, url, ...own]);
  const told = await (row.launches ? work('pipe') : withBrowser(work));
  const ledger = await site.ledger(id);
  if (ledger.forbidden.length > 0) throw new Error(`${row.name}: ${ledger.forbidden[0].wire}`);
  const {resident_kib: resident, resident_peak_kib: peak} = told.pop();
  for (const job of told) {
    const sent = ledger.posts.filter(({text}) => text.startsWith(`FLYWHEEL-JOB-${job.job}`));
    if (sent.length !== 1) throw new Error(`${row.name}: ${sent.length} posts of a job`);
    const [post] = sent;
    const prompt = lines.find((line) => line.job === job.job);
    if (prompt && prompt.text !== post.text) throw new Error(`${row.name} posted another text`);
    const reply = ledger.replies.find(({answers}) => answers === post.message_id);
    note(`${setting} added`, row.name, (job.read_ns - reply.last_byte_ns) / 1e6);
    note(`${setting} send`, row.name, (post.arrived_ns - job.ready_ns) / 1e6);
    note(`${setting} cpu`, row.name, job.cpu_ms);
    Object.assign(size, {prompt: Buffer.byteLength(post.text), reply: reply.bytes});
  }
  note(`${setting} resident`, row.name, resident / 1024);
  note(`${setting} peak`, row.name, peak / 1024);
}

async function commandsOf({name, program}) {
  const tell = async (how, figure) => {
    const [{cpu_ms: cpu}] = await linesOf([...program, 'commands', how, String(commandCount)]);
    note(figure, name, cpu / 1e3);
  };
  await tell('pipe', 'commands, pipe');
  await withBrowser((browser) => tell(browser, 'commands, WebSocket'));
}

async function startsOf(list) {
  await withBrowser(async (browser) => {
    for (let i = 0; i <= startCount; ++i) {
      for (const {name, program} of list) {
        const [{first_ms: first}] = await linesOf([bench, 'start', ...program, 'first', browser]);
        if (i > 0) note('first', name, first);
      }
    }
  });
}

function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

function table(title, figure, goal) {
  const of = samples.get(figure);
  if (!of) return;
  console.log(`\n${title}${goal ? `; goal: ${goal}` : ''}`);
  const base = quantile(of.values().next().value, 0.5);
  const digits = base < 1 ? 3 : base < 20 ? 1 : 0;
  for (const [name, values] of of) {
    const [median, p95] = [quantile(values, 0.5), quantile(values, 0.95)];
    console.log(`  ${name.padEnd(30)}${median.toFixed(digits).padStart(9)}` +
                `${p95.toFixed(digits).padStart(9)}${(median / base).toFixed(1).padStart(8)}x`);
  }
}

const folder = await mkdtemp(join(tmpdir(), 'chat-bench-'));
try {
  for (let round = 0; round < rounds; ++round) {
    await withSite(flywheel, async (site) => {
      for (const setting of settings) {
        for (const row of rows) {
          if (setting.only?.includes(row.name) ?? true) await jobsOf(row, setting, site, folder);
        }
      }
    });
    for (const one of programs) await commandsOf(one);
  }
  if (programs.length > 0) await startsOf(programs);
} finally {
  await rm(folder, {recursive: true});
}

console.log(
    `${rounds * jobsInRound} jobs a driver and shell: a prompt of ${size.prompt} bytes, a ` +
    `reply of ${size.reply} bytes in 0.4 to 1.4 s.\nColumns: median, 95th percentile, ` +
    `median as a multiple of the first row's.`);
for (const {name: setting} of settings) {
  table(`${setting}: from the last token to the parsed reply, ms`, `${setting} added`,
        'network median 2, p95 8; page only median 4');
  table(`${setting}: from "the page is ready" to the POST at the site, ms`, `${setting} send`,
        'median 60');
  table(`${setting}: client CPU a job, ms`, `${setting} cpu`, '5');
  table(`${setting}: resident memory of the client after the jobs, MiB`, `${setting} resident`,
        '15');
}
table('process start to the first evaluation in a running browser, ms', 'first', '20');
table(`client CPU for ${commandCount} commands over a pipe, s`, 'commands, pipe', '0.3');
table(`client CPU for ${commandCount} commands over WebSocket, s`, 'commands, WebSocket', '0.3');
