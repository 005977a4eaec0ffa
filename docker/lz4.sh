#!/bin/sh
# A static LZ4 from the source in this folder: lz4.sh JOBS TRIPLET FLAGS
# Leaves ../deps/include, ../deps/lib and ../deps/licences.
set -eu
jobs=$1 triplet=$2 flags=$3
version=$(sed -n 's/^#define LZ4_VERSION_\(MAJOR\|MINOR\|RELEASE\)  *\([0-9]*\) .*/\2/p' lib/lz4.h | paste -s -d .)
mkdir -p ../deps/include ../deps/lib/pkgconfig ../deps/licences/lz4
# Not its makefile: on Linux it builds for Windows only what the uname of the building machine makes it believe.
for name in lz4 lz4hc lz4frame xxhash; do
    echo "$name"
done | xargs -P "$jobs" -I '{}' "$triplet-gcc" $flags -DXXH_NAMESPACE=LZ4_ -c -o '{}.o' 'lib/{}.c'
"$triplet-ar" Drcs ../deps/lib/liblz4.a lz4.o lz4hc.o lz4frame.o xxhash.o
cp lib/lz4.h lib/lz4hc.h lib/lz4frame.h ../deps/include/
cp lib/LICENSE ../deps/licences/lz4/
cat >../deps/lib/pkgconfig/liblz4.pc <<PC
prefix=\${pcfiledir}/../..
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: lz4
Description: extremely fast lossless compression
Version: $version
Libs: -L\${libdir} -llz4
Cflags: -I\${includedir}
PC
