/* SPDX-License-Identifier: MIT */
#ifndef FC_ROW_H
#define FC_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <fc_config.h>

/*
 * Each key of the configuration is one row of a table. A row says where the value goes and what it
 * may be; its type knows how to decode, encode, describe and document such a value. Everything
 * else (the checker, the dump, the reference, the JSON Schema, the short form) walks the tables.
 */

struct key_row;
struct key_table;

#define FC_PHRASE_SIZE 160 /* bytes of a phrase about a value */
#define FC_PLACE_SIZE  512 /* bytes of a path such as outputs.ids.vlan.push */

/* What a decoding in progress knows. */
struct decoder {
	struct fc_findings *findings;
	const struct fc_config_checks *checks; /* NULL: none */
	json_t *taps; /* the object of all taps, NULL where there is none; borrowed */
	size_t place_length;
	char place[FC_PLACE_SIZE]; /* of the value in hand */
};

#define N_ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

#define FIELD(owner, member)                                                                       \
	.offset = offsetof(struct owner, member), .size = sizeof(((struct owner *)NULL)->member)

#define SECOND(owner, member)                                                                      \
	.second_offset = offsetof(struct owner, member),                                           \
	.second_size = sizeof(((struct owner *)NULL)->member)

#define ITEMS(owner, member, count)                                                                \
	.offset = offsetof(struct owner, member), .size = sizeof(*((struct owner *)NULL)->member), \
	SECOND(owner, count)

/* One kind of value. `owner` is the struct that has the row's field. */
struct key_type {
	/* What is expected, as a phrase: "a whole number in 1..4094". */
	void (*describe)(const struct key_row *row, char phrase[FC_PHRASE_SIZE]);
	/* Check a value and put it into its field; findings where it is wrong. */
	void (*decode)(
		struct decoder *decoder, const struct key_row *row, json_t *value, void *owner);
	/* Whether the field has a value that is not "none" or "choose". */
	bool (*is_set)(const struct key_row *row, const void *owner);
	/* The value that decodes to the field's; a new reference, NULL when out of memory. */
	json_t *(*encode)(
		const struct fc_config *config, const struct key_row *row, const void *owner);
	/* The value that a text of the short form stands for: as far as it can be told, of the JSON
	 * type that decode() expects, else a string. A new reference, NULL when out of memory. */
	json_t *(*read)(const struct key_row *row, const char *text);
	/* The JSON Schema of the value; a new reference, NULL when out of memory. */
	json_t *(*schema)(const struct key_row *row);
	/* Free what the field owns; NULL where it owns nothing. */
	void (*release)(const struct key_row *row, void *owner);
};

/* One of the words that a key can have. */
struct key_choice {
	const char *word;
	uint64_t value; /* of several words with one value the first is that of the dump */
};

struct key_row {
	const char *name;
	const struct key_type *type;
	size_t offset, size;		   /* the field; for lists and maps the items */
	size_t second_offset, second_size; /* a field that belongs to it. Lists and maps: the number
					      of items; addresses with a prefix: its length; values
					      that may be 0: whether there is one */
	uint64_t min, max;		   /* numbers: the value; lists of numbers: each item;
					      texts: bytes; objects and maps: keys */
	uint16_t max_items;		   /* lists */
	const struct key_choice *choices;  /* words: ends with a NULL */
	bool required;
	bool unique;	     /* lists: no item twice */
	bool single;	     /* lists: one item may stand without its list */
	bool presence;	     /* how it comes to be there or what it is, not how it is set up */
	const char *preset;  /* the default as text of the short form; NULL: none */
	const char *needs;   /* a key that must stand beside this one */
	const char *example; /* as text of the short form */
	const char *doc;     /* one or two sentences in Markdown */
	const struct key_table *table; /* objects: theirs; maps: that of each entry */
};

struct key_table {
	const char *noun;  /* what one object of it is: "tap" */
	const char *title; /* heading of its reference, Markdown */
	const struct key_row *rows;
	size_t n_rows;
	/* Findings that need more than one key of an object to be seen; NULL: none. Fields of keys
	 * that have a finding of their own are as if the key were not there. */
	void (*check)(struct decoder *decoder, json_t *object, const void *owner);
	size_t size;	    /* of the struct that one object becomes */
	size_t name_size;   /* entries of a map: bytes of their name, the struct's first field */
	bool named_by_port; /* entries of a map: the name is a port's */
	const char *short_form; /* what stands before the keys in the short form; NULL: not in it */
	const char *shorthand; /* short form: the key that a value of the whole object stands for */
};

