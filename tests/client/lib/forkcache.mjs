// SPDX-License-Identifier: MIT
// The program under test, on any free port. The upstream is a development node, so its answers
// are kept only when told: trust is the rule in these tests and development.mjs the exception.
import { freshFolder, forkcache } from "./packages.mjs";
import { Process } from "./process.mjs";

export async function startForkcache({
	upstream,
	block,
	folder,
	offline = false,
	trust = true,
	listen = "127.0.0.1:0",
}) {
	const cache = folder ?? freshFolder("cache");
	const args = ["serve", "--listen", listen, "--cache-dir", cache];
	if (upstream) args.push("--upstream", upstream);
	if (block !== undefined) args.push("--fork-block", String(block));
	if (trust && !offline) args.push("--trust-dev-upstream");
	if (offline) args.push("--offline");
	const process = new Process(forkcache, args);
	const [, address] = await process.line(/^forkcache listening on (\S+) chain /);
	return {
		url: `http://${address}`,
		folder: cache,
		process,
		kill: () => process.stop("SIGKILL"),
		stop: async () => {
			if (
				process.child.exitCode !== null ||
				process.child.signalCode !== null
			)
				return;
			const { code, signal } = await process.stop();
			if (code !== 0)
				throw new Error(
					`forkcache ended with ${code ?? signal}:\n${process.output()}`,
				);
		},
	};
}
