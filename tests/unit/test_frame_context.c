// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/frame_context.h"

/*
 * One stack as text, innermost first: "function context" per line, '!' before a function that was
 * interrupted. @last is the stack that the outermost frame is on.
 */
static void check(const char *text, enum stack_kind last)
{
	static const char *const names[] = { "task", "softirq", "irq", "nmi", "exception" };
	struct frame frames[32] = { 0 };
	char function[32][64], context[32][16];
	uint8_t classes[32] = { 0 };
	uint32_t n = 0;

	for (const char *p = text; *p; p = strchr(p, '\n') + 1) {
		assert_int_equal(sscanf(p, "%63s %15s", function[n], context[n]), 2);
		frames[n].interrupted = function[n][0] == '!';
		classes[n] = entry_class_of(function[n] + frames[n].interrupted);
		n++;
	}
	frame_contexts_assign(frames, classes, n, last);
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(names[frames[i].context], context[i]) != 0)
			fail_msg("%s: %s, not %s", function[i], names[frames[i].context],
				 context[i]);
	}
}

static void test_task(void **state)
{
	check("!_raw_spin_lock task\nset_add task\nksys_write task\ndo_syscall_64 task\n"
	      "entry_SYSCALL_64_after_hwframe task\n", STACK_TASK);
	check("!do_exit task\n", STACK_TASK);
	frame_contexts_assign(NULL, NULL, 0, STACK_TASK);
}

static void test_ksoftirqd(void **state)
{
	check("!set_rx softirq\ntasklet_action_common.constprop.0 softirq\nhandle_softirqs softirq\n"
	      "run_ksoftirqd task\nsmpboot_thread_fn task\nkthread task\nret_from_fork task\n",
	      STACK_TASK);
	check("!set_rx softirq\n__do_softirq softirq\nrun_ksoftirqd task\n", STACK_TASK);
}

static void test_softirq_after_irq(void **state)
{
	check("!_raw_spin_lock softirq\nstat_timer_fn softirq\nrun_timer_softirq softirq\n"
	      "handle_softirqs softirq\n__irq_exit_rcu irq\nsysvec_apic_timer_interrupt irq\n"
	      "asm_sysvec_apic_timer_interrupt irq\n!stat_update task\nkthread task\n", STACK_TASK);
	/* From local_bh_enable(). */
	check("!set_rx softirq\n__do_softirq softirq\ndo_softirq task\n__local_bh_enable_ip task\n"
	      "set_add task\n", STACK_TASK);
}

static void test_irq_in_softirq(void **state)
{
	check("!panic irq\nwatchdog_timer_fn.cold irq\nhrtimer_interrupt irq\n"
	      "sysvec_apic_timer_interrupt irq\nasm_sysvec_apic_timer_interrupt irq\n"
	      "!set_rx softirq\nhandle_softirqs softirq\nirq_exit_rcu irq\ncommon_interrupt irq\n"
	      "asm_common_interrupt irq\n!do_idle task\n", STACK_TASK);
}

/* The way out of an interrupt may schedule: that is the task again, or the softirq below. */
static void test_preempted(void **state)
{
	check("__schedule task\npreempt_schedule_irq task\nirqentry_exit_cond_resched task\n"
	      "irqentry_exit task\nasm_sysvec_apic_timer_interrupt irq\n!busy_loop task\n",
	      STACK_TASK);
	check("__schedule task\nexit_to_user_mode_prepare task\nirqentry_exit_to_user_mode task\n"
	      "asm_sysvec_reschedule_ipi irq\n", STACK_TASK);
}

static void test_exceptions_and_nmi(void **state)
{
	check("!crash_nmi_callback nmi\nnmi_handle nmi\ndefault_do_nmi nmi\nexc_nmi nmi\n"
	      "end_repeat_nmi nmi\n!handle_mm_fault exception\ndo_user_addr_fault exception\n"
	      "exc_page_fault exception\nasm_exc_page_fault exception\n!copy_from_user task\n",
	      STACK_TASK);
	/* An interrupt while an exception is handled, then the exception goes on. */
	check("!tick irq\nsysvec_apic_timer_interrupt irq\nasm_sysvec_apic_timer_interrupt irq\n"
	      "!handle_mm_fault exception\nasm_exc_page_fault exception\n!memcpy task\n",
	      STACK_TASK);
}

static void test_older_names(void **state)
{
	check("!handler irq\ndo_IRQ irq\nret_from_intr irq\n!loop task\n", STACK_TASK);
	check("!tick irq\nsmp_apic_timer_interrupt irq\napic_timer_interrupt irq\n!loop task\n",
	      STACK_TASK);
	check("!fixup exception\ndo_page_fault exception\npage_fault exception\n!loop task\n",
	      STACK_TASK);
	check("!watch nmi\ndo_nmi nmi\nnmi nmi\n!loop task\n", STACK_TASK);
}

/* The unwind broke off before the entry function: the stack it was on tells. */
static void test_broken_off(void **state)
{
	check("!panic irq\nhrtimer_interrupt irq\n", STACK_IRQ);
	check("!default_do_nmi nmi\n", STACK_NMI);
	check("!df exception\n", STACK_DF);
	check("!rx softirq\nhandle_softirqs softirq\n__irq_exit_rcu irq\n", STACK_IRQ);
}

static void test_not_entries(void **state)
{
	static const char *const names[] = { "nmi_handle", "do_idle", "exception_table", "softirq",
					     "common_interrupt_return", "my_asm_exc_nmi", "",
					     "debug_show_all_locks", "irq_exit_rcu" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(entry_class_of(names[i]), ENTRY_NONE);
	assert_int_equal(entry_class_of(NULL), ENTRY_NONE);
	assert_int_equal(entry_class_of("__do_softirq.isra.0"), ENTRY_SOFTIRQ);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_task),
		cmocka_unit_test(test_ksoftirqd),
		cmocka_unit_test(test_softirq_after_irq),
		cmocka_unit_test(test_irq_in_softirq),
		cmocka_unit_test(test_preempted),
		cmocka_unit_test(test_exceptions_and_nmi),
		cmocka_unit_test(test_older_names),
		cmocka_unit_test(test_broken_off),
		cmocka_unit_test(test_not_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
