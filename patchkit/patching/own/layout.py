"""Lay out the folder of a new variant: one that is valid as it stands, and says what each part is for."""

from __future__ import annotations

import datetime
import re
import shutil
import tempfile
from pathlib import Path

from patchkit.errors import BadPatchError, StorageError
from patchkit.patching.own import load
from patchkit.patching.variants import DESCRIPTION, STOCK, names
from patchkit.printable import in_one_line
from patchkit.storage import expanded, writing

SCHEMA = Path(__file__).parent.with_name("patch.schema.json")
"""The JSON schema of patch.toml, made by ``ci/json-schemas``."""
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TOML = """\
#:schema ./patch.schema.json
# A variant of your own: docs/variants.md explains every field. `patchkit variants ./{name}` reads this folder, and
# `patchkit matrix --variant ./{name}` tries it on every release of upstream's.
title = "What it does, in 80 characters"
description = \"\"\"
What is wrong, and what this changes.
\"\"\"
author = "Your Name <you@example.org>"
origin = "other"
status = "experimental" # recommended, faithful, experimental or known-bad
last_update = {today}
guard = true # it can stand between #ifdef RETRY and #endif
files = ["reliable.c"] # each has a template: reliable.c.diff.j2
functions = ["reliable_get_buf_output_sequenced"] # what changes; an edit elsewhere is refused
markers = [", says {name}"] # what shows, in these functions, that a source has it already
order = 50
conflicts = []

# Of which releases it is known whether they need it. Without a range, it is tried all the same.
[[upstream]]
releases = ">=2.1.dev0"
status = "needed"
note = "Why upstream's own code needs it."
"""
_TEMPLATE = """\
{{#- Names places in the parsed source, and yields hunks: @@ LINE @@, and lines that begin with +, - or a blank.
    It quotes none of upstream's code. An anchor that is missing, or there twice, is an error. -#}}
{{%- set sequenced = source.function("reliable_get_buf_output_sequenced") -%}}
{{%- set stalled = sequenced.statement_logging("ACK output sequence broken") -%}}
@@ {{{{ stalled.line }}}} @@
{{{{ stalled | removed }}}}
{{{{ stalled.saying_also(", says {name}") | added }}}}
"""


def lay_out(text: str) -> dict[str, Path]:
    """Write the folder ``text`` of a new variant, which is called after it; return its files by name.

    Its example adds a few words to a log line, and applies to every release. Raises BadPatchError for a name that a
    variant cannot have, and StorageError or DiskFullError where the folder is there or can't be written.
    """
    folder = expanded(text)
    name = folder.name
    if not _NAME.fullmatch(name) or name.endswith("-guard") or name in {*names(), STOCK}:
        raise BadPatchError(
            f"{in_one_line(name)!r} is not a name for a variant of your own",
            why="small letters, digits and single dashes, without -guard at the end, and not one of the catalogue's",
            advice="patchkit variants new my-change",
        )
    if folder.exists():
        raise StorageError(f"{folder} exists already", why="nothing was changed in it", advice="name a new folder")
    above = folder.absolute().parent
    if not above.is_dir():
        raise StorageError(
            f"there is no folder {in_one_line(str(above))}",
            why="the new folder is made in it, and none above it",
            advice=f"mkdir -p {in_one_line(str(above))}",
        )
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    files = {
        DESCRIPTION: _TOML.format(name=name, today=today),
        "reliable.c.diff.j2": _TEMPLATE.format(name=name),
        SCHEMA.name: SCHEMA.read_text("utf-8"),
    }
    with writing(folder):
        made = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=f".{name}."))
        try:
            for file, content in files.items():
                (made / file).write_text(content, "utf-8")
            made.chmod(0o755)
            made.rename(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    load.folder(str(folder))  # as any command will
    return {file: folder / file for file in files}
