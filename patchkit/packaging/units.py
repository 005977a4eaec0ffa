"""The systemd units of a package: one OpenVPN for each configuration, as Debian and upstream lay configurations out."""

from __future__ import annotations

from collections.abc import Mapping

_UNIT = """\
[Unit]
Description=OpenVPN {what} (%i), patched
Documentation=man:openvpn(8)
Wants=network-online.target
After=network-online.target

[Service]
Type=forking
RuntimeDirectory={run}
RuntimeDirectoryPreserve=yes
WorkingDirectory={folder}
PIDFile=/run/{run}/%i.pid
ExecStart=/usr/sbin/openvpn --daemon ovpn-%i --cd {folder} --config {folder}/%i.conf --writepid /run/{run}/%i.pid
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
Restart=on-failure
RestartSec=5s
TimeoutStopSec=90
CapabilityBoundingSet=CAP_IPC_LOCK CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SETGID CAP_SETUID CAP_SETPCAP \
CAP_SYS_CHROOT CAP_DAC_OVERRIDE CAP_AUDIT_WRITE CAP_SYS_NICE
DeviceAllow=/dev/null rw
DeviceAllow=/dev/net/tun rw
ProtectSystem=true
ProtectHome=true

[Install]
WantedBy=multi-user.target
"""
_KINDS = {
    "openvpn-client@.service": ("client", "/etc/openvpn/client", "openvpn-client"),
    "openvpn-server@.service": ("server", "/etc/openvpn/server", "openvpn-server"),
    "openvpn@.service": ("connection", "/etc/openvpn", "openvpn"),
}


def units() -> Mapping[str, bytes]:
    """Return the units by file name."""
    return {
        name: _UNIT.format(what=what, folder=folder, run=run).encode() for name, (what, folder, run) in _KINDS.items()
    }
