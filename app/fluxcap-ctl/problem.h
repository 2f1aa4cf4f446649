/* SPDX-License-Identifier: MIT */
#ifndef FC_CTL_PROBLEM_H
#define FC_CTL_PROBLEM_H

/** What kind of thing went wrong: it decides whether trying again can help. */
enum fc_problem_kind {
	FC_PROBLEM_NONE,
	FC_PROBLEM_CONNECTION,	/**< nobody there, connection lost, no answer in time */
	FC_PROBLEM_ANSWER,	/**< somebody answers, but not what fluxcap answers */
	FC_PROBLEM_INTERRUPTED, /**< the caller's wake-up came first; not a mistake */
};

/** Why a call failed. Whoever calls owns it; a zeroed one is empty. */
struct fc_problem {
	enum fc_problem_kind kind;
	char text[1024]; /**< what is wrong and what would mend it; lines separated by newlines */
};

/**
 * Say what is wrong.
 *
 * @param problem  Overwritten. A text that does not fit is cut.
 */
void fc_problem_set(struct fc_problem *problem, enum fc_problem_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** Add to the text of a problem that is set. What does not fit is cut. */
void fc_problem_append(struct fc_problem *problem, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
