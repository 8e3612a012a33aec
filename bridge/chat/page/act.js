// The two acts on the page that are not clicks: putting text into the empty composer and taking our
// own text out again. Both go through the editor's own commands, so the page sees ordinary edits.

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

// Inserts by the shell's literal route and reads back what the editor then holds.
function insert({shell, text}) {
  const profile = profiles.find((one) => one.name === shell);
  const {editor, count} = composer_of(profile);
  if (!editor) return {reason: `${count} composers`};
  const before = composer_text(editor);
  if (before.trim() !== '') return {reason: 'the composer is not empty'};
  const rule = profile.composer.insert;
  const html = rule.open + text.split('\n').map((line) => escape_html(line) || rule.empty)
    .join(rule.newline) + rule.close;
  select_all(editor);
  if (!document.execCommand('insertHTML', false, html)) return {reason: 'the page refused the text'};
  return read_back({shell});
}

function read_back({shell}) {
  const profile = profiles.find((one) => one.name === shell);
  const {editor, form, count} = composer_of(profile);
  if (!editor) return {reason: `${count} composers`};
  return {text: composer_text(editor), attachments: visible(profile.composer.attachment, form).length};
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

function guarded_insert(guard_ms, what) {
  guard_up(guard_ms);
  const inserted = insert(what);
  if (inserted.reason) guard_down();
  return inserted;
}

// Undoes an insertion that will not be sent. With `wait_ms` the text may still have to come back
// into the composer.
async function take_back(what) {
  const profile = profiles.find((one) => one.name === what.shell);
  const holds_text = () => {
    const {editor} = composer_of(profile);
    return editor !== null && composer_text(editor).trim() !== '';
  };
  if (what.wait_ms > 0) await until(holds_text, what.wait_ms, 0);
  const cleared = clear(what);
  guard_down();
  return cleared;
}
