// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemon's loop. It wakes four times a second by its own timer, and by the ring, into which a
 * CPU that is well writes when another is stuck: a timer alone may sit on the stuck CPU.
 */
#include "manager.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "incident.h"
#include "journal.h"
#include "probes.h"
#include "rescue.h"
#include "watch.h"
#include "worker.h"

#define TICK_US 250000
#define LOOK_GAP_NS 20000000ULL	  /* the ring may wake us often; a look costs little, but not nothing */
#define ANSWER_NS 1000000000ULL	  /* after so long the daemon makes an incident of its own */
#define HANG_NS 20000000000ULL	  /* and after so long the worker is given up */
#define AGAIN_NS 400000000ULL	  /* from an answer "no lockup yet" to the next question */
#define DORMANT_NS 60000000000ULL /* probes sleep so long after the daemon's last sign of life */
#define STATUS_NS 10000000000ULL

struct manager {
	struct config config;
	const char *config_path;
	struct watch_limits limits;
	sd_event *event;
	sd_event_source *timer, *worker_source;
	struct probes *probes;
	struct worker *worker;
	struct watch watch;
	struct watch_cpu *cpus;
	struct watch_sleep *sleeps;
	bool *online;
	uint64_t looked_ns, asked_ns, status_ns, end_ns;
	struct watch_finding asked; /* what the worker was last asked about */
	struct rescue *rescue;
	bool confined;		    /* to CPUs that are well */
	bool alone;		    /* made one ourselves while the worker owes an answer */
	uint64_t again_ns;	    /* not to ask before */
	uint64_t n_incidents, n_repeated, n_failed;
};

static int on_worker(sd_event_source *source, int fd, uint32_t revents, void *userdata);

static void worker_drop(struct manager *m)
{
	m->worker_source = sd_event_source_disable_unref(m->worker_source);
	rescue_expect(m->rescue, 0, 0);
	worker_free(m->worker);
	m->worker = NULL;
	m->asked_ns = 0;
}

static int worker_start(struct manager *m)
{
	int r = worker_new(&m->config, m->probes, &m->worker);

	if (r >= 0)
		r = sd_event_add_io(m->event, &m->worker_source, worker_fd(m->worker),
				    EPOLLIN, on_worker, m);
	if (r < 0) {
		journal_say(LOG_ERR, "no worker: %s", strerror(-r));
		worker_drop(m);
	}
	return r;
}

static void report_take(struct manager *m, const struct incident_report *report)
{
	if (report->result == -EAGAIN) {
		m->n_repeated++;
		return;
	}
	/* Nobody is seen to be stuck yet (the others wait since a moment later): look again. */
	if (report->result == -ENODATA) {
		m->watch.reported = WATCH_NOTICE;
		m->again_ns = clock_monotonic() + AGAIN_NS;
		return;
	}
	if (report->result < 0) {
		m->n_failed++;
		journal_say(LOG_ERR, "incident not saved: %s", report->error);
	} else {
		m->n_incidents++;
	}
	/* What was found is said also where it could not be saved. */
	if (report->summary[0])
		journal_incident(report);
	m->status_ns = 0;
}

static int on_worker(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct manager *m = userdata;
	struct incident_report report;
	int r = worker_report(m->worker, &report);

	if (r == -EAGAIN)
		return 0;
	if (r < 0) {
		journal_say(LOG_ERR, "the worker is gone%s",
			    m->asked_ns ? " without an answer" : "");
		worker_drop(m);
		return 0;
	}
	m->asked_ns = 0;
	rescue_expect(m->rescue, 0, 0);
	report_take(m, &report);
	return 0;
}

/* The daemon does it itself, from what the probes saw alone: nothing that could hang it. */
static void report_alone(struct manager *m, const struct watch_finding *finding)
{
	struct incident_report report;
	struct live *live;

	if (live_open(NULL, NULL, &live) < 0)
		return;
	incident_make(&m->config, m->probes, live, &m->limits, finding, &report);
	live_free(live);
	report_take(m, &report);
}

static void act(struct manager *m, enum watch_action action, const struct watch_finding *finding,
		uint64_t now)
{
	switch (action) {
	case WATCH_DO_NOTHING:
		break;
	case WATCH_PREPARE:
		if (m->worker)
			worker_prepare(m->worker);
		break;
	case WATCH_REPORT:
		/* An answer is owed, or was "not yet": this question comes again. */
		if (m->asked_ns || now < m->again_ns) {
			m->watch.reported = WATCH_NOTICE;
			break;
		}
		if (m->worker && worker_ask(m->worker, finding) >= 0) {
			m->asked_ns = now;
			m->asked = *finding;
			m->alone = false;
			rescue_expect(m->rescue, worker_pid(m->worker), now);
		} else {
			report_alone(m, finding);
		}
		break;
	case WATCH_END:
		if (!m->worker)
			worker_start(m);
		break;
	}
}

