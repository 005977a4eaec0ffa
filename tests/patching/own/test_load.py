"""Reading users' own variants: files, mails, series and folders; their names; and all that is refused."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from patchkit import resources
from patchkit.errors import AnchorError, BadPatchError, BadUsageError, BadVariantError, UnknownVariantError
from patchkit.patching import templates
from patchkit.patching.combination import combination
from patchkit.patching.own import load
from patchkit.patching.own.choose import PatchBehind, chosen, one
from patchkit.patching.own.variant import BroughtVariant, OwnPatch
from patchkit.patching.render import render
from patchkit.patching.unified import MAX_DIFF
from patchkit.patching.variants import default_variant, variant
from tests.support.patching.own_patches import PATH, diff_of
from tests.support.patching.samples import ALLMAN, tree

ONE = diff_of(ALLMAN, ALLMAN.replace("found = NULL", "found = 0"))
TWO = diff_of(ALLMAN, ALLMAN.replace("return found", "return (found)"))
MAIL = """\
From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>
Date: Thu, 1 Jan 2026 00:00:00 +0000
Subject: [PATCH {number}/2] Mine: a very
 long one
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: {encoding}

It helps.
---
"""


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def patch(folder: Path, data: bytes, name: str = "mine.diff") -> BroughtVariant:
    read = load.patch(str(write(folder, {name: data}) / name))
    assert isinstance(read, BroughtVariant)
    return read


def test_the_name_is_the_files_with_a_short_hash(tmp_path: Path) -> None:
    first = patch(tmp_path, ONE)
    assert first.name == f"mine-{first.digest[:8]}"
    assert variant(first.name) is first
    assert patch(tmp_path, TWO).name != first.name
    assert patch(tmp_path, ONE, "Übel  [weird] name+x.PATCH").name.startswith("bel-weird-name-x-")
    assert patch(tmp_path, ONE, "x" * 200).name == f"{'x' * 32}-{first.digest[:8]}"
    assert patch(tmp_path, ONE, "ü.diff").name == f"patch-{first.digest[:8]}"
    assert patch(tmp_path, ONE, "a-guard.diff").name == f"a-guard-{first.digest[:8]}"


def test_an_mbox_has_a_step_a_mail(tmp_path: Path) -> None:
    mails = [MAIL.format(number=0, encoding="8bit").encode() + b"no diff at all\n-- \n2.39\n\n"]
    mails += [MAIL.format(number=n, encoding="8bit").encode() + d + b"-- \n2.39\n\n" for n, d in ((1, ONE), (2, TWO))]
    read = patch(tmp_path, b"".join(mails), "series.mbox")
    assert isinstance(read, OwnPatch)
    assert [step.name for step in read.steps] == ["series.mbox (mail 2 of 3)", "series.mbox (mail 3 of 3)"]
    assert (read.title, read.author) == ("2 patches of series.mbox", "Jörg <joerg@example.org>")
    assert [step.title for step in read.steps] == ["Mine: a very long one"] * 2


def test_a_quoted_mail_is_decoded(tmp_path: Path) -> None:
    quoted = ONE.replace(b"=", b"=3D").replace(b"NULL;\n", b"NULL=\n;\n")
    mail = MAIL.format(number=1, encoding="quoted-printable").encode() + quoted
    for text in (mail, mail.partition(b"\n")[2]):  # in an mbox, and as one file
        assert render(combination(patch(tmp_path, text).name), tree(ALLMAN), "x").files[PATH].count(b"found = 0;") == 1


@pytest.mark.parametrize(
    ("series", "says"),
    [
        (b"", "lists 0"),
        (b"../outside.patch\n", "outside"),
        (b"/etc/passwd\n", "outside"),
        (b"link.patch\n", "link"),
        (b"one.patch -R\n", "-R"),
        (b"one.patch -p2\n", "-p2"),
        (b"missing.patch\n", "names missing.patch, and there is no such file"),
        (b"missing.patch -p0\n", "names missing.patch, and there is no such file"),
        (b"one.patch/x\n", "names one.patch/x, and there is no such file"),
        (b"folder\n", "names folder, and that is a folder"),
    ],
)
def test_series_that_are_refused(tmp_path: Path, series: bytes, says: str) -> None:
    write(tmp_path, {"series": series, "one.patch": ONE, "outside.patch": ONE})
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.patch").symlink_to(tmp_path / "one.patch")
    with pytest.raises(BadPatchError, match=says) as caught:
        load.patch(str(tmp_path))
    assert caught.value.advice


def test_a_series_with_a_byte_order_mark(tmp_path: Path) -> None:
    write(tmp_path, {"series": b"\xef\xbb\xbfone.patch\n", "one.patch": ONE})
    assert load.patch(str(tmp_path)).files == [PATH]


def test_a_series_for_p0(tmp_path: Path) -> None:
    write(
        tmp_path, {"series": b"one.patch -p0\n", "one.patch": ONE.replace(b"a/src", b"src").replace(b"b/src", b"src")}
    )
    assert load.patch(str(tmp_path)).files == [PATH]


def test_what_is_no_patch(tmp_path: Path) -> None:
    with pytest.raises(BadPatchError, match="no file or folder"):
        load.patch(str(tmp_path / "missing"))
    with pytest.raises(BadPatchError, match="no file series"):
        load.patch(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadPatchError, match="not a file"):
        load.patch(str(tmp_path / "pipe"))
    with (tmp_path / "huge.diff").open("wb") as huge:
        huge.truncate(200 * 1024 * 1024)
    with pytest.raises(BadPatchError, match="more than 8 MiB"):
        load.patch(str(tmp_path / "huge.diff"))
    assert MAX_DIFF < 200 * 1024 * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(resources.folder("patches") / "retransmit", tmp_path / "my-own")
    (tmp_path / "my-own" / "pins.toml").unlink()
    return tmp_path / "my-own"


def test_a_folder_goes_under_its_own_name(folder: Path) -> None:
    own = load.folder(str(folder))
    assert own.name == "my-own"
    made = [render(combination(name), tree(ALLMAN), "x", check_names=False).files for name in ("my-own", "retransmit")]
    assert made[0] == made[1]
    template = folder / "reliable.c.diff.j2"
    template.write_text(template.read_text().replace("retransmit immediately", "retransmit at once"))
    assert load.folder(str(folder)) is not own
    changed = render(combination("my-own"), tree(ALLMAN), "x", check_names=False).files
    assert changed != made[0]


def test_a_folder_may_include_its_own_templates_and_the_catalogues(folder: Path) -> None:
    (folder / "part.j2").write_text('{% include "retransmit/reliable.c.diff.j2" %}')
    (folder / "reliable.c.diff.j2").write_text('{% include "part.j2" %}')
    load.folder(str(folder))
    render(combination("my-own"), tree(ALLMAN), "x", check_names=False)


@pytest.mark.parametrize(
    "template",
    [
        "{{ source.__class__.__mro__ }}",
        "{{ source._source.data }}",
        "{{ source.function.__globals__ }}",
        "{{ '{0.__class__}'.format(source) }}",
        "{{ source.lines.clear() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ range(10 ** 9) | list }}",
        '{% include "../../etc/passwd" %}',
        '{% include "/etc/passwd" %}',
        '{% include "my-own/patch.toml" %}',
        '{% import "os" as os %}',
        "{{ 1 / 0 }}",
        "{{ source.function() }}",
        "{{ [][1] }}",
        "{{ 'x' | attr('__class__') }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_templates_run_no_code_and_read_no_file(folder: Path, template: str) -> None:
    (folder / "reliable.c.diff.j2").write_text(template)
    load.folder(str(folder))
    with pytest.raises(BadVariantError, match=r"the template of my-own for reliable\.c fails"):
        render(combination("my-own"), tree(ALLMAN), "x")


@pytest.mark.parametrize(
    ("template", "where", "says"),
    [
        ("@@ none @@\n{{ 1 / 0 }}\n", "line 2", "division by zero"),
        ("\n\n{% include 'part.j2' %}", "part.j2, line 3", "'nothing' is undefined"),
        ("\n{{ source.function( }}", "line 2", "unexpected '}'"),
        ("{{ 'x' * 10 ** 10 }}", "line 1", "more than 512 MiB"),
        ("{{ '%999999999d' | format(1) }}", "line 1", "more than 512 MiB"),
        ("{{ 'x' * 5000 }}", "reliable.c.diff.j2, line 1 of what it yields", "xxx…"),
        ("@@ 1 @@\n-" + "x" * 5000, "line 1, quoted as", "xxx…"),
    ],
)
def test_errors_of_templates_are_short_and_name_the_line(folder: Path, template: str, where: str, says: str) -> None:
    (folder / "part.j2").write_text("\n\n{{ nothing }}\n")
    (folder / "reliable.c.diff.j2").write_text(template)
    load.folder(str(folder))
    with pytest.raises(BadVariantError) as caught:
        render(combination("my-own"), tree(ALLMAN), "x")
    assert where in caught.value.why
    assert says in caught.value.why
    assert len(f"{caught.value.what}{caught.value.why}") < 500


def test_a_template_has_a_limited_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "_SECONDS", 0.2)
    loops = "".join(f"{{% for {name} in source.lines %}}" for name in "abcdefgh")
    (folder / "reliable.c.diff.j2").write_text(
        f"{{% set source = {{'lines': 'x' * 1000}} %}}{loops}{'{% endfor %}' * 8}"
    )
    load.folder(str(folder))
    with pytest.raises(BadVariantError) as caught:
        render(combination("my-own"), tree(ALLMAN), "x")
    assert "more than 0.2 s of processor time" in caught.value.why


def test_a_file_that_no_release_has_is_the_variants_fault(folder: Path) -> None:
    toml = folder / "patch.toml"
    toml.write_text(toml.read_text().replace('files = ["reliable.c"]', 'files = ["reliabel.c"]'))
    (folder / "reliable.c.diff.j2").rename(folder / "reliabel.c.diff.j2")
    load.folder(str(folder))
    with pytest.raises(AnchorError, match=r"my-own changes reliabel\.c, and \S+ has no such file") as caught:
        render(combination("my-own"), tree(ALLMAN), "x")
    assert "patch.toml" in caught.value.why


def test_a_patch_that_is_given_twice(tmp_path: Path) -> None:
    write(tmp_path, {"one.diff": ONE, "same.diff": ONE})
    one_path, same = str(tmp_path / "one.diff"), str(tmp_path / "same.diff")
    with pytest.raises(BadUsageError, match=r"--patch \S+one\.diff is given twice"):
        chosen(None, [one_path, one_path])
    with pytest.raises(BadUsageError, match="are the same patch"):
        chosen(None, [one_path, same])


def test_a_long_list_of_faults_is_cut(folder: Path) -> None:
    toml = folder / "patch.toml"
    toml.write_text(toml.read_text().replace('files = ["reliable.c"]', f"files = [{'1, ' * 5000}]"))
    with pytest.raises(BadPatchError, match="is not valid") as caught:
        load.folder(str(folder))
    assert caught.value.why.count("\n") < 10


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ('name = "stock"\n', "not its own: name"),
        ('folder = "/etc"\n', "not its own: folder"),
        ("nonsense = 1\n", "nonsense"),
        ("= 1\n", "is not valid"),
        ('status = "own"\n', "is not valid"),
    ],
)
def test_descriptions_that_are_refused(folder: Path, field: str, says: str) -> None:
    toml = folder / "patch.toml"
    toml.write_text(field + toml.read_text())
    with pytest.raises(BadPatchError) as caught:
        load.folder(str(folder))
    assert says in f"{caught.value.what}\n{caught.value.why}"


def test_folders_that_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "recommended")
    with pytest.raises(BadPatchError, match="of the catalogue"):
        load.folder(str(tmp_path / "recommended"))
    (folder / "more.j2").symlink_to("/etc/passwd")
    with pytest.raises(BadPatchError, match="link"):
        load.folder(str(folder))
    (folder / "more.j2").unlink()
    (folder / "reliable.c.diff.j2").unlink()
    with pytest.raises(BadPatchError, match="without a template"):
        load.folder(str(folder))
    (folder / "patch.toml").unlink()
    with pytest.raises(BadPatchError, match=r"no patch\.toml"):
        load.folder(str(folder))
    with pytest.raises(BadPatchError, match="no folder"):
        load.folder(str(tmp_path / "missing"))
    shutil.copytree(resources.folder("patches") / "retransmit", tmp_path / "Bad_Name")
    with pytest.raises(BadPatchError, match="is not valid"):
        load.folder(str(tmp_path / "Bad_Name"))


def test_the_catalogues_own_folder_is_the_catalogues() -> None:
    assert load.folder(str(resources.folder("patches") / "retransmit")) is variant("retransmit")


def test_which_combinations_are_asked_for(tmp_path: Path, folder: Path) -> None:
    files = write(tmp_path, {"one.diff": ONE, "two.diff": TWO})
    first, second = str(files / "one.diff"), str(files / "two.diff")
    names = [load.patch(path).name for path in (first, second)]
    joined = "+".join(names)
    assert chosen(None, None) == []
    assert chosen(["stock", "early"], None) == ["stock", "early"]
    assert chosen(None, [first, second]) == [joined]
    assert chosen(["stock"], [first]) == ["stock", names[0]]
    assert chosen(["stock", "early"], [first, second]) == ["stock", f"{joined}+early"]
    assert chosen(["early"], [PatchBehind(first), PatchBehind(second)]) == [f"early+{joined}"]
    assert chosen([str(folder)], None) == ["my-own"]
    assert chosen([f"early+{folder}"], [first]) == [f"{names[0]}+early+my-own"]
    assert one(None, None) == default_variant()
    assert one("stock", [first]) == one(None, [first]) == names[0]
    assert one("early", None) == "early"


def test_an_own_name_that_was_not_given_is_unknown() -> None:
    with pytest.raises(UnknownVariantError) as caught:
        variant("mine-00000000")
    assert "--patch" in caught.value.advice


def test_a_mail_of_mails_of_mails_is_refused(tmp_path: Path) -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(5000))
    with pytest.raises(BadPatchError):
        patch(tmp_path, b"From: a@example.org\nSubject: x\n" + nested, "nested.mbox")


def test_an_mbox_of_thousands_of_mails_is_refused_at_once(tmp_path: Path) -> None:
    began = time.process_time()
    with pytest.raises(BadPatchError, match="an mbox of 200000 mails"):
        patch(tmp_path, b"From a@b Mon Jan 1\n\n" * 200_000, "large.mbox")
    assert time.process_time() - began < 5