extern const struct key_type fc_key_bool;
extern const struct key_type fc_key_whole;
extern const struct key_type fc_key_size;
extern const struct key_type fc_key_percent;
extern const struct key_type fc_key_text;
extern const struct key_type fc_key_filter;
extern const struct key_type fc_key_port;
extern const struct key_type fc_key_tpid;
extern const struct key_type fc_key_whole_list;
extern const struct key_type fc_key_tap_list;
extern const struct key_type fc_key_choice;
extern const struct key_type fc_key_address;
extern const struct key_type fc_key_address_prefix;
extern const struct key_type fc_key_mac;
extern const struct key_type fc_key_tunnel_key;
extern const struct key_type fc_key_object;
extern const struct key_type fc_key_map;

extern const struct key_table fc_root_table;
extern const struct key_table fc_tap_table;
extern const struct key_table fc_output_table;
extern const struct key_table fc_encap_table;
extern const struct key_table fc_decap_table;
extern const struct key_table fc_port_table;

/* The edits alone: rows of a struct fc_edits, which no object of the file has for itself. */
extern const struct key_table fc_edits_table;

#define FC_MAX_TABLES 16

/* All tables, each once, the root first; the result is their number. */
size_t fc_tables_list(const struct key_table *tables[FC_MAX_TABLES]);

/* The row of a key, or NULL. */
const struct key_row *fc_table_find(const struct key_table *table, const char *name);

/* Set every field that has a default, those of inner objects too. */
void fc_table_preset(struct decoder *decoder, const struct key_table *table, void *owner);

/* Decode a JSON object into its struct. */
void fc_table_decode(
	struct decoder *decoder, const struct key_table *table, json_t *object, void *owner);

/* Whether the dump has this row of an object. */
bool fc_table_has(const struct key_table *table, const struct key_row *row, const void *owner);

/* Whether the dump has anything of an object: what is required, or else any of its rows. */
bool fc_table_is_set(const struct key_table *table, const void *owner);

/* The JSON object of a struct; a new reference, NULL when out of memory. */
json_t *fc_table_encode(
	const struct fc_config *config, const struct key_table *table, const void *owner);

/* Free what the fields of a struct own. */
void fc_table_release(const struct key_table *table, void *owner);

/* Read and write an unsigned field of 1, 2, 4 or 8 bytes. */
uint64_t fc_field_get(const void *owner, size_t offset, size_t size);
void fc_field_set(void *owner, size_t offset, size_t size, uint64_t value);

/* Go down to a key or to an item; the result is what fc_place_leave() takes to come back. */
size_t fc_place_enter(struct decoder *decoder, const char *key);
size_t fc_place_enter_item(struct decoder *decoder, size_t index);
void fc_place_leave(struct decoder *decoder, size_t mark);

#define decoder_error(decoder, ...)                                                                \
	fc_findings_add((decoder)->findings, FC_ERROR, (decoder)->place, __VA_ARGS__)

/* Add "expected EXPECTED, found the string "x"". */
void fc_decoder_mismatch(struct decoder *decoder, const char *expected, json_t *found);

/* Add the same, with what the row's type expects. */
void fc_decoder_reject(struct decoder *decoder, const struct key_row *row, json_t *found);

void fc_decoder_no_memory(struct decoder *decoder);

/* The word of a choice's value. */
const char *fc_choice_word(const struct key_choice *choices, uint64_t value);

/* Findings about the tunnels of a configuration that need more than one object to be seen. */
void fc_config_check_tunnels(
	const struct fc_config *config, bool complete, struct fc_findings *findings);

/* Errors and warnings that need more than one key to be seen. */
void fc_config_check(const struct fc_config *config, bool complete, struct fc_findings *findings);

/* JSON as people read it, with a newline at its end; the caller frees it, NULL when out of memory.
 */
char *fc_json_text(const json_t *value);

/* Check a configuration's JSON; NULL when there was an error. Does not keep the object. */
struct fc_config *fc_config_build(
	json_t *root, const struct fc_config_checks *checks, struct fc_findings *findings);

#endif
