"""Downloads against a real web server on loopback: what is kept, what is refused, what is tried again."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import io
import ipaddress
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import (
    DiskFullError,
    NetworkUnavailableError,
    OfflineError,
    PatchkitError,
    PlacesExhaustedError,
    WrongHashError,
)
from patchkit.source.fetch import from_url, mirror, retries
from patchkit.source.fetch.download import fetch, fetch_unpinned
from patchkit.source.fetch.from_url import ExpectedFile, PlaceFailedError
from patchkit.source.fetch.places import Place
from patchkit.ui import Ui
from tests.support.source.website import (
    Answer,
    Handler,
    Site,
    after,
    chunked,
    cut,
    for_ever,
    hung_up,
    redirect,
    serving,
    stalled,
    status,
    web_page,
    whole,
)

# More than two of download's chunks, so that "half of it" is more than one chunk.
DATA, OTHER = (hashlib.shake_256(seed).digest(700_000) for seed in (b"right", b"wrong"))
NAME = "openvpn-2.9.1.tar.gz"
FILE = ExpectedFile(NAME, hashlib.sha256(DATA).hexdigest(), len(DATA))
UNSIZED = ExpectedFile(NAME, FILE.sha256, None)
REFUSED = "http://127.0.0.1:1/nothing"
UNRESOLVED = "http://does-not-exist.invalid/nothing"

# A second process that fetches FILE: says "ready", waits for a line, fetches, says the file's hash.
FETCHER = """
import hashlib, sys
from pathlib import Path
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.source.fetch.download import fetch
from patchkit.source.fetch.from_url import ExpectedFile
from patchkit.source.fetch.places import Place
from patchkit.ui import Ui
import requests
url, cache, name, sha256, size = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
path = fetch(ExpectedFile(name, sha256, int(size)), lambda: [Place(url)], Context(Cache(Path(cache)), Ui(quiet=True)))
print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PAUSES", (0.01, 0.01))


def at(*where: object) -> Callable[[], Sequence[Place]]:
    return lambda: [Place(str(url)) for url in where]


def never() -> Sequence[Place]:
    raise AssertionError("no place needed to be known")


def names(cache: Cache) -> set[str]:
    """What the download folder holds."""
    return {path.name for path in (cache.root / "downloads").iterdir()}


def half_done(cache: Cache, data: bytes) -> Path:
    """What an earlier run left."""
    part = cache.downloads / f"{NAME}.part"
    part.write_bytes(data)
    return part


def fetcher(url: str, cache: Cache) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", FETCHER, url, str(cache.root), NAME, FILE.sha256, str(FILE.size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_right_file_ends_under_its_final_name_and_no_part_is_left(site: Site, cache: Cache, ui: Ui) -> None:
    path = fetch(FILE, at(site.on("/f", whole(DATA))), Context(cache, ui))
    assert path == cache.root / "downloads" / NAME
    assert path.read_bytes() == DATA
    assert names(cache) == {NAME}
    assert site.ranges["/f"] == [None]


def test_a_size_that_no_record_states_is_not_needed(site: Site, cache: Cache, ui: Ui) -> None:
    assert fetch(UNSIZED, at(site.on("/f", chunked(DATA))), Context(cache, ui)).read_bytes() == DATA


def test_a_cached_file_is_used_without_asking_for_places(site: Site, cache: Cache, ui: Ui) -> None:
    first = fetch(FILE, at(site.on("/f", whole(DATA))), Context(cache, ui))
    assert fetch(FILE, never, Context(cache, ui)) == first
    assert fetch(FILE, never, Context(cache, ui, offline=True)) == first
    assert site.asked("/f") == 1


def test_a_damaged_cached_file_is_kept_aside_and_fetched_again(site: Site, cache: Cache) -> None:
    final = cache.downloads / NAME
    final.write_bytes(DATA[:-1])
    talk = io.StringIO()
    assert fetch(FILE, at(site.on("/f", whole(DATA))), Context(cache, Ui(talk))).read_bytes() == DATA
    aside = names(cache) - {NAME}
    assert [(cache.root / "downloads" / name).read_bytes() for name in aside] == [DATA[:-1]]
    assert f"warning: the cached {NAME} is damaged, kept as {aside.pop()}" in talk.getvalue()


