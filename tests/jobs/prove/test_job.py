"""Proofs of variants that are made up to deceive, on a small program of our own; then of ours on real releases."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from patchkit import resources
from patchkit.building.settings import BuildSettings
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import (
    AnchorError,
    BadUsageError,
    BadVariantError,
    CompileError,
    PatchkitError,
    ToolchainError,
    UnknownTargetError,
)
from patchkit.jobs.prove import job
from patchkit.jobs.prove.job import ProveRequest, prove
from patchkit.jobs.prove.result import Proof
from patchkit.patching import combination, pins, variants
from patchkit.source.obtain import Obtained, SourceRequest
from patchkit.source.tree.tree import Entry, Origin, SourceTree
from patchkit.ui import Ui
from tests.conftest import PINNED, upstream
from tests.support.settings import ON_HOST

pytestmark = pytest.mark.slow  # a compiler runs in nearly all of them

GIT = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards

CONFIGURE = """#!/bin/sh
cat config.cache >seen
echo "$@" >>seen
mkdir -p src/openvpn
echo '#define PACKAGE_VERSION "1.2"' >config.h
for argument; do case "$argument" in CC=*) echo "$argument";; CFLAGS=*) echo "$argument";; esac; done >Makefile
cat >>Makefile <<'END'
openvpn_OBJECTS = openvpn-reliable.$(OBJEXT) ssl.o
OBJEXT = o
BUILT_SOURCES = made.h
all:
	false
made.h:
	echo '#define MADE 1' >made.h
openvpn-reliable.o: reliable.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ reliable.c
.c.o:
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
END
mv Makefile src/openvpn/Makefile
echo answered >config.cache
"""
RELIABLE_H = """#ifndef RELIABLE_H
#define RELIABLE_H
void failed (int line);
#define ASSERT(x) do { if (!(x)) failed (__LINE__); } while (0)
#define LIMIT 4

int named (int i);

static inline int
shared (int i)
{
  ASSERT (i);
  return i;
}

static inline int
behind (int i)
{
  ASSERT (i > 1);
  return i;
}
#endif
"""
RELIABLE_C = """#include "reliable.h"
int log_it (const char *text);

int
before (int i)
{
  ASSERT (i);
  return i < LIMIT;
}

int
named (int i)
{
  ASSERT (i != 7);
  i += 2;
  return i;
}

static const char *const names[] = { "one", "two" };

int
after (int i)
{
  ASSERT (i != 8);
  return log_it (names[i & 1]) < LIMIT;
}
"""
SSL_C = """#include "reliable.h"
#include "made.h"
int
caller (int i)
{
  ASSERT (i);
  return named (shared (i)) + behind (i) + LIMIT + MADE;
}
"""
FILES = {"src/openvpn/reliable.c": RELIABLE_C, "src/openvpn/reliable.h": RELIABLE_H, "src/openvpn/ssl.c": SSL_C}
TOML = """
title = "made up by a test"
description = "made up"
author = "a test"
origin = "a test"
status = "experimental"
last_update = 2026-11-23
guard = %(guard)s
files = %(files)s
functions = %(functions)s
structs = %(structs)s
added = %(added)s
markers = []
order = 1
conflicts = []
upstream = []
"""
WHOLE = ["src/openvpn/reliable.c"]

Deceive = Callable[..., Proof]


@pytest.fixture
def deceive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Cache, ui: Ui) -> Iterator[Deceive]:
    """Prove a made-up variant on the small program: texts in it that are replaced, by file; TMPDIR is looked at."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    def run(
        changes: Mapping[str, Mapping[str, str]],
        *,
        functions: tuple[str, ...] = ("named",),
        structs: tuple[str, ...] = (),
        added: tuple[str, ...] = (),
        guard: bool = True,
        configure: tuple[str, ...] = (),
        files: Mapping[str, str] = FILES,
        verified: bool = False,
    ) -> Proof:
        path = tmp_path / "patches/made-up"
        path.mkdir(parents=True, exist_ok=True)
        toml = TOML % {
            "guard": str(guard).lower(), "files": sorted(changes), "functions": list(functions),
            "structs": list(structs), "added": list(added),
        }  # fmt: skip
        (path / "patch.toml").write_text(toml)
        for name, replaced in changes.items():
            (path / f"{name}.diff.j2").write_text(template(files[f"src/openvpn/{name}"], replaced))
        shipped = resources.folder("docker")
        with monkeypatch.context() as patched:
            patched.setattr(resources, "folder", lambda name: shipped if name == "docker" else tmp_path / name)
            origin = Origin(kind="tarball", name="small", verified=verified, epoch=1_600_000_000, sha256="5a")
            entries = {path: Entry.of(text.encode()) for path, text in files.items()}
            entries["configure"] = Entry.of(CONFIGURE.encode(), mode=0o755)
            obtained = Obtained("small", "2.6", None, SourceTree(origin, entries))
            patched.setattr(job, "obtain", lambda *_: obtained)
            # Rendering refuses most of these by their names: here the second wall is tried, without the first.
            patched.setattr("patchkit.patching.names.check", lambda *_, **__: None)
            clear()
            try:
                return prove(
                    ProveRequest(SourceRequest("small"), "made-up", ON_HOST, configure=configure), Context(cache, ui)
                )
            except (ToolchainError, UnknownTargetError) as error:
                pytest.skip(f"{error.what}: {error.why}")
            finally:
                clear()
                assert list(temporary.iterdir()) == []

    clear()
    yield run
    clear()


