"""Answers of earlier runs: what a variant makes of files that were met before, by everything that decides it.

A key is a hash of patchkit's own code, of the variant's description, templates and pins, and of the git blob ids of
the files; so an answer is never taken by another version of patchkit, nor after a template has changed. The folder is
part of the cache, and as trustworthy: ``ci/pin-patches`` renders anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from patchkit import resources
from patchkit.cache import Cache, keep_newest
from patchkit.errors import as_document, from_document
from patchkit.jobs.matrix.workers import Key
from patchkit.patching import pins
from patchkit.patching.attempt import Attempt
from patchkit.patching.combination import combination
from patchkit.storage import replace_all, writing

_KEPT = 4  # versions of patchkit whose answers are kept


@dataclass
class Answers:
    """The answers of one version of patchkit, and where files stand in trees that were met before."""

    path: Path | None
    """The file; None where nothing is kept, because pins are ignored."""
    attempts: dict[str, Any] = field(default_factory=dict)
    """By the hash of a key: the attempts as JSON."""
    places: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """By git tree id and file name: path and git blob id."""
    _is_new: bool = False

    @classmethod
    def of(cls, kept: Cache) -> Answers:
        """Read the answers in the cache ``kept``; a file that cannot be read has none. Raises StorageError."""
        if pins.are_ignored():
            return cls(None)
        path = kept.answers / f"{resources.fingerprint()[:32]}.json"
        with suppress(OSError, ValueError):
            document = json.loads(path.read_bytes())
            if isinstance(document, dict) and document.keys() == {"attempts", "places"}:
                return cls(path, document["attempts"], document["places"])
        return cls(path)

    def find(self, key: Key) -> list[Attempt] | None:
        """Return the attempts of ``key``, in all forms of its variant; None where they are not known."""
        try:
            return [_attempt(document) for document in self.attempts[_hashed(key)]]
        except (KeyError, TypeError, ValueError):
            return None

    def place(self, tree: str | None, file: str) -> tuple[str, str] | None:
        """Return path and git blob id of ``file`` in the git tree ``tree``; None where they are not known."""
        match self.places.get(tree or "", {}).get(file):
            case [str(path), str(blob)]:
                return path, blob
        return None

    def learn_place(self, tree: str | None, file: str, path: str, blob: str) -> None:
        """Keep path and git blob id of ``file`` in the git tree ``tree``."""
        if tree is not None:
            self.places.setdefault(tree, {})[file] = [path, blob]
            self._is_new = True

    def learn(self, attempts: Mapping[Key, Sequence[Attempt]]) -> None:
        """Keep ``attempts``, and write everything where something is new. Raises StorageError or DiskFullError."""
        self.attempts |= {_hashed(key): [_document(made) for made in forms] for key, forms in attempts.items()}
        if self.path is None or not (attempts or self._is_new):
            return
        text = json.dumps({"attempts": self.attempts, "places": self.places}, sort_keys=True)
        with writing(self.path):
            replace_all({self.path: text.encode()})
        keep_newest(self.path.parent, _KEPT, used=self.path)


def _hashed(key: Key) -> str:
    name, *files = key
    return hashlib.sha256(json.dumps([_variants(name), files]).encode()).hexdigest()


@cache
def _variants(name: str) -> str:
    parts = combination(name).parts
    described = [
        (part.model_dump_json(), [part.template(file) for file in part.files], dict(pins.load(part.folder)))
        if not part.is_own
        else (part.model_dump_json(), dict(pins.load(part.folder)) if part.diffs is None else {})
        for part in parts
    ]
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=dict).encode()).hexdigest()


def _document(made: Attempt) -> dict[str, Any]:
    told = as_document(made.error) if made.error else None
    return {"files": dict(made.files), "pinned": made.pinned, "error": told}


def _attempt(document: Mapping[str, Any]) -> Attempt:
    error = from_document(document["error"]) if document["error"] is not None else None
    return Attempt(
        {str(path): str(digest) for path, digest in document["files"].items()}, bool(document["pinned"]), error
    )
