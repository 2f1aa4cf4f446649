/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_mbuf_dyn.h>
#include <rte_memcpy.h>

#include <fc_original.h>

#include "spool.h"

#define ALIGNMENT	 16 /* of each packet's bytes */
#define EMPTY_PER_READ	 1024
#define SHRINK_PER_ROUND 4

struct fc_spool_record {
	uint64_t position;  /* of its first packet in the tap's stream */
	uint64_t arrival;   /* of its first packet, TSC */
	uint64_t stamp;	    /* the same by the port's clock, if it has one */
	uint32_t payload;   /* bytes of its packets */
	uint32_t size : 24; /* bytes of the record, this header included */
	uint32_t n : 7;
	uint32_t is_stamped : 1; /* `later` is counted by the port's clock, too */
	uint16_t lengths[FC_SPOOL_BURST];
	uint16_t originals[FC_SPOOL_BURST]; /* before the tap cut them */
	uint32_t later[FC_SPOOL_BURST];	    /* than the first */
	uint8_t bytes[];
};

_Static_assert(sizeof(struct fc_spool_record) % ALIGNMENT == 0, "packets are aligned");
_Static_assert(FC_LONGEST_FRAME <= UINT16_MAX, "lengths fit");
_Static_assert(FC_SPOOL_MIN_SIZE >= 4 * (sizeof(struct fc_spool_record) + FC_SPOOL_RECORD),
	"a record never overwrites itself");

void fc_spool_set(struct fc_spool *spool, uint64_t size, struct rte_mempool *pool)
{
	spool->limit = size;
	spool->slot_limit = fc_spool_slots(size);
	spool->pool = pool;
}

static struct fc_spool_record *find_record(const struct fc_spool *spool, uint32_t slot)
{
	return (void *)(spool->memory.base + (uint64_t)spool->table[slot] * FC_SPOOL_UNIT);
}

static inline uint32_t align_length(uint32_t length)
{
	return RTE_ALIGN_CEIL(length, (uint32_t)ALIGNMENT);
}

/* The slot behind one that a record has. */
static uint32_t next_slot(const struct fc_spool *spool, uint32_t slot)
{
	bool is_of_lap_before = slot > spool->newest;

	slot++;
	return is_of_lap_before && slot == spool->slot_end ? 0 : slot;
}

/* Bytes from a record on to the newest one's end. */
static uint64_t find_distance(const struct fc_spool *spool, uint32_t slot)
{
	uint64_t at = (uint64_t)spool->table[slot] * FC_SPOOL_UNIT;

	return at < spool->head ? spool->head - at : spool->lap_end - at + spool->head;
}

static void publish_used(struct fc_spool *spool)
{
	uint64_t used = 0;

	for (uint16_t i = 0; i < spool->n_readers; i++)
		used = RTE_MAX(used, find_distance(spool, spool->readers[i]->front));
	atomic_store_explicit(&spool->used, used, memory_order_relaxed);
	if (used > atomic_load_explicit(&spool->peak, memory_order_relaxed))
		atomic_store_explicit(&spool->peak, used, memory_order_relaxed);
}

/* Nobody wants anything: begin again where the caches may still have the memory. */
static void begin_again(struct fc_spool *spool)
{
	spool->open = NULL;
	spool->head = 0;
	spool->size = 0;
	spool->n_records = 0;
	atomic_store_explicit(&spool->used, 0, memory_order_relaxed);
	atomic_store_explicit(&spool->end, 0, memory_order_release);
}

static void remove_reader(struct fc_spool_reader *reader)
{
	struct fc_spool *spool = reader->spool;
	struct fc_spool_reader *last = spool->readers[--spool->n_readers];

	spool->readers[reader->index] = last;
	last->index = reader->index;
	reader->is_listed = false;
}

static void add_reader(struct fc_spool_reader *reader)
{
	reader->index = reader->spool->n_readers++;
	reader->spool->readers[reader->index] = reader;
	reader->is_listed = true;
}

/* Bytes of the packets of a mask. */
static uint64_t measure_mask(const struct fc_spool_record *record, uint32_t mask)
{
	uint64_t size = 0;

	if (likely((uint32_t)__builtin_popcount(mask) == record->n))
		return record->payload;
	for (; mask != 0; mask &= mask - 1)
		size += record->lengths[rte_bsf32(mask)];
	return size;
}

static void take_off(struct fc_spool_reader *reader, uint32_t slot, uint32_t mask, uint64_t size)
{
	reader->masks[slot] &= ~mask;
	reader->n_packets -= (uint32_t)__builtin_popcount(mask);
	reader->n_bytes -= size;
}

