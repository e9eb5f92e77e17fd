// SPDX-License-Identifier: GPL-2.0-or-later
#include "diagnose/primitives.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Everything but the spinlock and rwlock family, whose many spellings spin_family() takes apart.
 * Sorted by name for bsearch(); tests/unit/test_primitives.c checks the order.
 */
struct named_primitive {
	const char *name;
	struct primitive what;
};

#define P(n, k, a, w, s)                                                                 \
	{                                                                                \
		n, { LOCK_##k, PRIMITIVE_##a, w, s }                                     \
	}

static const struct named_primitive table[] = {
	P("__bio_wait", IO, WAIT, -1, true),
	P("__cancel_delayed_work_sync", WORKQUEUE, WAIT, -1, true),
	P("__cancel_work_sync", WORKQUEUE, WAIT, -1, true),
	P("__cancel_work_timer", WORKQUEUE, WAIT, -1, true),
	P("__cond_resched", UNKNOWN, SCHEDULE, -1, true),
	P("__const_udelay", UNKNOWN, SPIN_AID, -1, false),
	P("__cv_timedwait_common", WAITQUEUE, WAIT, -1, true),
	P("__cv_wait", WAITQUEUE, WAIT, -1, true),
	P("__cv_wait_common", WAITQUEUE, WAIT, -1, true),
	P("__cv_wait_io", WAITQUEUE, WAIT, -1, true),
	P("__cv_wait_sig", WAITQUEUE, WAIT, -1, true),
	P("__delay", UNKNOWN, SPIN_AID, -1, false),
	P("__down", SEMAPHORE, SLOWPATH, -1, true),
	P("__down_common", SEMAPHORE, SLOWPATH, -1, true),
	P("__down_failed", SEMAPHORE, SLOWPATH, -1, true),
	P("__down_interruptible", SEMAPHORE, SLOWPATH, -1, true),
	P("__down_killable", SEMAPHORE, SLOWPATH, -1, true),
	P("__down_read", RWSEM, SLOWPATH, 0, true),
	P("__down_read_common", RWSEM, SLOWPATH, 0, true),
	P("__down_timeout", SEMAPHORE, SLOWPATH, -1, true),
	P("__down_write", RWSEM, SLOWPATH, 1, true),
	P("__down_write_common", RWSEM, SLOWPATH, 1, true),
	P("__flush_work", WORKQUEUE, WAIT, -1, true),
	P("__flush_workqueue", WORKQUEUE, WAIT, -1, true),
	P("__folio_lock", IO, WAIT, -1, true),
	P("__folio_lock_killable", IO, WAIT, -1, true),
	P("__io_schedule", IO, WAIT, -1, true),
	P("__lock_page", IO, WAIT, -1, true),
	P("__lock_page_killable", IO, WAIT, -1, true),
	P("__lock_sock", WAITQUEUE, WAIT, -1, true),
	P("__lock_sock_fast", WAITQUEUE, WAIT, -1, true),
	P("__mutex_lock", MUTEX, SLOWPATH, -1, true),
	P("__mutex_lock_common", MUTEX, SLOWPATH, -1, true),
	P("__mutex_lock_interruptible_slowpath", MUTEX, SLOWPATH, -1, true),
	P("__mutex_lock_killable_slowpath", MUTEX, SLOWPATH, -1, true),
	P("__mutex_lock_slowpath", MUTEX, SLOWPATH, -1, true),
	P("__mutex_unlock_slowpath", MUTEX, RELEASE, -1, false),
	P("__percpu_down_read", PERCPU_RWSEM, SLOWPATH, 0, true),
	P("__percpu_up_read", PERCPU_RWSEM, RELEASE, 0, false),
	P("__rt_mutex_lock", RTMUTEX, SLOWPATH, -1, true),
	P("__rt_mutex_slowlock", RTMUTEX, SLOWPATH, -1, true),
	P("__rt_mutex_slowlock_locked", RTMUTEX, SLOWPATH, -1, true),
	P("__rwsem_down_read_failed_common", RWSEM, SLOWPATH, 0, true),
	P("__rwsem_down_write_failed_common", RWSEM, SLOWPATH, 1, true),
	P("__schedule", UNKNOWN, SCHEDULE, -1, true),
	P("__synchronize_srcu", RCU, WAIT, -1, true),
	P("__timer_delete_sync", WAITQUEUE, WAIT, -1, false),
	P("__udelay", UNKNOWN, SPIN_AID, -1, false),
	P("__up_read", RWSEM, RELEASE, 0, false),
	P("__up_write", RWSEM, RELEASE, 1, false),
	P("__wait_for_common", COMPLETION, WAIT, -1, true),
	P("__wait_on_bit", IO, WAIT, -1, true),
	P("__wait_on_bit_lock", IO, WAIT, -1, true),
	P("__wait_on_buffer", IO, WAIT, -1, true),
	P("__wait_rcu_gp", RCU, WAIT, -1, true),
	P("__ww_mutex_lock", MUTEX, SLOWPATH, -1, true),
	P("__ww_mutex_lock_interruptible_slowpath", MUTEX, SLOWPATH, -1, true),
	P("__ww_mutex_lock_slowpath", MUTEX, SLOWPATH, -1, true),
	P("_cond_resched", UNKNOWN, SCHEDULE, -1, true),
	P("_synchronize_rcu_expedited", RCU, WAIT, -1, true),
	P("bit_wait", IO, WAIT, -1, true),
	P("bit_wait_io", IO, WAIT, -1, true),
	P("bit_wait_timeout", IO, WAIT, -1, true),
	P("blk_mq_get_tag", IO, WAIT, -1, true),
	P("call_rwsem_down_read_failed", RWSEM, SLOWPATH, 0, true),
	P("call_rwsem_down_write_failed", RWSEM, SLOWPATH, 1, true),
	P("cancel_delayed_work_sync", WORKQUEUE, WAIT, -1, true),
	P("cancel_work_sync", WORKQUEUE, WAIT, -1, true),
	P("console_lock", SEMAPHORE, ACQUIRE, -1, true),
	P("context_switch", UNKNOWN, SCHEDULE, -1, true),
	P("cpu_relax", UNKNOWN, SPIN_AID, -1, false),
	P("csd_lock_wait", CSD, WAIT, -1, false),
	P("cv_wait_common", WAITQUEUE, WAIT, -1, true),
	P("del_timer_sync", WAITQUEUE, WAIT, -1, false),
	P("delay_halt", UNKNOWN, SPIN_AID, -1, false),
	P("delay_tsc", UNKNOWN, SPIN_AID, -1, false),
	P("do_wait_for_common", COMPLETION, WAIT, -1, true),
	P("down", SEMAPHORE, ACQUIRE, -1, true),
	P("down_interruptible", SEMAPHORE, ACQUIRE, -1, true),
	P("down_killable", SEMAPHORE, ACQUIRE, -1, true),
	P("down_read", RWSEM, ACQUIRE, 0, true),
	P("down_read_interruptible", RWSEM, ACQUIRE, 0, true),
	P("down_read_killable", RWSEM, ACQUIRE, 0, true),
	P("down_read_killable_nested", RWSEM, ACQUIRE, 0, true),
	P("down_read_nested", RWSEM, ACQUIRE, 0, true),
	P("down_read_non_owner", RWSEM, ACQUIRE, 0, true),
	P("down_read_trylock", RWSEM, TRYLOCK, 0, false),
	P("down_timeout", SEMAPHORE, ACQUIRE, -1, true),
	P("down_trylock", SEMAPHORE, TRYLOCK, -1, false),
	P("down_write", RWSEM, ACQUIRE, 1, true),
	P("down_write_killable", RWSEM, ACQUIRE, 1, true),
	P("down_write_killable_nested", RWSEM, ACQUIRE, 1, true),
	P("down_write_nested", RWSEM, ACQUIRE, 1, true),
	P("down_write_trylock", RWSEM, TRYLOCK, 1, false),
	P("drain_workqueue", WORKQUEUE, WAIT, -1, true),
	P("exp_funnel_lock", RCU, WAIT, -1, true),
	P("flush_delayed_work", WORKQUEUE, WAIT, -1, true),
	P("flush_work", WORKQUEUE, WAIT, -1, true),
	P("flush_workqueue", WORKQUEUE, WAIT, -1, true),
	P("folio_wait_bit", IO, WAIT, -1, true),
	P("folio_wait_bit_common", IO, WAIT, -1, true),
	P("folio_wait_writeback", IO, WAIT, -1, true),
	P("futex_wait_queue", FUTEX, WAIT, -1, true),
	P("futex_wait_queue_me", FUTEX, WAIT, -1, true),
	P("generic_exec_single", CSD, WAIT, -1, false),
	P("hrtimer_cancel", WAITQUEUE, WAIT, -1, false),
	P("hrtimer_cancel_wait_running", WAITQUEUE, WAIT, -1, false),
	P("hrtimer_try_to_cancel", WAITQUEUE, WAIT, -1, false),
	P("io_schedule", IO, WAIT, -1, true),
	P("io_schedule_timeout", IO, WAIT, -1, true),
	P("kthread_flush_work", WORKQUEUE, WAIT, -1, true),
	P("kthread_flush_worker", WORKQUEUE, WAIT, -1, true),
	P("kvm_wait", UNKNOWN, SPIN_AID, -1, false),
	P("lock_sock_nested", WAITQUEUE, WAIT, -1, true),
	P("msleep", UNKNOWN, SCHEDULE, -1, true),
	P("msleep_interruptible", UNKNOWN, SCHEDULE, -1, true),
	P("multi_cpu_stop", CSD, WAIT, -1, false),
	P("mutex_lock", MUTEX, ACQUIRE, -1, true),
	P("mutex_lock_interruptible", MUTEX, ACQUIRE, -1, true),
	P("mutex_lock_interruptible_nested", MUTEX, ACQUIRE, -1, true),
	P("mutex_lock_io", MUTEX, ACQUIRE, -1, true),
	P("mutex_lock_io_nested", MUTEX, ACQUIRE, -1, true),
	P("mutex_lock_killable", MUTEX, ACQUIRE, -1, true),
	P("mutex_lock_killable_nested", MUTEX, ACQUIRE, -1, true),
	P("mutex_lock_nested", MUTEX, ACQUIRE, -1, true),
	P("mutex_optimistic_spin", MUTEX, SLOWPATH, -1, false),
	P("mutex_spin_on_owner", MUTEX, SLOWPATH, -1, false),
	P("mutex_trylock", MUTEX, TRYLOCK, -1, false),
	P("mutex_unlock", MUTEX, RELEASE, -1, false),
	P("napi_disable", WAITQUEUE, WAIT, -1, true),
	P("native_safe_halt", UNKNOWN, SPIN_AID, -1, false),
	P("on_each_cpu", CSD, WAIT, -1, false),
	P("on_each_cpu_cond", CSD, WAIT, -1, false),
	P("on_each_cpu_cond_mask", CSD, WAIT, -1, false),
	P("on_each_cpu_mask", CSD, WAIT, -1, false),
	P("osq_lock", MUTEX, SLOWPATH, -1, false),
	P("out_of_line_wait_on_bit", IO, WAIT, -1, true),
	P("out_of_line_wait_on_bit_lock", IO, WAIT, -1, true),
	P("percpu_down_write", PERCPU_RWSEM, ACQUIRE, 1, true),
	P("percpu_rwsem_wait", PERCPU_RWSEM, SLOWPATH, -1, true),
	P("percpu_up_write", PERCPU_RWSEM, RELEASE, 1, false),
	P("preempt_schedule", UNKNOWN, SCHEDULE, -1, true),
	P("preempt_schedule_common", UNKNOWN, SCHEDULE, -1, true),
	P("preempt_schedule_irq", UNKNOWN, SCHEDULE, -1, true),
	P("pv_wait_head_or_lock", SPINLOCK, SLOWPATH, -1, false),
	P("pv_wait_node", SPINLOCK, SLOWPATH, -1, false),
	P("rcu_barrier", RCU, WAIT, -1, true),
	P("rcu_barrier_tasks", RCU, WAIT, -1, true),
	P("read_seqbegin", SEQCOUNT, ACQUIRE, 0, false),
	P("rep_nop", UNKNOWN, SPIN_AID, -1, false),
	P("rq_qos_wait", IO, WAIT, -1, true),
	P("rt_mutex_lock", RTMUTEX, ACQUIRE, -1, true),
	P("rt_mutex_lock_interruptible", RTMUTEX, ACQUIRE, -1, true),
	P("rt_mutex_lock_killable", RTMUTEX, ACQUIRE, -1, true),
	P("rt_mutex_lock_nested", RTMUTEX, ACQUIRE, -1, true),
	P("rt_mutex_schedule", UNKNOWN, SCHEDULE, -1, true),
	P("rt_mutex_slowlock", RTMUTEX, SLOWPATH, -1, true),
	P("rt_mutex_slowlock_block", RTMUTEX, SLOWPATH, -1, true),
	P("rt_mutex_trylock", RTMUTEX, TRYLOCK, -1, false),
	P("rt_mutex_unlock", RTMUTEX, RELEASE, -1, false),
	P("rt_mutex_wait_proxy_lock", RTMUTEX, SLOWPATH, -1, true),
	P("rt_read_lock", RWLOCK, ACQUIRE, 0, true),
	P("rt_spin_lock", SPINLOCK, ACQUIRE, -1, true),
	P("rt_spin_lock_slowlock", SPINLOCK, SLOWPATH, -1, true),
	P("rt_spin_lock_slowlock_locked", SPINLOCK, SLOWPATH, -1, true),
	P("rt_spin_unlock", SPINLOCK, RELEASE, -1, false),
	P("rt_write_lock", RWLOCK, ACQUIRE, 1, true),
	P("rtlock_slowlock", SPINLOCK, SLOWPATH, -1, true),
	P("rtlock_slowlock_locked", SPINLOCK, SLOWPATH, -1, true),
	P("rtnl_lock", MUTEX, ACQUIRE, -1, true),
	P("rtnl_lock_killable", MUTEX, ACQUIRE, -1, true),
	P("rtnl_trylock", MUTEX, TRYLOCK, -1, false),
	P("rtnl_unlock", MUTEX, RELEASE, -1, false),
	P("rwsem_down_read_failed", RWSEM, SLOWPATH, 0, true),
	P("rwsem_down_read_failed_killable", RWSEM, SLOWPATH, 0, true),
	P("rwsem_down_read_slowpath", RWSEM, SLOWPATH, 0, true),
	P("rwsem_down_write_failed", RWSEM, SLOWPATH, 1, true),
	P("rwsem_down_write_failed_killable", RWSEM, SLOWPATH, 1, true),
	P("rwsem_down_write_slowpath", RWSEM, SLOWPATH, 1, true),
	P("rwsem_optimistic_spin", RWSEM, SLOWPATH, -1, false),
	P("rwsem_spin_on_owner", RWSEM, SLOWPATH, -1, false),
	P("schedule", UNKNOWN, SCHEDULE, -1, true),
	P("schedule_hrtimeout", UNKNOWN, SCHEDULE, -1, true),
	P("schedule_hrtimeout_range", UNKNOWN, SCHEDULE, -1, true),
	P("schedule_hrtimeout_range_clock", UNKNOWN, SCHEDULE, -1, true),
	P("schedule_preempt_disabled", UNKNOWN, SCHEDULE, -1, true),
	P("schedule_rtlock", UNKNOWN, SCHEDULE, -1, true),
	P("schedule_timeout", UNKNOWN, SCHEDULE, -1, true),
	P("schedule_timeout_idle", UNKNOWN, SCHEDULE, -1, true),
	P("schedule_timeout_interruptible", UNKNOWN, SCHEDULE, -1, true),
	P("schedule_timeout_killable", UNKNOWN, SCHEDULE, -1, true),
	P("schedule_timeout_uninterruptible", UNKNOWN, SCHEDULE, -1, true),
	P("smp_call_function", CSD, WAIT, -1, false),
	P("smp_call_function_any", CSD, WAIT, -1, false),
	P("smp_call_function_many", CSD, WAIT, -1, false),
	P("smp_call_function_many_cond", CSD, WAIT, -1, false),
	P("smp_call_function_single", CSD, WAIT, -1, false),
	P("smp_call_on_cpu", CSD, WAIT, -1, true),
	P("stop_cpus", CSD, WAIT, -1, true),
	P("stop_machine", CSD, WAIT, -1, true),
	P("stop_machine_cpuslocked", CSD, WAIT, -1, true),
	P("stop_one_cpu", CSD, WAIT, -1, true),
	P("submit_bio_wait", IO, WAIT, -1, true),
	P("synchronize_irq", WAITQUEUE, WAIT, -1, true),
	P("synchronize_rcu", RCU, WAIT, -1, true),
	P("synchronize_rcu_bh", RCU, WAIT, -1, true),
	P("synchronize_rcu_expedited", RCU, WAIT, -1, true),
	P("synchronize_rcu_normal", RCU, WAIT, -1, true),
	P("synchronize_rcu_tasks", RCU, WAIT, -1, true),
	P("synchronize_sched", RCU, WAIT, -1, true),
	P("synchronize_sched_expedited", RCU, WAIT, -1, true),
	P("synchronize_srcu", RCU, WAIT, -1, true),
	P("synchronize_srcu_expedited", RCU, WAIT, -1, true),
	P("tasklet_unlock_wait", WAITQUEUE, WAIT, -1, true),
	P("timer_delete_sync", WAITQUEUE, WAIT, -1, false),
	P("timer_shutdown_sync", WAITQUEUE, WAIT, -1, false),
	P("try_to_del_timer_sync", WAITQUEUE, WAIT, -1, false),
	P("up", SEMAPHORE, RELEASE, -1, false),
	P("up_read", RWSEM, RELEASE, 0, false),
	P("up_write", RWSEM, RELEASE, 1, false),
	P("usleep_range", UNKNOWN, SCHEDULE, -1, true),
	P("usleep_range_state", UNKNOWN, SCHEDULE, -1, true),
	P("wait_for_common", COMPLETION, WAIT, -1, true),
	P("wait_for_completion", COMPLETION, WAIT, -1, true),
	P("wait_for_completion_interruptible", COMPLETION, WAIT, -1, true),
	P("wait_for_completion_interruptible_timeout", COMPLETION, WAIT, -1, true),
	P("wait_for_completion_io", COMPLETION, WAIT, -1, true),
	P("wait_for_completion_io_timeout", COMPLETION, WAIT, -1, true),
	P("wait_for_completion_killable", COMPLETION, WAIT, -1, true),
	P("wait_for_completion_state", COMPLETION, WAIT, -1, true),
	P("wait_for_completion_timeout", COMPLETION, WAIT, -1, true),
	P("wait_on_page_bit", IO, WAIT, -1, true),
	P("wait_on_page_bit_common", IO, WAIT, -1, true),
	P("wait_on_page_writeback", IO, WAIT, -1, true),
	P("wait_rcu_exp_gp", RCU, WAIT, -1, true),
	P("wait_rcu_gp", RCU, WAIT, -1, true),
	P("ww_mutex_lock", MUTEX, ACQUIRE, -1, true),
	P("ww_mutex_lock_interruptible", MUTEX, ACQUIRE, -1, true),
	P("ww_mutex_unlock", MUTEX, RELEASE, -1, false),
};

#undef P

size_t function_base_length(const char *function)
{
	size_t n = 0;

	/* A leading dot (ppc64's ".schedule") is part of the name's decoration as well. */
	while (function[n] && (n == 0 || function[n] != '.'))
		n++;
	return n;
}

bool function_same(const char *a, const char *b)
{
	size_t n, m;

	if (!a || !b)
		return false;
	n = function_base_length(a);
	m = function_base_length(b);
	return n == m && memcmp(a, b, n) == 0;
}

static bool name_is(const char *name, size_t n, const char *literal)
{
	return strlen(literal) == n && memcmp(name, literal, n) == 0;
}

static bool eat(const char **p, size_t *n, const char *prefix)
{
	size_t m = strlen(prefix);

	if (*n < m || memcmp(*p, prefix, m) != 0)
		return false;
	*p += m;
	*n -= m;
	return true;
}

static bool eat_any(const char **p, size_t *n, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (eat(p, n, *prefixes))
			return true;
	return false;
}

/*
 * spin_lock and rwlock functions of all eras: _spin_lock_bh and __write_lock_failed (2.6),
 * __ticket_spin_lock, do_raw_spin_lock, _raw_spin_lock_irqsave (2.6.33 on), queued_read_lock_slowpath
 * (3.16), native_queued_spin_lock_slowpath (4.2), raw_spin_rq_lock_nested (5.14).
 */
static bool spin_family(const char *p, size_t n, struct primitive *ret)
{
	static const char *const before[] = { "_",	"raw_",	   "do_raw_", "native_", "pv_",
					      "queued_", "ticket_", "debug_",  "arch_",	  "virt_", "rt_",
					      "xen_",	"paravirt_", NULL };
	static const char *const after[] = { "_rq",	  "_irqsave", "_irqrestore", "_irq",
					     "_bh",	  "_nested",  "_nest_lock",  "_flags",
					     "_interruptible", "_debug",  "_wait",	NULL };
	struct primitive prim = { .write = -1 };
	bool slow = false;

	while (eat_any(&p, &n, before))
		;
	if (eat(&p, &n, "bit_spin_"))
		prim.kind = LOCK_BIT_SPINLOCK;
	else if (eat(&p, &n, "spin_rq_") || eat(&p, &n, "spin_"))
		prim.kind = LOCK_SPINLOCK;
	else if (eat(&p, &n, "read_"))
		prim = (struct primitive){ .kind = LOCK_RWLOCK, .write = 0 };
	else if (eat(&p, &n, "write_"))
		prim = (struct primitive){ .kind = LOCK_RWLOCK, .write = 1 };
	else
		return false;
	if (eat(&p, &n, "trylock"))
		prim.act = PRIMITIVE_TRYLOCK;
	else if (eat(&p, &n, "unlock"))
		prim.act = PRIMITIVE_RELEASE;
	else if (eat(&p, &n, "lock"))
		prim.act = PRIMITIVE_ACQUIRE;
	else
		return false;
	for (;;) {
		if (eat(&p, &n, "_slowpath") || eat(&p, &n, "_failed"))
			slow = true;
		else if (!eat_any(&p, &n, after))
			break;
	}
	if (n)
		return false;
	if (slow && prim.act == PRIMITIVE_ACQUIRE)
		prim.act = PRIMITIVE_SLOWPATH;
	*ret = prim;
	return true;
}

static int named_compare(const void *key, const void *item)
{
	return strcmp(key, ((const struct named_primitive *)item)->name);
}

/* Locks taken by a helper that only wraps a spinlock; each spins in its caller's name. */
static const char *const spin_wrappers[] = {
	"_atomic_dec_and_lock", "_atomic_dec_and_lock_irqsave", "_atomic_dec_and_raw_lock",
	"_atomic_dec_and_raw_lock_irqsave", "__task_rq_lock", "task_rq_lock",
	"double_lock_balance", "__spin_lock_debug", "lock_hrtimer_base", "lock_timer_base",
	"lock_task_sighand", "__lock_task_sighand",
};

bool primitive_is_wrapper(const char *function)
{
	static const char *const calls[] = { "rtnl_lock", "rtnl_lock_killable", "console_lock",
					     "smp_call_function_many", "smp_call_function_many_cond",
					     "on_each_cpu", "on_each_cpu_mask", "on_each_cpu_cond",
					     "on_each_cpu_cond_mask", "smp_call_function" };

	for (size_t i = 0; i < sizeof(spin_wrappers) / sizeof(*spin_wrappers); i++)
		if (function_same(function, spin_wrappers[i]))
			return true;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (function_same(function, calls[i]))
			return true;
	return false;
}

bool primitive_find(const char *function, struct primitive *ret)
{
	const struct named_primitive *found;
	char name[64];
	size_t n;

	if (!function)
		return false;
	if (*function == '.')
		function++;
	n = function_base_length(function);
	if (n == 0 || n >= sizeof(name))
		return false;
	memcpy(name, function, n);
	name[n] = '\0';
	found = bsearch(name, table, sizeof(table) / sizeof(*table), sizeof(*table), named_compare);
	if (found) {
		*ret = found->what;
		return true;
	}
	for (size_t i = 0; i < sizeof(spin_wrappers) / sizeof(*spin_wrappers); i++)
		if (strcmp(name, spin_wrappers[i]) == 0) {
			*ret = (struct primitive){ LOCK_SPINLOCK, PRIMITIVE_ACQUIRE, -1, false };
			return true;
		}
	return spin_family(name, n, ret);
}

bool primitive_is_lock_call(const char *function)
{
	struct primitive p;

	return primitive_find(function, &p) &&
	       (p.act == PRIMITIVE_ACQUIRE || p.act == PRIMITIVE_TRYLOCK ||
		p.act == PRIMITIVE_RELEASE || p.act == PRIMITIVE_SLOWPATH);
}

size_t primitive_lock_calls(const char *const **ret_names)
{
	static const char *const names[] = {
		"_raw_spin_lock", "_raw_spin_lock_bh", "_raw_spin_lock_irq", "_raw_spin_lock_irqsave",
		"_raw_spin_lock_nested", "_raw_spin_lock_nest_lock", "_raw_spin_lock_irqsave_nested",
		"_raw_spin_lock_bh_nested", "_raw_spin_trylock", "_raw_spin_trylock_bh",
		"_raw_spin_unlock", "_raw_spin_unlock_bh", "_raw_spin_unlock_irq",
		"_raw_spin_unlock_irqrestore", "_raw_read_lock", "_raw_read_lock_bh",
		"_raw_read_lock_irq", "_raw_read_lock_irqsave", "_raw_read_trylock",
		"_raw_read_unlock", "_raw_read_unlock_bh", "_raw_read_unlock_irq",
		"_raw_read_unlock_irqrestore", "_raw_write_lock", "_raw_write_lock_bh",
		"_raw_write_lock_irq", "_raw_write_lock_irqsave", "_raw_write_lock_nested",
		"_raw_write_trylock", "_raw_write_unlock", "_raw_write_unlock_bh",
		"_raw_write_unlock_irq", "_raw_write_unlock_irqrestore", "raw_spin_rq_lock_nested",
		"raw_spin_rq_trylock", "raw_spin_rq_unlock", "rt_spin_lock", "rt_spin_unlock",
		"rt_read_lock", "rt_write_lock", "rt_read_unlock", "rt_write_unlock", "mutex_lock",
		"mutex_lock_nested", "mutex_lock_interruptible", "mutex_lock_interruptible_nested",
		"mutex_lock_killable", "mutex_lock_killable_nested", "mutex_lock_io", "mutex_trylock",
		"mutex_unlock", "ww_mutex_lock", "ww_mutex_lock_interruptible", "ww_mutex_unlock",
		"rt_mutex_lock", "rt_mutex_lock_interruptible", "rt_mutex_trylock", "rt_mutex_unlock",
		"down_read", "down_read_interruptible", "down_read_killable", "down_read_nested",
		"down_read_trylock", "up_read", "down_write", "down_write_killable",
		"down_write_nested", "down_write_trylock", "up_write", "down", "down_interruptible",
		"down_killable", "down_timeout", "down_trylock", "up", "percpu_down_write",
		"percpu_up_write", "__percpu_down_read",
	};

	*ret_names = names;
	return sizeof(names) / sizeof(*names);
}

bool function_is_instrumentation(const char *function)
{
	static const char *const prefixes[] = { "__sanitizer_cov_", "__asan_",	 "__kasan_", "kasan_",
						"__tsan_",	    "__msan_",	 "__kcsan_", "kcsan_",
						"check_memory_region", "lock_acquire", "lock_release",
						"__lock_acquire",   "lock_is_held", "trace_hardirqs_",
						"lockdep_",	    "__fentry__", "ftrace_",
						"write_comp_data",  "check_kcov_mode",
						"rcu_is_watching",  "debug_lockdep_", NULL };

	if (!function)
		return false;
	for (const char *const *p = prefixes; *p; p++)
		if (strncmp(function, *p, strlen(*p)) == 0)
			return true;
	return false;
}

bool function_is_crash_path(const char *function)
{
	static const char *const names[] = {
		"panic", "vpanic", "__crash_kexec", "crash_kexec", "machine_kexec", "crash_nmi_callback",
		"kdump_nmi_callback", "crash_setup_regs", "crash_save_cpu", "nmi_shootdown_cpus",
		"native_machine_crash_shutdown", "machine_crash_shutdown", "oops_end", "oops_begin",
		"die", "__die", "__die_body", "die_addr", "no_context", "page_fault_oops",
		"__bad_area_nosemaphore", "bad_area_nosemaphore", "kernelmode_fixup_or_oops",
		"show_stack", "dump_stack", "dump_stack_lvl", "dump_stack_print_info", "show_regs",
		"show_trace_log_lvl", "nmi_cpu_backtrace", "nmi_cpu_backtrace_handler",
		"nmi_trigger_cpumask_backtrace", "arch_trigger_cpumask_backtrace",
		"nmi_trigger_all_cpu_backtrace", "arch_trigger_all_cpu_backtrace", "nmi_raise_cpu_backtrace",
		"trigger_allbutself_cpu_backtrace", "trigger_all_cpu_backtrace",
		"trigger_single_cpu_backtrace", "rcu_dump_cpu_stacks", "nmi_panic", "nmi_handle",
		"default_do_nmi", "do_nmi", "exc_nmi", "asm_exc_nmi", "nmi", "end_repeat_nmi",
		"notify_die", "notifier_call_chain", "atomic_notifier_call_chain",
		"__atomic_notifier_call_chain", "watchdog_timer_fn", "watchdog_overflow_callback",
		"watchdog_hardlockup_check", "is_hardlockup", "unknown_nmi_error", "sysrq_handle_crash",
		"__handle_sysrq", "handle_sysrq", "write_sysrq_trigger", "check_hung_uninterruptible_tasks",
		"check_hung_task", "dump_cpu_task", "sched_show_task", "print_other_cpu_stall",
		"print_cpu_stall", "check_cpu_stall", "panic_on_rcu_stall", "rcu_sched_clock_irq",
		"native_stop_other_cpus", "relocate_kernel", "crash_stop_this_cpu", "perf_event_nmi_handler",
		"softlockup_fn", "emergency_restart", "panic_smp_self_stop",
		"stop_this_cpu", "smp_stop_nmi_callback", "smp_reboot_interrupt", "local_cpu_stop",
		"ipi_cpu_stop", "ipi_cpu_crash_stop",
		"nmi_panic_self_stop", "native_machine_emergency_restart",
	};
	size_t n;

	if (!function)
		return false;
	n = function_base_length(function);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (name_is(function, n, names[i]))
			return true;
	return false;
}

bool function_is_entry(const char *function)
{
	static const char *const names[] = {
		"common_interrupt", "asm_common_interrupt", "ret_from_intr", "do_IRQ", "handle_irq",
		"apic_timer_interrupt", "smp_apic_timer_interrupt", "hyperv_stimer0_callback_vector",
		"call_function_interrupt", "call_function_single_interrupt", "reschedule_interrupt",
		"entry_SYSCALL_64_after_hwframe", "entry_SYSCALL_64_fastpath", "entry_SYSCALL_64",
		"do_syscall_64", "x64_sys_call", "system_call_fastpath", "ret_from_fork",
		"ret_from_fork_asm", "kernel_thread_helper", "child_rip", "call_softirq",
		"do_softirq_own_stack", "asm_call_irq_on_stack", "asm_call_on_stack", "run_on_irqstack",
		"el1_irq", "el1h_64_irq", "el1h_64_irq_handler", "el0_svc", "el0t_64_sync",
		"common_interrupt_return", "swapgs_restore_regs_and_return_to_usermode",
		"restore_regs_and_return_to_kernel", "native_irq_return_iret", "restore_args",
		"error_entry", "error_exit", "page_fault", "retint_kernel", "irq_exit", "irq_exit_rcu",
		"__irq_exit_rcu", "irq_enter", "do_softirq", "asm_load_gs_index",
	};
	size_t n;

	if (!function)
		return false;
	if (strncmp(function, "asm_sysvec_", 11) == 0 || strncmp(function, "sysvec_", 7) == 0 ||
	    strncmp(function, "__sysvec_", 9) == 0 || strncmp(function, "asm_exc_", 8) == 0 ||
	    strncmp(function, "exc_", 4) == 0 || strncmp(function, "entry_", 6) == 0)
		return true;
	n = function_base_length(function);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (name_is(function, n, names[i]))
			return true;
	return false;
}

bool function_is_idle(const char *function)
{
	static const char *const names[] = {
		"native_safe_halt", "default_idle", "default_idle_call", "do_idle", "cpu_startup_entry",
		"cpuidle_enter", "cpuidle_enter_state", "cpuidle_idle_call", "intel_idle",
		"acpi_idle_enter", "acpi_idle_do_entry", "acpi_safe_halt", "mwait_idle", "cpu_idle",
		"arch_cpu_idle", "rest_init", "start_secondary", "cpu_idle_loop", "poll_idle",
		"pv_native_safe_halt", "amd_e400_idle", "haltpoll_enter", "mwait_idle_with_hints",
		"acpi_processor_ffh_cstate_enter", "cpuidle_enter_s2idle", "intel_idle_irq",
	};
	size_t n;

	if (!function)
		return false;
	n = function_base_length(function);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (name_is(function, n, names[i]))
			return true;
	return false;
}

bool function_is_generic(const char *function)
{
	static const char *const names[] = {
		"__do_softirq", "handle_softirqs", "do_softirq", "__softirqentry_text_start",
		"run_ksoftirqd", "smpboot_thread_fn", "kthread", "worker_thread", "process_one_work",
		"process_scheduled_works", "kthread_worker_fn", "call_timer_fn", "expire_timers",
		"__run_timers", "run_timer_softirq", "run_timer_base", "timer_expire_remote",
		"__hrtimer_run_queues", "hrtimer_interrupt", "hrtimer_run_softirq",
		"hrtimer_run_queues", "local_apic_timer_interrupt", "tasklet_action",
		"tasklet_action_common", "tasklet_hi_action", "net_rx_action", "__napi_poll",
		"net_tx_action", "rcu_core", "rcu_core_si", "rcu_do_batch", "rcu_process_callbacks",
		"__handle_irq_event_percpu", "handle_irq_event_percpu", "handle_irq_event",
		"handle_edge_irq", "handle_fasteoi_irq", "handle_level_irq", "handle_percpu_devid_irq",
		"generic_handle_irq", "__handle_domain_irq", "irq_thread", "irq_thread_fn",
		"flush_smp_call_function_queue", "__flush_smp_call_function_queue",
		"generic_smp_call_function_single_interrupt", "generic_smp_call_function_interrupt",
		"smp_call_function_single_interrupt", "smp_call_function_interrupt",
		"cpu_stopper_thread", "tick_sched_timer", "tick_nohz_handler", "task_work_run",
		"tick_sched_handle", "tick_sched_do_timer", "tick_program_event",
		"clockevents_program_event", "lapic_next_event", "lapic_next_deadline",
		"hrtimer_update_next_event", "__hrtimer_get_next_event", "__hrtimer_next_event_base",
		"hrtimer_forward", "enqueue_hrtimer", "__remove_hrtimer", "timerqueue_add",
		"timerqueue_del", "update_process_times", "account_process_tick", "scheduler_tick",
		"sched_tick", "task_tick_fair", "update_wall_time", "timekeeping_advance",
		"irqtime_account_irq", "perf_event_task_tick",
		"exit_to_user_mode_loop", "exit_to_user_mode_prepare", "syscall_exit_to_user_mode",
		"__switch_to", "__switch_to_asm", "__local_bh_enable_ip", "local_bh_enable", "_local_bh_enable", "__local_bh_enable",
	};
	size_t n;

	if (!function)
		return false;
	if (function_is_entry(function) || function_is_crash_path(function) ||
	    function_is_idle(function))
		return true;
	n = function_base_length(function);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (name_is(function, n, names[i]))
			return true;
	return false;
}

uint32_t context_innermost(const struct stack *stack, uint32_t frame)
{
	/* An interrupted frame is the innermost of its context. */
	while (frame > 0 && !stack->frames[frame].interrupted)
		frame--;
	return frame;
}

uint32_t context_outermost(const struct stack *stack, uint32_t frame)
{
	while (frame + 1 < stack->n && !stack->frames[frame + 1].interrupted)
		frame++;
	return frame;
}

/* What functions that only poll call on each round; see polls_at(). */
static bool function_is_poll_aid(const char *function)
{
	static const char *const names[] = {
		"stop_machine_yield", "rcu_momentary_eqs", "rcu_momentary_dyntick_idle",
		"touch_nmi_watchdog", "lock_timer_base", "__try_to_del_timer_sync",
		"hrtimer_try_to_cancel", "hrtimer_active", "lock_hrtimer_base",
	};
	size_t n;

	if (!function)
		return false;
	n = function_base_length(function);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (name_is(function, n, names[i]))
			return true;
	return false;
}

/*
 * A wait that polls (del_timer_sync(), multi_cpu_stop()) may be met in whatever it calls to look:
 * locks that it takes and drops again on each round say nothing.
 */
static bool polls_at(const struct stack *stack, uint32_t first, uint32_t last, struct wait *ret)
{
	for (uint32_t i = first; i <= last && stack->frames[i].reliable; i++) {
		const char *function = stack->frames[i].function;
		struct primitive p = { .act = PRIMITIVE_SPIN_AID };
		bool known = primitive_find(function, &p);

		if (known && p.act == PRIMITIVE_WAIT && !p.sleeps && i > first) {
			struct primitive outer;

			while (i < last && primitive_find(stack->frames[i + 1].function, &outer) &&
			       outer.act == PRIMITIVE_WAIT && outer.kind == p.kind)
				i++;
			*ret = (struct wait){ .lock = SNAPSHOT_NONE, .write = -1, .queue_pos = -1,
					      .waited_ns = SNAPSHOT_NO_TIME, .slow = true,
					      .frame = i, .kind = p.kind };
			return true;
		}
		if (!function_is_poll_aid(function) &&
		    (!known || p.act == PRIMITIVE_WAIT || p.act == PRIMITIVE_SCHEDULE || p.sleeps))
			return false;
	}
	return false;
}

/*
 * The wait whose innermost frame is @first, with nothing but the primitive and its helpers up to
 * the outermost frame of it. A bare schedule() is no wait for anything that has a name here.
 */
static bool wait_at(const struct stack *stack, uint32_t first, uint32_t last, struct wait *ret)
{
	struct wait wait = { .lock = SNAPSHOT_NONE, .write = -1, .queue_pos = -1,
			     .waited_ns = SNAPSHOT_NO_TIME };
	bool found = false, passed = false, polls = false;

	for (uint32_t i = first; i <= last; i++) {
		const struct frame *frame = &stack->frames[i];
		struct primitive p;

		if (!frame->reliable && !frame->interrupted && i != first)
			continue;
		/* What debugging options have every function call is no work of its own. */
		if (!found && function_is_instrumentation(frame->function)) {
			passed = true;
			continue;
		}
		if (!primitive_find(frame->function, &p) || p.act == PRIMITIVE_RELEASE ||
		    p.act == PRIMITIVE_TRYLOCK)
			break;
		if (p.act == PRIMITIVE_SCHEDULE || p.act == PRIMITIVE_SPIN_AID) {
			if (found)
				break;
			wait.slow |= p.act == PRIMITIVE_SCHEDULE;
			continue;
		}
		/* A spinlock inside a rwlock's slow path is the queue of that rwlock. */
		if (found && wait.kind == LOCK_SPINLOCK && p.kind == LOCK_RWLOCK)
			wait.queued_behind = true;
		/* Inside a sleeping lock's function a spin on its own wait_lock is passing by. */
		found = true;
		wait.kind = p.kind;
		wait.frame = i;
		wait.slow |= p.act != PRIMITIVE_ACQUIRE;
		polls |= !p.sleeps && p.act != PRIMITIVE_ACQUIRE;
		if (p.write >= 0)
			wait.write = p.write;
		else if (p.kind != LOCK_RWSEM)
			wait.write = -1;
	}
	/*
	 * On its way into an acquire it has not met the lock yet; a loop that polls, or spins in a slow
	 * path, is as likely to be met in what it calls.
	 */
	if (passed && !polls)
		return false;
	if (found)
		*ret = wait;
	return found;
}

int waits_find(struct arena *arena, const struct stack *stack, struct wait **ret_waits,
	       uint32_t *ret_n)
{
	struct wait *waits = NULL;
	uint32_t n = 0;

	for (uint32_t first = 0; first < stack->n;) {
		uint32_t last = context_outermost(stack, first);
		struct wait wait;

		if (polls_at(stack, first, last, &wait) || wait_at(stack, first, last, &wait)) {
			struct wait *item = ARENA_APPEND(arena, waits, n);

			if (!item)
				return -ENOMEM;
			*item = wait;
		}
		first = last + 1;
	}
	*ret_waits = waits;
	*ret_n = n;
	return 0;
}

uint32_t wait_caller(const struct stack *stack, const struct wait *wait)
{
	if (wait->inlined)
		return wait->frame;
	for (uint32_t i = wait->frame + 1; i < stack->n; i++) {
		if (stack->frames[i].interrupted)
			break;
		if (stack->frames[i].reliable && stack->frames[i].function)
			return i;
	}
	return SNAPSHOT_NONE;
}
