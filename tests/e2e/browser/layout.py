"""What looks wrong on a page: small targets, words that are cut off, and controls that overlap."""

from __future__ import annotations

from playwright.sync_api import Page

# A label is the target of the control in it. A handle's target includes its invisible margin, its ::before.
SMALL = """() => {
  const area = document.querySelector('dialog[open]') ?? document.body;
  const targets = area.querySelectorAll('button, a[href], select, summary, input:not([hidden]), [role=slider]');
  return [...targets]
    .filter((element) => element.checkVisibility() && element.closest('.visually-hidden') === null)
    .map((element) => [element, (element.closest('label') ?? element)])
    .map(([element, target]) => {
      const { width, height } = target.getBoundingClientRect();
      const margin = getComputedStyle(target, '::before');
      const grown = margin.position === 'absolute' ? [margin.width, margin.height].map(parseFloat) : [0, 0];
      return [element, Math.max(width, grown[0]), Math.max(height, grown[1])];
    })
    .filter(([, width, height]) => width < 43.5 || height < 43.5)
    .map(([element, ...size]) =>
      `${element.ariaLabel ?? element.textContent} (${element.className}): ${size.map(Math.round).join(' x ')}`);
}"""

CUT_OFF = """() => [...document.querySelectorAll('#app *, dialog[open] *')]
  .filter((element) => element.checkVisibility())
  .filter((element) => element.closest('svg, canvas, .visually-hidden, .wave, .scale') === null)
  .filter((element) => element.tagName !== 'INPUT') // its text scrolls
  .filter((element) => element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 &&
    (getComputedStyle(element).overflowX !== 'visible' || getComputedStyle(element).display === 'inline-flex'))
  .concat([...document.querySelectorAll('button, a, p, h1, h2, span, label, select')].filter((element) => {
    const { right, left, width } = element.getBoundingClientRect();
    return element.checkVisibility() && width > 0 && element.closest('.visually-hidden, .wave') === null &&
      (right > innerWidth + 1 || left < -1);
  }))
  .concat([...document.querySelectorAll('.tick')].filter((element) =>
    element.getBoundingClientRect().right > element.parentElement.getBoundingClientRect().right + 1))
  .map((element) => `${element.tagName} ${element.className}: ${element.textContent.slice(0, 60)}`)"""

# Browsers draw placeholders and the choice of a menu themselves, so only their width shows whether words are cut off.
CUT_OFF_FIELDS = """() => {
  const area = document.querySelector('dialog[open]') ?? document.body;
  const pen = document.createElement('canvas').getContext('2d');
  return [...area.querySelectorAll('input[placeholder], select')]
    .filter((element) => element.checkVisibility())
    .map((element) => {
      const style = getComputedStyle(element);
      const text = element.selectedOptions?.[0]?.label ?? (element.value === '' ? element.placeholder : '');
      pen.font = style.font;
      const room = element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
      return [text, pen.measureText(text).width - room];
    })
    .filter(([, excess]) => excess > 1)
    .map(([text, excess]) => `${text}: ${Math.ceil(excess)} px`);
}"""

# Not what sticks to the window and lies over the rest, and not the two ends of a loop, which may meet.
OVERLAPS = """() => {
  const area = document.querySelector('dialog[open]') ?? document.body;
  const controls = [...area.querySelectorAll('button, a[href], input:not([hidden]), select, summary')]
    .filter((element) => element.checkVisibility() && element.closest('.visually-hidden, .wave') === null)
    .filter((element) => element.closest('.transport') === null || scrollY === 0)
    .filter((element) => element.closest('.answers') === null || area.scrollHeight <= area.clientHeight + 1);
  const name = (element) => element.ariaLabel ?? element.textContent.slice(0, 40);
  const found = [];
  for (const [index, one] of controls.entries())
    for (const other of controls.slice(index + 1)) {
      if (one.contains(other) || other.contains(one)) continue;
      const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 2 && high > 2) found.push(`${name(one)} and ${name(other)}`);
    }
  return found;
}"""


def problems(page: Page, touch: bool = True) -> list[str]:
    """What looks wrong now, in the open dialog if there is one. `touch`: targets need 44 px."""
    kinds = {"cut off": CUT_OFF, "cut-off field": CUT_OFF_FIELDS, "overlap": OVERLAPS}
    if touch:
        kinds["small"] = SMALL
    found = [f"{kind}: {one}" for kind, script in kinds.items() for one in page.evaluate(script)]
    width, window = page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    return found + ([f"the page has {width} px, its window {window}"] if width > window else [])
