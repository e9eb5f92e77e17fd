// SPDX-License-Identifier: GPL-2.0-only
/* Sleeping locks, chains of them, and mixtures with spinlocks. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/mutex.h>
#include <linux/percpu-rwsem.h>
#include <linux/rtmutex.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/semaphore.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <uapi/linux/sched/types.h>

#include "more.h"

#define GATE_HELD 0 /* the last one of the chain has its lock */
#define GATE_NEXT 1 /* … and the one before it */

static LAB_FN long labio_wait(const char *lock, const void *address, unsigned int gate)
{
	long left;

	lab_truth_holder(gate, "labio_wait", lock, address);
	left = schedule_timeout_uninterruptible(3600 * HZ);
	return left;
}

/* ---- 41: a mutex's owner runs on and on, the others spin for it before they sleep ---- */

struct labindex {
	u32 keys;
	u32 sorted;
	struct mutex mutex; /* protects keys */
};

static LAB_FN u32 labindex_sort(struct labindex *index)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labindex_sort", "labindex.mutex", &index->mutex);
	while (!READ_ONCE(index->sorted))
		rounds++;
	return rounds;
}

static LAB_FN u32 labindex_rebuild(struct labindex *index)
{
	u32 rounds;

	mutex_lock(&index->mutex);
	rounds = labindex_sort(index);
	mutex_unlock(&index->mutex);
	return rounds;
}

static LAB_FN u32 labindex_lookup(struct labindex *index)
{
	u32 keys;

	lab_truth("waiter", "labindex_lookup", "labindex.mutex", &index->mutex);
	mutex_lock(&index->mutex);
	keys = index->keys;
	mutex_unlock(&index->mutex);
	return keys;
}

static LAB_FN int labindex_thread_rebuild(void *data)
{
	return labindex_rebuild(data) ? 0 : -EAGAIN;
}

static LAB_FN int labindex_thread_lookup(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labindex_lookup(data) ? 0 : -EAGAIN;
}

static int labindex_start(void)
{
	struct labindex *index = kzalloc(sizeof(*index), GFP_KERNEL);
	int r;

	if (!index)
		return -ENOMEM;
	mutex_init(&index->mutex);
	r = lab_thread_start(labindex_thread_rebuild, index, 1, "lab_rebuild");
	return r ? r : lab_threads_start(labindex_thread_lookup, index, 2, 3, "lab_lookup");
}

/* ---- 42: two mutexes, in both orders ---- */

static DEFINE_MUTEX(labvol_mutex);
static DEFINE_MUTEX(labsnap_mutex);
static u32 labvol_size, labsnap_size;

static LAB_FN u32 labsnap_flush(void)
{
	u32 size;

	lab_truth("waiter", "labsnap_flush", "labsnap_mutex", &labsnap_mutex);
	mutex_lock(&labsnap_mutex);
	size = labsnap_size;
	mutex_unlock(&labsnap_mutex);
	return size;
}

static LAB_FN u32 labvol_resize(void)
{
	u32 size;

	mutex_lock(&labvol_mutex);
	lab_truth_holder(0, "labvol_resize", "labvol_mutex", &labvol_mutex);
	lab_gate_wait(1);
	size = labsnap_flush();
	labvol_size += size;
	mutex_unlock(&labvol_mutex);
	return size;
}

static LAB_FN u32 labvol_stat(void)
{
	u32 size;

	lab_truth("waiter", "labvol_stat", "labvol_mutex", &labvol_mutex);
	mutex_lock(&labvol_mutex);
	size = labvol_size;
	mutex_unlock(&labvol_mutex);
	return size;
}

static LAB_FN u32 labsnap_create(void)
{
	u32 size;

	mutex_lock(&labsnap_mutex);
	lab_truth_holder(1, "labsnap_create", "labsnap_mutex", &labsnap_mutex);
	lab_gate_wait(0);
	size = labvol_stat();
	labsnap_size += size;
	mutex_unlock(&labsnap_mutex);
	return size;
}

