/* SPDX-License-Identifier: MIT */
#include "fork/url.h"
#include "unit.h"

static enum err parse(const char *text, struct url *out, struct err_detail *detail)
{
	struct secret *secret = secret_new(span_of(text));
	assert_non_null(secret);
	enum err err = url_parse(secret, out, detail);
	secret_free(&secret);
	return err;
}

struct good {
	const char *text, *full, *host, *shown;
	uint16_t port;
	bool tls, literal;
};

static void accepts(void **state)
{
	static const struct good rows[] = {
		{"http://localhost:8545", "http://localhost:8545/", "localhost",
		 "localhost:8545", 8545, false, false},
		{"https://eth.example/v2/KEY", "https://eth.example:443/v2/KEY", "eth.example",
		 "eth.example:443", 443, true, false},
		{"HTTPS://Eth.Example?key=K", "https://eth.example:443/?key=K", "eth.example",
		 "eth.example:443", 443, true, false},
		{"http://user:p%40ss@h:1/a?b=c@d/e", "http://user:p%40ss@h:1/a?b=c@d/e", "h",
		 "h:1", 1, false, false},
		{"http://@h/", "http://h:80/", "h", "h:80", 80, false, false},
		{"http://[::1]:8545/x", "http://[::1]:8545/x", "::1", "[::1]:8545", 8545, false,
		 true},
		{"http://[2001:DB8:0:0::1]", "http://[2001:db8::1]:80/", "2001:db8::1",
		 "[2001:db8::1]:80", 80, false, true},
		{"http://127.0.0.1:65535/", "http://127.0.0.1:65535/", "127.0.0.1",
		 "127.0.0.1:65535", 65535, false, true},
		{"http://my_node-1.x2:08545", "http://my_node-1.x2:8545/", "my_node-1.x2",
		 "my_node-1.x2:8545", 8545, false, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct url url;
		struct err_detail detail = {""};
		assert_int_equal(parse(rows[i].text, &url, &detail), OK);
		assert_string_equal(secret_reveal(url.full), rows[i].full);
		assert_string_equal(url.host, rows[i].host);
		assert_string_equal(url.shown, rows[i].shown);
		assert_int_equal(url.port, rows[i].port);
		assert_int_equal(url.tls, rows[i].tls);
		assert_int_equal(url.literal, rows[i].literal);
		url_release(&url);
		assert_null(url.full);
	}
}

/* HUSH stands for what must not be repeated. */
static void refuses(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"", "must begin with"},
		{"HUSH.example", "must begin with"},
		{"ftp://HUSH@h/", "must begin with"},
		{"file:///HUSH", "must begin with"},
		{"http:/HUSH", "must begin with"},
		{" http://HUSH", "white space"},
		{"http://h/HUSH key", "white space"},
		{"http://h/HUSH\r\nX: y", "control"},
		{"http://h\\@HUSH/", "backslashes"},
		{"http://h/HUSH#part", "fragment"},
		{"http://u:HUSH#x@h/", "fragment"},
		{"http://h/HUSH%2", "hexadecimal"},
		{"http://h/HUSH%zz", "hexadecimal"},
		{"http://h/HUSH%00", "%00"},
		{"http://u@HUSH@h/", "more than one @"},
		{"http://u:[HUSH]@h/", "brackets"},
		{"http://h\xc3\xa9.HUSH/", "ASCII"},
		{"http://", "host is missing"},
		{"http://HUSH@/", "host is missing"},
		{"http://:80/HUSH", "host is missing"},
		{"http://h:/HUSH", "port"},
		{"http://h:0/HUSH", "port"},
		{"http://h:65536/HUSH", "port"},
		{"http://h:123456/HUSH", "port"},
		{"http://h:-1/HUSH", "port"},
		{"http://h:80:80/HUSH", "port"},
		{"http://[::1/HUSH", "closing bracket"},
		{"http://[::1]8545/HUSH", "only a port"},
		{"http://[]/HUSH", "IPv6"},
		{"http://[fe80::1%25eth0]/HUSH", "IPv6"},
		{"http://[1:2:3]/HUSH", "IPv6"},
		{"http://[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]/HUSH", "IPv6"},
		{"http://127.1/HUSH", "a.b.c.d"},
		{"http://2130706433/HUSH", "a.b.c.d"},
		{"http://0x7f000001/HUSH", "a.b.c.d"},
		{"http://0x7F.1/HUSH", "a.b.c.d"},
		{"http://1.2.3.4.5/HUSH", "a.b.c.d"},
		{"http://a.0x1/HUSH", "a.b.c.d"},
		{"http://h%41.HUSH/", "character"},
		{"http://h,i.HUSH/", "character"},
		{"http://.HUSH/", "empty label"},
		{"http://a..HUSH/", "empty label"},
		{"http://HUSH./", "empty label"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct url url;
		struct err_detail detail = {""};
		assert_int_equal(parse(rows[i].text, &url, &detail), ERR_CONFIG);
		if (strstr(detail.text, rows[i].why) == NULL)
			fail_msg("row %zu (%s): %s", i, rows[i].text, detail.text);
		assert_null(strstr(detail.text, "HUSH"));
		assert_null(url.full);
		assert_string_equal(url.shown, "");
		url_release(&url);
	}
}

static void has_bounds(void **state)
{
	char text[URL_MAX_BYTES + 2];
	struct url url;
	struct err_detail detail;
	(void)state;

	memset(text, 'a', sizeof text);
	memcpy(text, "http://h/", 9);
	text[URL_MAX_BYTES] = '\0';
	assert_int_equal(parse(text, &url, &detail), OK);
	url_release(&url);
	text[URL_MAX_BYTES] = 'a';
	text[URL_MAX_BYTES + 1] = '\0';
	assert_int_equal(parse(text, &url, &detail), ERR_CONFIG);

	/* 253 bytes in labels of 63 */
	memset(text, 'b', sizeof text);
	memcpy(text, "http://", 7);
	for (int i = 63; i < 253; i += 64)
		text[7 + i] = '.';
	text[7 + 253] = '\0';
	assert_int_equal(parse(text, &url, &detail), OK);
	assert_int_equal(strlen(url.host), 253);
	assert_int_equal(strlen(url.shown), 256);
	url_release(&url);
	text[7 + 253] = 'b';
	text[7 + 254] = '\0';
	assert_int_equal(parse(text, &url, &detail), ERR_CONFIG);
	text[7 + 63] = 'b';
	text[7 + 70] = '\0';
	assert_int_equal(parse(text, &url, &detail), ERR_CONFIG);
	assert_non_null(strstr(detail.text, "63"));
}

/* A NUL inside a secret must not hide what follows it. */
static void refuses_embedded_nul(void **state)
{
	struct secret *secret = secret_new((struct span){"http://h\0.evil/", 15});
	struct url url;
	(void)state;
	assert_non_null(secret);
	assert_int_equal(url_parse(secret, &url, NULL), ERR_CONFIG);
	secret_free(&secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts),
		cmocka_unit_test(refuses),
		cmocka_unit_test(has_bounds),
		cmocka_unit_test(refuses_embedded_nul),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
