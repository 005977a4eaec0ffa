"""The compilers of tests: an object is compiled once, whatever the folder, and is what a plain compiler makes of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.compilers import CCACHE, WRAPPERS, cold

pytestmark = pytest.mark.skipif(not CCACHE.is_dir(), reason="ccache is not installed")
BY_CMAKE = ["-I{top}/tree/include", "-ffile-prefix-map={top}/tree/=", "-c", "{top}/tree/src/a.c", "-o", "a.o"]
BY_MAKE = ["-I../tree/include", "-c", "../tree/src/a.c", "-o", "a.o"]
LISTING = ["-MD", "-MF", "a.d"]


def compiled(top: Path, words: list[str], env: Mapping[str, str]) -> bytes:
    """Compile a file in a workspace ``top``, with a library's header beside it, as the host engine has it done."""
    for name, text in {
        "tree/src/a.c": '#include "h.h"\n#include "lib.h"\nconst char *names[] = {__FILE__, HEADER, header()};\n',
        "tree/include/h.h": "#define HEADER __FILE__\n",
        "deps/include/lib.h": '#define header() "of the library"\n',
    }.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    for name in ("out", "tmp"):
        (top / name).mkdir()
    variables = {"HOME": str(top), "CPATH": str(top / "deps/include"), "TMPDIR": str(top / "tmp"), **env}
    command = ["cc", *(word.format(top=top) for word in words)]
    subprocess.run(command, cwd=top / "out", env=variables, check=True, capture_output=True)
    return (top / "out/a.o").read_bytes()


def hits(env: Mapping[str, str]) -> int:
    """Return how many objects ccache had, without running even the preprocessor."""
    printed = subprocess.run(["ccache", "--print-stats"], env=env, capture_output=True, text=True, check=True).stdout
    return int(dict(line.split("\t") for line in printed.splitlines())["direct_cache_hit"])


@pytest.mark.parametrize("words", [BY_CMAKE, [*BY_CMAKE, *LISTING], BY_MAKE, [*BY_MAKE, *LISTING]])
def test_the_same_object_in_another_folder(words: list[str], tmp_path: Path) -> None:
    without = cold()
    warm = {"PATH": f"{WRAPPERS}:{CCACHE}:{without['PATH']}", "CCACHE_DIR": str(tmp_path / "ccache")}
    first = compiled(tmp_path / "first", words, warm)
    assert hits(warm) == 0
    assert compiled(tmp_path / "second/deeper", words, warm) == first
    assert hits(warm) == 1
    assert compiled(tmp_path / "third", words, without) == first


@pytest.mark.parametrize(
    ("code", "suffix", "feature", "hit"),
    [
        ("", "+early", "LZO", 1),
        ("", "", "LZ4", 0),
        ("const char *version = PACKAGE_VERSION;", "+early", "LZO", 0),
    ],
)
@pytest.mark.parametrize(
    "words", [["-I../tree"], ["-I{top}/tree"], ["-I{top}/tree", *LISTING], ["-I../tree", *LISTING]]
)
def test_the_variants_name_in_config_h_counts_only_where_it_is_used(
    words: list[str], code: str, suffix: str, feature: str, hit: int, tmp_path: Path
) -> None:
    warm = {"PATH": f"{WRAPPERS}:{CCACHE}:{cold()['PATH']}", "CCACHE_DIR": str(tmp_path / "ccache")}
    words = ["-DHAVE_CONFIG_H", *words, "-c", "../tree/src/b.c", "-o", "a.o"]
    for top, named, enabled in (("first", "", "LZO"), ("second", suffix, feature)):
        (tmp_path / top / "tree/src").mkdir(parents=True)
        config = f'#define PACKAGE_VERSION "2.6.14{named}"\n#define ENABLE_{enabled} 1\n'
        (tmp_path / top / "tree/config.h").write_text(config)
        (tmp_path / top / "tree/src/b.c").write_text(f'#include "config.h"\nint one;\n{code}\n')
        made = compiled(tmp_path / top, words, warm)
        assert (f"2.6.14{named}\0".encode() in made) is bool(code)
    assert hits(warm) == hit


def test_every_wrapper_calls_the_compiler_of_its_name() -> None:
    """Also where ccache has no link of that name: Debian's packages make one or not, by the order of their setup."""
    names = {path.name for path in WRAPPERS.iterdir()} - {"compiler"}
    assert {"cc", "gcc", "x86_64-linux-gnu-gcc", "x86_64-w64-mingw32-gcc"} <= names
    for name in names:
        assert (WRAPPERS / name).readlink() == Path("compiler")
        if compiler := shutil.which(name, path=cold()["PATH"]):
            asked = [
                subprocess.run([path, "-dumpmachine"], capture_output=True, text=True, check=True).stdout
                for path in (compiler, WRAPPERS / name)
            ]
            assert asked[0] == asked[1] != ""
