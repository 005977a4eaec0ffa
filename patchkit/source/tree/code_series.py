"""Which of upstream's series a tree's code is like, for a fork whose own number does not say."""

from __future__ import annotations

from patchkit.source.tree.tree import SYMLINK, SourceTree


def series_of_code(tree: SourceTree) -> str:
    """Return the series whose code of the control channel ``tree`` has, such as ``2.5``.

    It goes by what upstream changed there: ACKs that are counted and repeated (2.6), ciphertext that is read in a
    function of its own (2.7), the event loop's check of TLS (2.5), the layout (2.4), the folder (2.3).
    """
    reliable = _text(tree, "reliable.h") + _text(tree, "reliable.c")
    if b"n_acks" in reliable or b"copy_acks_to_" in reliable:
        return "2.7" if b"check_outgoing_ciphertext" in _text(tree, "ssl.c") else "2.6"
    if "src/openvpn/reliable.c" not in tree:
        return "2.2"
    if b"check_tls_dowork" not in _text(tree, "forward.c"):
        return "2.5"
    return "2.3" if b"reliable_get_buf_output_sequenced (" in reliable else "2.4"


def _text(tree: SourceTree, name: str) -> bytes:
    for path in (f"src/openvpn/{name}", name):
        if path in tree.entries and tree.entries[path].mode != SYMLINK:
            return tree.read(path)
    return b""
