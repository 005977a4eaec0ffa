"""A static OpenSSL: compiled once, kept by its content, and the same to the byte wherever it is compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from patchkit.building.engine.host import HostEngine
from patchkit.building.recipe.library_builder import LibraryBuilder
from patchkit.building.recipe.static_library import DEPENDENCIES, CompiledLibrary, environment, licences
from patchkit.building.toolchain import Toolchain, toolchain
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import CompileError, NetworkUnavailableError, PlacesExhaustedError, ToolchainError
from patchkit.releases.libraries import libraries
from patchkit.releases.version import Version
from patchkit.source.library import LibrarySource, obtain_library
from patchkit.ui import Ui
from tests.support.building.made_up_openssl import contents, made_up, source_of
from tests.support.source.samples import DATE

pytestmark = pytest.mark.slow

OF_102 = b"""print "#define DATE \\"built on: " . scalar(localtime) . "\\"\\n#define PLATFORM \\"$ARGV[1]\\"\\n";\n"""

Compile = Callable[..., CompiledLibrary]


@pytest.fixture
def tools() -> Toolchain:
    return toolchain(Version("2.5.1"), "linux-amd64", crypto="openssl-1.1.1")


@pytest.fixture
def compile_it(tools: Toolchain, cache: Cache, ui: Ui) -> Compile:
    engine = HostEngine(ui)
    try:
        identity = engine.prepare(tools)
    except ToolchainError as error:
        pytest.skip(error.what)

    def run(source: LibrarySource, *, using: Toolchain = tools, kept: Cache = cache, jobs: int = 2) -> CompiledLibrary:
        return LibraryBuilder(using, engine, identity, Context(kept, ui), jobs).openssl(source)

    return run


@pytest.fixture
def count(tmp_path: Path) -> Path:
    return tmp_path / "count"


def compiled(count: Path) -> int:
    return len(count.read_text().splitlines()) if count.exists() else 0


def test_headers_and_archives_are_what_comes_out(compile_it: Compile, count: Path) -> None:
    library = compile_it(source_of(made_up(count)))
    assert set(contents(library.archive)) == {
        f"{DEPENDENCIES}/{name}"
        for name in ("include/openssl/opensslv.h", "lib/libcrypto.a", "lib/libssl.a", "licences/openssl/LICENSE")
    }
    assert licences([library]) == {"openssl/LICENSE": b"made up\n"}
    assert environment("/top") == {"CPATH": "/top/deps/include", "LIBRARY_PATH": "/top/deps/lib"}


def test_it_is_compiled_once(compile_it: Compile, count: Path, cache: Cache) -> None:
    first = compile_it(source_of(made_up(count)))
    again = compile_it(source_of(made_up(count)), jobs=1)
    assert (again.key, again.archive) == (first.key, first.archive)
    assert compiled(count) == 1
    assert list((cache.root / "logs").iterdir()) == []


@pytest.mark.parametrize("damage", ["flipped", "cut", "no sum", "no archive"])
def test_a_damaged_entry_is_made_again(damage: str, compile_it: Compile, count: Path, cache: Cache) -> None:
    first = compile_it(source_of(made_up(count)))
    (archive,) = (cache.root / "libraries").glob("*.tar")
    data = archive.read_bytes()
    if damage == "flipped":
        archive.write_bytes(data[:600] + bytes([data[600] ^ 1]) + data[601:])
    elif damage == "cut":
        archive.write_bytes(data[: len(data) // 2])
    else:
        (archive if damage == "no archive" else archive.with_suffix(".sha256")).unlink()
    again = compile_it(source_of(made_up(count)))
    assert compiled(count) == 2
    assert contents(again.archive) == contents(first.archive)
    compile_it(source_of(made_up(count)))
    assert compiled(count) == 2


def test_whatever_decides_what_it_becomes_is_in_its_key(compile_it: Compile, count: Path, tools: Toolchain) -> None:
    assert tools.openssl is not None
    files = made_up(count)
    target = tools.base_target.model_copy(update={"cflags": [*tools.base_target.cflags, "-g"]})
    recipe = tools.openssl.model_copy(update={"configure": [*tools.openssl.configure, "no-camellia"]})
    keys = [
        compile_it(source_of(files)).key,
        compile_it(source_of({**files, "one.c": b"int one(void) { return 2; }\n"})).key,
        compile_it(source_of(files), using=tools.model_copy(update={"base_target": target})).key,
        compile_it(source_of(files), using=tools.model_copy(update={"openssl": recipe})).key,
        # Two commits of one tree say another date of themselves.
        compile_it(source_of(files, tree="1" * 40)).key,
        compile_it(source_of(files, tree="1" * 40, epoch=DATE + 1)).key,
    ]
    assert len(set(keys)) == len(keys) == compiled(count)


def test_a_failing_make_is_quoted_and_nothing_is_kept(compile_it: Compile, count: Path, cache: Cache) -> None:
    with pytest.raises(CompileError) as caught:
        compile_it(source_of(made_up(count, **{"one.c": b"#error broken by a test\n"})))
    assert caught.value.what == "OpenSSL 1.1.1zz does not compile"
    assert "broken by a test" in caught.value.why
    log = Path(caught.value.advice.removeprefix("less "))
    assert "broken by a test" in log.read_text()
    assert list((cache.root / "libraries").iterdir()) == []


@pytest.mark.parametrize("missing", ["Configure", "Makefile", "include/openssl/opensslv.h"])
def test_a_source_that_is_not_whole_does_not_compile(missing: str, compile_it: Compile, count: Path) -> None:
    files = made_up(count)
    del files[missing]
    with pytest.raises(CompileError):
        compile_it(source_of(files))


def test_102_does_not_write_the_time_of_day_into_itself(compile_it: Compile, count: Path) -> None:
    """Its own script does, and knows no SOURCE_DATE_EPOCH: the header is made before make would, without the time."""
    c_source = b'#include "crypto/buildinf.h"\nconst char *date = DATE, *platform = PLATFORM;\n'
    library = compile_it(source_of(made_up(count, **{"util/mkbuildinf.pl": OF_102, "one.c": c_source})))
    code = contents(library.archive)[f"{DEPENDENCIES}/lib/libcrypto.a"]
    assert b"built on: reproducible build, date unspecified" in code
    assert b"linux-x86_64" in code


def test_a_real_one_is_the_same_to_the_byte_in_another_folder(
    compile_it: Compile, shared_cache: Cache, cache: Cache, ui: Ui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one may be of an earlier run, on another day: all the better.

    ccache knows no object whose preprocessed source names the folder or the time: such a one is compiled, and differs.
    """
    try:
        source = obtain_library(libraries()["openssl-1.1.1"], [], Context(shared_cache, ui))
    except (NetworkUnavailableError, PlacesExhaustedError) as error:
        pytest.skip(f"no place in reach has it today: {error.why}")
    earlier = compile_it(source, kept=shared_cache)
    (tmp_path / "elsewhere, and a much longer name").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere, and a much longer name"))
    here = compile_it(source, kept=cache)
    assert here.key == earlier.key
    assert contents(here.archive) == contents(earlier.archive)
