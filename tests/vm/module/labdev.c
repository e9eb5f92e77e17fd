// SPDX-License-Identifier: GPL-2.0-only
/* labdev: a device without hardware, whose ring is drained, scanned and resynchronised. */
#include <linux/cpumask.h>
#include <linux/interrupt.h>
#include <linux/irqflags.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "lab.h"

#define LABDEV_RING 256
#define LABDEV_DONE 0x1

struct labdev_desc {
	u32 status; /* LABDEV_DONE when the device is through with it */
	u32 len;
};

struct labdev {
	u32 head;
	u32 tail;
	atomic_t synced; /* CPUs that have seen the new head */
	struct labdev_desc ring[LABDEV_RING];
};

static struct labdev *labdev_create(void)
{
	struct labdev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (dev)
		dev->tail = LABDEV_RING - 1;
	return dev;
}

/* ---- scenario 11: the ring is drained with interrupts off, the others wait for an answer ---- */

/* Wait for every descriptor to be done. Interrupts are off. */
static LAB_FN u32 labdev_wait_ring(struct labdev *dev)
{
	u32 done, i;

	do {
		done = 0;
		for (i = 0; i < LABDEV_RING; i++)
			done += READ_ONCE(dev->ring[i].status) & LABDEV_DONE;
	} while (done < LABDEV_RING);
	return done;
}

static LAB_FN u32 labdev_drain(struct labdev *dev)
{
	unsigned long flags;
	u32 done;

	local_irq_save(flags);
	lab_truth("looper", "labdev_wait_ring", "-", NULL);
	lab_gate_open(0);
	done = labdev_wait_ring(dev);
	local_irq_restore(flags);
	return done;
}

static LAB_FN void labdev_sync_one(void *info)
{
	struct labdev *dev = info;

	atomic_inc(&dev->synced);
}

static LAB_FN int labdev_sync(struct labdev *dev)
{
	lab_truth("waiter", "labdev_sync", "-", NULL);
	preempt_disable();
	smp_call_function_many(cpu_online_mask, labdev_sync_one, dev, true);
	preempt_enable();
	return atomic_read(&dev->synced);
}

static LAB_FN int labdev_thread_drain(void *data)
{
	u32 done;

	done = labdev_drain(data);
	return done ? 0 : -EIO;
}

static LAB_FN int labdev_thread_sync(void *data)
{
	int synced;

	lab_gate_wait(0);
	synced = labdev_sync(data);
	return synced ? 0 : -EIO;
}

int labdev_start_drain(void)
{
	struct labdev *dev = labdev_create();
	unsigned int cpu;
	int r;

	if (!dev)
		return -ENOMEM;
	r = lab_thread_start(labdev_thread_drain, dev, 2, "lab_drain");
	for (cpu = 0; cpu < 4 && !r; cpu++) {
		if (cpu != 2)
			r = lab_thread_start(labdev_thread_sync, dev, cpu, "lab_sync");
	}
	return r;
}

/* ---- scenario 12: a scan with bottom halves off that finds nothing, for ever ---- */

static LAB_FN u32 labdev_scan_ring(struct labdev *dev)
{
	u32 i = READ_ONCE(dev->head), found = 0;

	while (READ_ONCE(dev->head) != READ_ONCE(dev->tail)) {
		i = (i + 1) % LABDEV_RING;
		if (READ_ONCE(dev->ring[i].status) & LABDEV_DONE) {
			dev->head = i;
			found++;
		}
	}
	return found;
}

static LAB_FN u32 labdev_scan(struct labdev *dev)
{
	u32 found;

	local_bh_disable();
	lab_truth("looper", "labdev_scan_ring", "-", NULL);
	found = labdev_scan_ring(dev);
	local_bh_enable();
	return found;
}

static LAB_FN int labdev_thread_scan(void *data)
{
	u32 found;

	found = labdev_scan(data);
	return found ? 0 : -EIO;
}

int labdev_start_scan(void)
{
	struct labdev *dev = labdev_create();

	if (!dev)
		return -ENOMEM;
	return lab_thread_start(labdev_thread_scan, dev, 2, "lab_scan");
}
