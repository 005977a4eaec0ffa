"""Read from a program's header which processor it is for."""

from __future__ import annotations

# e_machine of ELF and Machine of PE, by their own specifications; the names are those in patchkit's targets.
_ELF = {0x3E: "amd64", 0xB7: "arm64", 0x28: "armhf", 0x03: "i386"}
_PE = {0x8664: "amd64", 0x014C: "i686", 0xAA64: "arm64"}


def machine_of(program: bytes) -> str:
    """Return the processor that ``program``, an ELF or PE file, is for; empty for one that is not known."""
    if program.startswith(b"\x7fELF"):
        return _ELF.get(int.from_bytes(program[18:20], "little"), "")
    at = int.from_bytes(program[0x3C:0x40], "little")
    return _PE.get(int.from_bytes(program[at + 4 : at + 6], "little"), "") if program[at : at + 4] == b"PE\0\0" else ""
