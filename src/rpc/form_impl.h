/* SPDX-License-Identifier: MIT */
#pragma once
/* What forms.c (tables, objects and lists) and form_scalar.c share. */
#include "base/json.h"
#include "rpc/forms.h"

typedef enum err form_put_fn(struct span value, struct buf *out, struct err_detail *why);

enum form_shape {
	FORM_SCALAR,
	FORM_OBJECT,
	FORM_LIST,  /* elements of one form */
	FORM_TUPLE, /* elements of a form each */
	FORM_MAP,   /* names and values of a form each */
};

struct field {
	const char *name;
	const struct form *form; /* NULL: never written */
	const char *omitted_as;	 /* the text that means the same as nothing; NULL: none does */
};

struct form {
	enum form_shape shape;
	form_put_fn *put;		 /* FORM_SCALAR; FORM_MAP: of the names */
	const struct form *of;		 /* FORM_LIST, FORM_MAP: of the values */
	const struct form *const *tuple; /* FORM_TUPLE */
	size_t tuple_n;
	const struct field *fields; /* FORM_OBJECT; others are kept as JSON */
	size_t fields_n;
	bool is_tx;	   /* merges "input" into "data" */
	bool fills_sender; /* no "from" is the zero address */
	const char *must;  /* "an object": what else no node reads; NULL: others are kept */
};

form_put_fn form_put_json, form_put_address, form_put_data, form_put_quantity, form_put_hash,
	form_put_word;
/* One, or a list of them, in any order: written as a list, in order, each once. */
form_put_fn form_put_addresses, form_put_types;
/* A list of positions, each null or alternatives. */
form_put_fn form_put_topics;
