/* SPDX-License-Identifier: MIT */
#include "rpc/method.h"
#include "rpc/begin.h"

#define METHOD(method_name, method_class, method_params, method_keep, method_flags, deadline, \
	       hash_twin, begin_fn, method_summary)                                           \
	{.name = (method_name),                                                               \
	 .class = (method_class),                                                             \
	 .params = (method_params),                                                           \
	 .keep = (method_keep),                                                               \
	 .flags = (method_flags),                                                             \
	 .wait = (deadline),                                                                  \
	 .by_hash = (hash_twin),                                                              \
	 .begin = (begin_fn),                                                                 \
	 .summary = (method_summary)},
static struct method rows[] = {
#include "rpc/methods.def"
};
#undef METHOD

#define ROWS (sizeof rows / sizeof rows[0])

static struct method unknown = {
	.name = "other",
	.class = METHOD_FORWARD,
	.params = "...",
	.flags = NULL_OK,
	.wait = FORK_CLASS_CALL,
	.begin = begin_forward,
	.summary = "forwarded to one upstream, not stored",
};

/* Exact names by open addressing; families (with a star) in a list, as there are few. */
#define TABLE_BITS  9
#define TABLE_SIZE  (1u << TABLE_BITS) /* at least twice the rows */
#define TABLE_SHIFT (64 - TABLE_BITS)
static const struct method *table[TABLE_SIZE];
static const struct method *families[ROWS];
static size_t families_n;

_Static_assert(ROWS * 2 <= TABLE_SIZE, "the method table is too small for its rows");

static const struct {
	const char *name;
	enum param_kind kind;
} kind_names[] = {
	{"address", PARAM_ADDRESS},   {"slot", PARAM_SLOT},
	{"slots", PARAM_SLOTS},	      {"block", PARAM_BLOCK},
	{"number", PARAM_NUMBER},     {"hash", PARAM_HASH},
	{"index", PARAM_INDEX},	      {"count", PARAM_COUNT},
	{"percents", PARAM_PERCENTS}, {"flag", PARAM_FLAG},
	{"data", PARAM_DATA},	      {"any", PARAM_ANY},
	{"call", PARAM_CALL},	      {"tx", PARAM_TX},
	{"state", PARAM_STATE},	      {"overrides", PARAM_OVERRIDES},
	{"config", PARAM_CONFIG},     {"types", PARAM_TYPES},
	{"pairs", PARAM_PAIRS},	      {"bundles", PARAM_BUNDLES},
	{"context", PARAM_CONTEXT},   {"simulation", PARAM_SIMULATION},
};

static enum param_kind kind_by_name(struct span name)
{
	for (size_t i = 0; i < sizeof kind_names / sizeof kind_names[0]; i++)
		if (span_is(name, kind_names[i].name))
			return kind_names[i].kind;
	check_abort("a parameter kind of methods.def is unknown", __FILE__, __LINE__);
}

static void compile_params(struct method *m)
{
	const char *at = m->params;

	m->name_len = strlen(m->name);
	m->block_at = -1;
	while (*at != '\0') {
		struct span word = {at, strcspn(at, " ")};
		at += word.len;
		at += strspn(at, " ");
		if (span_is(word, "...")) {
			m->rest = true;
			continue;
		}
		bool optional = word.ptr[word.len - 1] == '?';
		word.len -= optional;
		REQUIRE(m->params_n < PARAMS_MAX);
		enum param_kind kind = kind_by_name(word);
		if (kind == PARAM_BLOCK || kind == PARAM_NUMBER || kind == PARAM_CONTEXT)
			m->block_at = (int)m->params_n;
		m->kinds[m->params_n++] = kind;
		if (!optional)
			m->required_n = m->params_n;
	}
}

/* Names share their beginnings ("eth_get"): their ends and lengths tell them apart. */
static size_t name_home(struct span name)
{
	uint64_t end = 0;

	if (name.len >= sizeof end)
		memcpy(&end, name.ptr + name.len - sizeof end, sizeof end);
	else if (name.len > 0)
		memcpy(&end, name.ptr, name.len);
	/* Fibonacci hashing: the top bits of the product with 2^64 over the golden ratio. */
	return (size_t)(((end ^ name.len) * UINT64_C(0x9e3779b97f4a7c15)) >> TABLE_SHIFT);
}

static void table_add(const struct method *m)
{
	size_t i = name_home(span_of(m->name));

	while (table[i] != NULL) {
		REQUIRE(strcmp(table[i]->name, m->name) != 0);
		i = (i + 1) % TABLE_SIZE;
	}
	table[i] = m;
}

void method_table_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	for (size_t i = 0; i < ROWS; i++) {
		compile_params(&rows[i]);
		if (strchr(rows[i].name, '*') != NULL)
			families[families_n++] = &rows[i];
		else
			table_add(&rows[i]);
	}
	compile_params(&unknown);
}

/* Whether a pattern, in which * stands for any bytes, is the whole of a name. Backtracks to
 * the last star only, which is enough. */
static bool fits(const char *pattern, struct span name)
{
	const char *after_star = NULL;
	size_t at = 0, retry = 0;

	while (at < name.len) {
		if (*pattern == '*') {
			after_star = ++pattern;
			retry = at;
		} else if (*pattern != '\0' && *pattern == name.ptr[at]) {
			pattern++;
			at++;
		} else if (after_star != NULL) {
			pattern = after_star;
			at = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static const struct method *family_find(struct span name)
{
	const struct method *best = NULL;

	for (size_t i = 0; i < families_n; i++)
		if ((best == NULL || strlen(families[i]->name) > strlen(best->name)) &&
		    fits(families[i]->name, name))
			best = families[i];
	return best;
}

const struct method *method_find_row(struct span name)
{
	for (size_t i = name_home(name); table[i] != NULL; i = (i + 1) % TABLE_SIZE)
		if (table[i]->name_len == name.len &&
		    memcmp(table[i]->name, name.ptr, name.len) == 0)
			return table[i];
	return NULL;
}

const struct method *method_find(struct span name)
{
	const struct method *row = method_find_row(name);

	return row != NULL ? row : family_find(name);
}

const struct method *method_unknown(void)
{
	return &unknown;
}

size_t method_count(void)
{
	return ROWS + 1;
}

const struct method *method_at(size_t i)
{
	return i < ROWS ? &rows[i] : &unknown;
}

size_t method_index(const struct method *method)
{
	return method == &unknown ? ROWS : (size_t)(method - rows);
}