def test_an_earlier_runs_part_is_resumed(site: Site, cache: Cache, ui: Ui) -> None:
    half_done(cache, DATA[:300_000])
    assert fetch(FILE, at(site.on("/f", whole(DATA))), Context(cache, ui)).read_bytes() == DATA
    assert site.ranges["/f"] == ["bytes=300000-"]
    assert names(cache) == {NAME}


def test_a_server_without_ranges_starts_over(site: Site, cache: Cache, ui: Ui) -> None:
    half_done(cache, DATA[:300_000])
    assert fetch(FILE, at(site.on("/f", whole(DATA, ranges=False))), Context(cache, ui)).read_bytes() == DATA
    assert site.asked("/f") == 1


def test_a_part_of_another_file_costs_one_more_request_and_not_the_download(site: Site, cache: Cache, ui: Ui) -> None:
    half_done(cache, OTHER[:300_000])
    assert fetch(FILE, at(site.on("/f", whole(DATA))), Context(cache, ui)).read_bytes() == DATA
    assert site.ranges["/f"] == ["bytes=300000-", None]
    assert names(cache) == {NAME}


@pytest.mark.parametrize("left", [OTHER, OTHER + b"more", DATA], ids=["as-long", "longer", "complete"])
def test_a_part_that_leaves_nothing_to_ask_for_is_no_obstacle(site: Site, cache: Cache, ui: Ui, left: bytes) -> None:
    # The server answers such a range with 416.
    half_done(cache, left)
    assert fetch(FILE, at(site.on("/f", whole(DATA))), Context(cache, ui)).read_bytes() == DATA
    assert names(cache) == {NAME}


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_three_times(site: Site, cache: Cache, ui: Ui, code: int) -> None:
    url = site.on("/f", status(code), status(code), whole(DATA))
    assert fetch(FILE, at(url), Context(cache, ui)).read_bytes() == DATA
    assert site.asked("/f") == 3


def test_a_server_that_stays_busy_is_left_for_the_next_place(site: Site, cache: Cache, ui: Ui) -> None:
    busy, good = site.on("/busy", status(503)), site.on("/good", whole(DATA))
    assert fetch(FILE, at(busy, good), Context(cache, ui)).read_bytes() == DATA
    assert (site.asked("/busy"), site.asked("/good")) == (3, 1)
    with pytest.raises(PlacesExhaustedError) as failed:
        fetch(ExpectedFile("another", FILE.sha256, None), at(busy), Context(cache, ui))
    assert "HTTP 503 (tried 3 times)" in failed.value.why


def test_a_missing_file_is_asked_for_once(site: Site, cache: Cache, ui: Ui) -> None:
    assert fetch(FILE, at(f"{site.url}/404", site.on("/f", whole(DATA))), Context(cache, ui)).read_bytes() == DATA
    assert site.asked("/404") == 1


def test_a_connection_that_breaks_is_resumed_where_it_broke(site: Site, cache: Cache, ui: Ui) -> None:
    url = site.on("/f", cut(DATA, 300_000), whole(DATA))
    assert fetch(FILE, at(url), Context(cache, ui)).read_bytes() == DATA
    first, second = site.ranges["/f"]
    assert first is None
    assert second is not None
    assert 0 < int(second.removeprefix("bytes=").removesuffix("-")) <= 300_000


def test_a_connection_that_breaks_after_the_headers_is_tried_again(site: Site, cache: Cache, ui: Ui) -> None:
    url = site.on("/f", cut(DATA, 0), whole(DATA))
    assert fetch(FILE, at(url), Context(cache, ui)).read_bytes() == DATA


def test_a_body_that_ends_early_without_a_stated_length_is_resumed(site: Site, cache: Cache, ui: Ui) -> None:
    # HTTP/1.0 style: only the pinned size tells that something is missing. Not a wrong file, only a short one.
    url = site.on("/f", cut(DATA, 300_000, length=False), whole(DATA))
    assert fetch(FILE, at(url), Context(cache, ui)).read_bytes() == DATA
    assert site.ranges["/f"] == [None, "bytes=300000-"]
    assert names(cache) == {NAME}


