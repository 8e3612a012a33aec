// Waits inside the page, so that nothing is polled over the wire. Each wait resolves with a reading.

// Resolves with what the first of `checks` gives, trying each after changes of the document (at most
// every `quiet_ms`, and never inside the page's own work unless that is 0) and at the times that
// `wake_ms` names; with null after `limit_ms`. `on_stop` receives a function that ends it early.
function until_any(checks, limit_ms, {wake_ms = [], on_stop = () => {}} = {}) {
  return new Promise((resolve) => {
    const timers = new Set();
    const later = (action, ms) => {
      const timer = setTimeout(() => { timers.delete(timer); action(); }, ms);
      timers.add(timer);
    };
    const finish = (value) => {
      observer.disconnect();
      timers.forEach(clearTimeout);
      resolve(value);
    };
    const tries = checks.map(({check, quiet_ms}) => ({check, quiet_ms, last: -Infinity, due: false}));
    const attempt = (one) => {
      one.due = false;
      watch();
      const value = one.check();
      one.last = performance.now();
      if (value) finish(value);
    };
    const observer = new MutationObserver(() => {
      for (const one of tries) {
        if (one.due) continue;
        if (one.quiet_ms === 0) {
          attempt(one);
        } else {
          one.due = true;
          later(() => attempt(one), Math.max(0, one.quiet_ms - (performance.now() - one.last)));
        }
      }
      // Nobody would look before a timer does: until then the page need not keep records for us.
      if (tries.every((one) => one.due)) observer.disconnect();
    });
    const watch = () => observer.observe(document, {subtree: true, childList: true,
      characterData: true, attributes: true, attributeFilter: ['class', 'style', 'hidden',
        'disabled', 'aria-label', 'aria-busy', 'data-testid', 'data-interrupted', 'open']});
    for (const ms of wake_ms) later(() => tries.forEach(attempt), ms);
    later(() => finish(null), limit_ms);
    on_stop(() => finish(null));
    tries.forEach(attempt);
  });
}

const until = (check, limit_ms, quiet_ms, wake_ms = []) =>
  until_any([{check, quiet_ms}], limit_ms, {wake_ms});

// What a judgement depends on, as one string.
const situation = (seen) => JSON.stringify([seen.url, seen.title, seen.ready_state, seen.shells,
  seen.stand_in, seen.signs.map((sign) => sign.name), seen.dialogs, seen.stop,
  seen.composer && [seen.composer.count, seen.composer.text !== '', seen.composer.attachments,
    seen.composer.stable_ms >= 1000], seen.turns.at(-1)?.running, seen.turns.at(-1)?.failed,
  seen.turns.at(-1)?.turn]);

// The next look that differs from `previous`, or the last one after the limit.
async function next_look({previous, limit_ms, quiet_ms = 20}) {
  const check = () => {
    const seen = look();
    return previous === null || situation(seen) !== previous ? seen : null;
  };
  const seen = await until(check, limit_ms, quiet_ms, [1010]) ?? look();
  return {seen, situation: situation(seen)};
}

// Arms as soon as the page offers the send button for the inserted text; it may need a moment.
async function arm_when_sendable(plan) {
  const profile = profiles.find((one) => one.name === plan.shell);
  const offered = () => {
    const button = send_button(profile, composer_of(profile).form);
    return button !== null && !button.disabled && button.getAttribute('aria-disabled') !== 'true';
  };
  await until(offered, 2000, 0);
  return arm(plan);
}

// Our own user turn: by message id, else by the exact first line.
function own_turn(nodes, profile, {ids, marker}) {
  return nodes.findLast((node) => node.role === 'user' &&
    (ids_of(node.unit, profile.turns.message_ids).some((id) => ids.includes(id)) ||
      first_line(read_user(node, profile)) === marker)) ?? null;
}

