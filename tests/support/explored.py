"""Actions of the tests of the report: draw every plot of the page, and click marks of a plot."""

from browser import Browser

PANEL = "document.querySelector('dialog.panel')"
TITLE = f"{PANEL}.querySelector('h2').textContent"
# The position of a mark in the window: the center of the item of the first datum that `test` accepts.
POINT_OF = """(() => {
  const place = document.querySelector('%s');
  place.scrollIntoView({block: 'center'});
  const found = [];
  const walk = (item, x, y) => {
    const {bounds} = item;
    if (item.datum && bounds && !item.items && (%s)(item.datum))
      found.push([x + (bounds.x1 + bounds.x2) / 2, y + (bounds.y1 + bounds.y2) / 2]);
    const [dx, dy] = item.items && item.mark ? [item.x || 0, item.y || 0] : [0, 0];
    for (const child of item.items || []) walk(child, x + dx, y + dy);
  };
  walk(place.view.scenegraph().root, 0, 0);
  const canvas = place.querySelector('canvas').getBoundingClientRect(), [left, top] = place.view.origin();
  const padding = place.view.padding();
  return found.map(([x, y]) => [canvas.x + left + padding.left + x, canvas.y + top + padding.top + y])[0];
})()"""


def show_all(browser: Browser) -> None:
    """Scroll to each part of the page that is drawn when it is needed, and wait until it is there."""
    for part in ("plate-explorer", "profile-explorer"):
        browser.run(f"document.getElementById('{part}').scrollIntoView()")
        browser.wait_until(f"document.getElementById('{part}').dataset.drawn")


def click(browser: Browser, chart: str, test: str) -> None:
    """Click the mark of the first datum that `test`, a function in JavaScript, accepts."""
    at = browser.run(POINT_OF % (chart, test))
    assert at, f"{chart} has no mark with {test}"
    browser.click(*at)
