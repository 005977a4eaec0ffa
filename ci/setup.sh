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

# One at a time where a second run would be in the way. The kernel frees the lock when we end.
setup_lock() {
    command -v flock >/dev/null || return 0
    exec 9>"$root/.venv.setup-lock"
    flock --nonblock 9 || { say "waiting for another run to set up $venv"; flock 9; }
}

setup_unlock() { exec 9>&-; }

# The Debian packages in the list that are not installed; nothing where dpkg does not keep the system's records.
missing_packages() {
    dpkg-query -W dpkg >/dev/null 2>&1 || return 0
    for package; do
        case "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" in
            installed) ;;
            *) printf '%s ' "$package" ;;
        esac
    done
}

# On a machine that is thrown away, dpkg need not wait until each file is on its disk.
apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
        ${thrown_away:+-o DPkg::Options::=--force-unsafe-io} "$@" 9>&-
}

# apt_install PACKAGE...: as root install what is missing; otherwise print the one line to run. Fails where
# something is still missing afterwards: the caller knows whether that matters.
apt_install() {
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if ! as_root || ! command -v apt-get >/dev/null; then
        say "missing system packages; as root, run:"
        say "    apt-get install $missing"
        return 1
    fi
    say "installing $missing"
    apt_log=$(mktemp)
    if { [ -n "${apt_updated-}" ] || apt_get update >"$apt_log" 2>&1; } && apt_updated=yes &&
        apt_get install --no-install-recommends $missing >>"$apt_log" 2>&1; then
        rm -f "$apt_log"
    else
        tail -n 5 "$apt_log" >&2
        say "apt-get could not install $missing (whole log: $apt_log)"
        return 1
    fi
}

# A Python that is new enough and can make virtual environments.
find_python() {
    python=$(command -v python3) || { apt_install python3 && python=$(command -v python3); } || die "python3 is missing"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "Python 3.11 or newer is needed" "$python is $("$python" -V)"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv $(compile_packages_list) || exit 42
}

# What the environment in .venv was made from: the lock, this very folder, and a Python that still starts.
stamp() {
    cksum <"$root/$1"
    printf '%s\n' "$root"
    "$venv/bin/python" -V 2>&1
}

is_ready() { [ -f "$venv/$1.stamp" ] && [ "$(stamp "$1" 2>/dev/null)" = "$(cat "$venv/$1.stamp")" ]; }

venv_pip() {
    # Errors only: what pip says otherwise (its own updates, odd index entries) is nothing a user can act on.
    PYTHONDONTWRITEBYTECODE= "$venv/bin/python" -m pip --quiet --quiet --disable-pip-version-check --no-input "$@" 9>&-
}

# install_locked LOCK: uv does in seconds what takes pip a minute, from the same lock with the same hashes. pip has the
# last word: where there is no uv for this processor, or no way to an index but one that only pip is told of.
install_locked() {
    sed -n '/^uv==/,/[^\\]$/p' "$root/$1" >"$venv/uv.lock"
    if [ -z "${PIP_NO_INDEX:-}" ] && venv_pip install --require-hashes -r "$venv/uv.lock" 2>/dev/null; then
        (
            index=${PIP_INDEX_URL:-$(venv_pip config get global.index-url 2>/dev/null)} || :
            # By its variable: an address may hold a password, and other users see arguments.
            [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
            UV_SYSTEM_CERTS=1 "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes \
                -r "$root/$1" 2>/dev/null 9>&-
        ) && return
    fi
    venv_pip install --require-hashes -r "$root/$1"
}

# make_venv LOCK: .venv with what LOCK says, and this checkout in it. The stamp is written last, so that an
# interrupted run starts over. Other packages in .venv stay: the two locks agree on versions.
make_venv() {
    is_ready "$1" && return 0
    setup_lock
    if ! is_ready "$1"; then
        command -v git >/dev/null || apt_install git || exit 42
        find_python
        say "setting up $venv"
        is_ready requirements.lock || is_ready requirements-test.lock || {
            rm -f "$venv"/*.stamp
            "$python" -m venv --clear "$venv" || die "python3 -m venv failed"
        }
        install_locked "$1" ||
            die "pip could not install the locked packages" "check the network, or PIP_INDEX_URL for a mirror"
        venv_pip install --no-deps --no-build-isolation --editable "$root" || die "pip could not install patchkit"
        stamp "$1" >"$venv/$1.stamp"
    fi
    setup_unlock
}

# What the host engine compiles with, from the table that the docker engine reads too: for one target, the common one
# where none is named.
compile_packages_list() {
    "${python:-$venv/bin/python}" - "$root/docker/toolchains.toml" "${1:-linux-amd64}" <<'PY'
import sys, tomllib
with open(sys.argv[1], "rb") as table:
    print(*sorted(tomllib.load(table)["target"][sys.argv[2]]["packages"]))
PY
}


# Asked for once a table: it is only advice where it can't be followed, since Docker may do the compiling.
compile_packages() {
    [ "$venv/system-packages" -nt "$root/docker/toolchains.toml" ] && return 0
    setup_lock
    apt_install $(compile_packages_list) || say "    (or let Docker do the compiling: --engine docker)"
    # Docker without an image registry: the base image is bootstrapped with this.
    [ ! -S /var/run/docker.sock ] && [ -z "${DOCKER_HOST:-}" ] || apt_install mmdebstrap || :
    : >"$venv/system-packages"
    setup_unlock
}

# What the lab's links are made of: what the kernel is compiled with, the machine's QEMU, the tools of the link netns.
lab_packages_list="bc bison flex qemu-system-x86 iproute2 iputils-ping nftables"

# Asked for once: it is only advice where it can't be followed, since each link wants a part of it.
lab_packages() {
    [ "$(cat "$venv/lab-packages" 2>/dev/null)" = "$lab_packages_list" ] && return 0
    setup_lock
    apt_install $lab_packages_list || say "    (the lab's kernel needs bc, bison and flex, the link 'qemu' qemu-system-x86, the link 'netns' the others)"
    printf '%s\n' "$lab_packages_list" >"$venv/lab-packages"
    setup_unlock
}

# What reads signatures, the agent aside, which only signing wants. patchkit itself says what it can't do without it.
openpgp_packages() {
    command -v gpg >/dev/null && return 0
    setup_lock
    apt_install gpg || say "    (verify reads signatures with it)"
    setup_unlock
}
