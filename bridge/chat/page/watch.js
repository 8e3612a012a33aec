// Waits inside the page, so that nothing is polled over the wire. Each wait resolves with a reading.

// Resolves `check()` as soon as it gives something, trying after each change of the document and
// at the times that `wake_ms` names, or null after `limit_ms`.
function until(check, limit_ms, quiet_ms, wake_ms = []) {
  return new Promise((resolve) => {
    const timers = [];
    let scheduled = false;
    let last = -Infinity;
    const finish = (value) => {
      observer.disconnect();
      timers.forEach(clearTimeout);
      resolve(value);
    };
    const attempt = () => {
      scheduled = false;
      last = performance.now();
      const value = check();
      if (value) finish(value);
    };
    const changed = () => {
      if (scheduled) return;
      const wait = quiet_ms - (performance.now() - last);
      if (wait <= 0) return attempt();
      scheduled = true;
      timers.push(setTimeout(attempt, wait));
    };
    const observer = new MutationObserver(changed);
    observer.observe(document, {subtree: true, childList: true, characterData: true,
      attributes: true, attributeFilter: ['class', 'style', 'hidden', 'disabled', 'aria-label',
        'aria-busy', 'data-testid', 'data-interrupted', 'open']});
    for (const ms of wake_ms) timers.push(setTimeout(attempt, ms));
    timers.push(setTimeout(() => finish(null), limit_ms));
    attempt();
  });
}

// What a judgement depends on, as one string.
const situation = (seen) => JSON.stringify([seen.url, seen.title, seen.ready_state, seen.shells,
  seen.stand_in, seen.signs.map((sign) => sign.name), seen.dialogs, seen.stop,
  seen.composer && [seen.composer.count, seen.composer.text !== '', seen.composer.attachments,
    seen.composer.stable_ms >= 1000], seen.turns.at(-1)?.running, seen.turns.at(-1)?.failed,
  seen.turns.at(-1)?.turn]);

// The next look that differs from `previous`, or the last one after the limit.
async function next_look({previous, limit_ms}) {
  const check = () => {
    const seen = look();
    return previous === null || situation(seen) !== previous ? seen : null;
  };
  const seen = await until(check, limit_ms, 20, [1010]) ?? look();
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
  const own = nodes.filter((node) => node.role === 'user').filter((node) => {
    if (ids_of(node.unit, profile.turns.message_ids).some((id) => ids.includes(id))) return true;
    return first_line(read_user(node, profile)) === marker;
  });
  return own.at(-1) ?? null;
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

function read_exchange(wanted) {
  const found = exchange(wanted);
  if (!found) return null;
  const {profile, own, answers} = found;
  return {user: read_turn(own, profile, true),
    answers: answers.map((node) => read_turn(node, profile, true))};
}

// True once the answer's last line may be the end marker: cheap enough to ask after every change.
function ends_with_marker(found, end_marker) {
  const last = found.answers.at(-1);
  if (!last || last.only_activity) return false;
  const {answer, exclude} = found.profile.turns;
  const roots = all(answer, last.unit).filter((root) => !inside(exclude, last.turn)(root));
  return roots.some((root) => root.textContent.slice(-200).includes(end_marker));
}

// Waits for something to say about our turn: the end marker (`end`), the page's own signs of an end
// (`finished`), trouble in the turn (`failed`, `stopped`) or a new sign on the page (`sign`). What is
// in `ignore` was told before. A second watch, or `stop_watch`, ends the first with `replaced`.
let end_watch = () => {};
async function watch_reply(wanted) {
  end_watch();
  const ignored = new Set(wanted.ignore);
  const news = () => {
    const found = exchange(wanted);
    if (found && !ignored.has('end') && ends_with_marker(found, wanted.end_marker)) return 'end';
    const signs = signs_of(null);
    if (signs.some((sign) => !ignored.has(sign.name))) return 'sign';
    if (!ignored.has('dialog') && dialogs_except(signs.map((sign) => sign.node)).length > 0) {
      return 'sign';
    }
    const last = found?.answers.length
      ? read_turn(found.answers.at(-1), found.profile, false) : null;
    if (last?.failed && !ignored.has('failed')) return 'failed';
    if (last?.stopped && !ignored.has('stopped')) return 'stopped';
    if (last?.complete && !ignored.has('finished') && stop_buttons(found.profile).length === 0) {
      return 'finished';
    }
    return null;
  };
  const replaced = new Promise((resolve) => { end_watch = () => resolve('replaced'); });
  const kind = await Promise.race([until(news, wanted.limit_ms, wanted.quiet_ms), replaced]);
  if (kind === 'replaced') return {kind, exchange: null};
  return {kind: kind ?? 'nothing', exchange: read_exchange(wanted), seen: look()};
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
