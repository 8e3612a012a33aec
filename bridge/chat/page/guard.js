// The one-shot guard. While it is up every pointer and key event of the page is refused, but for
// one trusted click on the send button after `arm`, and only while everything that was true when
// the click was decided is still true. Dies by itself: a lost driver must not lock a person out.

const guard = {up_until: 0, nonce: null, armed: null, plan: null, passed: false, passing: false,
  verdict: null};
// How long the guard outlives the click's deadline: what a slow page needs until it is asked what
// became of the click. Until then a click that is late meets the guard.
const guard_margin_ms = 40000;
const guarded_events = ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click', 'auxclick',
  'dblclick', 'contextmenu', 'keydown', 'keypress', 'keyup', 'submit', 'touchstart', 'touchend',
  'paste', 'drop'];

// Why the armed click must not go through now, or null; `altered` if it is for what would be sent.
function objection(event) {
  const plan = guard.armed;
  const profile = plan && profiles.find((one) => one.name === plan.shell);
  const reason = objection_to(event, plan, profile);
  if (reason) return {reason, altered: false};
  const {editor, form} = composer_of(profile);
  if (attachments_of(profile, form).length > 0) {
    return {reason: 'an attachment appeared', altered: true};
  }
  return composer_text(editor) === plan.text ? null
    : {reason: 'the composer no longer holds the prompt', altered: true};
}

function objection_to(event, plan, profile) {
  if (!plan) return guard.verdict?.sent ? 'the one click was used' : 'not armed';
  if (!event.isTrusted) return 'not a trusted event';
  if (performance.now() > plan.until_monotonic || Date.now() > plan.until_wall) return 'too late';
  if (location.pathname !== plan.path) return `the page is at ${location.pathname}`;
  const {editor, form, count} = composer_of(profile);
  if (!editor) return `${count} composers`;
  if (stop_buttons(profile).length > 0) return 'an answer is being generated';
  const last = turn_nodes(profile).at(-1);
  if (last && read_turn(last, profile, false).running) return 'the last turn is still running';
  if ((last?.turn_id ?? '') !== plan.last_turn) return `the last turn is ${last?.turn_id ?? 'none'}`;
  if (visible(common.dialogs).length > 0) return 'a dialog is open';
  const sign = signs_of(profile)[0];
  if (sign) return `sign ${sign.name}: ${sign.text}`;
  const button = send_button(profile, form);
  if (!button || !button.contains(event.target)) return 'the click is not on the send button';
  return null;
}

function on_guarded(event) {
  if (performance.now() > guard.up_until) return;  // Down: the page is a person's again.
  const refuse = ({reason, altered}) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    // The first refusal of an armed click decides it: nothing is tried twice.
    if (guard.armed && event.isTrusted && ['pointerdown', 'mousedown', 'click'].includes(event.type)) {
      guard.verdict = {nonce: guard.armed.nonce, sent: false, reason: `${event.type}: ${reason}`, altered};
      guard.armed = null;
      guard.passing = false;
    }
  };
  if (!event.isTrusted && event.type === 'submit') return;  // The page's own way of sending.
  if (event.type === 'submit' && guard.verdict?.sent) return;
  if (['pointerup', 'mouseup'].includes(event.type) && guard.passing) return;
  if (!['pointerdown', 'mousedown', 'click'].includes(event.type)) {
    return refuse({reason: 'not allowed now', altered: false});
  }
  const against = objection(event);
  if (against) return refuse(against);
  guard.passing = true;
  guard.passed = true;
  if (event.type === 'click') {
    guard.verdict = {nonce: guard.armed.nonce, sent: true, reason: '', altered: false};
    guard.armed = null;
    guard.passing = false;
  }
}

for (const type of guarded_events) window.addEventListener(type, on_guarded, {capture: true});

function guard_up(limit_ms) {
  guard.up_until = performance.now() + Math.min(limit_ms, 60000);
  guard.nonce = null;
  guard.armed = null;
  guard.plan = null;
  guard.passed = false;
  guard.verdict = null;
}

function guard_down() {
  guard.up_until = 0;
  guard.armed = null;
}

// Whether the page has taken the text although the click was refused: some pages send at the first
// event of a click, which had gone through.
function may_have_acted() {
  const {plan} = guard;
  if (!plan || !guard.passed) return false;
  const profile = profiles.find((one) => one.name === plan.shell);
  const {editor} = composer_of(profile);
  if (editor && composer_text(editor).trim() === '') return true;
  if (location.pathname !== plan.path) return !plan.path.includes('/c/');
  if (stop_buttons(profile).length > 0) return true;
  return (turn_nodes(profile).at(-1)?.turn_id ?? '') !== plan.last_turn;
}

// What became of the armed click. Disarms: a click that arrives later is refused as long as the
// guard is up. Only with the click's own nonce, `was_up` (without a gap since it was armed) and not
// `may_have_acted` does a click that was not sent mean that nothing was sent.
function guard_verdict() {
  guard.armed = null;
  guard.passing = false;
  const {sent = false, reason = '', altered = false} = guard.verdict ?? {};
  return {nonce: guard.nonce, sent, reason, altered, was_up: performance.now() <= guard.up_until,
    may_have_acted: may_have_acted()};
}

// Allows one click within `limit_ms` (at most 3 s) and says where to click, or why not.
function arm({nonce, shell, text, path, last_turn, limit_ms}) {
  const limit = Math.min(limit_ms, 3000);
  if (performance.now() > guard.up_until) return {reason: 'the guard is down'};
  if (guard.verdict) return {reason: 'the guard was used'};
  const profile = profiles.find((one) => one.name === shell);
  const {form} = composer_of(profile);
  const button = send_button(profile, form);
  if (!button) return {reason: 'no send button'};
  if (button.disabled || button.getAttribute('aria-disabled') === 'true') {
    return {reason: 'the send button is disabled'};
  }
  const box = button.getBoundingClientRect();
  const x = box.left + box.width / 2;
  const y = box.top + box.height / 2;
  const top = document.elementFromPoint(x, y);
  if (!top || !button.contains(top)) return {reason: 'something covers the send button'};
  guard.nonce = nonce;
  guard.plan = {nonce, shell, text, path, last_turn, until_monotonic: performance.now() + limit,
    until_wall: Date.now() + limit};
  guard.armed = guard.plan;
  guard.up_until = Math.max(guard.up_until, performance.now() + limit + guard_margin_ms);
  const against = objection({isTrusted: true, target: button});
  if (against) {
    guard.armed = null;
    return against;
  }
  return {x, y};
}
