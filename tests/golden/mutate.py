"""Damaged and changed copies of captures, the same ones every time."""
import random


def variants(name, data, count):
    """Yields (name, bytes) of the capture itself and of `count` copies that are changed or damaged."""
    yield name, data
    if len(data) < 2:
        return
    rng = random.Random(name)
    for number in range(count):
        change = (flip, cut, repeat, drop, swap)[number % 5]
        yield f"{name}+{change.__name__}{number}", bytes(change(rng, bytearray(data)))


def flip(rng, data):
    """Flips bits, mostly after the header of the file."""
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(min(24, len(data) - 1) if rng.random() < 0.9 else 0, len(data))] ^= 1 << rng.randrange(8)
    return data


def cut(rng, data):
    return data[:rng.randrange(1, len(data))]


def chunks(data):
    """The offsets of the records of a pcap or pcapng file in this machine's byte order; none for the other byte order."""
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        at, spans = 0, []
        while at + 12 <= len(data):
            length = int.from_bytes(data[at + 4:at + 8], "little")
            if length < 12 or at + length > len(data):
                return []
            kind = int.from_bytes(data[at:at + 4], "little")
            if kind in (3, 6):
                spans.append((at, at + length))
            at += length
        return spans
    at, spans = 24, []
    while data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") and at + 16 <= len(data):
        length = int.from_bytes(data[at + 8:at + 12], "little")
        if at + 16 + length > len(data):
            return []
        spans.append((at, at + 16 + length))
        at += 16 + length
    return spans


def rebuilt(data, spans, order):
    first, last = spans[0][0], spans[-1][1]
    return data[:first] + b"".join(data[a:b] for a, b in (spans[i] for i in order)) + data[last:]


def ordered(rng, data, change):
    spans = chunks(data)
    return rebuilt(data, spans, change(rng, list(range(len(spans))))) if spans else flip(rng, data)


def repeat(rng, data):
    """Duplicates some packets; the copy comes later."""
    return ordered(rng, data, lambda r, o: o + [r.choice(o) for _ in range(r.randint(1, 20))])


def drop(rng, data):
    """Removes some packets."""
    return ordered(rng, data, lambda r, o: [i for i in o if r.random() > 0.2] or o)


def swap(rng, data):
    """Swaps some neighbouring packets."""
    def change(r, order):
        for _ in range(r.randint(1, 20)):
            i = r.randrange(len(order))
            j = min(i + 1, len(order) - 1)
            order[i], order[j] = order[j], order[i]
        return order
    return ordered(rng, data, change)
