"""A session of everyday use with redis-py: pool, pipeline, transaction, script, publish/subscribe, blocking pop, stream group.

usage: session.py PORT

The server has a user `app` with the password `secret` who may do everything on keys that begin with `app:`.
"""
import sys
import threading

import redis


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r} is not {expected!r}")


def refused(error, action):
    try:
        action()
    except error:
        return
    raise AssertionError(f"not refused with {error.__name__}")


def in_threads(count, action):
    """Runs an action in several threads at once; their failures are this one's."""
    failures = []

    def run(number):
        try:
            action(number)
        except BaseException as failure:  # noqa: BLE001
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def pool(r):
    in_threads(8, lambda number: [r.incr("app:visits") for _ in range(100)])
    equal(r.get("app:visits"), "800")
    r.set("app:short", "x", px=60_000)
    equal(r.pttl("app:short") > 50_000, True)
    equal(r.hset("app:user", mapping={"name": "Ada", "born": 1815}), 2)
    equal(r.hgetall("app:user"), {"name": "Ada", "born": "1815"})
    equal(sorted(r.scan_iter("app:*")), ["app:short", "app:user", "app:visits"])


def rights(r):
    refused(redis.exceptions.NoPermissionError, lambda: r.set("other", 1))
    refused(redis.exceptions.NoPermissionError, lambda: r.acl_list())
    equal(r.acl_whoami(), "app")


def pipeline(r):
    with r.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f"app:n:{number}", number)
            pipe.get(f"app:n:{number}")
        answers = pipe.execute()
    equal(answers[1::2], [str(number) for number in range(1000)])


def transaction(r):
    r.set("app:balance", 10)

    def move(pipe):
        balance = int(pipe.get("app:balance"))
        if balance == 10:
            # Somebody else is faster: the library tries again.
            r.set("app:balance", 20)
        pipe.multi()
        pipe.set("app:balance", balance - 5)
        pipe.get("app:balance")

    equal(r.transaction(move, "app:balance"), [True, "15"])


def script(r):
    add = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1]) * 2")
    # Loaded when the server says that it does not know it.
    equal(add(keys=["app:sum"], args=[21]), 42)
    equal(add(keys=["app:sum"], args=[1]), 44)
    with r.lock("app:lock", timeout=10):
        refused(redis.exceptions.LockError, lambda: r.lock("app:lock", blocking=False).__enter__())
    equal(r.exists("app:lock"), 0)


def publish_and_subscribe(r):
    listener = r.pubsub()
    listener.subscribe("app:news")
    listener.psubscribe("app:c*")
    equal([listener.get_message(timeout=10)["type"] for _ in range(2)], ["subscribe", "psubscribe"])
    equal(r.publish("app:news", "hello"), 1)
    equal(r.publish("app:chat", "you"), 1)
    told = [listener.get_message(timeout=10) for _ in range(2)]
    equal([(one["type"], one["channel"], one["data"]) for one in told],
          [("message", "app:news", "hello"), ("pmessage", "app:chat", "you")])
    listener.unsubscribe()
    listener.punsubscribe()
    equal([listener.get_message(timeout=10)["type"] for _ in range(2)], ["unsubscribe", "punsubscribe"])
    listener.close()


def blocking_pop(r):
    equal(r.blpop("app:queue", timeout=0.05), None)

    def work(number):
        if number == 0:
            for item in range(20):
                r.rpush("app:queue", item)
        else:
            taken[number] = [int(r.blpop(["app:none", "app:queue"], timeout=10)[1]) for _ in range(10)]

    taken = {}
    in_threads(3, work)
    equal(sorted(taken[1] + taken[2]), list(range(20)))


def stream_group(r):
    equal(r.xgroup_create("app:log", "workers", id="0", mkstream=True), True)
    ids = [r.xadd("app:log", {"n": number}) for number in range(4)]
    read = r.xreadgroup("workers", "one", {"app:log": ">"}, count=3)
    equal(read, [["app:log", [(ids[number], {"n": str(number)}) for number in range(3)]]])
    equal(r.xack("app:log", "workers", *ids[:2]), 2)
    equal(r.xpending("app:log", "workers")["pending"], 1)
    equal(r.xclaim("app:log", "workers", "two", 0, [ids[2]], justid=True), [ids[2]])
    equal(r.xreadgroup("workers", "two", {"app:log": ">"}, block=1000)[0][1][0][0], ids[3])
    equal(r.xinfo_groups("app:log")[0]["pending"], 2)


def main():
    connections = redis.ConnectionPool(
        host="127.0.0.1", port=int(sys.argv[1]), username="app", password="secret", decode_responses=True)
    r = redis.Redis(connection_pool=connections)
    for part in (pool, rights, pipeline, transaction, script, publish_and_subscribe, blocking_pop, stream_group):
        part(r)
        print(part.__name__, flush=True)


main()
