/* SPDX-License-Identifier: MIT */
#ifndef FC_PROGRAM_PARTS_H
#define FC_PROGRAM_PARTS_H

#include <stddef.h>

/** Terms from which on an expression is compiled in parts, and how many a part has. */
#define FC_PROGRAM_MANY_TERMS 100
#define FC_PROGRAM_PART_TERMS 32

/**
 * Where an expression of many terms, one of which is enough, can be cut.
 *
 * The time that libpcap's optimiser takes grows with more than the square of the terms, so "A or B
 * or C ..." is cut at some of its "or", and the parts are compiled alone; a packet matches when one
 * of them does. That holds only for what surely is such a list: no other operator between the
 * terms, and nothing that means something else in the terms behind it (vlan, mpls, pppoes, ...).
 *
 * @param at    Gets the offset of each "or" at which a part ends; the next begins behind it.
 * @param room  Room in @p at.
 * @return      How many; 0: it is not to be cut.
 */
size_t fc_program_find_parts(const char *expression, size_t *at, size_t room);

#endif
