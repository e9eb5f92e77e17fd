// SPDX-License-Identifier: GPL-2.0-only
/* Test module of the VM tests: the parameter says which of the subsystems' paths to run. */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "more.h"

static int scenario;
module_param(scenario, int, 0444);
MODULE_PARM_DESC(scenario, "number of the path to run");

/*
 * Long enough for insmod to return, and for the boot's last clocksource switch (to the refined TSC,
 * a second after the initcalls): it stops the machine, and a CPU that is already locked up would
 * leave all others in multi_cpu_stop().
 */
static unsigned int delay_ms = 2500;
module_param(delay_ms, uint, 0444);
MODULE_PARM_DESC(delay_ms, "milliseconds between insmod and the start");

static int (*const lab_starters[])(void) = {
	[1] = labset_start_expire,     [2] = labpool_start_shrink, [3] = labstat_start_timer,
	[4] = labset_start_dump,       [5] = labpool_start_resize, [6] = labnet_start_route,
	[7] = labnet_start_port,       [8] = labcfg_start_apply,   [9] = labtree_start_lookup,
	[10] = labpool_start_register, [11] = labdev_start_drain,  [12] = labdev_start_scan,
	[13] = labtab_start_walk,      [14] = labset_start_flush,  [15] = labpool_start_traffic,
	[16] = labnode_start_visit,    [17] = labwork_start_drain, [18] = labcrowd_start_jobs,
};

static unsigned int lab_gates[LAB_GATES];

void lab_gate_open(unsigned int gate)
{
	smp_store_release(&lab_gates[gate], 1);
}

bool lab_gate_is_open(unsigned int gate)
{
	return smp_load_acquire(&lab_gates[gate]);
}

void lab_gate_wait(unsigned int gate)
{
	while (!lab_gate_is_open(gate))
		usleep_range(1000, 2000);
	usleep_range(30000, 40000);
}

void lab_rendezvous(atomic_t *count, int want)
{
	atomic_inc(count);
	while (atomic_read(count) < want)
		cpu_relax();
}

void lab_timer_start(struct timer_list *timer, unsigned int cpu, unsigned int ms)
{
	timer->expires = jiffies + msecs_to_jiffies(ms);
	add_timer_on(timer, cpu);
}

struct lab_thread {
	int (*fn)(void *data);
	void *data;
};

static int lab_thread_run(void *arg)
{
	struct lab_thread thread = *(struct lab_thread *)arg;
	int r;

	kfree(arg);
	msleep(delay_ms);
	r = thread.fn(thread.data);
	return r;
}

int lab_thread_start(int (*fn)(void *data), void *data, unsigned int cpu, const char *name)
{
	struct lab_thread *thread;
	struct task_struct *task;

	if (cpu >= nr_cpu_ids || !cpu_online(cpu))
		return -ENODEV;
	thread = kmalloc(sizeof(*thread), GFP_KERNEL);
	if (!thread)
		return -ENOMEM;
	thread->fn = fn;
	thread->data = data;
	task = kthread_create(lab_thread_run, thread, "%s/%u", name, cpu);
	if (IS_ERR(task)) {
		kfree(thread);
		return PTR_ERR(task);
	}
	kthread_bind(task, cpu);
	wake_up_process(task);
	return 0;
}

static int __init lab_init(void)
{
	int r;

	if (scenario >= LAB_MORE_FIRST)
		return lab_more_start(scenario);
	if (scenario <= 0 || scenario >= (int)ARRAY_SIZE(lab_starters) || !lab_starters[scenario])
		return -EINVAL;
	r = labcrowd_ballast();
	return r ? r : lab_starters[scenario]();
}
module_init(lab_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Kernel locking exercise");
