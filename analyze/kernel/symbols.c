// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Aliases of one address that are weighed. Functions have a few; thousands share an empty string
 * in .rodata (__kstrtabns_*), where kallsyms' own first choice is as good as any.
 */
#define ALIASES_MAX 32

struct symbols *symbols_new(uint32_t n)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	uint32_t buckets = 64;

	if (!symbols)
		return NULL;
	while (buckets < n / 2 && buckets < 1u << 17)
		buckets *= 2;
	symbols->n = n;
	symbols->heads_mask = buckets - 1;
	symbols->address = calloc(n ? n : 1, sizeof(*symbols->address));
	symbols->heads = calloc(buckets, sizeof(*symbols->heads));
	symbols->links = calloc(n ? n : 1, sizeof(*symbols->links));
	if (!symbols->address || !symbols->heads || !symbols->links) {
		symbols_free(symbols);
		return NULL;
	}
	return symbols;
}

void symbols_free(struct symbols *symbols)
{
	if (!symbols)
		return;
	free(symbols->address);
	free(symbols->names);
	free(symbols->marks);
	free(symbols->token_table);
	free(symbols->expanded);
	free(symbols->plain);
	free(symbols->type);
	free(symbols->heads);
	free(symbols->links);
	arena_done(&symbols->arena);
	free(symbols);
}

static void find_range(struct symbols *symbols, const char *start, const char *end,
		       uint64_t *ret_start, uint64_t *ret_end)
{
	if (symbols_address_of(symbols, start, ret_start) < 0 ||
	    symbols_address_of(symbols, end, ret_end) < 0 || *ret_end < *ret_start)
		*ret_start = *ret_end = 0;
}

int symbols_finish(struct symbols *symbols)
{
	for (uint32_t i = 1; i < symbols->n; i++)
		if (symbols->address[i] < symbols->address[i - 1])
			return -EBADMSG;
	/* A table without all symbols has at least these: kallsyms' own marks of the text. */
	find_range(symbols, "_stext", "_etext", &symbols->text_start, &symbols->text_end);
	find_range(symbols, "_sinittext", "_einittext", &symbols->init_start, &symbols->init_end);
	symbols->init_kept = -1;
	return 0;
}

static uint32_t hash_name(const char *name)
{
	uint64_t h = 0;

	for (; *name; name++)
		h = h * SYMBOLS_HASH_BASE + (uint8_t)*name;
	return symbols_hash_fold(h);
}

/* The start of symbol @i in the compressed names and its length in tokens, or NULL. */
static const uint8_t *packed_name(const struct symbols *symbols, uint32_t i, size_t *ret_len)
{
	const uint8_t *p = symbols->names + symbols->marks[i / SYMBOLS_MARK];
	const uint8_t *end = symbols->names + symbols->names_size;

	for (uint32_t skip = i % SYMBOLS_MARK;; skip--) {
		size_t len;

		if (end - p < 2)
			return NULL;
		len = *p++;
		/* Two bytes of length for big names, since 6.1 (73bbb94466fd). */
		if (len & 0x80)
			len = (len & 0x7f) | (size_t)*p++ << 7;
		if (!len || len > (size_t)(end - p))
			return NULL;
		if (!skip) {
			*ret_len = len;
			return p;
		}
		p += len;
	}
}

char symbols_name(const struct symbols *symbols, uint32_t i, char name[SYMBOL_NAME_MAX])
{
	size_t len, out = 0;
	const uint8_t *p;
	char type = 0;

	name[0] = 0;
	if (i >= symbols->n)
		return 0;
	if (symbols->plain) {
		size_t n = strnlen(symbols->plain[i], SYMBOL_NAME_MAX - 1);

		memcpy(name, symbols->plain[i], n);
		name[n] = 0;
		return symbols->type[i];
	}
	p = packed_name(symbols, i, &len);
	if (!p)
		return 0;
	for (; len; len--, p++) {
		const char *token = symbols->token_table + symbols->token_index[*p];
		size_t n = symbols->token_len[*p];

		/* The first character of all is the type. */
		if (!type && n) {
			type = *token++;
			n--;
		}
		if (n > SYMBOL_NAME_MAX - 1 - out)
			n = SYMBOL_NAME_MAX - 1 - out;
		memcpy(name + out, token, n);
		out += n;
	}
	name[out] = 0;
	return type;
}

/* The same, kept for the life of the table. NULL when there is no memory. */
static const char *symbols_name_keep(struct symbols *symbols, uint32_t i, char *ret_type)
{
	char name[SYMBOL_NAME_MAX];

	if (symbols->plain) {
		*ret_type = symbols->type[i];
		return symbols->plain[i];
	}
	if (!symbols->expanded) {
		symbols->expanded = calloc(symbols->n, sizeof(*symbols->expanded));
		if (!symbols->expanded)
			return NULL;
	}
	/* Kept as type and name, in one string. */
	if (!symbols->expanded[i]) {
		char *s;
		size_t len;

		name[0] = 0;
		*ret_type = symbols_name(symbols, i, name);
		len = strlen(name);
		s = arena_alloc(&symbols->arena, len + 2);
		if (!s)
			return NULL;
		s[0] = *ret_type;
		memcpy(s + 1, name, len + 1);
		symbols->expanded[i] = s;
	}
	*ret_type = symbols->expanded[i][0];
	return symbols->expanded[i] + 1;
}

