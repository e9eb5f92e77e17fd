/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_SYMBOLS_H
#define HOLDUP_KERNEL_SYMBOLS_H

/*
 * The kernel's symbol table in memory, for symbols.c and those who fill it. Addresses are an array
 * sorted for binary search. Names stay as kallsyms compresses them (2 MB instead of 8) and are
 * expanded one by one when somebody asks; a table given as text keeps pointers.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/internal.h"
#include "kernel/reader.h"
#include "util/arena.h"

#define SYMBOL_NAME_MAX 512 /* KSYM_NAME_LEN, 512 since 6.1 (b8a94bfb3395), 128 before */
#define SYMBOLS_MAX (8u << 20)
#define SYMBOLS_MARK 16 /* one position in the compressed names is kept for that many symbols */

struct symbols {
	uint32_t n;
	uint64_t *address; /* ascending; the aliases of one address in the source's order */

	/* Names compressed by kallsyms; NULL when @plain is used. */
	uint8_t *names;
	size_t names_size;
	uint32_t *marks; /* offset in @names of every SYMBOLS_MARK'th symbol */
	char *token_table;
	uint16_t token_index[256], token_len[256];
	const char **expanded; /* by symbol, NULL until asked for; in @arena */

	/* Names as given. */
	const char **plain;
	char *type;

	/* Hash chains over all names: index + 1 of the next symbol in the chain, 0 ends it. */
	uint32_t *heads, heads_mask;
	struct symbols_link {
		uint32_t hash, next;
	} * links;

	uint64_t text_start, text_end; /* _stext, _etext; 0 when the table has them not */
	uint64_t init_start, init_end; /* _sinittext, _einittext, the same */
	int8_t init_kept;	       /* 1: still booting, 0: given back, -1: not looked at yet */
	struct arena arena;
};

struct symbols *symbols_new(uint32_t n);

/*
 * A hash that can be built from the hashes of parts: hash(ab) = hash(a) * HASH_BASE^len(b) +
 * hash(b), so that names are hashed token by token and never expanded for it.
 */
#define SYMBOLS_HASH_BASE 0x9e3779b97f4a7c15ULL

static inline uint32_t symbols_hash_fold(uint64_t h)
{
	return (uint32_t)((h * 0xff51afd7ed558ccdULL) >> 32);
}

/* Enters symbol @i; the latest entered comes first in its chain. */
static inline void symbols_hash_add(struct symbols *symbols, uint32_t i, uint32_t hash)
{
	uint32_t *head = &symbols->heads[hash & symbols->heads_mask];

	symbols->links[i].hash = hash;
	symbols->links[i].next = *head;
	*head = i + 1;
}

/*
 * Called when @address and names are complete: checks the order, finds the text. -EBADMSG when
 * addresses descend.
 */
int symbols_finish(struct symbols *symbols);

/* The name of symbol @i without its type. Returns the type, or 0 when the name is damaged. */
char symbols_name(const struct symbols *symbols, uint32_t i, char name[SYMBOL_NAME_MAX]);

/* -ENOENT. */
int symbols_address_of(struct symbols *symbols, const char *name, uint64_t *ret_address);
int symbols_at(struct symbols *symbols, uint64_t va, struct symbol *ret_symbol);

/* symbols_load_table(), symbols_load_kallsyms() and symbols_find_kallsyms() without the kernel. */
int symbols_from_table(const struct symbol_entry *entries, size_t n, struct symbols **ret_symbols);
int kallsyms_load(const struct reader *reader, struct msgs *msgs,
		  const struct kallsyms_addresses *at, struct symbols **ret_symbols);
int kallsyms_find(const struct reader *reader, uint64_t start, uint64_t end,
		  struct kallsyms_addresses *ret_at);

/* Reads the kernel's memory. */
struct reader kernel_reader(struct kernel *kernel);

/* How good @name is as the name of its address; smaller is better. */
unsigned int symbol_name_rank(const char *name, char type, bool text);

static inline bool symbol_type_is_text(char type)
{
	return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

/* --- modules.c, for symbols.c --- */

/* The symbol of @module that @va lies in. -ENOENT. */
int module_symbol_at(struct kernel *kernel, const struct module *module, uint64_t va,
		     struct symbol *ret_symbol);
bool module_is_text(struct kernel *kernel, uint64_t va);

#endif
