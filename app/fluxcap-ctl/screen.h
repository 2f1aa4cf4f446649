/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_SCREEN_H
#define FC_CTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include <termios.h>

/** A terminal that is drawn on in place, and given back as it was. */
struct fc_screen {
	int fd;
	bool is_entered;
	bool has_keys; /**< single keys can be read from standard input */
	struct termios saved;
};

/**
 * Take the terminal: other screen, no cursor, keys without echo and without waiting for a newline.
 *
 * @param screen  Zeroed but for what an earlier fc_screen_leave() left.
 * @param fd      The terminal to draw on; open while the screen is in use.
 */
void fc_screen_enter(struct fc_screen *screen, int fd);

/** Give the terminal back as fc_screen_enter() found it. A screen that is not entered is left
 * alone. */
void fc_screen_leave(struct fc_screen *screen);

/**
 * Replace what is on the screen. What does not fit below is cut and said so.
 *
 * @param text    Lines, each ended by a newline, none wider than the terminal.
 * @param height  Lines of the terminal, from fc_screen_size().
 * @return        0, or -errno when the terminal is gone.
 */
int fc_screen_draw(struct fc_screen *screen, const char *text, unsigned height);

/** The size of the terminal, 80 x 24 where it does not tell. */
void fc_screen_size(int fd, unsigned *width, unsigned *height);

#endif