def clear() -> None:
    """Forget what was read from another folder."""
    variants.variant.cache_clear()
    combination.combination.cache_clear()
    for function in vars(pins).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


def template(text: str, replaced: Mapping[str, str]) -> str:
    """Whole lines become others, or stay where the text begins with them; an empty text puts nothing in."""
    lines = text.splitlines()
    out = []
    for old, new in replaced.items():
        (at,) = (number for number, line in enumerate(lines, 1) if line == old)
        fresh = new.splitlines()
        kept = fresh[:1] == [old]
        out += [f"@@ {at} @@", f" {old}" if kept else f"-{old}", *(f"+{line}" for line in fresh[kept:])]
    return "\n".join(out)


def names(proof: Proof) -> tuple[list[str], list[str]]:
    return [difference.name for difference in proof.changed], [difference.name for difference in proof.strays]


PLUS_THREE = {"  i += 2;": '  log_it ("more");\n  i += 3;'}


def test_an_honest_variant_is_proven(deceive: Deceive) -> None:
    proof = deceive({"reliable.c": PLUS_THREE})
    assert names(proof) == (["named"], [])
    assert proof.failures == []
    assert (list(proof.sources), list(proof.reached), proof.functions) == (WHOLE, [], 3)
    assert (list(proof.exposed), proof.guard, list(proof.guard_off), list(proof.guard_on)) == ([], True, [], [])
    assert [difference.name for difference in proof.renumbered] == ["after"]
    assert "-fstack-protector-strong" in proof.flags


@pytest.mark.slow
@pytest.mark.parametrize("lines", ["", "  ;", "  i += 3;", "  ;\n  ;\n  ;\n  i += 2;\n  i += 1;"])
def test_line_numbers_decide_nothing(lines: str, deceive: Deceive) -> None:
    proof = deceive({"reliable.c": {"  i += 2;": lines}})
    assert names(proof) == (["named"], [])
    assert proof.failures == []
    assert [difference.name for difference in proof.renumbered] == (
        ["after"] if lines.count("\n") else [] if lines else ["after"]
    )


@pytest.mark.slow
def test_an_assertion_in_the_changed_lines_is_the_same_guarded(deceive: Deceive) -> None:
    """It holds the number of its line, which the guard's own lines move."""
    assert deceive({"reliable.c": {"  i += 2;": "  i += 3;\n  ASSERT (i != 9);\n  i += 4;"}}).failures == []


def test_a_macro_that_leaks_out_of_the_function_is_found(deceive: Deceive) -> None:
    proof = deceive({"reliable.c": {"  i += 2;": "#undef LIMIT\n#define LIMIT 5\n  i += 3;"}})
    assert names(proof) == (["named"], ["after"])
    assert proof.failures == ["after in src/openvpn/reliable.c differs and is not named by made-up"]


