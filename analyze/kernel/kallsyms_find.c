// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finding kallsyms' tables in a kernel image when nobody says where they are: kernels before 6.0
 * export no addresses of them, and a dump may have no VMCOREINFO. kallsyms.c shows the two layouts.
 *
 * The array of offsets is the one large thing in the image that can be known from any of its
 * pages: a thousand numbers in order. So pages are sampled, few enough that most of the image is
 * never decompressed; then the neighbours are found from the array's end, and everything is checked
 * against everything else: the number of symbols, each name's length, each marker, each token's
 * index. What passes is kallsyms; nothing else in memory looks so.
 */
#include "kernel/symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u
#define PAGE_ITEMS (PAGE / sizeof(uint32_t))
#define ARRAY_MAX (SYMBOLS_MAX * 4ull)
#define TABLE_SPAN 16384u /* token table with index: about 1.5 KB */
#define NAME_MAX_PACKED 514u

struct find {
	const struct reader *reader;
	uint64_t start, end; /* of the image */
	unsigned int
		checks; /* walks over the names that are still allowed: hostile ones must end */
};

static uint64_t align8(uint64_t v)
{
	return (v + 7) & ~7ULL;
}

/* +1: ascending from 0, plain offsets. -1: descending negatives, ABSOLUTE_PERCPU. 0: neither. */
static int page_order(const int32_t *item)
{
	unsigned int distinct = 1;
	int order = item[0] < 0 ? -1 : 1;

	for (size_t i = 1; i < PAGE_ITEMS; i++) {
		if ((item[i] < 0) != (order < 0))
			return 0;
		if (order < 0 ? item[i] > item[i - 1] : item[i] < item[i - 1])
			return 0;
		distinct += item[i] != item[i - 1];
	}
	/* Rows of zeros or of one value are in order, too. Aliases are a small part of symbols. */
	return distinct > PAGE_ITEMS / 2 ? order : 0;
}

/* From inside the array to the first item that is out of order. */
static uint64_t array_end(const struct find *find, uint64_t va, int order)
{
	int32_t item[PAGE_ITEMS], last = order < 0 ? INT32_MAX : 0;

	for (uint64_t done = 0; done < ARRAY_MAX && va < find->end; done += PAGE, va += PAGE) {
		if (reader_read(find->reader, va, item, PAGE) < 0)
			return va;
		for (size_t i = 0; i < PAGE_ITEMS; i++) {
			if (order < 0 ? item[i] >= 0 || item[i] > last : item[i] < last)
				return va + i * 4;
			last = item[i];
		}
	}
	return va;
}

static bool is_base(const struct find *find, uint64_t base)
{
	/* It is _text (relocated), where the image starts, or close to it. */
	return base >= find->start - (64u << 20) && base < find->end && kernel_is_address(base);
}

/* A valid token table at @table (of @size bytes, @at in the kernel) with its index behind it. */
static bool check_tokens(const uint8_t *table, size_t size, struct kallsyms_addresses *ret_at,
			 uint64_t at)
{
	uint16_t index[256];
	size_t pos = 0;

	for (int i = 0; i < 256; i++) {
		size_t len = strnlen((const char *)table + pos, size - pos);

		if (len == size - pos || len > SYMBOL_NAME_MAX)
			return false;
		/* Characters that names are made of stand for themselves. */
		if (i >= '0' && i <= '9' && (len != 1 || table[pos] != i))
			return false;
		index[i] = (uint16_t)pos;
		pos += len + 1;
		if (pos >= size || pos > UINT16_MAX)
			return false;
	}
	pos = align8(at + pos) - at;
	if (pos + sizeof(index) > size || memcmp(table + pos, index, sizeof(index)) != 0)
		return false;
	ret_at->token_table = at;
	ret_at->token_index = at + pos;
	return true;
}

/* Read-ahead over names whose total length nobody knows yet. */
struct window {
	uint8_t *data;
	size_t size, room;
};

