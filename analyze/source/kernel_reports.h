/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HOLDUP_SOURCE_KERNEL_REPORTS_H
#define HOLDUP_SOURCE_KERNEL_REPORTS_H

#include "snapshot.h"

/*
 * The kernel's own reports in its log: watchdogs, RCU, hung tasks, lockdep, oopses, the panic.
 * @text of @size bytes, one record per line, with the prefixes that consoles, syslog and dmesg add.
 * Reports come in the order of the text, in @arena; lines that belong to one report (its "CPU: 3
 * PID: 71 Comm: …" and "RIP: …" lines) complete it. One pass, linear in @size. 0 or -ENOMEM.
 */
int kernel_reports_parse(struct arena *arena, const char *text, size_t size,
			 struct report **ret_reports, uint32_t *ret_n);

/*
 * Does the message [@p, @end), without what is printed before it, begin a report? Then *@ret_report is
 * it, as far as this line tells, with strings in @arena, and 1 is returned; else 0 and it is
 * untouched; -ENOMEM.
 */
int kernel_report_line(struct arena *arena, const char *p, const char *end, uint64_t time_us,
		       struct report *ret_report);

/*
 * What the kernel died of, by its log: the panic's report, else the last oops or sysrq crash;
 * NULL when it does not speak of any.
 */
const struct report *kernel_reports_panic(const struct report *reports, uint32_t n);

/*
 * The message of one log line without what is printed before it: "<6>", "[   12.345678]",
 * "[T123]" or "[    C3]" (CONFIG_PRINTK_CALLER), a syslog date. *@ret_time_us is the printk clock,
 * SNAPSHOT_NO_TIME where the line has none. Returns the message's start in @line.
 */
const char *log_line_message(const char *line, const char *end, uint64_t *ret_time_us);

#endif
