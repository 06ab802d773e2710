// SPDX-License-Identifier: MIT
// JSON-RPC over HTTP/1.1 with one keep-alive agent per endpoint.
import http from "node:http";

export class RpcError extends Error {
	constructor(method, error) {
		super(`${method}: ${error.message}`);
		this.code = error.code;
		this.data = error.data;
	}
}

export class Rpc {
	#agent = new http.Agent({ keepAlive: true });
	#next = 1;

	constructor(url) {
		this.url = url;
	}

	post(body) {
		return new Promise((resolve, reject) => {
			const text = JSON.stringify(body);
			const headers = {
				"content-type": "application/json",
				"content-length": Buffer.byteLength(text),
			};
			const request = http.request(this.url, {
				method: "POST",
				agent: this.#agent,
				headers,
			});
			request.on("error", reject);
			request.on("response", async (response) => {
				try {
					const parts = await response.toArray();
					resolve(JSON.parse(Buffer.concat(parts).toString()));
				} catch (error) {
					reject(error);
				}
			});
			request.end(text);
		});
	}

	async request(method, ...params) {
		const reply = await this.post({
			jsonrpc: "2.0",
			id: this.#next++,
			method,
			params,
		});
		if (reply.error) throw new RpcError(method, reply.error);
		return reply.result;
	}

	close() {
		this.#agent.destroy();
	}
}
