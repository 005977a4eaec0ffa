"""The catalogue of variants."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from patchkit import resources
from patchkit.cache import Cache
from patchkit.errors import BadVariantError, UnknownVariantError
from patchkit.patching import variants
from patchkit.releases.catalog import Release, catalog
from patchkit.releases.version import Version
from tests.conftest import PINNED, ROOT, Run, upstream


def test_stock_comes_first() -> None:
    assert variants.names()[0] == variants.STOCK
    assert "retransmit" in variants.names()


@pytest.mark.parametrize("name", variants.names())
def test_every_variant_is_valid_and_has_its_templates(name: str) -> None:
    described = variants.variant(name)
    assert described.title
    assert all(described.template(file) for file in described.files)


@pytest.mark.parametrize("name", ["retransmitt", "", "../retransmit", "-x", "n" * 5000])
def test_an_unknown_variant_names_the_nearest(name: str) -> None:
    with pytest.raises(UnknownVariantError) as caught:
        variants.variant(name)
    assert "retransmit" in caught.value.why
    assert len(caught.value.what) < 120


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.5.1", PINNED, "2.7.7"])
def test_no_template_holds_upstreams_lines(version: str, shared_cache: Cache) -> None:
    """Templates may name what upstream's code is called; no line of a real source stands in one."""
    source = upstream(version, shared_cache)
    theirs = {
        re.sub(r"\s+", "", line)
        for name in ("reliable.c", "reliable.h", "ssl.c")
        for line in source.read(source.find(name)).decode("latin-1").splitlines()
    }
    # What any C file may say, "int i;" or "return false;", is nobody's.
    theirs = {line for line in theirs if len(line) > len("returnfalse;") + 4}
    for path in resources.folder("patches").rglob("*.j2"):
        for line in path.read_text().splitlines():
            assert re.sub(r"\s+", "", line.lstrip("+- ")) not in theirs, f"{path}: {line}"


@pytest.mark.parametrize(
    ("toml", "template", "message"),
    [
        ("title = 3\n", "", "title"),
        ("title = 'x\n", "", "patch.toml"),
        (None, None, "lacks templates"),
    ],
)
def test_a_bad_variant_is_named(
    toml: str | None, template: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    assert message in caught.value.what + caught.value.why


@pytest.mark.parametrize("name", variants.names())
@pytest.mark.parametrize("release", catalog().releases, ids=lambda release: release.version.text)
def test_every_release_is_in_exactly_one_range(name: str, release: Release) -> None:
    ranges = [upstream.releases for upstream in variants.variant(name).upstream if upstream.holds(release.version)]
    assert len(ranges) == 1


def test_pre_releases_belong_to_the_series_they_lead_to() -> None:
    def status(version: str) -> str | None:
        upstream = variants.variant("retransmit").upstream_of(Version.parse(version))
        return upstream.status if upstream else None

    assert [status(text) for text in ("1.6", "2.1_rc1", "2.5.11", "2.6_beta1", "2.7_alpha1", "2.8")] == [
        None, "needed", "needed", "superseded", "superseded", "superseded",
    ]  # fmt: skip


def test_conflicts_are_mutual_and_name_variants() -> None:
    for name in variants.names():
        for other in variants.variant(name).conflicts:
            assert name in variants.variant(other).conflicts


def test_the_docs_name_every_field_of_a_patch_toml() -> None:
    text = (ROOT / "docs/variants.md").read_text()
    fields = {*variants.Variant.model_fields, *variants.Upstream.model_fields} - {"name", "folder"}
    assert {name for name in fields if f"`{name}`" not in text and f"`[[{name}]]`" not in text} == set()


def test_all_about_one_variant(patchkit: Run) -> None:
    output = patchkit("variants", "retransmit").stdout
    known = variants.variant("retransmit")
    assert known.title in output
    assert all(
        upstream.note.strip() in output and upstream.commits[0][:12] in output
        for upstream in known.upstream
        if upstream.commits
    )
    document = json.loads(patchkit("variants", "retransmit", "--json").stdout)
    assert [upstream["status"] for upstream in document["upstream"]] == ["needed", "needed", "superseded"]
    assert patchkit("variants", "retransmitt").returncode == 11
