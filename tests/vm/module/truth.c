// SPDX-License-Identifier: GPL-2.0-only
/* Who holds, waits or loops, written to the second serial port by port I/O alone. */
#include <linux/bitops.h>
#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/smp.h>

#include "lab.h"

#define TRUTH_PORT 0x2f8
#define TRUTH_LSR (TRUTH_PORT + 5)
#define TRUTH_LSR_THRE 0x20
#define TRUTH_POLLS 100000
#define TRUTH_LINE 240

static unsigned long truth_busy;

static void truth_putc(char c)
{
	int polls = TRUTH_POLLS;

	while (--polls && !(inb(TRUTH_LSR) & TRUTH_LSR_THRE))
		cpu_relax();
	outb(c, TRUTH_PORT);
}

static const char *truth_context(void)
{
	if (hardirq_count())
		return "irq";
	if (in_serving_softirq())
		return "softirq";
	return "task";
}

LAB_FN void lab_truth(const char *role, const char *function, const char *lock, const void *address)
{
	char line[TRUTH_LINE];
	unsigned long flags;
	int len, i;

	/* A bit, not a spinlock: the port must not look like a lock of the scenario. */
	local_irq_save(flags);
	while (test_and_set_bit_lock(0, &truth_busy))
		cpu_relax();
	len = scnprintf(line, sizeof(line),
			"HOLDUP-TRUTH role=%s cpu=%u pid=%d comm=%s function=%s lock=%s address=%px context=%s\n",
			role, smp_processor_id(), current->pid, current->comm, function, lock,
			address, truth_context());
	for (i = 0; i < len; i++)
		truth_putc(line[i]);
	clear_bit_unlock(0, &truth_busy);
	local_irq_restore(flags);
}

void lab_truth_holder(unsigned int gate, const char *function, const char *lock,
		      const void *address)
{
	lab_truth("holder", function, lock, address);
	lab_gate_open(gate);
}
