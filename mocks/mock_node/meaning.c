/* SPDX-License-Identifier: MIT */
#include "mock_node/meaning.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The text without leading zeros, in lower case, when it is hex. Returns, free with free. */
static char *plain_text(const char *text)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = text + 2;

	if (!hex)
		return strdup(text);
	while (digits[0] == '0' && digits[1] != '\0')
		digits++;
	char *plain = malloc(strlen(digits) + 3);
	if (!plain)
		return NULL;
	char *at = plain;
	*at++ = '0';
	*at++ = 'x';
	for (; *digits; digits++)
		*at++ = (char)tolower((unsigned char)*digits);
	*at = '\0';
	return plain;
}

static json_t *plain_string(json_t *string)
{
	char *plain = plain_text(json_string_value(string));
	json_t *json = plain ? json_string(plain) : NULL;

	free(plain);
	return json;
}

static json_t *plain_list(json_t *list)
{
	json_t *plain = json_array(), *element;
	size_t i;

	json_array_foreach(list, i, element) json_array_append_new(plain, meaning_of(element));
	return plain;
}

static bool is_text(json_t *json, const char *text)
{
	return json_is_string(json) && strcmp(json_string_value(json), text) == 0;
}

static bool is_left_out(const char *name, json_t *value)
{
	if (strcmp(name, "value") == 0 || strcmp(name, "from") == 0)
		return is_text(value, "0x0");
	return strcmp(name, "data") == 0 && is_text(value, "0x");
}

/* [x] is x in a filter's address and topics. */
static json_t *unwrapped(json_t *list)
{
	if (!json_is_array(list) || json_array_size(list) != 1)
		return list;
	json_t *only = json_incref(json_array_get(list, 0));
	json_decref(list);
	return only;
}

static json_t *plain_member(const char *name, json_t *value)
{
	json_t *plain = meaning_of(value), *topic;
	size_t i;

	if (strcmp(name, "address") == 0)
		return unwrapped(plain);
	if (strcmp(name, "topics") == 0) {
		json_array_foreach(plain, i, topic)
			json_array_set_new(plain, i, unwrapped(json_incref(topic)));
	}
	return plain;
}

static json_t *plain_object(json_t *object)
{
	json_t *plain = json_object();
	void *it = json_object_iter(object);

	for (; it; it = json_object_iter_next(object, it)) {
		char *name = plain_text(json_object_iter_key(it));
		if (!name)
			continue;
		const char *known = strcmp(name, "input") == 0 ? "data" : name;
		json_t *value = plain_member(known, json_object_iter_value(it));
		if (value && !json_is_null(value) && !is_left_out(known, value))
			json_object_set(plain, known, value);
		json_decref(value);
		free(name);
	}
	if (json_object_size(plain) > 0)
		return plain;
	json_decref(plain);
	return json_null();
}

json_t *meaning_of(json_t *param)
{
	if (param == NULL)
		return json_null();
	switch (json_typeof(param)) {
	case JSON_STRING:
		return plain_string(param);
	case JSON_ARRAY:
		return plain_list(param);
	case JSON_OBJECT:
		return plain_object(param);
	case JSON_INTEGER:
	case JSON_REAL:
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		break;
	}
	return json_incref(param);
}
