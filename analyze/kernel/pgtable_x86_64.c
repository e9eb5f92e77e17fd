// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * x86-64 page tables: Intel SDM volume 3A, 4.5; the kernel's layout in
 * Documentation/arch/x86/x86_64/mm.rst. A walk goes PGD (P4D) PUD PMD PTE with nine bits of the
 * address each; an entry of PUD or PMD with PSE set ends it early with a page of 1 GiB or 2 MiB.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dump/dump.h"
#include "kernel/internal.h"

#define PAGE_SHIFT 12
#define PMD_SHIFT 21
#define PUD_SHIFT 30
#define ENTRY_PRESENT (1ULL << 0)
#define ENTRY_LARGE (1ULL << 7)
#define ENTRY_ADDRESS 0x000ffffffffff000ULL
#define SMALL_SLOTS 1024
#define LARGE_SLOTS 256

struct translate_cache {
	/* 4 KiB pages by number. Tags are the page number plus one, 0 an empty slot. */
	struct {
		uint64_t tag, pa;
	} small[SMALL_SLOTS];
	/* 2 MiB stretches: the physical start of the page, or of its table of PTEs. */
	struct {
		uint64_t tag, pa;
		bool is_page;
	} large[LARGE_SLOTS];
	uint64_t encryption_mask; /* sme_mask: the C-bit inside entries */
	uint64_t direct_map;	  /* page_offset_base, 0 unknown */
};

struct translate_cache *translate_cache_new(void)
{
	return calloc(1, sizeof(struct translate_cache));
}

void translate_cache_free(struct translate_cache *cache)
{
	free(cache);
}

void translate_setup(struct kernel *kernel, uint64_t pgd, bool la57, uint64_t encryption_mask)
{
	uint64_t direct_map = kernel->tlb->direct_map;

	kernel->pgd = pgd;
	kernel->la57 = la57;
	memset(kernel->tlb, 0, sizeof(*kernel->tlb));
	kernel->tlb->encryption_mask = encryption_mask;
	kernel->tlb->direct_map = direct_map;
}

void translate_set_direct_map(struct kernel *kernel, uint64_t start)
{
	kernel->tlb->direct_map = start;
}

static bool is_canonical(const struct kernel *kernel, uint64_t va)
{
	int64_t top = (int64_t)va >> (kernel->la57 ? 56 : 47);

	return top == 0 || top == -1;
}

static int entry_read(struct kernel *kernel, uint64_t table, uint64_t va, int shift,
		      uint64_t *ret_entry)
{
	uint64_t entry;
	int r = dump_read(kernel->dump, table + (va >> shift & 511) * 8, &entry, sizeof(entry));

	if (r < 0)
		return r;
	if (!(entry & ENTRY_PRESENT))
		return -EFAULT;
	*ret_entry = entry;
	return 0;
}

/* Down to the 2 MiB stretch that holds @va: a page (@ret_is_page) or a table of PTEs. */
static int walk_to_pmd(struct kernel *kernel, uint64_t va, uint64_t *ret_pa, bool *ret_is_page)
{
	uint64_t mask = ENTRY_ADDRESS & ~kernel->tlb->encryption_mask;
	uint64_t table = kernel->pgd & mask, entry, page_mask;
	int r;

	for (int shift = kernel->la57 ? 48 : 39; shift >= PMD_SHIFT; shift -= 9) {
		r = entry_read(kernel, table, va, shift, &entry);
		if (r < 0)
			return r;
		if (shift <= PUD_SHIFT && entry & ENTRY_LARGE) {
			/* Bit 12 of a large page's entry is PAT, the bits up to the size reserved. */
			page_mask = ~((1ULL << shift) - 1);
			*ret_pa = (entry & mask & page_mask) |
				  (va & ~page_mask & ~((1ULL << PMD_SHIFT) - 1));
			*ret_is_page = true;
			return 0;
		}
		table = entry & mask;
	}
	*ret_pa = table;
	*ret_is_page = false;
	return 0;
}

/*
 * For dumps that lost their page tables: the two stretches that the kernel maps linearly. Only used
 * when a table cannot be read, never against what a table says.
 */
static int translate_linear(const struct kernel *kernel, uint64_t va, uint64_t *ret_pa)
{
	uint64_t direct_map = kernel->tlb->direct_map;

	if (va >= KERNEL_MAP_START && va < KERNEL_MAP_END && kernel->image_end &&
	    va >= kernel->image_start && va < kernel->image_end) {
		*ret_pa = va - KERNEL_MAP_START + kernel->phys_base;
		return 0;
	}
	if (direct_map && va >= direct_map &&
	    va - direct_map < dump_info(kernel->dump)->max_paddr) {
		*ret_pa = va - direct_map;
		return 0;
	}
	return -ENODATA;
}