static LAB_FN int labvol_thread(void *data)
{
	return labvol_resize() ? 0 : -EAGAIN;
}

static LAB_FN int labsnap_thread(void *data)
{
	return labsnap_create() ? 0 : -EAGAIN;
}

static int labvol_start(void)
{
	int r = lab_thread_start(labvol_thread, NULL, 1, "lab_vol");

	return r ? r : lab_thread_start(labsnap_thread, NULL, 2, "lab_snap");
}

/* ---- 43: a mutex's owner spins for a spinlock whose holder loops ---- */

struct labnic {
	u32 mtu;
	u32 idle;
	struct mutex mutex; /* serialises configuration */
	spinlock_t lock;    /* protects mtu */
};

static LAB_FN u32 labnic_drain(struct labnic *nic)
{
	u32 rounds = 0;

	lab_truth_holder(GATE_HELD, "labnic_drain", "labnic.lock", &nic->lock);
	while (!READ_ONCE(nic->idle))
		rounds++;
	return rounds;
}

static LAB_FN u32 labnic_xmit(struct labnic *nic)
{
	u32 rounds;

	spin_lock(&nic->lock);
	rounds = labnic_drain(nic);
	spin_unlock(&nic->lock);
	return rounds;
}

static LAB_FN u32 labnic_set_mtu(struct labnic *nic)
{
	lab_truth("waiter", "labnic_set_mtu", "labnic.lock", &nic->lock);
	spin_lock(&nic->lock);
	nic->mtu = 9000;
	spin_unlock(&nic->lock);
	return nic->mtu;
}

static LAB_FN u32 labnic_configure(struct labnic *nic)
{
	u32 mtu;

	mutex_lock(&nic->mutex);
	lab_truth_holder(GATE_NEXT, "labnic_configure", "labnic.mutex", &nic->mutex);
	mtu = labnic_set_mtu(nic);
	mutex_unlock(&nic->mutex);
	return mtu;
}

static LAB_FN u32 labnic_query(struct labnic *nic)
{
	u32 mtu;

	lab_truth("waiter", "labnic_query", "labnic.mutex", &nic->mutex);
	mutex_lock(&nic->mutex);
	mtu = nic->mtu;
	mutex_unlock(&nic->mutex);
	return mtu;
}

static LAB_FN int labnic_thread_xmit(void *data)
{
	return labnic_xmit(data) ? 0 : -EAGAIN;
}

static LAB_FN int labnic_thread_configure(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labnic_configure(data) ? 0 : -EAGAIN;
}

static LAB_FN int labnic_thread_query(void *data)
{
	lab_gate_wait(GATE_NEXT);
	return labnic_query(data) ? 0 : -EAGAIN;
}

static int labnic_start(void)
{
	struct labnic *nic = kzalloc(sizeof(*nic), GFP_KERNEL);
	int r;

	if (!nic)
		return -ENOMEM;
	mutex_init(&nic->mutex);
	spin_lock_init(&nic->lock);
	r = lab_thread_start(labnic_thread_xmit, nic, 1, "lab_xmit");
	if (!r)
		r = lab_thread_start(labnic_thread_configure, nic, 2, "lab_config");
	return r ? r : lab_thread_start(labnic_thread_query, nic, 3, "lab_query");
}

/* ---- 44: a rwsem's writer sleeps ---- */

struct labtrie {
	u32 nodes;
	struct rw_semaphore sem; /* protects nodes */
};

static LAB_FN long labtrie_rehash(struct labtrie *trie)
{
	long left;

	down_write(&trie->sem);
	left = labio_wait("labtrie.sem", &trie->sem, GATE_HELD);
	up_write(&trie->sem);
	return left;
}

static LAB_FN u32 labtrie_get(struct labtrie *trie)
{
	u32 nodes;

	lab_truth("waiter", "labtrie_get", "labtrie.sem", &trie->sem);
	down_read(&trie->sem);
	nodes = trie->nodes;
	up_read(&trie->sem);
	return nodes;
}

