// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The first step into a dump: physical memory, and no idea what is where. Means, best first:
 *  1. VMCOREINFO: the page table's address (a symbol) and phys_base;
 *  2. the CR3 that QEMU's notes have for each CPU;
 *  3. a scan for init_top_pgt or for the kernel's own copy of VMCOREINFO.
 * Whatever the means, a page table counts only if it maps a kernel image: translate_find_image().
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dump/dump.h"
#include "kernel/internal.h"

#define PAGE_SIZE 4096
#define CR3_ADDRESS 0x000ffffffffff000ULL
/* With PTI the user half of a CR3 pair is the odd page: arch/x86/mm/pti.c, PTI_USER_PGTABLE_BIT. */
#define CR3_PTI_USER (1ULL << 12)
#define CR3_CPUS_MAX 256
/* Pages read by the scan: 4 GiB; filtered dumps have far less than that. */
#define SCAN_PAGES_MAX (1U << 20)
/* head_64.S: level4_kernel_pgt or level3_kernel_pgt follow init_top_pgt and, with PTI, its twin. */
#define SCAN_PGT_DISTANCE (64 * 1024)
#define IMAGE_WINDOW (1ULL << 30) /* KERNEL_IMAGE_SIZE at its largest */
/* CONFIG_PHYSICAL_START of every distribution: where _text is linked. */
#define LINKED_TEXT 0xffffffff81000000ULL

const char *vmcoreinfo_get(const struct kernel *kernel, const char *key)
{
	return kernel->vmcoreinfo ? vmcoreinfo_find(kernel->vmcoreinfo, key) : NULL;
}

int vmcoreinfo_get_u64(const struct kernel *kernel, const char *key, uint64_t *ret_value)
{
	return kernel->vmcoreinfo ? vmcoreinfo_find_u64(kernel->vmcoreinfo, key, ret_value) :
				    -ENOENT;
}

static int vmcoreinfo_adopt(struct kernel *kernel, const char *text, size_t size)
{
	struct vmcoreinfo *info = arena_calloc(&kernel->arena, 1, sizeof(*info));
	int r;

	if (!info)
		return -ENOMEM;
	r = vmcoreinfo_parse(&kernel->arena, text, size, info);
	if (r < 0)
		return r;
	if (!vmcoreinfo_find(info, "OSRELEASE"))
		return -ENOENT;
	kernel->vmcoreinfo = info;
	return 0;
}

/* Tries @pgd as it is; on success the kernel's fields are filled from it. */
static int page_table_try(struct kernel *kernel, uint64_t pgd, bool la57, uint64_t mask)
{
	uint64_t start, end, phys_base;
	int r;

	translate_setup(kernel, pgd, la57, mask);
	r = translate_find_image(kernel, &start, &end, &phys_base);
	if (r < 0)
		return r;
	kernel->image_start = start;
	kernel->image_end = end;
	kernel->phys_base = phys_base;
	return 0;
}

static int find_by_vmcoreinfo(struct kernel *kernel)
{
	const struct dump_info *info = dump_info(kernel->dump);
	uint64_t pgd, phys_base, mask = 0, la57 = 0, text;
	int r;

	if (!kernel->vmcoreinfo)
		return -ENOENT;
	/* Generic code says swapper_pg_dir, x86 init_top_pgt, or init_level4_pgt before 4.13. */
	if (vmcoreinfo_get_u64(kernel, "SYMBOL(swapper_pg_dir)", &pgd) < 0 &&
	    vmcoreinfo_get_u64(kernel, "SYMBOL(init_top_pgt)", &pgd) < 0 &&
	    vmcoreinfo_get_u64(kernel, "SYMBOL(init_level4_pgt)", &pgd) < 0) {
		msgs_add(kernel->msgs, "VMCOREINFO: no SYMBOL(swapper_pg_dir), ignoring it");
		return -ENOENT;
	}
	if (vmcoreinfo_get_u64(kernel, "NUMBER(phys_base)", &phys_base) < 0) {
		if (!info->has_phys_base)
			return -ENOENT;
		phys_base = info->phys_base;
	}
	(void)vmcoreinfo_get_u64(kernel, "NUMBER(sme_mask)", &mask);
	(void)vmcoreinfo_get_u64(kernel, "NUMBER(pgtable_l5_enabled)", &la57);
	if (pgd < KERNEL_MAP_START || pgd >= KERNEL_MAP_END)
		return -EINVAL;

	r = page_table_try(kernel, pgd - KERNEL_MAP_START + phys_base, la57 != 0, mask);
	if (r == 0 && kernel->phys_base != phys_base)
		msgs_add(kernel->msgs,
			 "VMCOREINFO: phys_base 0x%" PRIx64 " is not what the page tables say "
			 "(0x%" PRIx64 "), ignoring it",
			 phys_base, kernel->phys_base);
	if (r != -ENODATA)
		return r;

	msgs_add(kernel->msgs, "vmcore: kernel page tables are missing from the dump: only the "
			       "kernel image and directly mapped memory can be read");
	if (vmcoreinfo_get_u64(kernel, "SYMBOL(_stext)", &text) < 0 || text < KERNEL_MAP_START)
		text = KERNEL_MAP_START;
	kernel->image_start = text & ~((2ULL << 20) - 1);
	kernel->image_end = KERNEL_MAP_START + IMAGE_WINDOW;
	kernel->phys_base = phys_base;
	return 0;
}

