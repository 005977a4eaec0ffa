"""What any workspace must do, whichever engine gave it."""

from __future__ import annotations

import io
import tarfile

from patchkit.building.engine.protocol import OWNER, Workspace, files, one_file


def archive(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uid, info.gid = len(data), 1_600_000_000, OWNER, OWNER
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def run(workspace: Workspace, *command: str, **env: str) -> tuple[int, list[str]]:
    output: list[str] = []
    code = workspace.run(command, cwd=".", env=env, line=output.append)
    return code, output


def check_workspace(workspace: Workspace) -> None:
    """Files go in and out unchanged, commands see them, exit codes and both streams come back by lines."""
    workspace.put(archive(a=b"one\n", b=b"\xff\0two"))
    assert one_file(workspace.get("b")) == (b"\xff\0two", 1_600_000_000)
    assert run(workspace, "cat", "a") == (0, ["one"])
    assert run(workspace, "sh", "-c", "echo out; echo err >&2; printf tail; exit 7") == (7, ["out", "err", "tail"])
    workspace.put(files({"deep/er/c": b""}, folder="given"))
    assert run(workspace, "touch", "given/beside", "given/deep/beside", "given/deep/er/beside") == (0, [])
    assert run(workspace, "sh", "-c", "echo $GIVEN", GIVEN="it is") == (0, ["it is"])
    assert run(workspace, "sh", "-c", "echo more > a && pwd")[0] == 0
    assert one_file(workspace.get("a"))[0] == b"more\n"
    many = run(workspace, "sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
    assert many == (0, [f"line {number}" for number in range(20000)])
