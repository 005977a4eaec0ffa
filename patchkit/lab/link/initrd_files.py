"""Files in memory that hold an initramfs: two boots of one cell differ by its last archive, some KB of 25 MB."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from patchkit.errors import MachineError


class InitrdFiles:
    """Files without a name, each kept for the next boot that begins with the same archives. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_File] = []

    @contextmanager
    def holding(self, archives: Sequence[bytes]) -> Iterator[int]:
        """Give, within the context, the descriptor of a file that holds ``archives``, one behind the other.

        Raises MachineError when there is no memory for it.
        """
        with self._lock:
            same = [file for file in self._idle if file.head == tuple(archives[:-1])]
            file = (same or self._idle or [_File()])[0]
            if file in self._idle:
                self._idle.remove(file)
        try:
            file.fill(archives)
        except OSError as error:
            raise MachineError("no memory for the initramfs of the lab's guest", why=str(error)) from error
        yield file.descriptor
        # Not after an error: a guest that was not seen to end may read it still.
        with self._lock:
            self._idle.append(file)


class _File:
    def __init__(self) -> None:
        self.descriptor = os.memfd_create("initrd")
        self.head: tuple[bytes, ...] = ()
        """The archives that it begins with; all but the last one."""
        weakref.finalize(self, os.close, self.descriptor)

    def fill(self, archives: Sequence[bytes]) -> None:
        """Write ``archives``; what is there already is not written again."""
        head = tuple(archives[:-1])
        at = sum(map(len, head))
        if self.head != head:
            self.head = ()
            at = 0
        for archive in archives[-1:] if at else archives:
            view = memoryview(archive)
            while view:
                written = os.pwrite(self.descriptor, view, at)
                at, view = at + written, view[written:]
        os.ftruncate(self.descriptor, at)
        self.head = head
