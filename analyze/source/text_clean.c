// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/text_clean.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define QUOTE_LEVELS 4

struct replacement {
	const char *from, *to;
};

/* The first of @table that @p begins with; its length, 0 none. */
static size_t replacement_find(const struct replacement *table, const char *p, size_t left,
			       const char **ret_to)
{
	for (; table->from; table++) {
		size_t n = strlen(table->from);

		if (n <= left && memcmp(p, table->from, n) == 0) {
			*ret_to = table->to;
			return n;
		}
	}
	return 0;
}

static size_t entity_find(const char *p, size_t left, const char **ret_to)
{
	static const struct replacement table[] = {
		{ "&lt;", "<" },      { "&gt;", ">" },	  { "&amp;", "&" },  { "&quot;", "\"" },
		{ "&apos;", "'" },    { "&#39;", "'" },	  { "&#34;", "\"" }, { "&nbsp;", " " },
		{ "&#160;", " " },    { "&#xa0;", " " },  { "&#91;", "[" },  { "&#93;", "]" },
		{ "&#35;", "#" },     { "&#95;", "_" },	  { "&#42;", "*" },  { "&#43;", "+" },
		{ "&#45;", "-" },     { "&#58;", ":" },	  { "&#60;", "<" },  { "&#62;", ">" },
		{ NULL, NULL },
	};

	return replacement_find(table, p, left, ret_to);
}

/* UTF-8 */
static size_t unicode_find(const char *p, size_t left, const char **ret_to)
{
	static const struct replacement table[] = {
		{ "\xc2\xa0", " " },	     /* no-break space */
		{ "\xe2\x80\x80", " " },     { "\xe2\x80\x81", " " }, { "\xe2\x80\x82", " " },
		{ "\xe2\x80\x83", " " },     { "\xe2\x80\x84", " " }, { "\xe2\x80\x85", " " },
		{ "\xe2\x80\x86", " " },     { "\xe2\x80\x87", " " }, { "\xe2\x80\x88", " " },
		{ "\xe2\x80\x89", " " },     { "\xe2\x80\x8a", " " }, { "\xe2\x80\xaf", " " },
		{ "\xe3\x80\x80", " " },     /* ideographic space */
		{ "\xe2\x80\x8b", "" },	     /* zero width space */
		{ "\xef\xbb\xbf", "" },	     /* byte order mark */
		{ "\xc2\xad", "" },	     /* soft hyphen */
		{ "\xe2\x80\x9c", "\"" },    { "\xe2\x80\x9d", "\"" }, /* quotation marks */
		{ "\xe2\x80\x90", "-" },     { "\xe2\x80\x91", "-" }, /* hyphens */
		{ NULL, NULL },
	};

	return replacement_find(table, p, left, ret_to);
}

/* A tag of a web page: its length and what it stands for. "<IRQ stack>" is none. */
static size_t tag_find(const char *p, size_t left, const char **ret_to)
{
	static const char *const lines[] = { "br", "p",	 "pre", "div", "li", "ul",
					     "ol", "tr", "blockquote", NULL };
	static const char *const inlines[] = { "span", "b", "i", "strong", "em", "tt", "code", "font",
					       "a", "td", "u", "small", "kbd", "samp", NULL };
	const char *const *lists[] = { lines, inlines };
	size_t n = 1, name, end;

	if (n < left && p[n] == '/')
		n++;
	for (name = n; n < left && n - name < 12 && ((p[n] | 32) >= 'a' && (p[n] | 32) <= 'z'); n++)
		;
	end = n;
	if (n == left || (p[n] != '>' && p[n] != ' ' && p[n] != '/'))
		return 0;
	while (n < left && n < 300 && p[n] != '>' && p[n] != '\n' && p[n] != '<')
		n++;
	if (n == left || p[n] != '>')
		return 0;
	for (int kind = 0; kind < 2; kind++)
		for (const char *const *tag = lists[kind]; *tag; tag++)
			if (strlen(*tag) == end - name && strncasecmp(*tag, p + name, end - name) == 0) {
				*ret_to = kind ? "" : "\n";
				return n + 1;
			}
	return 0;
}

/* "ESC [ … letter" */
static size_t escape_find(const char *p, size_t left)
{
	size_t n = 2;

	if (left < 2 || p[1] != '[')
		return 1;
	while (n < left && n < 32 && ((p[n] >= '0' && p[n] <= '9') || p[n] == ';' || p[n] == '?'))
		n++;
	return n < left ? n + 1 : n;
}

static size_t replace_all(char *out, const char *text, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size;) {
		unsigned char c = (unsigned char)text[i];
		const char *to = NULL;
		size_t used = 0;

		if (c == '&')
			used = entity_find(text + i, size - i, &to);
		else if (c >= 0xc2)
			used = unicode_find(text + i, size - i, &to);
		else if (c == '<')
			used = tag_find(text + i, size - i, &to);
		else if (c == 033) {
			used = escape_find(text + i, size - i);
			to = "";
		} else if (c == '\r') {
			/* A CR alone ended lines once; before LF it is nothing. */
			used = 1;
			to = i + 1 < size && text[i + 1] != '\n' && text[i + 1] != '\r' ? "\n" : "";
		} else if (c == '\0') {
			used = 1;
			to = " ";
		}
		if (used) {
			while (*to)
				out[n++] = *to++;
			i += used;
		} else {
			out[n++] = text[i++];
		}
	}
	return n;
}

static size_t quote_find(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == end || (*p != '>' && *p != '|'))
		return 0;
	return (size_t)(p - start) + 1;
}

/* Takes one level of quote marks from @text when most lines have one. */
static bool unquote(char *text, size_t *size)
{
	size_t lines = 0, quoted = 0, n = 0;
	char *end = text + *size;
	const char *next;

	for (const char *p = text; p < end; p = next) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		next = eol ? eol + 1 : end;
		lines += next - p > 1;
		quoted += quote_find(p, next) > 0;
	}
	if (lines < 2 || quoted * 2 < lines)
		return false;
	for (char *p = text, *next_line; p < end; p = next_line) {
		char *eol = memchr(p, '\n', (size_t)(end - p)), *last;
		size_t skip;

		next_line = eol ? eol + 1 : end;
		skip = quote_find(p, next_line);
		for (last = eol ? eol : end; skip && last > p + skip && last[-1] == ' '; last--)
			;
		/* A table has a border on both sides. */
		if (skip && p[skip - 1] == '|' && last > p + skip && last[-1] == '|')
			last[-1] = ' ';
		memmove(text + n, p + skip, (size_t)(next_line - p) - skip);
		n += (size_t)(next_line - p) - skip;
	}
	*size = n;
	return true;
}

char *text_clean(const char *text, size_t size, size_t *ret_size)
{
	char *out = malloc(size + 1);
	size_t n;

	if (!out)
		return NULL;
	n = replace_all(out, text, size);
	for (int level = 0; level < QUOTE_LEVELS && unquote(out, &n); level++)
		;
	out[n] = '\0';
	*ret_size = n;
	return out;
}
