"""A static OpenSSL: how one of each branch is compiled, and which words make OpenVPN's configure take it."""

from __future__ import annotations

from collections.abc import Mapping

from patchkit.building.recipe.static_library import flags
from patchkit.building.toolchain import Toolchain
from patchkit.building.toolchain_table import OpensslRecipe, Target

SCRIPT = "openssl.sh"
"""The script below ``docker/`` that compiles OpenSSL in its source folder."""
# Where a compiled-in OpenSSL looks for its configuration: upstream's own default, on purpose not the system's
# folder, whose files are written for the system's OpenSSL.
_OPENSSLDIR = "/usr/local/ssl"
# Every series reads other variables, and asks pkg-config where these are empty; unknown ones are ignored. -ldl and
# -pthread: to glibc 2.33 these were libraries of their own.
_THREADS: Mapping[str, str] = {"linux": "-pthread", "windows": " "}
_BEHIND: Mapping[str, str] = {"linux": "-ldl -pthread", "windows": "-lws2_32 -lgdi32 -lcrypt32"}


def configure_words(target: Target) -> list[str]:
    """Return the arguments that make OpenVPN's configure take the compiled library on ``target``."""
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


def script_words(toolchain: Toolchain, recipe: OpensslRecipe) -> list[str]:
    """Return the arguments of :data:`SCRIPT`, behind the number of jobs, that compile ``recipe``'s branch."""
    target = toolchain.base_target
    cross = [f"--cross-compile-prefix={target.triplet}-"] if target.cross else []
    elf = recipe.elf if target.system == "linux" else []
    return [target.openssl, flags(toolchain), _OPENSSLDIR, *recipe.configure, *elf, *cross]
