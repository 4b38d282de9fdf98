"""What an application does with nats-py, against two servers: an open one and one with users.

    checks.py OPEN_URL USERS_URL

Prints `ok NAME` or `not ok NAME: why` for each check, then `end`. When it prints `restart`, whoever runs it restarts the open
server and writes `restarted` to its standard input.
"""

import asyncio
import sys
import traceback

import nats
import nats.errors
import nats.micro

import streams

OPEN, USERS = sys.argv[1:3]
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def require(condition, *what):
    if not condition:
        raise AssertionError(" ".join(map(repr, what)))


async def texts(subscription, count):
    return [(await subscription.next_msg(timeout=5)).data.decode() for _ in range(count)]


async def nothing_more(*subscriptions):
    """After a round trip, what came is here."""
    for subscription in subscriptions:
        require(subscription.pending_msgs == 0, subscription.subject, subscription.pending_msgs)


async def round_trip(nc):
    """What was sent before has been done, and what came of it is here.

    Not `flush`: that writes its PING at once, before what still waits to be written.
    """
    await refused(nats.errors.NoRespondersError, nc.request("ok.nobody", b"", timeout=10))


async def refused(wanted, awaitable):
    try:
        result = await awaitable
    except wanted as error:
        return error
    raise AssertionError(f"not refused: {result!r}")


@check
async def connect():
    nc = await nats.connect(OPEN, name="checks")
    require(nc.is_connected)
    require(nc.max_payload == 1 << 20, nc.max_payload)
    require(nc.client_id > 0, nc.client_id)
    require(nc.connected_server_version.major == 2, str(nc.connected_server_version))
    await nc.close()
    require(nc.is_closed)


@check
async def publish_and_subscribe():
    a, b = await nats.connect(OPEN), await nats.connect(OPEN)
    subscription = await b.subscribe("news.eu")
    await round_trip(b)
    for n in range(100):
        await a.publish("news.eu", str(n).encode())
    require(await texts(subscription, 100) == [str(n) for n in range(100)])
    await a.publish("news.eu", b"")
    await a.publish("news.eu", bytes(range(256)), reply="back.to.me")
    require((await subscription.next_msg()).data == b"")
    last = await subscription.next_msg()
    require((last.data, last.reply, last.subject) == (bytes(range(256)), "back.to.me", "news.eu"), last)
    await a.close()
    await b.close()


@check
async def wildcards():
    nc = await nats.connect(OPEN)
    one, rest = await nc.subscribe("w.*"), await nc.subscribe("w.>")
    for subject in ["w", "w.a", "w.a.b", "W.a"]:
        await nc.publish(subject, subject.encode())
    await round_trip(nc)
    require(await texts(one, 1) == ["w.a"])
    require(await texts(rest, 2) == ["w.a", "w.a.b"])
    await nothing_more(one, rest)
    await nc.close()


@check
async def unsubscribe():
    a, b = await nats.connect(OPEN), await nats.connect(OPEN)
    limited, ended, steady = [await b.subscribe("u") for _ in range(3)]
    await limited.unsubscribe(limit=3)
    await round_trip(b)
    for n in range(2):
        await a.publish("u", str(n).encode())
    await round_trip(a)
    await round_trip(b)
    await ended.unsubscribe()
    await round_trip(b)
    for n in range(2, 6):
        await a.publish("u", str(n).encode())
    await round_trip(a)
    await round_trip(b)
    require(await texts(steady, 6) == list("012345"))
    require(await texts(limited, 3) == list("012"))
    await a.close()
    await b.close()


@check
async def queue_groups():
    a, b, c = [await nats.connect(OPEN) for _ in range(3)]
    members = [await b.subscribe("jobs.*", "red"), await c.subscribe("jobs.x", "red"), await c.subscribe("jobs.*", "red")]
    blue, plain = await c.subscribe("jobs.x", "blue"), await b.subscribe("jobs.x")
    await round_trip(b)
    await round_trip(c)
    for n in range(300):
        await a.publish("jobs.x", str(n).encode())
    await round_trip(a)
    await round_trip(b)
    await round_trip(c)
    shares = [member.pending_msgs for member in members]
    require(sum(shares) == 300 and all(50 < share < 150 for share in shares), shares)
    require((blue.pending_msgs, plain.pending_msgs) == (300, 300))
    for nc in (a, b, c):
        await nc.close()


