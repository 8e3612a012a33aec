// The two acts on the page that are not clicks: putting text into the empty composer and taking our
// own text out again.

const escapes = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\u00a0': '&nbsp;'};
const escape_html = (text) => text.replace(/[&<>"\u00a0]/g, (one) => escapes[one]);

function select_all(editor) {
  editor.focus();
  const range = document.createRange();
  range.selectNodeContents(editor);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

// By the editor's own command. Takes time that grows with the square of the paragraphs.
function insert_by_command(editor, rule, text) {
  const html = rule.open + text.split('\n').map((line) => escape_html(line) || rule.empty)
    .join(rule.newline) + rule.close;
  select_all(editor);
  return document.execCommand('insertHTML', false, html);
}

// As the paragraphs that the command would leave, for an editor that reads its own document. It has
// done so when this returns.
async function insert_as_paragraphs(editor, text) {
  const paragraphs = text.split('\n').map((line) => {
    const paragraph = document.createElement('p');
    paragraph.append(line === '' ? document.createElement('br') : line);
    return paragraph;
  });
  editor.focus();
  editor.replaceChildren(...paragraphs);
  getSelection().selectAllChildren(editor);
  getSelection().collapseToEnd();
  editor.dispatchEvent(new InputEvent('input', {bubbles: true, inputType: 'insertFromPaste'}));
  await new Promise((done) => setTimeout(done));
}

// Inserts by the shell's literal route and reads back what the editor then holds.
async function insert({shell, text}) {
  const profile = profiles.find((one) => one.name === shell);
  const {editor, form, count} = composer_of(profile);
  if (!editor) return {reason: `${count} composers`};
  const before = composer_text(editor);
  if (before.trim() !== '') return {reason: 'the composer is not empty'};
  if (attachments_of(profile, form).length > 0) return {reason: 'an attachment is in the composer'};
  const rule = profile.composer.insert;
  if (rule.paragraphs) {
    await insert_as_paragraphs(editor, text);
    const held = read_back({shell});
    if (held.reason || held.text === text || clear({shell, text}).text !== '') return held;
  }
  const {editor: now} = composer_of(profile);
  if (!now || !insert_by_command(now, rule, text)) return {reason: 'the page refused the text'};
  return read_back({shell});
}

function read_back({shell}) {
  const profile = profiles.find((one) => one.name === shell);
  const {editor, form, count} = composer_of(profile);
  if (!editor) return {reason: `${count} composers`};
  return {text: composer_text(editor), attachments: attachments_of(profile, form).length};
}

const first_line = (text) => text.split('\n', 1)[0].trimEnd();

// Takes `text` out of the composer, and nothing else: another text is a person's draft. The first
// line, which carries the marker, tells ours.
function clear({shell, text}) {
  const profile = profiles.find((one) => one.name === shell);
  const {editor, count} = composer_of(profile);
  if (!editor) return {reason: `${count} composers`};
  const held = composer_text(editor);
  if (held.trim() === '') return {text: ''};
  if (text !== null && first_line(held) !== first_line(text)) return {reason: 'the composer holds another text'};
  select_all(editor);
  document.execCommand('delete', false);
  return {text: composer_text(editor)};
}

// One act at a time, in the order in which they were asked for: a text is taken back once its
// insertion is over, and the next one is inserted after that.
let last_act = Promise.resolve();
const in_turn = (act) => {
  last_act = last_act.then(act, act);
  return last_act;
};

const guarded_insert = (guard_ms, what) => in_turn(async () => {
  guard_up(guard_ms);
  const inserted = await insert(what);
  if (inserted.reason) guard_down();
  return inserted;
});

// Undoes an insertion that will not be sent. With `wait_ms` the text may still have to come back
// into the composer.
const take_back = (what) => in_turn(async () => {
  const profile = profiles.find((one) => one.name === what.shell);
  const holds_text = () => {
    const {editor} = composer_of(profile);
    return editor !== null && composer_text(editor).trim() !== '';
  };
  if (what.wait_ms > 0) await until(holds_text, what.wait_ms, 0);
  const cleared = clear(what);
  guard_down();
  return cleared;
});
