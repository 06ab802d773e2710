/* SPDX-License-Identifier: MIT */
#include "layers/dump.h"

enum { PIECE_BYTES = 4096 }; /* goes to the writer at once */

/* The text so far that the writer has not got. */
struct out {
	dump_write_fn *write;
	void *cookie;
	enum err err; /* sticky */
	size_t len;
	char piece[PIECE_BYTES];
};

struct dump {
	const struct change_account **accounts; /* by address */
	size_t accounts_n;
	const struct change_slot **slots; /* of one account, by slot: room for the most */
	const struct changes *changes;
	dump_original_fn *original;
	void *original_cookie;
	struct err_detail *detail;
	struct out out;
	bool first; /* of the list */
};

/* ---- the text ---- */

static void flush(struct out *out)
{
	if (out->err == OK && out->len > 0)
		out->err = out->write(out->cookie, out->piece, out->len);
	out->len = 0;
}

static void put_text(struct out *out, struct span text)
{
	if (text.len > PIECE_BYTES - out->len)
		flush(out);
	memcpy(out->piece + out->len, text.ptr, text.len);
	out->len += text.len;
}

static void put_hex(struct out *out, const unsigned char *bytes, size_t n)
{
	put_text(out, SPAN("\"0x"));
	for (size_t at = 0; at < n;) {
		if (PIECE_BYTES - out->len < 2)
			flush(out);
		const size_t room = (PIECE_BYTES - out->len) / 2;
		const size_t now = n - at < room ? n - at : room;
		eth_hex(bytes + at, now, out->piece + out->len);
		out->len += 2 * now;
		at += now;
	}
	put_text(out, SPAN("\""));
}

static void put_quantity(struct out *out, const unsigned char *bytes, size_t n)
{
	char text[2 + 64];
	const size_t len = eth_quantity_format(bytes, n, text);
	put_text(out, SPAN("\""));
	put_text(out, (struct span){text, len});
	put_text(out, SPAN("\""));
}

static void next_item(struct dump *dump, const char *open)
{
	if (!dump->first)
		put_text(&dump->out, SPAN(","));
	dump->first = false;
	put_text(&dump->out, span_of(open));
}

static void put_address(struct dump *dump, const struct change_account *account)
{
	next_item(dump, "{\"address\":");
	put_hex(&dump->out, account->address.bytes, 20);
}

/* ---- what belongs into it ---- */

/* With nothing below there is nothing that wiping alone has hidden. */
static bool is_wiped(const struct dump *dump, const struct change_account *account)
{
	return account->destructed || (account->generation != 0 && dump->original != NULL);
}

static bool is_gone(const struct change_account *account)
{
	return (account->fields.mask & ACCOUNT_EXISTENCE) && !account->exists;
}

/* What it held below does not count; all that it holds stands in the lists. */
static bool is_destroyed(const struct dump *dump, const struct change_account *account)
{
	return is_wiped(dump, account) || is_gone(account);
}

static bool has_code(const struct change_account *account)
{
	return !eth_bytes32_equal(&account->fields.code_hash, &eth_empty_code_hash);
}

/* Whether a field is listed. Of a destroyed account what is empty goes without saying, but for
 * the balance, which says that it is there. */
static bool is_listed(const struct dump *dump, const struct change_account *account,
		      unsigned field)
{
	if (!(account->fields.mask & field) || is_gone(account))
		return false;
	if (!is_destroyed(dump, account) || field == ACCOUNT_BALANCE)
		return true;
	return field == ACCOUNT_NONCE ? account->fields.nonce != 0 : has_code(account);
}

static struct blob *code_of(const struct dump *dump, const struct change_account *account)
{
	return account->code ? account->code
			     : changes_find_code(dump->changes, &account->fields.code_hash);
}

static enum err check_account(struct dump *dump, const struct change_account *account)
{
	enum { VALUES = ACCOUNT_BALANCE | ACCOUNT_NONCE | ACCOUNT_CODE_HASH };
	char name[2 * 20];
	if (!is_destroyed(dump, account) || is_gone(account))
		return OK;
	eth_hex(account->address.bytes, 20, name);
	if ((account->fields.mask & VALUES) != VALUES)
		return err_set(dump->detail, ERR_UNSUPPORTED,
			       "the storage of account 0x%.40s was wiped, and not all of its "
			       "fields are among the changes",
			       name);
	if (has_code(account) && !code_of(dump, account))
		return err_set(dump->detail, ERR_NOT_FOUND,
			       "the code of account 0x%.40s is not among the changes", name);
	return OK;
}

/* ---- collecting and sorting ---- */

static int by_address(const void *a, const void *b)
{
	const struct change_account *const *x = a, *const *y = b;
	return memcmp((*x)->address.bytes, (*y)->address.bytes, 20);
}

static int by_slot(const void *a, const void *b)
{
	const struct change_slot *const *x = a, *const *y = b;
	return memcmp((*x)->slot.bytes, (*y)->slot.bytes, 32);
}

static size_t count_slots(const struct change_account *account)
{
	size_t n = 0;
	for (const struct change_slot *slot = account->slots; slot; slot = slot->next)
		n += change_slot_holds(slot);
	return n;
}

static enum err collect(struct dump *dump)
{
	const struct changes *changes = dump->changes;
	const struct change_account *account = NULL;
	size_t accounts = 0, most = 0;
	while ((account = changes_next(changes, account))) {
		const size_t slots = count_slots(account);
		most = slots > most ? slots : most;
		accounts++;
	}
	dump->accounts = calloc(accounts + 1, sizeof *dump->accounts);
	dump->slots = calloc(most + 1, sizeof *dump->slots);
	if (!dump->accounts || !dump->slots)
		return err_set(dump->detail, ERR_NOMEM, "no memory to sort the changes");
	for (account = changes_next(changes, NULL); account;
	     account = changes_next(changes, account)) {
		const enum err err = check_account(dump, account);
		if (err != OK)
			return err;
		dump->accounts[dump->accounts_n++] = account;
	}
	qsort(dump->accounts, dump->accounts_n, sizeof *dump->accounts, by_address);
	return OK;
}

