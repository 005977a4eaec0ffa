"""A static OpenSSL: how one of each branch is compiled, and how OpenVPN's configure is told of it."""

from __future__ import annotations

from collections.abc import Mapping

from patchkit.building.engine.protocol import Engine, Identity
from patchkit.building.recipe.static_library import Recipe, StaticLibrary, flags, static_library
from patchkit.building.toolchain import Target, Toolchain
from patchkit.context import Context
from patchkit.source.library import LibrarySource

# Where a compiled-in OpenSSL looks for its configuration: upstream's own default, on purpose not the system's
# folder, whose files are written for the system's OpenSSL.
_OPENSSLDIR = "/usr/local/ssl"
# Every series asks with other names, and pkg-config where these are empty; what it does not know it ignores. -ldl and
# -pthread: to glibc 2.33 these were libraries of their own.
_THREADS: Mapping[str, str] = {"linux": "-pthread", "windows": " "}
_BEHIND: Mapping[str, str] = {"linux": "-ldl -pthread", "windows": "-lws2_32 -lgdi32 -lcrypt32"}


def configure_words(target: Target) -> list[str]:
    """What makes OpenVPN's configure take the compiled library."""
    threads, behind = _THREADS[target.system], _BEHIND[target.system]
    words = {
        "OPENSSL_CRYPTO_CFLAGS": threads,  # to 2.4
        "OPENSSL_CRYPTO_LIBS": f"-lcrypto {behind}",
        "OPENSSL_SSL_CFLAGS": threads,
        "OPENSSL_SSL_LIBS": f"-lssl -lcrypto {behind}",
        "OPENSSL_CFLAGS": threads,  # from 2.4 on
        "OPENSSL_LIBS": f"-lssl -lcrypto {behind}",
    }
    return [f"{name}={value}" for name, value in words.items()]


def static_openssl(
    source: LibrarySource, toolchain: Toolchain, engine: Engine, identity: Identity, context: Context, *, jobs: int
) -> StaticLibrary:
    """Compile a library, or take it from the cache. Raises CompileError and the engine's errors."""
    if toolchain.openssl is None:
        raise ValueError("this toolchain has the system's library")
    target = toolchain.base_target
    cross = [f"--cross-compile-prefix={target.triplet}-"] if target.cross else []
    elf = toolchain.openssl.elf if target.system == "linux" else []
    words = [target.openssl, flags(toolchain), _OPENSSLDIR, *toolchain.openssl.configure, *elf, *cross]
    recipe = Recipe("openssl.sh", words, jobs if toolchain.openssl.parallel else 1)
    return static_library(source, recipe, toolchain, engine, identity, context)
