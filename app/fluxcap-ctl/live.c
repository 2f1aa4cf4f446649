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
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"
#include "fetch.h"
#include "screen.h"
#include "table.h"

struct view {
	struct fc_live_options options;
	struct fc_client *client; /* NULL: not connected */
	struct fc_sample *now;	  /* the last one that came, also after the connection is lost */
	struct fc_sample *before; /* the one before it; NULL: no rates */
	struct fc_problem problem;
	char notice[256];
	struct fc_screen screen;
	struct fc_table_style style;
	bool is_terminal;
	int end_fd;  /* signals that end the view */
	int view_fd; /* signals that change how it is drawn */
};

enum event {
	EVENT_TICK, /* the next refresh is due */
	EVENT_DRAW, /* draw again what is there */
	EVENT_END,
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void drop_before(struct view *view)
{
	fc_sample_free(view->before);
	view->before = NULL;
}

static void note_lost(struct view *view)
{
	size_t n_first = strcspn(view->problem.text, "\n");

	fc_client_close(view->client);
	view->client = NULL;
	drop_before(view);
	for (size_t i = 0; view->now != NULL && i < view->now->n_rows; i++) {
		view->now->rows[i].known = 0;
		view->now->rows[i].note[0] = '\0';
	}
	snprintf(view->notice, sizeof(view->notice), "no counters, trying again: %.*s",
		(int)n_first, view->problem.text);
}

static void note_connected(struct view *view, const struct fc_sample *sample)
{
	if (view->now->pid != sample->pid)
		snprintf(view->notice, sizeof(view->notice),
			"connected to a new process, %lld: its counters start anew", sample->pid);
	else
		snprintf(view->notice, sizeof(view->notice), "connected again");
}

/* Get the next sample; false when there is none, and view->problem says why. */
static bool refresh(struct view *view)
{
	bool is_new = view->client == NULL;
	struct fc_sample *sample = NULL;

	if (is_new)
		view->client = fc_client_open(&view->options.client, &view->problem);
	if (view->client != NULL)
		sample = fc_fetch_sample(view->client, &view->problem);
	if (sample == NULL) {
		note_lost(view);
		return false;
	}
	view->notice[0] = '\0';
	drop_before(view);
	if (is_new) {
		if (view->now != NULL)
			note_connected(view, sample);
		fc_sample_free(view->now);
	} else {
		view->before = view->now;
	}
	view->now = sample;
	return true;
}

static int draw(struct view *view)
{
	unsigned height = 0;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int rc;

	if (out == NULL)
		return -ENOMEM;
	if (view->is_terminal)
		fc_screen_size(STDOUT_FILENO, &view->style.width, &height);
	fc_table_draw(out, &view->style, view->now, view->before, view->notice);
	if (fclose(out) != 0)
		return -ENOMEM;
	if (view->is_terminal) {
		rc = fc_screen_draw(&view->screen, text, height);
	} else {
		errno = 0;
		rc = fputs(text, stdout) < 0 || fputc('\n', stdout) < 0 || fflush(stdout) != 0
			     ? -errno
			     : 0;
	}
	free(text);
	return rc;
}

static enum event handle_key(struct view *view)
{
	char key;
	ssize_t n = read(STDIN_FILENO, &key, 1);

	if (n <= 0) {
		view->screen.has_keys = false;
		return EVENT_DRAW;
	}
	if (key == 'q' || key == 'Q')
		return EVENT_END;
	if (key == 'w' || key == 'W')
		view->style.wide = !view->style.wide;
	return EVENT_DRAW;
}

static enum event handle_view_signal(struct view *view)
{
	struct signalfd_siginfo info;

	if (read(view->view_fd, &info, sizeof(info)) != sizeof(info))
		return EVENT_DRAW;
	if (info.ssi_signo == SIGTSTP) {
		fc_screen_leave(&view->screen);
		raise(SIGSTOP);
		if (view->is_terminal)
			fc_screen_enter(&view->screen, STDOUT_FILENO);
	}
	return EVENT_DRAW;
}

static enum event wait_event(struct view *view, uint64_t until_ns)
{
	struct pollfd fds[] = {
		{ .fd = view->end_fd, .events = POLLIN },
		{ .fd = view->view_fd, .events = POLLIN },
		{ .fd = view->is_terminal && view->screen.has_keys ? STDIN_FILENO : -1,
			.events = POLLIN },
	};

