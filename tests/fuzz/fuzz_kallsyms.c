// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kallsyms from an image of arbitrary bytes: the first 16 bytes say where the tables are (eight
 * 16-bit offsets, the last of them flags), the rest is the image.
 * Loaded, searched for, and every symbol asked for.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/symbols.h"

#define BASE 0xffffffff81000000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct image {
	const uint8_t *data;
	size_t size;
};

static int read_image(void *arg, uint64_t va, void *buf, size_t len)
{
	const struct image *image = arg;

	if (va < BASE || va - BASE > image->size || len > image->size - (va - BASE))
		return -EFAULT;
	memcpy(buf, image->data + (va - BASE), len);
	return 0;
}

static void use(struct symbols *symbols)
{
	char name[SYMBOL_NAME_MAX];
	struct symbol symbol;
	uint64_t address;

	for (uint32_t i = 0; i < symbols->n && i < 512; i++) {
		(void)symbols_name(symbols, i, name);
		(void)symbols_address_of(symbols, name, &address);
		if (symbols_at(symbols, symbols->address[i] + 1, &symbol) == 0 &&
		    strlen(symbol.name) >= SYMBOL_NAME_MAX)
			abort();
	}
	symbols_free(symbols);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kallsyms_addresses at = { 0 }, found;
	struct symbols *symbols;
	uint16_t where[8];
	struct image image;
	struct reader reader = { .read = read_image, .arg = &image };

	if (size < sizeof(where))
		return 0;
	memcpy(where, data, sizeof(where));
	image.data = data + sizeof(where);
	image.size = size - sizeof(where);
	at.names = BASE + where[0];
	at.num_syms = BASE + where[1];
	at.token_table = BASE + where[2];
	at.token_index = BASE + where[3];
	if (where[7] & 1) {
		at.addresses = BASE + where[4];
	} else {
		at.offsets = BASE + where[4];
		at.relative_base = BASE + where[5];
	}
	if (kallsyms_load(&reader, NULL, &at, &symbols) == 0)
		use(symbols);
	if (where[7] & 2 && kallsyms_find(&reader, BASE, BASE + image.size, &found) == 0 &&
	    kallsyms_load(&reader, NULL, &found, &symbols) == 0)
		use(symbols);
	return 0;
}
