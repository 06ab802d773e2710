// SPDX-License-Identifier: MIT
// Hardhat's in-process node, in a process of its own: a panic in it must not end the tests.
import path from "node:path";
import * as packages from "../lib/packages.mjs";
import { cleanEnvironment, Process } from "../lib/process.mjs";
import { RpcError } from "../lib/rpc.mjs";

async function fork(version, url, block) {
	const file = path.join(packages.here, `clients/hardhat${version}_child.mjs`);
	const settings = { url, block, folder: packages.freshFolder(`hardhat${version}`) };
	const process_ = new Process(process.execPath, [file, JSON.stringify(settings)], {
		ipc: true,
		env: cleanEnvironment({ CLIENT_DIR: packages.installed }),
	});
	const pending = new Map();
	let next = 0;
	process_.child.on("message", ({ id, result, error, method }) => {
		const { resolve, reject } = pending.get(id);
		pending.delete(id);
		if (error) reject(new RpcError(method, error));
		else resolve(result);
	});
	const gone = () => new Error(`hardhat ${version} ended:\n${process_.output()}`);
	process_.ended.then(() => pending.forEach(({ reject }) => reject(gone())));
	const request = (method, ...params) =>
		new Promise((resolve, reject) => {
			pending.set(++next, { resolve, reject });
			process_.child.send({ id: next, method, params }, (error) => {
				if (error) process_.ended.then(() => reject(gone()));
			});
		});
	const node = { name: `hardhat ${version}`, process: process_, request };
	node.stop = () => process_.stop("SIGKILL"); // its disk cache is thrown away
	try {
		await request("eth_blockNumber");
	} catch (error) {
		await node.stop();
		throw error;
	}
	return node;
}

export const forkWithHardhat2 = (url, block) => fork(2, url, block);
export const forkWithHardhat3 = (url, block) => fork(3, url, block);