@check
async def request():
    a, b = await nats.connect(OPEN), await nats.connect(OPEN)

    async def double(question):
        await question.respond(question.data * 2)

    await b.subscribe("double", cb=double)
    await round_trip(b)
    answers = await asyncio.gather(*(a.request("double", str(n).encode(), timeout=5) for n in range(20)))
    require([answer.data.decode() for answer in answers] == [str(n) * 2 for n in range(20)])
    old = await a.request("double", b"x", timeout=5, old_style=True)
    require(old.data == b"xx", old.data)
    await a.close()
    await b.close()


@check
async def request_timeout():
    a, b = await nats.connect(OPEN), await nats.connect(OPEN)
    silent = await b.subscribe("silent")
    await round_trip(b)
    await refused(nats.errors.TimeoutError, a.request("silent", b"", timeout=0.2))
    require(len(await texts(silent, 1)) == 1)
    await a.close()
    await b.close()


@check
async def no_responders():
    nc = await nats.connect(OPEN)
    await refused(nats.errors.NoRespondersError, nc.request("nobody", b"", timeout=5))
    subscription = await nc.subscribe("nobody")
    await subscription.unsubscribe()
    await refused(nats.errors.NoRespondersError, nc.request("nobody", b"", timeout=5))
    await nc.close()


@check
async def headers():
    a, b = await nats.connect(OPEN), await nats.connect(OPEN)

    async def echo(question):
        await b.publish(question.reply, question.data, headers={**question.headers, "Seen": "yes"})

    await b.subscribe("echo", cb=echo)
    await round_trip(b)
    answer = await a.request("echo", b"body", timeout=5, headers={"Id": "7", "id": "lower", "Empty": ""})
    require(answer.data == b"body", answer.data)
    wanted = {"Id": "7", "id": "lower", "Empty": "", "Seen": "yes"}
    require({name: answer.headers.get(name) for name in wanted} == wanted, answer.headers)
    await a.close()
    await b.close()


@check
async def no_echo():
    silent, other = await nats.connect(OPEN, no_echo=True), await nats.connect(OPEN)
    own, foreign = await silent.subscribe("e"), await other.subscribe("e")
    await round_trip(silent)
    await round_trip(other)
    await silent.publish("e", b"from the silent one")
    await round_trip(silent)
    await other.publish("e", b"from the other")
    await round_trip(other)
    require(await texts(own, 1) == ["from the other"])
    require(await texts(foreign, 2) == ["from the silent one", "from the other"])
    await silent.close()
    await other.close()


@check
async def max_payload():
    nc = await nats.connect(OPEN)
    subscription = await nc.subscribe("big")
    await nc.publish("big", b"x" * nc.max_payload)
    require(len((await subscription.next_msg(timeout=10)).data) == nc.max_payload)
    await refused(nats.errors.MaxPayloadError, nc.publish("big", b"x" * (nc.max_payload + 1)))
    await nc.close()


@check
async def drain_a_subscription():
    a, b = await nats.connect(OPEN), await nats.connect(OPEN)
    got = []

    async def take(message):
        got.append(message.data)

    subscription = await b.subscribe("d", cb=take)
    await round_trip(b)
    for n in range(50):
        await a.publish("d", b"%d" % n)
    await round_trip(a)
    await subscription.drain()
    await a.publish("d", b"too late")
    await round_trip(a)
    await round_trip(b)
    require(got == [b"%d" % n for n in range(50)], got)
    await a.close()
    await b.close()


@check
async def drain_a_connection():
    a, closed, got = await nats.connect(OPEN), asyncio.Event(), []

    async def closed_cb():
        closed.set()

    b = await nats.connect(OPEN, closed_cb=closed_cb)
    after = await a.subscribe("after")
    await round_trip(a)

    async def take(message):
        got.append(message.data)
        await b.publish("after", message.data)

    await b.subscribe("d", cb=take)
    await round_trip(b)
    for n in range(50):
        await a.publish("d", b"%d" % n)
    await round_trip(a)
    await b.drain()
    await asyncio.wait_for(closed.wait(), 10)
    require(b.is_closed)
    require(got == [b"%d" % n for n in range(50)], got)
    require(await texts(after, 50) == [str(n) for n in range(50)])
    await refused(nats.errors.ConnectionClosedError, b.publish("d", b""))
    await refused(nats.errors.NoRespondersError, a.request("d", b"", timeout=5))
    await a.close()