/*
 * A task that wakes goes to the CPU it last ran on, or to the waker's; when that one is stuck it
 * waits there with the others. So from the first notice on, ours may run only where all is well.
 */
static void affinity_set(struct manager *m, const struct watch_finding *finding, uint64_t now)
{
	bool quiet = finding->level == WATCH_QUIET;
	cpu_set_t *set;
	size_t size = CPU_ALLOC_SIZE(probes_n_cpus(m->probes));
	uint32_t n = 0;

	if (quiet && !m->confined)
		return;
	set = CPU_ALLOC(probes_n_cpus(m->probes));
	if (!set)
		return;
	CPU_ZERO_S(size, set);
	for (uint32_t i = 0; i < probes_n_cpus(m->probes); i++) {
		const struct watch_cpu *cpu = &m->cpus[i];

		if (!quiet && (now - cpu->tick_ns > m->limits.notice_ns ||
			       (cpu->stuck_since_ns &&
				now - cpu->stuck_since_ns > m->limits.notice_ns / 2)))
			continue;
		CPU_SET_S(i, size, set);
		n++;
	}
	if (n) {
		sched_setaffinity(0, size, set);
		/* One that runs just now would have to be stopped first, which may take for ever. */
		if (m->worker && !m->asked_ns && !m->watch.prepared)
			sched_setaffinity(worker_pid(m->worker), size, set);
		m->confined = !quiet;
	}
	CPU_FREE(set);
}

static void status_say(struct manager *m, uint64_t now)
{
	struct probe_counts counts;
	int attached = 0;

	if (m->status_ns && now - m->status_ns < STATUS_NS)
		return;
	m->status_ns = now;
	for (int i = 0; i < PROBES_N; i++)
		attached += probes_state(m->probes, (enum probe)i)->attached;
	probes_count(m->probes, &counts);
	sd_notifyf(0,
		   "STATUS=%d of %d probes attached; %llu incidents saved, %llu repeated, %llu not "
		   "saved; %llu contention events, %llu missed",
		   attached, PROBES_N, (unsigned long long)m->n_incidents,
		   (unsigned long long)m->n_repeated, (unsigned long long)m->n_failed,
		   (unsigned long long)counts.begun, (unsigned long long)counts.missed);
}

static void look(struct manager *m)
{
	uint64_t now = clock_monotonic();
	struct watch_finding finding;
	uint32_t n_sleeps;

	if (now - m->looked_ns < LOOK_GAP_NS)
		return;
	m->looked_ns = now;
	probes_beat(m->probes, now);
	rescue_beat(m->rescue, now);
	probes_read_watch(m->probes, m->cpus);
	n_sleeps = probes_read_sleeps(m->probes, m->sleeps);
	finding = watch_judge(m->cpus, probes_n_cpus(m->probes), m->sleeps, n_sleeps, &m->limits,
			      now);
	if (finding.reason == WATCH_SILENT) {
		/* A CPU that was taken offline does not tick either. */
		probes_online(m->probes, m->online);
		for (uint32_t i = 0; i < probes_n_cpus(m->probes); i++)
			m->cpus[i].online = m->cpus[i].online && m->online[i];
		finding = watch_judge(m->cpus, probes_n_cpus(m->probes), m->sleeps, n_sleeps,
				      &m->limits, now);
	}
	affinity_set(m, &finding, now);
	act(m, watch_step(&m->watch, &finding, now), &finding, now);
	if (m->asked_ns && now - m->asked_ns > ANSWER_NS && !m->alone) {
		m->alone = true;
		report_alone(m, &m->asked);
	}
	if (m->asked_ns && now - m->asked_ns > HANG_NS) {
		journal_say(LOG_WARNING, "the worker that reads the kernel's memory hangs; it is given"
					 " up");
		worker_drop(m);
	}
	status_say(m, now);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;

	look(m);
	if (m->end_ns && clock_monotonic() >= m->end_ns)
		return sd_event_exit(m->event, 0);
	sd_event_source_set_time_relative(source, TICK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_ring(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct manager *m = userdata;

	probes_drain(m->probes);
	look(m);
	return 0;
}

static int on_end(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct manager *m = userdata;

	return sd_event_exit(m->event, 0);
}

/* The folder and the thresholds change at once; the sampler's rate at the next start. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct manager *m = userdata;
	struct config config;
	struct msgs msgs;
	int r;

	sd_notify(0, "RELOADING=1");
	msgs_init(&msgs);
	r = config_read(&msgs, m->config_path, &config);
	if (r == -ENOENT)
		config_init(&config);
	for (size_t i = 0; i < msgs.n; i++)
		journal_say(LOG_ERR, "%s", msgs.lines[i]);
	if (r < 0 && r != -ENOENT) {
		journal_say(LOG_ERR, "the configuration is not changed");
	} else {
		if (config.rate_hz != m->config.rate_hz)
			journal_say(LOG_NOTICE, "a new sampling rate counts from the next start");
		config.rate_hz = m->config.rate_hz;
		m->config = config;
		watch_limits_from(&m->config, &m->limits);
		/* The worker has a copy of its own. */
		if (!m->asked_ns) {
			worker_drop(m);
			worker_start(m);
		}
		journal_say(LOG_INFO, "configuration read again");
	}
	msgs_done(&msgs);
	sd_notify(0, "READY=1");
	return 0;
}

