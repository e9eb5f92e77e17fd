// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's own symbol table, as scripts/kallsyms.c lays it out in .rodata:
 *
 *   offsets, relative_base, num_syms, names, markers, [seqs_of_names,] token_table, token_index
 *   num_syms, names, markers, token_table, token_index, offsets, relative_base, seqs_of_names
 *
 * the second since 6.4 (404bad70fcf7), seqs_of_names (3 bytes each) since 6.2 (60443c88f3a8); each
 * aligned to 8 bytes. A name is its length and that many tokens, the first character being the
 * type; the length has a second byte when bit 7 is set, since 6.1 (73bbb94466fd). An offset is
 *
 *   relative_base + (u32)offset, or
 *   an address below 2 GB when positive, else relative_base - 1 - offset:
 *                                        CONFIG_KALLSYMS_ABSOLUTE_PERCPU, x86-64 SMP before 6.15
 *
 * and before 6.11 there may be kallsyms_addresses in place of both (no BASE_RELATIVE).
 * seqs_of_names would allow a search by name, but the 150 names that an analysis asks for touch
 * nearly every page of names on their way: one pass that hashes all of them costs no more, and
 * serves all kernels.
 */
#include "kernel/symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX (64u << 20)
#define TOKENS_MAX (64u << 10)

static int refuse(struct msgs *msgs, int r, const char *what)
{
	msgs_add(msgs, "kallsyms: %s", what);
	return r;
}

static int load_tokens(const struct reader *reader, struct msgs *msgs,
		       const struct kallsyms_addresses *at, struct symbols *symbols)
{
	uint64_t size = at->token_index - at->token_table;

	if (at->token_index <= at->token_table || size < 512 || size > TOKENS_MAX)
		return refuse(msgs, -EBADMSG, "token table and index are out of place");
	/* One byte more, zero, ends the last token whatever the table holds. */
	symbols->token_table = calloc(1, size + 1);
	if (!symbols->token_table)
		return -ENOMEM;
	if (reader_read(reader, at->token_table, symbols->token_table, size) < 0 ||
	    reader_read(reader, at->token_index, symbols->token_index,
			sizeof(symbols->token_index)) < 0)
		return refuse(msgs, -ENODATA, "token table is not in the dump");
	for (int i = 0; i < 256; i++) {
		if (symbols->token_index[i] >= size)
			return refuse(msgs, -EBADMSG, "token index points past the token table");
		symbols->token_len[i] = (uint16_t)strnlen(
			symbols->token_table + symbols->token_index[i], SYMBOL_NAME_MAX);
	}
	return 0;
}

/* Reads offsets or addresses; fewer than asked for when the dump ends. Returns their number. */
static int load_addresses(const struct reader *reader, struct msgs *msgs,
			  const struct kallsyms_addresses *at, struct symbols *symbols)
{
	uint64_t base = 0, *address = symbols->address;
	bool absolute_percpu = false;
	size_t n;
	uint32_t *offset;

	if (!at->offsets) {
		n = reader_read_prefix(reader, at->addresses, address, symbols->n * 8ULL) / 8;
		return n ? (int)n : refuse(msgs, -ENODATA, "addresses are not in the dump");
	}
	if (reader_read(reader, at->relative_base, &base, sizeof(base)) < 0)
		return refuse(msgs, -ENODATA, "relative_base is not in the dump");
	if (!kernel_is_address(base))
		return refuse(msgs, -EBADMSG, "relative_base is no kernel address");
	/* In the upper half of the array's own memory, so that it can be widened in place. */
	offset = (uint32_t *)(void *)address + symbols->n;
	n = reader_read_prefix(reader, at->offsets, offset, symbols->n * 4ULL) / 4;
	if (!n)
		return refuse(msgs, -ENODATA, "offsets are not in the dump");
	/* An image is smaller than 2 GB: a top bit can only be the sign. */
	for (size_t i = 0; i < n && !absolute_percpu; i++)
		absolute_percpu = (int32_t)offset[i] < 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t o = offset[i];

		if (!absolute_percpu)
			address[i] = base + o;
		else if ((int32_t)o >= 0)
			address[i] = o;
		else
			address[i] = base - 1 - (uint64_t)(int64_t)(int32_t)o;
	}
	return (int)n;
}

/*
 * Walks the names once: checks each length, notes the position of every SYMBOLS_MARK'th and hashes
 * them. Returns how many names are whole; *@ret_end is where the last of them ends.
 */
