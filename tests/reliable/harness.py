"""Compiles a release's reliable.c, stock or patched, with the driver beside this file, and runs it.

Of upstream's tree reliable.c, buffer.c, otime.c and interval.c are compiled, unchanged but for the variant, by the
host's gcc with AddressSanitizer and UBSan. config.h is ours: of what ``configure`` finds, these files ask for headers
that every glibc has. What ssl.c and forward.c do with reliable.c is in endpoint.c, in the order of upstream's calls; so
a variant's changes to these files are not run here, but for what :func:`dialect` reads from them.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from patchkit.patching.combination import combination
from patchkit.patching.render import render
from patchkit.releases.version import Version
from patchkit.source.tree.tree import SourceTree
from patchkit.source.tree.write import place

HERE = Path(__file__).resolve().parent
OURS = ["driver.c", "endpoint.c", "books.c", "peer.c", "link.c", "around.c"]
THEIRS = ["reliable.c", "buffer.c", "otime.c", "interval.c"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
WRAPPED = "-Wl,--wrap=time,--wrap=gettimeofday,--wrap=clock_gettime"

DRIVEN = {"reliable_send_timeout_tv", "reliable_repeated", "reliable_asked", "reliable_follow"}
"""What variants add to reliable.h for ssl.c or forward.c, and endpoint.c calls in their place."""

Change = Callable[[str], str]
"""What a test does to reliable.c before it is compiled."""


class ViolationError(AssertionError):
    """A run broke a rule: what the driver or a sanitizer said, its last line the one that repeats it."""


@dataclass(frozen=True)
class Run:
    """One run's figures; the driver's names."""

    finished: int
    storm: int
    """Whether it was given up for the packets that it sent."""
    ms: int
    needed: int
    """How many control packets there were to bring over."""
    data: int
    """How many were sent, by both sides."""
    acks: int
    """Packets sent that are nothing but ACKs."""
    gap: int
    """The longest time between two copies of one packet, ms."""
    passes: int
    """Of tls_process."""
    stale: int
    """Packets whose bytes had changed between tls_process and the socket."""
    dropped: int
    """Packets that found the link's queue full."""
    peer: int
    """Packets that a misbehaving peer sent."""
    lines: int
    """Log lines formatted so far."""


def is_upstreams_overflow(error: ViolationError, version: str, variant: str) -> bool:
    """Whether it is the fault that reliable_send has from 2.6.0 to 2.7.6: each resend doubles the packet's timeout, the
    early ones too, which no time bounds; the 31st overflows. No excuse for a variant that changes the function."""
    return (
        Version.parse("2.6.0") <= Version.parse(version) < Version.parse("2.7.7")
        and "reliable_send" not in combination(variant).functions
        and "signed integer overflow: 1073741824 * 2" in str(error)
    )


class Driver:
    """A compiled driver; one process serves many runs. After a violation the next run starts another."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self._process: subprocess.Popen[str] | None = None

    def run(self, line: str) -> list[Run]:
        """The runs that ``line`` describes (the keys are in driver.c). Raises ViolationError."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()
        runs: list[Run] = []
        for answer in process.stdout:
            if answer == "done\n":
                return runs
            if not answer.endswith(" end\n"):
                break  # cut off by the violation
            values = dict(word.split("=") for word in answer.split()[:-1])
            runs.append(Run(**{field.name: int(values[field.name]) for field in fields(Run)}))
        self._process = None
        raise ViolationError(self._ended(process) + f"\n(in: {line})")

    def close(self) -> None:
        """Raises ViolationError where the sanitizers find something at the end, such as memory that leaked."""
        process, self._process = self._process, None
        if process is not None and (message := self._ended(process)):
            raise ViolationError(message)

    def _start(self) -> subprocess.Popen[str]:
        self._said = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [self.program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"},
        )
        return self._process

    def _ended(self, process: subprocess.Popen[str]) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        code = process.wait(60)
        process.stdout.close()
        with self._said as output:
            output.seek(0)
            text = output.read().strip()
        return text or ("" if code == 0 else f"the driver ended with {code}")


def dialect(texts: Mapping[str, str], version: Version, window: Mapping[str, str]) -> list[str]:
    """The compiler's options for this reliable.h and its callers; ``window`` has upstream's own constants."""
    header, source, ssl = texts["reliable.h"], texts["reliable.c"], texts["ssl.c"]

    def declared(name: str) -> str:
        prototype = re.search(rf"\b{name}\s*\(([^;{{]*)\)\s*;", header)
        return prototype[1] if prototype else ""

    traits = {
        "ACK_MRU": declared("reliable_ack_write").count("struct reliable_ack") > 1,
        "ENTRY_SEQUENCED": bool(declared("reliable_get_entry_sequenced")),
        "DELETED_INC_PID": "bool" in declared("reliable_mark_deleted"),
        "NUM_AVAILABLE": bool(declared("reliable_get_num_output_sequenced_available")),
        "RESEND_LOWEST": "bool" in declared("reliable_get_buf_output_sequenced"),
        "FREE_FREES": bool(re.search(r"\bfree\s*\(rel\)", source)),
        "SEND_TIMEOUT_TV": bool(declared("reliable_send_timeout_tv")),
        "REPEATED": bool(declared("reliable_repeated")),
        "ANSWERS": bool(declared("reliable_asked")),
        "ANSWERS_ECHO": "->rec_ack->answer" in ssl,
        "HOLDS_BACK": holds_back(ssl),
        "MODERN": version >= Version.parse("2.6.0"),
    }
    options = [f"-D{name}" for name, holds in traits.items() if holds]
    options += [f"-D{name}={value}" for name, value in window.items()]
    alone = re.search(r"P_ACK_V1,\s*(\w+)", ssl)
    assert alone, "where ssl.c sends an ACK alone is not found"
    options.append(f"-DACK_MAX_ALONE={alone[1]}")
    return options


