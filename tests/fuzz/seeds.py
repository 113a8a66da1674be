#!/usr/bin/env python3
"""Writes the Ethernet frames of captures as seeds of the decode target: seeds.py FOLDER CAPTURE..."""
import hashlib
import os
import struct
import sys

ETHERNET = 1

folder, captures = sys.argv[1], sys.argv[2:]
os.makedirs(folder, exist_ok=True)
for path in captures:
    data = open(path, "rb").read()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(data[:4])
    if order is None or struct.unpack(order + "I", data[20:24])[0] & 0xFFFF != ETHERNET:
        continue
    at = 24
    while at + 16 <= len(data):
        captured = struct.unpack(order + "I", data[at + 8:at + 12])[0]
        # Link type 1, and the frame is captured in full.
        seed = b"\0\0" + data[at + 16:at + 16 + captured]
        with open(os.path.join(folder, hashlib.sha1(seed).hexdigest()), "wb") as out:
            out.write(seed)
        at += 16 + captured
