#!/bin/sh
# A static OpenSSL from the source in this folder: openssl.sh PLATFORM FLAGS JOBS OPENSSLDIR [OPTION]...
# Leaves ../deps/include and ../deps/lib.
set -eu
platform=$1 flags=$2 jobs=$3 openssldir=$4
shift 4
# FLAGS is several words.
perl Configure "$platform" --prefix=/usr/local --openssldir="$openssldir" "$@" $flags
# To 1.0.2, OpenSSL writes the time of day into itself and does not know SOURCE_DATE_EPOCH. Its own script makes the
# file before make would, and the date in it is replaced; make finds it up to date.
if ! grep -q SOURCE_DATE_EPOCH util/mkbuildinf.pl; then
    make depend
    perl util/mkbuildinf.pl "$flags" "$platform" |
        sed 's/built on: [^"]*/built on: reproducible build, date unspecified/' >crypto/buildinf.h
fi
make -j"$jobs" build_libs
mkdir -p ../deps/include ../deps/lib
cp -RL include/openssl ../deps/include/
cp libcrypto.a libssl.a ../deps/lib/
