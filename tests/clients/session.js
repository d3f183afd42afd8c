// A session of everyday use with node-redis: pool, pipeline, transaction, script, publish/subscribe, blocking pop, stream group.
//
// usage: node session.js PORT
//
// The server has a user `app` with the password `secret` who may do everything on keys that begin with `app:`.
"use strict";

const assert = require("assert");
const redis = require("redis");

const options = {
  socket: { host: "127.0.0.1", port: Number(process.argv[2]) },
  username: "app",
  password: "secret",
  scripts: {
    addAndDouble: redis.defineScript({
      NUMBER_OF_KEYS: 1,
      SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1]) * 2",
      transformArguments: (key, number) => [key, String(number)],
    }),
  },
};

async function pool(client) {
  const many = Array.from({ length: 8 }, () =>
    client.executeIsolated(async (one) => {
      for (let i = 0; i < 100; i++) await one.incr("app:visits");
    })
  );
  await Promise.all(many);
  assert.equal(await client.get("app:visits"), "800");
  assert.equal(await client.hSet("app:user", { name: "Ada", born: 1815 }), 2);
  assert.deepEqual({ ...(await client.hGetAll("app:user")) }, { name: "Ada", born: "1815" });
  const found = [];
  for await (const key of client.scanIterator({ MATCH: "app:*" })) found.push(key);
  assert.deepEqual(found.sort(), ["app:user", "app:visits"]);
}

async function rights(client) {
  await assert.rejects(client.set("other", "1"), /NOPERM/);
  await assert.rejects(client.sendCommand(["ACL", "LIST"]), /NOPERM/);
  assert.equal(await client.sendCommand(["ACL", "WHOAMI"]), "app");
}

async function pipeline(client) {
  // What is asked for in one turn goes out in one piece.
  const asked = [];
  for (let i = 0; i < 1000; i++) asked.push(client.set(`app:n:${i}`, String(i)), client.get(`app:n:${i}`));
  const answers = await Promise.all(asked);
  assert.deepEqual(answers.filter((_, at) => at % 2 === 1), Array.from({ length: 1000 }, (_, i) => String(i)));
}

async function transaction(client) {
  assert.deepEqual(await client.multi().set("app:balance", "10").get("app:balance").exec(), ["OK", "10"]);
  await client.executeIsolated(async (one) => {
    await one.watch("app:balance");
    await client.set("app:balance", "20");
    await assert.rejects(one.multi().set("app:balance", "5").exec(), redis.WatchError);
  });
  assert.equal(await client.get("app:balance"), "20");
}

async function script(client) {
  // Loaded when the server says that it does not know it.
  assert.equal(await client.addAndDouble("app:sum", 21), 42);
  assert.equal(await client.addAndDouble("app:sum", 1), 44);
  assert.deepEqual(await client.eval("return {KEYS[1], ARGV[1]}", { keys: ["app:k"], arguments: ["a"] }), ["app:k", "a"]);
}

async function publishAndSubscribe(client) {
  const listener = client.duplicate();
  await listener.connect();
  const told = [];
  const both = new Promise((done) => {
    const hear = (message, channel) => {
      told.push([channel, message]);
      if (told.length === 2) done();
    };
    listener.subscribe("app:news", hear).then(() => listener.pSubscribe("app:c*", hear)).then(async () => {
      assert.equal(await client.publish("app:news", "hello"), 1);
      assert.equal(await client.publish("app:chat", "you"), 1);
    });
  });
  await both;
  assert.deepEqual(told, [["app:news", "hello"], ["app:chat", "you"]]);
  await listener.unsubscribe();
  await listener.pUnsubscribe();
  await listener.quit();
}

async function blockingPop(client) {
  assert.equal(await client.blPop(redis.commandOptions({ isolated: true }), "app:queue", 0.05), null);
  const waiting = client.blPop(redis.commandOptions({ isolated: true }), ["app:none", "app:queue"], 10);
  await client.rPush("app:queue", "job");
  assert.deepEqual({ ...(await waiting) }, { key: "app:queue", element: "job" });
}

async function streamGroup(client) {
  await client.xGroupCreate("app:log", "workers", "0", { MKSTREAM: true });
  const ids = [];
  for (let i = 0; i < 4; i++) ids.push(await client.xAdd("app:log", "*", { n: String(i) }));
  const [read] = await client.xReadGroup("workers", "one", { key: "app:log", id: ">" }, { COUNT: 3 });
  assert.deepEqual(read.messages.map((one) => [one.id, one.message.n]), ids.slice(0, 3).map((id, i) => [id, String(i)]));
  assert.equal(await client.xAck("app:log", "workers", ids.slice(0, 2)), 2);
  assert.equal((await client.xPending("app:log", "workers")).pending, 1);
  assert.deepEqual(await client.xClaimJustId("app:log", "workers", "two", 0, ids[2]), [ids[2]]);
}

async function main() {
  const client = redis.createClient(options);
  client.on("error", (error) => { throw error; });
  await client.connect();
  for (const part of [pool, rights, pipeline, transaction, script, publishAndSubscribe, blockingPop, streamGroup]) {
    await part(client);
    console.log(part.name);
  }
  await client.quit();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