def test_a_macro_that_changes_a_string_in_a_table_behind_is_found(deceive: Deceive) -> None:
    """Not the first string of the table, and of the same length."""
    files = {
        **FILES,
        WHOLE[0]: RELIABLE_C.replace('"one", "two"', '"one", SECOND').replace(
            "int log", '#define SECOND "two"\nint log'
        ),
    }
    leak = {"  i += 2;": '#undef SECOND\n#define SECOND "twX"\n  i += 3;'}
    proof = deceive({"reliable.c": leak}, files=files)
    assert names(proof) == (["named"], [".data.rel.ro.local.names"])
    assert proof.failures != []


@pytest.mark.slow
def test_a_macro_that_leaks_only_while_the_guard_is_on_is_found(deceive: Deceive) -> None:
    proof = deceive({"reliable.c": {"  i += 2;": "  i += 3;\n#undef LIMIT\n#define LIMIT 5"}})
    assert (names(proof)[1], list(proof.guard_off), list(proof.guard_on)) == (["after"], [], [])
    assert proof.failures != []


@pytest.mark.slow
@pytest.mark.parametrize("guard", [True, False])
def test_a_comment_proves_nothing(guard: bool, deceive: Deceive) -> None:
    proof = deceive({"reliable.c": {"  i += 2;": "  /* two\n     more */\n  i += 2;"}}, guard=guard)
    assert names(proof) == ([], [])
    assert proof.failures == ["made-up changes no function at all"]
    assert [difference.name for difference in proof.renumbered] == ["after"]


@pytest.mark.slow
def test_a_change_inside_a_comment_moves_nothing(deceive: Deceive) -> None:
    files = {**FILES, WHOLE[0]: RELIABLE_C.replace("  i += 2;", "  /* one\n     two */\n  i += 2;")}
    change = {"     two */": "     two\n     three */", "  i += 2;": "  i += 3;"}
    proof = deceive({"reliable.c": change}, files=files, guard=False)
    assert names(proof) == (["named"], [])


def test_a_header_alone_reaches_sources_that_are_not_changed(deceive: Deceive) -> None:
    """An inline function; nothing but its includers is compiled, and the numbers of the lines behind it move."""
    proof = deceive(
        {"reliable.h": {"  return i;": "  i++;\n  i++;\n  return i;"}}, functions=("shared",), files=only_once()
    )
    assert names(proof) == (["shared"], [])
    assert (list(proof.sources), list(proof.reached)) == ([], ["src/openvpn/ssl.c"])
    assert proof.failures == []


@pytest.mark.slow
def test_a_header_that_only_moves_the_numbers_of_lines_reaches_nothing(deceive: Deceive) -> None:
    comment = {"reliable.h": {"  return i;": "  /* more\n  */\n  return i;"}}
    proof = deceive(comment, functions=("shared",), files=only_once())
    assert proof.failures == ["made-up changes no function at all"]
    assert list(proof.reached) == []


def only_once() -> dict[str, str]:
    """The header's last function returns something else, so that each line is there once; reliable.c has no header."""
    return {
        **FILES,
        "src/openvpn/reliable.h": RELIABLE_H.replace("(i > 1);\n  return i;", "(i > 1);\n  return i + 1;"),
        "src/openvpn/reliable.c": "int other (void) { return 1; }\n",
    }


def test_a_macro_of_a_header_reaches_callers(deceive: Deceive) -> None:
    leak = {"reliable.h": {"  return i;": "  i++;\n  return i;\n#undef LIMIT\n#define LIMIT 5"}}
    proof = deceive(leak, functions=("shared",), files=only_once())
    assert names(proof) == (["shared"], ["caller"])
    assert [stray.source for stray in proof.strays] == ["src/openvpn/ssl.c"]


@pytest.mark.slow
def test_a_struct_that_moves_offsets_elsewhere_is_found(deceive: Deceive) -> None:
    """Declared inside of a named function's parameters, used by others."""
    files = {
        **only_once(),
        "src/openvpn/reliable.h": "struct pair { int a;\nint b; };\nstatic inline int\nshared (struct pair *p)\n"
        "{\n#define FIRST 0\n  return p->a;\n}\nstruct triple { char hole[1 + FIRST]; int b; };\n",
        "src/openvpn/ssl.c": '#include "reliable.h"\nint caller (struct triple *t, struct pair *p)\n'
        "{ return t->b + shared (p); }\nint other (int i) { return i; }\n",
    }
    leak = {"reliable.h": {"#define FIRST 0": "#define FIRST 8", "  return p->a;": "  return p->b;"}}
    proof = deceive(leak, functions=("shared",), files=files)
    assert names(proof) == (["shared"], ["caller"])