static LAB_FN int labtrie_thread_rehash(void *data)
{
	return labtrie_rehash(data) ? 0 : -EAGAIN;
}

static LAB_FN int labtrie_thread_get(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labtrie_get(data) ? 0 : -EAGAIN;
}

static int labtrie_start(void)
{
	struct labtrie *trie = kzalloc(sizeof(*trie), GFP_KERNEL);
	int r;

	if (!trie)
		return -ENOMEM;
	init_rwsem(&trie->sem);
	r = lab_thread_start(labtrie_thread_rehash, trie, 1, "lab_rehash");
	return r ? r : lab_threads_start(labtrie_thread_get, trie, 2, 3, "lab_get");
}

/* ---- 45: two rwsems: read A then write B, read B then write A ---- */

static DECLARE_RWSEM(labinode_sem);
static DECLARE_RWSEM(labext_sem);
static u32 labinode_size, labext_count;

static LAB_FN u32 labext_grow(void)
{
	lab_truth("waiter", "labext_grow", "labext_sem", &labext_sem);
	down_write(&labext_sem);
	labext_count++;
	up_write(&labext_sem);
	return labext_count;
}

static LAB_FN u32 labinode_write(void)
{
	u32 count;

	down_read(&labinode_sem);
	lab_truth_holder(0, "labinode_write", "labinode_sem", &labinode_sem);
	lab_gate_wait(1);
	count = labext_grow();
	up_read(&labinode_sem);
	return count;
}

static LAB_FN u32 labinode_truncate(void)
{
	lab_truth("waiter", "labinode_truncate", "labinode_sem", &labinode_sem);
	down_write(&labinode_sem);
	labinode_size = 0;
	up_write(&labinode_sem);
	return labinode_size;
}

static LAB_FN u32 labext_shrink(void)
{
	u32 size;

	down_read(&labext_sem);
	lab_truth_holder(1, "labext_shrink", "labext_sem", &labext_sem);
	lab_gate_wait(0);
	size = labinode_truncate();
	up_read(&labext_sem);
	return size;
}

static LAB_FN int labinode_thread(void *data)
{
	return labinode_write() ? 0 : -EAGAIN;
}

static LAB_FN int labext_thread(void *data)
{
	return labext_shrink() ? 0 : -EAGAIN;
}

static int labinode_start(void)
{
	int r = lab_thread_start(labinode_thread, NULL, 1, "lab_inode");

	return r ? r : lab_thread_start(labext_thread, NULL, 2, "lab_ext");
}

/* ---- 46: a percpu_rwsem's writer sleeps ---- */

DEFINE_STATIC_PERCPU_RWSEM(labhotplug_sem);

static LAB_FN long labhotplug_down(void)
{
	long left;

	percpu_down_write(&labhotplug_sem);
	left = labio_wait("labhotplug_sem", &labhotplug_sem, GATE_HELD);
	percpu_up_write(&labhotplug_sem);
	return left;
}

static LAB_FN u32 labhotplug_get(void)
{
	u32 cpus;

	lab_truth("waiter", "labhotplug_get", "labhotplug_sem", &labhotplug_sem);
	percpu_down_read(&labhotplug_sem);
	cpus = num_online_cpus();
	percpu_up_read(&labhotplug_sem);
	return cpus;
}

static LAB_FN int labhotplug_thread_down(void *data)
{
	return labhotplug_down() ? 0 : -EAGAIN;
}

static LAB_FN int labhotplug_thread_get(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labhotplug_get() ? 0 : -EAGAIN;
}

static int labhotplug_start(void)
{
	int r = lab_thread_start(labhotplug_thread_down, NULL, 1, "lab_down");

	return r ? r : lab_threads_start(labhotplug_thread_get, NULL, 2, 3, "lab_get");
}

/* ---- 47: a semaphore, which has no owner ---- */