static int window_reach(const struct find *find, struct window *window, uint64_t va, size_t need)
{
	while (window->size < need) {
		size_t more = 64u << 10;

		if (window->size + more > window->room) {
			size_t room = window->room ? window->room * 2 : 4u << 20;
			uint8_t *data = realloc(window->data, room);

			if (!data)
				return -ENOMEM;
			window->data = data;
			window->room = room;
		}
		more = reader_read_prefix(find->reader, va + window->size,
					  window->data + window->size, more);
		if (!more)
			return -ENODATA;
		window->size += more;
	}
	return 0;
}

/*
 * Walks @n names at @names; they and the markers behind them must agree. Returns the address behind
 * the markers, or 0.
 */
static uint64_t check_names(struct find *find, uint64_t names, uint32_t n)
{
	struct window window = { 0 };
	uint32_t n_markers = n / 256 + (n % 256 != 0), *markers;
	uint64_t result = 0;
	size_t pos = 0, at, need;

	if (!find->checks)
		return 0;
	find->checks--;
	markers = calloc(n_markers, sizeof(*markers));
	if (!markers)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		size_t len;

		if (i % 256 == 0)
			markers[i / 256] = (uint32_t)pos;
		if (window_reach(find, &window, names, pos + 2) < 0)
			goto out;
		len = window.data[pos++];
		if (len & 0x80)
			len = (len & 0x7f) | (size_t)window.data[pos++] << 7;
		if (!len || len > NAME_MAX_PACKED)
			goto out;
		pos += len;
	}
	at = align8(names + pos) - names;
	need = at + n_markers * sizeof(*markers);
	if (window_reach(find, &window, names, need) == 0 &&
	    memcmp(window.data + at, markers, n_markers * sizeof(*markers)) == 0)
		result = align8(names + need);
out:
	free(markers);
	free(window.data);
	return result;
}

/* Before 6.4: relative_base and num_syms follow the offsets, then names and all the rest. */
static int try_offsets_first(struct find *find, uint64_t base_at, uint64_t sample,
			     struct kallsyms_addresses *ret_at)
{
	struct kallsyms_addresses at = { 0 };
	uint8_t table[TABLE_SPAN];
	uint32_t n, pad;
	uint64_t next;

	if (reader_read(find->reader, base_at + 8, &n, sizeof(n)) < 0 ||
	    reader_read(find->reader, base_at + 12, &pad, sizeof(pad)) < 0 || pad)
		return -ENOENT;
	if (n < PAGE_ITEMS || n > SYMBOLS_MAX || base_at - align8(n * 4ULL) > sample)
		return -ENOENT;
	at.relative_base = base_at;
	at.offsets = base_at - align8(n * 4ULL);
	at.num_syms = base_at + 8;
	at.names = base_at + 16;
	next = check_names(find, at.names, n);
	if (!next)
		return -ENOENT;
	/* Behind the markers come seqs_of_names in 6.2 and 6.3, else the tokens. */
	for (int seqs = 0; seqs < 2; seqs++, next = align8(next + 3ULL * n)) {
		size_t size = reader_read_prefix(find->reader, next, table, sizeof(table));

		if (check_tokens(table, size, &at, next)) {
			*ret_at = at;
			return 0;
		}
	}
	return -ENOENT;
}

/*
 * Since 6.4, going backwards from the offsets: token index (512 bytes), token table, markers,
 * names, num_syms. @offsets is where the array may begin.
 */
static int try_offsets_last(struct find *find, uint64_t base_at, uint64_t offsets,
			    struct kallsyms_addresses *ret_at)
{
	struct kallsyms_addresses at = { .offsets = offsets, .relative_base = base_at };
	uint32_t n_max = (uint32_t)((base_at - offsets) / 4), n, markers[2];
	uint8_t table[TABLE_SPAN];
	uint64_t markers_at, names;
	bool found = false;

