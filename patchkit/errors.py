"""The errors that patchkit can end with: what happened, why, what to do, and an exit code.

One class an error, one exit code a class (docs/exit-codes.md is made from this module). 0 is success,
1 is a fault in patchkit itself, 2 is a wrong command line; from 10 on the tens group the codes: 10 names, 20 sources,
30 patching, 40 building, 50 storage, 60 the lab, 70 what ``verify`` finds, 80 requirements, 90
this machine, 100 what ``diagnose`` finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class PatchkitError(Exception):
    """The base of all errors that a user can meet.

    ``what`` is one sentence; ``why`` may have several lines; ``advice`` is a command or an action. ``meaning`` is the
    class's line in the table of exit codes.
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
        """The name of the class, which ``--json`` reports."""
        return type(self).__name__


class BadUsageError(PatchkitError):
    exit_code = 2
    meaning = "the command line is not valid"


class UnknownVersionError(PatchkitError):
    exit_code = 10
    meaning = "no such release, tag or git ref"


class UnknownVariantError(PatchkitError):
    exit_code = 11
    meaning = "no such variant"


class UnknownTargetError(PatchkitError):
    exit_code = 12
    meaning = "no such target, or one that this engine can't build"


class NetworkUnavailableError(PatchkitError):
    exit_code = 20
    meaning = "no network: none of the places could be reached"


class PlacesExhaustedError(PatchkitError):
    exit_code = 21
    meaning = "every place for a file failed, for the reasons listed"


class WrongHashError(PatchkitError):
    exit_code = 22
    meaning = "a file does not have the pinned hash; it was set aside"


class TagMovedError(PatchkitError):
    exit_code = 23
    meaning = "a git tag or tree is not the pinned one"


class UnsafeArchiveError(PatchkitError):
    exit_code = 24
    meaning = "an archive has a member that must not be unpacked"


class BadSourceError(PatchkitError):
    exit_code = 25
    meaning = "a source can't be read, or is not what it should be"


class OfflineError(PatchkitError):
    exit_code = 26
    meaning = "--offline was given, and neither the cache nor a mirror has what is needed"


class GitError(PatchkitError):
    exit_code = 27
    meaning = "git failed"


class MirrorError(PatchkitError):
    exit_code = 28
    meaning = "a mirror lacks files, or has files that are not what they should be"


class OpenPgpMissingError(PatchkitError):
    exit_code = 29
    meaning = "gpg, which reads OpenPGP signatures, is missing"


class AnchorError(PatchkitError):
    exit_code = 30
    meaning = (
        "an anchor of the variant is missing or doubled, or a name that it uses is missing or one it adds is taken"
    )
    missing = ""
    """What was looked for in one file, and is not there."""


class AlreadyPatchedError(PatchkitError):
    exit_code = 31
    meaning = "the source has this variant, or one that excludes it, already, whole or in part"


class PatchMismatchError(PatchkitError):
    exit_code = 32
    meaning = "a diff does not apply exactly"


class BadVariantError(PatchkitError):
    exit_code = 33
    meaning = "the files of a variant are not valid"


class ConflictError(PatchkitError):
    exit_code = 34
    meaning = "the variants can't be combined"


class KnownBadError(PatchkitError):
    exit_code = 35
    meaning = "the variant is known to be bad, and --allow-known-bad was not given"


class PinMismatchError(PatchkitError):
    exit_code = 36
    meaning = "a patched file does not have the hash that the variant's pins state"


class NotProvenError(PatchkitError):
    exit_code = 37
    meaning = "the object files differ where the variant states that they do not"


class BadPatchError(PatchkitError):
    exit_code = 38
    meaning = "a patch or a variant of your own is not one that patchkit takes"


class PortConflictError(PatchkitError):
    exit_code = 39
    meaning = "a patch can't be ported: it and upstream change the same lines, or its files are gone"


