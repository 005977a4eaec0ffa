# Sourced by ci/patchkit and ci/test: a virtual environment from a lock file, and system packages.
# POSIX sh. Silent and quick (a few file comparisons) once everything is there.
# shellcheck shell=sh

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
venv=$root/.venv

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $1"
    shift
    for line; do say "    $line"; done
    exit 42 # patchkit's own code for a toolchain with parts missing
}

as_root() { [ "$(id -u)" -eq 0 ]; }

# The Debian packages in the list that are not installed; nothing where there is no dpkg.
missing_packages() {
    command -v dpkg-query >/dev/null || return 0
    for package; do
        case "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" in
            installed) ;;
            *) printf '%s ' "$package" ;;
        esac
    done
}

# apt_install PACKAGE...: as root install what is missing; otherwise print the one line to run, and fail.
apt_install() {
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if as_root && command -v apt-get >/dev/null; then
        say "installing $missing"
        {
            DEBIAN_FRONTEND=noninteractive apt-get update -q &&
                DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
        } >"$venv.apt.log" 2>&1 || { tail -n 5 "$venv.apt.log" >&2; die "apt-get failed" "whole log: $venv.apt.log"; }
        rm -f "$venv.apt.log"
    else
        say "missing system packages; as root, run:"
        say "    apt-get install $missing"
        return 1
    fi
}

# A Python that is new enough and can make virtual environments.
find_python() {
    python=$(command -v python3) || { apt_install python3 && python=$(command -v python3); } || die "python3 is missing"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "Python 3.11 or newer is needed" "$python is $("$python" -V)"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv || exit 42
}

# make_venv LOCK: .venv with what LOCK says, and this checkout in it. The copy of the lock is written last,
# so that an interrupted run starts over.
make_venv() {
    lock=$root/$1
    for done in "$venv"/*.lock; do
        cmp -s "$lock" "$done" && return 0
    done
    command -v git >/dev/null || apt_install git || exit 42
    find_python
    exec 9>"$root/.venv.setup-lock"
    command -v flock >/dev/null && flock 9
    cmp -s "$lock" "$venv/$1" && return 0
    say "setting up $venv"
    rm -f "$venv"/*.lock
    "$python" -m venv --clear "$venv" || die "python3 -m venv failed"
    # Errors only: what pip says otherwise (its own updates, odd index entries) is nothing a user can act on.
    pip="$venv/bin/python -m pip --quiet --quiet --disable-pip-version-check --no-input"
    PYTHONDONTWRITEBYTECODE= $pip install --require-hashes --compile -r "$lock" ||
        die "pip could not install the locked packages" "check the network, or PIP_INDEX_URL for a mirror"
    PYTHONDONTWRITEBYTECODE= $pip install --no-deps --no-build-isolation --editable "$root" || die "pip could not install patchkit"
    cp "$lock" "$venv/$1"
    exec 9>&-
}

# What the host engine compiles with, from the table that the docker engine reads too. Asked for once:
# without root it is only advice, since Docker may do the compiling.
compile_packages() {
    list=$("$venv/bin/python" - "$root/docker/toolchains.toml" <<'PY'
import sys, tomllib
with open(sys.argv[1], "rb") as table:
    print(*sorted(tomllib.load(table)["target"]["linux-amd64"]["packages"]))
PY
    )
    printf '%s\n' "$list" | cmp -s - "$venv/system-packages" && return 0
    apt_install $list || say "    (or let Docker do the compiling: --engine docker)"
    printf '%s\n' "$list" >"$venv/system-packages"
}
