/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_RENDER_ESCAPE_H
#define HOLDUP_RENDER_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Strings from a dump or a log are an attacker's to choose (a comm is set by its task), and a
 * report is read on a terminal: what could move a cursor, change a title or turn text around
 * is shown as \xNN.
 */

/* Decodes one code point of valid UTF-8 from @s of @n bytes: its length, or 0 for none. */
size_t utf8_decode(const char *s, size_t n, uint32_t *ret_point);

/*
 * A heap copy of the @n bytes of @s that is safe to print: printable UTF-8 stays, newline and tab
 * stay where @multiline says so, and become \n and \t elsewhere; everything else becomes \xNN,
 * byte by byte. NULL when memory is short.
 */
char *text_escape(const char *s, size_t n, bool multiline);

/* A heap copy of @s with each byte that is no part of valid UTF-8 replaced by U+FFFD, or NULL. */
char *utf8_repair(const char *s);

/* Columns that @n bytes of escaped text take, one per code point. */
size_t text_columns(const char *s, size_t n);

#endif
