// SPDX-License-Identifier: GPL-2.0-only
/* labcfg: a configuration under a global mutex, kept in a store with a mutex of its own. */
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "lab.h"

/* ---- scenario 8: apply waits for commit, commit for the store's sync, sync for its log ---- */

struct labdb {
	u64 sequence;
	u32 dirty;
	struct mutex mutex; /* protects sequence and dirty */
};

/* Protects labcfg_version. */
static DEFINE_MUTEX(labcfg_mutex);
static u32 labcfg_version;

/* Wait for the log to be written. Caller holds db->mutex. */
static LAB_FN long labdb_wait_log(struct labdb *db)
{
	long left;

	lab_truth_holder(0, "labdb_wait_log", "labdb.mutex", &db->mutex);
	left = schedule_timeout_uninterruptible(3600 * HZ);
	return left;
}

static LAB_FN long labdb_sync(struct labdb *db)
{
	long left;

	mutex_lock(&db->mutex);
	left = labdb_wait_log(db);
	db->dirty = 0;
	mutex_unlock(&db->mutex);
	return left;
}

static LAB_FN u64 labdb_write(struct labdb *db)
{
	u64 sequence;

	lab_truth("waiter", "labdb_write", "labdb.mutex", &db->mutex);
	mutex_lock(&db->mutex);
	sequence = ++db->sequence;
	db->dirty = 1;
	mutex_unlock(&db->mutex);
	return sequence;
}

static LAB_FN u64 labcfg_commit(struct labdb *db)
{
	u64 sequence;

	mutex_lock(&labcfg_mutex);
	lab_truth_holder(1, "labcfg_commit", "labcfg_mutex", &labcfg_mutex);
	sequence = labdb_write(db);
	labcfg_version++;
	mutex_unlock(&labcfg_mutex);
	return sequence;
}

static LAB_FN u32 labcfg_apply(void)
{
	u32 version;

	lab_truth("waiter", "labcfg_apply", "labcfg_mutex", &labcfg_mutex);
	mutex_lock(&labcfg_mutex);
	version = labcfg_version;
	mutex_unlock(&labcfg_mutex);
	return version;
}

static LAB_FN int labdb_thread_sync(void *data)
{
	long left;

	left = labdb_sync(data);
	return left ? -EINTR : 0;
}

static LAB_FN int labcfg_thread_commit(void *data)
{
	u64 sequence;

	lab_gate_wait(0);
	sequence = labcfg_commit(data);
	return sequence ? 0 : -EIO;
}

static LAB_FN int labcfg_thread_apply(void *data)
{
	u32 version;

	lab_gate_wait(1);
	version = labcfg_apply();
	return version ? 0 : -EIO;
}

int labcfg_start_apply(void)
{
	struct labdb *db = kzalloc(sizeof(*db), GFP_KERNEL);
	int r;

	if (!db)
		return -ENOMEM;
	mutex_init(&db->mutex);
	r = lab_thread_start(labcfg_thread_apply, NULL, 0, "lab_apply");
	if (!r)
		r = lab_thread_start(labcfg_thread_commit, db, 1, "lab_commit");
	if (!r)
		r = lab_thread_start(labdb_thread_sync, db, 2, "lab_db");
	return r;
}
