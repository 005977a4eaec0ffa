"""What a configure script makes, without running it: of all that the sources ask for, what this host has.

configure asks the same by some three hundred processes, and a fork's own script often needs what a host lacks.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable
from pathlib import Path

_INCLUDES = (Path("/usr/include"), Path("/usr/include/x86_64-linux-gnu"))
_LIBRARIES = ("libc.so.6", "libcrypto.so.3", "libssl.so.3", "libcap-ng.so.0")
_ASKED = re.compile(rb"\bHAVE_\w+")
_NOT_HERE = {"HAVE_CONFIG_H", "HAVE_CONFIG_VERSION_H"}
_TYPES = (
    "IOVEC", "IPHDR", "MSGHDR", "CMSGHDR", "IN_PKTINFO", "SA_FAMILY_T", "IPI_SPEC_DST", "SOCK_EXTENDED_ERR",
    "SOCKLEN_T", "CPP_VARARG_MACRO_ISO", "CPP_VARARG_MACRO_GCC", "ANONYMOUS_UNION_SUPPORT", "DECL_SO_MARK",
    "EXPORT_KEYING_MATERIAL",
)  # fmt: skip
_STATED = """\
_GNU_SOURCE 1
STDC_HEADERS 1
TIME_WITH_SYS_TIME 1
SIZEOF_UNSIGNED_INT 4
SIZEOF_UNSIGNED_LONG 8
EMPTY_ARRAY_SIZE 0
TARGET_LINUX 1
TARGET_ALIAS "x86_64-pc-linux-gnu"
TARGET_PREFIX "L"
PACKAGE "openvpn"
PACKAGE_NAME "OpenVPN"
PACKAGE_VERSION "2"
PACKAGE_STRING "OpenVPN 2"
VERSION "2"
CONFIGURE_DEFINES ""
PATH_SEPARATOR '/'
PATH_SEPARATOR_STR "/"
IFCONFIG_PATH "/sbin/ifconfig"
IPROUTE_PATH "/sbin/ip"
ROUTE_PATH "/sbin/route"
TAP_WIN_COMPONENT_ID "tap0901"
TAP_WIN_MIN_MAJOR 9
TAP_WIN_MIN_MINOR 9
ENABLE_CRYPTO_OPENSSL 1
ENABLE_DEBUG 1
ENABLE_FRAGMENT 1
ENABLE_MANAGEMENT 1
ENABLE_MULTIHOME 1
ENABLE_OFB_CFB_MODE 1
ENABLE_PORT_SHARE 1
ENABLE_DEF_AUTH 1
ENABLE_PF 1
ENABLE_HTTP_PROXY 1
ENABLE_SOCKS 1
ENABLE_OCC 1
ENABLE_CLIENT_SERVER 1
ENABLE_SITNL 1
ENABLE_IPROUTE 1
"""


def configure(folder: Path) -> None:
    """Write config.h, and the header of plug-ins where it is made from another file, for the tree in ``folder``."""
    sources = [path.read_bytes() for path in folder.rglob("*.[ch]") if path.is_file()]
    (folder / "config.h").write_text(config_h(sources))
    made_from = folder / "include/openvpn-plugin.h.in"
    if made_from.is_file():
        made_from.with_suffix("").write_text(re.sub(r"@\w+@", "0", made_from.read_text(errors="replace")))


def config_h(sources: Iterable[bytes]) -> str:
    """Return the config.h for the C files ``sources``, as for a build with OpenSSL and no other library."""
    asked = {name.decode() for text in sources for name in _ASKED.findall(text)} - _NOT_HERE
    libraries = [ctypes.CDLL(name) for name in _LIBRARIES if _is_here(name)]
    headers = {
        f"HAVE_{re.sub(r'[^A-Z0-9]', '_', file.relative_to(folder).as_posix().upper())}"
        for folder in _INCLUDES
        for pattern in ("*.h", "*/*.h")
        for file in folder.glob(pattern)
    }
    has = {f"HAVE_{name}" for name in _TYPES}
    has |= {name for name in asked if name.endswith("_H") and name in headers}
    has |= {name for name in asked if any(hasattr(each, name.removeprefix("HAVE_").lower()) for each in libraries)}
    has |= {name for name in asked if any(hasattr(each, name.removeprefix("HAVE_")) for each in libraries)}
    return "".join(f"#define {line}\n" for line in [*_STATED.splitlines(), *(f"{name} 1" for name in sorted(has))])


def _is_here(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
