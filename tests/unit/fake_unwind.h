/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_TESTS_FAKE_UNWIND_H
#define HOLDUP_TESTS_FAKE_UNWIND_H

/*
 * The kernel as the unwinder sees it, in place of memory.c, symbols.c and types.c: regions of
 * memory, functions, types and ORC tables of a test's own choice. Addresses are made up but lie
 * where a real x86-64 kernel has such things.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"
#include "kernel/orc.h"

#define FU_TEXT 0xffffffff81000000ULL
#define FU_TEXT_SIZE 0x10000
#define FU_MODULE 0xffffffffc0000000ULL
#define FU_MODULE_SIZE 0x2000
#define FU_JIT 0xffffffffc0800000ULL	 /* memory for generated code, no text of anybody */
#define FU_JIT_SIZE 0x1000
#define FU_TASK_STACK 0xffffc90000010000ULL
#define FU_IRQ_STACK 0xffffc90000100000ULL
#define FU_CEA 0xfffffe0000034000ULL	 /* cea_exception_stacks of CPU 0 */
#define FU_STACK_SIZE 0x4000
#define FU_ESTACK_SIZE 0x2000
#define FU_DATA 0xffffffff82000000ULL	 /* ORC tables, per-CPU data, task_struct, lists */
#define FU_DATA_SIZE 0x20000
#define FU_ORC_IP FU_DATA
#define FU_ORC (FU_DATA + 0x4000)
#define FU_LOOKUP (FU_DATA + 0xa000)
#define FU_MODULE_ORC_IP (FU_DATA + 0xc000)
#define FU_MODULE_ORC (FU_DATA + 0xd000)
#define FU_PERCPU (FU_DATA + 0xe000)	 /* one 4 KB area per CPU */
#define FU_TASK (FU_DATA + 0x14000)	 /* a task_struct */
#define FU_HEAP (FU_DATA + 0x16000)	 /* lists and what tests need */
#define FU_MAX 64

struct fu_region {
	uint64_t va, size;
	uint8_t *bytes;
};

struct fu_symbol {
	const char *name, *module;
	uint64_t address, size;
};

struct fu_member {
	const char *type, *path;
	uint64_t offset, size;
	uint8_t bit_size;
};

struct fu_orc {
	uint64_t address;
	int16_t sp_offset, bp_offset;
	uint8_t sp_reg, bp_reg, type; /* type as since 6.4 */
	bool signal;
};

struct fu {
	struct kernel kernel;
	struct msgs msgs;
	struct arena arena; /* for what the tests unwind */
	struct fu_region regions[FU_MAX];
	unsigned int n_regions;
	struct fu_symbol symbols[FU_MAX];
	unsigned int n_symbols;
	struct fu_member members[FU_MAX];
	unsigned int n_members;
	struct fu_orc orcs[256];
	unsigned int n_orcs;
	struct module module;
	enum orc_format format; /* that the tables are written in */
};

static struct fu fu;

/* --- the kernel's interface --- */

int kernel_read(struct kernel *kernel, uint64_t va, void *buf, size_t len)
{
	for (unsigned int i = 0; i < fu.n_regions; i++) {
		const struct fu_region *r = &fu.regions[i];

		if (va >= r->va && va - r->va < r->size && len <= r->size - (va - r->va)) {
			memcpy(buf, r->bytes + (va - r->va), len);
			return 0;
		}
	}
	return -EFAULT;
}

int kernel_read_u8(struct kernel *kernel, uint64_t va, uint8_t *ret)
{
	return kernel_read(kernel, va, ret, sizeof(*ret));
}

int kernel_read_u32(struct kernel *kernel, uint64_t va, uint32_t *ret)
{
	return kernel_read(kernel, va, ret, sizeof(*ret));
}

int kernel_read_u64(struct kernel *kernel, uint64_t va, uint64_t *ret)
{
	return kernel_read(kernel, va, ret, sizeof(*ret));
}

int kernel_read_string(struct kernel *kernel, uint64_t va, char *buf, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size; i++) {
		if (kernel_read(kernel, va + i, buf + i, 1) < 0)
			return -EFAULT;
		if (!buf[i])
			break;
	}
	buf[i] = 0;
	return (int)i;
}

