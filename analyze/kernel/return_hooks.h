/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_KERNEL_RETURN_HOOKS_H
#define HOLDUP_KERNEL_RETURN_HOOKS_H

#include <stdint.h>

#include "kernel/kernel.h"

/*
 * Tracers that replace return addresses on the stack: the function graph tracer by
 * return_to_handler, kretprobes by a trampoline. The real addresses are kept in the task.
 */
struct return_hooks;

int return_hooks_new(struct kernel *kernel, struct return_hooks **ret_hooks);
void return_hooks_free(struct return_hooks *hooks);

/*
 * The address that the return address @ip, read from the stack at @slot of @task, stands for:
 * @ip itself where nothing was replaced, or where the original cannot be found.
 */
uint64_t return_hooks_resolve(struct return_hooks *hooks, uint64_t task, uint64_t slot,
			      uint64_t ip);

#endif
