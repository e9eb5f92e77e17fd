// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/generated_code.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES_MAX 100000 /* of a list that may be damaged */

struct image {
	uint64_t start, end;
	uint64_t ksym; /* struct bpf_ksym, 0: an ftrace trampoline */
	bool save_regs;
};

struct generated_code {
	struct kernel *kernel;
	bool loaded;
	int64_t ksym_name;    /* offset of bpf_ksym.name */
	struct image *images; /* sorted by start */
	size_t n;
};

int generated_code_new(struct kernel *kernel, struct generated_code **ret_code)
{
	struct generated_code *code = calloc(1, sizeof(*code));

	if (!code)
		return -ENOMEM;
	code->kernel = kernel;
	*ret_code = code;
	return 0;
}

void generated_code_free(struct generated_code *code)
{
	if (!code)
		return;
	free(code->images);
	free(code);
}

static int add_image(struct generated_code *code, struct image image)
{
	if ((code->n & (code->n - 1)) == 0) {
		struct image *grown =
			realloc(code->images, (code->n ? 2 * code->n : 1) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		code->images = grown;
	}
	code->images[code->n++] = image;
	return 0;
}

/* bpf_kallsyms in kernel/bpf/core.c lists struct bpf_ksym since 5.7 ("bpf: Add struct bpf_ksym"). */
static void load_bpf(struct generated_code *code)
{
	struct kernel *k = code->kernel;
	int64_t start = types_offset(k->types, "bpf_ksym", "start");
	int64_t end = types_offset(k->types, "bpf_ksym", "end");
	int64_t node = types_offset(k->types, "bpf_ksym", "lnode");
	uint64_t head, next;

	code->ksym_name = types_offset(k->types, "bpf_ksym", "name");
	if (start < 0 || end < 0 || node < 0 || code->ksym_name < 0 ||
	    kernel_symbol(k, "bpf_kallsyms", &head) || kernel_read_u64(k, head, &next))
		return;
	for (unsigned int i = 0; i < IMAGES_MAX && next != head; i++) {
		struct image image = { .ksym = next - (uint64_t)node };

		if (!kernel_is_address(next) ||
		    kernel_read_u64(k, image.ksym + (uint64_t)start, &image.start) ||
		    kernel_read_u64(k, image.ksym + (uint64_t)end, &image.end) ||
		    kernel_read_u64(k, next, &next))
			break;
		if (image.end > image.start && add_image(code, image) < 0)
			break;
	}
}

/* As ftrace_ops_trampoline() in kernel/trace/ftrace.c finds them. */
static void load_ftrace(struct generated_code *code)
{
	struct kernel *k = code->kernel;
	int64_t trampoline = types_offset(k->types, "ftrace_ops", "trampoline");
	int64_t size = types_offset(k->types, "ftrace_ops", "trampoline_size");
	int64_t flags = types_offset(k->types, "ftrace_ops", "flags");
	int64_t next = types_offset(k->types, "ftrace_ops", "next");
	int64_t save_regs = 1 << 2;
	uint64_t ops, length, bits;

	types_enum(k->types, "FTRACE_OPS_FL_SAVE_REGS", &save_regs);
	if (trampoline < 0 || size < 0 || flags < 0 || next < 0 ||
	    kernel_symbol(k, "ftrace_ops_list", &ops) || kernel_read_u64(k, ops, &ops))
		return;
	for (unsigned int i = 0; i < IMAGES_MAX && kernel_is_address(ops); i++) {
		struct image image = { 0 };

		if (kernel_read_u64(k, ops + (uint64_t)trampoline, &image.start) ||
		    kernel_read_u64(k, ops + (uint64_t)size, &length) ||
		    kernel_read_u64(k, ops + (uint64_t)flags, &bits) ||
		    kernel_read_u64(k, ops + (uint64_t)next, &ops))
			break;
		image.save_regs = bits & (uint64_t)save_regs;
		if (!image.start || !length || length > 1 << 20 ||
		    __builtin_add_overflow(image.start, length, &image.end))
			continue;
		if (add_image(code, image) < 0)
			break;
	}
}

static int compare_images(const void *a, const void *b)
{
	const struct image *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int describe(struct generated_code *code, const struct image *image,
		    struct generated *ret_generated)
{
	struct kernel *k = code->kernel;
	struct generated g = { .start = image->start, .end = image->end, .bpf = image->ksym };

	if (image->ksym) {
		if (kernel_read_string(k, image->ksym + (uint64_t)code->ksym_name, g.name,
				       sizeof(g.name)) <= 0)
			snprintf(g.name, sizeof(g.name), "bpf_image");
		/* Bytes of a dump go to a terminal: nothing but what can be seen. */
		for (char *p = g.name; *p; p++)
			if ((unsigned char)*p <= ' ' || (unsigned char)*p > '~')
				*p = '?';
	} else {
		snprintf(g.name, sizeof(g.name), "ftrace_trampoline");
		if (kernel_symbol(k, image->save_regs ? "ftrace_regs_call" : "ftrace_call",
				  &g.orc_like))
			g.orc_like = 0;
	}
	*ret_generated = g;
	return 0;
}

int generated_code_find(struct generated_code *code, uint64_t pc, struct generated *ret_generated)
{
	size_t lo = 0, hi;

	if (!code->loaded) {
		code->loaded = true;
		if (code->kernel->types) {
			load_bpf(code);
			load_ftrace(code);
		}
		if (code->n)
			qsort(code->images, code->n, sizeof(*code->images), compare_images);
	}
	hi = code->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (code->images[mid].start <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || pc >= code->images[lo - 1].end)
		return -ENOENT;
	return describe(code, &code->images[lo - 1], ret_generated);
}
