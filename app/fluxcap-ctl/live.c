/* SPDX-License-Identifier: MIT */
#include "live.h"

#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"
#include "fetch.h"
#include "keys.h"
#include "screen.h"
#include "view.h"

#define NOTICE_NS UINT64_C(10000000000) /* that a notice stays on a terminal */

struct live {
	struct fc_live_options options;
	struct fc_client *client; /* NULL: not connected */
	/* The last one that came, also after the connection is lost: what the next is compared
	 * with. */
	struct fc_sample *latest;
	struct fc_sample
		*shown; /* the latest, or instead of it one that is held or has no values */
	struct fc_problem problem;
	char notice[256];
	uint64_t notice_until_ns;
	struct fc_view view;
	struct fc_screen screen;
	bool is_entered_anew; /* before the signal to continue is read */
	struct fc_keys keys;
	uint64_t last_ns; /* when the last refresh was due */
	int draw_error;	  /* 0 or -errno */
	bool is_ended;	  /* by the user */
	int end_fd;	  /* signals that end the view */
	int view_fd;	  /* signals that change how it is drawn */
	int events_fd;	  /* both, and the keyboard */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void show(struct live *live, struct fc_sample *sample)
{
	if (live->shown != live->latest && live->shown != sample)
		fc_sample_free(live->shown);
	live->shown = sample;
}

static void accept_sample(struct live *live, struct fc_sample *sample)
{
	struct fc_sample *former = live->latest;

	if (!live->view.is_paused) {
		show(live, sample);
		fc_sample_free(former);
	} else if (live->shown != former) {
		fc_sample_free(former);
	}
	live->latest = sample;
}

static void note_lost(struct live *live)
{
	size_t n_first = strcspn(live->problem.text, "\n");

	fc_client_close(live->client);
	live->client = NULL;
	if (!live->view.is_paused && live->latest != NULL)
		show(live, fc_sample_blank(live->latest));
	snprintf(live->notice, sizeof(live->notice), "no counters, trying again: %.*s",
		(int)n_first, live->problem.text);
	live->notice_until_ns = UINT64_MAX;
}

static void note_changes(
	struct live *live, const struct fc_sample *sample, bool is_new, bool is_same)
{
	char text[sizeof(live->notice)] = "";

