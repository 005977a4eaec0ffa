#!/bin/sh
# A static libcap-ng from the source in this folder: libcap-ng.sh JOBS TRIPLET FLAGS
# Leaves ../deps/include, ../deps/lib and ../deps/licences.
set -eu
jobs=$1 triplet=$2 flags=$3
./configure --host="$triplet" --prefix=/usr/local --enable-static --disable-shared --without-python \
    --without-python3 CFLAGS="$flags"
make -C src -j"$jobs" libcap-ng.la
mkdir -p ../deps/include ../deps/lib ../deps/licences/libcap-ng
cp src/cap-ng.h ../deps/include/
cp src/.libs/libcap-ng.a ../deps/lib/
cp COPYING.LIB ../deps/licences/libcap-ng/