static int signals_add(struct manager *m)
{
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;
	r = sd_event_add_signal(m->event, NULL, SIGTERM, on_end, m);
	if (r >= 0)
		r = sd_event_add_signal(m->event, NULL, SIGINT, on_end, m);
	return r < 0 ? r : sd_event_add_signal(m->event, NULL, SIGHUP, on_reload, m);
}

static int loop_new(struct manager *m)
{
	int r = sd_event_new(&m->event);

	if (r >= 0)
		r = signals_add(m);
	if (r >= 0)
		r = sd_event_add_time_relative(m->event, &m->timer, CLOCK_MONOTONIC, TICK_US, 1000,
					       on_timer, m);
	if (r >= 0)
		r = sd_event_add_io(m->event, NULL, probes_fd(m->probes), EPOLLIN, on_ring, m);
	if (r >= 0)
		r = sd_event_set_watchdog(m->event, true);
	return r < 0 ? r : 0;
}

int manager_new(struct msgs *msgs, const struct config *config, const char *config_path,
		uint64_t for_ns, struct manager **ret_manager)
{
	struct manager *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->config = *config;
	m->config_path = config_path;
	watch_limits_from(config, &m->limits);
	if (for_ns)
		m->end_ns = clock_monotonic() + for_ns;
	r = probes_new(msgs, m->limits.period_ns, m->limits.notice_ns / 2, DORMANT_NS, &m->probes);
	/* Loading took megabytes that are not needed again: before the worker is forked. */
	malloc_trim(0);
	if (r >= 0) {
		m->cpus = calloc(probes_n_cpus(m->probes), sizeof(*m->cpus));
		m->online = calloc(probes_n_cpus(m->probes), sizeof(*m->online));
		m->sleeps = calloc(EV_SLEEPS_MAX, sizeof(*m->sleeps));
		r = m->cpus && m->online && m->sleeps ? loop_new(m) : -ENOMEM;
		if (r < 0)
			msgs_add(msgs, "event loop: %s", strerror(-r));
	}
	/*
	 * Not SCHED_FIFO: the scheduler leaves a woken FIFO task on the CPU it last ran on even
	 * when that one is stuck in the kernel, and moves it only to where another such task left.
	 */
	setpriority(PRIO_PROCESS, 0, -20);
	if (r >= 0)
		r = worker_start(m);
	/* After the fork: the threads are this process's. */
	if (r >= 0)
		r = rescue_new(probes_n_cpus(m->probes), &m->rescue);
	if (r < 0) {
		manager_free(m);
		return r;
	}
	*ret_manager = m;
	return 0;
}

void manager_free(struct manager *m)
{
	if (!m)
		return;
	rescue_free(m->rescue);
	worker_drop(m);
	sd_event_source_unref(m->timer);
	sd_event_unref(m->event);
	probes_free(m->probes);
	free(m->cpus);
	free(m->online);
	free(m->sleeps);
	free(m);
}

int manager_run(struct manager *m)
{
	int r;

	/* Nothing must be paged in when nobody may be able to. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		journal_say(LOG_NOTICE, "memory is not locked: %s, ignoring", strerror(errno));
	probes_beat(m->probes, clock_monotonic());
	for (int i = 0; i < PROBES_N; i++)
		if (!probes_state(m->probes, (enum probe)i)->attached)
			journal_probe(probes_state(m->probes, (enum probe)i));
	sd_notify(0, "READY=1");
	journal_say(LOG_INFO, "ready, watching %u CPUs", probes_n_cpus(m->probes));
	r = sd_event_loop(m->event);
	sd_notify(0, "STOPPING=1");
	return r;
}

uint64_t manager_incidents(const struct manager *m)
{
	return m->n_incidents;
}
