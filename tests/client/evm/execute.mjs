// SPDX-License-Identifier: MIT
// One recorded transaction on a state manager, by ethereumjs.
import { require } from "../lib/packages.mjs";
import { transactionOf } from "./chain.mjs";
import { quantity } from "./recordings.mjs";
import { watch } from "./watch.mjs";

const { eoaCode7702RecoverAuthority } = require("@ethereumjs/util");
const { createVM, runTx } = require("@ethereumjs/vm");

// Returns { calls, touched, called, to, authorities }, or nothing when it is not watched (which
// is what takes most of the time); the state is left as the transaction leaves it. Each time with
// a VM of its own: after a read that threw, the old one's journal is somewhere in between.
export async function execute(recording, stateManager, { watched = true } = {}) {
	const transaction = transactionOf(recording);
	const { common, block, tx } = transaction;
	const vm = await createVM({ common, stateManager });
	const seen =
		watched && watch(vm, transaction, nonceOf(recording, tx.getSenderAddress()));
	const result = await runTx(vm, { block, tx, skipBlockGasLimitValidation: true });
	if (!watched) return undefined;
	const { root, touched, called } = seen;
	root.gas = quantity(tx.gasLimit);
	root.gasUsed = quantity(result.totalGasSpent);
	return {
		calls: root,
		touched,
		called,
		to: tx.to?.toString(),
		authorities: authoritiesOf(tx),
	};
}

const nonceOf = ({ alloc }, sender) => alloc.get(sender.toString())?.nonce ?? 0n;

// EIP-7702: the accounts whose code the transaction sets.
function authoritiesOf({ authorizationList = [] }) {
	return authorizationList.map((signed) =>
		eoaCode7702RecoverAuthority(signed).toString(),
	);
}