static bool type_is_global(char type)
{
	return type >= 'A' && type <= 'Z' && type != 'W' && type != 'V';
}

int symbols_address_of(struct symbols *symbols, const char *name, uint64_t *ret_address)
{
	uint32_t hash = hash_name(name);
	char other[SYMBOL_NAME_MAX];
	bool found = false;

	for (uint32_t i = symbols->heads[hash & symbols->heads_mask]; i;
	     i = symbols->links[i - 1].next) {
		char type;

		if (symbols->links[i - 1].hash != hash)
			continue;
		type = symbols_name(symbols, i - 1, other);
		if (strcmp(name, other) != 0)
			continue;
		/* Static ones may share a name: a global one is meant, else the lowest. */
		*ret_address = symbols->address[i - 1];
		if (type_is_global(type))
			return 0;
		found = true;
	}
	return found ? 0 : -ENOENT;
}

static bool has_suffix(const char *s, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len >= n && memcmp(s + len - n, suffix, n) == 0;
}

/*
 * Marks of the linker script share their address with the first function behind them
 * (__softirqentry_text_start with __do_softirq).
 */
static bool is_linker_mark(const char *name)
{
	size_t len = strlen(name);

	if (name[0] != '_')
		return false;
	if (strcmp(name, "_text") == 0 || strcmp(name, "_stext") == 0 ||
	    strcmp(name, "_etext") == 0)
		return true;
	return name[1] == '_' &&
	       (has_suffix(name, len, "_start") || has_suffix(name, len, "_end") ||
		has_suffix(name, len, "_begin") || strncmp(name, "__start_", 8) == 0 ||
		strncmp(name, "__stop_", 7) == 0 || strncmp(name, "__end_", 6) == 0);
}

/*
 * The order of scripts/kallsyms.c's compare_symbols(): weak names last, then marks, then those with
 * more underscores in front. So a name is the one that the kernel itself prints, whatever it is
 * taken from.
 */
unsigned int symbol_name_rank(const char *name, char type, bool text)
{
	size_t underscores = strspn(name, "_");
	unsigned int rank = underscores < 10 ? (unsigned int)underscores : 10;

	if (!name[0])
		return 10000;
	/* Not code of their own: alignment and type-hash stubs before a function, local labels. */
	if (name[0] == '.' || name[0] == '$' || strncmp(name, "__pfx_", 6) == 0 ||
	    strncmp(name, "__cfi_", 6) == 0)
		rank += 1000;
	if (text && !symbol_type_is_text(type))
		rank += 500;
	if (is_linker_mark(name))
		rank += 20;
	if (type == 'w' || type == 'W' || type == 'v' || type == 'V')
		rank += 40;
	return rank;
}

