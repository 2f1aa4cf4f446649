/* SPDX-License-Identifier: MIT */
#include "screen.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP };

#define N_FATAL (sizeof(fatal_signals) / sizeof(fatal_signals[0]))

/* A signal handler has no argument of its own to find the screen by. */
static struct fc_screen *entered;
static struct sigaction former_actions[N_FATAL];

static int write_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Only calls that are safe in a signal handler. */
static void give_back(struct fc_screen *screen)
{
	static const char leave[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

	write_all(screen->fd, leave, sizeof(leave) - 1);
	if (screen->has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &screen->saved);
}

static void on_fatal(int number)
{
	struct fc_screen *screen = entered;

	entered = NULL;
	if (screen != NULL)
		give_back(screen);
	for (size_t i = 0; i < N_FATAL; i++)
		sigaction(fatal_signals[i], &former_actions[i], NULL);
	raise(number);
}

static void take(struct fc_screen *screen, const char *code)
{
	struct termios keys = screen->saved;

	if (screen->has_keys) {
		keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		keys.c_cc[VMIN] = 1;
		keys.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	}
	/* No cursor, no wrapping of a line that fills the last column. */
	write_all(screen->fd, code, strlen(code));
	write_all(screen->fd, "\033[?25l\033[?7l", strlen("\033[?25l\033[?7l"));
}

void fc_screen_enter(struct fc_screen *screen, int fd)
{
	struct sigaction action = { .sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND };

	screen->fd = fd;
	screen->has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen->saved) == 0;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < N_FATAL; i++)
		sigaction(fatal_signals[i], &action, &former_actions[i]);
	entered = screen;
	/* The other screen, and the place of the cursor on this one. */
	take(screen, "\033[?1049h");
	screen->is_entered = true;
}

void fc_screen_resume(struct fc_screen *screen)
{
	/* The place of the cursor is known, and it is another one now. */
	if (screen->is_entered)
		take(screen, "\033[?1047h");
}

void fc_screen_leave(struct fc_screen *screen)
{
	if (!screen->is_entered)
		return;
	give_back(screen);
	entered = NULL;
	for (size_t i = 0; i < N_FATAL; i++)
		sigaction(fatal_signals[i], &former_actions[i], NULL);
	screen->is_entered = false;
}

int fc_screen_draw(struct fc_screen *screen, const char *text, bool is_clear)
{
	char *buffer;
	size_t size;
	FILE *out = open_memstream(&buffer, &size);
	int rc;

	if (out == NULL)
		return -ENOMEM;
	/* Lines are overwritten, not the screen cleared first: that would flicker. */
	fputs(is_clear ? "\033[2J\033[H" : "\033[H", out);
	do {
		size_t n_chars = strcspn(text, "\n");
		bool is_last = text[n_chars] == '\0' || text[n_chars + 1] == '\0';

		/* What was there is erased before, the last line with all below it: behind a line
		 * that fills the window the cursor stands on its last character. */
		fprintf(out, "%s%.*s%s", is_last ? "\033[J" : "\033[K", (int)n_chars, text,
			is_last ? "" : "\r\n");
		text += n_chars + (text[n_chars] == '\n');
	} while (*text != '\0');
	if (fclose(out) != 0)
		return -ENOMEM;
	rc = write_all(screen->fd, buffer, size);
	free(buffer);
	return rc;
}

void fc_screen_size(int fd, unsigned *width, unsigned *height)
{
	struct winsize size;

	*width = 80;
	*height = 24;
	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		return;
	if (size.ws_col > 0)
		*width = size.ws_col;
	if (size.ws_row > 0)
		*height = size.ws_row;
}
