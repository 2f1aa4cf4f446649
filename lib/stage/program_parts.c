/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "program_parts.h"

/* Words with which a term begins or goes on, so that they are no value. */
static const char *const words[] = { "host", "net", "port", "portrange", "src", "dst", "ether",
	"ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "proto", "not",
	"gateway", "less", "greater", "len", "mask", "broadcast", "multicast", "inbound",
	"outbound", "addr1", "addr2", "addr3", "addr4", "link", "and", "or" };

/* Words that change what stands behind them, up to the end of the expression. */
static const char *const changes[] = { "vlan", "mpls", "pppoed", "pppoes", "geneve", "vxlan",
	"protochain" };

struct token {
	size_t start, size;
	bool is_word; /* otherwise it is one character */
};

static bool is_word_character(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("._:/-", c) != NULL);
}

/* The token at or behind an offset; size 0: there is none. */
static struct token next_token(const char *text, size_t at)
{
	struct token token = { .start = at };

	while (isspace((unsigned char)text[token.start]))
		token.start++;
	while (is_word_character(text[token.start + token.size]))
		token.size++;
	token.is_word = token.size != 0;
	if (!token.is_word && text[token.start] != '\0')
		token.size = 1;
	return token;
}

static bool is_one_of(
	const char *text, const struct token *token, const char *const list[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (token->size == strlen(list[i]) &&
			strncmp(text + token->start, list[i], token->size) == 0)
			return true;
	return false;
}

#define IS_ONE_OF(text, token, list) is_one_of(text, token, list, sizeof(list) / sizeof((list)[0]))

static bool is_text(const char *text, const struct token *token, const char *word)
{
	return is_one_of(text, token, &word, 1);
}

/* An address, a number: what a term ends with. */
static bool is_value(const char *text, const struct token *token)
{
	if (!token->is_word || IS_ONE_OF(text, token, words))
		return false;
	for (size_t i = 0; i < token->size; i++)
		if (isdigit((unsigned char)text[token->start + i]))
			return true;
	return false;
}

/* Whether a term surely begins here, and not a value that the term before lends its meaning to. */
static bool begins_term(const char *text, const struct token *token)
{
	return is_text(text, token, "(") || IS_ONE_OF(text, token, words);
}

struct cutter {
	const char *text;
	int depth; /* of parentheses */
	struct token before;
	size_t n_terms, n;
	size_t *at, room;
};

/* An "or" between the terms. */
static void pass_or(struct cutter *cutter, const struct token *token)
{
	struct token next = next_token(cutter->text, token->start + token->size);

	if ((!is_value(cutter->text, &cutter->before) &&
		    !is_text(cutter->text, &cutter->before, ")")) ||
		!begins_term(cutter->text, &next))
		return;
	cutter->n_terms++;
	if (cutter->n_terms % FC_PROGRAM_PART_TERMS == 0 && cutter->n < cutter->room)
		cutter->at[cutter->n++] = token->start;
}

/* Whether the expression can be cut as far as this token tells. */
static bool pass_token(struct cutter *cutter, const struct token *token)
{
	const char *text = cutter->text;

	if (IS_ONE_OF(text, token, changes))
		return false;
	if (is_text(text, token, "("))
		cutter->depth++;
	else if (is_text(text, token, ")"))
		cutter->depth--;
	else if (cutter->depth == 0 && (!token->is_word || is_text(text, token, "and")))
		return false;
	else if (cutter->depth == 0 && is_text(text, token, "or"))
		pass_or(cutter, token);
	return cutter->depth >= 0;
}

size_t fc_program_find_parts(const char *expression, size_t *at, size_t room)
{
	struct cutter cutter = { .text = expression, .at = at, .room = room };
	struct token token = next_token(expression, 0);

	while (token.size != 0) {
		if (!pass_token(&cutter, &token))
			return 0;
		cutter.before = token;
		token = next_token(expression, token.start + token.size);
	}
	return cutter.n_terms >= FC_PROGRAM_MANY_TERMS && cutter.depth == 0 ? cutter.n : 0;
}