def test_the_next_place_goes_on_where_the_last_one_broke(site: Site, cache: Cache, ui: Ui) -> None:
    breaking, good = site.on("/breaking", cut(DATA, 262_144), status(404)), site.on("/good", whole(DATA))
    assert fetch(FILE, at(breaking, good), Context(cache, ui)).read_bytes() == DATA
    assert site.ranges["/good"] == ["bytes=262144-"]


def test_a_stalled_connection_is_given_up_and_resumed(
    site: Site, cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_url, "READ_TIMEOUT", 0.2)
    url = site.on("/f", stalled(DATA, 300_000), whole(DATA))
    assert fetch(FILE, at(url), Context(cache, ui)).read_bytes() == DATA
    assert site.asked("/f") == 2


def test_a_server_that_hangs_up_without_an_answer_is_tried_again(site: Site, cache: Cache, ui: Ui) -> None:
    assert fetch(FILE, at(site.on("/f", hung_up(), whole(DATA))), Context(cache, ui)).read_bytes() == DATA


def test_a_server_that_always_hangs_up_was_reached_all_the_same(site: Site, cache: Cache, ui: Ui) -> None:
    with pytest.raises(PlacesExhaustedError) as failed:
        fetch(FILE, at(site.on("/f", hung_up())), Context(cache, ui))
    assert f"{site.url}/f: " in failed.value.why


def test_a_download_killed_half_way_leaves_a_part_that_the_next_run_resumes(site: Site, cache: Cache, ui: Ui) -> None:
    url = site.on("/f", stalled(DATA, 600_000), whole(DATA))
    with fetcher(url, cache) as process:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        part = cache.root / "downloads" / f"{NAME}.part"
        deadline = time.monotonic() + 20
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert not (cache.root / "downloads" / NAME).exists()
    assert fetch(FILE, at(url), Context(cache, ui)).read_bytes() == DATA
    # Resumed, not started over; and the dead process's lock stopped nobody.
    assert site.ranges["/f"][0] is None
    assert (site.ranges["/f"][1] or "").startswith("bytes=")


def test_a_wrong_file_is_kept_aside_and_named_in_the_error(site: Site, cache: Cache, ui: Ui) -> None:
    url = site.on("/f", whole(OTHER))
    with pytest.raises(WrongHashError) as failed:
        fetch(FILE, at(url), Context(cache, ui))
    [aside] = (cache.root / "downloads").iterdir()
    assert aside.read_bytes() == OTHER
    assert aside.name.startswith(f"{NAME}.rejected-")
    for part in (url, str(aside), FILE.sha256, hashlib.sha256(OTHER).hexdigest()):
        assert part in failed.value.why
    # It is not taken for the right one by the next run.
    site.on("/f", whole(DATA))
    assert fetch(FILE, at(url), Context(cache, ui)).read_bytes() == DATA


def test_a_wrong_file_is_said_beside_the_places_that_failed_otherwise(site: Site, cache: Cache, ui: Ui) -> None:
    with pytest.raises(WrongHashError) as failed:
        fetch(FILE, at(f"{site.url}/404", site.on("/f", whole(OTHER))), Context(cache, ui))
    assert f"{site.url}/404: HTTP 404" in failed.value.why


def test_a_wrong_file_at_one_place_is_a_warning_when_the_next_has_the_right_one(site: Site, cache: Cache) -> None:
    talk = io.StringIO()
    bad, good = site.on("/bad", whole(OTHER)), site.on("/good", whole(DATA))
    assert fetch(FILE, at(bad, good), Context(cache, Ui(talk))).read_bytes() == DATA
    assert f"warning: {bad} serves something else as {NAME}" in talk.getvalue()
    # The wrong bytes were no beginning to build upon.
    assert site.ranges["/good"] == [None]


def test_a_web_page_instead_of_the_file_leads_to_the_next_place(site: Site, cache: Cache, ui: Ui) -> None:
    portal, good = site.on("/portal", web_page()), site.on("/good", whole(DATA))
    assert fetch(UNSIZED, at(portal, good), Context(cache, ui)).read_bytes() == DATA
    assert names(cache) == {NAME}
    with pytest.raises(PlacesExhaustedError) as failed:
        fetch(ExpectedFile("another", FILE.sha256, None), at(portal), Context(cache, ui))
    assert "a web page instead of the file" in failed.value.why


