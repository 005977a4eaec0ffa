#!/bin/sh
# A static LZO from the source in this folder: lzo.sh JOBS TRIPLET FLAGS
# Leaves ../deps/include, ../deps/lib and ../deps/licences.
set -eu
jobs=$1 triplet=$2 flags=$3
./configure --host="$triplet" --prefix=/usr/local --enable-static --disable-shared CFLAGS="$flags"
make -j"$jobs"
mkdir -p ../deps/include ../deps/lib/pkgconfig ../deps/licences/lzo
cp -R include/lzo ../deps/include/
cp src/.libs/liblzo2.a ../deps/lib/
cp COPYING ../deps/licences/lzo/
# Relative to itself: the folder is another one in each build.
sed -e 's,^prefix=.*,prefix=${pcfiledir}/../..,' -e 's,^libdir=.*,libdir=${prefix}/lib,' \
    -e 's,^includedir=.*,includedir=${prefix}/include,' lzo2.pc >../deps/lib/pkgconfig/lzo2.pc