GROWING = {
    "src/openvpn/reliable.h": """#ifndef RELIABLE_H
#define RELIABLE_H
#define LIMIT 4
struct entry
{
  int id;
};
struct other
{
  int one;
};
struct reliable
{
  struct entry array[LIMIT];
  int size;
};
int named (struct reliable *rel);
static inline int
limited (int i)
{
  return i < LIMIT ? i : LIMIT;
}
#endif
""",
    "src/openvpn/reliable.c": """#include "reliable.h"
int
before (struct reliable *rel)
{
  return rel->array[1].id;
}
int
named (struct reliable *rel)
{
  rel->size = 1;
  return rel->size;
}
int
after (struct other *other)
{
  return other->one + LIMIT;
}
""",
    "src/openvpn/ssl.c": """#include "reliable.h"
#include "made.h"
int
caller (struct reliable *rel)
{
  return rel->array[2].id + named (rel) + MADE;
}
int
careless (int i)
{
  return limited (i);
}
""",
}
PROTOTYPE = "int named (struct reliable *rel);"
BODY = "  return rel->size;"
CODE = "  return added (rel);\n}\n\nint\nadded (struct reliable *rel)\n{\n  return limited (rel->array[0].sent);"
GROWN = {
    "reliable.h": {
        "  int id;": "  int id;\n  int sent; /* when */",
        "  int size;": "  int size;\n\n  /* what is new */\n  long turn;",
        PROTOTYPE: f"{PROTOTYPE}\n\n/* what is new */\nint added (struct reliable *rel);",
    },
    "reliable.c": {BODY: CODE},
}
NAMED = {"structs": ("entry", "reliable"), "added": ("added",), "files": GROWING}
INVENTED = "made-up names: src/openvpn/reliable.h, line"


def growing(header: Mapping[str, str] | None = None, code: str = CODE) -> Mapping[str, Mapping[str, str]]:
    """What GROWN changes, and more."""
    return {"reliable.h": {**GROWN["reliable.h"], **(header or {})}, "reliable.c": {BODY: code}}


@pytest.mark.parametrize("guard", [True, False])
def test_structs_that_grow_are_told_from_code_that_changes(guard: bool, deceive: Deceive) -> None:
    proof = deceive(GROWN, guard=guard, **NAMED)
    assert proof.failures == []
    assert [(difference.name, difference.kind) for difference in proof.changed] == [
        ("added", "added"),
        ("named", "changed"),
    ]
    assert [(difference.source, difference.name) for difference in proof.layout] == [
        ("src/openvpn/reliable.c", "before"),
        ("src/openvpn/ssl.c", "caller"),
    ]
    assert [difference.name for difference in proof.inlines] == ["limited"]
    assert (list(proof.structs), list(proof.reached)) == (["entry", "reliable"], ["src/openvpn/ssl.c"])
    assert (proof.functions, proof.same) == (6, 3)  # after, careless, limited