bool kernel_is_address(uint64_t va)
{
	return va >= 0xffff800000000000ULL && va < 0xfffffffffffff000ULL;
}

int kernel_symbol(struct kernel *kernel, const char *name, uint64_t *ret_address)
{
	for (unsigned int i = 0; i < fu.n_symbols; i++) {
		if (strcmp(fu.symbols[i].name, name) == 0 && !fu.symbols[i].module) {
			*ret_address = fu.symbols[i].address;
			return 0;
		}
	}
	return -ENOENT;
}

int kernel_symbol_at(struct kernel *kernel, uint64_t va, struct symbol *ret_symbol)
{
	for (unsigned int i = 0; i < fu.n_symbols; i++) {
		const struct fu_symbol *s = &fu.symbols[i];

		if (s->size && va >= s->address && va - s->address < s->size) {
			*ret_symbol = (struct symbol){ .name = s->name, .module = s->module,
						       .address = s->address, .size = s->size,
						       .type = 't' };
			return 0;
		}
	}
	return -ENOENT;
}

bool kernel_is_text(struct kernel *kernel, uint64_t va)
{
	return (va >= FU_TEXT && va < FU_TEXT + FU_TEXT_SIZE) || kernel_module_at(kernel, va);
}

const struct module *kernel_module_at(struct kernel *kernel, uint64_t va)
{
	return va >= FU_MODULE && va < FU_MODULE + FU_MODULE_SIZE ? &fu.module : NULL;
}

int kernel_percpu(struct kernel *kernel, const char *name, uint32_t cpu, uint64_t *ret_address)
{
	uint64_t offset;
	int r = kernel_symbol(kernel, name, &offset);

	if (r < 0)
		return r;
	*ret_address = FU_PERCPU + 0x1000 * (uint64_t)cpu + offset;
	return 0;
}

int types_member(const struct types *types, const char *type, const char *path,
		 struct member *ret_member)
{
	for (unsigned int i = 0; i < fu.n_members; i++) {
		const struct fu_member *m = &fu.members[i];

		if (strcmp(m->type, type) == 0 && m->path && strcmp(m->path, path) == 0) {
			*ret_member = (struct member){ .offset = m->offset, .size = m->size,
						       .bit_size = m->bit_size };
			return 0;
		}
	}
	return -ENOENT;
}

int types_size(const struct types *types, const char *type, uint64_t *ret_size)
{
	for (unsigned int i = 0; i < fu.n_members; i++) {
		if (strcmp(fu.members[i].type, type) == 0 && !fu.members[i].path) {
			*ret_size = fu.members[i].size;
			return 0;
		}
	}
	return -ENOENT;
}

int types_enum(const struct types *types, const char *name, int64_t *ret_value)
{
	return -ENOENT;
}

int64_t types_offset(const struct types *types, const char *type, const char *path)
{
	struct member m;

	return types_member(types, type, path, &m) == 0 ? (int64_t)m.offset : -1;
}

/* --- building one --- */

static inline uint8_t *fu_at(uint64_t va)
{
	for (unsigned int i = 0; i < fu.n_regions; i++)
		if (va >= fu.regions[i].va && va - fu.regions[i].va < fu.regions[i].size)
			return fu.regions[i].bytes + (va - fu.regions[i].va);
	abort();
}

static inline void fu_put(uint64_t va, const void *data, size_t n)
{
	memcpy(fu_at(va), data, n);
}

static inline void fu_put64(uint64_t va, uint64_t v)
{
	fu_put(va, &v, sizeof(v));
}

static inline void fu_map(uint64_t va, uint64_t size, uint8_t fill)
{
	struct fu_region *r = &fu.regions[fu.n_regions++];

	r->va = va;
	r->size = size;
	r->bytes = malloc(size);
	if (!r->bytes)
		abort();
	memset(r->bytes, fill, size);
}

