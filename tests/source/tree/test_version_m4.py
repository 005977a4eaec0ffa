"""Which release a source tree names itself."""

from __future__ import annotations

import time

import pytest

from patchkit.errors import BadSourceError
from patchkit.releases.version import Version
from patchkit.source.tree.tree import Entry, Origin, SourceTree
from patchkit.source.tree.version_m4 import own_series, own_text, own_version


def tree(text: str | None) -> SourceTree:
    entries = {} if text is None else {"version.m4": Entry.of(text.encode())}
    return SourceTree(Origin(kind="git", name="x", verified=False, epoch=0), entries)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("define(PRODUCT_VERSION,[2.1.4])", "2.1.4"),
        ("define([PRODUCT_VERSION], [2.3_alpha1])\ndefine([PRODUCT_VERSION_RESOURCE], [2,3,0,0])", "2.3_alpha1"),
        ("define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [7])\n"
         "define([PRODUCT_VERSION_PATCH], [_rc2])", "2.7_rc2"),
        ("define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [8])\n"
         "define([PRODUCT_VERSION_PATCH], [_git])", None),
        ("define([PRODUCT_VERSION], [../../x])", None),
        ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_what_a_source_says_of_itself(text: str | None, version: str | None) -> None:
    assert own_version(tree(text)) == (Version.parse(version) if version else None)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("project(openvpn LANGUAGES C\n        VERSION 2.7.1)\n", "2.7.1"),
        ('cmake_minimum_required(VERSION 3.14)\nset(PRODUCT_VERSION "2.6_git")\n', "2.6_git"),
        ("cmake_minimum_required(VERSION 3.14)\nproject(openvpn)\n", ""),
    ],
)
def test_cmakes_file_counts_where_there_is_no_other(text: str, version: str) -> None:
    without = SourceTree(tree(None).origin, {"CMakeLists.txt": Entry.of(text.encode())})
    assert own_text(without) == version
    both = SourceTree(without.origin, {**without.entries, **tree("define([PRODUCT_VERSION],[2.3.1])").entries})
    assert own_text(both) == "2.3.1"


@pytest.mark.parametrize(
    ("files", "series"),
    [
        ({"reliable.c": "int a;\n"}, "2.2"),
        ({"src/openvpn/reliable.c": "f (reliable_get_buf_output_sequenced (rel));\n",
          "src/openvpn/forward.c": "check_tls_dowork"}, "2.3"),
        ({"src/openvpn/reliable.c": "int a;\n", "src/openvpn/forward.c": "check_tls_dowork"}, "2.4"),
        ({"src/openvpn/reliable.c": "int a;\n", "src/openvpn/forward.c": "check_tls("}, "2.5"),
        ({"src/openvpn/reliable.c": "int a;\n", "src/openvpn/reliable.h": "int n_acks;\n"}, "2.6"),
        ({"src/openvpn/reliable.c": "copy_acks_to_lru();\n", "src/openvpn/ssl.c": "check_outgoing_ciphertext"}, "2.7"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("number", ["6.1.4", "2.x-master"])
def test_a_number_that_is_not_upstreams_is_judged_by_the_code(files: dict[str, str], series: str, number: str) -> None:
    texts = {**files, "version.m4": f"define([PRODUCT_VERSION], [{number}])"}
    made = SourceTree(tree(None).origin, {path: Entry.of(text.encode()) for path, text in texts.items()})
    assert own_series(made) == series


def test_a_development_branch_has_a_series_all_the_same() -> None:
    text = "define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [8])\n"
    assert own_series(tree(text)) == "2.8"
    with pytest.raises(BadSourceError):
        own_series(tree("nothing"))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("CMakeLists.txt", "project(x\n"),
        ("CMakeLists.txt", "\n"),
        ("CMakeLists.txt", "set (\n"),
        ("CMakeLists.txt", "project(VERSION ["),
        ("version.m4", "PRODUCT_VERSION_MAJOR,["),
        ("version.m4", "PRODUCT_VERSION,\n\n"),
    ],
)
def test_a_file_of_megabytes_takes_no_time(file: str, text: str) -> None:
    entries = {file: Entry.of(text.encode() * 300_000)}
    began = time.process_time()
    assert own_text(SourceTree(tree(None).origin, entries)) == ""
    assert time.process_time() - began < 5
