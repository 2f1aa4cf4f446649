/* SPDX-License-Identifier: MIT */
#include "screen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

void fc_screen_enter(struct fc_screen *screen, int fd)
{
	/* The other screen, no cursor, no wrapping of a line that fills the last column. */
	static const char enter[] = "\033[?1049h\033[?25l\033[?7l";
	struct termios keys;

	screen->fd = fd;
	screen->has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen->saved) == 0;
	if (screen->has_keys) {
		keys = screen->saved;
		keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		keys.c_cc[VMIN] = 1;
		keys.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	}
	write_all(fd, enter, sizeof(enter) - 1);
	screen->is_entered = true;
}

void fc_screen_leave(struct fc_screen *screen)
{
	static const char leave[] = "\033[?7h\033[?25h\033[?1049l";

	if (!screen->is_entered)
		return;
	write_all(screen->fd, leave, sizeof(leave) - 1);
	if (screen->has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &screen->saved);
	screen->is_entered = false;
}

static unsigned count_lines(const char *text)
{
	unsigned n_lines = 0;

	for (; *text != '\0'; text++)
		n_lines += *text == '\n';
	return n_lines;
}

int fc_screen_draw(struct fc_screen *screen, const char *text, unsigned height)
{
	unsigned n_lines = count_lines(text);
	unsigned n_drawn = n_lines <= height ? n_lines : height - 1;
	char *buffer;
	size_t size;
	FILE *out = open_memstream(&buffer, &size);
	int rc;

	if (out == NULL)
		return -ENOMEM;
	/* Lines are overwritten, not the screen cleared first: that would flicker. */
	fputs("\033[H", out);
	for (unsigned i = 0; i < n_drawn; i++) {
		size_t n_chars = strcspn(text, "\n");

		fprintf(out, "%s%.*s\033[K", i > 0 ? "\r\n" : "", (int)n_chars, text);
		text += n_chars + 1;
	}
	if (n_drawn < n_lines)
		fprintf(out, "%s+%u more\033[K", n_drawn > 0 ? "\r\n" : "", n_lines - n_drawn);
	fputs("\033[J", out);
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
