#!/usr/bin/env python3
"""Writes the captures own-*.pcap[ng], and flows.jsonl: the flows of every capture in this folder.

The flows are counted here by a small decoder that shares nothing with pidflow. Rules: bytes are whole frames on the wire;
one flow per protocol, pair of address and port, and tunnel for the whole capture, whichever end came first; up to four tunnels
are opened, and the innermost packet is the flow's; frames that are not IP, and later fragments, are in no flow; ports are 0 where
a protocol has none, and for ICMP.
"""
import glob
import ipaddress
import json
import os
import socket
import struct

HERE = os.path.dirname(os.path.abspath(__file__))


# ---- building

def ip4(src, dst, proto, payload, frag=0, ident=7, total=None):
    total = 20 + len(payload) if total is None else total
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, total, ident, frag, 64, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst)) + payload


def ip6(src, dst, proto, payload):
    return struct.pack("!IHBB", 6 << 28, len(payload), proto, 64) + \
        socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + payload


def udp(src, dst, payload=b"x" * 20):
    return struct.pack("!HHHH", src, dst, 8 + len(payload), 0) + payload


def tcp(src, dst, flags, seq=1, payload=b""):
    return struct.pack("!HHIIBBHHH", src, dst, seq, 0, 5 << 4, flags, 65535, 0, 0) + payload


def icmp(kind, ident):
    return struct.pack("!BBHHH", kind, 0, 0, ident, 1) + b"ping"


def ethernet(payload, kind=0x0800, tags=()):
    frame = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01"
    for tpid, vlan in tags:
        frame += struct.pack("!HH", tpid, vlan)
    frame += struct.pack("!H", kind) + payload
    return frame + b"\0" * (60 - len(frame))


def connection(client, server, port, family=ip4, kind=0x0800, data=300):
    """A handshake, a request, two segments of an answer, and the end."""
    there = lambda flags, payload=b"": ethernet(family(client, server, 6, tcp(port, 443, flags, payload=payload)), kind)
    back = lambda flags, payload=b"": ethernet(family(server, client, 6, tcp(443, port, flags, payload=payload)), kind)
    return [there(2), back(18), there(16), there(24, b"q" * 70), back(24, b"a" * data), back(24, b"a" * data),
            there(17), back(17), there(16)]


def mixed():
    frames = connection("192.0.2.1", "198.51.100.1", 40001)
    frames += connection("2001:db8::1", "2001:db8::2", 40002, ip6, 0x86DD)
    for n in range(5):
        frames.append(ethernet(ip4("192.0.2.1", "192.0.2.53", 17, udp(50000 + n % 2, 53))))
        frames.append(ethernet(ip4("192.0.2.53", "192.0.2.1", 17, udp(53, 50000 + n % 2, b"answer" * 9))))
        frames.append(ethernet(ip4("192.0.2.1", "192.0.2.9", 1, icmp(8, 99))))
        frames.append(ethernet(ip4("192.0.2.9", "192.0.2.1", 1, icmp(0, 99))))
    frames.append(ethernet(ip6("fe80::1", "ff02::1", 58, icmp(135, 0)), 0x86DD))
    for tags in [[(0x8100, 7)], [(0x88A8, 5), (0x8100, 7)]]:
        frames.append(ethernet(ip4("192.0.2.2", "192.0.2.3", 17, udp(5000, 6000)), 0x0800, tags))
    frames.append(ethernet(struct.pack("!I", 100 << 12 | 0x100 | 64) + ip4("192.0.2.2", "192.0.2.4", 17, udp(1, 2)), 0x8847))
    frames.append(ethernet(ip4("192.0.2.2", "192.0.2.5", 47, b"\0\0\x08\0" + ip4("10.0.0.1", "10.0.0.2", 17, udp(1, 2)))))
    # Fragments: of a datagram of 2,008 bytes, whose later ones come before and behind the first one.
    whole = udp(7000, 7001, b"f" * 2000)
    pieces = [(0x2000, whole[:800]), (0x2000 | 100, whole[800:1600]), (200, whole[1600:])]
    for order, ident in [((0, 1, 2), 21), ((2, 0, 1), 22)]:
        for n in order:
            frames.append(ethernet(ip4("192.0.2.6", "192.0.2.7", 17, pieces[n][1], pieces[n][0], ident)))
    # Packets that belong to no flow: ARP, LLDP, spanning tree, an unknown type; and an IP header that promises more than the frame has.
    frames += [ethernet(b"\0\x01" + b"\0" * 26, 0x0806), ethernet(b"\x02\x07", 0x88CC), ethernet(b"\x42\x42\x03", 38)]
    frames += [ethernet(b"iec", 0x88B8), ethernet(ip4("192.0.2.1", "192.0.2.8", 17, udp(1, 2), total=900))]
    return frames


