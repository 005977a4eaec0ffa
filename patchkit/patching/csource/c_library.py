"""Names that a C program has from the C library and POSIX, as far as variants use them or may come to.

A tree need not declare these: its headers include the system's, which are not in it. The numbers are those of the
arguments.
"""

from __future__ import annotations

from collections.abc import Mapping

FUNCTIONS: Mapping[str, int] = {
    "abs": 1, "calloc": 2, "free": 1, "gettimeofday": 2, "labs": 1, "malloc": 1, "memchr": 3, "memcmp": 3, "memcpy": 3,
    "memmove": 3, "memset": 3, "rand": 0, "random": 0, "realloc": 2, "strchr": 2, "strcmp": 2, "strlen": 1,
    "strncmp": 3, "strrchr": 2, "strstr": 2, "strtol": 3, "strtoul": 3, "time": 1,
}  # fmt: skip
VALUES = frozenset({
    "CHAR_BIT", "EAGAIN", "EINTR", "EINVAL", "ENOMEM", "EOF", "INT_MAX", "INT_MIN", "LONG_MAX", "LONG_MIN", "NULL",
    "SIZE_MAX", "UINT_MAX", "ULONG_MAX", "errno", "stderr", "stdout",
})  # fmt: skip
TYPES = frozenset({
    "FILE", "bool", "int16_t", "int32_t", "int64_t", "int8_t", "intptr_t", "off_t", "ptrdiff_t", "size_t", "ssize_t",
    "suseconds_t", "time_t", "uint16_t", "uint32_t", "uint64_t", "uint8_t", "uintptr_t",
})  # fmt: skip
STRUCTS: Mapping[str, Mapping[str, str]] = {
    "timeval": {"tv_sec": "time_t", "tv_usec": "suseconds_t"},
    "timespec": {"tv_sec": "time_t", "tv_nsec": "long"},
}
"""The types of the members, by struct."""
