/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "control.h"
#include "log.h"
#include "notify.h"

#define SHORT_PERIOD_MS 10

#define LONG_RELOAD_MS 2000 /* after which the user is told */

#define STATUS_SIZE 80

struct control {
	struct fc_engine *engine;
	struct fc_reload *reload;
	struct fc_reload_queue *queue;
	struct fc_notify notify;
	char status[STATUS_SIZE]; /* what the program does, in a line */
	unsigned exit_idle_ms;
	uint64_t n_received; /* when last looked */
	uint64_t changed_ms; /* when that number last changed */
	bool is_long_told;   /* that the last reload takes long */
	int signals, timer, poll;
};

static void own_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

void fc_control_block_signals(void)
{
	sigset_t set;

	own_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ,
		SIG_IGN); /* a file that may not grow is an error of write(2), not the end */
}

/* Async-signal-safe, whatever the threads are at. Nothing has been begun that has to be ended. */
static void end_at_once(int number)
{
	static const char terminated[] = "fluxcap: stopping on signal 15 (Terminated)\n";
	static const char interrupted[] = "fluxcap: stopping on signal 2 (Interrupt)\n";
	const char *text = number == SIGTERM ? terminated : interrupted;
	ssize_t n = write(STDERR_FILENO, text, strlen(text));

	(void)n;
	_exit(EXIT_SUCCESS);
}