class DockerMissingError(PatchkitError):
    exit_code = 40
    meaning = "--engine docker was given, and Docker is not available"


class DockerSilentError(PatchkitError):
    exit_code = 41
    meaning = "Docker's daemon does not answer as it should"


class ToolchainError(PatchkitError):
    exit_code = 42
    meaning = "there is no toolchain for this series, or parts of it are missing"


class BaseImageError(PatchkitError):
    exit_code = 43
    meaning = "the base image can be neither pulled nor bootstrapped, or, to be saved, is not the one that builds use"


class CompileError(PatchkitError):
    exit_code = 44
    meaning = "configure, the compiler or make failed"


class SmokeError(PatchkitError):
    exit_code = 45
    meaning = "the built binary failed its smoke test, so it is not an artifact"


class SigningError(PatchkitError):
    exit_code = 46
    meaning = (
        "something could not be signed: the key, the certificate or the program that signs is missing or not valid"
    )


class NotReproducedError(PatchkitError):
    exit_code = 47
    meaning = "patchkit rebuild: what was built again differs from the artifact"


class ScenarioError(PatchkitError):
    exit_code = 60
    meaning = "no such scenario, or one that is not valid"


class GuestError(PatchkitError):
    exit_code = 61
    meaning = "the lab's guest can't be made: packages, QEMU, or something that a program needs is missing"


class MachineError(PatchkitError):
    exit_code = 62
    meaning = "the lab's guest failed"


class LinkError(PatchkitError):
    exit_code = 63
    meaning = "this host's kernel can't provide the lab's link: no netem, no namespaces, or not root"


class ReportError(PatchkitError):
    exit_code = 64
    meaning = "a report can't be read or resumed, or belongs to another campaign"


class NoEvidenceError(PatchkitError):
    exit_code = 65
    meaning = "too many trials are void: the link did not do what was asked"


class StormError(PatchkitError):
    exit_code = 66
    meaning = "in the lab a variant sent more packets than its patch.toml promises"


class SignatureFileError(PatchkitError):
    exit_code = 70
    meaning = "a file is not a key or signature that can be read"


class BadSignatureError(PatchkitError):
    exit_code = 71
    meaning = "a signature is of other data, or its key was not valid when it was made"


class UnknownKeyError(PatchkitError):
    exit_code = 72
    meaning = (
        "a key is not known: no other evidence for the source than its signature, or no given key signed an artifact"
    )


class UnsignedError(PatchkitError):
    exit_code = 73
    meaning = "there is no evidence for the source: neither a pin nor a signature"


class WeakSignatureError(PatchkitError):
    exit_code = 74
    meaning = "the only evidence for the source is a signature with a weak hash (SHA-1, MD5)"


class TarballDiffersError(PatchkitError):
    exit_code = 75
    meaning = "a tarball has files that are neither in its git tag nor generated"


class WrongReleaseError(PatchkitError):
    exit_code = 76
    meaning = "a source, or a tag's own text, states another release"


class NoBenefitError(PatchkitError):
    exit_code = 77
    meaning = "the lab has shown no benefit of the patch, and upstream has not fixed the fault"


class HarmError(PatchkitError):
    exit_code = 78
    meaning = "in the lab the patched build did worse than stock"


class NewReleaseError(PatchkitError):
    exit_code = 79
    meaning = "upstream has releases that the pins do not have"


class NotCheckedError(PatchkitError):
    exit_code = 80
    meaning = "evidence that --require names, or that an entry of `verify --new --to` needs, could not be checked"


class VulnerableError(PatchkitError):
    exit_code = 81
    meaning = "--fail-on-vulnerable was given, and the source has known vulnerabilities, or it cannot be told"


class DiskFullError(PatchkitError):
    exit_code = 50
    meaning = "the disk is full, or standard output takes no more, or is closed"


class StorageError(PatchkitError):
    exit_code = 51
    meaning = "a file or folder can't be written or read"


