// Reads the page and changes nothing. Runs in an isolated world; `profiles` (the shells) and
// `common` (signs that every shell shares) are in scope. Every reading is bounded.

const text_chars_max = 8 * 1024 * 1024;
const turns_max = 200;
const block_tags = new Set(['ADDRESS', 'ARTICLE', 'BLOCKQUOTE', 'DIV', 'H1', 'H2', 'H3', 'H4', 'H5',
  'H6', 'HR', 'LI', 'OL', 'P', 'PRE', 'SECTION', 'TABLE', 'TR', 'UL']);

const all = (selector, root = document) => (selector ? [...root.querySelectorAll(selector)] : []);
const matches = (node, selector) => selector !== '' && node.matches(selector);
const closest = (node, selector) => (selector ? node.closest(selector) : null);
const squeeze = (text, chars = 200) => text.replace(/\s+/g, ' ').trim().slice(0, chars);

function is_visible(node) {
  const box = node.getBoundingClientRect();
  return node.isConnected && box.width > 0 && box.height > 0 &&
    node.checkVisibility({opacityProperty: true, visibilityProperty: true});
}
const visible = (selector, root) => all(selector, root).filter(is_visible);

const is_filler_break = (node) => node.classList.contains('ProseMirror-trailingBreak');

// The text below `root`: BR and block boundaries become line breaks, `skip` prunes subtrees, and
// what `instead` gives for an element stands for the text in it.
function text_of(root, skip = () => false, instead = () => null) {
  let text = '';
  let break_due = false;
  const put = (piece) => {
    if (break_due && text !== '') text += '\n';
    break_due = false;
    text += piece;
    if (text.length > text_chars_max) throw new Error('text is longer than the limit');
  };
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE) {
      if (node.data !== '' && !(break_due && node.data.trim() === '')) put(node.data);
    } else if (node.nodeType === Node.ELEMENT_NODE && !skip(node)) {
      const is_block = block_tags.has(node.tagName);
      if (node.tagName === 'BR') {
        if (!is_filler_break(node)) put('\n');
      } else {
        if (is_block && text !== '') break_due = true;
        const given = instead(node);
        if (given === null) node.childNodes.forEach(walk);
        else put(given);
        if (is_block) break_due = true;
      }
    }
  };
  root.childNodes.forEach(walk);
  return text;
}

// What a person typed into an editor, line by line and to the letter.
function composer_text(editor) {
  const line_of = (block) => {
    let text = '';
    const walk = (node) => {
      if (node.nodeType === Node.TEXT_NODE) text += node.data;
      else if (node.tagName === 'BR') text += is_filler_break(node) ? '' : '\n';
      else node.childNodes.forEach(walk);
    };
    block.childNodes.forEach(walk);
    const is_lone_break = text === '\n' && !block.textContent;
    return is_lone_break ? '' : text;
  };
  if (editor instanceof HTMLTextAreaElement) return editor.value;
  const blocks = [...editor.children].filter((child) => block_tags.has(child.tagName));
  if (blocks.length === 0) return line_of(editor);
  return blocks.map(line_of).join('\n');
}

// --- code blocks ---------------------------------------------------------------------------------

const code_carriers = '[data-markdown-copy="code-block"], .cm-content, pre';

function code_text(block) {
  const lines = all('.cm-line', block);
  if (lines.length > 0) return lines.map((line) => line.textContent).join('\n');
  const code = block.matches('code') ? block : block.querySelector('code');
  if (code) return code.textContent;
  const viewer = block.matches('.cm-content') ? block : block.querySelector('.cm-content') ?? block;
  let text = '';
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE) text += node.data;
    else if (node.tagName === 'BR') text += '\n';
    else node.childNodes.forEach(walk);
  };
  viewer.childNodes.forEach(walk);
  return text;
}

function code_language(block) {
  const code = block.querySelector('code[class*="language-"]');
  const named = code?.className.match(/(?:^|\s)language-([^\s]+)/)?.[1];
  if (named) return named;
  const editor = block.matches('[data-language]') ? block : block.querySelector('[data-language]');
  if (editor?.dataset.language) return editor.dataset.language;
  const label = block.querySelector('[data-markdown-copy="exclude"] .truncate');
  if (label) return squeeze(label.textContent, 40).toLowerCase();
  const content = block.querySelector('.cm-content, code');
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (content?.contains(node)) break;
    if (node.data.trim() && !node.parentElement.closest('button, svg')) {
      return squeeze(node.data, 40).toLowerCase();
    }
  }
  return '';
}

// Code blocks below `root` in document order, outermost first. `partial` means that the page holds
// only a part of the text (an editor that draws the visible lines alone): it must not be read.
function code_blocks(root, skip = () => false) {
  const taken = [];
  for (const block of all(code_carriers, root)) {
    if (taken.some((outer) => outer.contains(block)) || skip(block)) continue;
    taken.push(block);
  }
  return taken.map((block) => ({
    language: code_language(block),
    text: code_text(block),
    partial: block.querySelector('.cm-gap') !== null,
  }));
}

