"""IPFIX (RFC 7011) and NetFlow v9 (RFC 3954) messages to lists of {element: value in hexadecimal}."""
import struct


def varlen(data, at):
    length, at = data[at], at + 1
    if length == 255:
        length, at = struct.unpack_from("!H", data, at)[0], at + 2
    return length, at


class Decoder:
    """Keeps templates from one message to the next."""

    def __init__(self):
        self.templates, self.records, self.problems = {}, [], []

    def stream(self, data):
        """IPFIX messages one after another, as in a file."""
        at = 0
        while at < len(data):
            version, length = struct.unpack_from("!HH", data, at)
            if version != 10 or length < 16 or at + length > len(data):
                self.problems.append(f"no whole message at {at}")
                return
            self.sets(data[at + 16:at + length], ipfix=True)
            at += length

    def datagram(self, data):
        """One message of NetFlow v9. Its times are relative to the system's start, which may differ between messages: they are made
        absolute."""
        known = len(self.records)
        self.sets(data[20:], ipfix=False)
        uptime_ms, seconds = struct.unpack_from("!II", data, 4)
        for record in self.records[known:]:
            for name in {"0.21", "0.22"} & record.keys():
                record[name] = str(seconds * 1000 - uptime_ms + int(record[name], 16))

    def sets(self, data, ipfix):
        at = 0
        while at + 4 <= len(data):
            number, length = struct.unpack_from("!HH", data, at)
            if length < 4 or at + length > len(data):
                self.problems.append(f"set {number} of {length} bytes")
                return
            body = data[at + 4:at + length]
            if number == (2 if ipfix else 0):
                self.template_set(body, ipfix)
            elif number >= 256:
                self.data_set(number, body)
            at += length

    def template_set(self, body, ipfix):
        at = 0
        while at + 4 <= len(body):
            number, fields = struct.unpack_from("!HH", body, at)
            if number < 256:
                return
            at, elements = at + 4, []
            for _ in range(fields):
                element, length = struct.unpack_from("!HH", body, at)
                at += 4
                enterprise = 0
                if ipfix and element & 0x8000:
                    enterprise, at = struct.unpack_from("!I", body, at)[0], at + 4
                elements.append((f"{enterprise}.{element & 0x7fff if ipfix else element}", length))
            self.templates[number] = elements

    def data_set(self, number, body):
        elements = self.templates.get(number)
        if elements is None:
            self.problems.append(f"data without template {number}")
            return
        shortest = sum(1 if length == 65535 else length for _, length in elements)
        at = 0
        while shortest and at + shortest <= len(body):
            record = {}
            for name, length in elements:
                if length == 65535:
                    length, at = varlen(body, at)
                record[name] = body[at:at + length].hex()
                at += length
            self.records.append(record)
