/* The automaton of a profile: one pass over a name yields its label, whatever the number of rules.
 * The table's shape is told beside struct rf_entry in abi.h. */
#ifndef RINGFENCE_AUTOMATON_H
#define RINGFENCE_AUTOMATON_H

#include "abi.h"
#include "kernel.h"

/* One state further. No branch: the verifier follows every branch of every step. 64-bit throughout: this target has no cheap 32-bit
 * arithmetic. */
RF_INLINE __u64 automaton_step(const __u64 *table, __u64 state, __u64 class)
{
        __u64 at = state + class, entry, other;

        RF_OPAQUE(at);
        at &= RF_AUTOMATON_ENTRIES - 1;
        entry = table[at];
        other = (entry >> 32) ^ (state | RF_ENTRY_OWNED);
        RF_OPAQUE(other);
        other = -other >> 63; /* 1: the entry belongs to another state */
        RF_OPAQUE(other);
        other = -other; /* all ones, or none */
        entry = (entry & ~other) | (table[state] & other);
        entry &= RF_AUTOMATON_ENTRIES - 1;
        return entry;
}

/* The state after name[position..end), from `state`. `size`: of the memory at `name`, a
 * constant; `end` is at most that. */
RF_INLINE __u32 automaton_run(const struct rf_entry *entries, const struct rf_profile *profile, const __u8 *name, __u64 size,
                              __u64 position, __u64 end, __u64 state)
{
        const __u64 *table = (const __u64 *)entries; /* an entry is read whole: `next` is its low half */

        state &= RF_AUTOMATON_ENTRIES - 1;
        RF_LOOP
        for (__u64 i = 0; i < size; i++) {
                __u64 at;

                RF_OPAQUE(i);
                at = position + i;
                if (at >= end)
                        break;
                RF_OPAQUE(at);
                if (size == RF_PATH_MAX)
                        at &= RF_PATH_MAX - 1;
                else if (at >= size)
                        break;
                state = automaton_step(table, state, profile->byte_classes[name[at]]);
        }
        RF_FORGET();
        return state;
}

/* The label of a state. */
RF_INLINE __u32 automaton_label(const struct rf_entry *table, __u32 state)
{
        RF_OPAQUE(state);
        state &= RF_AUTOMATON_ENTRIES - 1;
        return table[state].check;
}

#endif