static inline void fu_symbol(const char *name, uint64_t address, uint64_t size)
{
	fu.symbols[fu.n_symbols++] = (struct fu_symbol){ name, NULL, address, size };
}

static inline void fu_member(const char *type, const char *path, uint64_t offset, uint64_t size)
{
	fu.members[fu.n_members++] = (struct fu_member){ type, path, offset, size, 0 };
}

/* A call of @target (0: an indirect one) that ends at @ret. */
static inline void fu_call(uint64_t ret, uint64_t target)
{
	uint8_t direct[5] = { 0xe8 }, indirect[2] = { 0xff, 0xd0 };
	int32_t rel = (int32_t)(target - ret);

	memcpy(direct + 1, &rel, sizeof(rel));
	if (target)
		fu_put(ret - 5, direct, 5);
	else
		fu_put(ret - 2, indirect, 2);
}

static inline void fu_orc(uint64_t address, uint8_t sp_reg, int16_t sp_offset, uint8_t bp_reg,
			  int16_t bp_offset, uint8_t type)
{
	fu.orcs[fu.n_orcs++] = (struct fu_orc){
		address, sp_offset, bp_offset, sp_reg, bp_reg, type, type >= ORC_TYPE_REGS,
	};
}

/* A raw entry as the kernel of that format has it; the reverse of orc_entry_decode(). */
static inline void fu_orc_encode(const struct fu_orc *o, uint8_t raw[ORC_ENTRY_SIZE])
{
	bool end = o->type == ORC_TYPE_END_OF_STACK;
	unsigned int old_type = o->type >= ORC_TYPE_CALL ? o->type - ORC_TYPE_CALL : 0;

	raw[0] = (uint8_t)o->sp_offset;
	raw[1] = (uint8_t)(o->sp_offset >> 8);
	raw[2] = (uint8_t)o->bp_offset;
	raw[3] = (uint8_t)(o->bp_offset >> 8);
	raw[4] = (uint8_t)(o->sp_reg | o->bp_reg << 4);
	switch (fu.format) {
	case ORC_FORMAT_6_4:
		raw[5] = (uint8_t)(o->type | o->signal << 3);
		break;
	case ORC_FORMAT_6_3:
		raw[5] = (uint8_t)(old_type | o->signal << 2 | end << 3);
		break;
	case ORC_FORMAT_4_18:
		raw[5] = (uint8_t)(old_type | end << 2);
		break;
	default:
		raw[5] = (uint8_t)old_type;
	}
}

static inline void fu_orc_table(uint64_t ips, uint64_t entries, const struct fu_orc *orcs,
				unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		int32_t rel = (int32_t)(orcs[i].address - (ips + 4 * i));
		uint8_t raw[ORC_ENTRY_SIZE];

		fu_orc_encode(&orcs[i], raw);
		fu_put(ips + 4 * i, &rel, 4);
		fu_put(entries + ORC_ENTRY_SIZE * i, raw, ORC_ENTRY_SIZE);
	}
}

/* Writes the tables of the entries added so far, which must be in order, and orc_lookup. */
static inline void fu_orc_write(void)
{
	unsigned int kernel_n = 0;
	uint32_t index = 0;

	while (kernel_n < fu.n_orcs && fu.orcs[kernel_n].address < FU_MODULE)
		kernel_n++;
	fu_orc_table(FU_ORC_IP, FU_ORC, fu.orcs, kernel_n);
	fu_orc_table(FU_MODULE_ORC_IP, FU_MODULE_ORC, fu.orcs + kernel_n, fu.n_orcs - kernel_n);
	fu.module.n_orc = fu.n_orcs - kernel_n;
	fu_symbol("__start_orc_unwind_ip", FU_ORC_IP, 0);
	fu_symbol("__stop_orc_unwind_ip", FU_ORC_IP + 4 * kernel_n, 0);
	fu_symbol("__start_orc_unwind", FU_ORC, 0);
	fu_symbol("orc_lookup", FU_LOOKUP, 0);
	fu_symbol("orc_lookup_end", FU_LOOKUP + 4 * (FU_TEXT_SIZE / 256 + 1), 0);
	for (unsigned int block = 0; block <= FU_TEXT_SIZE / 256; block++) {
		while (index + 1 < kernel_n &&
		       fu.orcs[index + 1].address <= FU_TEXT + 256ULL * block)
			index++;
		fu_put(FU_LOOKUP + 4 * block, &index, 4);
	}
}