@check
async def reconnect():
    gone, back = asyncio.Event(), asyncio.Event()

    async def disconnected_cb():
        gone.set()

    async def reconnected_cb():
        back.set()

    nc = await nats.connect(
        OPEN, disconnected_cb=disconnected_cb, reconnected_cb=reconnected_cb, reconnect_time_wait=0.05,
        max_reconnect_attempts=-1,
    )
    subscription = await nc.subscribe("r.*")
    limited = await nc.subscribe("r.*")
    await limited.unsubscribe(limit=2)
    await nc.publish("r.1", b"before")
    require(await texts(subscription, 1) == ["before"])
    await restart()
    await asyncio.wait_for(gone.wait(), 10)
    await asyncio.wait_for(back.wait(), 10)
    await round_trip(nc)
    for text in (b"after", b"much after"):
        await nc.publish("r.1", text)
    await round_trip(nc)
    require(await texts(subscription, 2) == ["after", "much after"])
    require(await texts(limited, 2) == ["before", "after"])
    require(nc.stats["reconnects"] == 1, nc.stats)
    await nc.close()


async def restart():
    loop = asyncio.get_running_loop()
    print("restart", flush=True)
    answer = await loop.run_in_executor(None, sys.stdin.readline)
    require(answer == "restarted\n", answer)


async def fails_to_connect(**credentials):
    errors = []

    async def error_cb(error):
        errors.append(str(error))

    error = await refused(Exception, nats.connect(
        USERS, allow_reconnect=False, max_reconnect_attempts=0, error_cb=error_cb, **credentials))
    require("authorization violation" in f"{error} {errors}".lower(), error, errors)


@check
async def wrong_password():
    await fails_to_connect(user="ann", password="wrong")
    await fails_to_connect(user="nobody", password="secret")


@check
async def no_credentials():
    await fails_to_connect()
    await fails_to_connect(token="secret")


@check
async def right_password():
    for user, password in [("ann", "secret"), ("root", "everything")]:
        nc = await nats.connect(USERS, user=user, password=password)
        subscription = await nc.subscribe("ok.1")
        await nc.publish("ok.1", b"hello")
        require(await texts(subscription, 1) == ["hello"])
        await nc.close()


async def ann_and_root():
    # With an event that is set when ann is told of an error, and the errors that she was told of.
    heard, errors = asyncio.Event(), []

    async def error_cb(error):
        errors.append(str(error))
        heard.set()

    ann = await nats.connect(USERS, user="ann", password="secret", error_cb=error_cb)
    root = await nats.connect(USERS, user="root", password="everything")
    return ann, root, heard, errors


@check
async def publish_permission():
    ann, root, heard, errors = await ann_and_root()
    forbidden, allowed = await root.subscribe("forbidden.>"), await root.subscribe("ok.x")
    await round_trip(root)
    await ann.publish("forbidden.x", b"1")
    await ann.publish("ok.x", b"2")
    await round_trip(ann)
    await round_trip(root)
    await asyncio.wait_for(heard.wait(), 10)
    require(["permissions violation for publish to \"forbidden.x\"" in error.lower() for error in errors] == [True], errors)
    require(await texts(allowed, 1) == ["2"])
    await nothing_more(forbidden)
    require(ann.is_connected)
    await ann.close()
    await root.close()


@check
async def subscribe_permission():
    ann, root, heard, errors = await ann_and_root()
    forbidden, allowed = await ann.subscribe("forbidden.>"), await ann.subscribe("ok.x")
    await round_trip(ann)
    await asyncio.wait_for(heard.wait(), 10)
    wanted = "permissions violation for subscription to \"forbidden.>\""
    require([wanted in error.lower() for error in errors] == [True], errors)
    await root.publish("forbidden.x", b"1")
    await root.publish("ok.x", b"2")
    await round_trip(root)
    await round_trip(ann)
    require(await texts(allowed, 1) == ["2"])
    await nothing_more(forbidden)
    await ann.close()
    await root.close()


@check
async def services():
    a, b = await nats.connect(OPEN), await nats.connect(OPEN)
    service = await nats.micro.add_service(b, name="adder", version="1.0.0")

    async def add(question):
        await question.respond(str(sum(map(int, question.data.split()))).encode())

    await service.add_endpoint(name="add", handler=add)
    await round_trip(b)
    require((await a.request("add", b"1 2", timeout=5)).data == b"3")
    require(b"adder" in (await a.request("$SRV.PING", b"", timeout=5)).data)
    await service.stop()
    await round_trip(b)
    await refused(nats.errors.NoRespondersError, a.request("add", b"1 2", timeout=5))
    await a.close()
    await b.close()


async def main():
    for function in CHECKS + streams.CHECKS:
        try:
            await asyncio.wait_for(function(), 30)
            print(f"ok {function.__name__}", flush=True)
        except Exception as error:
            traceback.print_exc()
            why = f"{type(error).__name__}: {error}".replace("\n", " ")
            print(f"not ok {function.__name__}: {why}", flush=True)
    print("end", flush=True)


asyncio.run(main())
