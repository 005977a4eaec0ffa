"""Logs of our own making, in the shape of those that users sent: one for each verdict, with the same traps."""

# ruff: noqa: E501 - lines of logs are as long as they are

from __future__ import annotations

STALL = """\
2014-05-02 10:11:12  MULTI: REAP range 16 -> 32
...
2014-05-02 10:11:13  Außenstelle-7/198.51.100.9:40001 ACK output sequence broken: [9] 5 6 7 8
2014-05-02 10:11:13  GET INST BY REAL: 198.51.100.9:40001 [ok]
2014-05-02 10:11:14  Außenstelle-7/198.51.100.9:40001 ACK output sequence broken: [9] 5 6 7 8
"""
NO_REPLY = """\
2021-03-04 08:00:01 Data Channel MTU parms [ L:1622 D:1450 EF:122 EB:406 ET:0 EL:3 ]
2021-03-04 08:00:01 Control Channel MTU parms [ L:1622 D:1212 EF:38 EB:0 ET:0 EL:3 ]
2021-03-04 08:00:01 Socket Buffers: R=[229376->1572864] S=[229376->1572864]
2021-03-04 08:00:01 UDP link local: (not bound)
2021-03-04 08:00:01 UDP link remote: [AF_INET]198.51.100.7:1194
2021-03-04 08:00:01 MANAGEMENT: >STATE:1614844801,WAIT,,,,,,
2021-03-04 08:01:02 TLS Error: TLS key negotiation failed to occur within 60 seconds (check your network connectivity)
2021-03-04 08:01:02 TLS Error: TLS handshake failed
2021-03-04 08:01:02 SIGUSR1[soft,tls-error] received, process restarting
2021-03-04 08:01:02 MANAGEMENT: >STATE:1614844862,RECONNECTING,tls-error,,,,,
2021-03-04 08:01:02 Nächster Verbindungsversuch in 10 Sekunden
2021-03-04 08:01:12 UDP link remote: [AF_INET]198.51.100.7:1194
2021-03-04 08:01:12 MANAGEMENT: >STATE:1614844872,WAIT,,,,,,
"""
PORT_CLOSED = """\
Mon May 04 12:00:00 2020 UDP link local: (not bound)
Mon May 04 12:00:00 2020 UDP link remote: [AF_INET]198.51.100.7:1194
Mon May 04 12:00:00 2020 MANAGEMENT: >STATE:1588593600,WAIT,,,,,,
Mon May 04 12:00:00 2020 read UDP: Unknown error (code=10054)
Mon May 04 12:00:03 2020 read UDP: Unknown error (code=10054)
Mon May 04 12:00:08 2020 read UDP: Unknown error (code=10054)
Mon May 04 12:00:16 2020 read UDP: Unknown error (code=10054)
Mon May 04 12:00:32 2020 read UDP: Unknown error (code=10054)
Mon May 04 12:01:00 2020 TLS Error: TLS key negotiation failed to occur within 60 seconds (check your network connectivity)
Mon May 04 12:01:00 2020 TLS Error: TLS handshake failed
"""
CERTIFICATE = """\
Mar  9 06:30:00 border ovpn-office[99]: 198.51.100.5:40005 TLS: Initial packet from [AF_INET]198.51.100.5:40005, sid=0a0b0c0d 01020304
Mar  9 06:30:00 border ovpn-office[99]: 198.51.100.5:40005 VERIFY ERROR: depth=0, error=CRL has expired: CN=anna
Mar  9 06:30:00 border ovpn-office[99]: 198.51.100.5:40005 OpenSSL: error:14089086:SSL routines:ssl3_get_client_certificate:certificate verify failed
Mar  9 06:30:00 border ovpn-office[99]: 198.51.100.5:40005 TLS_ERROR: BIO read tls_read_plaintext error
Mar  9 06:30:00 border ovpn-office[99]: 198.51.100.5:40005 TLS Error: TLS object -> incoming plaintext read error
Mar  9 06:30:00 border ovpn-office[99]: 198.51.100.5:40005 TLS Error: TLS handshake failed
Mar  9 06:30:00 border ovpn-office[99]: 198.51.100.5:40005 SIGUSR1[soft,tls-error] received, client-instance restarting
Mar  9 06:33:00 border dnsmasq[7]: reading /etc/resolv.conf
"""
MSS = """\
Tue Feb 1 09:00:00 2022 us=100001 TCP connection established with [AF_INET]198.51.100.44:50044
Tue Feb 1 09:00:00 2022 us=100002 TCPv4_SERVER link remote: [AF_INET]198.51.100.44:50044
RTue Feb 1 09:00:01 2022 us=100003 198.51.100.44:50044 TLS: Initial packet from [AF_INET]198.51.100.44:50044, sid=01010101 02020202
WRRWWTue Feb 1 09:01:00 2022 us=100004 198.51.100.44:50044 TLS Error: TLS key negotiation failed to occur within 60 seconds (check your network connectivity)
Tue Feb 1 09:01:00 2022 us=100005 198.51.100.44:50044 TLS Error: TLS handshake failed
Tue Feb 1 09:01:00 2022 us=100006 198.51.100.44:50044 SIGUSR1[soft,tls-error] received, client-instance restarting
"""
KEY = """\
Jun  1 01:00:00 pi ovpn-server[8]: Initialization Sequence Completed
Jun  1 02:00:00 pi ovpn-server[8]: tls-crypt unwrap error: packet authentication failed
Jun  1 02:00:00 pi ovpn-server[8]: TLS Error: tls-crypt unwrapping failed from [AF_INET]HIDDEN:40000
Jun  1 02:00:03 pi ovpn-server[8]: tls-crypt unwrap error: packet authentication failed
Jun  1 02:00:03 pi ovpn-server[8]: TLS Error: tls-crypt unwrapping failed from [AF_INET]HIDDEN:40000
Jun  1 02:00:08 pi ovpn-server[8]: tls-crypt unwrap error: packet authentication failed
"""
ONE_WAY = """\
Jan 18 19:16:04 ovpn-server1[83]: 10.9.0.6:5309 UDPv6 WRITE [26] to [AF_INET6]::ffff:10.9.0.6:5309: P_CONTROL_HARD_RESET_SERVER_V2 kid=0 [ 0 ] pid=0 DATA len=0
Jan 18 19:16:05 ovpn-server1[83]: 10.9.0.6:5309 UDPv6 READ [14] from [AF_INET6]::ffff:10.9.0.6:5309: P_CONTROL_HARD_RESET_CLIENT_V2 kid=0 [ ] pid=0 DATA len=0
Jan 18 19:16:05 ovpn-server1[83]: 10.9.0.6:5309 UDPv6 WRITE [22] to [AF_INET6]::ffff:10.9.0.6:5309: P_ACK_V1 kid=0 [ 0 ]
Jan 18 19:16:06 ovpn-server1[83]: 10.9.0.6:5309 UDPv6 READ [14] from [AF_INET6]::ffff:10.9.0.6:5309: P_CONTROL_HARD_RESET_CLIENT_V2 kid=0 [ ] pid=0 DATA len=0
Jan 18 19:16:06 ovpn-server1[83]: 10.9.0.6:5309 UDPv6 WRITE [22] to [AF_INET6]::ffff:10.9.0.6:5309: P_ACK_V1 kid=0 [ 0 ]
Jan 18 19:16:07 ovpn-server1[83]: 10.9.0.6:5309 UDPv6 READ [14] from [AF_INET6]::ffff:10.9.0.6:5309: P_CONTROL_HARD_RESET_CLIENT_V2 kid=0 [ ] pid=0 DATA len=0
Jan 18 19:16:07 ovpn-server1[83]: 10.9.0.6:5309 UDPv6 WRITE [22] to [AF_INET6]::ffff:10.9.0.6:5309: P_ACK_V1 kid=0 [ 0 ]
Jan 18 19:16:08 ovpn-server1[83]: MULTI: multi_create_instance called
Jan 18 19:16:08 ovpn-server1[83]: 10.9.0.6:3743 Re-using SSL/TLS context
"""
AUTH = """\
Sep 14 10:23:43 vpn openvpn[61]: Initialization Sequence Completed
Sep 14 10:23:52 vpn openvpn[61]: MANAGEMENT: Client connected from /run/openvpn/server.sock
Sep 14 10:24:02 vpn openvpn[61]: MANAGEMENT: Client disconnected
Sep 14 10:24:37 vpn openvpn[61]: 198.51.100.12:4846 VERIFY OK: depth=1, CN=Example CA
Sep 14 10:24:37 vpn openvpn[61]: 198.51.100.12:4846 VERIFY OK: depth=0, CN=bert
Sep 14 10:24:37 vpn openvpn[61]: 198.51.100.12:4846 peer info: IV_VER=3.8.2connect1
Sep 14 10:25:37 vpn openvpn[61]: 198.51.100.12:4846 TLS Error: TLS key negotiation failed to occur within 60 seconds (check your network connectivity)
Sep 14 10:25:37 vpn openvpn[61]: 198.51.100.12:4846 TLS Error: TLS handshake failed
Sep 14 10:25:37 vpn openvpn[61]: 198.51.100.12:4846 SIGUSR1[soft,tls-error] received, client-instance restarting
"""
HEALTHY = """\
2024-04-05 06:07:08 OpenVPN 2.6.14 x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO] [LZ4] [EPOLL]
2024-04-05 06:07:08 MULTI: multi_init called, r=256 v=256
2024-04-05 06:07:08 Initialization Sequence Completed
2024-04-05 06:08:00 198.51.100.2:41000 VERIFY OK: depth=0, CN=carla
2024-04-05 06:08:00 198.51.100.2:41000 peer info: IV_VER=2.6.14
2024-04-05 06:08:00 198.51.100.2:41000 Control Channel: TLSv1.3, cipher TLSv1.3 TLS_AES_256_GCM_SHA384, peer certificate: 2048 bits RSA
2024-04-05 06:08:00 198.51.100.2:41000 [carla] Peer Connection Initiated with [AF_INET]198.51.100.2:41000
2024-04-05 06:08:00 carla/198.51.100.2:41000 SENT CONTROL [carla]: 'PUSH_REPLY,route-gateway 10.8.0.1' (status=1)
2024-04-05 07:08:00 carla/198.51.100.2:41000 TLS: soft reset sec=3600/3600 bytes=45000/-1 pkts=600/0
2024-04-05 07:08:00 carla/198.51.100.2:41000 VERIFY OK: depth=0, CN=carla
2024-04-05 07:08:00 carla/198.51.100.2:41000 Control Channel: TLSv1.3, cipher TLSv1.3 TLS_AES_256_GCM_SHA384, peer certificate: 2048 bits RSA
"""
VERB_1 = """\
2024-04-05 06:07:08 OpenVPN 2.6.14 x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO] [LZ4] [EPOLL]
2024-04-05 06:07:08 UDPv4 link local: (not bound)
2024-04-05 06:07:08 UDPv4 link remote: [AF_INET]198.51.100.7:1194
2024-04-05 06:08:08 TLS Error: TLS key negotiation failed to occur within 60 seconds (check your network connectivity)
2024-04-05 06:08:08 TLS Error: TLS handshake failed
2024-04-05 06:08:08 SIGUSR1[soft,tls-error] received, process restarting
"""