static inline void fu_types(void)
{
	static const char *const stacks[] = { "DF_stack", "NMI_stack", "DB_stack", "MCE_stack",
					      "VC_stack", "VC2_stack" };
	static const char *const inactive[] = { "r15", "r14", "r13", "r12", "bx", "bp",
						"ret_addr" };

	fu_member("task_struct", "stack", 0x20, 8);
	fu_member("task_struct", "thread.sp", 0x28, 8);
	fu_member("task_struct", "on_cpu", 0x30, 4);
	fu_member("inactive_task_frame", NULL, 0, 56);
	for (unsigned int i = 0; i < 7; i++)
		fu_member("inactive_task_frame", inactive[i], 8 * i, 8);
	for (unsigned int i = 0; i < 6; i++)
		fu_member("cea_exception_stacks", stacks[i],
			  0x1000 + i * (0x1000 + FU_ESTACK_SIZE), FU_ESTACK_SIZE);
	fu_member("cpu_entry_area", "estacks", 0x6000, 8);
	fu_member("cpu_entry_area", "entry_stack_page", 0x1000, 0x1000);
}

/* The address of exception stack number @i (0 DF, 1 NMI, …) of CPU 0. */
static inline uint64_t fu_estack(unsigned int i)
{
	return FU_CEA + 0x1000 + i * (0x1000 + FU_ESTACK_SIZE);
}

static inline void fu_init(enum orc_format format, const char *release)
{
	static struct types *const some_types = (struct types *)&fu;

	memset(&fu, 0, sizeof(fu));
	fu.format = format;
	msgs_init(&fu.msgs);
	arena_init(&fu.arena);
	fu.kernel.msgs = &fu.msgs;
	fu.kernel.nr_cpu_ids = 2;
	fu.kernel.types = some_types; /* not looked into by the functions above */
	snprintf(fu.kernel.release, sizeof(fu.kernel.release), "%s", release);
	fu_map(FU_TEXT, FU_TEXT_SIZE, 0x90);
	fu_map(FU_MODULE, FU_MODULE_SIZE, 0x90);
	fu_map(FU_JIT, FU_JIT_SIZE, 0x90);
	fu_map(FU_TASK_STACK, FU_STACK_SIZE, 0);
	fu_map(FU_IRQ_STACK, FU_STACK_SIZE, 0);
	fu_map(fu_estack(0), FU_ESTACK_SIZE, 0);
	fu_map(fu_estack(1), FU_ESTACK_SIZE, 0);
	fu_map(FU_DATA, FU_DATA_SIZE, 0);
	fu.module = (struct module){ .name = "mod", .base = FU_MODULE, .size = FU_MODULE_SIZE,
				     .text_end = FU_MODULE + FU_MODULE_SIZE,
				     .orc_ip = FU_MODULE_ORC_IP, .orc = FU_MODULE_ORC };
	fu_symbol("_stext", FU_TEXT, 0);
	fu_symbol("_etext", FU_TEXT + FU_TEXT_SIZE, 0);
	/* Per-CPU variables: offsets. */
	fu_symbol("hardirq_stack_ptr", 0x10, 0);
	fu_symbol("cea_exception_stacks", 0x18, 0);
	fu_symbol("hardirq_stack_inuse", 0x20, 0);
	fu_put64(FU_PERCPU + 0x10, FU_IRQ_STACK + FU_STACK_SIZE - 8);
	fu_put64(FU_PERCPU + 0x18, FU_CEA);
	fu_put64(FU_TASK + 0x20, FU_TASK_STACK);
	fu_types();
}

static inline void fu_done(void)
{
	for (unsigned int i = 0; i < fu.n_regions; i++)
		free(fu.regions[i].bytes);
	arena_done(&fu.arena);
	msgs_done(&fu.msgs);
}

#endif