static uint32_t walk_names(struct symbols *symbols, uint32_t n, size_t *ret_end)
{
	struct {
		uint64_t mul, add;
	} token[256];
	uint64_t tail[256]; /* hash of the token without its first character */
	const uint8_t *start = symbols->names, *p = start, *end = p + symbols->names_size;
	uint32_t i;

	for (int t = 0; t < 256; t++) {
		const char *s = symbols->token_table + symbols->token_index[t];

		token[t].mul = 1;
		token[t].add = tail[t] = 0;
		for (size_t k = 0; k < symbols->token_len[t]; k++) {
			token[t].mul *= SYMBOLS_HASH_BASE;
			token[t].add = token[t].add * SYMBOLS_HASH_BASE + (uint8_t)s[k];
			if (k)
				tail[t] = tail[t] * SYMBOLS_HASH_BASE + (uint8_t)s[k];
		}
	}
	for (i = 0; i < n; i++) {
		const uint8_t *name = p;
		uint64_t hash;
		size_t len;

		if (end - p < 2)
			break;
		len = *p++;
		if (len & 0x80)
			len = (len & 0x7f) | (size_t)*p++ << 7;
		if (!len || len > (size_t)(end - p))
			break;
		if (i % SYMBOLS_MARK == 0)
			symbols->marks[i / SYMBOLS_MARK] = (uint32_t)(name - start);
		hash = tail[*p++];
		while (--len) {
			hash = hash * token[*p].mul + token[*p].add;
			p++;
		}
		symbols_hash_add(symbols, i, symbols_hash_fold(hash));
	}
	*ret_end = (size_t)(p - start);
	return i;
}

static int load_names(const struct reader *reader, struct msgs *msgs,
		      const struct kallsyms_addresses *at, struct symbols *symbols)
{
	/* Whatever the layout, names and markers lie before the token table. */
	uint64_t size = at->token_table - at->names;
	size_t end = 0;
	uint32_t n;

	if (at->token_table <= at->names || size > NAMES_MAX || size < symbols->n * 2ULL)
		return refuse(msgs, -EBADMSG, "names are out of place");
	symbols->names = malloc(size);
	symbols->marks = calloc(symbols->n / SYMBOLS_MARK + 1, sizeof(*symbols->marks));
	if (!symbols->names || !symbols->marks)
		return -ENOMEM;
	symbols->names_size = reader_read_prefix(reader, at->names, symbols->names, size);
	if (!symbols->names_size)
		return refuse(msgs, -ENODATA, "names are not in the dump");
	n = walk_names(symbols, symbols->n, &end);
	symbols->names_size = end;
	return (int)n;
}

int kallsyms_load(const struct reader *reader, struct msgs *msgs,
		  const struct kallsyms_addresses *at, struct symbols **ret_symbols)
{
	struct symbols *symbols;
	uint32_t n;
	int r, n_addresses;

	if (!at->names || !at->num_syms || !at->token_table || !at->token_index ||
	    !(at->addresses || (at->offsets && at->relative_base)))
		return -ENOENT;
	if (reader_read(reader, at->num_syms, &n, sizeof(n)) < 0)
		return refuse(msgs, -ENODATA, "num_syms is not in the dump");
	if (!n || n > SYMBOLS_MAX)
		return refuse(msgs, -EBADMSG, "num_syms is out of range");
	symbols = symbols_new(n);
	if (!symbols)
		return -ENOMEM;
	r = load_tokens(reader, msgs, at, symbols);
	if (r < 0)
		goto fail;
	r = n_addresses = load_addresses(reader, msgs, at, symbols);
	if (r < 0)
		goto fail;
	symbols->n = (uint32_t)n_addresses;
	r = load_names(reader, msgs, at, symbols);
	if (r < 0)
		goto fail;
	symbols->n = (uint32_t)r;
	if (symbols->n < n)
		msgs_add(msgs, "kallsyms: only %u of %u symbols are whole, ignoring the rest",
			 symbols->n, n);
	r = symbols->n ? symbols_finish(symbols) : -EBADMSG;
	if (r < 0) {
		msgs_add(msgs, "kallsyms: tables are damaged: %s",
			 symbols->n ? "addresses are not sorted" : "no name is whole");
		goto fail;
	}
	*ret_symbols = symbols;
	return 0;
fail:
	symbols_free(symbols);
	return r;
}
