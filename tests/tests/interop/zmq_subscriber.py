"""Subscribes to flows as ntopng does and prints each message's header and records as one line of JSON.

zmq_subscriber.py URL        connects there, as `ntopng -i URL`
zmq_subscriber.py URL bind   listens there, as `ntopng -i URLc` does

The headers are ntopng's structs zmq_msg_hdr_v1 and zmq_msg_hdr_v2 with the compiler's own padding; which of them it is
goes by the length of the frame (ZMQCollectorInterface::collect_flows).
"""

import json
import socket
import struct
import sys

import zmq

V1 = struct.Struct("@16sBBHI")
V2 = struct.Struct("@16sBxHII")


def parse(header):
    if len(header) == V1.size:
        topic, version, source, size, number = V1.unpack(header)
    elif len(header) == V2.size:
        topic, version, size, number, source = V2.unpack(header)
    else:
        raise ValueError(f"a header of {len(header)} bytes")
    if version not in (1, 2):
        raise ValueError(f"version {version}")
    number = number if version == 1 else socket.ntohl(number)
    return topic.split(b"\0")[0].decode(), version, source, size, number


def main(url, way="connect"):
    subscriber = zmq.Context().socket(zmq.SUB)
    getattr(subscriber, way)(url)
    subscriber.setsockopt(zmq.SUBSCRIBE, b"flow")
    while True:
        header, payload = subscriber.recv_multipart()
        topic, version, source, size, number = parse(header)
        records = json.loads(payload)
        message = {
            "header": len(header),
            "topic": topic,
            "version": version,
            "source_id": source,
            "size": size,
            "octets": len(payload),
            "message_id": number,
            "objects": records if isinstance(records, list) else [records],
        }
        print(json.dumps(message), flush=True)


main(*sys.argv[1:])
