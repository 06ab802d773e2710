// SPDX-License-Identifier: MIT
// Child processes: started with a home of their own, ended by pid, none left behind.
import { spawn } from "node:child_process";
import readline from "node:readline";
import { freshFolder } from "./packages.mjs";

const running = new Set();
// Nothing asynchronous runs at exit: what still lives is killed at once.
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

// Clients keep caches and settings below HOME; a proxy of the machine would hide requests.
export function cleanEnvironment(extra = {}) {
	const home = freshFolder("home");
	const env = { PATH: process.env.PATH, HOME: home, XDG_CACHE_HOME: `${home}/.cache` };
	return { ...env, XDG_CONFIG_HOME: `${home}/.config`, NO_COLOR: "1", ...extra };
}

export class Process {
	constructor(file, args, { env = cleanEnvironment(), cwd, ipc = false, input } = {}) {
		const stdio = [input === undefined ? "ignore" : "pipe", "pipe", "pipe"];
		this.name = file.split("/").pop();
		this.lines = [];
		this.child = spawn(file, args, {
			env,
			cwd,
			stdio: ipc ? [...stdio, "ipc"] : stdio,
		});
		running.add(this.child);
		this.ended = new Promise((resolve) => {
			this.child.on("error", (error) => resolve({ code: -1, error }));
			this.child.on("close", (code, signal) => resolve({ code, signal }));
		});
		this.ended.then(() => running.delete(this.child));
		this.waiting = [];
		for (const stream of [this.child.stdout, this.child.stderr])
			readline.createInterface({ input: stream }).on("line", (line) =>
				this.#line(line),
			);
		if (input !== undefined) this.child.stdin.end(input);
	}

	#line(line) {
		this.lines.push(line);
		this.waiting = this.waiting.filter(({ pattern, resolve }) => {
			const match = pattern.exec(line);
			if (match) resolve(match);
			return !match;
		});
	}

	// The first line that matches; an error when the process ends without one.
	line(pattern) {
		for (const line of this.lines) {
			const match = pattern.exec(line);
			if (match) return Promise.resolve(match);
		}
		return new Promise((resolve, reject) => {
			this.waiting.push({ pattern, resolve });
			this.ended.then(({ code, signal }) =>
				reject(
					new Error(
						`${this.name} ended (${code ?? signal}):\n${this.output()}`,
					),
				),
			);
		});
	}

	output() {
		return this.lines.join("\n");
	}

	async stop(signal = "SIGTERM") {
		this.child.kill(signal);
		return this.ended;
	}
}

// Runs to the end; stdout and stderr in one text.
export async function run(file, args, options) {
	const process = new Process(file, args, options);
	const { code, error } = await process.ended;
	return { code, text: error ? String(error) : process.output() };
}