static int find_by_cr3(struct kernel *kernel)
{
	const struct dump_info *info = dump_info(kernel->dump);

	for (size_t i = 0; i < info->n_cpus && i < CR3_CPUS_MAX; i++) {
		uint64_t cr3 = info->cpus[i].cr3 & CR3_ADDRESS;

		if (!info->cpus[i].has_control || !cr3)
			continue;
		/* CR4.LA57 is not known here; a table read with the wrong depth maps no image. */
		for (int la57 = 0; la57 <= 1; la57++) {
			if (page_table_try(kernel, cr3 & ~CR3_PTI_USER, la57, 0) == 0)
				return 0;
			if (cr3 & CR3_PTI_USER && page_table_try(kernel, cr3, la57, 0) == 0)
				return 0;
		}
	}
	return -ENOENT;
}

/* Is the page at @pa the kernel's top page table, or VMCOREINFO's text? */
static int scan_page(struct kernel *kernel, uint64_t pa, const uint8_t *page)
{
	static const char key[] = "OSRELEASE=";
	uint64_t entry, next, distance;

	/* vmcoreinfo_data is the bare text, vmcoreinfo_note has a note header and name before it. */
	for (size_t offset = 0; offset <= 24; offset += 24) {
		const char *text = (const char *)page + offset;

		if (memcmp(text, key, sizeof(key) - 1) != 0 || kernel->vmcoreinfo ||
		    vmcoreinfo_adopt(kernel, text, PAGE_SIZE - offset) < 0)
			continue;
		if (find_by_vmcoreinfo(kernel) == 0)
			return 0;
		/* Left in memory by an earlier boot, or a copy that somebody read into a buffer. */
		kernel->vmcoreinfo = NULL;
	}
	memcpy(&entry, page + 511 * 8, sizeof(entry));
	next = entry & CR3_ADDRESS;
	distance = next > pa ? next - pa : pa - next;
	if (!(entry & 1) || !distance || distance > SCAN_PGT_DISTANCE)
		return -ENOENT;
	for (int la57 = 0; la57 <= 1; la57++) {
		uint64_t image;

		if (page_table_try(kernel, pa, la57, 0) < 0)
			continue;
		image = kernel->image_start - KERNEL_MAP_START + kernel->phys_base;
		if (pa >= image && pa - image < kernel->image_end - kernel->image_start)
			return 0;
	}
	return -ENOENT;
}

/*
 * Scans pages in two rounds: first only those that begin 2 MiB stretches, since .data is so aligned
 * and init_top_pgt is near its start, then all.
 */
static int find_by_scan(struct kernel *kernel)
{
	const struct dump_range *ranges;
	size_t n = dump_ranges(kernel->dump, &ranges);
	const uint64_t large = 2ULL << 20, near_start = 64 * PAGE_SIZE;
	uint64_t budget = SCAN_PAGES_MAX;
	uint8_t copy[PAGE_SIZE];

	for (int round = 0; round < 2; round++) {
		/* Absent pages cost little, but a hostile header may promise 2^52 bytes of them. */
		uint64_t absent_budget = 64ULL * SCAN_PAGES_MAX;

		for (size_t i = 0; i < n; i++) {
			uint64_t pa = ranges[i].start & CR3_ADDRESS, end = ranges[i].end;

			if (end > CR3_ADDRESS)
				end = CR3_ADDRESS;
			for (; pa < end && budget && absent_budget; pa += PAGE_SIZE) {
				const void *page;

				if (round == 0 && (pa & (large - 1)) >= near_start) {
					pa = (pa | (large - 1)) + 1 - PAGE_SIZE;
					continue;
				}
				absent_budget--;
				page = dump_page(kernel->dump, pa);
				if (!page)
					continue;
				budget--;
				/* The page is only valid until the next call that takes the dump. */
				memcpy(copy, page, sizeof(copy));
				if (scan_page(kernel, pa, copy) == 0)
					return 0;
			}
		}
	}
	return -ENOENT;
}