def test_a_file_that_no_place_has_lists_every_place_with_its_reason(site: Site, cache: Cache, ui: Ui) -> None:
    urls = [f"{site.url}/{name}" for name in ("one", "two", "three")]
    with pytest.raises(PlacesExhaustedError) as failed:
        fetch(FILE, at(*urls, cache.root / "mirror" / NAME, REFUSED), Context(cache, ui))
    lines = failed.value.why.splitlines()
    assert lines[:4] == [*(f"{url}: HTTP 404" for url in urls), f"{cache.root}/mirror/{NAME}: not there"]
    assert lines[4].startswith(f"{REFUSED}: ")
    assert "refused" in lines[4]
    assert names(cache) == set()


def test_no_place_in_reach_is_no_network(cache: Cache, ui: Ui) -> None:
    with pytest.raises(NetworkUnavailableError) as failed:
        fetch(FILE, at(REFUSED, UNRESOLVED, cache.root / "mirror" / NAME), Context(cache, ui))
    refused, unresolved, mirror = failed.value.why.splitlines()
    assert refused.startswith(f"{REFUSED}: ")
    assert "refused" in refused
    assert "does-not-exist.invalid" in unresolved
    assert mirror.endswith(": not there")


def test_a_host_that_never_answers_is_no_network_and_is_not_waited_for_twice(
    cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_url, "CONNECT_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, socket.socket() as filler:
        # A full queue: the kernel drops what else knocks.
        filler.connect(deaf.getsockname())
        began = time.monotonic()
        with pytest.raises(NetworkUnavailableError, match="no network") as failed:
            fetch(FILE, at(f"http://127.0.0.1:{deaf.getsockname()[1]}/f"), Context(cache, ui))
        assert time.monotonic() - began < 0.6
    assert "no answer within 0.3 s" in failed.value.why


def test_offline_and_not_cached_is_an_error_that_says_what_to_do(cache: Cache, ui: Ui) -> None:
    with pytest.raises(OfflineError) as failed:
        fetch(FILE, at(), Context(cache, ui, offline=True))
    assert "PATCHKIT_MIRROR" in failed.value.advice
    with pytest.raises(OfflineError) as failed:
        fetch(FILE, at(cache.root / "mirror" / NAME), Context(cache, ui, offline=True))
    assert failed.value.why == f"{cache.root}/mirror/{NAME}: not there"


@pytest.mark.parametrize("scheme", ["file", "ftp"])
def test_a_redirect_to_anything_but_http_is_refused(
    site: Site, cache: Cache, ui: Ui, tmp_path: Path, scheme: str
) -> None:
    # The target has the right bytes, so only the scheme can be the reason.
    target = tmp_path / "target"
    target.write_bytes(DATA)
    url = site.on("/f", redirect(f"{scheme}://{target}"))
    with pytest.raises(PlacesExhaustedError) as failed:
        fetch(FILE, at(url), Context(cache, ui))
    assert failed.value.why.startswith(f"{url}: ")
    assert names(cache) == set()


def test_a_redirect_to_another_place_on_the_web_is_followed(site: Site, cache: Cache, ui: Ui) -> None:
    site.on("/f", whole(DATA))
    assert fetch(FILE, at(site.on("/moved", redirect("/f"))), Context(cache, ui)).read_bytes() == DATA


def test_another_length_than_the_pinned_one_is_refused_before_the_body(site: Site, cache: Cache, ui: Ui) -> None:
    with pytest.raises(PlacesExhaustedError, match="no place has") as failed:
        fetch(FILE, at(site.on("/f", whole(DATA + b"more"))), Context(cache, ui))
    assert f"{len(DATA) + 4} bytes offered, {len(DATA)} wanted" in failed.value.why
    assert names(cache) == set()


def test_more_bytes_than_the_pinned_size_are_not_taken(site: Site, cache: Cache, ui: Ui) -> None:
    # Without a stated length only counting helps; the right beginning does not make it right.
    flood = site.on("/flood", chunked(DATA + OTHER * 20))
    with pytest.raises(PlacesExhaustedError) as failed:
        fetch(FILE, at(flood), Context(cache, ui))
    assert f"more than the {len(DATA)} bytes wanted" in failed.value.why
    assert NAME not in names(cache)
    assert (cache.root / "downloads" / f"{NAME}.part").stat().st_size < 2 * len(DATA)
    # What it left is no obstacle for a place that has the file.
    assert fetch(FILE, at(flood, site.on("/good", whole(DATA))), Context(cache, ui)).read_bytes() == DATA


def test_a_tarball_labelled_as_gzip_encoded_is_kept_compressed(site: Site, cache: Cache, ui: Ui) -> None:
    # Some servers say so of every .tar.gz, whatever the request accepts; the pin is of the file as it is.
    packed = gzip.compress(DATA)
    expected = ExpectedFile(NAME, hashlib.sha256(packed).hexdigest(), len(packed))
    url = site.on("/f", whole(packed, Content_Encoding="x-gzip"))
    assert fetch(expected, at(url), Context(cache, ui)).read_bytes() == packed


def test_a_length_that_is_no_number_does_not_stop_the_run(site: Site, cache: Cache, ui: Ui) -> None:
    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length="many", Connection="close")
        handler.wfile.write(DATA)
        handler.close_connection = True

    places = at(site.on("/odd", answer), site.on("/good", whole(DATA)))
    assert fetch(FILE, places, Context(cache, ui)).read_bytes() == DATA