/* ---- the lists ---- */

static enum err no_original(struct dump *dump, const struct change_slot *slot, enum err err)
{
	char account[2 * 20], name[2 + 2 * 32];
	eth_hex(slot->account->address.bytes, 20, account);
	const size_t len = eth_quantity_format(slot->slot.bytes, 32, name);
	return err_set(dump->detail, err,
		       "the original value of slot %.*s of account 0x%.40s: %s", (int)len, name,
		       account, err_name(err));
}

static enum err put_slot(struct dump *dump, const struct change_slot *slot)
{
	struct eth_bytes32 before = {{0}};
	const enum err err = dump->original == NULL ? OK
						    : dump->original(dump->original_cookie,
								     &slot->account->address,
								     &slot->slot, &before);
	if (err != OK)
		return no_original(dump, slot, err);
	/* In storage that was wiped the original value has to be written again. */
	static const struct eth_bytes32 zero;
	if (eth_bytes32_equal(&before, &slot->value) &&
	    (!is_destroyed(dump, slot->account) || eth_bytes32_equal(&slot->value, &zero)))
		return OK;
	put_address(dump, slot->account);
	put_text(&dump->out, SPAN(",\"slot\":"));
	put_quantity(&dump->out, slot->slot.bytes, 32);
	put_text(&dump->out, SPAN(",\"originalValue\":"));
	put_quantity(&dump->out, before.bytes, 32);
	put_text(&dump->out, SPAN(",\"newValue\":"));
	put_quantity(&dump->out, slot->value.bytes, 32);
	put_text(&dump->out, SPAN("}"));
	return dump->out.err;
}

static enum err put_storage(struct dump *dump, const struct change_account *account)
{
	size_t n = 0;
	for (const struct change_slot *slot = account->slots; slot; slot = slot->next)
		if (change_slot_holds(slot))
			dump->slots[n++] = slot;
	qsort(dump->slots, n, sizeof *dump->slots, by_slot);
	enum err err = OK;
	for (size_t i = 0; i < n && err == OK; i++)
		err = put_slot(dump, dump->slots[i]);
	return err;
}

static enum err put_balance(struct dump *dump, const struct change_account *account)
{
	if (!is_listed(dump, account, ACCOUNT_BALANCE))
		return OK;
	put_address(dump, account);
	put_text(&dump->out, SPAN(",\"balance\":"));
	put_quantity(&dump->out, account->fields.balance.bytes, 32);
	put_text(&dump->out, SPAN("}"));
	return dump->out.err;
}

static enum err put_nonce(struct dump *dump, const struct change_account *account)
{
	unsigned char nonce[8];
	if (!is_listed(dump, account, ACCOUNT_NONCE))
		return OK;
	be64_put(nonce, account->fields.nonce);
	put_address(dump, account);
	put_text(&dump->out, SPAN(",\"nonce\":"));
	put_quantity(&dump->out, nonce, sizeof nonce);
	put_text(&dump->out, SPAN("}"));
	return dump->out.err;
}

/* A code hash that came without code has not changed. */
static enum err put_code(struct dump *dump, const struct change_account *account)
{
	const struct blob *code = code_of(dump, account);
	if (!is_listed(dump, account, ACCOUNT_CODE_HASH) || (!code && has_code(account)))
		return OK;
	put_address(dump, account);
	put_text(&dump->out, SPAN(",\"code\":"));
	put_hex(&dump->out, code ? code->bytes : NULL, code ? code->len : 0);
	put_text(&dump->out, SPAN("}"));
	return dump->out.err;
}

static enum err put_destroyed(struct dump *dump, const struct change_account *account)
{
	if (!is_destroyed(dump, account))
		return OK;
	next_item(dump, "");
	put_hex(&dump->out, account->address.bytes, 20);
	return dump->out.err;
}

static const struct {
	const char *open;
	enum err (*put)(struct dump *dump, const struct change_account *account);
} lists[] = {
	{"{\"storage\":[", put_storage},
	{"],\"balances\":[", put_balance},
	{"],\"nonces\":[", put_nonce},
	{"],\"codes\":[", put_code},
	{"],\"selfDestructs\":[", put_destroyed},
};

static enum err put_lists(struct dump *dump)
{
	for (size_t list = 0; list < sizeof lists / sizeof lists[0]; list++) {
		put_text(&dump->out, span_of(lists[list].open));
		dump->first = true;
		for (size_t i = 0; i < dump->accounts_n; i++) {
			const enum err err = lists[list].put(dump, dump->accounts[i]);
			if (err != OK)
				return err;
		}
	}
	put_text(&dump->out, SPAN("]}"));
	flush(&dump->out);
	return dump->out.err;
}

enum err dump_changes(const struct changes *changes, dump_original_fn *original,
		      void *original_cookie, dump_write_fn *write, void *cookie,
		      struct err_detail *detail)
{
	struct dump dump = {.changes = changes,
			    .original = original,
			    .original_cookie = original_cookie,
			    .detail = detail};
	dump.out.write = write;
	dump.out.cookie = cookie;
	enum err err = collect(&dump);
	if (err == OK)
		err = put_lists(&dump);
	free(dump.accounts);
	free(dump.slots);
	return err;
}
