/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_TESTS_FAKE_PGTABLE_H
#define HOLDUP_TESTS_FAKE_PGTABLE_H

/* Writes x86-64 page tables into a fake dump, by the rules of the Intel SDM (volume 3A, 4.5). */

#include "fake_dump.h"

#define PTE_TABLE 0x067ULL /* present, writable, user, accessed, dirty */
#define PTE_PAGE 0x8000000000000163ULL /* no-execute, global, dirty, accessed, writable, present */
#define PTE_LARGE 0x80ULL

struct fake_pgtable {
	struct dump *dump;
	uint64_t top;	/* physical address of the top table */
	uint64_t next;	/* where the next table goes */
	bool la57;
	uint64_t c_bit; /* set in every entry, as SME does */
};

/* Maps @va to @pa with a page of 1 << @shift bytes (12, 21, 30). */
static inline void fake_map(struct fake_pgtable *t, uint64_t va, uint64_t pa, int shift)
{
	uint64_t table = t->top;
	int at;

	for (at = t->la57 ? 48 : 39; at > shift; at -= 9) {
		uint64_t slot = table + (va >> at & 511) * 8, entry = 0;

		if (dump_read(t->dump, slot, &entry, 8) < 0 || !(entry & 1)) {
			static const uint8_t zeros[FAKE_PAGE];

			fake_write(t->dump, t->next, zeros, sizeof(zeros));
			entry = t->next | PTE_TABLE | t->c_bit;
			t->next += FAKE_PAGE;
			fake_write_u64(t->dump, slot, entry);
		}
		table = entry & 0x000ffffffffff000ULL & ~t->c_bit;
	}
	fake_write_u64(t->dump, table + (va >> at & 511) * 8,
		       pa | PTE_PAGE | t->c_bit | (shift > 12 ? PTE_LARGE : 0));
}

#endif