/* Its initialiser lost and gained an argument over the kernels. */
static struct semaphore labtape_sem;
static u32 labtape_blocks;

static LAB_FN long labtape_rewind(void)
{
	long left;

	down(&labtape_sem);
	left = labio_wait("labtape_sem", &labtape_sem, GATE_HELD);
	up(&labtape_sem);
	return left;
}

static LAB_FN u32 labtape_write(void)
{
	lab_truth("waiter", "labtape_write", "labtape_sem", &labtape_sem);
	down(&labtape_sem);
	labtape_blocks++;
	up(&labtape_sem);
	return labtape_blocks;
}

static LAB_FN int labtape_thread_rewind(void *data)
{
	return labtape_rewind() ? 0 : -EAGAIN;
}

static LAB_FN int labtape_thread_write(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labtape_write() ? 0 : -EAGAIN;
}

static int labtape_start(void)
{
	int r;

	sema_init(&labtape_sem, 1);
	r = lab_thread_start(labtape_thread_rewind, NULL, 1, "lab_rewind");
	return r ? r : lab_threads_start(labtape_thread_write, NULL, 2, 3, "lab_write");
}

/* ---- 48: a rt_mutex ---- */

static DEFINE_RT_MUTEX(labi2c_mutex);
static u32 labi2c_messages;

static LAB_FN long labi2c_transfer(void)
{
	long left;

	rt_mutex_lock(&labi2c_mutex);
	left = labio_wait("labi2c_mutex", &labi2c_mutex, GATE_HELD);
	rt_mutex_unlock(&labi2c_mutex);
	return left;
}

static LAB_FN u32 labi2c_send(void)
{
	lab_truth("waiter", "labi2c_send", "labi2c_mutex", &labi2c_mutex);
	rt_mutex_lock(&labi2c_mutex);
	labi2c_messages++;
	rt_mutex_unlock(&labi2c_mutex);
	return labi2c_messages;
}

static LAB_FN int labi2c_thread_transfer(void *data)
{
	return labi2c_transfer() ? 0 : -EAGAIN;
}

static LAB_FN int labi2c_thread_send(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labi2c_send() ? 0 : -EAGAIN;
}

static int labi2c_start(void)
{
	int r = lab_thread_start(labi2c_thread_transfer, NULL, 1, "lab_xfer");

	return r ? r : lab_threads_start(labi2c_thread_send, NULL, 2, 3, "lab_send");
}

/* ---- 49, 50: a completion that nobody completes, with a mutex held and without ---- */

struct labfw {
	u32 loaded;
	struct mutex mutex; /* protects loaded */
	struct completion done;
};

static LAB_FN void labfw_request(struct labfw *fw)
{
	lab_truth("waiter", "labfw_request", "-", &fw->done);
	wait_for_completion(&fw->done);
	fw->loaded = 1;
}

static LAB_FN u32 labfw_load(struct labfw *fw)
{
	mutex_lock(&fw->mutex);
	lab_truth_holder(GATE_HELD, "labfw_load", "labfw.mutex", &fw->mutex);
	labfw_request(fw);
	mutex_unlock(&fw->mutex);
	return fw->loaded;
}

static LAB_FN u32 labfw_version(struct labfw *fw)
{
	u32 loaded;

	lab_truth("waiter", "labfw_version", "labfw.mutex", &fw->mutex);
	mutex_lock(&fw->mutex);
	loaded = fw->loaded;
	mutex_unlock(&fw->mutex);
	return loaded;
}

static LAB_FN int labfw_thread_load(void *data)
{
	return labfw_load(data) ? 0 : -EAGAIN;
}

static LAB_FN int labfw_thread_version(void *data)
{
	lab_gate_wait(GATE_HELD);
	return labfw_version(data) ? 0 : -EAGAIN;
}

static LAB_FN int labfw_thread_request(void *data)
{
	struct labfw *fw = data;

	labfw_request(fw);
	return fw->loaded ? 0 : -EAGAIN;
}

