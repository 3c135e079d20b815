"""redis-py against any node: commands.txt raw, then the library's own ways. Prints one line."""

import sys
import time
from pathlib import Path

import redis

PORTS = [int(port) for port in sys.argv[1:]]
checks = 0
failures = []


def check(what, got, wanted):
    global checks
    checks += 1
    if got != wanted:
        failures.append(f"{what}: expected {wanted!r}, got {got!r}")


def text(reply):
    if reply is None:
        return "(nil)"
    if isinstance(reply, bytes):
        return reply.decode()
    if isinstance(reply, dict):
        return " ".join(f"{text(k)} {text(v)}" for k, v in reply.items())
    if isinstance(reply, (list, tuple, set)):
        return " ".join(text(item) for item in reply)
    return str(reply)


def raw(client, protocol, port):
    prefix = f"py{protocol}.{port}."
    connection = client.connection_pool.get_connection()
    table = Path(__file__).with_name("commands.txt").read_text()
    for line in table.splitlines():
        if not line or line.startswith("#"):
            continue
        command, _, wanted = line.replace("@", prefix).partition(" => ")
        try:
            connection.send_command(*command.split(" "))
            got = text(connection.read_response())
        except redis.ResponseError as error:
            # The library cuts the prefix of the errors it knows.
            got = f"!{error}"
            if wanted.startswith("!"):
                wanted = wanted[1:].removeprefix("ERR ").removeprefix("EXECABORT ")
                got = got[1:].removeprefix("ERR ")[: len(wanted)]
        if wanted == "*":
            wanted = got if not got.startswith("!") else "no error"
        check(f"RESP{protocol} port {port}: {command}", got, wanted)
    client.connection_pool.release(connection)


def library(client, other, protocol, port):
    here = f"RESP{protocol} port {port}"
    prefix = f"lib{protocol}.{port}."
    hello = client.execute_command("HELLO", protocol)
    check(f"{here}: hello has a proto", b"proto" in hello or "proto" in hello, True)
    info = client.info()
    check(f"{here}: redis_version", info["redis_version"].startswith("7.2"), True)
    check(f"{here}: mode", info["redis_mode"], "standalone")
    check(f"{here}: loading", info.get("loading", 0), 0)
    check(f"{here}: config", "appendonly" in client.config_get("append*"), True)
    check(f"{here}: command", client.command_count() > 60, True)

    # Pipelined, without and with MULTI; what is written here is read through another node.
    pipe = client.pipeline(transaction=False)
    for i in range(500):
        pipe.set(f"{prefix}{i}", i)
    check(f"{here}: 500 SETs in a pipeline", pipe.execute(), [True] * 500)
    pipe = other.pipeline(transaction=False)
    for i in range(500):
        pipe.get(f"{prefix}{i}")
    check(f"{here}: 500 GETs elsewhere", pipe.execute(), [str(i).encode() for i in range(500)])
    with client.pipeline(transaction=True) as pipe:
        pipe.incr(f"{prefix}n").incr(f"{prefix}n").get(f"{prefix}n")
        check(f"{here}: MULTI", pipe.execute(), [1, 2, b"2"])

    # An optimistic transaction that loses once and wins then.
    attempts = []

    def bump(pipe):
        value = int(pipe.get(f"{prefix}n"))
        if not attempts:
            other.set(f"{prefix}n", 40)
        attempts.append(value)
        pipe.multi()
        pipe.set(f"{prefix}n", value + 1)

    client.transaction(bump, f"{prefix}n")
    check(f"{here}: WATCH saw the other's write", attempts, [2, 40])
    check(f"{here}: WATCH result", client.get(f"{prefix}n"), b"41")

    found = sorted(client.scan_iter(match=f"{prefix}*", count=50))
    wanted = sorted([f"{prefix}{i}".encode() for i in range(500)] + [f"{prefix}n".encode()])
    check(f"{here}: SCAN finds each key once or more", sorted(set(found)), wanted)

    check(f"{here}: px", client.set(f"{prefix}gone", 1, px=50), True)
    until = time.monotonic() + 5
    while client.exists(f"{prefix}gone") and time.monotonic() < until:
        pass
    check(f"{here}: expired elsewhere", other.get(f"{prefix}gone"), None)
    binary = bytes(range(256)) * 64
    client.set(f"{prefix}bin", binary)
    check(f"{here}: binary", other.get(f"{prefix}bin"), binary)
    client.set(f"{prefix}ключ", "значение")
    check(f"{here}: unicode", other.get(f"{prefix}ключ"), "значение".encode())
    check(f"{here}: client list", len(client.client_list()) >= 1, True)
    shown = text(client.execute_command("KEYSPACE", "SHOW", "default"))
    check(f"{here}: keyspace", "linearizable" in shown, True)
    check(f"{here}: delete", client.delete(*[f"{prefix}{i}" for i in range(500)]), 500)


for protocol in (2, 3):
    clients = [redis.Redis(port=port, protocol=protocol, socket_timeout=10) for port in PORTS]
    for at, port in enumerate(PORTS):
        raw(clients[at], protocol, port)
        library(clients[at], clients[(at + 1) % len(PORTS)], protocol, port)
for failure in failures:
    print(failure, file=sys.stderr)
print(f"redis-py {redis.__version__} (RESP2, RESP3): {checks} checks, {len(failures)} failed")
sys.exit(bool(failures))
