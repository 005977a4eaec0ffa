"""Lines of the documents that tests/docs/test_commands.py does not run, and why; blocks that are no commands."""

from __future__ import annotations

_CAMPAIGN = "takes minutes; tests/jobs/lab/test_campaign.py runs the same with fewer trials"
_VERIFY = "takes minutes, the lab among them; tests/jobs/verify/test_job.py runs all seven steps"
_UPSTREAM = "needs upstream's own places; tests/jobs/verify/test_source.py has the same with a local repository"
_WINDOWS = "takes minutes; tests/jobs/build/test_windows.py builds the same"
_TESTS = "runs this test"
_LOG = "needs a log with a fault, and ends with 100; tests/cli/test_diagnose.py runs the same on logs of its own"
_OWN_PATCH = "needs the reader's own patch; tests/cli/test_own_variants.py has the same with a made-up one"
_PORT = "needs the reader's own patch; tests/cli/test_port.py has the same with a made-up one"
_CLUSTER = "needs other machines; tests/cluster/test_campaign.py and tests/cluster/test_builds.py have a cluster on one"
_RECORD = "takes ten minutes, and compares two checkouts"

NOT_RUN = {
    ("README.md", "pip install ."): (
        "downloads every dependency; tests/test_architecture.py installs the wheel without them"
    ),
    ("README.md", "./ci/test"): _TESTS,
    ("README.md", "./ci/patchkit verify --version 2.6.14"): _VERIFY,
    (
        "README.md",
        "./ci/patchkit lab run --version 2.6.14 --variant stock --variant recommended --scenario loss-20 --trials 40",
    ): _CAMPAIGN,
    ("README.md", "./ci/patchkit build --version 2.3.2"): (
        "needs upstream's git and a source of OpenSSL 1.0.2; tests/jobs/build/test_old_releases.py builds it where "
        "PATCHKIT_GIT and PATCHKIT_OPENSSL_102 are set"
    ),
    ("README.md", "./ci/patchkit build --version 2.6.14 --target windows-amd64 --target linux-amd64"): _WINDOWS,
    ("docs/artifacts.md", "ci/bench-build --pairs 5"): "compiles eleven times; it measures, and shows no behaviour",
    ("docs/diagnose.md", "patchkit diagnose server.log"): _LOG,
    ("docs/diagnose.md", "patchkit diagnose client.log server.log.gz --html incident.html"): _LOG,
    ("docs/diagnose.md", "patchkit diagnose server.log --anonymize for-the-bug-report.log"): _LOG,
    ("CONTRIBUTING.md", "./ci/test"): _TESTS,
    ("CONTRIBUTING.md", './ci/test -m "not slow" -n auto'): _TESTS,
    ("CONTRIBUTING.md", "./ci/test --nightly"): _TESTS,
    ("CONTRIBUTING.md", "ci/behaviour record before"): _RECORD,
    ("CONTRIBUTING.md", "ci/behaviour record after"): _RECORD,
    ("CONTRIBUTING.md", "ci/behaviour compare before after"): _RECORD,
    (
        "docs/lab.md",
        "patchkit lab run --version 2.6.14 --variant stock --variant recommended --scenario loss-20 --trials 100 "
        "--seed 1",
    ): _CAMPAIGN,
    (
        "docs/scale.md",
        "pip install '.[cluster]'",
    ): "downloads every dependency; ci/test installs them from the lock file",
    ("docs/scale.md", "dask scheduler --host 192.0.2.1 --port 8786"): _CLUSTER,
    ("docs/scale.md", "dask worker tcp://192.0.2.1:8786 --nthreads 8 --preload patchkit.cluster.preload"): _CLUSTER,
    (
        "docs/scale.md",
        "patchkit lab run --version 2.6.14 --variant stock --variant recommended --on tcp://192.0.2.1:8786",
    ): _CLUSTER,
    (
        "docs/scale.md",
        "patchkit build --all-releases --since 2.6 --keep-going --on tcp://192.0.2.1:8786 --out dist",
    ): _CLUSTER,
    ("docs/static.md", "patchkit build --version 2.6.14 --target linux-static-amd64"): (
        "compiles musl and an OpenSSL, for minutes; tests/jobs/build/test_static.py builds the same by night"
    ),
    ("docs/verify.md", "patchkit verify --version 2.7.6"): _VERIFY,
    (
        "docs/verify.md",
        "patchkit verify --version 2.7.9                                   # upstream's places, and upstream's git",
    ): _UPSTREAM,
    (
        "docs/verify.md",
        "patchkit verify --version 2.7.9 --git /path/to/a/clone            # that repository's tag",
    ): _UPSTREAM,
    (
        "docs/verify.md",
        "patchkit verify --version 2.7.9 --source openvpn-2.7.9.tar.gz     # that file, and the .asc beside it",
    ): _UPSTREAM,
    (
        "docs/verify.md",
        "patchkit verify --version 2.7.9 --source openvpn-2.7.9.tar.gz --git /path/to/a/clone",
    ): _UPSTREAM,
    ("docs/verify.md", "patchkit verify --version 2.6.14 --only source --require signature,tag"): _UPSTREAM,
    ("docs/verify.md", "patchkit verify --new --since 2.7.6"): (
        "needs upstream's git; tests/jobs/verify/test_new_tags.py has the same with a local repository"
    ),
    ("docs/variants.md", "patchkit matrix --patch mine.diff"): _OWN_PATCH,
    (
        "docs/variants.md",
        "patchkit export --version 2.6.14 --patch mine.diff --variant recommended --format git --to patches",
    ): _OWN_PATCH,
    ("docs/variants.md", "patchkit build --version 2.6.14 --patch debian/patches --variant recommended"): _OWN_PATCH,
    ("docs/variants.md", "patchkit port mine.diff --from 2.6.12 --to 2.7.7 > ported.diff"): _PORT,
    ("docs/windows.md", "patchkit build --version 2.6.14 --target windows-amd64 --target linux-amd64"): _WINDOWS,
    (
        "docs/windows.md",
        "patchkit build --version 2.6.14 --target windows-amd64 --sign-key my.key --sign-cert my.crt",
    ): "takes minutes, and needs the reader's own key; tests/jobs/build/test_windows.py signs with one of its own",
}
"""The reason, by document and line."""

