#!/usr/bin/env python3
"""Writes the captures own-*.pcap[ng], and flows.jsonl: the flows of every capture in this folder.

The flows are counted here by a small decoder that shares nothing with pidflow. Rules: bytes are whole frames on the wire;
one flow per protocol and pair of address and port for the whole capture, whichever end came first; tunnels are not opened;
frames that are not IP, and later fragments, are in no flow; ports are 0 where a protocol has none, and for ICMP.
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
    # In no flow: ARP, LLDP, spanning tree, an unknown type, an IP header that promises more than the frame has.
    frames += [ethernet(b"\0\x01" + b"\0" * 26, 0x0806), ethernet(b"\x02\x07", 0x88CC), ethernet(b"\x42\x42\x03", 38)]
    frames += [ethernet(b"iec", 0x88B8), ethernet(ip4("192.0.2.1", "192.0.2.8", 17, udp(1, 2), total=900))]
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
    """Two interfaces, the second one in nanoseconds; options, blocks and comments that nobody needs in between."""
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
    """The IP packet in a frame and its room on the wire, or nothing."""
    if link in (101, 12, 228, 229):
        return data, wire
    if link != 1 or len(data) < 14:
        return None
    at, kind = 14, struct.unpack("!H", data[12:14])[0]
    while kind in (0x8100, 0x88A8, 0x9100):
        kind = struct.unpack("!H", data[at + 2:at + 4])[0]
        at += 4
    if kind == 0x8847:
        while not data[at + 2] & 1:
            at += 4
        at, kind = at + 4, {4: 0x0800, 6: 0x86DD}.get(data[at + 4] >> 4)
    return (data[at:], wire - at) if kind in (0x0800, 0x86DD) else None


def tuple_of(packet, room):
    """Protocol and both ends, or nothing where the packet is in no flow."""
    if packet[0] >> 4 == 4:
        total, fragment = struct.unpack("!H", packet[2:4])[0], struct.unpack("!H", packet[6:8])[0]
        if total > room or fragment & 0x1FFF:
            return None
        proto, source, destination, rest = packet[9], packet[12:16], packet[16:20], packet[(packet[0] & 15) * 4:]
    else:
        if struct.unpack("!H", packet[4:6])[0] + 40 > room:
            return None
        proto, source, destination, rest = packet[6], packet[8:24], packet[24:40], packet[40:]
        while proto in (0, 43, 44, 51, 60):
            if proto == 44 and struct.unpack("!H", rest[2:4])[0] & 0xFFF8:
                return None
            length = {44: 8, 51: (rest[1] + 2) * 4}.get(proto, (rest[1] + 1) * 8)
            proto, rest = rest[0], rest[length:]
    ports = struct.unpack("!HH", rest[:4]) if proto in (6, 17, 33, 132, 136) and len(rest) >= 4 else (0, 0)
    ends = [(str(ipaddress.ip_address(a)), p) for a, p in zip((source, destination), ports)]
    return proto, ends[0], ends[1]


def flows_of(path):
    flows = {}
    for link, data, wire in frames_of(path):
        inside = network(link, data, wire)
        key = inside and tuple_of(*inside)
        if not key:
            continue
        proto, source, destination = key
        known = (proto, destination, source) in flows
        counts = flows.setdefault((proto, destination, source) if known else key, [0, 0, 0, 0])
        counts[2 if known else 0] += 1
        counts[3 if known else 1] += wire
    return flows


def main():
    pcap("own-mixed.pcap", mixed())
    pcap("own-nanoseconds-cut.pcap", mixed(), 0xA1B23C4D, 64)
    pcapng("own-mixed.pcapng", mixed())
    with open(os.path.join(HERE, "flows.jsonl"), "w") as out:
        for path in sorted(glob.glob(os.path.join(HERE, "*.pcap*"))):
            for (proto, client, server), (packets, size, packets_back, size_back) in flows_of(path).items():
                flow = {"capture": os.path.basename(path), "proto_num": proto, "client": client[0],
                        "client_port": client[1], "server": server[0], "server_port": server[1],
                        "c2s_packets": packets, "c2s_bytes": size,
                        "s2c_packets": packets_back, "s2c_bytes": size_back}
                out.write(json.dumps(flow) + "\n")


main()
