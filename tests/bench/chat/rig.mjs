// The look-alike site, the browser and the drivers as processes of their own.
import {execFile, spawn} from 'node:child_process';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';

const flags = [
  '--headless=new', '--disable-gpu', '--window-size=1280,900', '--no-first-run',
  '--no-default-browser-check', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-quic', ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
];
export const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
const environment = {
  ...process.env,
  CHROMIUM: chromium,
  FLYWHEEL_BROWSER: chromium,
  CHROMIUM_FLAGS: flags.join(' '),
};

// The first line of a stream that `pattern` matches, and the stream read on to its end.
async function lineOf(child, stream, pattern) {
  const lines = createInterface({input: stream});
  return new Promise((resolve, reject) => {
    lines.on('line', (line) => pattern.test(line) && resolve(line.match(pattern)));
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${child.spawnfile} ended with ${code}`)));
  });
}

async function ended(child) {
  if (child.exitCode === null && child.signalCode === null) {
    await new Promise((resolve) => child.once('exit', resolve));
  }
}

// What `use(site)` gives, with a site that lives as long.
export async function withSite(flywheel, use) {
  const child = spawn(flywheel, ['--json', 'fixture'], {stdio: ['ignore', 'pipe', 'inherit']});
  try {
    const [line] = await lineOf(child, child.stdout, /^\{.*\}$/);
    const {origin} = JSON.parse(line);
    const call = async (path, body) => {
      const answer = await fetch(`${origin}/__fixture/${path}`, body && {
        method: 'POST',
        headers: {'content-type': 'application/json'},
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      return answer.json();
    };
    return await use({
      newConversation: (knobs) => call('conversations', knobs),
      ledger: (id) => call(`ledger?conversation=${id}`),
    });
  } finally {
    child.kill();
    await ended(child);
  }
}

// What `use(url)` gives, with a new browser that lives as long.
export async function withBrowser(use) {
  const profile = await mkdtemp(join(tmpdir(), 'chat-bench-'));
  const own = ['--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'];
  const child = spawn(chromium, [...flags, ...own], {stdio: ['ignore', 'ignore', 'pipe']});
  try {
    const [, url] = await lineOf(child, child.stderr, /^DevTools listening on (ws:.*)$/);
    return await use(url);
  } finally {
    child.kill();
    await ended(child);
    await rm(profile, {recursive: true, force: true, maxRetries: 10, retryDelay: 200});
  }
}

// The lines of JSON that a driver prints.
export async function linesOf(command) {
  const [program, ...parameters] = command;
  const text = await new Promise((resolve, reject) => {
    execFile(program, parameters, {env: environment, maxBuffer: 64 << 20}, (error, out, said) => {
      if (error) reject(new Error(`${command.join(' ')}: ${error.message}\n${said}`));
      resolve(out);
    });
  });
  return text.trim().split('\n').map((line) => JSON.parse(line));
}
