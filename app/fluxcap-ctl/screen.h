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
 * A signal that ends the process for a mistake of its own (SIGSEGV, SIGABRT and the like) gives it
 * back first.
 *
 * @param screen  Valid until fc_screen_leave(). Zeroed but for what an earlier fc_screen_leave()
 * left.
 * @param fd      The terminal to draw on; open while the screen is in use.
 */
void fc_screen_enter(struct fc_screen *screen, int fd);

/** Give the terminal back as fc_screen_enter() found it. A screen that is not entered is left
 * alone. */
void fc_screen_leave(struct fc_screen *screen);

/** Take the terminal once more after somebody else may have changed it: a shell, while this process
 * was stopped. What fc_screen_leave() gives back stays the same. */
void fc_screen_resume(struct fc_screen *screen);

/**
 * Replace what is on the screen.
 *
 * @param text      Lines, each ended by a newline, none wider and not more than the terminal has.
 * @param is_clear  Clear the screen before, in case that something else wrote there.
 * @return          0, or -errno when the terminal is gone.
 */
int fc_screen_draw(struct fc_screen *screen, const char *text, bool is_clear);

/** The size of the terminal, 80 x 24 where it does not tell. */
void fc_screen_size(int fd, unsigned *width, unsigned *height);

#endif
