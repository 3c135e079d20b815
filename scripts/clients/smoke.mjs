// ioredis against any node: commands.txt raw, then the library's own ways. Prints one line.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_MODULES_BASE ?? import.meta.url);
const { Redis } = require("ioredis");
const { version } = require("ioredis/package.json");
const ports = process.argv.slice(2).map(Number);
let checks = 0;
const failures = [];

function check(what, got, wanted) {
  checks += 1;
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) failures.push(`${what}: expected ${b}, got ${a}`);
}

function text(reply) {
  if (reply === null) return "(nil)";
  if (Buffer.isBuffer(reply)) return reply.toString();
  if (reply instanceof Map) return [...reply].flat().map(text).join(" ");
  if (Array.isArray(reply)) return reply.map(text).join(" ");
  if (typeof reply === "object") return Object.entries(reply).flat().map(text).join(" ");
  return String(reply);
}

async function raw(client, protocol, port) {
  const prefix = `js${protocol}.${port}.`;
  const table = readFileSync(new URL("commands.txt", import.meta.url), "utf8");
  for (const line of table.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const at = line.indexOf(" => ");
    const words = line.slice(0, at).replaceAll("@", prefix).split(" ");
    let wanted = line.slice(at + 4).replaceAll("@", prefix);
    let got;
    try {
      got = text(await client.call(...words));
    } catch (error) {
      got = `!${error.message}`;
      if (wanted.startsWith("!")) got = got.slice(0, wanted.length);
    }
    if (wanted === "*") wanted = got.startsWith("!") ? "no error" : got;
    check(`RESP${protocol} port ${port}: ${words.join(" ")}`, got, wanted);
  }
}

async function library(client, other, protocol, port) {
  const here = `RESP${protocol} port ${port}`;
  const prefix = `jslib${protocol}.${port}.`;
  check(`${here}: status`, client.status, "ready");
  const numbers = [...Array(500).keys()];
  const pipe = client.pipeline();
  numbers.forEach((i) => pipe.set(`${prefix}${i}`, i));
  check(`${here}: pipeline`, await pipe.exec(), numbers.map(() => [null, "OK"]));
  const values = await Promise.all(numbers.map((i) => other.get(`${prefix}${i}`)));
  check(`${here}: 500 at once, elsewhere`, values, numbers.map(String));
  const multi = await client.multi().incr(`${prefix}n`).incr(`${prefix}n`).get(`${prefix}n`).exec();
  check(`${here}: multi`, multi, [[null, 1], [null, 2], [null, "2"]]);
  await client.watch(`${prefix}n`);
  await other.set(`${prefix}n`, 40);
  check(`${here}: watch lost`, await client.multi().set(`${prefix}n`, 3).exec(), null);
  const found = new Set();
  for await (const keys of client.scanStream({ match: `${prefix}*`, count: 50 })) {
    keys.forEach((key) => found.add(key));
  }
  check(`${here}: scan`, found.size, 501);
  await client.set(`${prefix}gone`, 1, "PX", 30);
  while ((await client.exists(`${prefix}gone`)) === 1);
  check(`${here}: expired elsewhere`, await other.get(`${prefix}gone`), null);
  const binary = Buffer.from([...Array(256).keys()]);
  await client.set(`${prefix}bin`, binary);
  check(`${here}: binary`, binary.equals(await other.getBuffer(`${prefix}bin`)), true);
  const info = await client.info("server");
  check(`${here}: info`, /redis_version:7\.2/.test(info), true);
  check(`${here}: del`, await client.del(...numbers.map((i) => `${prefix}${i}`)), 500);
}

for (const protocol of [2, 3]) {
  const options = (port) => ({ port, protocol, commandTimeout: 10_000, maxRetriesPerRequest: 1 });
  const clients = ports.map((port) => new Redis(options(port)));
  await Promise.all(clients.map((client) => client.ping()));
  for (const [at, port] of ports.entries()) {
    await raw(clients[at], protocol, port);
    await library(clients[at], clients[(at + 1) % ports.length], protocol, port);
  }
  clients.forEach((client) => client.disconnect());
}
failures.forEach((failure) => console.error(failure));
console.log(`ioredis ${version} (RESP2, RESP3): ${checks} checks, ${failures.length} failed`);
process.exit(failures.length > 0 ? 1 : 0);
