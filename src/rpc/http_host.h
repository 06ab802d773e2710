/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which Host headers are believed: the guard against DNS rebinding.
 *
 * A web page may make a browser send requests to a name of its own that resolves to this
 * machine; such a request carries that name. Nobody can rebind an IP literal or "localhost",
 * so these pass, whatever the port; other names pass if they are on the configured list.
 * The same rule as go-ethereum's --http.vhosts.
 */
#include "base/span.h"

/* host: a Host header's value, "name", "name:port", "1.2.3.4:port" or "[v6]:port". */
bool http_host_allowed(struct span host, const char *const *names, size_t names_n);
