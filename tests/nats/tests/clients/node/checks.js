// What an application does with nats.js, against two servers: an open one and one with users.
//
//     checks.js OPEN_URL USERS_URL
//
// Prints `ok NAME` or `not ok NAME: why` for each check, then `end`. When it prints `restart`, whoever runs it restarts the open
// server and writes `restarted` to its standard input.
"use strict";

const assert = require("node:assert/strict");
const readline = require("node:readline");
const nats = require("@nats-io/transport-node");

const [OPEN, USERS] = process.argv.slice(2);
const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const CHECKS = {};

const connect = (options = {}) => nats.connect({ servers: OPEN, ...options });
const ann = { servers: USERS, user: "ann", pass: "secret" };
const root = { servers: USERS, user: "root", pass: "everything" };
const numbers = (from, to) => Array.from({ length: to - from }, (_, n) => String(from + n));

/** Fails rather than waits for ever. */
function inTime(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing for 10 s`)), 10_000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A subscription that gathers what comes. */
function gather(nc, subject, options = {}) {
  const all = [];
  const subscription = nc.subscribe(subject, { ...options, callback: (error, message) => all.push(error ?? message) });
  return { all, subscription, texts: () => all.map((message) => message.string()) };
}

/** The first status of a connection that `wanted` accepts. */
function status(nc, wanted) {
  const found = (async () => {
    for await (const status of nc.status()) {
      if (wanted(status)) return status;
    }
    throw new Error("the connection ended first");
  })();
  return inTime(found, "a status");
}

const close = (...all) => Promise.all(all.map((nc) => nc.close()));
const flush = async (...all) => {
  for (const nc of all) await nc.flush();
};

CHECKS.connect = async () => {
  const nc = await connect({ name: "checks" });
  assert.equal(nc.info.max_payload, 1 << 20);
  assert.equal(nc.info.headers, true);
  assert.ok(nc.info.client_id > 0);
  assert.match(nc.info.version, /^2\.\d+\.\d+$/);
  assert.ok((await nc.rtt()) >= 0);
  await nc.close();
  assert.ok(nc.isClosed());
};

CHECKS.publish_and_subscribe = async () => {
  const [a, b] = [await connect(), await connect()];
  const news = gather(b, "news.eu");
  await b.flush();
  for (const n of numbers(0, 100)) a.publish("news.eu", n);
  a.publish("news.eu");
  a.publish("news.eu", Uint8Array.from({ length: 256 }, (_, n) => n), { reply: "back.to.me" });
  await flush(a, b);
  const [last, empty] = [news.all.pop(), news.all.pop()];
  assert.deepEqual(news.texts(), numbers(0, 100));
  assert.equal(empty.data.length, 0);
  assert.deepEqual([...last.data], [...Array(256).keys()]);
  assert.deepEqual([last.subject, last.reply], ["news.eu", "back.to.me"]);
  await close(a, b);
};

CHECKS.wildcards = async () => {
  const nc = await connect();
  const [one, rest] = [gather(nc, "w.*"), gather(nc, "w.>")];
  for (const subject of ["w", "w.a", "w.a.b", "W.a"]) nc.publish(subject, subject);
  await nc.flush();
  assert.deepEqual(one.texts(), ["w.a"]);
  assert.deepEqual(rest.texts(), ["w.a", "w.a.b"]);
  await nc.close();
};

CHECKS.unsubscribe = async () => {
  const [a, b] = [await connect(), await connect()];
  const [limited, ended, steady] = [gather(b, "u", { max: 3 }), gather(b, "u"), gather(b, "u")];
  await b.flush();
  for (const n of numbers(0, 2)) a.publish("u", n);
  await flush(a, b);
  ended.subscription.unsubscribe();
  await b.flush();
  for (const n of numbers(2, 6)) a.publish("u", n);
  await flush(a, b);
  assert.deepEqual(steady.texts(), numbers(0, 6));
  assert.deepEqual(limited.texts(), numbers(0, 3));
  assert.deepEqual(ended.texts(), numbers(0, 2));
  await close(a, b);
};

CHECKS.queue_groups = async () => {
  const [a, b, c] = [await connect(), await connect(), await connect()];
  const red = { queue: "red" };
  const members = [gather(b, "jobs.*", red), gather(c, "jobs.x", red), gather(c, "jobs.*", red)];
  const [blue, plain] = [gather(c, "jobs.x", { queue: "blue" }), gather(b, "jobs.x")];
  await flush(b, c);
  for (const n of numbers(0, 300)) a.publish("jobs.x", n);
  await flush(a, b, c);
  const shares = members.map((member) => member.all.length);
  assert.ok(shares.every((share) => 50 < share && share < 150), String(shares));
  const sorted = members.flatMap((member) => member.texts()).sort((x, y) => x - y);
  assert.deepEqual(sorted, numbers(0, 300));
  assert.deepEqual(blue.texts(), numbers(0, 300));
  assert.deepEqual(plain.texts(), numbers(0, 300));
  await close(a, b, c);
};

CHECKS.request = async () => {
  const [a, b] = [await connect(), await connect()];
  b.subscribe("double", { callback: (_, question) => question.respond(question.string().repeat(2)) });
  await b.flush();
  const answers = await Promise.all(numbers(0, 20).map((n) => a.request("double", n, { timeout: 5_000 })));
  assert.deepEqual(answers.map((answer) => answer.string()), numbers(0, 20).map((n) => n + n));
  const own = await a.request("double", "x", { timeout: 5_000, noMux: true, reply: nats.createInbox() });
  assert.equal(own.string(), "xx");
  await close(a, b);
};

CHECKS.request_many = async () => {
  const [a, b, c] = [await connect(), await connect(), await connect()];
  for (const nc of [b, c]) {
    nc.subscribe("who", { callback: (_, question) => question.respond(nc === b ? "b" : "c") });
  }
  await flush(b, c);
  const texts = [];
  for await (const answer of await a.requestMany("who", "", { strategy: "count", maxMessages: 2, maxWait: 5_000 })) {
    texts.push(answer.string());
  }
  assert.deepEqual(texts.sort(), ["b", "c"]);
  await close(a, b, c);
};

CHECKS.request_timeout = async () => {
  const [a, b] = [await connect(), await connect()];
  const silent = gather(b, "silent");
  await b.flush();
  await assert.rejects(a.request("silent", "", { timeout: 200 }), (error) => error instanceof nats.errors.TimeoutError);
  await flush(a, b);
  assert.equal(silent.all.length, 1);
  await close(a, b);
};

const isNoResponders = (error) =>
  error instanceof nats.errors.NoRespondersError ||
  (error instanceof nats.errors.RequestError && error.isNoResponders());

CHECKS.no_responders = async () => {
  const nc = await connect();
  await assert.rejects(nc.request("nobody", "", { timeout: 5_000 }), isNoResponders);
  nc.subscribe("nobody").unsubscribe();
  await assert.rejects(nc.request("nobody", "", { timeout: 5_000 }), isNoResponders);
  await nc.close();
};

CHECKS.headers = async () => {
  const [a, b] = [await connect(), await connect()];
  b.subscribe("echo", {
    callback: (_, question) => {
      question.headers.append("Seen", "yes");
      question.respond(question.data, { headers: question.headers });
    },
  });
  await b.flush();
  const headers = nats.headers();
  for (const [name, value] of [["Id", "7"], ["id", "lower"], ["Id", "8"], ["Empty", ""]]) headers.append(name, value);
  const answer = await a.request("echo", "body", { timeout: 5_000, headers });
  assert.equal(answer.string(), "body");
  assert.deepEqual(answer.headers.values("Id"), ["7", "8"]);
  assert.deepEqual(answer.headers.values("id"), ["lower"]);
  assert.deepEqual(answer.headers.values("Empty"), [""]);
  assert.deepEqual(answer.headers.values("Seen"), ["yes"]);
  await close(a, b);
};

CHECKS.no_echo = async () => {
  const [silent, other] = [await connect({ noEcho: true }), await connect()];
  const [own, foreign] = [gather(silent, "e"), gather(other, "e")];
  await flush(silent, other);
  silent.publish("e", "from the silent one");
  await silent.flush();
  other.publish("e", "from the other");
  await flush(other, silent);
  assert.deepEqual(own.texts(), ["from the other"]);
  assert.deepEqual(foreign.texts(), ["from the silent one", "from the other"]);
  await close(silent, other);
};

CHECKS.max_payload = async () => {
  const nc = await connect();
  const big = gather(nc, "big");
  nc.publish("big", new Uint8Array(nc.info.max_payload));
  await nc.flush();
  assert.deepEqual(big.all.map((message) => message.data.length), [nc.info.max_payload]);
  assert.throws(() => nc.publish("big", new Uint8Array(nc.info.max_payload + 1)));
  await nc.close();
};

CHECKS.drain_a_subscription = async () => {
  const [a, b] = [await connect(), await connect()];
  const d = gather(b, "d");
  await b.flush();
  for (const n of numbers(0, 50)) a.publish("d", n);
  await a.flush();
  await d.subscription.drain();
  a.publish("d", "too late");
  await flush(a, b);
  assert.deepEqual(d.texts(), numbers(0, 50));
  await close(a, b);
};

CHECKS.drain_a_connection = async () => {
  const [a, b] = [await connect(), await connect()];
  const after = gather(a, "after");
  await a.flush();
  const d = gather(b, "d");
  b.subscribe("d", { callback: (_, message) => b.publish("after", message.data) });
  await b.flush();
  for (const n of numbers(0, 50)) a.publish("d", n);
  await a.flush();
  await inTime(b.drain(), "drain");
  assert.ok(b.isClosed());
  assert.equal(await b.closed(), undefined);
  await a.flush();
  assert.deepEqual(d.texts(), numbers(0, 50));
  assert.deepEqual(after.texts(), numbers(0, 50));
  assert.throws(() => b.publish("d"), (error) => error instanceof nats.errors.ClosedConnectionError);
  await assert.rejects(a.request("d", "", { timeout: 5_000 }), isNoResponders);
  await a.close();
};

CHECKS.reconnect = async () => {
  const nc = await connect({ reconnectTimeWait: 50, maxReconnectAttempts: -1, reconnectJitter: 0 });
  const [steady, limited] = [gather(nc, "r.*"), gather(nc, "r.*", { max: 2 })];
  nc.publish("r.1", "before");
  await nc.flush();
  const [gone, back] = [status(nc, ({ type }) => type === "disconnect"), status(nc, ({ type }) => type === "reconnect")];
  console.log("restart");
  assert.equal((await input.next()).value, "restarted");
  await gone;
  await back;
  for (const text of ["after", "much after"]) nc.publish("r.1", text);
  await nc.flush();
  assert.deepEqual(steady.texts(), ["before", "after", "much after"]);
  assert.deepEqual(limited.texts(), ["before", "after"]);
  await nc.close();
};

const isUnauthorized = (error) => error instanceof nats.errors.AuthorizationError;

CHECKS.wrong_password = async () => {
  await assert.rejects(nats.connect({ ...ann, pass: "wrong" }), isUnauthorized);
  await assert.rejects(nats.connect({ ...ann, user: "nobody" }), isUnauthorized);
};

CHECKS.no_credentials = async () => {
  await assert.rejects(nats.connect({ servers: USERS }), isUnauthorized);
  await assert.rejects(nats.connect({ servers: USERS, token: "secret" }), isUnauthorized);
};

CHECKS.right_password = async () => {
  for (const options of [ann, root]) {
    const nc = await nats.connect(options);
    const ok = gather(nc, "ok.1");
    nc.publish("ok.1", "hello");
    await nc.flush();
    assert.deepEqual(ok.texts(), ["hello"]);
    await nc.close();
  }
};

CHECKS.publish_permission = async () => {
  const [limited, all] = [await nats.connect(ann), await nats.connect(root)];
  const everything = gather(all, ">");
  await all.flush();
  const error = status(limited, ({ type }) => type === "error");
  limited.publish("forbidden.x", "1");
  limited.publish("ok.x", "2");
  await flush(limited, all);
  const violation = (await error).error;
  assert.ok(violation instanceof nats.errors.PermissionViolationError, String(violation));
  assert.deepEqual([violation.operation, violation.subject], ["publish", "forbidden.x"]);
  assert.deepEqual(everything.texts(), ["2"]);
  assert.ok(!limited.isClosed());
  await close(limited, all);
};

CHECKS.subscribe_permission = async () => {
  const [limited, all] = [await nats.connect(ann), await nats.connect(root)];
  const [forbidden, member, allowed] =
    [gather(limited, "forbidden.>"), gather(limited, "forbidden.x", { queue: "q" }), gather(limited, "ok.>")];
  await limited.flush();
  all.publish("forbidden.x", "1");
  all.publish("ok.x", "2");
  await flush(all, limited);
  const seen = [...forbidden.all, ...member.all].map(({ operation, subject, queue }) => [operation, subject, queue ?? ""]);
  assert.deepEqual(seen, [["subscription", "forbidden.>", ""], ["subscription", "forbidden.x", "q"]]);
  assert.deepEqual(allowed.texts(), ["2"]);
  await close(limited, all);
};

(async () => {
  for (const [name, check] of Object.entries(CHECKS)) {
    try {
      await inTime(check(), name);
      console.log(`ok ${name}`);
    } catch (error) {
      console.error(error);
      console.log(`not ok ${name}: ${String(error).replaceAll("\n", " ")}`);
    }
  }
  console.log("end");
  // What a failed check left open.
  process.exit(0);
})();
