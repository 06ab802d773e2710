// SPDX-License-Identifier: MIT
// ethereumjs's own state, a Merkle-Patricia trie: what the state root has to be.
import { require } from "../lib/packages.mjs";
import { execute } from "./execute.mjs";

const { MerkleStateManager } = require("@ethereumjs/statemanager");
const { Account, bytesToHex, hexToBytes, unpadBytes } = require("@ethereumjs/util");
const { createAddressFromString } = require("@ethereumjs/util");

// A slot that is zero is not in the trie.
const isZero = (value) => /^0x0*$/.test(value);

async function put(state, alloc, keepEmpty) {
	for (const [text, { nonce, balance, code, storage }] of alloc) {
		const address = createAddressFromString(text);
		const account = new Account(nonce, balance);
		if (keepEmpty || code !== "0x" || !account.isEmpty())
			await state.putAccount(address, account);
		if (code !== "0x") await state.putCode(address, hexToBytes(code));
		for (const [slot, value] of storage)
			if (!isZero(value))
				await state.putStorage(
					address,
					hexToBytes(slot),
					unpadBytes(hexToBytes(value)),
				);
	}
}

// The state root after the transaction.
export async function rootAfter(recording) {
	const state = new MerkleStateManager();
	await put(state, recording.alloc, recording.keepEmpty);
	await execute(recording, state, { watched: false });
	return bytesToHex(await state.getStateRoot());
}
