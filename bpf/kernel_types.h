/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HOLDUP_KERNEL_TYPES_H
#define HOLDUP_KERNEL_TYPES_H

/*
 * The kernel's types that the programs touch, as far as they touch them. CO-RE finds the members
 * where the running kernel has them, so that nothing here comes from the build host's kernel.
 */

typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;

/* The names that libbpf's bpf_helpers.h uses. */
typedef signed char __s8;
typedef uint8_t __u8;
typedef short __s16;
typedef uint16_t __u16;
typedef int32_t __s32;
typedef uint32_t __u32;
typedef long long __s64;
typedef uint64_t __u64;
typedef uint16_t __be16;
typedef uint32_t __be32;
typedef uint32_t __wsum;

/* include/uapi/linux/bpf.h, values that are ABI. */
enum {
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_F_MMAPABLE = 1024,
	BPF_ANY = 0,
};

/* arch/x86/include/uapi/asm/ptrace.h: what a perf_event program sees, ABI. */
struct bpf_regs_x86_64 {
	uint64_t r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	uint64_t orig_ax, ip, cs, flags, sp, ss;
};

/* include/uapi/linux/bpf_perf_event.h */
struct bpf_perf_event_data {
	struct bpf_regs_x86_64 regs;
	uint64_t sample_period;
	uint64_t addr;
};

/* Context of a raw tracepoint program: the tracepoint's arguments. */
struct bpf_raw_tracepoint_args {
	uint64_t args[2];
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct rq {
	unsigned int nr_running;
};

struct cfs_rq {
	struct rq *rq; /* with CONFIG_FAIR_GROUP_SCHED */
};

struct sched_entity {
	struct cfs_rq *cfs_rq; /* the same */
};

struct task_struct {
	unsigned long nvcsw;
	unsigned long nivcsw;
	struct sched_entity se;
};

/* 6.2 (commit 7443b296e699) to 6.14: preempt_count lives in pcpu_hot. */
struct pcpu_hot {
	int preempt_count;
};

#pragma clang attribute pop

#endif
