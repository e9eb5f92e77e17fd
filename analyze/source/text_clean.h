/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_TEXT_CLEAN_H
#define HOLDUP_SOURCE_TEXT_CLEAN_H

#include <stddef.h>

/*
 * A copy of @text without what mails, wikis, web pages and terminals put around it: CR, HTML
 * entities and tags, Unicode blanks and quotation marks, escape sequences, quote marks (> and |)
 * before most of the lines. NUL bytes become blanks. On the heap, never longer than @size, NUL-ended;
 * NULL when memory is short.
 */
char *text_clean(const char *text, size_t size, size_t *ret_size);

#endif