def test_a_folder_serves_as_a_mirror(cache: Cache, ui: Ui, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / NAME).write_bytes(DATA)
    path = fetch(FILE, at(mirror / NAME), Context(cache, ui, offline=True))
    assert path.read_bytes() == DATA
    assert names(cache) == {NAME}
    # A copy: what happens to the mirror later does not matter.
    (mirror / NAME).unlink()
    assert fetch(FILE, never, Context(cache, ui)) == path


def test_a_folders_wrong_file_is_refused_and_left_where_it_is(cache: Cache, ui: Ui, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(OTHER)
    with pytest.raises(WrongHashError):
        fetch(FILE, at(tmp_path / NAME), Context(cache, ui))
    assert (tmp_path / NAME).read_bytes() == OTHER


def test_a_folders_file_replaces_what_an_earlier_run_left(cache: Cache, ui: Ui, tmp_path: Path) -> None:
    half_done(cache, OTHER + OTHER)
    (tmp_path / NAME).write_bytes(DATA)
    assert fetch(FILE, at(tmp_path / NAME), Context(cache, ui)).read_bytes() == DATA


def test_a_mirrors_file_that_cannot_be_read_leads_to_the_next_place(
    site: Site, cache: Cache, ui: Ui, tmp_path: Path
) -> None:
    # Reading this one fails with an input/output error, for root too, like a file on a broken network mount.
    (tmp_path / NAME).symlink_to("/proc/self/mem")
    assert fetch(FILE, at(tmp_path / NAME, site.on("/f", whole(DATA))), Context(cache, ui)).read_bytes() == DATA


def test_threads_that_want_one_file_share_one_download(site: Site, cache: Cache, ui: Ui) -> None:
    gate = threading.Event()
    url = site.on("/f", after(gate, whole(DATA)))
    with ThreadPoolExecutor(4) as pool:
        fetched = [pool.submit(fetch, FILE, at(url), Context(Cache(cache.root), ui)) for _ in range(4)]
        time.sleep(0.2)  # all of them are on their way before the first byte
        gate.set()
        assert {path.result(timeout=10).read_bytes() for path in fetched} == {DATA}
    assert site.asked("/f") == 1


def test_processes_that_want_one_file_share_one_download(site: Site, cache: Cache) -> None:
    gate = threading.Event()
    url = site.on("/f", after(gate, whole(DATA)))
    with fetcher(url, cache) as first, fetcher(url, cache) as second:
        for process in (first, second):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in (first, second):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        time.sleep(0.2)  # both are on their way before the first byte
        gate.set()
        hashes = [process.communicate(timeout=20)[0] for process in (first, second)]
    assert hashes == [f"{FILE.sha256}\n"] * 2
    assert site.asked("/f") == 1


def test_a_full_disk_is_said_and_leaves_nothing_under_the_final_name(site: Site, ui: Ui, tiny_disk: Path) -> None:
    full = Cache(tiny_disk)
    with pytest.raises(DiskFullError) as failed:
        fetch(FILE, at(site.on("/f", whole(DATA))), Context(full, ui))
    assert "PATCHKIT_CACHE" in failed.value.advice
    assert not (tiny_disk / "downloads" / NAME).exists()


def test_a_full_disk_is_said_when_the_mirror_is_a_folder_too(ui: Ui, tmp_path: Path, tiny_disk: Path) -> None:
    (tmp_path / NAME).write_bytes(DATA)
    with pytest.raises(DiskFullError):
        fetch(FILE, at(tmp_path / NAME), Context(Cache(tiny_disk), ui))
    assert not (tiny_disk / "downloads" / NAME).exists()


def test_a_certificate_that_nobody_vouches_for_is_refused(cache: Cache, ui: Ui, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "pem"))
    with serving(lambda plain: context.wrap_socket(plain, server_side=True)) as site:
        with pytest.raises(PlacesExhaustedError) as failed:
            fetch(FILE, at(site.on("/f", whole(DATA))), Context(cache, ui))
        assert site.asked("/f") == 0
    assert "TLS: " in failed.value.why
    assert "certificate verify failed" in failed.value.why


