"""Templates against sources: the right edit in the right function, in the file's own style, or a refusal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchkit.errors import AlreadyPatchedError, AnchorError, BadUsageError, BadVariantError
from patchkit.patching import pins
from patchkit.patching.combination import Combination, combination
from patchkit.patching.render import render
from patchkit.patching.variants import variant
from patchkit.source.tree.tree import blob_id
from tests.support.patching.made_up_variants import RELIABLE, MakeUp, make_up
from tests.support.patching.real_tools import RETRANSMIT, check_with_git_and_patch
from tests.support.patching.samples import ALLMAN, GNU, tree, tree_of

__all__ = ["make_up"]  # a fixture

PATH = "src/openvpn/reliable.c"


def after(source: str | bytes, *, guard: bool = False) -> str:
    rendered = render(RETRANSMIT, tree(source), "sample", guard=guard)
    return rendered.files[PATH].decode("latin-1")


def test_gnu_style_is_kept() -> None:
    lines = after(GNU).splitlines()
    at = lines.index('      dmsg (D_LOW, "ACK output sequence broken: %s, retransmit immediately", ids_of (rel));')
    assert lines[at + 1] == "      reliable_schedule_now (rel);"
    assert len(lines) == len(GNU.splitlines()) + 1


def test_allman_style_is_kept_and_the_statement_stays_among_its_neighbours() -> None:
    lines = after(ALLMAN).splitlines()
    at = lines.index(
        '        dmsg(D_LOW, "ACK output sequence broken: %s, retransmit immediately", ids_of(rel, &local));'
    )
    assert lines[at - 1].strip() == "struct arena local = arena_new();"
    assert lines[at + 1 : at + 3] == ["        reliable_schedule_now(rel);", "        arena_free(&local);"]


def test_guarded_form_holds_both_codes() -> None:
    lines = after(GNU, guard=True).splitlines()
    at = lines.index("#ifdef RETRY")
    assert "retransmit immediately" in lines[at + 1]
    assert lines[at + 2 : at + 4] == ["      reliable_schedule_now (rel);", "#else"]
    assert lines[at + 4] in GNU.splitlines()
    assert lines[at + 5] == "#endif"


def test_with_the_guard_off_the_preprocessor_sees_stock() -> None:
    guarded = after(ALLMAN, guard=True)
    without = re.sub(r"#ifdef RETRY\n.*?#else\n(.*?)#endif\n", r"\1", guarded, flags=re.DOTALL)
    assert without == ALLMAN


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rel", "reliable_layer"),
        ("struct buffer *found", "struct buffer\t*found"),
        ("else\n", "else /* full */\n"),
        ('"ACK output sequence broken: %s",', '"ACK output sequence broken: %s",\n                 '),
        ('"ACK output sequence broken: %s"', '"ACK output " "sequence broken: %s"'),
        ("dmsg", "\n\n  /* say so */\n  dmsg"),
    ],
)
def test_harmless_differences_do_not_hide_the_place(old: str, new: str) -> None:
    source = re.sub(rf"\b{old}\b" if old == "rel" else re.escape(old), new, GNU)
    assert source != GNU
    done = after(source)
    body = done[done.index("else") :]
    assert body.index("retransmit immediately") < body.index("reliable_schedule_now") < body.index("return")


def test_the_parameters_own_name_is_used() -> None:
    assert "reliable_schedule_now (r2);" in after(re.sub(r"\brel\b", "r2", GNU))


def test_the_function_is_found_wherever_it_stands() -> None:
    head, function, tail = GNU.partition("struct buffer *\nreliable_get")
    moved = head + "int zero (void)\n{\n  return 0;\n}\n\n" + function + tail
    assert "reliable_schedule_now (rel);" in after(moved)


def test_crlf_is_kept() -> None:
    done = after(GNU.replace("\n", "\r\n"), guard=True)
    assert done.count("\n") == done.count("\r\n")
    assert "#ifdef RETRY\r\n" in done


def test_bytes_that_are_no_utf8_survive() -> None:
    source = GNU.replace("a sample", "a s\xe4mple \x0c\x85").encode("latin-1")
    assert after(source).encode("latin-1").startswith(source[:20])


def test_a_file_without_final_newline() -> None:
    source = GNU[: GNU.index("\n\nvoid")]
    rendered = render(RETRANSMIT, tree(source), "sample")
    assert b"\\ No newline at end of file" in rendered.diff
    assert not rendered.files[PATH].endswith(b"\n")


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (GNU.replace("reliable_get_buf_output_sequenced", "other"), "reliable_get_buf_output_sequenced"),
        (GNU + GNU[GNU.index("struct") :], "2 times"),
        (GNU.replace("ACK output sequence broken", "window full"), "ACK output sequence broken"),
        (GNU.replace("      dmsg", '      dmsg (1, "ACK output sequence broken");\n      dmsg'), "2 times"),
        (GNU.replace("      dmsg", "      x = 1; dmsg"), "shares its line"),
        (GNU.replace("ids_of (rel));", "ids_of (rel)); y ();"), "shares its line"),
        (GNU.replace("    {\n      dmsg", "      dmsg").replace("rel));\n    }", "rel));"), "without braces"),
        (GNU.replace("struct reliable *rel", "struct reliable *rel, struct reliable *two"), "2 parameters"),
        (GNU[: GNU.index("return")], "reliable_get_buf_output_sequenced"),
        ("", "reliable_get_buf_output_sequenced"),
        # What is garbled behind the function is no second one, and is told with its line.
        (GNU + "\nreliable_get_buf_output_sequenced (", f"can't be parsed as C from line {GNU.count(chr(10)) + 2} on"),
        (GNU + 'reliable_get_buf_output_sequenced ("x', f"can't be parsed as C from line {GNU.count(chr(10)) + 1} on"),
    ],
)
def test_a_missing_or_doubtful_anchor_is_refused_by_name(source: str, named: str) -> None:
    with pytest.raises(AnchorError) as caught:
        render(RETRANSMIT, tree(source), "sample")
    assert named in caught.value.what
    assert caught.value.exit_code == 30


def test_a_refusal_shows_the_nearest_lines() -> None:
    with pytest.raises(AnchorError) as caught:
        render(RETRANSMIT, tree(GNU.replace("sequence broken", "sequence is broken")), "sample")
    assert "line 13: dmsg (D_LOW" in caught.value.why


def refusal(files: dict[str, str | bytes]) -> AnchorError:
    data = {path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()}
    with pytest.raises(AnchorError) as caught:
        render(RETRANSMIT, tree_of(data), "sample")
    return caught.value


def test_a_function_that_is_not_there_is_shown_where_its_name_is() -> None:
    lines = ALLMAN.replace("reliable_get_buf_output_sequenced(struct reliable *rel)", "BODY").splitlines()
    near = "\n".join(f"struct buffer *reliable_get_buf_{word};" for word in ("a", "b", "output", "sequenced"))
    error = refusal({PATH: "\n".join([near, *lines, "#define BODY reliable_get_buf_output_sequenced(x)\n"])})
    assert re.search(r"nearest lines:\nline \d+: #define BODY reliable_get_buf_output_sequenced\(x\)\Z", error.why)


def test_a_function_that_moved_is_named_with_its_file() -> None:
    moved = {PATH: "int rest;\n", "src/openvpn/window.c": ALLMAN, ".pc/x/src/openvpn/old.c": ALLMAN}
    error = refusal({**moved, "src/openvpn/calls.c": "int f(void)\n{\n    reliable_get_buf_output_sequenced(0);\n}\n"})
    assert "reliable_get_buf_output_sequenced is in src/openvpn/window.c," in error.why
    assert "calls.c" not in error.why
    assert "old.c" not in error.why


def test_the_line_that_is_no_c_is_named() -> None:
    error = refusal({PATH: ALLMAN.replace("    return found;", "    BODY_OF_VENDOR\n    }\n    return found;")})
    assert re.search(r"line \d+", error.why)
    error = refusal({PATH: ALLMAN.replace("    return found;", "    int = ;\n    return found;")})
    assert "line 17, where the parser stops: int = ;" in error.why


def test_a_variant_that_does_not_apply_is_said_not_to() -> None:
    modern = {PATH: ALLMAN + "int n_acks;\n", "src/openvpn/reliable.h": "int n_acks;\n", "src/openvpn/ssl.c": ALLMAN}
    files = {**modern, "src/openvpn/forward.c": "", "src/openvpn/multi.c": ""}
    for name, is_told in (("handshake", True), ("retransmit-flag", False)):
        with pytest.raises(AnchorError) as caught:
            render(combination(name), tree_of({path: text.encode() for path, text in files.items()}), "sample")
        assert (f"{name} does not apply to releases whose code is like this" in caught.value.why) is is_told


def test_utf_16_is_no_c() -> None:
    error = refusal({PATH: ALLMAN.encode("utf-16")})
    assert "is UTF-16" in error.what
    assert "iconv" in error.advice


def test_a_variant_that_may_be_in_the_way_is_named() -> None:
    trace = variant("cve-2026-84732").traces["reliable.c"][0]
    altered = f"/* {trace} */\n" + ALLMAN.replace("sequence broken", "sequence is broken")
    assert "--variant cve-2026-84732+retransmit" in refusal({PATH: altered}).why
    assert "cve-2026-84732" not in refusal({PATH: altered.replace(trace, "")}).why


@pytest.mark.parametrize("guard", [False, True])
def test_a_patched_source_is_recognised(guard: bool) -> None:
    with pytest.raises(AlreadyPatchedError) as caught:
        render(RETRANSMIT, tree(after(GNU, guard=guard)), "sample")
    assert "retransmit immediately" in caught.value.why


def test_stock_is_the_empty_diff() -> None:
    rendered = render(combination("stock"), tree(GNU), "sample")
    assert (rendered.diff, dict(rendered.files)) == (b"", {})


def test_stock_has_no_guarded_form() -> None:
    unguarded = Combination((variant("retransmit").model_copy(update={"guard": False}),))
    with pytest.raises(BadUsageError):
        render(unguarded, tree(GNU), "sample", guard=True)


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("source", [GNU, ALLMAN, GNU[: GNU.index("\n\nvoid")]], ids=["gnu", "allman", "no-newline"])
def test_git_and_patch_accept_the_same_diff(source: str, guard: bool, tmp_path: Path) -> None:
    check_with_git_and_patch(tree(source), guard, tmp_path)


def test_header_is_dep3_and_names_the_blobs() -> None:
    rendered = render(RETRANSMIT, tree(GNU), "1.2.3")
    header, _, rest = rendered.diff.decode().partition("---\n")
    fields = dict(line.split(": ", 1) for line in header.splitlines() if not line.startswith(" "))
    assert {"Description", "Author", "Origin", "Forwarded", "Last-Update"} <= fields.keys()
    assert "for OpenVPN 1.2.3" in fields["X-Patchkit"]
    assert f"index {blob_id(GNU.encode())}..{blob_id(rendered.files[PATH])} 100644" in rest


@given(
    st.lists(st.sampled_from(["", "/* x */", "// y", "\t", "int z;"]), max_size=6),
    st.sampled_from([GNU, ALLMAN]),
)
def test_lines_put_before_the_function_only_move_the_edit(filler: list[str], source: str) -> None:
    moved = "\n".join([*filler, source])
    plain, shifted = after(source), after(moved)
    assert shifted == "\n".join([*filler, plain])


@pytest.mark.parametrize(
    "template",
    [
        "{{ source.__class__.__mro__ }}",
        "{{ '{0.__class__}'.format(source) }}",
        "{{ lipsum() }}",
        "{{ source.lines.clear() }}",
    ],
)
def test_templates_of_the_catalogue_run_in_the_sandbox_too(template: str, make_up: MakeUp) -> None:
    """As those of a user's own folder: what runs nothing by accident runs nothing on purpose."""
    make_up("strange", {"reliable.c": template})
    with pytest.raises(BadVariantError, match=r"the template of strange for reliable\.c fails"):
        render(combination("strange"), tree(RELIABLE), "2.6.14")


def test_a_file_of_upstreams_is_changed_once_for_all_releases_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    monkeypatch.setattr(pins, "is_upstreams", lambda *_: True)
    monkeypatch.setattr(pins, "check", lambda part, *_, **__: checked.append(part.name))
    text = ALLMAN + "/* not of another test */\n"
    first, second = (
        render(combination("retransmit"), tree(text), label, check_names=False) for label in ("2.6.14", "2.6.13")
    )
    assert first.files == second.files
    assert first.diff != second.diff  # the header names the release
    assert checked == ["retransmit"]
    render(combination("retransmit"), tree(text), "2.6.14", guard=True, check_names=False)
    assert checked == ["retransmit"] * 2