class ManifestError(PatchkitError):
    exit_code = 52
    meaning = "a manifest is truncated, of another patchkit, or not one"


class ArtifactError(PatchkitError):
    exit_code = 53
    meaning = "files of an artifact are missing, or not what its manifest, SBOM or provenance states"


class NotReadyError(PatchkitError):
    exit_code = 90
    meaning = "patchkit doctor: something that is needed here is missing or broken"


class MendError(PatchkitError):
    exit_code = 91
    meaning = "patchkit doctor --fix: a repair failed, or needs root"


class ToolError(PatchkitError):
    exit_code = 92
    meaning = "a program that patchkit runs did not answer in time, or failed where it should not"


class OutOfMemoryError(PatchkitError):
    exit_code = 93
    meaning = "there is not enough memory"


class ClusterError(PatchkitError):
    exit_code = 94
    meaning = "the cluster that --on names can't be reached, or none of its workers can do the work"


class NotRepeatedError(PatchkitError):
    exit_code = 95
    meaning = "work that a cluster did twice gave two results"


class FaultFoundError(PatchkitError):
    exit_code = 100
    meaning = "the logs show that something is wrong, or that something failed without showing why"


class UnreadableLogError(PatchkitError):
    exit_code = 101
    meaning = "a log can't be opened or read, or is not text"


class NotALogError(PatchkitError):
    exit_code = 102
    meaning = "no line of OpenVPN's was recognised in the logs"


class InterruptedByUserError(PatchkitError):
    exit_code = 130
    meaning = "interrupted; nothing unfinished was left"


def all_errors() -> list[type[PatchkitError]]:
    """List every error class, by exit code; the first is the base, for faults of patchkit itself."""
    return sorted([PatchkitError, *PatchkitError.__subclasses__()], key=lambda error: error.exit_code)


def fault(error: Exception) -> PatchkitError:
    """Turn ``error``, which no code has foreseen, into an error: of this machine, else of patchkit itself."""
    import subprocess

    match error:
        case MemoryError():
            return OutOfMemoryError(
                "there is not enough memory",
                why="the system gave no more; nothing was left under a final name",
                advice="end other programs, use a smaller --jobs, or raise the limit (ulimit -v, a container's)",
            )
        case subprocess.TimeoutExpired():
            name = _program(error.cmd)
            return ToolError(
                f"{name} did not answer within {error.timeout:g} s",
                why="it was ended",
                advice=f"run {name} by hand, to see what it waits for",
            )
        case subprocess.CalledProcessError():
            output = error.stderr or error.output or b""
            return ToolError(
                f"{_program(error.cmd)} failed with exit code {error.returncode}",
                why=(output if isinstance(output, str) else output.decode("utf-8", "replace")).strip(),
                advice=f"run {_program(error.cmd)} by hand, to see why",
            )
        case _:
            return _own_fault(error)


def as_document(error: PatchkitError) -> list[str]:
    """Return ``error`` as plain data: the name of its class, what, why and advice."""
    return [error.name, error.what, error.why, error.advice]


def from_document(document: Sequence[str]) -> PatchkitError:
    """Return the error that :func:`as_document` has written. Raises ValueError for anything else."""
    name, what, why, advice = document
    (made,) = (known for known in all_errors() if known.__name__ == name)
    return made(what, why=why, advice=advice)


def _program(command: object) -> str:
    """Return the name of the program that ``command``, as subprocess has it, runs."""
    first = command if isinstance(command, (str, bytes)) else next(iter(command), "")  # type: ignore[call-overload]
    return str(first if isinstance(first, str) else first.decode("utf-8", "replace")).rpartition("/")[2]


def _own_fault(error: Exception) -> PatchkitError:
    return PatchkitError(
        f"{type(error).__name__}: {error}",
        why="this is a fault in patchkit, not in your command",
        advice="run the same command with PATCHKIT_DEBUG=1, which shows where; please report it",
    )
