/* The automaton of a profile: one pass over a name yields its label, whatever the number of rules.
 * The table's shape is told beside struct rf_entry in abi.h. */
#ifndef RINGFENCE_AUTOMATON_H
#define RINGFENCE_AUTOMATON_H

#include "abi.h"
#include "kernel.h"

#define STATE_MASK ((RF_AUTOMATON_ENTRIES - 1) * sizeof(struct rf_entry))

RF_INLINE const struct rf_entry *entry_at(const void *from, __u64 offset)
{
        return from + offset;
}

/* One state further: by the entry of the byte's class, or by the header where that entry belongs to another state. `class`, too, is
 * an offset. No branch: the verifier follows every branch of every step. 64-bit throughout: this target has no cheap 32-bit
 * arithmetic. */
RF_INLINE __u64 automaton_step(const struct rf_entry *table, __u64 state, __u64 class)
{
        const struct rf_entry *header = entry_at(table, state);

        RF_OPAQUE(header);
        state ^= entry_at(header, class)->check;
        state -= 1;
        RF_OPAQUE(state);
        class &= (__s64)state >> 63; /* all ones if nothing differed, else none */
        RF_OPAQUE(class);
        return entry_at(header, class)->next & STATE_MASK;
}

/* A place in each of the two automata of a profile; see struct rf_profile. */
struct states {
        __u64 anchored;
        __u64 floating;
};

/* The states after name[position..end). `size`: of the memory at `name`, a constant; `end`: 0 for `size`, else where it is read.
 * `both`, a constant: whether there is a floating automaton.
 * The position counts the steps: its least possible value grows with every step, so that the verifier sees the end. */
RF_INLINE void automata_run(const struct rf_entry *table, const struct rf_profile *profile, const __u8 *name, __u64 size,
                            __u64 position, const volatile __u32 *end, struct states *states, int both)
{
        __u64 length = end ? *end : size, anchored = profile->start, floating = profile->floating;

        anchored = anchored * sizeof(struct rf_entry) & STATE_MASK;
        floating = floating * sizeof(struct rf_entry) & STATE_MASK;
        RF_LOOP
        for (;;) {
                __u64 class;

                RF_OPAQUE(position);
                if (position >= size || position >= length)
                        break;
                class = profile->byte_classes[name[position]] * sizeof(struct rf_entry);
                anchored = automaton_step(table, anchored, class);
                if (both)
                        floating = automaton_step(table, floating, class);
                position++;
        }
        RF_FORGET();
        states->anchored = anchored;
        states->floating = floating;
}

/* The label of a state. */
RF_INLINE __u64 automaton_label(const struct rf_entry *table, __u64 state)
{
        RF_OPAQUE(state);
        return entry_at(table, state & STATE_MASK)->check >> RF_LABEL_SHIFT;
}

/* What two automata say of one name together; see struct rf_profile. ~0: the table is not what it should be. */
RF_INLINE __u64 label_pair(const __u32 *words, const struct rf_profile *profile, __u64 anchored, __u64 floating)
{
        __u64 row = words[(profile->pairs + anchored) & (RF_WORDS - 1)];
        __u64 count = words[row & (RF_WORDS - 1)] & (RF_WORDS - 1), low = words[0], high = count, value;

        low &= RF_WORDS - 1; /* known to be 0, but not to the verifier: see row_follow */
        RF_LOOP
        for (__u64 i = 0; i < RF_PAIR_STEPS; i++) {
                __u64 middle = (low + high) >> 1;

                RF_OPAQUE(i);
                if (low >= high)
                        break;
                if (words[(row + 1 + 2 * middle) & (RF_WORDS - 1)] > floating)
                        high = middle & (RF_WORDS - 1);
                else
                        low = (middle + 1) & (RF_WORDS - 1);
        }
        if (low >= count)
                return ~0ULL;
        value = words[(row + 2 + 2 * low) & (RF_WORDS - 1)];
        return value ? value : words[(profile->alone + floating) & (RF_WORDS - 1)];
}

/* The label of the path name[position..end); `size` and `end` as in automata_run. */
RF_INLINE __u64 path_label(const struct rf_entry *table, const __u32 *words, const struct rf_profile *profile, const __u8 *name,
                           __u64 size, __u64 position, const volatile __u32 *end)
{
        struct states states;
        __u64 floating;

        if (!profile->floating) {
                automata_run(table, profile, name, size, position, end, &states, 0);
                return automaton_label(table, states.anchored);
        }
        automata_run(table, profile, name, size, position, end, &states, 1);
        floating = automaton_label(table, states.floating);
        if (floating == RF_LABEL_NAMELESS)
                return automaton_label(table, states.anchored);
        return label_pair(words, profile, automaton_label(table, states.anchored), floating);
}

/* What the label of a path means to who asks (enum rf_column). */
RF_INLINE __u32 path_column(const __u32 *words, const struct rf_profile *profile, __u64 label, __u32 column)
{
        if (label >= profile->path_label_count)
                return RF_LABEL_UNKNOWN;
        return words[(profile->path_labels + RF_PATH_COLUMNS * label + column) & (RF_WORDS - 1)];
}

#endif
