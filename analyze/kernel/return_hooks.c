// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/return_hooks.h"

#include <errno.h>
#include <stdlib.h>

#define SHADOW_STACK_SIZE 4096 /* 6.11; 50 entries of 40 bytes or so before */
#define NODES_MAX 4096

struct return_hooks {
	struct kernel *kernel;
	uint64_t graph;			   /* return_to_handler, 0 none */
	uint64_t rethook;		   /* the kretprobes' trampoline, 0 none */
	int64_t ret_stack, curr_ret_stack; /* in task_struct; -1 none */
	int64_t graph_ret, graph_retp;	   /* in ftrace_ret_stack */
	uint64_t graph_size;		   /* of ftrace_ret_stack */
	int64_t nodes;			   /* task_struct: the list of nodes */
	int64_t node_next, node_ret, node_frame;
};

static void find_graph(struct return_hooks *h)
{
	const struct types *t = h->kernel->types;

	if (kernel_symbol(h->kernel, "return_to_handler", &h->graph))
		h->graph = 0;
	h->ret_stack = types_offset(t, "task_struct", "ret_stack");
	h->curr_ret_stack = types_offset(t, "task_struct", "curr_ret_stack");
	h->graph_ret = types_offset(t, "ftrace_ret_stack", "ret");
	h->graph_retp = types_offset(t, "ftrace_ret_stack", "retp");
	if (types_size(t, "ftrace_ret_stack", &h->graph_size) < 0 || h->ret_stack < 0 ||
	    h->curr_ret_stack < 0 || h->graph_ret < 0 || h->graph_retp < 0)
		h->graph = 0;
}

/* rethook since 5.18 (54ecbe6f1ed5), kretprobe_instances in the task since 5.11 (d741bf41d7c7). */
static void find_rethook(struct return_hooks *h)
{
	const struct types *t = h->kernel->types;

	h->nodes = types_offset(t, "task_struct", "rethooks.first");
	if (h->nodes >= 0) {
		h->node_next = types_offset(t, "rethook_node", "llist.next");
		h->node_ret = types_offset(t, "rethook_node", "ret_addr");
		h->node_frame = types_offset(t, "rethook_node", "frame");
		if (kernel_symbol(h->kernel, "arch_rethook_trampoline", &h->rethook))
			h->rethook = 0;
	} else {
		h->nodes = types_offset(t, "task_struct", "kretprobe_instances.first");
		h->node_next = types_offset(t, "kretprobe_instance", "llist.next");
		h->node_ret = types_offset(t, "kretprobe_instance", "ret_addr");
		h->node_frame = types_offset(t, "kretprobe_instance", "fp");
		if (kernel_symbol(h->kernel, "__kretprobe_trampoline", &h->rethook) &&
		    kernel_symbol(h->kernel, "kretprobe_trampoline", &h->rethook))
			h->rethook = 0;
	}
	if (h->nodes < 0 || h->node_next < 0 || h->node_ret < 0 || h->node_frame < 0)
		h->rethook = 0;
}

int return_hooks_new(struct kernel *kernel, struct return_hooks **ret_hooks)
{
	struct return_hooks *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->kernel = kernel;
	if (kernel->types) {
		find_graph(h);
		find_rethook(h);
	}
	*ret_hooks = h;
	return 0;
}

void return_hooks_free(struct return_hooks *hooks)
{
	free(hooks);
}

/*
 * The entry whose retp is @slot. Until 6.10 ret_stack is an array of ftrace_ret_stack with
 * curr_ret_stack the last index; since 6.11 (42675b723b48) it is an array of words in which such
 * structs lie, and curr_ret_stack counts words. Looking at every word serves both.
 */
static int resolve_graph(struct return_hooks *h, uint64_t task, uint64_t slot, uint64_t *ret_ip)
{
	uint64_t words[SHADOW_STACK_SIZE / 8];
	uint64_t stack, size;
	int64_t gap = (h->graph_ret - h->graph_retp) / 8;
	uint32_t current;

	if (kernel_read_u64(h->kernel, task + (uint64_t)h->ret_stack, &stack) ||
	    kernel_read_u32(h->kernel, task + (uint64_t)h->curr_ret_stack, &current) ||
	    !kernel_is_address(stack) || current > SHADOW_STACK_SIZE / 8)
		return -ENOENT;
	size = (current + 1) * h->graph_size;
	if (size > sizeof(words))
		size = sizeof(words);
	if (kernel_read(h->kernel, stack, words, size))
		return -ENOENT;
	for (int64_t i = (int64_t)(size / 8) - 1; i >= 0; i--) {
		int64_t ret = i + gap;

		if (words[i] != slot || ret < 0 || ret >= (int64_t)(size / 8) ||
		    !kernel_is_text(h->kernel, words[ret]))
			continue;
		*ret_ip = words[ret];
		return 0;
	}
	return -ENOENT;
}

/* As __rethook_find_ret_addr(): the first node whose frame is the slot. */
static int resolve_rethook(struct return_hooks *h, uint64_t task, uint64_t slot, uint64_t *ret_ip)
{
	uint64_t node, base, frame, ip;

	if (kernel_read_u64(h->kernel, task + (uint64_t)h->nodes, &node))
		return -ENOENT;
	for (unsigned int i = 0; i < NODES_MAX && kernel_is_address(node); i++) {
		base = node - (uint64_t)h->node_next;
		if (kernel_read_u64(h->kernel, base + (uint64_t)h->node_frame, &frame) ||
		    kernel_read_u64(h->kernel, base + (uint64_t)h->node_ret, &ip) ||
		    kernel_read_u64(h->kernel, node, &node))
			break;
		if (frame == slot && ip != h->rethook && kernel_is_text(h->kernel, ip)) {
			*ret_ip = ip;
			return 0;
		}
	}
	return -ENOENT;
}

uint64_t return_hooks_resolve(struct return_hooks *hooks, uint64_t task, uint64_t slot, uint64_t ip)
{
	uint64_t real = ip;

	if (!ip || !task)
		return ip;
	if (ip == hooks->graph)
		resolve_graph(hooks, task, slot, &real);
	else if (ip == hooks->rethook)
		resolve_rethook(hooks, task, slot, &real);
	return real;
}
