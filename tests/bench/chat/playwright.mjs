// Playwright's part of the chat bench:
//   jobs WS_URL CONVERSATION SHELL locator|function PROMPTS    how it waits for the end marker
//   commands pipe|WS_URL COUNT                                 the browser is $CHROMIUM
//   first WS_URL
import {chromium} from 'playwright-core';
import * as sheet from './sheet.mjs';

class Driver {
  constructor(page, ui, waiting) {
    this.page = page;
    this.ui = ui;
    this.waiting = waiting;
    this.composer = page.locator(ui.composer);
    this.answers = page.locator(ui.answer);
  }

  async ready() {
    await this.composer.waitFor();
    await this.settled();
  }

  async ask({text, end_marker: endMarker}) {
    await this.composer.focus();
    await this.composer.evaluate(sheet.paste, text);
    await this.page.locator(this.ui.send).click();
    if (this.waiting === 'function') {
      const found = await this.page.waitForFunction(sheet.finishedCode, {...this.ui, endMarker});
      return found.jsonValue();
    }
    const answer = this.answers.filter({hasText: endMarker});
    await answer.waitFor();
    return answer.locator(this.ui.code).innerText();
  }

  async settled() { await this.page.locator(this.ui.stop).waitFor({state: 'hidden'}); }
}

const [role, where, ...rest] = process.argv.slice(2);
const browser = where === 'pipe' ?
    await chromium.launch({
      executablePath: process.env.CHROMIUM,
      chromiumSandbox: false,
      args: process.env.CHROMIUM_FLAGS.split(' '),
    }) :
    await chromium.connectOverCDP(where);
const [context = await browser.newContext()] = browser.contexts();
if (role === 'jobs') {
  const [conversation, shell, waiting, prompts] = rest;
  const page = await context.newPage();
  await page.goto(conversation);
  await sheet.jobs(new Driver(page, sheet.shells[shell], waiting), prompts);
} else if (role === 'commands') {
  const [page = await context.newPage()] = context.pages();
  await sheet.commands(await context.newCDPSession(page), Number(rest[0]));
} else {
  await sheet.first(context.pages()[0]);
}
await browser.close();
