#!/usr/bin/env python3
"""Writes city.mmdb and asn.mmdb with mmdb_writer (pip install mmdb_writer==0.2.7): documentation networks in made-up places.

They have the shape of GeoLite2-City and GeoLite2-ASN, and none of their data."""

from netaddr import IPSet
from mmdb_writer import MMDBWriter

CITIES = {
    "192.0.2.0/25": ("NL", "Amsterdam"),
    "192.0.2.128/25": ("NL", None),
    "198.51.100.0/24": ("BR", "São Paulo"),
    "203.0.113.7/32": (None, "Nowhere"),
    "2001:db8:1::/48": ("DE", "Köln"),
}
SYSTEMS = {
    "192.0.2.0/24": (64500, "Example Networks B.V."),
    "198.51.100.0/25": (64501, None),
    "2001:db8::/32": (4200000000, "Example Sechs GmbH"),
}


def city(country, name):
    record = {"location": {"latitude": 1.5, "longitude": -2.5}}
    if country:
        record["country"] = {"geoname_id": 1, "iso_code": country, "names": {"en": country, "de": country}}
    if name:
        record["city"] = {"geoname_id": 2, "names": {"de": "nicht diese", "en": name}}
    return record


def system(number, organisation):
    record = {"autonomous_system_number": number}
    if organisation:
        record["autonomous_system_organization"] = organisation
    return record


def write(path, kind, networks):
    writer = MMDBWriter(6, kind, languages=["en"], description="made for tests", ipv4_compatible=True, int_type="u32")
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(path)


write("city.mmdb", "GeoLite2-City", {network: city(*place) for network, place in CITIES.items()})
write("asn.mmdb", "GeoLite2-ASN", {network: system(*known) for network, known in SYSTEMS.items()})
