/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_VMCORE_H
#define HOLDUP_SOURCE_VMCORE_H

#include "kernel/kernel.h"
#include "snapshot.h"

/*
 * A vmcore as a source of snapshots. The handle keeps the dump and the kernel in it open; a snapshot
 * once taken needs it no longer.
 */
struct vmcore;

/*
 * Opens the dump at @path and finds the kernel in it. @options may be NULL. -errno with lines in
 * @msgs, as dump_open() and kernel_open().
 */
int vmcore_open(struct msgs *msgs, const char *path, const struct kernel_options *options,
		struct vmcore **ret_vmcore);
void vmcore_free(struct vmcore *vmcore);

/* Unwinds every task that is on no CPU, not only the blocked ones and owners of locks. */
#define VMCORE_ALL_STACKS 1U

/*
 * The registers of @cpu (its number) at a moment just past, from a sampler: for /proc/kcore, whose
 * notes have none. Before vmcore_take(), which then says of no CPU that the dump lacks it. 0 or
 * -ENOMEM, -ERANGE.
 */
int vmcore_set_regs(struct vmcore *vmcore, uint32_t cpu, const struct regs *regs);

/*
 * Takes the snapshot; what is missing is said in ->unknowns and, where it belongs to the dump, by
 * ->partial. The snapshot is the caller's to snapshot_done(). 0 or -ENOMEM. Once per handle.
 */
int vmcore_take(struct vmcore *vmcore, unsigned int flags, struct snapshot *ret_snapshot);

#endif
