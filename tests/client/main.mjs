// SPDX-License-Identifier: MIT
// The client tests: real clients in front of the real program, compared with the same clients
// on the upstream itself. Run by run.sh; ONLY=pattern runs the cases whose names match.
import { answersChecks } from "./answers.mjs";
import { developmentChecks } from "./development.mjs";
import { followingChecks } from "./following.mjs";
import { sessionChecks } from "./session.mjs";
import { sharingChecks } from "./sharing.mjs";
import { summary } from "./lib/runner.mjs";
import { startUpstream } from "./lib/upstream.mjs";
import { warmChecks } from "./warm.mjs";

const upstream = await startUpstream();
await answersChecks(upstream);
await developmentChecks(upstream);
await sessionChecks(upstream);
await sharingChecks(upstream);
await warmChecks(upstream);
await followingChecks(upstream);
await upstream.stop();
// Libraries keep idle connections: nothing is waited for.
process.exit(summary() ? 0 : 1);