DECEITS: dict[str, tuple[Mapping[str, Mapping[str, str]], str]] = {
    "a global variable": (
        growing(code=CODE.replace("int\nadded", "int evil = 1;\nint\nadded")),
        r"^\.data\.evil in .*reliable\.c differs",
    ),
    "a static variable": (
        growing(
            code=CODE.replace("int\nadded", "static int evil = 1;\nint\nadded").replace("d (rel->", "d (evil + rel->")
        ),
        r"^\.data\.evil in .*reliable\.c differs",
    ),
    "a function that others can replace": (
        growing(code=CODE.replace("int\nadded", "__attribute__ ((weak)) int\nadded")),
        "the symbol added differs",
    ),
    "a macro for what is behind the function": (
        growing(code="#undef LIMIT\n#define LIMIT 5\n" + CODE),
        r"^after in .*reliable\.c differs",
    ),
    "a macro behind the prototype": (
        growing({PROTOTYPE: GROWN["reliable.h"][PROTOTYPE] + "\n#undef LIMIT\n#define LIMIT 5"}),
        f"{INVENTED} 26: #define LIMIT 5",
    ),
    "a macro that nothing uses": (
        growing({PROTOTYPE: GROWN["reliable.h"][PROTOTYPE] + "\n#define UNUSED 5"}),
        f"{INVENTED} 25: #define UNUSED 5",
    ),
    "a variable behind the prototype": (
        growing({PROTOTYPE: GROWN["reliable.h"][PROTOTYPE] + " extern int evil;"}),
        "where more than members of structs",
    ),
    "a macro among the members": (
        growing({"  int size;": "  int size;\n  long turn;\n#undef LIMIT\n#define LIMIT 5"}),
        f"{INVENTED} 19: #define LIMIT",
    ),
    "a member that is not the last": (
        growing({"  struct entry array[LIMIT];": "  struct entry array[LIMIT];\n  int evil;"}),
        f"{INVENTED} 16: int evil;",
    ),
    "a member of another type": (
        growing({"  struct entry array[LIMIT];": "  struct entry array[LIMIT + 1];"}),
        f"{INVENTED} 15: struct entry",
    ),
    "a struct that ends early": (
        growing({"  int size;": "  int size;\n  long turn;\n};\nstruct evil\n{\n  int more;"}),
        f"{INVENTED} 19: struct evil",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("deceit", DECEITS)
def test_what_is_no_layout_is_not_taken_for_it(deceit: str, deceive: Deceive) -> None:
    changes, expected = DECEITS[deceit]
    proof = deceive(changes, **NAMED)
    assert [failure for failure in proof.failures if re.search(expected, failure)], proof.failures


@pytest.mark.slow
def test_a_member_that_is_a_macro_is_looked_into(deceive: Deceive) -> None:
    """It ends the struct, and begins another: no object shows that."""
    header = GROWING["src/openvpn/reliable.h"].replace(
        "#define LIMIT 4", "#define DONE int turn; }; struct evil { int\n#define LIMIT 4"
    )
    files = {**GROWING, "src/openvpn/reliable.h": header}
    proof = deceive(growing({"  int size;": "  int size;\n  DONE more;"}), **{**NAMED, "files": files})
    assert [failure.partition(", where more than members")[0] for failure in proof.failures] == [
        f"not explained by what made-up names: src/openvpn/{name}" for name in ("reliable.c", "ssl.c")
    ]


@pytest.mark.slow
def test_a_new_function_that_is_not_compiled_is_not_proven(deceive: Deceive) -> None:
    code = CODE.replace("int\nadded", "#ifdef NEVER\nint\nunused (void)\n{\n  return 1;\n}\n#endif\nint\nadded")
    proof = deceive(growing(code=code), **{**NAMED, "added": ("added", "unused")})
    assert proof.failures == [
        "not explained by what made-up names: unused is new in src/openvpn/reliable.c and has no code there"
    ]


@pytest.mark.slow
def test_a_name_that_stock_knows_is_not_new(deceive: Deceive) -> None:
    files = {
        **GROWING,
        "src/openvpn/ssl.c": GROWING["src/openvpn/ssl.c"].replace("int i)", "int added)").replace("(i)", "(added)"),
    }
    proof = deceive(GROWN, **{**NAMED, "files": files})
    assert proof.failures == [
        "not explained by what made-up names: added is not a new name: src/openvpn/ssl.c knows it"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("named", [{"structs": ("entry",)}, {"added": ()}, {"functions": ("after",)}])
def test_what_is_changed_and_not_named_is_not_even_rendered(
    named: Mapping[str, tuple[str, ...]], deceive: Deceive
) -> None:
    with pytest.raises((AnchorError, BadVariantError)):
        deceive(GROWN, **{**NAMED, **named})


@pytest.mark.slow
def test_what_the_variant_says_of_itself_is_not_believed(deceive: Deceive) -> None:
    """Functions that it names and does not change are not called changed."""
    proof = deceive({"reliable.c": PLUS_THREE}, functions=("named", "after", "before", "nowhere"))
    assert names(proof) == (["named"], [])


def test_further_arguments_reach_configure_and_answers_are_kept_apart(
    deceive: Deceive, cache: Cache, tmp_path: Path
) -> None:
    """CC is a compiler that tells us what it was called with."""
    mine = tmp_path / "cc"
    mine.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\nexec gcc "$@"\n')
    mine.chmod(0o755)
    deceive({"reliable.c": PLUS_THREE}, configure=(f"CC={mine}",), verified=True)
    calls = (tmp_path / "calls").read_text()
    assert "-O0 -ffunction-sections" in calls
    assert "-DRETRY" in calls
    kept = {path.name for path in (cache.root / "configure").glob("*.cache")}
    deceive({"reliable.c": PLUS_THREE}, verified=True)
    assert (tmp_path / "calls").read_text() == calls
    both = {path.name for path in (cache.root / "configure").glob("*.cache")}
    assert len(kept) == 1
    assert len(both) == 2
    deceive({"reliable.c": PLUS_THREE}, verified=True)
    assert {path.name for path in (cache.root / "configure").glob("*.cache")} == both


@pytest.mark.slow
def test_a_strangers_answers_are_neither_used_nor_kept(deceive: Deceive, cache: Cache) -> None:
    evil = {**FILES, "config.cache": "CC=/nowhere/evil\n"}
    assert deceive({"reliable.c": PLUS_THREE}, files=evil).failures == []
    assert not (cache.root / "configure").exists() or not list((cache.root / "configure").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("left", ["config.status", "src/openvpn/openvpn-reliable.o", "src/openvpn/ssl.o"])
def test_objects_that_a_source_brings_are_not_trusted(left: str, deceive: Deceive) -> None:
    with pytest.raises(PatchkitError, match="built in already"):
        deceive({"reliable.c": PLUS_THREE}, files={**FILES, left: ""})


@pytest.mark.slow
def test_a_source_that_does_not_compile_is_quoted_and_its_log_kept(deceive: Deceive, cache: Cache) -> None:
    with pytest.raises(CompileError, match="make") as caught:
        deceive({"reliable.c": {"  i += 2;": "#error broken by a test"}})
    assert "broken by a test" in caught.value.why
    (log,) = (cache.root / "logs").iterdir()
    assert str(log) in caught.value.why
    assert "broken by a test" in log.read_text()


def test_a_proof_that_failed_or_not_leaves_no_log(deceive: Deceive, cache: Cache) -> None:
    deceive({"reliable.c": PLUS_THREE})
    assert list((cache.root / "logs").iterdir()) == []


def test_an_object_that_is_none_is_the_compilers_fault(deceive: Deceive, tmp_path: Path) -> None:
    """As with a compiler that writes something else: bitcode, say."""
    odd = tmp_path / "cc"
    odd.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho bitcode >"$2"; date +%N >>"$2"\n')
    odd.chmod(0o755)
    with pytest.raises(CompileError, match="can't be read"):
        deceive({"reliable.c": PLUS_THREE}, configure=(f"CC={odd}",))


def test_there_is_nothing_to_prove_of_stock(cache: Cache, ui: Ui) -> None:
    with pytest.raises(BadUsageError, match="nothing to prove"):
        prove(ProveRequest(SourceRequest(PINNED), "stock"), Context(cache, ui))


def settings_for(version: str) -> BuildSettings:
    """With the system's OpenSSL for 2.7: its own takes minutes, and what is proven knows nothing of it."""
    return replace(ON_HOST, crypto="system" if version.startswith("2.7") else None)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.5.1", "2.7.7"])
def test_retransmit_on_tarballs(version: str, shared_cache: Cache) -> None:
    upstream(version, shared_cache)
    request = ProveRequest(SourceRequest(version), "retransmit", settings_for(version))
    check(prove(request, Context(shared_cache, Ui(quiet=True))))


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.1.4", "2.2.3", "2.4.12"])
def test_retransmit_on_series_that_no_mirror_has_any_more(version: str, shared_cache: Cache) -> None:
    if not GIT:
        pytest.skip("PATCHKIT_GIT is not set to a full clone of upstream")
    request = ProveRequest(SourceRequest(version, git=GIT), "retransmit", ON_HOST)
    check(prove(request, Context(shared_cache, Ui(quiet=True))))


def check(proof: Proof) -> None:
    assert proof.failures == []
    assert names(proof) == (["reliable_get_buf_output_sequenced"], [])
    assert proof.origin.verified
    assert proof.functions > 30
    assert proof.guard


@pytest.mark.slow
def test_retransmit_flag_changes_what_it_names_and_no_more(shared_cache: Cache) -> None:
    proof = prove(
        ProveRequest(SourceRequest(PINNED), "retransmit-flag", ON_HOST), Context(shared_cache, Ui(quiet=True))
    )
    assert proof.failures == []
    assert names(proof)[0] == [
        "reliable_get_buf_output_sequenced",
        "session_move_pre_start",
        "tls_process",
        "tls_process_state",
        "write_outgoing_tls_ciphertext",
    ]
    assert len(proof.reached) > 10


ROUND_TRIP = ["reliable_can_send", "reliable_mark_active_outgoing", "reliable_send", "reliable_send_purge", "check_tls"]
CHANGED = {
    ("2.6.14", "early"): [*ROUND_TRIP[1:4]],
    ("2.6.14", "recommended"): [
        *ROUND_TRIP,
        *("key_state_init", "key_state_soft_reset", "tls_pre_decrypt", "tls_process_state"),
    ],
    ("2.7.7", "recommended"): [*ROUND_TRIP, "key_state_init", "key_state_soft_reset", "tls_pre_decrypt"],
    ("2.5.1", "recommended"): [
        "reliable_ack_write",
        *ROUND_TRIP,
        *("key_state_init", "key_state_soft_reset", "tls_pre_decrypt", "tls_process"),
    ],
    ("2.5.1", "handshake"): ["key_state_init", "tls_process"],
}


@pytest.mark.slow
@pytest.mark.parametrize(("version", "variant"), CHANGED)
def test_variants_whose_structs_grow(version: str, variant: str, shared_cache: Cache) -> None:
    upstream(version, shared_cache)
    request = ProveRequest(SourceRequest(version), variant, settings_for(version))
    proof = prove(request, Context(shared_cache, Ui(quiet=True)))
    assert proof.failures == []
    assert [difference.name for difference in proof.changed if difference.kind == "changed"] == CHANGED[
        version, variant
    ]
    named = combination.combination(variant)
    added = [difference.name for difference in proof.changed if difference.kind == "added"]
    elsewhere = {"tls_control_size", "tls_takes_large"} | ({"reliable_ack_echo"} if version >= "2.6" else set())
    assert sorted(added) == sorted({*named.added} - elsewhere)
    assert {difference.name for difference in proof.inlines} <= {"constrain_int", "max_int", "min_int", "tv_subtract"}
    laid_out = {difference.name for difference in proof.layout}
    assert "key_state_init" in laid_out or "key_state_init" in CHANGED[version, variant]
    assert laid_out.isdisjoint(difference.name for difference in proof.changed)
    assert set(proof.structs) == (
        {*named.structs} - ({"reliable_ack"} if version >= "2.6" else set()) if added else set()
    )


@pytest.mark.slow
def test_a_variable_that_a_real_variant_does_not_name_is_found(
    shared_cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream(PINNED, shared_cache)
    shipped = resources.folder
    shutil.copytree(shipped("patches"), tmp_path / "patches", ignore=shutil.ignore_patterns("pins.toml"))
    changed = tmp_path / "patches/early/reliable.c.diff.j2"
    text = changed.read_text()
    before = "static void\nreliable_overtaken("
    assert text.count(before) == 1
    changed.write_text(text.replace(before, f"int reliable_evil;\n\n{before}"))
    monkeypatch.setattr(resources, "folder", lambda name: tmp_path / name if name == "patches" else shipped(name))
    clear()
    try:
        proof = prove(ProveRequest(SourceRequest(PINNED), "early", ON_HOST), Context(shared_cache, Ui(quiet=True)))
    finally:
        clear()
    assert proof.failures == [
        ".bss.reliable_evil in src/openvpn/reliable.c differs and is not named by early",
        "the symbol reliable_evil differs",
    ]


@pytest.mark.slow
def test_an_openssl_that_a_release_does_not_know_is_a_compiler_error(
    shared_cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not GIT:
        pytest.skip("PATCHKIT_GIT is not set to a full clone of upstream")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(PatchkitError) as caught:
        prove(
            ProveRequest(SourceRequest("2.3.2", git=GIT), "retransmit-flag", ON_HOST),
            Context(shared_cache, Ui(quiet=True)),
        )
    assert (caught.value.exit_code, caught.value.advice) == (42, "--crypto pinned")
    named = re.search(r"^whole log: (.+)$", caught.value.why, re.MULTILINE)
    assert named is not None
    log = Path(named[1])
    assert "error:" in log.read_text()
    assert "ssl.c" in caught.value.why
    log.unlink()
    assert list(tmp_path.iterdir()) == []
