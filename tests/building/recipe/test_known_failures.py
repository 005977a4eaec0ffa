"""Failures are known by what real tools say: compilers here are made as strict as newer ones are by themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from patchkit.building.recipe.known_failures import known_failures, recognised

pytestmark = pytest.mark.slow  # a compiler runs in nearly all of them


def compiled(folder: Path, sources: dict[str, str], *flags: str) -> list[str]:
    """What gcc says of sources that it refuses."""
    for name, text in sources.items():
        (folder / name).write_text(text)
    command = ["gcc", *flags, *sources, "-o", "program"]
    plain = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=plain, check=False)
    assert done.returncode != 0
    return done.stderr.splitlines()


MAIN = "int main(void) { return 0; }\n"
UNDECLARED = "int main(void) { return readv_of_old(1); }\n"
OTHER_POINTER = "int f(int *p); int main(void) { char *c = 0; return f(c); }\n"
OTHER_TYPE = "int *f(void) { int i = 1; return i; }\n" + MAIN
INCOMPLETE = "typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX; int f(EVP_CIPHER_CTX *c) { return c->num; }\n" + MAIN


@pytest.mark.parametrize(
    ("sources", "flags", "helps"),
    [
        ({"a.c": UNDECLARED}, ["-Werror=implicit-function-declaration"], "-Wno-error=implicit-function-declaration"),
        ({"a.c": OTHER_POINTER}, ["-Werror=incompatible-pointer-types"], "-Wno-error=incompatible-pointer-types"),
        ({"a.c": OTHER_TYPE}, ["-Werror=int-conversion"], "-Wno-error=int-conversion"),
        ({"a.c": "int twice;\n" + MAIN, "b.c": "int twice;\n"}, ["-fno-common"], "--cflag=-fcommon"),
        ({"a.c": INCOMPLETE}, [], "--crypto pinned"),
    ],
    ids=["undeclared", "pointer", "conversion", "common", "openssl"],
)
def test_a_known_failure_is_recognised_and_says_what_helps(
    sources: dict[str, str], flags: list[str], helps: str, tmp_path: Path
) -> None:
    failure = recognised(compiled(tmp_path, sources, *flags))
    assert failure is not None
    assert helps in failure.helps


def test_what_helps_helps(tmp_path: Path) -> None:
    """The flags that are named come behind those that made an error of it."""
    (tmp_path / "a.c").write_text(
        "int writev_of_old(int); int main(void) { char *c = 0; int *p = c; return !!p + g(); }"
    )
    (tmp_path / "b.c").write_text("int g(void) { return 0; }")
    strict = ["gcc", "-Werror=implicit-function-declaration", "-Werror=incompatible-pointer-types", "a.c", "b.c"]
    assert subprocess.run(strict, cwd=tmp_path, capture_output=True, check=False).returncode != 0
    named = [
        word for known in known_failures() for word in known.helps.split() if word.startswith("--cflag=-Wno-error=")
    ]
    flags = [word.removeprefix("--cflag=").rstrip(",;") for word in named]
    subprocess.run([*strict, *flags], cwd=tmp_path, capture_output=True, check=True)


def test_warnings_and_other_errors_are_not_taken_for_it(tmp_path: Path) -> None:
    output = compiled(tmp_path, {"a.c": f"{UNDECLARED}#error broken\n"})
    assert any("implicit declaration" in line for line in output)
    assert recognised(output) is None
