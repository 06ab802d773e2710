// SPDX-License-Identifier: MIT
// What the two Hardhat children share: requests come by IPC, in any number at a time.
export function serve(provider) {
	process.on("message", async ({ id, method, params }) => {
		try {
			const result = await (await provider).request({ method, params });
			process.send({ id, result: result ?? null });
		} catch (error) {
			const { message, code, data } = error;
			process.send({ id, method, error: { message, code, data } });
		}
	});
	process.on("disconnect", () => process.exit(0));
}

export const chainId = 424242;
export const accounts = {
	count: 2,
	mnemonic: "test test test test test test test test test test test junk",
};
export const settings = JSON.parse(process.argv[2]);
