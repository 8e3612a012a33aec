// Puppeteer's part of the chat bench:
//   jobs WS_URL CONVERSATION SHELL raf|mutation PROMPTS    how it waits for the end marker
//   commands pipe|WS_URL COUNT                             the browser is $CHROMIUM
//   first WS_URL
import puppeteer from 'puppeteer-core';
import * as sheet from './sheet.mjs';

class Driver {
  constructor(page, ui, polling) {
    this.page = page;
    this.ui = ui;
    this.polling = polling;
  }

  async ready() {
    await this.page.waitForSelector(this.ui.composer, {visible: true});
    await this.settled();
  }

  async ask({text, end_marker: endMarker}) {
    await this.page.focus(this.ui.composer);
    await this.page.$eval(this.ui.composer, sheet.paste, text);
    const send = await this.page.waitForSelector(this.ui.send, {visible: true});
    await send.click();
    const found = await this.page.waitForFunction(
        sheet.finishedCode, {polling: this.polling}, {...this.ui, endMarker});
    return found.jsonValue();
  }

  async settled() { await this.page.waitForSelector(this.ui.stop, {hidden: true}); }
}

const [role, where, ...rest] = process.argv.slice(2);
const options = {defaultViewport: null};
const browser = where === 'pipe' ?
    await puppeteer.launch({
      ...options,
      executablePath: process.env.CHROMIUM,
      pipe: true,
      args: process.env.CHROMIUM_FLAGS.split(' '),
    }) :
    await puppeteer.connect({...options, browserWSEndpoint: where});
if (role === 'jobs') {
  const [conversation, shell, polling, prompts] = rest;
  const page = await browser.newPage();
  await page.goto(conversation);
  await sheet.jobs(new Driver(page, sheet.shells[shell], polling), prompts);
} else if (role === 'commands') {
  const [page] = await browser.pages();
  await sheet.commands(await page.createCDPSession(), Number(rest[0]));
} else {
  const [page] = await browser.pages();
  await sheet.first(page);
}
await (where === 'pipe' ? browser.close() : browser.disconnect());
