/* SPDX-License-Identifier: MIT */
#include "keys.h"

#include <stddef.h>

enum state {
	PLAIN,
	ESCAPE,	      /* after Escape */
	ESCAPE_ALONE, /* the same, and it was taken for a key */
	CSI,	      /* after Escape [ */
	SS3,	      /* after Escape O */
	CONSOLE,      /* after Escape [ [, which only the Linux console sends */
};

#define MAX_PARAMETER 1000

static int letter_key(unsigned char byte)
{
	switch (byte) {
	case 'A':
		return FC_KEY_UP;
	case 'B':
		return FC_KEY_DOWN;
	case 'C':
		return FC_KEY_RIGHT;
	case 'D':
		return FC_KEY_LEFT;
	case 'H':
		return FC_KEY_HOME;
	case 'F':
		return FC_KEY_END;
	case 'P':
		return FC_KEY_F1;
	default:
		return FC_KEY_NONE;
	}
}

static int number_key(unsigned number)
{
	switch (number) {
	case 1:
	case 7:
		return FC_KEY_HOME;
	case 4:
	case 8:
		return FC_KEY_END;
	case 5:
		return FC_KEY_PAGE_UP;
	case 6:
		return FC_KEY_PAGE_DOWN;
	case 11:
		return FC_KEY_F1;
	default:
		return FC_KEY_NONE;
	}
}

static int take_csi(struct fc_keys *keys, unsigned char byte)
{
	if (byte >= '0' && byte <= '9') {
		if (keys->parameter < MAX_PARAMETER)
			keys->parameter = keys->parameter * 10 + (byte - '0');
		return FC_KEY_NONE;
	}
	/* What follows the first parameter says which of Shift, Alt and Ctrl are held. */
	if (byte >= 0x20 && byte <= 0x3f) {
		keys->parameter += MAX_PARAMETER * (keys->parameter < MAX_PARAMETER);
		return FC_KEY_NONE;
	}
	if (byte == FC_KEY_ESCAPE) {
		keys->state = ESCAPE;
		return FC_KEY_NONE;
	}
	keys->state = byte == '[' ? CONSOLE : PLAIN;
	return byte == '~' ? number_key(keys->parameter % MAX_PARAMETER) : letter_key(byte);
}

static int take_after_escape(struct fc_keys *keys, unsigned char byte)
{
	keys->parameter = 0;
	if (byte == '[') {
		keys->state = CSI;
	} else if (byte == 'O') {
		keys->state = SS3;
	} else if (byte != FC_KEY_ESCAPE) {
		int was = keys->state;

		keys->state = PLAIN;
		/* Together with Escape it is a key held with Alt, which means nothing here. */
		return was == ESCAPE_ALONE && byte < 0x80 ? byte : FC_KEY_NONE;
	} else {
		keys->state = ESCAPE;
	}
	return FC_KEY_NONE;
}

int fc_keys_take(struct fc_keys *keys, unsigned char byte)
{
	switch (keys->state) {
	case ESCAPE:
	case ESCAPE_ALONE:
		return take_after_escape(keys, byte);
	case CSI:
		return take_csi(keys, byte);
	case SS3:
		keys->state = PLAIN;
		return letter_key(byte);
	case CONSOLE:
		keys->state = PLAIN;
		return byte == 'A' ? FC_KEY_F1 : FC_KEY_NONE;
	default:
		break;
	}
	if (byte == FC_KEY_ESCAPE) {
		keys->state = ESCAPE;
		return FC_KEY_NONE;
	}
	return byte < 0x80 ? byte : FC_KEY_NONE;
}

int fc_keys_pause(struct fc_keys *keys)
{
	if (keys->state != ESCAPE)
		return FC_KEY_NONE;
	keys->state = ESCAPE_ALONE;
	return FC_KEY_ESCAPE;
}
