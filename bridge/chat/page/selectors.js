// Tries the profiles' selectors, so that one which the browser cannot read is told by its name
// instead of failing in the middle of a look.

// [place, selector] of each, wherever a member is one by the schema. An empty one matches nothing.
function* selectors_in(value, place = '', member = '') {
  if (typeof value === 'string') {
    if (value !== '' && selector_members.has(member)) yield [place, value];
  } else if (value instanceof Object) {
    for (const [name, item] of Object.entries(value)) {
      yield* selectors_in(item, `${place}/${name}`, Array.isArray(value) ? member : name);
    }
  }
}

function is_readable(selector) {
  try {
    document.createDocumentFragment().querySelector(selector);
    return true;
  } catch {
    return false;
  }
}

// Each with the file and the place in it.
function unreadable_selectors() {
  return [common, ...profiles].flatMap((profile, i) => [...selectors_in(profile)]
    .filter(([, selector]) => !is_readable(selector))
    .map(([place, selector]) => `${files[i]}: ${place}: ${JSON.stringify(selector)}`));
}
