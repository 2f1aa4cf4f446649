/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <fc_findings.h>

/* A file of a million mistakes is not explained better by a million lines. */
#define FINDINGS_MAX 1000
#define TEXT_SIZE    1024 /* bytes of one finding's text */
#define PLACE_SIZE   512  /* bytes of one finding's place */
#define SOURCE_SHOWN 4096 /* bytes of the source, which may be a long path */
#define LINE_SIZE    (SOURCE_SHOWN + PLACE_SIZE + TEXT_SIZE + 32)

struct fc_findings {
	char *source;
	struct fc_finding *list; /* the strings are owned */
	size_t count;
	size_t room;
	size_t n_errors;
	size_t n_lost; /* that are not in the list */
};

/* Every message is one line, and cannot control the terminal that shows it. */
static void replace_unprintable(char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
	}
}

static void replace_control(char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			*text = '?';
	}
}

struct fc_findings *fc_findings_new(const char *source)
{
	struct fc_findings *findings = calloc(1, sizeof(*findings));

	if (findings == NULL)
		return NULL;
	findings->source = strdup(source);
	if (findings->source == NULL) {
		free(findings);
		return NULL;
	}
	/* A file's name is the user's own and may be in any encoding. */
	replace_control(findings->source);
	return findings;
}

void fc_findings_free(struct fc_findings *findings)
{
	if (findings == NULL)
		return;
	for (size_t i = 0; i < findings->count; i++) {
		free((char *)findings->list[i].place);
		free((char *)findings->list[i].text);
	}
	free(findings->list);
	free(findings->source);
	free(findings);
}

static int make_room(struct fc_findings *findings)
{
	if (findings->count >= FINDINGS_MAX)
		return -1;
	if (findings->count < findings->room)
		return 0;
	size_t room = findings->room == 0 ? 8 : findings->room * 2;
	struct fc_finding *list = realloc(findings->list, room * sizeof(*list));

	if (list == NULL)
		return -1;
	findings->list = list;
	findings->room = room;
	return 0;
}

void fc_findings_add(struct fc_findings *findings, enum fc_severity severity, const char *place,
	const char *format, ...)
{
	char text[TEXT_SIZE];
	char *place_copy;
	va_list args;

	if (findings == NULL)
		return;
	place_copy = strndup(place, PLACE_SIZE - 1);
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0)
		text[0] = '\0';
	char *text_copy = strdup(text);

	if (severity == FC_ERROR)
		findings->n_errors++;
	if (place_copy == NULL || text_copy == NULL || make_room(findings) != 0) {
		findings->n_lost++;
		free(place_copy);
		free(text_copy);
		return;
	}
	replace_unprintable(place_copy);
	replace_unprintable(text_copy);
	findings->list[findings->count++] = (struct fc_finding){
		.severity = severity,
		.place = place_copy,
		.text = text_copy,
	};
}

size_t fc_findings_n_errors(const struct fc_findings *findings)
{
	return findings != NULL ? findings->n_errors : 1;
}

size_t fc_findings_count(const struct fc_findings *findings)
{
	return findings != NULL ? findings->count : 0;
}

struct fc_finding fc_findings_get(const struct fc_findings *findings, size_t index)
{
	return findings->list[index];
}

void fc_findings_tell(const struct fc_findings *findings,
	void (*tell)(void *to, enum fc_severity severity, const char *line), void *to)
{
	char line[LINE_SIZE];

	if (findings == NULL) {
		tell(to, FC_ERROR, "fluxcap: out of memory: what else is wrong is not known\n");
		return;
	}
	for (size_t i = 0; i < findings->count; i++) {
		const struct fc_finding *finding = &findings->list[i];

		snprintf(line, sizeof(line), "%.*s: %s%s%s%s\n", SOURCE_SHOWN, findings->source,
			finding->place, finding->place[0] == '\0' ? "" : ": ",
			finding->severity == FC_WARNING ? "warning: " : "", finding->text);
		tell(to, finding->severity, line);
	}
	if (findings->n_lost > 0) {
		snprintf(line, sizeof(line), "%.*s: %zu more findings are not shown\n",
			SOURCE_SHOWN, findings->source, findings->n_lost);
		tell(to, findings->n_errors > 0 ? FC_ERROR : FC_WARNING, line);
	}
}

static void print_line(void *to, enum fc_severity severity, const char *line)
{
	(void)severity;
	fputs(line, to);
}

void fc_findings_print(const struct fc_findings *findings, FILE *stream)
{
	fc_findings_tell(findings, print_line, stream);
}
