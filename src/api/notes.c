/* SPDX-License-Identifier: MIT */
#include "api/notes.h"

enum { ROWS_FIRST = 16 };

void notes_clear(struct notes *notes)
{
	for (struct note *note = notes->first, *next; note; note = next) {
		next = note->next;
		free(note);
	}
	need_map_release(&notes->map);
	free(notes->rows);
	*notes = (struct notes){.first = NULL};
}

static bool make_room(struct notes *notes)
{
	if (notes->map.n < notes->capacity)
		return true;
	const size_t wider = notes->capacity ? notes->capacity * 2 : ROWS_FIRST;
	struct fc_need *rows = realloc(notes->rows, wider * sizeof *rows);
	if (!rows)
		return false;
	notes->rows = rows;
	notes->capacity = wider;
	return true;
}

enum err notes_add(struct notes *notes, const struct need *need)
{
	if (need_map_find(&notes->map, need))
		return OK;
	if (notes->map.n == NEEDS_MAX)
		return ERR_LIMIT;
	struct note *note = calloc(1, sizeof *note);
	if (!note || !make_room(notes))
		goto fail;
	note->node.need = *need;
	note->node.need.slots = NULL;
	note->node.need.slots_n = 0;
	if (need_map_add(&notes->map, &note->node) != OK)
		goto fail;
	note->prev = notes->last;
	*(notes->last ? &notes->last->next : &notes->first) = note;
	notes->last = note;
	notes->stale = true;
	return OK;
fail:
	free(note);
	return ERR_NOMEM;
}

void notes_remove(struct notes *notes, const struct need *need)
{
	struct note *note = (struct note *)need_map_find(&notes->map, need);
	if (!note)
		return;
	need_map_remove(&notes->map, &note->node);
	*(note->next ? &note->next->prev : &notes->last) = note->prev;
	*(note->prev ? &note->prev->next : &notes->first) = note->next;
	free(note);
	notes->stale = true;
}

static enum fc_need_kind kind_out(enum need_kind kind)
{
	static const enum fc_need_kind table[] = {
		[NEED_BALANCE] = FC_NEED_BALANCE, [NEED_NONCE] = FC_NEED_NONCE,
		[NEED_CODE] = FC_NEED_CODE,	  [NEED_SLOT] = FC_NEED_STORAGE,
		[NEED_PROOF] = FC_NEED_PROOF,
	};
	return table[kind];
}

const struct fc_need *notes_rows(struct notes *notes, size_t *n)
{
	struct fc_need *row = notes->rows;
	*n = notes->map.n;
	if (!notes->stale)
		return row;
	for (const struct note *note = notes->first; note; note = note->next, row++) {
		*row = (struct fc_need){.kind = kind_out(note->node.need.kind)};
		memcpy(&row->address, &note->node.need.address, sizeof row->address);
		if (note->node.need.kind == NEED_SLOT)
			memcpy(&row->slot, &note->node.need.slot, sizeof row->slot);
	}
	notes->stale = false;
	return notes->rows;
}