	for (;;) {
		uint64_t now = now_ns();
		/* Rounded up, so that it never wakes just before the time. */
		uint64_t left_ms = until_ns > now ? (until_ns - now + 999999) / 1000000 : 0;
		int n_ready = poll(fds, 3, left_ms < INT32_MAX ? (int)left_ms : INT32_MAX);

		if (n_ready < 0 && errno == EINTR)
			continue;
		if (n_ready < 0 || fds[0].revents != 0)
			return EVENT_END;
		if (fds[1].revents != 0)
			return handle_view_signal(view);
		if (fds[2].revents != 0)
			return handle_key(view);
		if (now_ns() >= until_ns)
			return EVENT_TICK;
	}
}

/* Wait for the next tick, drawing again when asked to; false when the view is to end. */
static bool wait_tick(struct view *view, uint64_t until_ns)
{
	for (;;) {
		enum event event = wait_event(view, until_ns);

		if (event == EVENT_END)
			return false;
		if (event == EVENT_TICK)
			return true;
		if (view->is_terminal && draw(view) < 0)
			return false;
	}
}

static int run_loop(struct view *view)
{
	uint64_t interval_ns = (uint64_t)(view->options.interval_s * 1e9);
	uint64_t next_ns = now_ns() + interval_ns;
	unsigned long n_shown = 0;
	int rc = 0;

	/* The first sample has no rates; only a terminal shows it, so as not to be empty. */
	if (view->is_terminal)
		rc = draw(view);
	while (rc == 0 && wait_tick(view, next_ns)) {
		bool is_ok = refresh(view);

		if (!is_ok && view->problem.kind == FC_PROBLEM_INTERRUPTED)
			break;
		rc = draw(view);
		if (rc == 0 && ++n_shown == view->options.count)
			return is_ok ? 0 : 1;
		next_ns += interval_ns;
		if (next_ns < now_ns())
			next_ns = now_ns() + interval_ns;
	}
	if (rc < 0) {
		fc_problem_set(&view->problem, FC_PROBLEM_CONNECTION,
			"cannot write to standard output: %s", strerror(-rc));
		return 1;
	}
	return 0;
}

static int open_signals(struct view *view)
{
	sigset_t end, change;

	sigemptyset(&end);
	sigaddset(&end, SIGINT);
	sigaddset(&end, SIGTERM);
	sigaddset(&end, SIGHUP);
	sigaddset(&end, SIGQUIT);
	sigemptyset(&change);
	if (view->is_terminal) {
		sigaddset(&change, SIGWINCH);
		sigaddset(&change, SIGTSTP);
		sigaddset(&change, SIGCONT);
	}
	sigprocmask(SIG_BLOCK, &end, NULL);
	sigprocmask(SIG_BLOCK, &change, NULL);
	view->end_fd = signalfd(-1, &end, SFD_CLOEXEC);
	view->view_fd = signalfd(-1, &change, SFD_CLOEXEC | SFD_NONBLOCK);
	return view->end_fd < 0 || view->view_fd < 0 ? -errno : 0;
}

static void choose_style(struct view *view)
{
	const char *terminal = getenv("TERM");
	const char *no_colour = getenv("NO_COLOR");
	const char *columns = getenv("COLUMNS");
	unsigned long width = columns != NULL ? strtoul(columns, NULL, 10) : 0;

	view->is_terminal = isatty(STDOUT_FILENO) && terminal != NULL && *terminal != '\0' &&
			    strcmp(terminal, "dumb") != 0;
	view->style.wide = view->options.wide;
	view->style.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	view->style.colour = view->is_terminal && (no_colour == NULL || *no_colour == '\0');
	view->style.width = width >= 20 && width <= 1000 ? (unsigned)width : 0;
}

int fc_live_run(const struct fc_live_options *options)
{
	struct view view = { .options = *options };
	int status = 1;

	choose_style(&view);
	if (open_signals(&view) < 0) {
		fprintf(stderr, "fluxcap-ctl: cannot watch for signals: %s\n", strerror(errno));
		return 1;
	}
	view.options.client.wake_fd = view.end_fd;
	if (refresh(&view)) {
		if (view.is_terminal)
			fc_screen_enter(&view.screen, STDOUT_FILENO);
		status = run_loop(&view);
		fc_screen_leave(&view.screen);
	} else if (view.problem.kind == FC_PROBLEM_INTERRUPTED) {
		status = 0;
	}
	if (status != 0)
		fprintf(stderr, "fluxcap-ctl: %s\n", view.problem.text);
	fc_client_close(view.client);
	fc_sample_free(view.now);
	drop_before(&view);
	close(view.view_fd);
	close(view.end_fd);
	return status;
}