	if (live->latest != NULL && !is_same)
		snprintf(text, sizeof(text),
			"connected to a new process, %lld: its counters start anew", sample->pid);
	else if (live->latest != NULL && is_new)
		snprintf(text, sizeof(text), "connected again");
	else if (live->latest != NULL)
		fc_sample_changes(text, sizeof(text), sample, live->latest);
	if (text[0] != '\0') {
		memcpy(live->notice, text, sizeof(text));
		live->notice_until_ns = now_ns() + NOTICE_NS;
	} else if (is_new || !live->view.is_terminal || now_ns() >= live->notice_until_ns) {
		live->notice[0] = '\0';
	}
}

/* Get the next sample; false when there is none, and live->problem says why. */
static bool refresh(struct live *live)
{
	bool is_new = live->client == NULL, is_same;
	struct fc_sample *sample = NULL;

	if (is_new)
		live->client = fc_client_open(&live->options.client, &live->problem);
	if (live->client != NULL)
		sample = fc_fetch_sample(live->client, &live->problem);
	if (sample == NULL) {
		note_lost(live);
		return false;
	}
	is_same = live->latest != NULL && fc_sample_is_same_process(sample, live->latest);
	fc_sample_compare(sample, is_same ? live->latest : NULL);
	note_changes(live, sample, is_new, is_same);
	accept_sample(live, sample);
	return true;
}

static int write_plain(const char *text)
{
	errno = 0;
	if (fputs(text, stdout) < 0 || fputc('\n', stdout) < 0 || fflush(stdout) != 0)
		return errno != 0 ? -errno : -EIO;
	return 0;
}

static void draw(struct live *live, bool is_clear)
{
	unsigned height = 0;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int rc;

	if (out == NULL) {
		live->draw_error = -ENOMEM;
		return;
	}
	if (live->view.is_terminal)
		fc_screen_size(STDOUT_FILENO, &live->view.style.width, &height);
	live->view.sample = live->shown;
	live->view.notice = live->notice;
	rc = fc_view_print(&live->view, out, height);
	if (fclose(out) != 0 && rc == 0)
		rc = -ENOMEM;
	if (rc == 0)
		rc = live->view.is_terminal ? fc_screen_draw(&live->screen, text, is_clear)
					    : write_plain(text);
	free(text);
	if (rc < 0)
		live->draw_error = rc;
}

static bool is_over(const struct live *live)
{
	return live->is_ended || live->draw_error < 0;
}

static void handle_key(struct live *live, int key)
{
	switch (fc_view_key(&live->view, key)) {
	case FC_VIEW_END:
		live->is_ended = true;
		return;
	case FC_VIEW_PAUSE:
		if (!live->view.is_paused && live->client != NULL)
			show(live, live->latest);
		draw(live, false);
		return;
	case FC_VIEW_DRAW:
	case FC_VIEW_INTERVAL:
		draw(live, false);
		return;
	case FC_VIEW_CLEAR:
		draw(live, true);
		return;
	case FC_VIEW_NOTHING:
		return;
	}
}

static void read_keys(struct live *live)
{
	unsigned char bytes[64];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		epoll_ctl(live->events_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
		return;
	}
	for (ssize_t i = 0; i < n && !is_over(live); i++)
		handle_key(live, fc_keys_take(&live->keys, bytes[i]));
	if (!is_over(live))
		handle_key(live, fc_keys_pause(&live->keys));
}

static void handle_view_signal(struct live *live)
{
	struct signalfd_siginfo info;
	bool was_entered = live->screen.is_entered;

	if (read(live->view_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGTSTP) {
		fc_screen_leave(&live->screen);
		raise(SIGSTOP);
		if (was_entered)
			fc_screen_enter(&live->screen, STDOUT_FILENO);
		live->is_entered_anew = true;
	} else if (info.ssi_signo == SIGCONT) {
		/* Stopped by SIGSTOP, without a chance to give the terminal back. */
		if (!live->is_entered_anew)
			fc_screen_resume(&live->screen);
		live->is_entered_anew = false;
	}
	if (was_entered)
		draw(live, info.ssi_signo == SIGCONT);
}

/* Handle what is there; false when the view is to end. */
static bool handle_events(void *context)
{
	struct live *live = context;
	struct epoll_event events[3];
	int n_events = epoll_wait(live->events_fd, events, 3, 0);

	for (int i = 0; i < n_events && !is_over(live); i++) {
		if (events[i].data.fd == live->end_fd)
			live->is_ended = true;
		else if (events[i].data.fd == live->view_fd)
			handle_view_signal(live);
		else
			read_keys(live);
	}
	return !is_over(live);
}

static uint64_t next_ns(const struct live *live)
{
	return live->last_ns + (uint64_t)(live->view.interval_s * 1e9);
}

/* Wait until the next refresh is due; false when the view is to end. */
static bool wait_tick(struct live *live)
{
	struct pollfd fd = { .fd = live->events_fd, .events = POLLIN };

	for (;;) {
		uint64_t now = now_ns(), due = next_ns(live);
		/* Rounded up, so that it never wakes just before the time. */
		uint64_t left_ms = due > now ? (due - now + 999999) / 1000000 : 0;
		int n_ready = poll(&fd, 1, left_ms < INT32_MAX ? (int)left_ms : INT32_MAX);

		if (n_ready < 0 && errno != EINTR)
			return false;
		if (n_ready > 0 && !handle_events(live))
			return false;
		if (now_ns() >= next_ns(live))
			return true;
	}
}

static int run_loop(struct live *live)
{
	unsigned long n_shown = 0;

	live->last_ns = now_ns();
	/* The first sample has no rates; only a terminal shows it, so as not to be empty. */
	if (live->view.is_terminal)
		draw(live, true);
	while (!is_over(live) && wait_tick(live)) {
		bool is_ok;

		/* A tick that comes late delays those behind it; none is made up for. */
		live->last_ns = next_ns(live);
		if (now_ns() >= next_ns(live))
			live->last_ns = now_ns();
		is_ok = refresh(live);
		if (!is_ok && live->problem.kind == FC_PROBLEM_INTERRUPTED)
			break;
		draw(live, false);
		if (!is_over(live) && ++n_shown == live->options.count)
			return is_ok ? 0 : 1;
	}
	if (live->draw_error < 0) {
		fc_problem_set(&live->problem, FC_PROBLEM_CONNECTION,
			"cannot write to standard output: %s", strerror(-live->draw_error));
		return 1;
	}
	return 0;
}

static int watch(const struct live *live, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(live->events_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_events(struct live *live)
{
	sigset_t end, change;

	sigemptyset(&end);
	sigaddset(&end, SIGINT);
	sigaddset(&end, SIGTERM);
	sigaddset(&end, SIGHUP);
	sigaddset(&end, SIGQUIT);
	sigemptyset(&change);
	if (live->view.is_terminal) {
		sigaddset(&change, SIGWINCH);
		sigaddset(&change, SIGTSTP);
		sigaddset(&change, SIGCONT);
	}
	sigprocmask(SIG_BLOCK, &end, NULL);
	sigprocmask(SIG_BLOCK, &change, NULL);
	live->end_fd = signalfd(-1, &end, SFD_CLOEXEC);
	live->view_fd = signalfd(-1, &change, SFD_CLOEXEC | SFD_NONBLOCK);
	live->events_fd = epoll_create1(EPOLL_CLOEXEC);
	if (live->end_fd < 0 || live->view_fd < 0 || live->events_fd < 0)
		return -errno;
	if (watch(live, live->end_fd) < 0)
		return -errno;
	return watch(live, live->view_fd);
}

static void choose_style(struct live *live)
{
	const struct fc_live_options *options = &live->options;
	const char *terminal = getenv("TERM");
	const char *no_colour = getenv("NO_COLOR");
	const char *columns = getenv("COLUMNS");
	unsigned long width = columns != NULL ? strtoul(columns, NULL, 10) : 0;
	bool is_terminal = isatty(STDOUT_FILENO) && terminal != NULL && *terminal != '\0' &&
			   strcmp(terminal, "dumb") != 0;

	live->view = (struct fc_view){
		.style = {
			.wide = options->wide,
			.feeds = options->feeds,
			.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
			.colour = is_terminal && (no_colour == NULL || *no_colour == '\0'),
			.width = width >= 20 && width <= 1000 ? (unsigned)width : 0,
			.order = options->order,
			.is_reverse = options->is_reverse,
		},
		.interval_s = options->interval_s,
		.is_terminal = is_terminal,
	};
}

static int run_shown(struct live *live)
{
	int status;

	if (live->view.is_terminal)
		fc_screen_enter(&live->screen, STDOUT_FILENO);
	if (live->screen.has_keys)
		watch(live, STDIN_FILENO);
	status = run_loop(live);
	fc_screen_leave(&live->screen);
	return status;
}

int fc_live_run(const struct fc_live_options *options)
{
	struct live live = { .options = *options, .end_fd = -1, .view_fd = -1, .events_fd = -1 };
	int status = 1;

	choose_style(&live);
	if (open_events(&live) < 0) {
		fprintf(stderr, "fluxcap-ctl: cannot watch for signals: %s\n", strerror(errno));
		return 1;
	}
	live.options.client.wake_fd = live.events_fd;
	live.options.client.wake = handle_events;
	live.options.client.wake_context = &live;
	if (refresh(&live))
		status = run_shown(&live);
	else if (live.problem.kind == FC_PROBLEM_INTERRUPTED)
		status = 0;
	if (status != 0)
		fprintf(stderr, "fluxcap-ctl: %s\n", live.problem.text);
	fc_client_close(live.client);
	show(&live, NULL);
	fc_sample_free(live.latest);
	close(live.events_fd);
	close(live.view_fd);
	close(live.end_fd);
	return status;
}