def test_every_failure_is_an_error_of_patchkits_own(site: Site, cache: Cache, ui: Ui) -> None:
    # Names and redirects that requests itself refuses to look at.
    for where in ("http://", "http://[::1", "https://.invalid/x", site.on("/loop", redirect("/loop"))):
        with pytest.raises(PatchkitError):
            fetch(FILE, at(where), Context(cache, ui))


def test_an_unpinned_file_is_fetched_anew_and_not_without_end(
    site: Site, cache: Cache, ui: Ui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, context = tmp_path / "unpinned", Context(cache, ui)
    folder.mkdir()
    place = [Place(site.on("/f", whole(b"first")))]
    assert fetch_unpinned("f", place, folder, context).read_bytes() == b"first"
    site.on("/f", whole(b"second"))
    assert fetch_unpinned("f", place, folder, context).read_bytes() == b"second"
    monkeypatch.setattr(from_url, "_MOST", 1 << 19)
    site.on("/f", chunked(b"x" * (1 << 21)))
    with pytest.raises(PlacesExhaustedError) as caught:
        fetch_unpinned("f", place, folder, context)
    assert "more than 0 MiB" in caught.value.why
    assert [path.name for path in folder.iterdir()] == ["f"]  # the last whole one


def self_signed(path: Path) -> Path:
    """A key and a certificate for 127.0.0.1 in one PEM file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    "answer", [for_ever("HTTP/1.1 100 Continue\r\n\r\n"), for_ever("x", "HTTP/1.1 200 OK\r\n\r\n")]
)
def test_a_server_that_never_ends_its_answer(answer: Answer, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_url, "PATIENCE", 0.4)
    began = time.monotonic()
    with pytest.raises(PlaceFailedError, match=r"within 0\.4 s"):
        from_url.read(site.on("/slow", answer), 1 << 20)
    assert time.monotonic() - began < 5


def test_a_mirror_whose_certificate_nobody_vouches_for_is_told_where_another_place_has_the_file(
    site: Site, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, told = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), Ui(quiet=True)
    context.load_cert_chain(self_signed(tmp_path / "pem"))
    with serving(lambda plain: context.wrap_socket(plain, server_side=True)) as forged:
        monkeypatch.setenv("PATCHKIT_MIRROR", forged.url)
        places = [Place(forged.on("/f", whole(DATA)), mirror=True), *at(site.on("/f", whole(DATA)))()]
        assert fetch(FILE, lambda: places, Context(cache, told)).read_bytes() == DATA
        assert mirror.indexed("no-such-image", Context(cache, told)) is None
    assert [("certificate verify failed" in warning) for warning in told.warnings] == [True, True]


def test_a_proxy_that_is_not_there_is_told_in_words(cache: Cache, ui: Ui, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", REFUSED)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(NetworkUnavailableError) as failed:
        fetch(FILE, at("http://host.invalid/f"), Context(cache, ui))
    assert failed.value.why.startswith("http://host.invalid/f: Failed to establish a new connection: ")
