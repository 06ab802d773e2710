/* SPDX-License-Identifier: MIT */
#include "mock_node/answer.h"

static void open_error(struct answer *answer, int code, const char *message)
{
	buf_clear(&answer->json);
	answer->is_error = true;
	buf_printf(&answer->json, "{\"code\":%d,\"message\":", code);
	buf_json_string(&answer->json, span_of(message));
}

bool answer_error(struct answer *answer, int code, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	open_error(answer, code, message);
	buf_char(&answer->json, '}');
	return false;
}

void answer_error_data(struct answer *answer, int code, const char *message,
		       struct span data_json)
{
	open_error(answer, code, message);
	buf_text(&answer->json, ",\"data\":");
	buf_span(&answer->json, data_json);
	buf_char(&answer->json, '}');
}
