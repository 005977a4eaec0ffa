#!/bin/sh
# In a system of Debian's that runs systemd: openvpn by Debian's own package, then by ours, then by none.
# deb_in_system.sh PACKAGE VERSION: /keys has the credentials. Prints a line for each step that held.
set -eu
package=$1 version=$2

say() { printf '%s\n' "$*"; }

# Both ends on the loopback interface, started as a user would: by systemd, from /etc/openvpn.
common="dev null
proto udp
ca /etc/openvpn/keys/ca.crt
verb 3"
mkdir -p /etc/openvpn/keys
cp /keys/* /etc/openvpn/keys
printf '%s\n' "$common" "local 127.0.0.1" "port 21196" "tls-server" "dh /etc/openvpn/keys/dh.pem" \
    "cert /etc/openvpn/keys/server.crt" "key /etc/openvpn/keys/server.key" \
    "log /run/server.log" >/etc/openvpn/server/me.conf
printf '%s\n' "$common" "remote 127.0.0.1 21196" "nobind" "tls-client" "remote-cert-tls server" \
    "cert /etc/openvpn/keys/client.crt" "key /etc/openvpn/keys/client.key" \
    "log /run/client.log" >/etc/openvpn/client/me.conf
configuration() { find /etc/openvpn -type f -exec sha256sum {} + | sort; }
before=$(configuration)

# connected VERSION: start both, and wait for the handshake.
connected() {
    rm -f /run/server.log /run/client.log
    systemctl restart openvpn-server@me openvpn-client@me
    tries=600
    until grep -qs "Initialization Sequence Completed" /run/server.log &&
        grep -qs "Initialization Sequence Completed" /run/client.log; do
        tries=$((tries - 1))
        if [ $tries -eq 0 ]; then
            tail -n 20 /run/server.log /run/client.log
            systemctl --no-pager status openvpn-server@me openvpn-client@me
            exit 1
        fi
        sleep 0.1
    done
    grep -Eq "(^| )OpenVPN $(printf %s "$1" | sed "s|[.+]|[&]|g") " /run/server.log || { head -n 3 /run/server.log; exit 1; }
    systemctl is-active --quiet openvpn-server@me openvpn-client@me
}

own=$(dpkg-query -W -f '${Version}' openvpn)
connected "${own%%-*}"
say "Debian's own $own runs"

export DEBIAN_FRONTEND=noninteractive
# install: as a user would, who has no list of packages here, and needs none.
install() {
    apt-get install --yes --no-install-recommends --reinstall "$package" >/run/apt.log 2>&1 || { cat /run/apt.log; exit 1; }
}
# Refused by dpkg alone: nothing of Debian's is taken away behind its back.
if dpkg --install "$package" >/run/dpkg.log 2>&1; then exit 1; fi
connected "${own%%-*}"
install
[ "$(dpkg-query -W -f '${db:Status-Status}' openvpn-patched)" = installed ]
[ "$(dpkg-query -W -f '${db:Status-Status}' openvpn)" != installed ]
[ "$(configuration)" = "$before" ]
dpkg --audit
connected "$version"
say "ours took its place, kept the configuration and runs"

started=$(systemctl show --property ExecMainStartTimestampMonotonic --value openvpn-server@me)
sleep 1
install
systemctl is-active --quiet openvpn-server@me openvpn-client@me
[ "$(systemctl show --property ExecMainStartTimestampMonotonic --value openvpn-server@me)" != "$started" ]
say "an upgrade started it again"

dpkg --remove openvpn-patched >/run/dpkg.log 2>&1 || { cat /run/dpkg.log; exit 1; }
if systemctl is-active --quiet openvpn-server@me openvpn-client@me; then exit 1; fi
if grep -qsx openvpn /proc/[0-9]*/comm; then exit 1; fi
[ ! -e /usr/sbin/openvpn ]
[ -z "$(dpkg -L openvpn-patched 2>/dev/null | while read -r path; do [ ! -f "$path" ] || echo "$path"; done)" ]
[ "$(configuration)" = "$before" ]
say "removed: nothing runs, the configuration is there"