void fc_control_end_by_signals(void)
{
	struct sigaction action = { .sa_handler = end_at_once };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void close_all(struct control *control)
{
	close(control->poll);
	close(control->timer);
	close(control->signals);
}

static int add_event(const struct control *control, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return fd < 0 ? -1 : epoll_ctl(control->poll, EPOLL_CTL_ADD, fd, &event);
}

/* From one tick to the next. Signs of life come with a tick, and have to be in time. */
static uint64_t tick_period_ms(const struct control *control)
{
	bool often = control->exit_idle_ms != 0 || fc_engine_needs_tending(control->engine);
	uint64_t period_ms = often ? SHORT_PERIOD_MS : FC_ENGINE_WATCH_MS;
	uint64_t notify_ms = control->notify.period_ms;

	return notify_ms != 0 && notify_ms / 2 < period_ms ? notify_ms / 2 : period_ms;
}

/* Tick as often as is needed now. */
static int set_timer(const struct control *control)
{
	uint64_t period_ms = tick_period_ms(control);
	struct itimerspec timing = {
		.it_value.tv_nsec = SHORT_PERIOD_MS * 1000000L,
		.it_interval.tv_sec = (time_t)(period_ms / 1000),
		.it_interval.tv_nsec = (long)(period_ms % 1000 * 1000000),
	};

	return timerfd_settime(control->timer, 0, &timing, NULL);
}

static int open_all(struct control *control)
{
	sigset_t set;

	own_signals(&set);
	control->poll = epoll_create1(EPOLL_CLOEXEC);
	control->signals = signalfd(-1, &set, SFD_CLOEXEC);
	control->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (control->poll < 0 || set_timer(control) != 0 ||
		add_event(control, control->signals) != 0 ||
		add_event(control, control->timer) != 0 ||
		add_event(control, fc_reload_queue_fd(control->queue)) != 0) {
		int error = errno;

		close_all(control);
		return -error;
	}
	return 0;
}

static void write_status(struct control *control, const char *more)
{
	const struct fc_config *config = fc_engine_config(control->engine);

	snprintf(control->status, sizeof(control->status),
		"running: %u taps, %u outputs, %u lcores%s", config->n_taps, config->n_outputs,
		fc_engine_n_lanes(control->engine), more);
}

/* What goes by what the engine does; after it has begun to do something else. */
static void adapt(struct control *control)
{
	write_status(control, "");
	if (set_timer(control) != 0)
		fc_log(FC_ERROR, "cannot set a timer: %s", strerror(errno));
	/* A new tap gets its time to receive something. */
	control->changed_ms = now_ms();
}

/* To plug in a port can take seconds: the watchdog gets its due before, and by the tick after. */
static void feed_watchdog(struct control *control)
{
	if (control->notify.period_ms != 0 && control->notify.is_ready &&
		fc_engine_has_advanced(control->engine))
		fc_notify_well(&control->notify, now_ms());
}

static struct fc_reload_answer reload(struct control *control)
{
	struct fc_reload_answer answer;

	control->is_long_told = false;
	feed_watchdog(control);
	fc_notify_reloading(&control->notify);
	answer = fc_reload_do(control->reload, false);
	if (answer.is_ok)
		adapt(control);
	else
		write_status(control, "; the last reload failed");
	fc_notify_reloaded(&control->notify);
	return answer;
}

static void serve_request(struct control *control)
{
	struct fc_reload_request *request = fc_reload_queue_take(control->queue);

	if (request == NULL)
		return;
	control->is_long_told = false;
	fc_reload_queue_answer(control->queue, request,
		request->answer.is_dry_run ? fc_reload_do(control->reload, true) : reload(control));
}

static void watch_ports(struct control *control, uint64_t now)
{
	struct fc_findings *findings = fc_findings_new("fluxcap");

	if (findings == NULL)
		return;
	fc_engine_watch(control->engine, now, findings);
	fc_log_findings(findings);
	fc_findings_free(findings);
}

/* While a reload reads the configuration; whether to go on with that. */
static bool work_meanwhile(void *context, const char *place, uint64_t reading_ms)
{
	struct control *control = context;
	uint64_t now = now_ms();
	sigset_t pending;

	if (fc_notify_is_due(&control->notify, now) && fc_engine_has_advanced(control->engine))
		fc_notify_well(&control->notify, now);
	watch_ports(control, now);
	fc_engine_tend(control->engine, now);
	if (place[0] != '\0' && reading_ms >= LONG_RELOAD_MS && !control->is_long_told) {
		fc_log(FC_NOTE, "the reload takes longer: long filters are being compiled; "
				"packets go on as before");
		control->is_long_told = true;
	}
	sigemptyset(&pending);
	sigpending(&pending);
	return !sigismember(&pending, SIGTERM) && !sigismember(&pending, SIGINT);
}

/* Whether it is time to stop. */
static bool tick(struct control *control)
{
	uint64_t n_received = fc_engine_received(control->engine);
	uint64_t now = now_ms(), n_expired;

	if (read(control->timer, &n_expired, sizeof(n_expired)) < 0)
		return false;
	if (fc_notify_is_due(&control->notify, now) && fc_engine_has_advanced(control->engine))
		fc_notify_well(&control->notify, now);
	watch_ports(control, now);
	if (fc_reload_take_back(control->reload, now))
		adapt(control);
	fc_engine_tend(control->engine, now);
	if (n_received != control->n_received) {
		control->n_received = n_received;
		control->changed_ms = now;
	}
	return control->exit_idle_ms != 0 && now - control->changed_ms >= control->exit_idle_ms &&
	       fc_engine_is_empty(control->engine);
}

/* Whether it is one to stop by. */
static bool obey_signal(struct control *control)
{
	struct signalfd_siginfo info;

	if (read(control->signals, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGHUP) {
		fc_findings_free(reload(control).findings);
		return false;
	}
	fc_log(FC_NOTE, "stopping on signal %u (%s)", info.ssi_signo,
		strsignal((int)info.ssi_signo));
	return true;
}

/* Whether it is time to stop. */
static bool handle(struct control *control, int fd)
{
	if (fd == control->signals)
		return obey_signal(control);
	if (fd == control->timer)
		return tick(control);
	serve_request(control);
	return false;
}

int fc_control_run(struct fc_reload *reload, struct fc_reload_queue *queue, unsigned exit_idle_ms)
{
	struct control control = {
		.engine = reload->engine,
		.reload = reload,
		.queue = queue,
		.exit_idle_ms = exit_idle_ms,
		.changed_ms = now_ms(),
	};
	bool stop = false;
	int ret;

	reload->meanwhile = work_meanwhile;
	reload->context = &control;
	write_status(&control, "");
	fc_log(FC_NOTE, "%s", control.status);
	fc_notify_begin(&control.notify, control.status);
	ret = open_all(&control);
	if (ret != 0)
		fc_log(FC_ERROR, "cannot watch signals: %s", strerror(-ret));
	while (ret == 0 && !stop) {
		struct epoll_event event;
		int n = epoll_wait(control.poll, &event, 1, -1);

		if (n < 0 && errno != EINTR)
			ret = -errno;
		if (n == 1)
			stop = handle(&control, event.data.fd);
	}
	fc_reload_queue_close(queue);
	fc_notify_stopping();
	if (ret == 0 || stop)
		close_all(&control);
	return ret;
}
