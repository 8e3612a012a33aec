// What every Node driver of the bench does alike: the look-alike's selectors, the literal way into
// its composer, and the lines that are printed (the roles of chat_bench.cc, in the same form).
import {readFileSync} from 'node:fs';

export const shells = {
  B: {
    composer: '#prompt-textarea',
    send: 'button[data-testid="send-button"]',
    stop: 'button[data-testid="stop-button"]',
    answer: 'section[data-turn="assistant"]',
    code: 'pre code',
  },
  C: {
    composer: 'form[data-chatgpt-composer] [data-composer-markdown]',
    send: 'form[data-chatgpt-composer] button[aria-label="Send"]',
    stop: 'form[data-chatgpt-composer] button[aria-label="Stop"]',
    answer: '[data-content-search-unit-key$=":assistant"]',
    code: '[data-markdown-copy="code-block"] code',
  },
};

// Runs in the page. Typed text is taken for Markdown there, a paste is literal.
export function paste(node, text) {
  const clipboardData = new DataTransfer();
  clipboardData.setData('text/plain', text);
  node.dispatchEvent(new ClipboardEvent('paste', {clipboardData, bubbles: true, cancelable: true}));
}

// Runs in the page: the code of the last answer once its end marker is there.
export function finishedCode({answer, code, endMarker}) {
  const last = [...document.querySelectorAll(answer)].at(-1);
  if (!last?.innerText.trimEnd().endsWith(endMarker)) return null;
  return last.querySelector(code).innerText;
}

export const now = () => Number(process.hrtime.bigint());

const cpuMs = () => {
  const {user, system} = process.cpuUsage();
  return (user + system) / 1e3;
};

const kib = (name) =>
    Number(readFileSync('/proc/self/status', 'utf8').match(new RegExp(`${name}:\\s+(\\d+)`))[1]);

const print = (line) => console.log(JSON.stringify(line));

// `driver` has ready(), ask(prompt) -> the code of its answer, and settled().
export async function jobs(driver, promptsFile) {
  const lines = readFileSync(promptsFile, 'utf8').trim().split('\n');
  for (const [index, prompt] of lines.map((line) => JSON.parse(line)).entries()) {
    const before = cpuMs();
    await driver.ready();
    const ready_ns = now();
    const reply = JSON.parse(await driver.ask(prompt));
    const read_ns = now();
    if (reply.msg_type !== 'RFP_PLAN_RESPONSE') throw new Error('not the answer');
    await driver.settled();
    // The first job warms both sides up.
    if (index > 0) print({job: prompt.job, ready_ns, read_ns, cpu_ms: cpuMs() - before});
  }
  print({resident_kib: kib('VmRSS'), resident_peak_kib: kib('VmHWM')});
}

export async function commands(session, count) {
  const evaluate = async (times) => {
    for (let i = 0; i < times; ++i) await session.send('Runtime.evaluate', {expression: '1'});
  };
  await evaluate(100);
  const before = cpuMs();
  await evaluate(count);
  print({commands: count, cpu_ms: cpuMs() - before});
}

export async function first(page) {
  const value = await page.evaluate('1');
  print({evaluated_ns: now(), value});
}
