"""What an application does with the streams of nats-py: part of `checks.py`."""

import sys

import nats
import nats.errors
import nats.js.errors
from nats.js import api

OPEN = sys.argv[1]
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def require(condition, *what):
    if not condition:
        raise AssertionError(" ".join(map(repr, what)))


async def refused(wanted, awaitable):
    try:
        result = await awaitable
    except wanted as error:
        return error
    raise AssertionError(f"not refused: {result!r}")


async def fetched(consumer, count):
    """One fetch may bring less than there is."""
    messages = []
    while len(messages) < count:
        messages += await consumer.fetch(count - len(messages), timeout=5)
    return messages


async def stream(name, **more):
    nc = await nats.connect(OPEN)
    js = nc.jetstream()
    await js.add_stream(name=name, subjects=[f"{name}.>"], storage=api.StorageType.MEMORY, **more)
    return nc, js


@check
async def streams():
    nc, js = await stream("py")
    acks = [await js.publish(f"py.{n % 2}", str(n).encode()) for n in range(10)]
    require([(ack.stream, ack.seq) for ack in acks] == [("py", n + 1) for n in range(10)], acks)
    again = [await js.publish("py.id", b"", headers={"Nats-Msg-Id": "one"}) for _ in range(2)]
    require([(ack.seq, bool(ack.duplicate)) for ack in again] == [(11, False), (11, True)], again)
    wrong = await refused(nats.js.errors.APIError, js.publish("py.0", b"", headers={"Nats-Expected-Last-Sequence": "7"}))
    require(wrong.err_code == 10071, wrong)
    await refused(nats.js.errors.NoStreamResponseError, js.publish("nobody.x", b""))
    info = await js.stream_info("py")
    require((info.state.messages, info.state.first_seq, info.state.last_seq) == (11, 1, 11), info.state)
    message = await js.get_msg("py", 3)
    require((message.subject, message.data) == ("py.0", b"2"), message)
    require((await js.get_last_msg("py", "py.1")).seq == 10)
    require(await js.delete_msg("py", 3))
    await refused(nats.js.errors.NotFoundError, js.get_msg("py", 3))
    require(await js.purge_stream("py", subject="py.1"))
    require((await js.stream_info("py")).state.messages == 5)
    await js.update_stream(name="py", subjects=["py.>"], storage=api.StorageType.MEMORY, max_msgs=2)
    require((await js.stream_info("py")).state.messages == 2)
    require(await js.find_stream_name_by_subject("py.x") == "py")
    require([info.config.name for info in await js.streams_info()] == ["py"])
    require((await js.account_info()).streams == 1)
    require(await js.delete_stream("py"))
    await refused(nats.js.errors.NotFoundError, js.stream_info("py"))
    await nc.close()


@check
async def pull_consumer():
    nc, js = await stream("jobs", retention=api.RetentionPolicy.WORK_QUEUE)
    for n in range(5):
        await js.publish(f"jobs.{n}", str(n).encode())
    worker = await js.pull_subscribe("jobs.>", durable="worker", config=api.ConsumerConfig(ack_wait=2))
    first = await fetched(worker, 3)
    require([message.data for message in first] == [b"0", b"1", b"2"], first)
    await first[0].ack_sync(timeout=5)
    # With a confirmation: else the real server may serve the next request before it.
    await nc.request(first[1].reply, b"-NAK", timeout=5)
    await first[2].in_progress()
    require((first[2].metadata.sequence.stream, first[2].metadata.num_delivered) == (3, 1), first[2].metadata)
    again = await fetched(worker, 1)
    require((again[0].data, again[0].metadata.num_delivered) == (b"1", 2), again)
    await again[0].ack_sync(timeout=5)
    rest = await fetched(worker, 2)
    require([message.data for message in rest] == [b"3", b"4"], rest)
    await rest[0].term()
    await rest[1].ack_sync(timeout=5)
    # The acknowledgement that was not given is missed.
    late = await fetched(worker, 1)
    require((late[0].data, late[0].metadata.num_delivered) == (b"2", 2), late)
    await late[0].ack_sync(timeout=5)
    await refused(nats.errors.TimeoutError, worker.fetch(1, timeout=0.2))
    info = await js.consumer_info("jobs", "worker")
    require((info.num_ack_pending, info.num_pending, info.ack_floor.stream_seq) == (0, 0, 5), info)
    require((await js.stream_info("jobs")).state.messages == 0)
    await js.delete_stream("jobs")
    await nc.close()