def holds_back(ssl: str) -> bool:
    """Whether this ssl.c reads nothing into a send buffer while a packet waits in to_link: f264f627, or a variant."""
    code = re.sub(r"/\*.*?\*/", "", ssl, flags=re.DOTALL)
    own = re.search(r"reliable_get_buf_output_sequenced\s*\([^;]*;\s*if \(to_link->len\)\s*{\s*buf = NULL;", code)
    branch = re.search(r"if \(!to_link->len && !check_outgoing_ciphertext", code)
    upstreams = re.search(r"^check_outgoing_ciphertext\([^{]*{\s*if \(to_link->len\)", code, re.MULTILINE)
    return bool(own or branch or upstreams)


def functions(header: str) -> set[str]:
    """The functions that a reliable.h declares."""
    return set(re.findall(r"\b(\w+)\s*\([^;{]*\)\s*;", header))


def constants(stock: Mapping[str, str]) -> dict[str, str]:
    """The window and the timers of tls_multi_process, as upstream has them: no variant may move them unseen."""
    text = "\n".join(stock.values()).replace("\\\n", " ")
    names = {
        "N_SEND": "TLS_RELIABLE_N_SEND_BUFFERS",
        "N_REC": "TLS_RELIABLE_N_REC_BUFFERS",
        "HORIZON": "TLS_MULTI_HORIZON",
        "REFRESH": "TLS_MULTI_REFRESH",
    }
    matches = {name: re.search(rf"#\s*define\s+{theirs}\s+(\d+)", text) for name, theirs in names.items()}
    assert all(matches.values()), f"not all of {names} are defined"
    return {name: match[1] for name, match in matches.items() if match}


def compile_driver(
    tree: SourceTree, version: str, variant: str, folder: Path, change: Change = str, *, guard: bool = False
) -> Driver:
    """Render, place and compile; ``folder`` must not exist. ``change`` is done to reliable.c last."""
    series = Version.parse(version)
    patched = render(combination(variant), tree, version, guard=guard).files
    place(tree, folder)
    for path, data in patched.items():
        (folder / path).write_bytes(data)
    paths = {file: tree.find(file) for file in ["reliable.c", "reliable.h", "ssl.c", "ssl.h", *THEIRS]}
    packets = [path for path in tree.entries if path.endswith("/ssl_pkt.h")]
    stock = {path: tree.read(path).decode("latin-1") for path in [paths["ssl.h"], *packets]}
    source = folder / paths["reliable.c"]
    source.write_text(change(source.read_text("latin-1")), "latin-1")
    ours = functions((folder / paths["reliable.h"]).read_text("latin-1"))
    unknown = ours - functions(tree.read(paths["reliable.h"]).decode("latin-1")) - DRIVEN
    assert not unknown, f"{variant} declares what endpoint.c does not call: {unknown}"
    texts = {file: (folder / path).read_text("latin-1") for file, path in paths.items()}
    where = source.parent
    # One file at a time and by names seen from there: what does not differ between two drivers is compiled once.
    flags = [
        *("-std=gnu11", "-w", "-O1", "-g", *SANITIZERS, f"-ffile-prefix-map={where}=.", "-DHAVE_CONFIG_H"),
        *(["-DRETRY"] if guard else []),
        *dialect(texts, series, constants(stock)),
        *(f"-I{path}" for path in (HERE, ".", *(_seen(where, folder / name) for name in ("include", "src/compat")))),
    ]
    sources = [*(str(HERE / file) for file in OURS), *(_seen(where, folder / paths[file]) for file in THEIRS)]
    for file in sources:
        _gcc(where, *flags, "-c", file)
    _gcc(where, *SANITIZERS, *(f"{Path(file).stem}.o" for file in sources), "-o", str(folder / "driver"), WRAPPED)
    return Driver(folder / "driver")


def _seen(where: Path, path: Path) -> str:
    """Return the name of ``path`` seen from the folder ``where``."""
    return os.path.relpath(path, where)


def _gcc(where: Path, *words: str) -> None:
    done = subprocess.run(["gcc", *words], cwd=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
