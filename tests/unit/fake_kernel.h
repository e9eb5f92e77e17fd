/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_TESTS_FAKE_KERNEL_H
#define HOLDUP_TESTS_FAKE_KERNEL_H

/*
 * A kernel made up for the tests of tasks and locks: 4 MB of memory at BASE, all mapped, four
 * CPUs whose per-CPU areas lie in it, symbols and types of the tests' own choice.
 */
#include <bpf/btf.h>

#include "fake_pgtable.h"
#include "kernel/internal.h"
#include "kernel/symbols.h"
#include "kernel/types.h"

#define FK_BASE 0xffff888000000000ULL
#define FK_SIZE (4ULL << 20)
#define FK_TEXT (FK_BASE + 0x1000)	  /* one page of text */
#define FK_PERCPU 0x10000ULL		  /* the first CPU's area, from FK_BASE; one each 64 KB */
#define FK_CPUS 4

struct fake_kernel {
	struct dump dump;
	struct kernel kernel;
	struct fake_pgtable t;
	struct msgs msgs;
	uint64_t percpu_offset[FK_CPUS], online, possible;
	struct btf *btf; /* while types are being added */
};

static inline void fk_put(struct fake_kernel *f, uint64_t va, const void *data, size_t len)
{
	fake_write(&f->dump, va - FK_BASE + 0x1000000, data, len);
}

static inline void fk_put64(struct fake_kernel *f, uint64_t va, uint64_t v)
{
	fk_put(f, va, &v, 8);
}

static inline void fk_put32(struct fake_kernel *f, uint64_t va, uint32_t v)
{
	fk_put(f, va, &v, 4);
}

/* Takes a page out of the dump. */
static inline void fk_lose(struct fake_kernel *f, uint64_t va)
{
	fake_remove(&f->dump, va - FK_BASE + 0x1000000);
}

static inline uint64_t fk_percpu(uint32_t cpu, uint64_t symbol)
{
	return FK_BASE + FK_PERCPU * (cpu + 1) + symbol;
}

static inline int fk_struct(struct fake_kernel *f, const char *name, uint32_t size)
{
	return btf__add_struct(f->btf, name, size);
}

/* A member of @type at byte @offset of the struct added last. */
static inline void fk_field(struct fake_kernel *f, const char *name, int type, uint32_t offset)
{
	if (btf__add_field(f->btf, name, type, offset * 8, 0) < 0)
		abort();
}

static inline struct fake_kernel *fk_new(void)
{
	struct fake_kernel *f = calloc(1, sizeof(*f));
	static const uint8_t zeros[FAKE_PAGE];

	if (!f)
		abort();
	f->t = (struct fake_pgtable){ .dump = &f->dump, .top = 0x100000, .next = 0x200000 };
	fake_write(&f->dump, 0x100000, zeros, sizeof(zeros));
	for (uint64_t at = 0; at < FK_SIZE; at += FAKE_PAGE) {
		fake_map(&f->t, FK_BASE + at, 0x1000000 + at, 12);
		fk_put(f, FK_BASE + at, zeros, sizeof(zeros));
	}
	msgs_init(&f->msgs);
	arena_init(&f->kernel.arena);
	f->kernel.msgs = &f->msgs;
	f->kernel.dump = &f->dump;
	f->kernel.tlb = translate_cache_new();
	translate_setup(&f->kernel, 0x100000, false, 0);
	for (uint32_t cpu = 0; cpu < FK_CPUS; cpu++)
		f->percpu_offset[cpu] = fk_percpu(cpu, 0);
	f->online = f->possible = (1 << FK_CPUS) - 1;
	f->kernel.nr_cpu_ids = FK_CPUS;
	f->kernel.percpu_offset = f->percpu_offset;
	f->kernel.cpu_online = &f->online;
	f->kernel.cpu_possible = &f->possible;
	f->btf = btf__new_empty();
	return f;
}

/* When all types are added: makes them and the symbols known. */
static inline void fk_ready(struct fake_kernel *f, const struct symbol_entry *symbols, size_t n)
{
	uint32_t size;
	const void *data = btf__raw_data(f->btf, &size);

	if (!data || types_new(data, size, NULL, &f->kernel.types) < 0 ||
	    symbols_from_table(symbols, n, &f->kernel.symbols) < 0)
		abort();
	btf__free(f->btf);
	f->btf = NULL;
}

static inline void fk_free(struct fake_kernel *f)
{
	symbols_free(f->kernel.symbols);
	types_free(f->kernel.types);
	translate_cache_free(f->kernel.tlb);
	arena_done(&f->kernel.arena);
	msgs_done(&f->msgs);
	fake_done(&f->dump);
	free(f);
}

#endif
