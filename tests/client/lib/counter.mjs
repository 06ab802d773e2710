// SPDX-License-Identifier: MIT
// A pass-through between forkcache and its upstream that counts what goes by, and delays each
// HTTP request by latency_ms, as distance would.
import http from "node:http";

export class Counter {
	requests = 0; // HTTP requests since reset
	items = []; // {method, params} since reset, batches flattened
	batches = []; // their sizes
	latency_ms = 0;
	#agent = new http.Agent({ keepAlive: true });
	#server;

	static async start(target) {
		const counter = new Counter();
		counter.target = target;
		counter.#server = http.createServer((request, response) =>
			counter.#pass(request, response),
		);
		await new Promise((resolve) => counter.#server.listen(0, "127.0.0.1", resolve));
		counter.url = `http://127.0.0.1:${counter.#server.address().port}`;
		return counter;
	}

	reset() {
		this.requests = 0;
		this.items = [];
		this.batches = [];
	}

	// Items by method; a readable thing to compare and to print.
	byMethod() {
		const count = {};
		for (const { method } of this.items) count[method] = (count[method] ?? 0) + 1;
		return count;
	}

	of(...methods) {
		return this.items.filter(({ method }) => methods.includes(method));
	}

	// All but what forkcache asks by itself over a new connection: is it still that chain, and
	// that block, which is pinned?
	questions(pinned) {
		const hex = `0x${pinned.toString(16)}`;
		return this.items.filter(
			({ method, params }) =>
				!["eth_chainId", "web3_clientVersion"].includes(method) &&
				!(
					method === "eth_getBlockByNumber" &&
					params[0] === hex &&
					!params[1]
				),
		);
	}

	async #pass(request, response) {
		const body = Buffer.concat(await request.toArray());
		this.#count(body);
		const forward = () => {
			const headers = {
				"content-type": "application/json",
				"content-length": body.length,
			};
			const onward = http.request(this.target, {
				method: "POST",
				agent: this.#agent,
				headers,
			});
			onward.on("response", (answer) => {
				response.writeHead(answer.statusCode, answer.headers);
				answer.pipe(response);
			});
			onward.on("error", () => response.destroy());
			onward.end(body);
		};
		if (this.latency_ms > 0) setTimeout(forward, this.latency_ms);
		else forward();
	}

	#count(body) {
		const parsed = JSON.parse(body.toString());
		this.requests++;
		if (Array.isArray(parsed)) this.batches.push(parsed.length);
		for (const { method, params } of [parsed].flat())
			this.items.push({ method, params });
	}

	stop() {
		this.#agent.destroy();
		this.#server.closeAllConnections();
		return new Promise((resolve) => this.#server.close(resolve));
	}
}
