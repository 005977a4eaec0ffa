"""The catalogue of variants."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit import resources
from patchkit.errors import BadVariantError, UnknownVariantError
from patchkit.patching import variants


def test_stock_comes_first() -> None:
    assert variants.names()[0] == variants.STOCK
    assert "retransmit" in variants.names()


@pytest.mark.parametrize("name", variants.names())
def test_every_variant_is_valid_and_has_its_templates(name: str) -> None:
    found = variants.variant(name)
    assert found.title
    assert all(found.template(file) for file in found.files)


@pytest.mark.parametrize("name", ["retransmitt", "", "../retransmit", "-x", "n" * 5000])
def test_an_unknown_variant_names_the_nearest(name: str) -> None:
    with pytest.raises(UnknownVariantError) as caught:
        variants.variant(name)
    assert "retransmit" in caught.value.why
    assert len(caught.value.what) < 120


def test_no_template_holds_upstreams_lines() -> None:
    """Templates may name what upstream's code is called; a line of a real reliable.c never stands in one."""
    for path in resources.folder("patches").rglob("*.j2"):
        for line in path.read_text().splitlines():
            assert not line.startswith((" ", "-")), f"{path}: {line}"


@pytest.mark.parametrize(
    ("toml", "template", "said"),
    [
        ("title = 3\n", "", "title"),
        ("title = 'x\n", "", "patch.toml"),
        (None, None, "lacks templates"),
    ],
)
def test_a_bad_variant_is_named(
    toml: str | None, template: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    good = (resources.folder("patches") / "retransmit/patch.toml").read_text()
    (folder / "patch.toml").write_text(good if toml is None else toml)
    if template is not None:
        (folder / "reliable.c.diff.j2").write_text(template)
    monkeypatch.setattr(resources, "folder", lambda _: tmp_path)
    with pytest.raises(BadVariantError) as caught:
        variants.variant.__wrapped__("mine")
    assert said in caught.value.what + caught.value.why
