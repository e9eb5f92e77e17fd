/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_TESTS_FAKE_KALLSYMS_H
#define HOLDUP_TESTS_FAKE_KALLSYMS_H

/*
 * Writes kallsyms tables for a list of symbols, in the order and form of the kernel's
 * scripts/kallsyms.c, but with a fixed set of tokens in place of the best.
 */
#include <stdio.h>
#include <stdbool.h>

#include "fake_image.h"
#include "kernel/internal.h"

struct fake_symbol {
	uint64_t address;
	char text[600]; /* type and name: "Tschedule" */
};

struct fake_kallsyms {
	bool offsets_last;    /* the order since 6.4 */
	bool seqs;	      /* kallsyms_seqs_of_names between markers and tokens (6.2, 6.3) */
	bool absolute_percpu; /* negative offsets */
	bool absolute;	      /* kallsyms_addresses */
	uint64_t relative_base;
};

/* Longer tokens at codes that names do not use, longest first; "T_" joins a type and a name. */
static const char *const fake_tokens[] = {
	"_raw_spin_", "function_", "_irqsave", "sched", "lock", "T__",
	"_tr",	      "un",	   "t_",       "ee",	"T_",
};

static const char *fake_token(int code, char buf[2])
{
	size_t n = sizeof(fake_tokens) / sizeof(fake_tokens[0]);

	if (code >= 128 && (size_t)(code - 128) < n)
		return fake_tokens[code - 128];
	/* Codes without use repeat a letter: each token has a text of at least one byte. */
	buf[0] = code > ' ' && code < 127 ? (char)code : 'x';
	buf[1] = 0;
	return buf;
}

static size_t fake_name_pack(const char *text, uint8_t *out)
{
	size_t n = 0, tokens = sizeof(fake_tokens) / sizeof(fake_tokens[0]), head;
	uint8_t codes[600];

	while (*text) {
		size_t len = 1;
		int code = (unsigned char)*text;

		for (size_t t = 0; t < tokens; t++) {
			if (strncmp(text, fake_tokens[t], strlen(fake_tokens[t])) == 0) {
				code = 128 + (int)t;
				len = strlen(fake_tokens[t]);
				break;
			}
		}
		codes[n++] = (uint8_t)code;
		text += len;
	}
	head = n > 127 ? 2 : 1;
	out[0] = (uint8_t)(n > 127 ? (n & 127) | 128 : n);
	if (n > 127)
		out[1] = (uint8_t)(n >> 7);
	memcpy(out + head, codes, n);
	return head + n;
}

static inline uint64_t fake_put_offsets(struct fake_image *image, uint64_t va,
					const struct fake_kallsyms *form,
					const struct fake_symbol *symbols, uint32_t n,
					struct kallsyms_addresses *at)
{
	if (form->absolute)
		at->addresses = va;
	else
		at->offsets = va;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t a = symbols[i].address;
		uint32_t o;

		if (form->absolute) {
			fake_image_put(image, va, &a, 8);
			va += 8;
			continue;
		}
		if (!form->absolute_percpu)
			o = (uint32_t)(a - form->relative_base);
		else if (a < 1u << 31)
			o = (uint32_t)a;
		else
			o = (uint32_t)(form->relative_base - a - 1);
		fake_image_put(image, va, &o, 4);
		va += 4;
	}
	va = (va + 7) & ~7ULL;
	if (!form->absolute) {
		at->relative_base = va;
		fake_image_put(image, va, &form->relative_base, 8);
		va += 8;
	}
	return va;
}

static inline uint64_t fake_put_tokens(struct fake_image *image, uint64_t va,
				       struct kallsyms_addresses *at)
{
	uint16_t index[256];

	at->token_table = va;
	for (int code = 0; code < 256; code++) {
		char buf[2];
		const char *token = fake_token(code, buf);

		index[code] = (uint16_t)(va - at->token_table);
		fake_image_put(image, va, token, strlen(token) + 1);
		va += strlen(token) + 1;
	}
	va = (va + 7) & ~7ULL;
	at->token_index = va;
	fake_image_put(image, va, index, sizeof(index));
	return va + sizeof(index);
}

/* Writes the tables for @symbols (sorted) at @va; returns the address behind them. */
static inline uint64_t fake_put_kallsyms(struct fake_image *image, uint64_t va,
					 const struct fake_kallsyms *form,
					 const struct fake_symbol *symbols, uint32_t n,
					 struct kallsyms_addresses *ret_at)
{
	struct kallsyms_addresses at = { 0 };
	uint32_t *markers = calloc(n / 256 + 1, sizeof(*markers));

	if (!markers)
		abort();
	if (!form->offsets_last)
		va = fake_put_offsets(image, va, form, symbols, n, &at);
	at.num_syms = va;
	fake_image_put(image, va, &n, 4);
	at.names = va += 8;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t packed[604];
		size_t len = fake_name_pack(symbols[i].text, packed);

		if (i % 256 == 0)
			markers[i / 256] = (uint32_t)(va - at.names);
		fake_image_put(image, va, packed, len);
		va += len;
	}
	va = (va + 7) & ~7ULL;
	fake_image_put(image, va, markers, (n + 255) / 256 * 4);
	va = (va + (n + 255) / 256 * 4 + 7) & ~7ULL;
	if (form->seqs)
		va = (va + 3 * n + 7) & ~7ULL;
	va = fake_put_tokens(image, va, &at);
	if (form->offsets_last)
		va = fake_put_offsets(image, va, form, symbols, n, &at);
	free(markers);
	*ret_at = at;
	return va;
}

/* Parses "address type name" lines, as in /proc/kallsyms. Returns their number. */
static inline uint32_t fake_symbols_parse(const char *text, struct fake_symbol *symbols,
					  uint32_t max)
{
	uint32_t n = 0;

	while (n < max) {
		unsigned long long address;
		char type;
		int used;

		if (sscanf(text, "%llx %c %598s\n%n", &address, &type, symbols[n].text + 1, &used) <
		    3)
			break;
		symbols[n].address = address;
		symbols[n++].text[0] = type;
		text += used;
	}
	return n;
}

#endif
