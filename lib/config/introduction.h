/* SPDX-License-Identifier: MIT */
#ifndef FC_INTRODUCTION_H
#define FC_INTRODUCTION_H

/* The part of the reference that no table holds, in pieces, Markdown. Ends with NULL. */
extern const char *const fc_introduction[];

#endif
