#!/bin/sh
# A static OpenSSL from the source in this folder: openssl.sh JOBS PLATFORM FLAGS OPENSSLDIR [OPTION]...
# Leaves ../deps/include, ../deps/lib and ../deps/licences.
set -eu
jobs=$1 platform=$2 flags=$3 openssldir=$4
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
mkdir -p ../deps/include ../deps/lib ../deps/licences/openssl
cp -RL include/openssl ../deps/include/
cp libcrypto.a libssl.a ../deps/lib/
cp LICENSE* ../deps/licences/openssl/
