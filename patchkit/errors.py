"""Every error patchkit can end with: what happened, why, what to do, and its exit code.

One class an error, one exit code a class (the README's table is tested against this module).
0 is success, 1 is a fault in patchkit itself, 2 is a wrong command line; from 10 on the tens
group the rooms: 10 names, 20 sources, 30 patching, 40 building, 50 storage.
"""

from __future__ import annotations

from typing import ClassVar


class PatchkitError(Exception):
    """The base of all errors that a user can meet.

    ``what`` is one sentence; ``why`` may have several lines; ``advice`` is a command or an action.
    """

    exit_code: ClassVar[int] = 1
    meaning: ClassVar[str] = "a fault in patchkit itself"

    def __init__(self, what: str, *, why: str = "", advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.advice = advice

    @property
    def name(self) -> str:
        """The class's name, which is what ``--json`` reports."""
        return type(self).__name__


class BadUsageError(PatchkitError):
    exit_code = 2
    meaning = "the command line does not make sense"


class UnknownVersionError(PatchkitError):
    exit_code = 10
    meaning = "no such release, tag or git ref"


class UnknownVariantError(PatchkitError):
    exit_code = 11
    meaning = "no such variant"


class UnknownTargetError(PatchkitError):
    exit_code = 12
    meaning = "no such target, or not one that this engine can build"


class NetworkUnavailableError(PatchkitError):
    exit_code = 20
    meaning = "no network: not one of the places could be reached"


class PlacesExhaustedError(PatchkitError):
    exit_code = 21
    meaning = "every place for a file failed, for the reasons listed"


class WrongHashError(PatchkitError):
    exit_code = 22
    meaning = "a file is not the pinned one; it was kept aside"


class TagMovedError(PatchkitError):
    exit_code = 23
    meaning = "a git tag or tree is not the pinned one"


class UnsafeArchiveError(PatchkitError):
    exit_code = 24
    meaning = "an archive holds something that must not be unpacked"


class BadSourceError(PatchkitError):
    exit_code = 25
    meaning = "a source given by hand can't be read as what it should be"


class OfflineError(PatchkitError):
    exit_code = 26
    meaning = "--offline, and neither cache nor mirror holds what is needed"


class GitError(PatchkitError):
    exit_code = 27
    meaning = "git failed"


class MirrorError(PatchkitError):
    exit_code = 28
    meaning = "a mirror lacks files, or holds some that are not what they should be"


class AnchorError(PatchkitError):
    exit_code = 30
    meaning = "an anchor of the variant is missing from the source, or is there twice"


class AlreadyPatchedError(PatchkitError):
    exit_code = 31
    meaning = "the source already carries this change"


class PatchMismatchError(PatchkitError):
    exit_code = 32
    meaning = "a diff does not apply exactly"


class BadVariantError(PatchkitError):
    exit_code = 33
    meaning = "a variant's own files are wrong"


class ConflictError(PatchkitError):
    exit_code = 34
    meaning = "variants that can't be combined"


class KnownBadError(PatchkitError):
    exit_code = 35
    meaning = "a variant that is known to be bad, and --allow-known-bad was not given"


class PinMismatchError(PatchkitError):
    exit_code = 36
    meaning = "a file that was patched is not what the variant's pins say it becomes"


class NotProvenError(PatchkitError):
    exit_code = 37
    meaning = "the object files differ where the variant says that they do not"


class DockerMissingError(PatchkitError):
    exit_code = 40
    meaning = "--engine docker, and Docker is not there"


class DockerSilentError(PatchkitError):
    exit_code = 41
    meaning = "Docker's daemon is there and does not answer as it should"


class ToolchainError(PatchkitError):
    exit_code = 42
    meaning = "no toolchain for this series, or one with parts missing"


class BaseImageError(PatchkitError):
    exit_code = 43
    meaning = "the base image can be neither pulled nor bootstrapped"


class CompileError(PatchkitError):
    exit_code = 44
    meaning = "configure, the compiler or make failed"


class SmokeError(PatchkitError):
    exit_code = 45
    meaning = "the built binary failed its smoke test, so it is not an artifact"


class DiskFullError(PatchkitError):
    exit_code = 50
    meaning = "the disk is full"


class StorageError(PatchkitError):
    exit_code = 51
    meaning = "a folder can't be written or read"


class InterruptedByUserError(PatchkitError):
    exit_code = 130
    meaning = "interrupted; nothing half-made was left"


def all_errors() -> list[type[PatchkitError]]:
    """Every error class, by exit code; the first is the base, for faults of patchkit itself."""
    return sorted([PatchkitError, *PatchkitError.__subclasses__()], key=lambda error: error.exit_code)


def fault(error: Exception) -> PatchkitError:
    """What nobody has foreseen, as an error that says so."""
    return PatchkitError(
        f"{type(error).__name__}: {error}",
        why="this is a fault in patchkit, not in what you asked for",
        advice="the same command with PATCHKIT_DEBUG=1 shows where; please report it",
    )