// --- turns ---------------------------------------------------------------------------------------

const inside = (selector, root) => (node) => {
  const hit = closest(node, selector);
  return hit !== null && (root === undefined || root.contains(hit));
};

// Message ids of a unit, by the attribute that this shell uses; several are separated by spaces.
function ids_of(node, attribute) {
  const holders = [node, ...all(`[${attribute}]`, node)].filter((one) => one.hasAttribute(attribute));
  return [...new Set(holders.flatMap((one) => one.getAttribute(attribute).split(/\s+/)))]
    .filter(Boolean);
}

const has_placeholder = (ids, profile) =>
  ids.some((id) => id.startsWith(profile.turns.placeholder_prefix ?? '\u0000'));

// One entry per user message and per answer, in page order; elements stay inside this world.
function turn_nodes(profile) {
  const rule = profile.turns;
  const units = [];
  for (const turn of all(rule.turn)) {
    const turn_id = turn.getAttribute(rule.id) ?? '';
    for (const user of matches(turn, rule.user) ? [turn] : all(rule.user, turn)) {
      units.push({role: 'user', turn, turn_id, unit: user});
    }
    const answers = matches(turn, rule.assistant) ? [turn] : all(rule.assistant, turn);
    for (const unit of answers) units.push({role: 'assistant', turn, turn_id, unit});
    // Not every shell puts what goes on, or has gone wrong, into an answer that has no text yet.
    const has_signs = () => [rule.running, rule.failed].some((signs) => all(signs, turn).length > 0);
    if (answers.length === 0 && has_signs()) {
      units.push({role: 'assistant', turn, turn_id, unit: turn, only_activity: true});
    }
  }
  return units.slice(-turns_max);
}

function read_user(node, profile) {
  const rule = profile.turns;
  const bubble = (rule.user_text && node.unit.querySelector(rule.user_text)) || node.unit;
  return text_of(bubble, (one) => matches(one, rule.exclude));
}

// The answer's own text and code, without activity, labels and error cards.
function read_answer(node, profile) {
  const rule = profile.turns;
  if (node.only_activity) return {text: '', blocks: []};
  const roots = all(rule.answer, node.unit).filter((root) => !inside(rule.exclude, node.turn)(root));
  const outer = roots.filter((root) => !roots.some((other) => other !== root && other.contains(root)));
  const skip = (one) => matches(one, rule.exclude) || one.matches(code_carriers);
  const markdown_of = (one) => (rule.markdown_copy ? one.getAttribute(rule.markdown_copy) : null);
  return {
    text: outer.map((root) => text_of(root, skip, markdown_of)).join('\n'),
    blocks: outer.flatMap((root) => code_blocks(root, inside(rule.exclude, root))),
  };
}

function read_turn(node, profile, with_text) {
  const rule = profile.turns;
  const ids = ids_of(node.unit, rule.message_ids);
  if (node.role === 'user') {
    return {role: 'user', turn: node.turn_id, ids, text: with_text ? read_user(node, profile) : '',
      complete: true, running: false, failed: false, stopped: false, blocks: []};
  }
  const answer = with_text ? read_answer(node, profile) : {text: '', blocks: []};
  const running = has_placeholder(ids, profile) || all(rule.running, node.turn).length > 0;
  return {
    role: 'assistant', turn: node.turn_id, ids, text: answer.text, blocks: answer.blocks, running,
    failed: all(rule.failed, node.turn).length > 0,
    stopped: all(rule.stopped, node.turn).length > 0,
    // The user's message has controls of its own.
    complete: !running && all(rule.finished, node.turn).some((one) => !closest(one, rule.user)),
  };
}

// --- the whole page ------------------------------------------------------------------------------

function detect() {
  const fits = (profile) => profile.detect.some((selector) => document.querySelector(selector)) &&
    !profile.detect_none.some((selector) => document.querySelector(selector));
  const names = profiles.filter(fits).map((profile) => profile.name);
  // A shell that refines another one wins over it.
  return names.filter((name) => !profiles.some((one) => one.refines === name &&
    names.includes(one.name)));
}

function sign_matches(sign) {
  if (sign.title && !sign.title.some((text) => document.title.startsWith(text))) return null;
  if (sign.path && !sign.path.some((text) => location.pathname.startsWith(text))) return null;
  if (sign.query && !new URLSearchParams(location.search).has(sign.query)) return null;
  if (sign.unless && document.querySelector(sign.unless)) return null;
  if (sign.selector === undefined) {
    return {name: sign.name, state: sign.state, text: squeeze(document.title)};
  }
  const wanted = (node) => !sign.texts || sign.texts.some((text) => (sign.exact
    ? squeeze(node.textContent) === text : node.textContent.includes(text)));
  // Visibility is asked last: it makes the page lay itself out.
  const hit = all(sign.selector).find((node) => wanted(node) && !closest(node, common.content) &&
    (sign.hidden_too || is_visible(node)));
  return hit ? {name: sign.name, state: sign.state, text: squeeze(hit.textContent), node: hit} : null;
}

