// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "render/escape.h"

size_t utf8_decode(const char *s, size_t n, uint32_t *ret_point)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	uint32_t point;
	size_t len;

	if (n == 0)
		return 0;
	if (p[0] < 0x80) {
		*ret_point = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
		point = p[0] & 0x1f;
	} else if ((p[0] & 0xf0) == 0xe0) {
		len = 3;
		point = p[0] & 0x0f;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		point = p[0] & 0x07;
	} else {
		return 0;
	}
	if (n < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (p[i] & 0x3f);
	}
	if (point < smallest[len] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret_point = point;
	return len;
}

/* Controls, and what is invisible or reorders the text around it. */
static bool point_is_printable(uint32_t point)
{
	if (point < 0x20 || (point >= 0x7f && point <= 0x9f))
		return false;
	if (point == 0xad || point == 0x61c || point == 0x180e || point == 0xfeff)
		return false;
	if (point >= 0x200b && point <= 0x200f)
		return false;
	if (point >= 0x2028 && point <= 0x202e)
		return false;
	if (point >= 0x2060 && point <= 0x206f)
		return false;
	if (point >= 0xfff9 && point <= 0xfffb)
		return false;
	return point < 0xe0000;
}

static size_t escape_byte(char *out, unsigned char byte)
{
	static const char digits[] = "0123456789abcdef";

	out[0] = '\\';
	if (byte == '\n' || byte == '\t') {
		out[1] = byte == '\n' ? 'n' : 't';
		return 2;
	}
	out[1] = 'x';
	out[2] = digits[byte >> 4];
	out[3] = digits[byte & 15];
	return 4;
}

char *text_escape(const char *s, size_t n, bool multiline)
{
	size_t size, out_len = 0;
	char *out;

	if (__builtin_mul_overflow(n, (size_t)4, &size) || __builtin_add_overflow(size, 1, &size))
		return NULL;
	out = malloc(size);
	if (!out)
		return NULL;
	for (size_t i = 0; i < n;) {
		uint32_t point = 0;
		size_t len = utf8_decode(s + i, n - i, &point);

		if ((len && point_is_printable(point)) ||
		    (multiline && (s[i] == '\n' || s[i] == '\t'))) {
			memcpy(out + out_len, s + i, len);
			out_len += len;
			i += len;
			continue;
		}
		for (size_t end = i + (len ? len : 1); i < end; i++)
			out_len += escape_byte(out + out_len, (unsigned char)s[i]);
	}
	out[out_len] = '\0';
	return out;
}

char *utf8_repair(const char *s)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t n = strlen(s), size, out_len = 0;
	char *out;

	if (__builtin_mul_overflow(n, (size_t)3, &size) || __builtin_add_overflow(size, 1, &size))
		return NULL;
	out = malloc(size);
	if (!out)
		return NULL;
	for (size_t i = 0; i < n;) {
		uint32_t point;
		size_t len = utf8_decode(s + i, n - i, &point);

		memcpy(out + out_len, len ? s + i : replacement, len ? len : 3);
		out_len += len ? len : 3;
		i += len ? len : 1;
	}
	out[out_len] = '\0';
	return out;
}

size_t text_columns(const char *s, size_t n)
{
	size_t columns = 0;

	for (size_t i = 0; i < n; i++)
		columns += ((unsigned char)s[i] & 0xc0) != 0x80;
	return columns;
}