/* The oldest record is going to be overwritten. */
static void evict_oldest(struct fc_spool *spool)
{
	uint32_t slot = spool->oldest;
	const struct fc_spool_record *record = find_record(spool, slot);

	for (uint16_t i = spool->n_readers; i-- != 0;) {
		struct fc_spool_reader *reader = spool->readers[i];
		uint32_t mask = reader->masks[slot];

		if (reader->front != slot)
			continue;
		if (mask != 0) {
			uint64_t n = (uint64_t)__builtin_popcount(mask),
				 size = measure_mask(record, mask);

			take_off(reader, slot, mask, size);
			fc_tally_add(reader->queued, -n, -size);
			fc_tally_add(reader->lost, n, size);
		}
		if (reader->n_packets == 0)
			remove_reader(reader);
		else
			reader->front = next_slot(spool, slot);
	}
	spool->size -= record->size;
	if (record == spool->open)
		spool->open = NULL;
	if (--spool->n_records != 0)
		spool->oldest = next_slot(spool, slot);
}

static uint64_t find_oldest(const struct fc_spool *spool)
{
	return (uint64_t)spool->table[spool->oldest] * FC_SPOOL_UNIT;
}

/* Whether the oldest record is of the lap before, so that the writer comes closer to it. */
static bool is_lapped(const struct fc_spool *spool)
{
	return spool->n_records != 0 && find_oldest(spool) >= spool->head;
}

static void evict_between(struct fc_spool *spool, uint64_t from, uint64_t to)
{
	while (spool->n_records != 0 && find_oldest(spool) >= from && find_oldest(spool) < to)
		evict_oldest(spool);
}

/* Some of what is more than a limit allows that got smaller. */
static void evict_excess(struct fc_spool *spool)
{
	for (unsigned i = 0; i < SHRINK_PER_ROUND && unlikely(spool->size > spool->limit); i++)
		evict_oldest(spool);
}

/* Where the writer's lap ends. With a smaller limit, what lies behind it has to go first. */
static uint64_t find_end(const struct fc_spool *spool)
{
	uint64_t ready = atomic_load_explicit(&spool->memory.ready, memory_order_acquire);

	if (unlikely(is_lapped(spool) && spool->lap_end > spool->limit))
		return ready;
	return RTE_MIN(ready, spool->limit);
}

static uint32_t choose_slot(struct fc_spool *spool)
{
	uint32_t slot = spool->newest + 1;

	if (spool->n_records == 0)
		return 0;
	if (slot >= spool->slot_limit && spool->oldest <= spool->newest) {
		spool->slot_end = slot;
		slot = 0;
	}
	if (spool->oldest == slot)
		evict_oldest(spool);
	return slot;
}

static bool has_stamp(const struct fc_spool *spool, const struct rte_mbuf *packet)
{
	return (packet->ol_flags & spool->stamp_flag) != 0;
}

static uint64_t read_stamp(const struct fc_spool *spool, const struct rte_mbuf *packet)
{
	return *RTE_MBUF_DYNFIELD(packet, spool->stamp_at, const uint64_t *);
}

/* Begin a record that has room for at least @packet. */
static void open_record(
	struct fc_spool *spool, const struct rte_mbuf *packet, uint64_t position, uint64_t now)
{
	uint64_t at = RTE_ALIGN_CEIL(spool->head, (uint64_t)FC_SPOOL_UNIT);
	uint64_t size = sizeof(struct fc_spool_record) + align_length(packet->pkt_len);
	struct fc_spool_record *record;
	uint32_t slot;

	if (at + size > find_end(spool)) {
		if (is_lapped(spool))
			evict_between(spool, at, UINT64_MAX);
		spool->lap_end = at;
		at = spool->head = 0;
	}
	evict_between(spool, at, at + size);
	slot = choose_slot(spool);
	evict_excess(spool);
	if (spool->n_records++ == 0)
		spool->oldest = slot;
	spool->newest = slot;
	spool->table[slot] = (uint32_t)(at / FC_SPOOL_UNIT);
	for (uint16_t i = 0; i < spool->n_readers; i++)
		spool->readers[i]->masks[slot] = 0;
	record = find_record(spool, slot);
	record->position = position;
	record->arrival = now;
	record->payload = 0;
	record->size = sizeof(*record);
	record->n = 0;
	record->is_stamped = has_stamp(spool, packet);
	if (record->is_stamped)
		record->stamp = read_stamp(spool, packet);
	spool->open = record;
	spool->head = at + sizeof(*record);
	spool->size += sizeof(*record);
	atomic_store_explicit(&spool->end,
		is_lapped(spool) ? RTE_MAX(spool->lap_end, at + size) : at + size,
		memory_order_release);
	publish_used(spool);
}