_PACKET = "UDPv4 {way} [114] {to} [AF_INET]192.0.2.4:1194: P_CONTROL_V1 kid=0 [ ] pid={pid} DATA len=100"
_STUCK = [
    ("10 2013 us=100", _PACKET.format(way="WRITE", to="to", pid=5)),
    ("10 2013 us=150", _PACKET.format(way="WRITE", to="to", pid=6)),
    ("10 2013 us=200", "ACK output sequence broken: [9] 5 6 7 8"),
    ("11 2013 us=100", "ACK output sequence broken: [9] 5 6 7 8"),
    ("12 2013 us=200", "ACK output sequence broken: [9] 5 6 7 8"),
    ("12 2013 us=300", _PACKET.format(way="WRITE", to="to", pid=5)),
    ("12 2013 us=400", "UDPv4 READ [22] from [AF_INET]192.0.2.4:1194: P_ACK_V1 kid=0 [ 5 ]"),
]
PACKETS = "".join(f"Wed Jul 24 16:53:{stamp} {message}\n" for stamp, message in _STUCK)
"""A stall at --verb 7: packet 5 is stuck for two seconds."""

VERDICTS = {
    "stall": STALL, "no-reply": NO_REPLY, "port-closed": PORT_CLOSED, "certificate": CERTIFICATE, "mtu": MSS,
    "key-mismatch": KEY, "one-way": ONE_WAY, "auth": AUTH, "not-enough": VERB_1,
}  # fmt: skip
"""The kind of the one finding of each log."""
