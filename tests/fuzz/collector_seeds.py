#!/usr/bin/env python3
"""Writes seeds of the collector target, one per protocol: collector_seeds.py FOLDER"""
import os
import struct
import sys

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)


def words(*values):
    return struct.pack(f">{len(values)}H", *values)


def longs(*values):
    return struct.pack(f">{len(values)}I", *values)


def set_of(number, contents):
    return words(number, len(contents) + 4) + contents


TEMPLATE = words(256, 6, 8, 4, 12, 4, 2, 4, 1, 4, 10, 2, 48, 1)
FLOW = longs(1, 2, 3, 300) + words(7) + b"\2"
SETS = set_of(2, TEMPLATE) + set_of(3, words(400, 2, 1, 10, 4, 82, 65535)) + set_of(400, longs(7) + b"\4eth7") + set_of(256, FLOW)
SETS9 = set_of(0, TEMPLATE) + set_of(1, words(400, 4, 8, 1, 4, 48, 1, 50, 4)) + set_of(400, longs(0) + b"\2" + longs(9)) + set_of(256, FLOW)
HEADER = longs(1, 118, 4, 44) + bytes([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 100]) + bytes(26)
RECORD = longs(1, len(HEADER)) + HEADER
SAMPLE = longs(1, 3, 512, 0, 0, 3, 4, 1) + RECORD
SEEDS = {
    "ipfix": words(10, 16 + len(SETS)) + longs(1767225700, 0, 1) + SETS,
    "netflow9": words(9, 1) + longs(100000, 1767225700, 0, 1) + SETS9,
    "netflow5": words(5, 1) + longs(100000, 1767225700, 0, 0) + words(1, 0x4064) + longs(1, 2, 3) + bytes(36),
    "sflow": longs(5, 1, 0xC0000201, 9, 1, 5000, 1) + longs(1, len(SAMPLE)) + SAMPLE,
}
for name, datagram in SEEDS.items():
    with open(os.path.join(folder, name), "wb") as out:
        out.write((words(len(datagram)) + datagram) * 2)
