// SPDX-License-Identifier: MIT
import * as packages from "../lib/packages.mjs";
import { Process } from "../lib/process.mjs";
import { Rpc } from "../lib/rpc.mjs";

export async function startAnvil(args) {
	const process = new Process(packages.anvil, ["--port", "0", ...args]);
	const [, address] = await process.line(/^Listening on (\S+)/);
	const url = `http://${address}`;
	const rpc = new Rpc(url);
	return {
		name: "anvil",
		url,
		process,
		request: (method, ...params) => rpc.request(method, ...params),
		stop: async () => {
			rpc.close();
			await process.stop();
		},
	};
}

// block undefined: unpinned
export function forkWithAnvil(url, block) {
	const pin = block === undefined ? [] : ["--fork-block-number", String(block)];
	const quick = ["--accounts", "2", "--no-storage-caching"];
	return startAnvil(["--fork-url", url, ...pin, ...quick]);
}