@check
async def push_consumer():
    nc, js = await stream("push")
    for n in range(3):
        await js.publish("push.x", str(n).encode())
    pushed = await js.subscribe("push.x", durable="pushed", manual_ack=True)
    for n in range(3):
        message = await pushed.next_msg(timeout=5)
        require((message.data, message.metadata.sequence.consumer) == (str(n).encode(), n + 1), message)
        await message.ack_sync(timeout=5)
    members = [await js.subscribe("push.x", queue="group", durable="group") for _ in range(2)]
    for n in range(20):
        await js.publish("push.x", b"more")
    shares = [0, 0]
    while sum(shares) < 23:
        for at, member in enumerate(members):
            try:
                await (await member.next_msg(timeout=0.1)).ack()
                shares[at] += 1
            except nats.errors.TimeoutError:
                pass
    ordered = await js.subscribe("push.>", ordered_consumer=True)
    require([(await ordered.next_msg(timeout=5)).metadata.sequence.stream for _ in range(23)] == list(range(1, 24)))
    await js.delete_stream("push")
    await nc.close()


@check
async def key_value():
    nc = await nats.connect(OPEN)
    js = nc.jetstream()
    store = await js.create_key_value(bucket="settings", history=3, storage=api.StorageType.MEMORY)
    require(await store.put("theme", b"dark") == 1)
    require((await store.get("theme")).value == b"dark")
    require(await store.update("theme", b"light", last=1) == 2)
    await refused(nats.js.errors.KeyWrongLastSequenceError, store.update("theme", b"none", last=1))
    await refused(nats.js.errors.KeyWrongLastSequenceError, store.create("theme", b"none"))
    require(await store.create("size", b"9") == 3)
    require(sorted(await store.keys()) == ["size", "theme"])
    watcher = await store.watch("theme")
    require((await watcher.updates(timeout=5)).value == b"light")
    require(await watcher.updates(timeout=5) is None)
    await store.delete("theme")
    require((await watcher.updates(timeout=5)).operation == "DEL")
    await refused(nats.js.errors.KeyNotFoundError, store.get("theme"))
    require([entry.revision for entry in await store.history("theme")] == [1, 2, 4])
    await store.purge("theme")
    require([entry.operation for entry in await store.history("theme")] == ["PURGE"])
    status = await store.status()
    require((status.bucket, status.values, status.history) == ("settings", 2, 3), status)
    await watcher.stop()
    require(await js.delete_key_value("settings"))
    await refused(nats.js.errors.BucketNotFoundError, js.key_value("settings"))
    await nc.close()


@check
async def object_store():
    nc = await nats.connect(OPEN)
    js = nc.jetstream()
    files = await js.create_object_store("files", config=api.ObjectStoreConfig(storage=api.StorageType.MEMORY))
    big = bytes(range(256)) * 2_000
    info = await files.put("big", big)
    require((info.name, info.size) == ("big", len(big)), info)
    require((await files.get("big")).data == big)
    await files.put("small", b"x")
    require(sorted(info.name for info in await files.list()) == ["big", "small"])
    await files.put("big", b"shorter")
    require((await files.get("big")).data == b"shorter")
    await files.delete("small")
    await refused(nats.js.errors.ObjectNotFoundError, files.get("small"))
    require(await js.delete_object_store("files"))
    await nc.close()
