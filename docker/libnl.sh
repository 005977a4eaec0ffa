#!/bin/sh
# A static libnl, its core and generic netlink, from the source in this folder: libnl.sh JOBS TRIPLET FLAGS
# Leaves ../deps/include, ../deps/lib and ../deps/licences.
set -eu
jobs=$1 triplet=$2 flags=$3
./configure --host="$triplet" --prefix=/usr/local --sysconfdir=/etc --enable-static --disable-shared --disable-cli \
    CFLAGS="$flags"
make -j"$jobs" lib/libnl-3.la lib/libnl-genl-3.la
mkdir -p ../deps/include/netlink ../deps/lib ../deps/licences/libnl
cp -R include/netlink/*.h include/netlink/genl ../deps/include/netlink/
cp lib/.libs/libnl-3.a lib/.libs/libnl-genl-3.a ../deps/lib/
cp COPYING ../deps/licences/libnl/
