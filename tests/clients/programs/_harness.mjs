// What the programs for Node share: where the gateway is, how a check is declared, and how its result is told.
// The lines that it prints are those of _harness.py.
import { readFileSync } from "node:fs";
import { isDeepStrictEqual, inspect } from "node:util";

export const URL = process.env.GATEWAY_URL;
export const OPENAI_URL = `${URL}/v1`;
export const KEY = process.env.GATEWAY_KEY;
export const POOR_KEY = process.env.GATEWAY_POOR_KEY;
export const GPT = "gpt-4.1";
export const CLAUDE = "claude-sonnet-5";
export const BY_GPT = `gpt/${GPT}`;
export const BY_CLAUDE = `claude/${CLAUDE}`;
export const HELLO = "Grüße, 日本 🙂";
export const TOOLS_ANSWER = "7 degrees in Paris, 12 in Rome.";
export const WEATHER = { city: "Rome", degrees: 12 };
export const CITIES = ["Paris", "Rome"];
export const [THOUGHT, SEAL] = ["Hm. Well.", "c2VhbGVk"];
export const UNKNOWN = { deep: [1, { deeper: null }] };
export const PARAMETERS = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const OUTPUT = {
  type: "object",
  properties: { city: { type: "string" }, degrees: { type: "integer" } },
  required: ["city", "degrees"],
  additionalProperties: false,
};
export const [SYSTEM, OWNED_TEXT, OWNED_ANSWER] = ["Sort this message.", "where is my money", "refund"];
export const PNG_BASE64 =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
export const IMAGE_ANSWER = `image/png ${Buffer.from(PNG_BASE64, "base64").length}`;

const checks = [];

export function check(name, run) {
  checks.push([name, run]);
}

export function same(found, wanted) {
  if (!isDeepStrictEqual(found, wanted)) throw new Error(`${inspect(found)} instead of ${inspect(wanted)}`);
}

export function holds(condition, otherwise) {
  if (!condition) throw new Error(otherwise);
}

// What `run` does must end with an error of this class, with these properties.
export async function raises(kind, properties, run) {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof kind)) throw error;
    for (const [name, value] of Object.entries(properties)) same(error[name], value);
    return;
  }
  throw new Error(`no ${kind.name} was raised`);
}

export async function seconds(run) {
  const began = performance.now();
  await run();
  return (performance.now() - began) / 1000;
}

// Every field of nested objects by its path, sorted; of arrays, those of the first element.
export function fields(value, path = "") {
  if (Array.isArray(value)) return value.length ? fields(value[0], `${path}[]`) : [path];
  if (value === null || typeof value !== "object") return [path];
  const inner = Object.entries(value).flatMap(([key, one]) => fields(one, `${path}.${key}`));
  return [...new Set([...(path ? [path] : []), ...inner])].sort();
}

function version(name) {
  return JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")).version;
}

function why(error) {
  const line = `${error?.name ?? "Error"}: ${error?.message ?? error}`.replace(/\s+/g, " ");
  return line.replaceAll(URL, "GATEWAY").replace(/call_[0-9a-f]{20,}/g, "CALL").slice(0, 240);
}

export async function main(...packages) {
  const versions = Object.fromEntries(packages.map((name) => [name, version(name)]));
  console.log(JSON.stringify({ versions, runtime: `Node ${process.versions.node.split(".")[0]}` }));
  for (const [name, run] of checks) {
    try {
      await run();
      console.log(JSON.stringify({ check: name, ok: true }));
    } catch (error) {
      console.error(error);
      console.log(JSON.stringify({ check: name, ok: false, why: why(error) }));
    }
  }
}
