"""Links between documents lead to files and headings that exist, and every document is linked from another."""

from __future__ import annotations

import re

from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
_LINK = re.compile(r"]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def anchors(text: str) -> set[str]:
    """The anchors that GitHub and GitLab make of the headings of ``text``."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_between_documents_leads_somewhere_and_none_is_left_out() -> None:
    linked = set()
    for page in PAGES:
        for target, anchor in _LINK.findall(page.read_text("utf-8")):
            if target.startswith(("http:", "https:", "mailto:")):
                continue
            there = page.parent / target if target else page
            assert there.exists(), f"{page.name} links {target}"
            if anchor:
                assert anchor in anchors(there.read_text("utf-8")), f"{page.name} links {target}#{anchor}"
            linked.add(there.resolve())
    assert {page.resolve() for page in PAGES} - linked <= {ROOT / "README.md"}
