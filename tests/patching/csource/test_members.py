"""Structs, comparisons, assignments and new functions: what the cures need beyond the patch of 2013."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.errors import AnchorError, BadVariantError
from patchkit.patching.changes.checks import check_inside
from patchkit.patching.csource.anchors import Anchors
from patchkit.patching.csource.file import parse
from patchkit.patching.edits import Edit
from patchkit.patching.variants import variant

GNU = """\
struct box
{
  int first;
  int last; /* of all */
};

bool
empty (const struct box *b)
{
  int i;
  for (i = 0; i < 3; ++i)
    {
      if (i)
	return false;
    }
  return true;
}

int
ready (struct box *b)
{
  int n = 0;
  n = b->first;
  if (now >= b->last)
    n = 2;
  if (n && now >= b->first)
    {
      b->last = 0;
      b->first++;
    }
  return n;
}
"""


def anchors(text: str = GNU) -> Anchors:
    return Anchors(parse("box.c", text.encode()))


def test_the_last_member_of_a_struct() -> None:
    member = anchors().struct("box").last_member
    assert (member.line, member.lines) == (4, (b"  int last; /* of all */\n",))
    assert member.code("int more;") == (b"  int more;\n",)


@pytest.mark.parametrize("text", ["", GNU + GNU, "struct box;\n", "struct box { int first; int last; };\n"])
def test_a_struct_that_is_not_there_once_or_not_on_lines_of_its_own_is_refused(text: str) -> None:
    with pytest.raises(AnchorError):
        _ = anchors(text).struct("box").last_member


def test_a_comparison_gets_an_alternative() -> None:
    ready = anchors().function("ready")
    alone, among = ready.comparing("last"), ready.comparing("first")
    assert alone.subject == "b"
    assert alone.either("due(b)") == (b"  if (now >= b->last || due (b))\n",)
    assert among.either("due(b)") == (b"  if (n && (now >= b->first || due (b)))\n",)
    with pytest.raises(AnchorError, match="is not in"):
        ready.comparing("second")


def test_an_assignment_by_its_target_and_value() -> None:
    ready = anchors().function("ready")
    assert ready.assigning("->last").subject == "b"
    assert ready.assigning("n", "b->first").read_from == "b"
    with pytest.raises(AnchorError, match=r" 2 times"):
        ready.assigning("n")


def test_an_increment_by_its_target() -> None:
    ready = anchors().function("ready")
    counted = ready.incrementing("->first")
    assert counted.lines == (b"      b->first++;\n",)
    assert (ready.mentions("first"), ready.mentions("second")) == (True, False)
    with pytest.raises(AnchorError, match="is not in"):
        ready.incrementing("->second")
    with pytest.raises(AnchorError):
        ready.incrementing("->last")  # only assigned to


def test_a_branch_by_the_function_that_decides_it() -> None:
    text = (
        "int f (struct box *b)\n{\n  if (!check (b, 1))\n    {\n      g ();\n    }\n  check (b, 2);\n  return 0;\n}\n"
    )
    function = anchors(text).function("f")
    assert function.branch_by("check").only_if("!b->len") == (b"  if (!b->len && !check (b, 1))\n",)
    assert (function.takes("struct box *"), function.takes("struct bag *")) == (True, False)
    with pytest.raises(AnchorError, match="is not in"):
        function.branch_by("look")
    for condition in ("check (b, 1) || b", "b && !check (b, 1)"):
        with pytest.raises(AnchorError):
            anchors(text.replace("!check (b, 1)", condition)).function("f").branch_by("check")


def test_new_functions_look_like_the_one_they_stand_behind() -> None:
    code = "\nstatic int\nmore(int a)\n{\n    if (a)\n    {\n        return less(a);\n    }\n    return 0;\n}"
    assert b"".join(anchors().function("empty").end.code(code)).decode() == (
        "\nstatic int\nmore (int a)\n{\n  if (a)\n    {\n      return less (a);\n    }\n  return 0;\n}\n"
    )


def test_functions_and_declarations_that_a_file_may_have() -> None:
    file = anchors(GNU + "int later (void);\n")
    assert (file.defines("empty"), file.defines("later"), file.declares("later")) == (True, False, True)


def test_code_behind_a_function_is_only_for_variants_that_add_some() -> None:
    source = parse("reliable.c", b"void\nreliable_empty (void)\n{\n}\n\nint x;\n")
    behind = Edit(4, ((b"+", b"int y;\n"),))
    check_inside(variant("early"), [behind], source)
    with pytest.raises(AnchorError, match="outside of"):
        check_inside(variant("early").model_copy(update={"added": []}), [behind], source)


def test_a_file_may_be_as_the_variant_wants_it_but_not_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from patchkit.patching import pins, render
    from patchkit.patching.combination import Combination
    from tests.support.patching.samples import tree

    changed = variant("early").model_copy(
        update={"name": "x", "folder": tmp_path / "x", "files": ["reliable.c"], "functions": ["empty"], "added": []}
    )
    (tmp_path / "x").mkdir()
    template = tmp_path / "x/reliable.c.diff.j2"
    for text, refusal in (
        ("@@ none @@\n", "changes nothing"),
        ("\n", "yields no hunk"),
        ("@@ none @@\n+x\n", "not part of a diff"),
    ):
        template.write_text(text)
        with pins.ignored(), pytest.raises(BadVariantError, match=refusal):
            render.render(Combination((changed,)), tree(GNU), "x")


def test_a_function_that_the_variant_does_not_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from patchkit.patching import pins, render
    from patchkit.patching.combination import Combination
    from tests.support.patching.samples import tree

    changed = variant("early").model_copy(
        update={"name": "x", "folder": tmp_path / "x", "files": ["reliable.c"], "functions": ["empty"], "added": ["y"]}
    )
    (tmp_path / "x").mkdir()
    template = tmp_path / "x/reliable.c.diff.j2"
    shape = (
        "{%- set e = source.function('empty').end -%}\n@@ {{ e.line }} @@\n{{ e | kept }}\n+int NAME (void)\n+{\n+}\n"
    )
    template.write_text(shape.replace("NAME", "y"))
    with pins.ignored():
        assert render.render(Combination((changed,)), tree(GNU), "x").files
        template.write_text(shape.replace("NAME", "z"))
        with pytest.raises(BadVariantError, match="other functions"):
            render.render(Combination((changed,)), tree(GNU), "x")
