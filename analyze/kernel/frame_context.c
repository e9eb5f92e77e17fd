// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/frame_context.h"

#include <stdbool.h>
#include <string.h>

struct entry_name {
	const char *name; /* ends in '*': a prefix; begins with '*': a suffix */
	enum entry_class class;
};

/* The first that fits counts. */
static const struct entry_name entry_names[] = {
	{ "asm_exc_nmi*", ENTRY_NMI },
	{ "exc_nmi*", ENTRY_NMI },
	{ "end_repeat_nmi", ENTRY_NMI },
	{ "first_nmi", ENTRY_NMI },
	{ "repeat_nmi", ENTRY_NMI },
	{ "nested_nmi*", ENTRY_NMI },
	{ "nmi_restore", ENTRY_NMI },
	{ "nmi", ENTRY_NMI },
	{ "do_nmi", ENTRY_NMI },
	{ "fred_exc_nmi", ENTRY_NMI },
	{ "asm_exc_xen_hypervisor_callback", ENTRY_IRQ },
	{ "exc_xen_hypervisor_callback", ENTRY_IRQ },
	{ "xen_pv_evtchn_do_upcall", ENTRY_IRQ },
	{ "xen_evtchn_do_upcall", ENTRY_IRQ },
	{ "asm_exc_*", ENTRY_EXCEPTION },
	{ "exc_*", ENTRY_EXCEPTION },
	{ "fred_exc*", ENTRY_EXCEPTION },
	{ "asm_sysvec_*", ENTRY_IRQ },
	{ "sysvec_*", ENTRY_IRQ },
	{ "__sysvec_*", ENTRY_IRQ },
	{ "fred_sysvec_*", ENTRY_IRQ },
	{ "fred_extint", ENTRY_IRQ },
	{ "asm_common_interrupt", ENTRY_IRQ },
	{ "common_interrupt", ENTRY_IRQ },
	{ "__common_interrupt", ENTRY_IRQ },
	{ "asm_spurious_interrupt", ENTRY_IRQ },
	{ "spurious_interrupt", ENTRY_IRQ },
	{ "handle_softirqs", ENTRY_SOFTIRQ },
	{ "__do_softirq", ENTRY_SOFTIRQ },
	{ "irqentry_exit*", ENTRY_EXIT },
	{ "raw_irqentry_exit_cond_resched", ENTRY_EXIT },
	{ "preempt_schedule_irq", ENTRY_EXIT },
	{ "exit_to_user_mode_prepare", ENTRY_EXIT },
	{ "exit_to_user_mode_loop", ENTRY_EXIT },
	/* Before 5.8 (the entry code was assembly) */
	{ "prepare_exit_to_usermode", ENTRY_EXIT },
	{ "exit_to_usermode_loop", ENTRY_EXIT },
	{ "retint_user", ENTRY_EXIT },
	{ "retint_kernel", ENTRY_EXIT },
	{ "do_IRQ", ENTRY_IRQ },
	{ "ret_from_intr", ENTRY_IRQ },
	{ "interrupt_entry", ENTRY_IRQ },
	{ "apic_timer_interrupt", ENTRY_IRQ },
	{ "reschedule_interrupt", ENTRY_IRQ },
	{ "call_function_interrupt", ENTRY_IRQ },
	{ "call_function_single_interrupt", ENTRY_IRQ },
	{ "irq_work_interrupt", ENTRY_IRQ },
	{ "hyperv_callback_vector", ENTRY_IRQ },
	{ "hv_stimer0_callback_vector", ENTRY_IRQ },
	{ "xen_hvm_callback_vector", ENTRY_IRQ },
	/* i386 */
	{ "nmi_stack_*", ENTRY_NMI },
	{ "error_code", ENTRY_EXCEPTION },
	/* arm64, arm, ppc64 */
	{ "el1_irq", ENTRY_IRQ },
	{ "el1h_64_irq*", ENTRY_IRQ },
	{ "el1_interrupt", ENTRY_IRQ },
	{ "el0_irq*", ENTRY_IRQ },
	{ "el0t_64_irq*", ENTRY_IRQ },
	{ "gic_handle_irq", ENTRY_IRQ },
	{ "__irq_svc", ENTRY_IRQ },
	{ "__irq_usr", ENTRY_IRQ },
	{ "hardware_interrupt_common*", ENTRY_IRQ },
	{ "decrementer_common*", ENTRY_IRQ },
	{ "doorbell_super_common*", ENTRY_IRQ },
	{ "page_fault", ENTRY_EXCEPTION },
	{ "async_page_fault", ENTRY_EXCEPTION },
	{ "general_protection", ENTRY_EXCEPTION },
	{ "double_fault", ENTRY_EXCEPTION },
	{ "invalid_op", ENTRY_EXCEPTION },
	{ "divide_error", ENTRY_EXCEPTION },
	{ "machine_check", ENTRY_EXCEPTION },
	{ "stack_segment", ENTRY_EXCEPTION },
	{ "debug", ENTRY_EXCEPTION },
	{ "int3", ENTRY_EXCEPTION },
};

static bool name_fits(const char *pattern, const char *name, size_t length)
{
	size_t n = strlen(pattern);

	if (pattern[n - 1] == '*')
		return length >= n - 1 && memcmp(pattern, name, n - 1) == 0;
	return length == n && memcmp(pattern, name, n) == 0;
}

enum entry_class entry_class_of(const char *function)
{
	size_t length;

	if (!function)
		return ENTRY_NONE;
	length = strcspn(function, ".");
	for (size_t i = 0; i < sizeof(entry_names) / sizeof(entry_names[0]); i++)
		if (name_fits(entry_names[i].name, function, length))
			return entry_names[i].class;
	return ENTRY_NONE;
}

/* What a stack is for; it matters only where the unwind ended before the entry function. */
static enum frame_context context_of_stack(enum stack_kind stack)
{
	switch (stack) {
	case STACK_NMI:
		return CONTEXT_NMI;
	case STACK_DF:
	case STACK_DB:
	case STACK_MCE:
	case STACK_VC:
	case STACK_VC2:
		return CONTEXT_EXCEPTION;
	case STACK_IRQ:
		return CONTEXT_IRQ;
	default:
		return CONTEXT_TASK;
	}
}

void frame_contexts_assign(struct frame *frames, const uint8_t *classes, uint32_t n,
			   enum stack_kind outermost)
{
	enum frame_context context = n ? context_of_stack(outermost) : CONTEXT_TASK;
	enum frame_context outer = context;
	bool inside = false; /* already in the entry that the last entry function began */

	for (uint32_t i = n; i-- > 0;) {
		switch (classes[i]) {
		case ENTRY_EXIT:
			context = outer;
			inside = false;
			break;
		case ENTRY_SOFTIRQ:
			context = CONTEXT_SOFTIRQ;
			inside = false;
			break;
		case ENTRY_IRQ:
		case ENTRY_NMI:
		case ENTRY_EXCEPTION:
			/* asm_x calls x: one entry. A new one interrupts, so its caller says so. */
			if (!inside || (i + 1 < n && frames[i + 1].interrupted))
				outer = context;
			inside = true;
			context = classes[i] == ENTRY_IRQ   ? CONTEXT_IRQ
				  : classes[i] == ENTRY_NMI ? CONTEXT_NMI
							    : CONTEXT_EXCEPTION;
			break;
		}
		frames[i].context = context;
	}
}
