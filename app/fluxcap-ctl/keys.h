/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_KEYS_H
#define FC_CTL_KEYS_H

/** Keys that are not characters; a character is its own value. */
enum fc_key {
	FC_KEY_NONE = 0, /**< nothing, or nothing yet */
	FC_KEY_ESCAPE = 27,
	FC_KEY_UP = 256,
	FC_KEY_DOWN,
	FC_KEY_LEFT,
	FC_KEY_RIGHT,
	FC_KEY_PAGE_UP,
	FC_KEY_PAGE_DOWN,
	FC_KEY_HOME,
	FC_KEY_END,
	FC_KEY_F1,
};

/** What was read of a key that sends several bytes; a zeroed one has nothing. */
struct fc_keys {
	int state;
	unsigned parameter;
};

/**
 * Take one byte that a terminal sent.
 *
 * Understood are the sequences of ECMA-48 (CSI) and SS3 as xterm, tmux, screen, PuTTY and the Linux
 * console send them. They may come in pieces, as they do over a network. Unknown ones are passed
 * over as a whole, and so are bytes that are not ASCII.
 *
 * @return  A character (1..127 but for Escape), a key, or FC_KEY_NONE.
 */
int fc_keys_take(struct fc_keys *keys, unsigned char byte);

/**
 * Say that no more bytes are there for now.
 *
 * @return  FC_KEY_ESCAPE when the last byte was an Escape; a sequence may still follow it, and is
 *          taken for what it is. Else FC_KEY_NONE.
 */
int fc_keys_pause(struct fc_keys *keys);

#endif