/* Whether a packet's time can be told as a difference from the record's first packet. */
static bool fits_time(
	const struct fc_spool *spool, const struct rte_mbuf *packet, uint64_t now, uint32_t *later)
{
	const struct fc_spool_record *record = spool->open;
	uint64_t difference = now - record->arrival;

	if (spool->stamp_flag != 0) {
		if (has_stamp(spool, packet) != record->is_stamped)
			return false;
		if (record->is_stamped)
			difference = read_stamp(spool, packet) - record->stamp;
	}
	*later = (uint32_t)difference;
	return difference <= UINT32_MAX;
}

/* How many of the packets fit into the open record, and the bytes that they take there. */
static uint16_t count_fitting(const struct fc_spool *spool, struct rte_mbuf *const *packets,
	uint16_t n, uint64_t now, uint32_t *size)
{
	struct fc_spool_record *record = spool->open;
	uint64_t end = find_end(spool);
	uint32_t most = sizeof(*record) + FC_SPOOL_RECORD - record->size;
	uint16_t i;

	*size = 0;
	n = RTE_MIN(n, (uint16_t)(FC_SPOOL_BURST - record->n));
	for (i = 0; i < n; i++) {
		uint32_t longer = *size + align_length(packets[i]->pkt_len);

		if ((longer > most && record->n + i != 0) || spool->head + longer > end ||
			!fits_time(spool, packets[i], now, &record->later[record->n + i]))
			break;
		*size = longer;
	}
	return i;
}

static void copy_packet(uint8_t *to, const struct rte_mbuf *packet)
{
	if (likely(packet->nb_segs == 1)) {
		rte_memcpy(to, rte_pktmbuf_mtod(packet, const uint8_t *), packet->data_len);
		return;
	}
	for (; packet != NULL; packet = packet->next) {
		memcpy(to, rte_pktmbuf_mtod(packet, const uint8_t *), packet->data_len);
		to += packet->data_len;
	}
}

static void append_packets(
	struct fc_spool *spool, struct rte_mbuf *const *packets, struct fc_spool_part *part)
{
	struct fc_spool_record *record = spool->open;
	uint8_t *to = spool->memory.base + spool->head;
	uint64_t size = 0;

	for (uint16_t i = 0; i < part->n; i++) {
		uint32_t length = packets[i]->pkt_len;

		record->lengths[part->first + i] = (uint16_t)length;
		record->originals[part->first + i] = (uint16_t)fc_original_length(packets[i]);
		copy_packet(to, packets[i]);
		to += align_length(length);
		size += length;
	}
	part->size = size;
}

uint16_t fc_spool_write(struct fc_spool *spool, struct rte_mbuf *const *packets, uint16_t n,
	uint64_t position, uint64_t now, struct fc_spool_part *part)
{
	struct fc_spool_record *record;
	uint32_t size;
	uint16_t n_fitting = 0;

	if (spool->n_readers == 0)
		begin_again(spool);
	if (spool->open != NULL)
		n_fitting = count_fitting(spool, packets, n, now, &size);
	if (n_fitting == 0) {
		open_record(spool, packets[0], position, now);
		n_fitting = count_fitting(spool, packets, n, now, &size);
	}
	evict_between(spool, spool->head, spool->head + size);
	record = spool->open;
	*part = (struct fc_spool_part){ spool->newest, record->n, n_fitting, 0 };
	append_packets(spool, packets, part);
	record->n += n_fitting;
	record->payload += (uint32_t)part->size;
	record->size += size;
	spool->head += size;
	spool->size += size;
	return n_fitting;
}

struct fc_count fc_spool_want(
	struct fc_spool_reader *reader, const struct fc_spool_part *part, uint32_t mask)
{
	struct fc_count count = { (uint64_t)__builtin_popcount(mask), part->size };

	mask <<= part->first;
	if (unlikely(count.packets != part->n))
		count.bytes = measure_mask(find_record(reader->spool, part->slot), mask);
	if (reader->n_packets == 0) {
		reader->front = part->slot;
		reader->masks[part->slot] = 0;
		add_reader(reader);
	}
	reader->masks[part->slot] |= mask;
	reader->n_packets += (uint32_t)count.packets;
	reader->n_bytes += count.bytes;
	return count;
}

/* As many mbufs as the pool has, at most @n. */
static uint16_t take_mbufs(struct rte_mempool *pool, struct rte_mbuf **packets, uint16_t n)
{
	uint16_t got = 0;

	if (likely(rte_pktmbuf_alloc_bulk(pool, packets, n) == 0))
		return n;
	while (got < n && (packets[got] = rte_pktmbuf_alloc(pool)) != NULL)
		got++;
	return got;
}

