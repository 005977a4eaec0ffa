#!/bin/sh
# Run Windows programs without windows, downloads or talk of wine's own:
#   wine.sh PREFIX --boot                  make PREFIX, the folder of wine's own
#   wine.sh PREFIX PROGRAM [ARGUMENT]...
#   wine.sh PREFIX --end                   end all that wine keeps running there
# Where the system lets us, they live in a network namespace of their own that holds nothing but a loopback device:
# OpenVPN's server asks for the metric of the default route, and wine (8.0) crashes in InitializeIpInterfaceEntry,
# which it does not have. PREFIX/alone is the process that keeps the namespace.
prefix=$1 what=$2
shift
WINEPREFIX=$prefix HOME=$prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe='
export WINEPREFIX HOME WINEDEBUG WINEDLLOVERRIDES
unset DISPLAY
inside=
if [ -f "$prefix/alone" ]; then
    inside="nsenter --target $(cat "$prefix/alone") --user --net --preserve-credentials --"
fi
case $what in
--boot)
    mkdir -p "$prefix"
    # Its own mark is written last, by the process itself: where it is, the namespace is ready.
    unshare --map-root-user --net -- sh -c \
        'ip link set lo up && echo $$ >"$1/alone.new" && mv "$1/alone.new" "$1/alone" && exec sleep 3600' \
        sh "$prefix" </dev/null >/dev/null 2>&1 &
    tries=50
    while [ $tries -gt 0 ] && [ ! -f "$prefix/alone" ] && kill -0 $! 2>/dev/null; do
        sleep 0.1
        tries=$((tries - 1))
    done
    exec sh "$0" "$prefix" wineboot --init
    ;;
--end)
    # An interrupt of --boot takes the process that keeps the namespace, and not wine's server, which has a session of
    # its own. That one asks only for the same user: root, as which it was started in there.
    $inside wineserver -k || unshare --map-root-user -- wineserver -k
    [ ! -f "$prefix/alone" ] || kill "$(cat "$prefix/alone")"
    ;;
*)
    exec $inside wine "$@"
    ;;
esac
