// Runs the scenarios of a client's script, and prints one line of JSON for each: {"scenario", "gave"} or
// {"scenario", "raised"}. Knows no client: an error is told by its class, and by the members that clients put on theirs.
const MEMBERS = ["status", "statusCode", "code", "type", "param", "isRetryable"];

export async function run(scenarios) {
  for (const [name, scenario] of Object.entries(scenarios)) {
    let outcome;
    try {
      outcome = { gave: await scenario() };
    } catch (error) {
      outcome = { raised: told(error) };
    }
    console.log(JSON.stringify({ scenario: name, ...outcome }));
  }
}

// The error as a client's user sees it.
export function told(error) {
  const members = MEMBERS.filter((name) => error[name] !== undefined).map((name) => [name, error[name]]);
  return { class: error.constructor.name, message: error.message, ...Object.fromEntries(members) };
}

// The text of a stream up to its error, and that error; null for one that ended without.
export async function untilError(items, textOf) {
  let text = "";
  try {
    for await (const item of items) text += textOf(item);
  } catch (error) {
    return { text, raised: told(error) };
  }
  return { text, raised: null };
}
