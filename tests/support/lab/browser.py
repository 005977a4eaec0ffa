"""A page in a real browser: headless Chromium shows it at a width, and a script measures what can be seen."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

# The page is in a frame of that width: no window of Chromium's is narrower than some 500 pixels. It is a frame of the
# same origin, since its text is an attribute; the page's own policy forbids scripts in it, not the one around it.
_AROUND = """<!DOCTYPE html><html><head><meta charset="utf-8"><style>body { margin: 0 } iframe { border: 0 }</style>
</head><body><iframe width="WIDTH" height="900" srcdoc="PAGE"></iframe><script>
window.addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument, root = page.documentElement;
  const outside = [], cut = [], scrolling = [], slivers = [], letters = [];
  const name = (element) => element.tagName + ": " + element.textContent.trim().slice(0, 60);
  for (const details of page.querySelectorAll("details")) details.open = true;
  for (const element of page.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    if (!box.width) continue;
    if (box.left < -1 || box.right > root.clientWidth + 1) outside.push(name(element));
    if (element.ownerSVGElement) continue;
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth) {
      (getComputedStyle(element).overflowX == "visible" ? outside : scrolling).push(name(element));
    }
    if (/^(TD|TH|P|LI)$/.test(element.tagName) && element.textContent.length > 3 && box.width < 24) {
      slivers.push(name(element));
    }
  }
  for (const text of page.querySelectorAll("svg text")) {
    const box = text.getBoundingClientRect(), plot = text.ownerSVGElement.getBoundingClientRect();
    if (box.left < plot.left - 1 || box.right > plot.right + 1 || box.top < plot.top - 1
        || box.bottom > plot.bottom + 1) cut.push(name(text));
    const matrix = text.getScreenCTM();
    letters.push(Math.hypot(matrix.a, matrix.b) * parseFloat(getComputedStyle(text).fontSize));
  }
  const measured = {width: root.scrollWidth, outside, scrolling, cut, slivers,
    smallest: letters.length ? Math.min(...letters) : null,
    lists: [...page.querySelectorAll("tr")].filter((row) => getComputedStyle(row).display == "block").length};
  const out = document.createElement("pre");
  out.id = "measured";
  out.textContent = JSON.stringify(measured);
  document.body.replaceChildren(out);
});
</script></body></html>"""


@dataclass(frozen=True)
class Seen:
    """What a page looks like at a width."""

    width: int
    """How wide the whole page is: where it is more than the window, the page scrolls sideways."""
    outside: list[str]
    """Elements that are outside of the window, or of what they are in."""
    scrolling: list[str]
    """Elements that would have to be scrolled sideways, or hide what they hold."""
    cut: list[str]
    """Words in plots that are outside of their plot."""
    slivers: list[str]
    """Fields and paragraphs of more than three letters that are narrower than two."""
    smallest: float | None
    """The size in pixels of the smallest letters in plots; None without plots."""
    lists: int
    """Rows of tables that are shown as lists."""


def look(page: str, width: int, folder: Path) -> Seen:
    """Show ``page`` at ``width`` and measure it; ``folder`` is for files. Skips where no Chromium is installed."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed: as root, apt-get install chromium")
    around = folder / "around.html"
    around.write_text(_AROUND.replace("WIDTH", str(width)).replace("PAGE", escape(page)))
    shown = subprocess.run(
        [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--window-size=1300,1000",
            f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=20000", "--dump-dom", around.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    found = re.search(r'<pre id="measured">(.*?)</pre>', shown.stdout, re.DOTALL)
    assert found, shown.stderr[-2000:]
    measured: dict[str, Any] = json.loads(unescape(found[1]))
    return Seen(**measured)
