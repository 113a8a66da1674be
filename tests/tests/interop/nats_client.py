"""Prints the messages of a NATS server, one per line, with the official client.

nats_client.py URL subscribe SUBJECT COUNT   says "ready" on standard error, then prints COUNT messages
nats_client.py URL create STREAM SUBJECT     makes a stream on disk
nats_client.py URL read SUBJECT              prints every message of the subject's stream
"""

import asyncio
import os
import ssl
import sys

import nats


async def subscribe(client, subject, count):
    subscription = await client.subscribe(subject, pending_msgs_limit=-1, pending_bytes_limit=-1)
    await client.flush()
    print("ready", file=sys.stderr, flush=True)
    for _ in range(int(count)):
        message = await subscription.next_msg(timeout=60)
        print(message.data.decode())


async def create(client, stream, subject):
    await client.jetstream().add_stream(name=stream, subjects=[subject])


async def read(client, subject):
    streams = client.jetstream()
    info = await streams.stream_info(await streams.find_stream_name_by_subject(subject))
    subscription = await streams.pull_subscribe(subject, durable="reader")
    left = info.state.messages
    while left > 0:
        messages = await subscription.fetch(min(left, 500), timeout=10)
        for message in messages:
            print(message.data.decode())
            await message.ack()
        left -= len(messages)


async def main(url, verb, *arguments):
    ca = os.environ["NATS_CA"]
    context = None
    if os.path.exists(ca):
        context = ssl.create_default_context(cafile=ca)
        # The client connects to the address, not to the name.
        context.check_hostname = False
        context.load_cert_chain(ca.replace("ca.pem", "client.pem"), ca.replace("ca.pem", "client.key"))
    client = await nats.connect(url, tls=context)
    await {"subscribe": subscribe, "create": create, "read": read}[verb](client, *arguments)
    await client.close()


asyncio.run(main(*sys.argv[1:]))
