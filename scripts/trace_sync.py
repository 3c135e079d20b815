"""Part of trace-sync.sh: the load, and the judgement of system-call traces.

    trace_sync.py load COUNT PORT...              COUNT SETs one after the other, through the nodes in turn
    trace_sync.py judge SETS TRACE TRACE TRACE    for each SET: on how many nodes was it synced before the reply?

A record counts as durable on a node when the first fdatasync that *started* after the pwrite64 which holds the
value had ended has itself *completed*, on the same file. Times are strace's own: a thread stands still while
strace stamps the end of its sync and the start of its send, so one that causes the other is stamped first.
"""

import re
import socket
import sys

LINE = re.compile(r"^(\d+) +(\d+\.\d+) (.*)$")
CALL = re.compile(r"^(\w+)\((\d+)<(.*?)>(?:, |\)| <unfinished)")
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>")
DURATION = re.compile(r"<(\d+\.\d+)>$")
MAJORITY = 2


def command(*words):
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


def load(count, ports):
    connections = [socket.create_connection(("127.0.0.1", port), timeout=30) for port in ports]
    for number in range(count):
        at = number % len(ports)
        value = b"unique-value-%06d-of-trace" % number
        connections[at].sendall(command(b"SET", b"trace%d" % number, value))
        answer = connections[at].recv(64)
        assert answer == b"+OK\r\n", f"SET {number} through {ports[at]} answers {answer!r}"
        own = connections[at].getsockname()[1]
        print(number, value.decode(), ports[at], own)


def calls(path):
    """(name, what the descriptor is, text, start, end) of each call that ended."""
    open_calls = {}
    with open(path, errors="replace") as trace:
        for line in trace:
            found = LINE.match(line.rstrip("\n"))
            if not found:
                continue
            pid, time, rest = found[1], float(found[2]), found[3]
            if resumed := RESUMED.match(rest):
                if pid in open_calls:
                    name, where, text, start = open_calls.pop(pid)
                    assert name == resumed[1], f"{path}: {name} resumed as {resumed[1]}"
                    # Stamped when the call had returned.
                    yield name, where, text, start, max(time, start)
                continue
            call = CALL.match(rest)
            if not call:
                continue
            if rest.endswith("<unfinished ...>"):
                open_calls[pid] = (call[1], call[3], rest, time)
                continue
            took = DURATION.search(rest)
            if took and " = -1 " not in rest:
                yield call[1], call[3], rest, time, time + float(took[1])


class Node:
    """What one node did."""

    def __init__(self, path):
        self.written = {}  # value: (file, end of the first write that holds it)
        self.syncs = {}  # file: [(start, end)], in order
        self.replies = {}  # client's port: [start], in order
        for name, where, text, start, end in calls(path):
            if name == "pwrite64":
                for value in re.findall(r"unique-value-\d{6}-of-trace", text):
                    self.written.setdefault(value, (where, end))
            elif name in ("fdatasync", "fsync"):
                self.syncs.setdefault(where, []).append((start, end))
            elif name in ("sendto", "sendmsg", "write", "writev") and '"+OK\\r\\n"' in text:
                if peer := re.search(r"->127\.0\.0\.1:(\d+)\]", where):
                    self.replies.setdefault(int(peer[1]), []).append(start)
        for syncs in self.syncs.values():
            syncs.sort()

    def durable(self, value):
        """When the value's record was on this node's disk; None if never."""
        file, written = self.written.get(value, (None, 0.0))
        return next((end for start, end in self.syncs.get(file, []) if start >= written), None)


def judge(sets, nodes):
    """(violations, seconds between the majority's sync and the reply) over all SETs."""
    asked = {}
    for line in sets:
        _, value, _, own = line.split()
        asked.setdefault(int(own), []).append(value)
    margins, wrong = [], []
    for own, values in asked.items():
        replies = next((node.replies[own] for node in nodes if own in node.replies), [])
        assert len(replies) == len(values), f"{len(replies)} replies seen for {len(values)} SETs"
        for value, reply in zip(values, replies):
            durable = sorted(end for node in nodes if (end := node.durable(value)) is not None)
            before = sum(end <= reply for end in durable)
            if before < MAJORITY:
                wrong.append(f"{value}: answered when {before} of 3 nodes had synced it")
            else:
                margins.append(reply - durable[MAJORITY - 1])
    return wrong, margins


def late(node):
    """The control: as if every sync had ended 50 ms later than it did."""
    for file, syncs in node.syncs.items():
        node.syncs[file] = [(start, end + 0.05) for start, end in syncs]


def unsynced(node):
    """The other control: as if this node never synced."""
    node.syncs = {}


def main():
    if sys.argv[1] == "load":
        load(int(sys.argv[2]), [int(port) for port in sys.argv[3:]])
        return 0
    sets = open(sys.argv[2]).read().splitlines()
    fresh = lambda: [Node(path) for path in sys.argv[3:]]
    wrong, margins = judge(sets, fresh())
    for line in wrong[:10]:
        print(line, file=sys.stderr)
    margins = sorted(margins) or [0.0]
    print(
        f"trace-sync: {len(sets)} SETs, {len(wrong)} answered before their record was synced on "
        f"{MAJORITY} of 3 nodes; reply after the majority's sync by {margins[0] * 1e6:.0f} us at "
        f"least, {margins[len(margins) // 2] * 1e6:.0f} us in the median"
    )
    status = bool(wrong)
    for name, spoil, which in (("syncs 50 ms late", late, (0, 1, 2)), ("two nodes never sync", unsynced, (0, 1)),
                               ("the other two never sync", unsynced, (1, 2))):
        nodes = fresh()
        for at in which:
            spoil(nodes[at])
        found = len(judge(sets, nodes)[0])
        print(f"trace-sync: control ({name}): {found} of {len(sets)} found")
        status |= found < len(sets)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
