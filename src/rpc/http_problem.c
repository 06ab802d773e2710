/* SPDX-License-Identifier: MIT */
#include "rpc/http_problem.h"

const char *http_problem_text(enum http_problem problem)
{
	switch (problem) {
#define HTTP_PROBLEM_CASE(name, text) \
	case name:                    \
		return text;
		HTTP_PROBLEMS(HTTP_PROBLEM_CASE)
#undef HTTP_PROBLEM_CASE
	}
	return "the request is malformed";
}
