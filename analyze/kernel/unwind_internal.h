/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_UNWIND_INTERNAL_H
#define HOLDUP_KERNEL_UNWIND_INTERNAL_H

/* What unwind.c and frame_pointer.c share. */

#include "kernel/code_flow.h"
#include "kernel/frame_context.h"
#include "kernel/generated_code.h"
#include "kernel/orc.h"
#include "kernel/return_hooks.h"
#include "kernel/stacks.h"
#include "kernel/unwind.h"

#define UNWIND_FRAMES_MAX 256
#define UNWIND_PAGES 16

/* What is known about one instruction address; kept for all stacks, which share most of theirs. */
struct code {
	uint64_t pc;	      /* key */
	bool used;	      /* the slot is taken */
	uint64_t function_address;
	const char *function; /* in the arena; NULL unknown */
	const char *module;
	uint32_t size;
	uint8_t class;	      /* enum entry_class */
	bool text;	      /* of the kernel or of a module */
	bool bpf;	      /* JIT code of BPF */
	bool generated;	      /* found in one of the kernel's lists of generated code */
	bool derived_tried;
	bool derived;	      /* @orc was made from the function's code, there was no entry */
	bool has_orc;
	struct orc_entry orc;
};

struct stack_page {
	uint64_t va; /* 0: empty */
	bool present;
	uint64_t words[512];
};

struct unwinder {
	struct kernel *kernel;
	struct arena *arena; /* of the strings in @codes */
	struct orc *orc;
	struct stacks *stacks;
	struct generated_code *generated;
	struct return_hooks *hooks;
	struct code *codes; /* open hash, a power of two */
	size_t codes_size, codes_n;
	struct stack_page *pages;
	int64_t thread_sp;    /* task_struct.thread.sp, -1 unknown */
	int64_t on_cpu;	      /* task_struct.on_cpu */
	int64_t inactive[7];  /* offsets in inactive_task_frame, by inactive_regs */
	uint64_t inactive_size;
	uint64_t init_begin, init_end; /* the kernel's .init.text, 0 unknown */
	uint64_t fork_return; /* ret_from_fork or ret_from_fork_asm: a new task starts there */
	/* Scratch of the walk under way. */
	struct frame frames[UNWIND_FRAMES_MAX];
	uint8_t classes[UNWIND_FRAMES_MAX];
};

/* One walk up one chain of stacks. */
struct walk {
	struct unwinder *u;
	struct arena *arena;
	uint64_t task;
	struct stack_set set;
	struct stack_area area;
	struct regs regs; /* of the current frame, as far as recovered */
	bool full;	  /* regs are a whole saved set, for the frame's own ->regs */
	bool exact;	  /* REG_IP is an instruction, not a return address */
	bool guessed;	  /* a scan found the way here: nothing since is certain */
	bool anchored;	  /* began at an anchor instead of registers */
	char why[192];	  /* why the last step failed */
};

enum step {
	STEP_NEXT,   /* moved to the caller */
	STEP_BOTTOM, /* there is none: the end of the stack, or user mode */
	STEP_FAILED, /* walk->why says why; the walk is unchanged */
};

/* Reads @n words at @address of the stack the walk is on, or of one not yet visited. 0 or -errno. */
int walk_read(struct walk *walk, uint64_t address, uint64_t *words, unsigned int n);

/* The code at @pc; never NULL but for lack of memory. */
const struct code *unwinder_code(struct unwinder *u, uint64_t pc);

/*
 * Could @ip be a return address: is there a call before it, in the kernel's or a module's text or
 * in generated code? @ret_target is the call's target, 0 for an indirect call; may be NULL.
 */
bool return_address_plausible(struct unwinder *u, uint64_t ip, uint64_t *ret_target);

/* Moves the walk to a caller found at stack slot @slot. STEP_FAILED if that is no progress. */
enum step walk_return_to(struct walk *walk, uint64_t slot, uint64_t ip, uint64_t bp, bool has_bp);

/*
 * Moves the walk to the state saved in the struct pt_regs at @address: STEP_BOTTOM when it is one
 * of user mode.
 */
enum step walk_regs_at(struct walk *walk, uint64_t address);

/* Where ORC has no answer; frame_pointer.c. */
enum step walk_fallback(struct walk *walk, const struct code *code);

#endif