// The signs that the page shows now, each with the element that proves it.
const signs_of = (profile) => [...common.signs, ...(profile?.signs ?? [])].map(sign_matches)
  .filter(Boolean);

function dialogs_except(known) {
  return visible(common.dialogs)
    .filter((dialog) => !known.some((node) => node && (node.contains(dialog) || dialog.contains(node))))
    .map((dialog) => ({
      test_id: dialog.dataset.testid ?? '', id: dialog.id ?? '',
      role: dialog.getAttribute('role') ?? '', text: squeeze(dialog.textContent),
    }));
}

let known_editor = null;
let known_since = 0;
// The one visible editor of the one composer form, and how long it has been the same node.
function composer_of(profile) {
  const rule = profile.composer;
  const editors = visible(rule.form).flatMap((form) => visible(rule.editor, form));
  const editor = editors.length === 1 ? editors[0] : null;
  if (editor !== known_editor) {
    known_editor = editor;
    known_since = performance.now();
  }
  return {editor, count: editors.length, form: editor?.closest(rule.form) ?? null};
}

const label_of = (button) => squeeze(button.getAttribute('aria-label') ?? button.textContent, 60);
const with_label = (buttons, labels) => buttons.filter((one) => labels.includes(label_of(one)));

// The send button, or null: by test id where the shell has one, else by the exact label.
function send_button(profile, form) {
  if (!form) return null;
  const rule = profile.send;
  const found = rule.labels.length > 0 ? with_label(visible(rule.selector, form), rule.labels)
    : visible(rule.selector, form);
  return found.length === 1 ? found[0] : null;
}

function stop_buttons(profile) {
  const rule = profile.stop;
  const found = visible(rule.selector);
  return rule.labels.length > 0 ? with_label(found, rule.labels) : found;
}

// What goes out beside the text. A chip of which several parts are known counts once.
function attachments_of(profile, form) {
  const found = form ? visible(profile.composer.attachment, form) : [];
  return found.filter((one) => !found.some((other) => other !== one && other.contains(one)));
}

function look_at_composer(profile) {
  const {editor, count, form} = composer_of(profile);
  const send = send_button(profile, form);
  const slot = form ? visible(profile.send.slot, form).map(label_of) : [];
  return {
    count, text: editor ? composer_text(editor).slice(0, text_chars_max) : '',
    stable_ms: editor ? Math.floor(performance.now() - known_since) : 0,
    attachments: attachments_of(profile, form).length,
    can_send: send !== null && !send.disabled && send.getAttribute('aria-disabled') !== 'true',
    slot: slot.slice(0, 8),
  };
}

// Everything the judge needs. With `turns` the last so many turns come with their text and code.
function look({turns = 0} = {}) {
  const shells = detect();
  const profile = shells.length === 1 ? profiles.find((one) => one.name === shells[0]) : null;
  const signs = signs_of(profile);
  const nodes = profile ? turn_nodes(profile) : [];
  const first_read = nodes.length - turns;
  const read = nodes.map((node, i) => read_turn(node, profile, i >= first_read));
  return {
    url: location.href, title: document.title.slice(0, 200), ready_state: document.readyState,
    shells, stand_in: visible(common.stand_in).length > 0,
    signs: signs.map(({name, state, text}) => ({name, state, text})),
    dialogs: dialogs_except(signs.map((sign) => sign.node)),
    composer: profile ? look_at_composer(profile) : null,
    stop: profile ? stop_buttons(profile).length : 0,
    turns: read,
    loose_blocks: profile || turns === 0 ? [] : code_blocks(document.body).slice(0, turns_max),
  };
}

// The shape of an unknown page without anything a person wrote: tags, roles, test ids and data-
// attribute names of the first elements, depth first.
function digest() {
  const lines = [];
  const walk = (node, depth) => {
    if (lines.length >= 300 || depth > 12) return;
    const names = node.getAttributeNames().filter((name) => name.startsWith('data-')).slice(0, 6);
    const role = node.getAttribute('role');
    const test_id = node.dataset?.testid?.replace(/[0-9a-f-]{8,}|\d+/g, '#');
    lines.push('  '.repeat(depth) + node.tagName.toLowerCase() + (role ? ` role=${role}` : '') +
      (test_id ? ` testid=${test_id}` : '') + (names.length ? ` [${names.join(' ')}]` : ''));
    for (const child of node.children) {
      if (!['SCRIPT', 'STYLE', 'LINK', 'SVG', 'svg', 'PATH'].includes(child.tagName)) {
        walk(child, depth + 1);
      }
    }
  };
  if (document.body) walk(document.body, 0);
  return lines.join('\n');
}
