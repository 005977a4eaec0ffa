"""The model of ``manifest.json``. docs/manifest.md is made from the field descriptions here.

The manifest holds no date and no host name: the same inputs give the same bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import FailFast, Field, model_validator

from patchkit.json_schema import Part, tables

# An edited manifest can't make patchkit look outside of its folder.
_FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+~-]*$"


class Source(Part):
    """Where the source came from."""

    kind: Literal["tarball", "git", "directory"] = Field(description="what the source was read from")
    name: str = Field(description="the tarball's file name, the git ref, or the folder given by hand")
    verified: bool = Field(
        description="true when every byte is pinned: by a tarball's sha256, or by a tag's commit and tree"
    )
    sha256: str | None = Field(default=None, description="of the tarball, in hex")
    size: int | None = Field(default=None, description="of the tarball, in bytes")
    commit: str | None = Field(default=None, description="git commit, 40 hex digits")
    tree: str | None = Field(default=None, description="git tree, 40 hex digits")
    epoch: int = Field(description="SOURCE_DATE_EPOCH of the build: seconds since 1970")
    contents: str | None = Field(
        default=None, description="of a folder given by hand: sha256 of all its files, packed as a tar"
    )


class PatchedFile(Part):
    """A file that the variant changed."""

    path: str = Field(description="below the top of the source tree")
    before: str | None = Field(description="sha256 before, in hex; null for a file that a patch of a user's own brings")
    after: str = Field(description="sha256 after, in hex")


class OwnVariant(Part):
    """A part of the change that is not of patchkit's catalogue, but the user's own."""

    name: str = Field(description="in the variant's name and in file names")
    kind: Literal["patch", "folder"] = Field(description="diffs, or a folder with patch.toml and templates")
    given: str = Field(description="name of the file or folder")
    sha256: str = Field(description="of the file, or of all files of the folder or series, in hex")
    title: str = Field(default="", description="as the mail, the header or patch.toml states it; or how many patches")
    authors: list[str] = Field(default=[], description="all who are named; unknown where nobody is")


class Patch(Part):
    """The change, and what it did."""

    variant: str = Field(description="name of the variant; stock is the unchanged source")
    status: str = Field(description="of the variant, in the catalogue")
    guard: bool = Field(description="true when the change stands between #ifdef RETRY and #endif, built with -DRETRY")
    diff_sha256: str | None = Field(description="of the rendered diff; null for stock")
    files: list[PatchedFile] = Field(description="every file that the diff changes")
    own: list[OwnVariant] = Field(default=[], description="the parts that the user brought, in the variant's order")


class Crypto(Part):
    """The crypto library."""

    choice: Literal["system", "pinned"] = Field(description="the system's own, or one compiled from a pinned release")
    library: str = Field(description="system, or the branch: openssl-1.0.2")
    version: str = Field(description="the library's own version; of the system's, the package's version, or unknown")
    linked: Literal["static", "shared"] = Field(description="whether the program holds it or loads it")
    verified: bool | None = Field(
        description="of a pinned one: whether its source is pinned; false for one given with --openssl-source"
    )
    source: Source | None = Field(default=None, description="of a pinned one, where its source came from")
    end_of_life: str | None = Field(
        default=None, description="of a pinned one: YYYY-MM-DD, after which upstream publishes no more fixes for it"
    )


class StaticLibrary(Part):
    """A library that the programs hold, besides the crypto library."""

    name: str = Field(description="lzo, lz4")
    version: str = Field(description="upstream's")
    source: Source = Field(description="where its source came from")


class AuthenticodeSignature(Part):
    """An Authenticode signature of every program in the archive."""

    subject: str = Field(description="of the certificate")
    certificate: str = Field(description="sha256 of the certificate, in hex")


class File(Part):
    """A file of the artifact, or of the toolchain."""

    name: str = Field(pattern=_FILE_NAME, description="beside the manifest")
    size: int = Field(description="in bytes")
    sha256: str = Field(description="in hex")


class Build(Part):
    """How it was compiled."""

    target: str = Field(pattern=_FILE_NAME, description="what the binaries run on")
    triplet: str = Field(description="the target as compilers call it")
    engine: Literal["docker", "host"] = Field(description="where the commands ran")
    compiler: str = Field(description="first line of cc --version")
    packages: dict[str, str] = Field(description="Debian packages of the toolchain and their versions")
    installed: dict[str, str] = Field(
        default={},
        description="those packages and all that they depend on, by name:architecture: the version, and the sha256 of "
        "dpkg's list of the package's files (`/var/lib/dpkg/info/*.md5sums`); {} where the system does not use dpkg, "
        "and in manifests of older patchkits",
    )
    image: str | None = Field(default=None, description="id of the toolchain image, for the docker engine")
    base_image: str | None = Field(default=None, description="id of the base image, for the docker engine")
    base_digest: str | None = Field(
        default=None, description="by which a registry knows the base image; null where it came from none"
    )
    wheel: File | None = Field(
        default=None, description="the Python wheel that has the compiler; null where Debian's packages have it"
    )
    recipe: Literal["autotools", "cmake"] = Field(default="autotools", description="the build system")
    configure: list[str] = Field(
        description="options given to ./configure or cmake besides the prefix, the host and the flags"
    )
    cppflags: list[str] = Field(description="preprocessor flags")
    cflags: list[str] = Field(description="compiler flags")
    ldflags: list[str] = Field(description="linker flags")
    crypto: Crypto | None = Field(default=None, description="the crypto library; null in manifests of older patchkits")
    libraries: list[StaticLibrary] = Field(
        default=[], description="what else the programs hold; for Linux they load the system's, unless they are static"
    )
    portability: list[str] = Field(
        default=[], description="why there are flags that today's compilers need for this release"
    )
    features: list[str] = Field(default=[], description="what was chosen with --with")
    added_cflags: list[str] = Field(default=[], description="what was added with --cflag; cflags has it too")
    zlib: str | None = Field(
        default=None,
        description="version of the zlib that packed the archive: another one may compress the same files otherwise",
    )
    left_out: list[str] = Field(
        default=[], description="what can't be built from this source or for this target, with the reason"
    )
    needed: list[str] = Field(default=[], description="shared libraries that the program loads (DT_NEEDED, or DLLs)")
    glibc: str | None = Field(
        default=None, description="the oldest glibc that the program starts with; null for Windows and static programs"
    )


class Check(Part):
    """One part of the smoke test."""

    name: str = Field(description="linkage, version, test-crypto, refusal (of a bad certificate) or handshake")
    detail: str = Field(description="what the binary printed, or which programs made the handshake")
    passed: bool = Field(
        default=True, description="only a handshake of a known-bad variant may fail: nothing else becomes an artifact"
    )


class Vulnerability(Part):
    """A known vulnerability of the release or of a library, as patchkit knew it when the artifact was built."""

    id: str = Field(description="CVE identifier")
    component: str = Field(default="openvpn", description="openvpn, or the library that was compiled in: openssl-3.5")
    title: str = Field(description="in a few words")
    severity: str = Field(description="of a public record: low, medium, high, critical or not rated")
    reach: Literal["remote", "local", "not rated"] = Field(
        description="who can use it: somebody on the network, or on the computer; of libraries not rated"
    )
    state: Literal["affected", "fixed here", "cannot be told"] = Field(
        description="fixed here: the release has it, and the source or the patch carries the fix"
    )


class Artifact(Part):
    """One build: a release, a variant, a target."""

    name: str = Field(pattern=_FILE_NAME, description="release+variant-target, the archive's name without its ending")
    version: str = Field(description="what openvpn --version prints")
    release: str = Field(description="upstream's release, or git.COMMIT for another ref")
    series: str = Field(description="2.6, 2.7: which toolchain was taken")
    patchkit: str = Field(description="version of patchkit")
    patchkit_sha256: str | None = Field(
        default=None,
        description="of all files of patchkit that can decide what a build becomes; null in manifests of older "
        "patchkits, which `patchkit rebuild` does not take",
    )
    inputs: str = Field(description="hash of everything that went in; the same inputs are not built again")
    source: Source = Field(description="where the source came from")
    patch: Patch = Field(description="what was changed in it")
    build: Build = Field(description="how it was compiled")
    checks: list[Check] = Field(
        description="the smoke test; for Windows under wine, for a foreign processor under QEMU"
    )
    vulnerabilities: list[Vulnerability] = Field(
        default=[],
        description="known vulnerabilities of the release and of libraries compiled in that concern this target; "
        "[] in manifests of older patchkits too",
    )
    signature: AuthenticodeSignature | None = Field(
        default=None, description="of Windows programs; null when none was asked for"
    )
    files: Annotated[list[File], FailFast()] = Field(
        min_length=1, description="the archive and, except for stock, the diff"
    )
    documents: Annotated[list[File], FailFast()] = Field(
        default=[],
        description="what is said of them: the SBOM (CycloneDX) and the provenance (in-toto, SLSA), and with "
        "--with-source the corresponding source",
    )

    packages: Annotated[list[File], FailFast()] = Field(
        default=[], description="what was asked for with --package: a .deb, an .rpm, an OCI image"
    )

    @property
    def all_files(self) -> list[File]:
        """The files, the packages and the documents."""
        return [*self.files, *self.packages, *self.documents]


class JoinedImage(File):
    """An image for several processors."""

    artifacts: list[str] = Field(description="names of the artifacts whose images it holds, unaltered")


class Manifest(Part):
    """All artifacts in one folder."""

    schema_version: Literal[1] = Field(default=1, description="goes up when a field changes its meaning or goes away")
    artifacts: Annotated[list[Artifact], FailFast()] = Field(description="by name")
    images: Annotated[list[JoinedImage], FailFast()] = Field(
        default=[],
        description="the OCI images of one release and variant for several processors, joined in one index",
    )

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        names = [artifact.name for artifact in self.artifacts]
        archives = [artifact.files[0].name for artifact in self.artifacts]
        for listed in (names, archives, [image.name for image in self.images]):
            if len(set(listed)) < len(listed):
                raise ValueError(f"it names {next(name for name in listed if listed.count(name) > 1)} twice")
        return self

    @property
    def all_files(self) -> list[File]:
        """The files of all artifacts, and the joined images."""
        return [*(file for artifact in self.artifacts for file in artifact.all_files), *self.images]


def markdown() -> str:
    """Return the text of docs/manifest.md."""
    return "\n".join(
        [
            "# manifest.json",
            "",
            "This page documents each field of `manifest.json`, which `patchkit build` writes beside the artifacts.",
            "",
            "Generated from `patchkit/packaging/manifest.py` by `python -m patchkit.packaging.manifest`: do not edit.",
            "",
            *tables(
                (
                    Manifest,
                    Artifact,
                    Source,
                    Patch,
                    OwnVariant,
                    PatchedFile,
                    Build,
                    Crypto,
                    StaticLibrary,
                    Check,
                    Vulnerability,
                    AuthenticodeSignature,
                    File,
                    JoinedImage,
                ),
            ),
        ]
    )


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 - this is the generator's output