/* How far text moved: replaced when a file with the link-time address of _text is given. */
static void kaslr_settle(struct kernel *kernel)
{
	if (vmcoreinfo_get_u64(kernel, "KERNELOFFSET", &kernel->kaslr_offset) < 0 &&
	    kernel->image_start >= LINKED_TEXT)
		kernel->kaslr_offset = kernel->image_start - LINKED_TEXT;
}

int bootstrap_find_kernel(struct kernel *kernel)
{
	const struct dump_info *info = dump_info(kernel->dump);

	if (!info->vmcoreinfo || !info->vmcoreinfo_size)
		msgs_add(kernel->msgs, "vmcore: no VMCOREINFO note, looking for the kernel itself");
	else if (vmcoreinfo_adopt(kernel, info->vmcoreinfo, info->vmcoreinfo_size) < 0)
		msgs_add(kernel->msgs, "vmcore: VMCOREINFO note is empty or damaged, looking for "
				       "the kernel itself");
	if (find_by_vmcoreinfo(kernel) < 0 && find_by_cr3(kernel) < 0 && find_by_scan(kernel) < 0) {
		msgs_add(kernel->msgs, "vmcore: no page table of an x86-64 kernel found (no usable "
				       "VMCOREINFO, no CR3, none in memory)");
		return -EINVAL;
	}
	kaslr_settle(kernel);
	return 0;
}

/* Before symbols are known a CR3 is as good as any; init_top_pgt has no user half to mislead. */
static void page_table_settle(struct kernel *kernel)
{
	uint64_t old = kernel->pgd, mask = 0, va, pa;

	if (kernel_symbol(kernel, "init_top_pgt", &va) < 0 &&
	    kernel_symbol(kernel, "init_level4_pgt", &va) < 0)
		return;
	if (kernel_translate(kernel, va, &pa) < 0 || pa == old)
		return;
	(void)vmcoreinfo_get_u64(kernel, "NUMBER(sme_mask)", &mask);
	if (page_table_try(kernel, pa, kernel->la57, mask) < 0)
		translate_setup(kernel, old, kernel->la57, 0);
}

/* The text at @va, bare or behind the header of its note (Nhdr, "VMCOREINFO" padded to 12 bytes). */
static int vmcoreinfo_read(struct kernel *kernel, uint64_t va)
{
	char head[24];
	uint64_t size;
	uint32_t desc_size;
	char *copy;
	int r;

	r = kernel_read(kernel, va, head, sizeof(head));
	if (r < 0)
		return r;
	if (memcmp(head + 12, "VMCOREINFO", 11) == 0) {
		memcpy(&desc_size, head + 4, sizeof(desc_size));
		size = desc_size;
		va += sizeof(head);
	} else {
		size = PAGE_SIZE; /* VMCOREINFO_BYTES; the text ends with a NUL before that */
	}
	if (!size || size > 16 * PAGE_SIZE)
		return -EBADMSG;
	copy = arena_alloc(&kernel->arena, size);
	if (!copy)
		return -ENOMEM;
	r = kernel_read(kernel, va, copy, size);
	return r < 0 ? r : vmcoreinfo_adopt(kernel, copy, size);
}

int bootstrap_read_vmcoreinfo(struct kernel *kernel)
{
	/*
	 * kernel/crash_core.c. On the way into the kdump kernel vmcoreinfo_data is pointed at a copy
	 * in that kernel's memory, which is in no dump (1229384f5b85, 4.13); the note stays.
	 */
	static const char *const names[] = { "vmcoreinfo_note", "vmcoreinfo_data" };
	uint64_t va, pointer;

	page_table_settle(kernel);
	for (size_t i = 0; i < 2 && !kernel->vmcoreinfo; i++) {
		int r;

		if (kernel_symbol(kernel, names[i], &va) < 0)
			continue;
		/* A pointer, or before 4.13 (203e9e41219b) the buffer itself. */
		r = kernel_read_u64(kernel, va, &pointer);
		if (r == 0)
			r = vmcoreinfo_read(kernel, pointer);
		if (r < 0 && r != -ENOMEM)
			r = vmcoreinfo_read(kernel, va);
		if (r == -ENOMEM)
			return r;
		if (r == 0)
			(void)vmcoreinfo_get_u64(kernel, "KERNELOFFSET", &kernel->kaslr_offset);
	}
	return kernel->vmcoreinfo ? 0 : -ENOENT;
}