/* Fill an mbuf, and others behind it for what it does not hold. */
static bool fill_packet(
	struct rte_mempool *pool, struct rte_mbuf *packet, const uint8_t *from, uint32_t length)
{
	struct rte_mbuf *last = packet;

	packet->pkt_len = length;
	/* A tag that the tap pushed took headroom, too. */
	if (unlikely(length > rte_pktmbuf_tailroom(packet) && length <= packet->buf_len))
		packet->data_off = (uint16_t)(packet->buf_len - length);
	for (;;) {
		uint16_t n = (uint16_t)RTE_MIN(length, (uint32_t)rte_pktmbuf_tailroom(last));

		rte_memcpy(rte_pktmbuf_mtod(last, uint8_t *), from, n);
		last->data_len = n;
		from += n;
		length -= n;
		if (likely(length == 0))
			return true;
		last->next = rte_pktmbuf_alloc(pool);
		if (last->next == NULL)
			return false;
		last = last->next;
		packet->nb_segs++;
	}
}

/* Say of a packet what does not follow from its bytes. */
static void restore_facts(const struct fc_spool *spool, const struct fc_spool_record *record,
	unsigned i, struct rte_mbuf *packet)
{
	if (unlikely(record->is_stamped)) {
		packet->ol_flags |= spool->stamp_flag;
		*RTE_MBUF_DYNFIELD(packet, spool->stamp_at, uint64_t *) =
			record->stamp + record->later[i];
	}
	if (unlikely(record->originals[i] != record->lengths[i]))
		fc_original_note(packet, record->originals[i]);
}

/* Fill @n mbufs with the first packets of @mask. Returns how many; @taken gets which. */
static uint16_t unpack_packets(const struct fc_spool *spool, const struct fc_spool_record *record,
	uint32_t mask, struct rte_mbuf **packets, uint16_t n, uint32_t *taken)
{
	const uint8_t *from = record->bytes;
	uint16_t n_done = 0;

	*taken = 0;
	for (unsigned i = 0; n_done < n; i++) {
		uint32_t length = record->lengths[i];

		if ((mask >> i & 1) != 0) {
			if (unlikely(!fill_packet(spool->pool, packets[n_done], from, length)))
				break;
			restore_facts(spool, record, i, packets[n_done]);
			*taken |= UINT32_C(1) << i;
			n_done++;
		}
		from += align_length(length);
	}
	if (unlikely(n_done < n))
		rte_pktmbuf_free_bulk(packets + n_done, n - n_done);
	return n_done;
}

/* Go on to the first record of which something is wanted. Not far at once. */
static uint32_t find_front(struct fc_spool_reader *reader)
{
	uint32_t front = reader->front;

	for (unsigned i = 0; i < EMPTY_PER_READ && reader->masks[front] == 0; i++)
		front = next_slot(reader->spool, front);
	reader->front = front;
	return reader->masks[front];
}

uint16_t fc_spool_read(
	struct fc_spool_reader *reader, struct rte_mbuf **packets, uint16_t max, uint64_t *since)
{
	struct fc_spool *spool = reader->spool;
	uint32_t mask = reader->n_packets != 0 ? find_front(reader) : 0, taken;
	const struct fc_spool_record *record;
	uint16_t n;

	if (mask == 0)
		return 0;
	record = find_record(spool, reader->front);
	n = take_mbufs(spool->pool, packets, RTE_MIN((uint16_t)__builtin_popcount(mask), max));
	n = unpack_packets(spool, record, mask, packets, n, &taken);
	*since = record->arrival;
	if (!record->is_stamped)
		*since += record->later[rte_bsf32(mask)];
	take_off(reader, reader->front, taken, measure_mask(record, taken));
	if (reader->n_packets == 0)
		fc_spool_leave(reader);
	else if (reader->masks[reader->front] == 0)
		find_front(reader);
	publish_used(spool);
	return n;
}

uint64_t fc_spool_oldest(const struct fc_spool_reader *reader)
{
	return find_record(reader->spool, reader->front)->arrival;
}

void fc_spool_leave(struct fc_spool_reader *reader)
{
	if (!reader->is_listed)
		return;
	remove_reader(reader);
	if (reader->spool->n_readers == 0)
		begin_again(reader->spool);
}

struct fc_count fc_spool_forget(struct fc_spool_reader *reader)
{
	struct fc_count count = { reader->n_packets, reader->n_bytes };

	fc_spool_leave(reader);
	reader->n_packets = 0;
	reader->n_bytes = 0;
	return count;
}

void fc_spool_shrink(struct fc_spool *spool)
{
	evict_excess(spool);
	if (spool->n_readers == 0)
		begin_again(spool);
}