def vxlan(vni, frame, first=b"\x08\0\0\0"):
    return udp(49152 + vni % 100, 4789, first + struct.pack("!I", vni << 8) + frame)


def geneve(vni, frame, options=b""):
    return udp(50000, 6081, struct.pack("!BBHI", len(options) // 4, 0, 0x6558, vni << 8) + options + frame)


def gtp(teid, packet, flags=0x30, rest=b""):
    return udp(2152, 2152, struct.pack("!BBHI", flags, 255, len(rest + packet), teid) + rest + packet)


def gre(kind, payload, key=None, flags=0):
    key = b"" if key is None else struct.pack("!I", key)
    return struct.pack("!HH", flags | (0x2000 if key else 0), kind) + key + payload


def tunnels():
    """The same two hosts talk inside of every tunnel; the tunnels' endpoints are other hosts."""
    def both(wrap, back=None):
        """A request and its answer, each in a tunnel packet of the same direction."""
        there = ip4("10.0.0.1", "10.0.0.2", 17, udp(5000, 53))
        answer = ip4("10.0.0.2", "10.0.0.1", 17, udp(53, 5000, b"answer" * 9))
        out = lambda proto, payload: ethernet(ip4("192.0.2.1", "192.0.2.2", proto, payload))
        home = lambda proto, payload: ethernet(ip4("192.0.2.2", "192.0.2.1", proto, payload))
        return [out(*wrap(there)), home(*(back or wrap)(answer))]

    frames = []
    for vni in (1, 2, 2, 0xFFFFFF):
        frames += both(lambda p: (17, vxlan(vni, ethernet(p))))
    frames += both(lambda p: (17, vxlan(3, ethernet(p, tags=[(0x8100, 9)]), b"\x88\x08\0\x05")))
    frames += both(lambda p: (17, geneve(4, ethernet(p), b"\1\2\x80\1abcd")), lambda p: (17, geneve(5, ethernet(p))))
    frames += both(lambda p: (17, gtp(100, p)), lambda p: (17, gtp(200, p, 0x34, b"\0\0\0\x85\1\x10\x09\0")))
    frames += both(lambda p: (47, gre(0x0800, p))) + both(lambda p: (47, gre(0x0800, p, 77)))
    frames += both(lambda p: (47, gre(0x6558, ethernet(p), 5001 << 8 | 7))) + both(lambda p: (4, p))
    frames += both(lambda p: (47, gre(0x88BE, struct.pack("!IHHI", 1, 0x1005, 42, 7) + ethernet(p), None, 0x1000)))
    # A tunnel in a tunnel, and more nested tunnels than are decoded.
    frames += both(lambda p: (17, vxlan(6, ethernet(ip4("172.16.0.1", "172.16.0.2", 47, gre(0x0800, p, 8))))))
    deep = ip4("10.9.9.1", "10.9.9.2", 17, udp(1, 2))
    for level in range(6):
        deep = ip4(f"10.{level}.0.1", f"10.{level}.0.2", 4, deep)
    frames.append(ethernet(deep))
    # 6in4, PPPoE, and packets that look like a tunnel but are none: reserved bits, another message, ARP inside.
    frames.append(ethernet(ip4("192.0.2.1", "192.0.2.2", 41, ip6("2001:db8::1", "2001:db8::2", 17, udp(5, 6)))))
    frames.append(ethernet(b"\x11\0\0\x07\0\x32\0\x21" + ip4("10.0.0.1", "10.0.0.2", 17, udp(7, 8)), 0x8864))
    for plain in (udp(1, 4789, b"\x0c\1\0\1\0\0\1\0" + deep), vxlan(7, ethernet(b"\0\1" + b"\0" * 26, 0x0806)),
                  udp(2, 2152, b"\x32\1\0\4\0\0\0\0\0\1\0\0"), udp(3, 6081, b"\x40\0\x65\x58\0\0\1\0" + ethernet(deep))):
        frames.append(ethernet(ip4("192.0.2.1", "192.0.2.2", 17, plain)))
    # A tunnel's packet in fragments.
    whole = vxlan(8, ethernet(ip4("10.0.0.3", "10.0.0.4", 17, udp(9, 10, b"f" * 900))))
    for offset, more, part in [(0, 0x2000, whole[:480]), (60, 0, whole[480:])]:
        frames.append(ethernet(ip4("192.0.2.1", "192.0.2.2", 17, part, more | offset, 77)))
    return frames


# Sessions of L2TP 3 and what both ends agreed on: bytes of the cookie and of the sublayer.
SESSIONS = {1000: (0, 0), 1001: (0, 4), 1002: (4, 4), 1003: (8, 0)}


def right(packet):
    """The IPv4 packet with its checksum."""
    total = sum(struct.unpack("!10H", packet[:20]))
    return packet[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + packet[12:]


def l2tp():
    """L2TP 2 with and without a length and sequence numbers, L2TP 3 in UDP and in IP, CAPWAP with frames of IEEE 802.3 and 802.11,
    and control messages, ARP, encrypted frames and fragments, which are not opened."""
    frames, there, back = [], ("10.6.0.1", "10.6.0.2"), ("10.6.0.2", "10.6.0.1")
    inner = {there: right(ip4(*there, 17, udp(5000, 53))), back: right(ip4(*back, 17, udp(53, 5000, b"answer" * 9)))}
    inner6 = ip6("2001:db8:6::1", "2001:db8:6::2", 17, udp(5000, 53))
    sides = {there: ("192.0.2.1", "192.0.2.2"), back: ("192.0.2.2", "192.0.2.1")}
    put = lambda way, proto, payload: frames.append(ethernet(right(ip4(*sides[way], proto, payload))))
    ppp = lambda packet: b"\xff\x03\0\x21" + packet
    for way, (tunnel, session) in {there: (7, 9), back: (70, 90)}.items():
        put(way, 17, udp(1701, 1701, struct.pack("!HHH", 2, tunnel, session) + ppp(inner[way])))
        body = struct.pack("!HHHH", tunnel, session, 5, 6) + ppp(inner[way])
        put(way, 17, udp(1701, 1701, struct.pack("!HH", 0x4802, len(body) + 4) + body))
    put(there, 17, udp(1701, 1701, struct.pack("!HHHHHH", 0xC802, 12, 7, 0, 1, 2)))
    for session, (cookie, sublayer) in SESSIONS.items():
        front = struct.pack("!I", session) + b"c" * cookie + b"\0" * sublayer
        for way in (there, back):
            put(way, 115, front + ethernet(inner[way]))
            put(way, 17, udp(1701, 1701, b"\0\x03\0\0" + front + ethernet(inner[way])))
        put(there, 115, front + ethernet(inner6, 0x86DD))
    put(there, 115, struct.pack("!I", 1000) + ethernet(b"\0\1\x08\0\6\4\0\1" + b"\2" * 20, 0x0806)[:42])
    put(there, 115, b"\0\0\0\0\xc8\x03\0\x14" + b"\0" * 12)
    capwap = lambda native, flags, frame, more=b"": bytes([0, (8 + len(more)) // 4 << 3, 2 | native, flags, 0, 0, 0, 0]) + more + frame
    wlan = lambda first, packet, qos=b"": bytes([first, 1, 0, 0]) + b"\2\0\0\0\0\1" * 3 + b"\0\0" + qos + b"\xaa\xaa\3\0\0\0\x08\0" + packet
    for way, ports in {there: (40000, 5247), back: (5247, 40000)}.items():
        put(way, 17, udp(*ports, capwap(0, 0, ethernet(inner[way]))))
        put(way, 17, udp(*ports, capwap(1, 0, wlan(8, inner[way]))))
        put(way, 17, udp(*ports, capwap(1, 0x10, wlan(0x88, inner[way], b"\0\0"), b"\6\1\2\3\4\5\6\0")))
    put(there, 17, udp(40000, 5247, capwap(0, 0x80, ethernet(inner[there]))))
    put(there, 17, udp(40000, 5247, b"\1\0\0\0\x17\xfe\xfd" + b"e" * 60))
    put(there, 17, udp(40000, 5247, capwap(1, 0, b"\x08\x41" + b"\2" * 60)))
    return frames


def vpns():
    """WireGuard, OpenVPN with and without an HMAC, IKE, ESP in UDP and in IP, each in both directions; and a WireGuard handshake
    without its answer, and an OpenVPN answer of another session, which prove nothing."""
    def both(client, server, port, packets):
        ends = [("10.7.0.1", client), ("10.7.0.2", port if server is None else server)]
        return [ethernet(ip4(ends[from_server][0], ends[1 - from_server][0], 17,
                             udp(ends[from_server][1], ends[1 - from_server][1], payload)))
                for from_server, payload in packets]
    def reset(opcode, session, acked=b"", auth=b""):
        body = (b"\0" if not acked else b"\x01" + b"\0\0\0\0" + acked) + b"\0\0\0\0"
        return bytes([opcode << 3]) + session + auth + body
    begin = b"\x01\0\0\0" + b"\x11\x22\x33\x44" + bytes(range(140))
    answer = b"\x02\0\0\0" + b"\x55\x66\x77\x88" + b"\x11\x22\x33\x44" + bytes(range(80))
    data = b"\x04\0\0\0" + b"\x55\x66\x77\x88" + b"\1" + b"\0" * 7 + b"d" * 64
    ike = lambda flags: b"initiatr" + (b"respondr" if flags else b"\0" * 8) + bytes([33, 0x20, 34, 8 if not flags else 0x20]) + \
        b"\0\0\0\0" + struct.pack("!I", 28 + 40) + struct.pack("!BBH", 0, 0, 40) + b"k" * 36
    esp = lambda index, number: struct.pack("!II", index, number) + b"e" * 64
    one, two = b"sessionA", b"sessionB"
    return both(40001, None, 51820, [(0, begin), (1, answer), (0, data)]) + \
        both(40002, None, 1194, [(0, reset(7, one)), (1, reset(8, two, one))]) + \
        both(40003, None, 1194, [(0, reset(7, one, auth=b"h" * 20 + b"\0\0\0\1" + b"\0\0\0\2")),
                                 (1, reset(8, two, one, b"h" * 20 + b"\0\0\0\1" + b"\0\0\0\2"))]) + \
        both(500, 500, 500, [(0, ike(0)), (1, ike(1))]) + \
        both(4500, 4500, 4500, [(0, b"\0\0\0\0" + ike(1)), (0, esp(0x1000, 1)), (1, esp(0x2000, 1)), (0, b"\xff")]) + \
        both(40004, None, 4500, [(0, esp(0x3000, 7)), (0, esp(0x3000, 8)), (1, esp(0x4000, 1))]) + \
        [ethernet(ip4("10.7.0.3", "10.7.0.4", 50, esp(0x5000, 1))), ethernet(ip4("10.7.0.4", "10.7.0.3", 50, esp(0x6000, 1)))] + \
        both(40005, None, 40006, [(0, begin), (0, begin)]) + \
        both(40007, None, 40008, [(0, reset(7, one)), (1, reset(8, two, b"sessionC"))])


def http2():
    """HTTP/2 without TLS from the first byte on, with a literal path and the Huffman code of RFC 7541, and after an upgrade."""
    frame = lambda kind, flags, stream, body: struct.pack("!I", len(body))[1:] + struct.pack("!BBI", kind, flags, stream) + body
    settings, acknowledged = frame(4, 0, 0, b"\0\3\0\0\0\x64"), frame(4, 1, 0, b"")
    authority = b"\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"
    request = frame(1, 5, 1, b"\x83\x86\x04\x07/up/two" + authority)
    answer = frame(1, 4, 1, b"\x88\x5f\x10application/grpc") + frame(0, 1, 1, b"data")
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    first = b"GET /old HTTP/1.1\r\nHost: up.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    frames = []
    for port, exchange in [
            (40010, [(0, preface + settings), (1, settings), (0, acknowledged + request), (1, acknowledged + answer)]),
            (40011, [(0, first), (1, switch + settings), (0, preface + settings),
                     (1, acknowledged + frame(1, 5, 1, b"\x8d"))])]:
        ends, at = [("10.8.0.1", port), ("10.8.0.2", 8080)], [100, 500]
        put = lambda side, flags, payload=b"": frames.append(ethernet(ip4(
            ends[side][0], ends[1 - side][0], 6, struct.pack("!HHIIBBHHH", ends[side][1], ends[1 - side][1], at[side],
            at[1 - side] if flags & 16 else 0, 5 << 4, flags, 65535, 0, 0) + payload)))
        for side, flags in [(0, 2), (1, 18)]:
            put(side, flags)
            at[side] += 1
        put(0, 16)
        for side, payload in exchange:
            put(side, 24, payload)
            at[side] += len(payload)
    return frames


def pcap(name, frames, magic=0xA1B2C3D4, snap=65535):
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(struct.pack("<IHHiIII", magic, 2, 4, 0, 0, snap, 1))
        for n, frame in enumerate(frames):
            f.write(struct.pack("<IIII", 1_700_000_000 + n // 10, n % 10 * 1000, min(len(frame), snap), len(frame)))
            f.write(frame[:snap])


def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))


def pcapng(name, frames):
    """Two interfaces, the second one in nanoseconds; options, blocks and comments that readers skip in between."""
    section = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + struct.pack("<HH", 4, 3) + b"d\xe9m\0")
    file = section + block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HH", 2, 4) + b"eth0")
    file += block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HHHH", 9, 1, 9, 0) + struct.pack("<HH", 6, 3) + b"\1\2\3\0")
    for n, frame in enumerate(frames):
        interface = n % 2
        time = (1_700_000_000 + n) * (10**9 if interface else 10**6)
        body = struct.pack("<IIIII", interface, time >> 32, time & 0xFFFFFFFF, len(frame), len(frame)) + frame
        body += b"\0" * (-len(body) % 4) + (struct.pack("<HH", 1, 4) + b"caf\xe9" if n % 3 else b"")
        file += block(6, body)
        if n % 7 == 0:
            file += block(3, struct.pack("<I", len(frame)) + frame) + block(4, b"\0\0\0\0") + block(0xBAD, b"unknown")
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(file)


# ---- counting

def frames_of(path):
    """Link type, captured data and length on the wire of each frame."""
    data = open(path, "rb").read()
    if data[:4] != b"\n\r\r\n":
        link, at = struct.unpack("<I", data[20:24])[0] & 0x03FFFFFF, 24
        while at + 16 <= len(data):
            captured, wire = struct.unpack("<II", data[at + 8:at + 16])
            yield link, data[at + 16:at + 16 + captured], wire
            at += 16 + captured
        return
    links, at = [], 0
    while at < len(data):
        kind, length = struct.unpack("<II", data[at:at + 8])
        body = data[at + 8:at + length - 4]
        if kind == 0x0A0D0D0A:
            links = []
        elif kind == 1:
            links.append(struct.unpack("<H", body[:2])[0])
        elif kind == 6:
            interface, _, _, captured, wire = struct.unpack("<IIIII", body[:20])
            yield links[interface], body[20:20 + captured], wire
        elif kind == 3:
            wire = struct.unpack("<I", body[:4])[0]
            yield links[0], body[4:4 + wire], wire
        at += length


def network(link, data, wire):
    """The IP packet in a frame and its length on the wire, or None."""
    if link in (101, 12, 228, 229):
        return data, wire
    if link != 1 or len(data) < 14:
        return None
    at, kind = 14, struct.unpack("!H", data[12:14])[0]
    while kind in (0x8100, 0x88A8, 0x9100):
        kind = struct.unpack("!H", data[at + 2:at + 4])[0]
        at += 4
    if kind == 0x8864 and data[at:at + 2] == b"\x11\0":
        at, kind = at + 8, {0x21: 0x0800, 0x57: 0x86DD}.get(struct.unpack("!H", data[at + 6:at + 8])[0])
    if kind == 0x8847:
        while not data[at + 2] & 1:
            at += 4
        at, kind = at + 4, {4: 0x0800, 6: 0x86DD}.get(data[at + 4] >> 4)
    return (data[at:], wire - at) if kind in (0x0800, 0x86DD) else None


def inside(link, data, wire):
    """The innermost IP packet of a frame, its length on the wire, and the innermost tunnel's kind and id; or None."""
    found, tunnel = network(link, data, wire), (None, None)
    for _ in range(4):
        inner = found and fields_of(*found) and opened(*found)
        if not inner:
            break
        found, tunnel = inner
    return found and (*found, tunnel)


def opened(packet, room):
    """The packet in the tunnel that begins after the IP header, and the tunnel's kind and id."""
    proto, _, _, rest, is_first = fields_of(packet, room)
    room -= len(packet) - len(rest)
    kind, number, link, payload = None, None, 101, b""
    if proto in (4, 41):
        kind, payload = "ip-in-ip", rest
    elif proto == 47:
        kind, number, link, payload = opened_gre(rest)
    elif proto == 115 and len(rest) >= 16:
        kind, number, link, payload = opened_l2tp_3(rest)
    elif proto == 17 and len(rest) >= 16 and {1701, 5247} & set(struct.unpack("!HH", rest[:4])):
        is_l2tp = 1701 in struct.unpack("!HH", rest[:4])
        kind, number, link, payload = opened_l2tp(rest[8:]) if is_l2tp else opened_capwap(rest[8:])
    elif proto == 17 and len(rest) >= 16:
        kind, number, link, payload = opened_udp(struct.unpack("!HH", rest[:4]), rest[8:], room - 8)
    inner = kind and network(link, payload, room - (len(rest) - len(payload)))
    if not inner or not inner[0] or inner[0][0] >> 4 not in (4, 6) or not (is_first or fields_of(*inner, True)):
        return None
    return inner, (kind, number)


def opened_gre(rest):
    flags, kind = struct.unpack("!HH", rest[:4])
    if flags & ~0xB000:
        return None, None, 1, b""
    at = 4 + (4 if flags & 0x8000 else 0)
    number = struct.unpack("!I", rest[at:at + 4])[0] if flags & 0x2000 else None
    at += (4 if flags & 0x2000 else 0) + (4 if flags & 0x1000 else 0)
    if kind == 0x88BE:
        if not flags & 0x1000:
            return "erspan", None, 1, rest[at:]
        return "erspan", struct.unpack("!H", rest[at + 2:at + 4])[0] & 1023, 1, rest[at + 8:]
    if kind == 0x6558:
        is_segment = flags == 0x2000 and 0x1000 <= number >> 8 < 0xFFFFFF
        return ("nvgre", number >> 8, 1, rest[at:]) if is_segment else ("gre", number, 1, rest[at:])
    return ("gre", number, 101, rest[at:]) if kind in (0x0800, 0x86DD) else (None, None, 1, b"")


def opened_l2tp_3(data):
    session = struct.unpack("!I", data[:4])[0]
    if session not in SESSIONS:
        return None, None, 1, b""
    return "l2tp", session, 1, data[4 + sum(SESSIONS[session]):]


def opened_l2tp(data):
    flags = struct.unpack("!H", data[:2])[0]
    if flags & 15 == 3 and not flags & 0x8000:
        return opened_l2tp_3(data[4:])
    if flags & 15 != 2 or flags & 0x8000:
        return None, None, 1, b""
    at = 4 if flags & 0x4000 else 2
    number = struct.unpack("!I", data[at:at + 4])[0]
    return "l2tp", number, 101, data[at + (8 if flags & 0x0800 else 4) + 4:]


def opened_capwap(data):
    first, length, binding, flags = data[:4]
    data = data[(length >> 3) * 4:]
    if first or flags & 0x88:
        return None, None, 1, b""
    if not binding & 1:
        return "capwap", None, 1, data
    if data[1] & 0x40:
        return None, None, 1, b""
    return "capwap", None, 101, data[32 + (2 if data[0] & 0x80 else 0):]


def opened_udp(ports, data, room):
    port = ports[1]
    first, number = struct.unpack("!II", data[:8])
    if port == 4789 and not number & 255 and (first == 8 << 24 or first >> 24 == 0x88 and not first & 0xB70000):
        return "vxlan", number >> 8, 1, data[8:]
    if port == 6081 and first >> 30 == 0 and not first & 0x3F0000 and not number & 255 and first & 0xFFFF == 0x6558:
        return "geneve", number >> 8, 1, data[8 + (first >> 24) * 4:]
    if port == 2152 and first >> 16 & 0xFF == 255 and first >> 27 == 6 and (first & 0xFFFF) + 8 <= room:
        at = 12 if first & 7 << 24 else 8
        following = data[11] if first & 4 << 24 else 0
        while following:
            at, following = at + data[at] * 4, data[at + data[at] * 4 - 1]
        return "gtp-u", number, 101, data[at:]
    if 3544 in ports:
        at = data[2] + data[3] + 13 if data[:2] == b"\0\1" else 0
        at += 8 if data[at:at + 2] == b"\0\0" else 0
        if data[at] >> 4 == 6 and struct.unpack("!H", data[at + 4:at + 6])[0] + 40 == room - at:
            return "teredo", None, 101, data[at:]
    return None, None, 1, b""


def fields_of(packet, room, is_inside=False):
    """Protocol, addresses, what is behind the header, and whether it is a first fragment; or nothing where it is in no flow."""
    if packet[0] >> 4 == 4:
        total, fragment = struct.unpack("!H", packet[2:4])[0], struct.unpack("!H", packet[6:8])[0]
        if is_inside and total > room or fragment & 0x1FFF:
            return None
        header = (packet[0] & 15) * 4
        return packet[9], packet[12:16], packet[16:20], packet[header:total or None], bool(fragment & 0x2000)
    if is_inside and struct.unpack("!H", packet[4:6])[0] + 40 > room:
        return None
    proto, source, destination, rest, is_first = packet[6], packet[8:24], packet[24:40], packet[40:], False
    while proto in (0, 43, 44, 51, 60):
        if proto == 44 and struct.unpack("!H", rest[2:4])[0] & 0xFFF8:
            return None
        is_first = is_first or proto == 44 and bool(rest[3] & 1)
        length = {44: 8, 51: (rest[1] + 2) * 4}.get(proto, (rest[1] + 1) * 8)
        proto, rest = rest[0], rest[length:]
    return proto, source, destination, rest, is_first


def tuple_of(packet, room, tunnel):
    """Protocol, both endpoints and the tunnel, or None where the packet is in no flow."""
    fields = fields_of(packet, room if not tunnel[0] else 65535)
    if not fields:
        return None
    proto, source, destination, rest, _ = fields
    ports = struct.unpack("!HH", rest[:4]) if proto in (6, 17, 33, 132, 136) and len(rest) >= 4 else (0, 0)
    ends = [(str(ipaddress.ip_address(a)), p) for a, p in zip((source, destination), ports)]
    return proto, ends[0], ends[1], tunnel


def flows_of(path):
    flows = {}
    for link, data, wire in frames_of(path):
        innermost = inside(link, data, wire)
        key = innermost and tuple_of(*innermost)
        if not key:
            continue
        proto, source, destination, tunnel = key
        known = (proto, destination, source, tunnel) in flows
        counts = flows.setdefault((proto, destination, source, tunnel) if known else key, [0, 0, 0, 0])
        counts[2 if known else 0] += 1
        counts[3 if known else 1] += wire
    return flows


def main():
    pcap("own-mixed.pcap", mixed())
    pcap("own-nanoseconds-cut.pcap", mixed(), 0xA1B23C4D, 64)
    pcapng("own-mixed.pcapng", mixed())
    pcap("own-tunnels.pcap", tunnels())
    pcap("own-l2tp.pcap", l2tp())
    pcap("own-vpns.pcap", vpns())
    pcap("own-http2.pcap", http2())
    with open(os.path.join(HERE, "flows.jsonl"), "w") as out:
        for path in sorted(glob.glob(os.path.join(HERE, "*.pcap*"))):
            for (proto, client, server, (kind, number)), (packets, size, packets_back, size_back) in flows_of(path).items():
                flow = {"capture": os.path.basename(path), "proto_num": proto, "client": client[0],
                        "client_port": client[1], "server": server[0], "server_port": server[1],
                        "c2s_packets": packets, "c2s_bytes": size,
                        "s2c_packets": packets_back, "s2c_bytes": size_back}
                if kind:
                    flow.update(tunnel=kind, tunnel_id=number)
                out.write(json.dumps(flow) + "\n")


main()
