#!/bin/sh
# One real handshake over loopback: handshake.sh NAME SERVER-BINARY CLIENT-BINARY PORT [OPTION]...
# Succeeds when both sides say "Initialization Sequence Completed" within 30 s; prints both logs otherwise.
# Exit codes: 0 done, 1 not done, 75 the port is taken (try another).
set -u
name=$1 server=$2 client=$3 port=$4
shift 4
common="--dev null --proto udp --ca ca.crt --verb 3 --hand-window 25 --tls-exit"

"$server" $common --local 127.0.0.1 --port "$port" --tls-server --dh dh.pem --cert server.crt --key server.key "$@" \
    >"$name.server.log" 2>&1 &
server_pid=$!
# A binary that ignores SIGTERM is one of those that this is here to find.
finish() {
    kill "$@" 2>/dev/null
    (sleep 2; kill -KILL "$@") >/dev/null 2>&1 &
    killer=$!
    wait "$@"
    kill $killer 2>/dev/null
}
trap 'finish $server_pid' EXIT
trap 'exit 143' TERM INT HUP
# A client that is earlier than the server loses its first packet, and two seconds with it.
tries=60
while [ $tries -gt 0 ] && kill -0 $server_pid 2>/dev/null && ! grep -q "link local (bound)" "$name.server.log"; do
    sleep 0.05
    tries=$((tries - 1))
done
grep -q "Address already in use" "$name.server.log" && exit 75
"$client" $common --remote 127.0.0.1 "$port" --nobind --tls-client --remote-cert-tls server \
    --cert client.crt --key client.key "$@" >"$name.client.log" 2>&1 &
client_pid=$!
trap 'finish $server_pid $client_pid' EXIT

code=1 tries=600
while [ $tries -gt 0 ]; do
    if grep -q "Initialization Sequence Completed" "$name.server.log" &&
        grep -q "Initialization Sequence Completed" "$name.client.log"; then
        code=0
        break
    fi
    kill -0 $server_pid 2>/dev/null && kill -0 $client_pid 2>/dev/null || break
    sleep 0.05
    tries=$((tries - 1))
done
if [ $code -eq 1 ]; then
    echo "handshake $name did not complete; server:"
    tail -n 15 "$name.server.log"
    echo "client:"
    tail -n 15 "$name.client.log"
fi
exit $code
