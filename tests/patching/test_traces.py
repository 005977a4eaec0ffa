"""A tree that has a variant already, whole or in part, is refused, and the variant named."""

from __future__ import annotations

import pytest

from patchkit.errors import AlreadyPatchedError
from patchkit.patching import traces
from patchkit.patching.combination import combination
from patchkit.patching.render import render
from tests.support.patching.samples import ALLMAN, tree, tree_of

RELIABLE = "src/openvpn/reliable.c"
HEADER = "src/openvpn/reliable.h"
CALL = "    reliable_schedule_now(rel);\n    return found;"


def refusal(variant: str, files: dict[str, str], *, guard: bool = False) -> AlreadyPatchedError:
    with pytest.raises(AlreadyPatchedError) as caught:
        render(combination(variant), tree_of({path: text.encode() for path, text in files.items()}), "x", guard=guard)
    return caught.value


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("wanted", ["recommended", "early", "retransmit-flag", "retransmit"])
def test_the_variant_in_the_tree_is_named_with_the_way_out(wanted: str, guard: bool) -> None:
    after = render(combination("retransmit"), tree(ALLMAN), "sample", guard=guard).files[RELIABLE].decode()
    error = refusal(wanted, {RELIABLE: after}, guard=guard)
    assert error.exit_code == 31
    assert "it has retransmit" in error.what
    assert "retransmit immediately" in error.why
    assert f"--variant retransmit{' --guard' if guard else ''} | patch -R" in error.advice


def test_a_part_is_not_taken_out_by_a_patch_of_the_whole() -> None:
    error = refusal("recommended", {RELIABLE: ALLMAN, HEADER: "struct reliable\n{\n    int srtt;\n};\n"})
    assert "a part of recommended" in error.what
    assert "code of its own by these names" in error.why
    assert "patch -R" not in error.advice
    assert "patchkit fetch" in error.advice


@pytest.mark.parametrize(
    ("files", "named"),
    [
        # The same call in a function that no variant touches.
        ({RELIABLE: ALLMAN + "void mine(struct reliable *rel)\n{\n    reliable_schedule_now(rel);\n}\n"}, "retransmit"),
        ({RELIABLE: ALLMAN + "static int reliable_due_in(void)\n{\n    return 0;\n}\n"}, "a part of recommended"),
        ({RELIABLE: ALLMAN + "static void reliable_overtaken(void)\n{\n}\n"}, "a part of early"),
        ({RELIABLE: ALLMAN, HEADER: "struct reliable\n{\n    int hold;\n    int srtt;\n};\n"}, "a part of recommended"),
        ({RELIABLE: ALLMAN, HEADER: "int resend_lowest;\n"}, "retransmit-flag"),
        (
            {RELIABLE: ALLMAN, "src/openvpn/forward.c": "bool x = reliable_send_timeout_tv(rel, tv);\n"},
            "a part of reco",
        ),
        ({RELIABLE: ALLMAN, "src/openvpn/ssl.c": "/* it may lie in this very buffer */\n"}, "a part of recommended"),
    ],
)
def test_parts_anywhere_in_any_file_count(files: dict[str, str], named: str) -> None:
    assert named in refusal("retransmit", files).what


@pytest.mark.parametrize(
    "text",
    [
        "/* reliable_schedule_now(rel) is what a patch of 2013 calls here, and reliable_overtaken() */\n",
        "#if 0\nvoid mine(struct reliable *rel)\n{\n    reliable_overtaken(rel);\n}\n#endif\n",
        "int reliable_due_inside;\n",
        "struct mine\n{\n    int turn;\n};\n",
    ],
)
def test_what_only_looks_like_a_trace_is_none(text: str) -> None:
    assert traces.found_in(tree_of({RELIABLE: (ALLMAN + text).encode()})) == []


def test_variants_that_may_stand_together_do() -> None:
    header = "struct reliable\n{\n    int hold;\n    bool takes_large;\n    int longest;\n};\n"
    code = "static int tls_control_size(void)\n{\n    return 0;\n}\nstatic void tls_takes_large(void)\n{\n}\n"
    files = {RELIABLE: ALLMAN.encode(), HEADER: header.encode(), "src/openvpn/ssl.c": code.encode()}
    (found,) = traces.found_in(tree_of(files))
    assert found.part.name == "handshake"
    assert render(combination("retransmit"), tree_of(files), "sample").files.keys() == {RELIABLE}
    with pytest.raises(AlreadyPatchedError, match="handshake"):
        traces.refuse_patched(combination("recommended"), tree_of(files))


def test_two_in_one_tree_are_both_found() -> None:
    both = ALLMAN.replace("    return found;", CALL) + "static void reliable_overtaken(void)\n{\n}\n"
    assert {found.part.name for found in traces.found_in(tree(both))} == {"retransmit", "early"}