NOT_COMMANDS = {
    ("README.md", "releases ──► source ──► patching ──► building ──► packaging ──► dist/"): "the architecture",
    (
        "docs/diagnose.md",
        "00:00:02 us=83305 10.77.1.2:53740 TLS: Initial packet from 10.77.1.2:53740, sid=08e488f5 676c397d",
    ): "lines of a log",
    (
        "docs/diagnose.md",
        "00:00:00 us=71159 10.77.1.2:46483 TLS: Initial packet from 10.77.1.2:46483, sid=38319980 3755d206",
    ): "lines of a log",
    ("docs/lab.md", "[scenario.my-uplink]"): "a scenario",
    ("docs/pipelines.md", 'versions: \'["2.7.7", "2.5.11"]\''): "YAML",
    ("docs/pipelines.md", "include:"): "YAML",
    (
        "docs/scale.md",
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 365 -subj /CN=farm-authority "
        "-keyout ca.key -out ca.pem",
    ): "certificates; tests/cluster/test_tls.py runs these lines",
    ("docs/scale.md", "from distributed import SSHCluster"): "Python, for several hosts",
    ("docs/variants.md", '{%- set sequenced = source.function("reliable_get_buf_output_sequenced") -%}'): "a template",
    (
        "docs/old-peers.md",
        "TLS error: Unsupported protocol. This typically indicates that client and server have no common TLS version "
        "enabled.",
    ): "a log",
    ("docs/old-peers.md", "OpenSSL: error:0A00014D:SSL routines::legacy sigalg disallowed or unsupported:"): "a log",
    (
        "docs/old-peers.md",
        "ERROR: failed to negotiate cipher with peer and --data-ciphers-fallback not enabled. No usable data channel "
        "cipher",
    ): "a log",
    (
        "docs/old-peers.md",
        "OPTIONS ERROR: failed to negotiate cipher with server.  Add the server's cipher ('AES-256-CBC') to "
        "--data-ciphers",
    ): "a log",
    (
        "docs/old-peers.md",
        "PUSH: No common cipher between server and client. Server data-ciphers: '…', client supports cipher "
        "'AES-256-CBC'",
    ): "a log",
    (
        "docs/old-peers.md",
        "WARNING: 'cipher' is used inconsistently, local='cipher BF-CBC', remote='cipher AES-256-CBC'",
    ): "a log",
    (
        "docs/old-peers.md",
        "--providers legacy default --data-ciphers-fallback BF-CBC                (point to point)",
    ): "options of OpenVPN's",
}
"""What a block is, by document and first line."""