int translate_run(struct kernel *kernel, uint64_t va, uint64_t *ret_pa, uint64_t *ret_run)
{
	struct translate_cache *cache = kernel->tlb;
	uint64_t page = va >> PAGE_SHIFT, stretch = va >> PMD_SHIFT, pa, entry;
	uint64_t in_page = va & ((1ULL << PAGE_SHIFT) - 1);
	uint64_t in_stretch = va & ((1ULL << PMD_SHIFT) - 1);
	size_t small = page % SMALL_SLOTS, large = stretch % LARGE_SLOTS;
	bool is_page;
	int r;

	if (cache->small[small].tag == page + 1) {
		*ret_pa = cache->small[small].pa + in_page;
		*ret_run = (1ULL << PAGE_SHIFT) - in_page;
		return 0;
	}
	if (!is_canonical(kernel, va))
		return -EFAULT;
	if (cache->large[large].tag != stretch + 1) {
		r = walk_to_pmd(kernel, va, &pa, &is_page);
		if (r < 0)
			goto linear;
		cache->large[large].tag = stretch + 1;
		cache->large[large].pa = pa;
		cache->large[large].is_page = is_page;
	}
	if (cache->large[large].is_page) {
		*ret_pa = cache->large[large].pa + in_stretch;
		*ret_run = (1ULL << PMD_SHIFT) - in_stretch;
		return 0;
	}
	r = entry_read(kernel, cache->large[large].pa, va, PAGE_SHIFT, &entry);
	if (r < 0)
		goto linear;
	pa = entry & ENTRY_ADDRESS & ~cache->encryption_mask;
	cache->small[small].tag = page + 1;
	cache->small[small].pa = pa;
	*ret_pa = pa + in_page;
	*ret_run = (1ULL << PAGE_SHIFT) - in_page;
	return 0;

linear:
	if (r == -EFAULT || translate_linear(kernel, va, &pa) < 0)
		return r == -EFAULT ? -EFAULT : -ENODATA;
	*ret_pa = pa;
	*ret_run = (1ULL << PAGE_SHIFT) - in_page;
	return 0;
}

int kernel_translate(struct kernel *kernel, uint64_t va, uint64_t *ret_pa)
{
	uint64_t run;

	return translate_run(kernel, va, ret_pa, &run);
}

#define IMAGE_STRETCHES ((KERNEL_MAP_END - KERNEL_MAP_START) >> PMD_SHIFT)
#define NO_BASE UINT64_MAX

/* phys_base as the mapping of the 2 MiB at @va implies it; NO_BASE when nothing is mapped there. */
static int stretch_base(struct kernel *kernel, uint64_t va, uint64_t *ret_base)
{
	uint64_t mask = ENTRY_ADDRESS & ~kernel->tlb->encryption_mask, pa, entry = 0;
	bool is_page;
	int r = walk_to_pmd(kernel, va, &pa, &is_page), i;

	if (r == 0 && !is_page) {
		for (i = 0, r = -EFAULT; i < 512 && r == -EFAULT; i++)
			r = entry_read(kernel, pa, (uint64_t)i << PAGE_SHIFT, PAGE_SHIFT, &entry);
		pa = (entry & mask) - ((uint64_t)(i - 1) << PAGE_SHIFT);
	} else if (r < 0 && r != -EFAULT) {
		return -ENODATA;
	}
	*ret_base = r < 0 ? NO_BASE : pa - (va - KERNEL_MAP_START);
	return 0;
}

/*
 * The kernel maps its image as one stretch, physically contiguous (arch/x86/kernel/head64.c:
 * __startup_64() and cleanup_highmap() unmap the rest of the window), perhaps with holes where init
 * memory was freed. So most entries must agree; a few may not, since memory corruption is one of
 * the things that dumps are taken for.
 */
int translate_find_image(struct kernel *kernel, uint64_t *ret_start, uint64_t *ret_end,
			 uint64_t *ret_phys_base)
{
	uint64_t bases[IMAGE_STRETCHES], base = NO_BASE;
	size_t mapped = 0, agree = 0, votes = 0, first = 0, last = 0;

	for (size_t i = 0; i < IMAGE_STRETCHES; i++) {
		int r = stretch_base(kernel, KERNEL_MAP_START + ((uint64_t)i << PMD_SHIFT), &bases[i]);

		if (r < 0)
			return r;
		if (bases[i] == NO_BASE)
			continue;
		mapped++;
		/* The majority's vote (Boyer and Moore). */
		if (!votes)
			base = bases[i];
		votes += bases[i] == base ? 1 : -1;
	}
	for (size_t i = 0; i < IMAGE_STRETCHES && mapped; i++) {
		if (bases[i] != base)
			continue;
		if (!agree++)
			first = i;
		last = i;
	}
	if (agree < 2)
		return -EFAULT;
	if (agree < mapped - mapped / 8)
		return -EINVAL;
	*ret_start = KERNEL_MAP_START + ((uint64_t)first << PMD_SHIFT);
	*ret_end = KERNEL_MAP_START + ((uint64_t)(last + 1) << PMD_SHIFT);
	*ret_phys_base = base;
	return 0;
}