// Our turn and the answers that follow it, up to the next user turn.
function exchange({shell, ids, marker}) {
  // A page that was just loaded may not have been recognised yet.
  const profile = profiles.find((one) => one.name === (shell || detect()[0]));
  if (!profile) return null;
  const nodes = turn_nodes(profile);
  const own = own_turn(nodes, profile, {ids, marker});
  if (!own) return null;
  const after = nodes.slice(nodes.indexOf(own) + 1);
  const next_user = after.findIndex((node) => node.role === 'user');
  const answers = next_user < 0 ? after : after.slice(0, next_user);
  return {profile, own, answers};
}

// The last answer to our turn, with its text.
function read_exchange(wanted) {
  const found = exchange(wanted);
  return found && {answers: found.answers.slice(-1)
    .map((node) => read_turn(node, found.profile, true))};
}

// The elements that hold the text of the last answer to our turn.
function answer_roots(found) {
  const last = found?.answers.at(-1);
  if (!last || last.only_activity) return [];
  const {answer, exclude} = found.profile.turns;
  return all(answer, last.unit).filter((root) => !inside(exclude, last.turn)(root));
}

// Waits for something to say about our turn: the end marker (`end`), the page's own signs of an end
// (`finished`), trouble in the turn (`failed`, `stopped`) or a new sign on the page (`sign`). What is
// in `ignore` was told before. A second watch, or `stop_watch`, ends the first with `replaced`.
let end_watch = () => {};
async function watch_reply(wanted) {
  end_watch();
  const ignored = new Set(wanted.ignore);
  const has_marker = (root) => root.textContent.slice(-200).includes(wanted.end_marker);
  // Where the answer grew when it was last looked for: asked alone after most changes.
  let roots = [];
  const end_news = () => {
    if (ignored.has('end')) return null;
    const is_known = roots.length > 0 && roots.every((root) => root.isConnected);
    if (is_known && !roots.some(has_marker)) return null;
    roots = answer_roots(exchange(wanted));
    return roots.some(has_marker) ? 'end' : null;
  };
  const other_news = () => {
    const signs = signs_of(null);
    if (signs.some((sign) => !ignored.has(sign.name))) return 'sign';
    if (!ignored.has('dialog') && dialogs_except(signs.map((sign) => sign.node)).length > 0) {
      return 'sign';
    }
    const found = exchange(wanted);
    roots = answer_roots(found);
    const last = found?.answers.length
      ? read_turn(found.answers.at(-1), found.profile, false) : null;
    if (last?.failed && !ignored.has('failed')) return 'failed';
    if (last?.stopped && !ignored.has('stopped')) return 'stopped';
    if (last?.complete && !ignored.has('finished') && stop_buttons(found.profile).length === 0) {
      return 'finished';
    }
    return null;
  };
  let is_replaced = false;
  const kind = await until_any(
    [{check: end_news, quiet_ms: wanted.quiet_ms}, {check: other_news, quiet_ms: Math.max(200, wanted.quiet_ms)}],
    wanted.limit_ms,
    {on_stop: (stop) => { end_watch = () => { is_replaced = true; stop(); }; }});
  if (is_replaced) return {kind: 'replaced', exchange: null};
  // At the last token every millisecond counts, and the answer alone matters.
  const seen = kind === 'end' ? null : look();
  return {kind: kind ?? 'nothing', exchange: read_exchange(wanted), seen};
}

function stop_watch() {
  end_watch();
}

// What the page's own session call tells, without the secrets in it. null: no such call here.
async function session() {
  if (!location.protocol.startsWith('http')) return null;
  try {
    const answer = await fetch('/api/auth/session', {credentials: 'same-origin'});
    if (answer.status === 404) return null;
    const body = answer.ok ? await answer.json() : {};
    return {status: answer.status, user: Boolean(body?.user), error: Boolean(body?.error),
      challenged: answer.headers.get('cf-mitigated') === 'challenge'};
  } catch {
    return null;
  }
}
