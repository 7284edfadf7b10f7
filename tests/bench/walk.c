/* Find the labels of names as the programs do, in user space: the same look-ups over the same arrays.
 *
 *   walk(table, words, profile, classes, names, length, count, rounds, found) → nanoseconds of one name
 *
 * `profile`: start, floating, pairs, alone. `found`: labels of the names, and the look-ups of them all, by kind:
 * automaton entries, words. */
#include <stdint.h>
#include <time.h>

#define OWNED (1U << 31)

struct entry {
        uint32_t next;
        uint32_t check;
};

struct look_ups {
        uint64_t entries;
        uint64_t words;
};

static uint32_t run(const struct entry *table, const uint8_t *classes, const uint8_t *name, uint64_t length, uint32_t state,
                    struct look_ups *counted)
{
        for (uint64_t i = 0; i < length; i++) {
                struct entry at = table[state + classes[name[i]]];

                state = at.check == (state | OWNED) ? at.next : table[state].next;
        }
        counted->entries += 2 * length + 1; /* the programs read both, without a branch */
        return table[state].check;
}

static uint32_t pair(const uint32_t *words, uint32_t row, uint32_t floating, struct look_ups *counted)
{
        uint32_t low = 0, high = words[row];

        counted->words += 2;
        while (low < high) {
                uint32_t middle = (low + high) / 2;

                counted->words++;
                if (words[row + 1 + 2 * middle] > floating)
                        high = middle;
                else
                        low = middle + 1;
        }
        return words[row + 2 + 2 * low];
}

static uint32_t label(const struct entry *table, const uint32_t *words, const uint32_t *profile, const uint8_t *classes,
                      const uint8_t *name, uint64_t length, struct look_ups *counted)
{
        uint32_t anchored = run(table, classes, name, length, profile[0], counted), floating, value;

        if (!profile[1])
                return anchored;
        floating = run(table, classes, name, length, profile[1], counted);
        if (floating == 1)
                return anchored;
        counted->words += 2;
        value = pair(words, words[profile[2] + anchored], floating, counted);
        return value ? value : words[profile[3] + floating];
}

static double now(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return time.tv_sec * 1e9 + time.tv_nsec;
}

double walk(const struct entry *table, const uint32_t *words, const uint32_t *profile, const uint8_t *classes, const uint8_t *names,
            uint64_t length, uint64_t count, uint64_t rounds, uint32_t *labels, struct look_ups *counted)
{
        double best = 0;

        for (uint64_t round = 0; round < rounds; round++) {
                double began = now(), spent;

                *counted = (struct look_ups){};
                for (uint64_t i = 0; i < count; i++)
                        labels[i] = label(table, words, profile, classes, names + i * length, length, counted);
                spent = (now() - began) / count;
                best = round && best < spent ? best : spent;
        }
        return best;
}