static struct labfw *labfw_create(void)
{
	struct labfw *fw = kzalloc(sizeof(*fw), GFP_KERNEL);

	if (fw) {
		mutex_init(&fw->mutex);
		init_completion(&fw->done);
	}
	return fw;
}

static int labfw_start_load(void)
{
	struct labfw *fw = labfw_create();
	int r;

	if (!fw)
		return -ENOMEM;
	r = lab_thread_start(labfw_thread_load, fw, 1, "lab_load");
	return r ? r : lab_threads_start(labfw_thread_version, fw, 2, 3, "lab_version");
}

static int labfw_start_request(void)
{
	struct labfw *fw = labfw_create();

	if (!fw)
		return -ENOMEM;
	return lab_thread_start(labfw_thread_request, fw, 1, "lab_request");
}

/* ---- 51: a real-time task keeps its CPU from a mutex's owner ---- */

struct lablog {
	u32 lines;
	u32 done;
	struct mutex mutex; /* protects lines */
};

static LAB_FN u32 lablog_format(struct lablog *log)
{
	u32 rounds = 0;

	lab_truth("holder", "lablog_format", "lablog.mutex", &log->mutex);
	lab_gate_open(GATE_HELD);
	while (!READ_ONCE(log->done)) {
		rounds++;
		cond_resched();
	}
	return rounds;
}

static LAB_FN u32 lablog_append(struct lablog *log)
{
	u32 rounds;

	mutex_lock(&log->mutex);
	rounds = lablog_format(log);
	log->lines += rounds;
	mutex_unlock(&log->mutex);
	return rounds;
}

static LAB_FN u32 lablog_read(struct lablog *log)
{
	u32 lines;

	lab_truth("waiter", "lablog_read", "lablog.mutex", &log->mutex);
	mutex_lock(&log->mutex);
	lines = log->lines;
	mutex_unlock(&log->mutex);
	return lines;
}

static LAB_FN int lablog_thread_append(void *data)
{
	return lablog_append(data) ? 0 : -EAGAIN;
}

static LAB_FN int lablog_thread_read(void *data)
{
	lab_gate_wait(GATE_HELD);
	/* Not before the real-time task has come, or this one would spin for the owner. */
	usleep_range(200000, 210000);
	return lablog_read(data) ? 0 : -EAGAIN;
}

static u32 labdsp_done;

static LAB_FN u32 labdsp_mix(void)
{
	u32 rounds = 0;

	lab_truth("looper", "labdsp_mix", "-", NULL);
	while (!READ_ONCE(labdsp_done)) {
		rounds++;
		cond_resched();
	}
	return rounds;
}

static LAB_FN int labdsp_thread(void *data)
{
	sched_set_fifo(current);
	lab_gate_wait(GATE_HELD);
	return labdsp_mix() ? 0 : -EAGAIN;
}

static int lablog_start(void)
{
	struct lablog *log = kzalloc(sizeof(*log), GFP_KERNEL);
	int r;

	if (!log)
		return -ENOMEM;
	mutex_init(&log->mutex);
	r = lab_thread_start(lablog_thread_append, log, 1, "lab_append");
	if (!r)
		r = lab_thread_start(labdsp_thread, NULL, 1, "lab_dsp");
	return r ? r : lab_threads_start(lablog_thread_read, log, 2, 3, "lab_read");
}

int more_sleep_start(int id)
{
	static int (*const starters[])(void) = {
		[41] = labindex_start,	 [42] = labvol_start,	    [43] = labnic_start,
		[44] = labtrie_start,	 [45] = labinode_start,	    [46] = labhotplug_start,
		[47] = labtape_start,	 [48] = labi2c_start,	    [49] = labfw_start_load,
		[50] = labfw_start_request, [51] = lablog_start,
	};

	return id < ARRAY_SIZE(starters) && starters[id] ? starters[id]() : -EINVAL;
}