/* The number of symbols at or below @va. */
static uint32_t count_up_to(const struct symbols *symbols, uint64_t va)
{
	uint32_t low = 0, high = symbols->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (symbols->address[mid] <= va)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int symbols_at(struct symbols *symbols, uint64_t va, struct symbol *ret_symbol)
{
	bool text = va >= symbols->text_start && va < symbols->text_end;
	uint32_t end = count_up_to(symbols, va), first, best = 0;
	unsigned int best_rank = UINT32_MAX;
	char name[SYMBOL_NAME_MAX], type;
	uint64_t address, next;
	const char *kept;

	if (!end)
		return -ENOENT;
	address = symbols->address[end - 1];
	/* Per-CPU symbols are offsets from 0 before 6.15: nothing of the upper half lies in them.
	 */
	if ((address ^ va) >> 63)
		return -ENOENT;
	next = end < symbols->n ? symbols->address[end] : 0;
	/* What lies behind the last symbol (_end) is not the kernel's, nor behind __per_cpu_end. */
	if ((!next || (address ^ next) >> 63) && va != address)
		return -ENOENT;
	first = end - 1;
	if (first && symbols->address[first - 1] == address)
		first = address ? count_up_to(symbols, address - 1) : 0;
	for (uint32_t i = first; i < end && i - first < ALIASES_MAX; i++) {
		unsigned int rank;

		type = symbols_name(symbols, i, name);
		rank = symbol_name_rank(name, type, text);
		if (rank < best_rank) {
			best_rank = rank;
			best = i;
		}
	}
	kept = symbols_name_keep(symbols, best, &type);
	if (!kept || !kept[0])
		return -ENOENT;
	*ret_symbol = (struct symbol){
		.name = kept,
		.address = address,
		.size = next && !((address ^ next) >> 63) ? next - address : 0,
		.type = type,
	};
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct symbol_entry *x = *(const struct symbol_entry *const *)a;
	const struct symbol_entry *y = *(const struct symbol_entry *const *)b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Names that would come between an address and the function it is in. */
static bool entry_is_noise(const struct symbol_entry *entry)
{
	return !entry->name || !entry->name[0] || entry->name[0] == '$' ||
	       strncmp(entry->name, ".L", 2) == 0 ||
	       strncmp(entry->name, "__kcfi_typeid_", 14) == 0 || entry->type == 'N' ||
	       entry->type == 'n' || entry->type == 'U' || entry->type == 'u';
}

int symbols_from_table(const struct symbol_entry *entries, size_t n, struct symbols **ret_symbols)
{
	const struct symbol_entry **order;
	struct symbols *symbols;
	size_t used = 0;
	int r;

	if (n > SYMBOLS_MAX)
		return -E2BIG;
	order = calloc(n ? n : 1, sizeof(*order));
	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!entry_is_noise(&entries[i]))
			order[used++] = &entries[i];
	if (!used) {
		free(order);
		return -ENOENT;
	}
	qsort(order, used, sizeof(*order), compare_entries);
	symbols = symbols_new((uint32_t)used);
	if (symbols) {
		symbols->plain = calloc(used, sizeof(*symbols->plain));
		symbols->type = calloc(used, 1);
	}
	if (!symbols || !symbols->plain || !symbols->type) {
		free(order);
		symbols_free(symbols);
		return -ENOMEM;
	}
	for (size_t i = 0; i < used; i++) {
		symbols->address[i] = order[i]->address;
		symbols->plain[i] = order[i]->name;
		symbols->type[i] = order[i]->type;
	}
	free(order);
	for (uint32_t i = 0; i < symbols->n; i++)
		symbols_hash_add(symbols, i, hash_name(symbols->plain[i]));
	r = symbols_finish(symbols);
	if (r < 0) {
		symbols_free(symbols);
		return r;
	}
	*ret_symbols = symbols;
	return 0;
}

static int read_kernel(void *arg, uint64_t va, void *buf, size_t len)
{
	return kernel_read(arg, va, buf, len);
}

struct reader kernel_reader(struct kernel *kernel)
{
	return (struct reader){ .read = read_kernel, .arg = kernel };
}

static void replace(struct kernel *kernel, struct symbols *symbols)
{
	symbols_free(kernel->symbols);
	kernel->symbols = symbols;
}

int symbols_load_table(struct kernel *kernel, const struct symbol_entry *entries, size_t n)
{
	struct symbols *symbols;
	int r = symbols_from_table(entries, n, &symbols);

	if (r < 0) {
		msgs_add(kernel->msgs, "symbols: no usable table in %zu entries: %s", n,
			 strerror(-r));
		return r;
	}
	replace(kernel, symbols);
	return 0;
}

int symbols_load_kallsyms(struct kernel *kernel, const struct kallsyms_addresses *addresses)
{
	struct reader reader = kernel_reader(kernel);
	struct symbols *symbols;
	int r = kallsyms_load(&reader, kernel->msgs, addresses, &symbols);

	if (r < 0)
		return r;
	replace(kernel, symbols);
	return 0;
}

int symbols_find_kallsyms(struct kernel *kernel)
{
	struct reader reader = kernel_reader(kernel);
	struct kallsyms_addresses at;
	int r;

	if (kernel->image_start >= kernel->image_end)
		return -ENOENT;
	r = kallsyms_find(&reader, kernel->image_start, kernel->image_end, &at);
	if (r < 0) {
		msgs_add(kernel->msgs, "kallsyms: no tables found in the kernel image");
		return r;
	}
	return symbols_load_kallsyms(kernel, &at);
}

int kernel_symbol(struct kernel *kernel, const char *name, uint64_t *ret_address)
{
	return kernel->symbols ? symbols_address_of(kernel->symbols, name, ret_address) : -ENOENT;
}

int kernel_symbol_at(struct kernel *kernel, uint64_t va, struct symbol *ret_symbol)
{
	const struct module *module;

	if (kernel->symbols && symbols_at(kernel->symbols, va, ret_symbol) == 0)
		return 0;
	module = kernel_module_at(kernel, va);
	return module ? module_symbol_at(kernel, module, va, ret_symbol) : -ENOENT;
}

/* Code of .init.text runs until the kernel is up; then its memory is given back. */
static bool init_text_is_kept(struct kernel *kernel)
{
	struct symbols *symbols = kernel->symbols;

	if (symbols->init_kept < 0) {
		uint64_t va;
		uint32_t state;
		int64_t running;

		symbols->init_kept = 0;
		/* enum system_states: 2 until SYSTEM_FREEING_INITMEM came before it. */
		if (!kernel->types || types_enum(kernel->types, "SYSTEM_RUNNING", &running) < 0)
			running = 2;
		if (kernel_symbol(kernel, "system_state", &va) == 0 &&
		    kernel_read_u32(kernel, va, &state) == 0)
			symbols->init_kept = state < running;
	}
	return symbols->init_kept;
}

bool kernel_is_text(struct kernel *kernel, uint64_t va)
{
	const struct symbols *symbols = kernel->symbols;

	if (symbols && va >= symbols->text_start && va < symbols->text_end)
		return true;
	if (symbols && va >= symbols->init_start && va < symbols->init_end)
		return init_text_is_kept(kernel);
	return module_is_text(kernel, va);
}