	for (uint64_t back = 768; back < sizeof(table) && !found; back += 8) {
		if (reader_read(find->reader, offsets - back, table, back) < 0)
			return -ENOENT;
		found = check_tokens(table, back, &at, offsets - back) &&
			at.token_index == offsets - 512;
	}
	if (!found)
		return -ENOENT;
	/* The padding of an odd number looks like one more offset. */
	for (n = n_max; n + 1 >= n_max && n; n--) {
		uint32_t n_markers = n / 256 + (n % 256 != 0), words[256];
		uint64_t last_at;

		markers_at = at.token_table - align8(n_markers * 4ULL);
		last_at = markers_at + (n_markers - 1) * 4ULL;
		if (reader_read(find->reader, markers_at, &markers[0], 4) < 0 || markers[0] ||
		    reader_read(find->reader, last_at, &markers[1], 4) < 0)
			continue;
		/* The last block of up to 256 names ends where the markers begin. */
		names = (markers_at - markers[1] - 2) & ~7ULL;
		for (size_t tried = 0; tried < 256 * NAME_MAX_PACKED; tried += sizeof(words)) {
			uint64_t low = names - tried - sizeof(words);

			if (reader_read(find->reader, low, words, sizeof(words)) < 0)
				break;
			for (size_t i = 0; i < 256; i += 2) {
				if (words[i] != n || words[i + 1])
					continue;
				at.num_syms = low + i * 4;
				at.names = at.num_syms + 8;
				if (check_names(find, at.names, n) == at.token_table) {
					*ret_at = at;
					return 0;
				}
			}
		}
	}
	return -ENOENT;
}

/* The token index begins with 0 and ascends; 512 bytes before every place where the array may. */
static int find_array_start(struct find *find, uint64_t base_at, uint64_t sample,
			    struct kallsyms_addresses *ret_at)
{
	uint8_t chunk[2 * PAGE]; /* the page under test, and the next one, already seen */
	uint64_t page = sample, seen = 0;
	size_t have = 0;

	for (; seen < ARRAY_MAX && page > find->start; seen += PAGE, page -= PAGE) {
		memmove(chunk + PAGE, chunk, PAGE);
		if (reader_read(find->reader, page, chunk, PAGE) < 0)
			return -ENOENT;
		have = have < sizeof(chunk) ? have + PAGE : have;
		for (size_t i = PAGE - 8; i + 8 > 0 && i < PAGE; i -= 8) {
			uint16_t index[256];
			size_t k;

			if (i + sizeof(index) > have)
				continue;
			memcpy(index, chunk + i, sizeof(index));
			for (k = 1; k < 256 && index[k] > index[k - 1] + 1; k++)
				;
			if (index[0] == 0 && k == 256 &&
			    try_offsets_last(find, base_at, page + i + sizeof(index), ret_at) == 0)
				return 0;
		}
	}
	return -ENOENT;
}

/* @sample is the address of a page of offsets in order @order. */
static int try_sample(struct find *find, uint64_t sample, int order,
		      struct kallsyms_addresses *ret_at)
{
	uint64_t end = array_end(find, sample, order);

	/*
	 * relative_base lies behind the array and its padding; its lower half may look like one
	 * more offset, its upper half never does.
	 */
	for (uint64_t base_at = (end & ~7ULL) - 8; base_at <= (end & ~7ULL) + 8; base_at += 8) {
		uint64_t base;

		if (reader_read(find->reader, base_at, &base, sizeof(base)) < 0 ||
		    !is_base(find, base))
			continue;
		if (try_offsets_first(find, base_at, sample, ret_at) == 0 ||
		    find_array_start(find, base_at, sample, ret_at) == 0)
			return 0;
	}
	return -ENOENT;
}

int kallsyms_find(const struct reader *reader, uint64_t start, uint64_t end,
		  struct kallsyms_addresses *ret_at)
{
	struct find find = { .reader = reader, .start = start, .end = end, .checks = 64 };
	static const uint32_t strides[] = { 64u << 10, PAGE };
	int32_t page[PAGE_ITEMS];
	unsigned int attempts = 0;

	start = (start + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	for (size_t s = 0; s < sizeof(strides) / sizeof(strides[0]); s++) {
		for (uint64_t va = start; va < end && end - va >= PAGE; va += strides[s]) {
			int order;

			if (reader_read(reader, va, page, sizeof(page)) < 0)
				continue;
			order = page_order(page);
			/* Each attempt may read the whole array. */
			if (!order || ++attempts > 64)
				continue;
			if (try_sample(&find, va, order, ret_at) == 0)
				return 0;
		}
	}
	return -ENOENT;
}
