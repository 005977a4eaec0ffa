"""Several variants in one source: their names, what excludes what, and one result however they are applied."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchkit.errors import BadUsageError, ConflictError, UnknownVariantError
from patchkit.patching.combination import Combination, combination
from patchkit.patching.render import Rendered, render, render_series
from patchkit.patching.variants import Variant, variant
from patchkit.releases.version import Version
from patchkit.source.tree.tree import SourceTree
from tests.support.patching.made_up_variants import RELIABLE, RELIABLE_C, SSL_C, changing, make_up, source

__all__ = ["make_up"]  # a fixture


@pytest.mark.usefixtures("make_up")
def test_the_order_is_canonical_however_it_was_typed() -> None:
    assert combination("later+put-b+longer+put-a").name == "longer+put-a+put-b+later"
    assert combination("later+longer") == combination("longer+later")


@pytest.mark.usefixtures("make_up")
def test_a_combination_is_as_good_as_its_worst_part() -> None:
    assert combination("put-b").status == "recommended"
    assert combination("put-a+put-b").status == "faithful"
    assert combination("put-b+later").status == "known-bad"
    assert combination("longer+later").files == ("reliable.c", "ssl.c")
    statuses = {text: combination(text).upstream_status(Version.parse("2.6")) for text in ("longer+later", "foe+later")}
    assert statuses == {"longer+later": "needed", "foe+later": "not-applicable"}
    assert combination("longer").upstream_status(Version.parse("2.4")) is None


@pytest.mark.usefixtures("make_up")
@pytest.mark.parametrize("text", ["longer+longer", "stock+longer", "longer+stock", "stock+stock"])
def test_what_is_no_combination(text: str) -> None:
    with pytest.raises(BadUsageError):
        combination(text)


@pytest.mark.parametrize("text", ["", "retransmit +stock"])
def test_a_part_that_is_no_variant(text: str) -> None:
    with pytest.raises(UnknownVariantError):
        combination(text)


@pytest.mark.parametrize("text", ["+", "retransmit+", "+retransmit", "retransmit++retransmit"])
def test_a_plus_that_joins_nothing(text: str) -> None:
    with pytest.raises(BadUsageError):
        combination(text)


@pytest.mark.usefixtures("make_up")
@pytest.mark.parametrize("text", ["longer+foe", "foe+longer", "later+foe+longer"])
def test_a_conflict_in_patch_toml_counts_both_ways(text: str) -> None:
    with pytest.raises(ConflictError) as caught:
        combination(text)
    assert "foe" in caught.value.what
    assert "longer" in caught.value.what


@pytest.mark.usefixtures("make_up")
@pytest.mark.parametrize("form", [render, render_series])
def test_two_that_want_the_same_line(form: Callable[..., object]) -> None:
    with pytest.raises(ConflictError) as caught:
        form(combination("longer+rival"), source(), "sample")
    assert "line 6: left -= 1;" in caught.value.why


@pytest.mark.usefixtures("make_up")
def test_a_guard_needs_all_parts() -> None:
    with pytest.raises(BadUsageError) as caught:
        render_series(combination("later+rival"), source(), "sample", guard=True)
    assert "rival" in caught.value.what


@pytest.mark.usefixtures("make_up")
@pytest.mark.parametrize("guard", [False, True])
def test_line_numbers_shift_in_the_series(guard: bool) -> None:
    """``longer`` comes first and makes ``first`` longer, so ``later`` finds its line further down."""
    first, second = render_series(combination("longer+later"), source(), "sample", guard=guard)
    assert first.files.keys() == {RELIABLE_C}
    assert second.files.keys() == {RELIABLE_C, SSL_C}
    shift = first.files[RELIABLE_C].count(b"\n") - RELIABLE.count("\n")
    assert shift == (6 if guard else 2)
    assert f"@@ -{13 + shift},".encode() in second.diff
    assert_one_result(combination("longer+later"), source(), guard=guard)


@pytest.mark.usefixtures("make_up")
@pytest.mark.parametrize("guard", [False, True])
def test_lines_put_in_at_the_same_place_stand_in_the_variants_order(guard: bool) -> None:
    done = assert_one_result(combination("put-b+put-a"), source(), guard=guard)[RELIABLE_C].decode()
    assert done.index("'a'") < done.index("'b'") < done.index("left -= 3")


@pytest.mark.usefixtures("make_up")
def test_the_header_is_of_all_parts_or_of_each() -> None:
    joined = render(combination("longer+later"), source(), "2.6.14").diff.decode()
    assert joined.startswith("Description: Made up longer · Made up later\n")
    assert "Last-Update: 2020-02-02\n" in joined
    assert "X-Patchkit-Status: known-bad\n" in joined
    assert joined.count("\nAuthor: ") == 2
    first, second = render_series(combination("longer+later"), source(), "2.6.14")
    assert b"X-Patchkit-Status: faithful\n" in first.diff
    assert b"variant later, for OpenVPN 2.6.14\n" in second.diff


Operation = tuple[str, int, str]
"""A file, a line (from 1) inside its function, and what to do there."""
operations = st.lists(
    st.tuples(
        st.sampled_from([("reliable.c", line) for line in (6, 7, 8, 16, 17)] + [("ssl.c", line) for line in (3, 4)]),
        st.sampled_from(["insert", "replace", "delete"]),
    ).map(lambda pair: (*pair[0], pair[1])),
    min_size=1,
    max_size=4,
    unique_by=lambda operation: operation[:2],
)


@settings(max_examples=60, deadline=None)  # the machine may be busy
@given(st.lists(operations, min_size=2, max_size=3), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_one_result_however_it_is_applied(parts: list[list[Operation]], guard: bool, newline: str) -> None:
    """Three made-up changes: the series ends in what the joined diff gives, or both are refused."""
    with tempfile.TemporaryDirectory() as name:
        combined = Combination(tuple(_variant(Path(name), f"v{number}", part) for number, part in enumerate(parts)))
        try:
            assert_one_result(combined, source(newline), guard=guard)
        except ConflictError:
            changed = [{operation[:2] for operation in part if operation[2] != "insert"} for part in parts]
            # What changes a line and puts lines in before it is one edit, and another part's may not stand inside.
            touched = Counter(place for part in changed for place in part)
            assert max(touched.values()) > 1 or _nested(parts)
            with pytest.raises(ConflictError):
                render_series(combined, source(newline), "sample", guard=guard)


def _nested(parts: Sequence[Sequence[Operation]]) -> bool:
    """Whether one part puts lines in between two neighbouring lines that another part changes."""
    for part in parts:
        lines = {operation[:2] for operation in part if operation[2] != "insert"}
        for other in parts:
            inserts = {operation[:2] for operation in other if operation[2] == "insert"}
            if other is not part and any((file, at) in lines and (file, at - 1) in lines for file, at in inserts):
                return True
    return False


def _variant(folder: Path, name: str, part: Sequence[Operation]) -> Variant:
    templates: dict[str, str] = {}
    for file, line, what in part:
        new = f"+  {name} ({line});\n"
        body = {"insert": f"@@ {line} @@\n{new}", "replace": changing(line) + new, "delete": changing(line)}[what]
        templates[file] = templates.get(file, "") + body
    (folder / name).mkdir()
    for file, text in templates.items():
        (folder / name / f"{file}.diff.j2").write_text(text)
    described = variant("retransmit").model_dump()
    functions = ["first", "second", "third"]
    return Variant(**{**described, "name": name, "folder": folder / name, "files": [*templates],
                      "functions": functions, "markers": ["no such text"], "upstream": []})  # fmt: skip


def assert_one_result(combined: Combination, tree: SourceTree, *, guard: bool) -> Mapping[str, bytes]:
    """Render both ways; what the series ends in is what the one diff gives, and each step changes its own lines."""
    joined = render(combined, tree, "sample", guard=guard, check_names=False)
    series = render_series(combined, tree, "sample", guard=guard, check_names=False)
    last: dict[str, bytes] = {}
    for part, step in zip(combined.parts, series, strict=True):
        assert changes(step) == changes(render(Combination((part,)), tree, "sample", guard=guard, check_names=False))
        last |= step.files
    assert last == joined.files
    return last


@pytest.mark.usefixtures("make_up")
def test_context_is_the_same_before_and_behind() -> None:
    """GNU patch takes a hunk with less context on one side for one at the file's beginning or end, and refuses it."""
    diff = render(combination("keeps"), source(), "sample").diff
    signs = "".join(chr(line[0]) for line in diff[diff.index(b"\n@@") + 1 :].splitlines()[1:])
    assert signs == "   +   "


def changes(rendered: Rendered) -> Counter[bytes]:
    body = rendered.diff[rendered.diff.index(b"\ndiff --git ") :]
    return Counter(line for line in body.split(b"\n") if line[:1] in (b"+", b"-") and line[:3] not in (b"+++", b"---"))
