/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_GENERATED_CODE_H
#define HOLDUP_KERNEL_GENERATED_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/kernel.h"

/*
 * Code that the kernel wrote at run time, with neither a symbol in kallsyms' tables nor an ORC
 * entry of its own: BPF programs and trampolines (each with a struct bpf_ksym), ftrace trampolines
 * (each of an ftrace_ops; copies of ftrace_caller or ftrace_regs_caller).
 */
struct generated_code;

struct generated {
	uint64_t start, end;
	bool bpf;	   /* keeps a frame pointer from its first instructions on */
	uint64_t orc_like; /* ftrace: the address whose ORC entry fits, else 0 */
	char name[128];	   /* "bpf_prog_<tag>_<name>", "bpf_trampoline_<key>", … */
};

int generated_code_new(struct kernel *kernel, struct generated_code **ret_code);
void generated_code_free(struct generated_code *code);

/* What lies at @pc. -ENOENT. The kernel's lists are read on the first call. */
int generated_code_find(struct generated_code *code, uint64_t pc, struct generated *ret_generated);

#endif
