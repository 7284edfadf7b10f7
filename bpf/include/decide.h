/* Deciding: row[subject][label][operation], counted and reported. */
#ifndef RINGFENCE_DECIDE_H
#define RINGFENCE_DECIDE_H

#include "abi.h"
#include "kernel.h"
#include "request.h"

/* What a hook can answer. */
enum refusal {
        REFUSES_WITH_ERRNO, /* any of those that a policy may name */
        REFUSES_WITH_EPERM, /* that one alone */
        REFUSES_NOTHING,
};

/* What is asked of a profile, beyond who asks. */
struct question {
        __u32 class_id;
        __u32 operations;
        __u32 parts[4]; /* classes of the object's parts; see struct rf_class */
        __u32 refusal;  /* enum refusal */
        __u16 port;
        __u16 family;
        __u16 syscall;
        __u8 protocol;
        __u8 named; /* the object's name is in the request's scratch */
        __u8 address[16];
};

/* A number inside the user namespace of `credentials`, or ~0 if it has none there that can be told. */
RF_INLINE __u32 id_inside(__u64 namespace, __u32 offset, __u32 kernel_id)
{
        struct uid_gid_map *map = (struct uid_gid_map *)(namespace + offset);
        __u32 extents = 0;

        bpf_probe_read_kernel(&extents, 4, &map->nr_extents);
        if (extents > 5)
                return ~0U; /* a longer map lies elsewhere, sorted: not read here */
        RF_LOOP
        for (__u32 i = 0; i < 5; i++) {
                struct uid_gid_extent extent = {};

                if (i >= extents)
                        break;
                bpf_probe_read_kernel(&extent, sizeof(extent), &map->extent[i]);
                if (kernel_id - extent.lower_first < extent.count && kernel_id >= extent.lower_first)
                        return extent.first + (kernel_id - extent.lower_first);
        }
        return ~0U;
}

/* The class of a number in the profile; `absent` where it has none of its own. */
RF_INLINE __u32 number_class(struct request *req, __u32 kind, __u32 id, __u32 absent)
{
        struct rf_number_key key = {.profile = req->profile_number, .kind = kind, .id = id};
        void *inner = inner_of(RF_MAP_numbers, req->slot);
        __u32 *found = inner ? bpf_map_lookup_elem(inner, &key) : 0;

        return found ? *found : absent;
}

/* Users and groups are read at the moment of decision: processes change them without exec. */
RF_INLINE __u32 credential_of(struct request *req)
{
        const struct cred *cred = req->task->cred;
        __u64 namespace = (__u64)cred->user_ns;
        __u32 user, group;

        if (!req->profile->has_credentials)
                return 1;
        user = id_inside(namespace, offsetof(struct user_namespace, uid_map), cred->euid.val);
        group = id_inside(namespace, offsetof(struct user_namespace, gid_map), cred->egid.val);
        if (user == ~0U || group == ~0U)
                return RF_CREDENTIAL_UNKNOWN;
        user = number_class(req, RF_NUMBER_USER, user, 0);
        return 1 + user * req->profile->gid_classes + number_class(req, RF_NUMBER_GROUP, group, 0);
}

RF_INLINE void rule_count(struct request *req, void *counters, __u32 rule)
{
        __u64 *sum = RF_AT(counters, rule * req->processors + bpf_get_smp_processor_id());

        if (sum)
                __sync_fetch_and_add(sum, 1);
}

struct outcome {
        __u32 head; /* word 0 of the decision */
        __u32 decision;
        __u32 rule;
};

/* The label of an object from the classes of its parts. */
RF_INLINE __u32 label_of_parts(const __u32 *words, const struct rf_class *class, const __u32 *parts)
{
        __u32 at;

        if (!class->table)
                return parts[0];
        at = (parts[0] * class->sizes[0] + parts[1]) * class->sizes[1] + parts[2];
        return words[(class->table + at * class->sizes[2] + parts[3]) & (RF_WORDS - 1)];
}

/* Which way on from a test: the word that has the offset. `wall`: see RF_CONTROL_WALL. */
RF_INLINE __u64 test_branch(const __u32 *words, __u64 at, __u64 head, __u64 wall)
{
        __u64 left, told = wall << 1; /* what is known of `told` after a branch is not known of `wall` */

        RF_OPAQUE(told);
        if ((head & 0xff) != RF_TEST_BEFORE || !told)
                return 4; /* ancestors are not recorded: it cannot be told */
        left = (bpf_ktime_get_boot_ns() + wall) / NANOSECONDS - words[(at + 1) & (RF_WORDS - 1)];
        RF_OPAQUE(left);
        return 2 + (left >> 63);
}

/* Number of the lowest of 16 bits: the product's top four bits tell the 16 powers of two apart. */
RF_INLINE __u64 lowest_bit(__u64 bits)
{
        __u64 place = (((bits & -bits) & 0xffff) * 0x09af >> 12) & 15;

        RF_OPAQUE(place);
        return 0xcd7ea84fb6935210ULL >> place * 4 & 15;
}

/* The strictest decision over the operations of a row, tests followed. 0: the row is not what it should be.
 * Few branches, and what the loop carries is made from words[0], which is 0: numbers and bounds that the verifier knows, and each way
 * through a step, would make states of their own. `best` is a decision's word 0, its rank raised by 1 to be above none, and then its offset. */
RF_INLINE int row_follow(const __u32 *words, __u64 row, __u64 operations, struct outcome *outcome)
{
        __u64 *control = RF_AT(RF_MAP_control, RF_CONTROL_WALL), wall, best, at;

        if (!control)
                return 0;
        wall = *control;
        best = words[0] * wall;
        operations |= words[0];
        at = words[(row + lowest_bit(operations)) & (RF_WORDS - 1)];
        RF_LOOP
        for (__u64 i = 0; i < RF_DECISION_STEPS; i++) {
                __u64 head = words[at & (RF_WORDS - 1)], candidate, stricter;

                RF_OPAQUE(i);
                RF_OPAQUE(wall);
                if (RF_DECISION_RANK(head) == RF_RANK_TEST) {
                        at = words[(at + test_branch(words, at, head, wall)) & (RF_WORDS - 1)];
                        continue;
                }
                candidate = (head + (1U << 24)) << 32 | at;
                stricter = (best >> 56) - (candidate >> 56);
                RF_OPAQUE(stricter);
                stricter = (__s64)stricter >> 63; /* all ones, or none */
                RF_OPAQUE(stricter);
                best ^= (best ^ candidate) & stricter;
                operations &= operations - 1;
                if (!operations) {
                        outcome->head = (best >> 32) - (1U << 24);
                        outcome->decision = best;
                        outcome->rule = words[(best + 1) & (RF_WORDS - 1)];
                        return 1;
                }
                at = words[(row + lowest_bit(operations)) & (RF_WORDS - 1)];
        }
        return 0;
}

/* The profile's decision. 0: a look-up failed. */
RF_INLINE int row_decide(struct request *req, struct question *q, const __u32 *words, struct outcome *outcome)
{
        struct rf_profile *profile = req->profile;
        struct rf_class *class = &profile->classes[q->class_id & (RF_CLASSES - 1)];
        __u32 label = label_of_parts(words, class, q->parts), subject, row;

        if (label >= class->labels)
                return 0;
        subject = req->domain * profile->credentials + credential_of(req);
        row = words[(class->cells + subject * class->labels + label) & (RF_WORDS - 1)];
        return row_follow(words, row, q->operations, outcome);
}

RF_INLINE void also_count(struct request *req, void *counters, const __u32 *words, struct outcome *outcome)
{
        __u32 also = RF_DECISION_ALSO(outcome->head);

        RF_LOOP
        for (__u32 i = 0; i < RF_ALSO_MAX; i++) {
                RF_OPAQUE(i);
                if (i >= also)
                        break;
                rule_count(req, counters, words[(outcome->decision + 2 + i) & (RF_WORDS - 1)]);
        }
}

/* A name that does not fit into the event goes ahead of it as a record of its own. */
RF_INLINE __u32 name_report(struct request *req, void *ring, __u64 token)
{
        __u32 position = req->scratch->position & (RF_PATH_MAX - 1);
        __u32 length = RF_PATH_MAX - position;
        struct rf_name *header;

        if (length <= RF_EVENT_PATH)
                return 0;
        header = (struct rf_name *)((void *)&req->scratch->header + position);
        header->record = RF_RECORD_NAME;
        header->length = length;
        header->token = token;
        if (!bpf_ringbuf_output(ring, header, sizeof(*header) + length, 0))
                return RF_EVENT_NAME_APART;
        total_add(RF_TOTAL_NAMES_LOST);
        return RF_EVENT_PATH_INCOMPLETE;
}

RF_INLINE void event_subject(struct request *req, struct rf_event *event)
{
        __u64 id = bpf_get_current_pid_tgid(), owner = bpf_get_current_uid_gid();

        event->tgid = id >> 32;
        event->tid = id;
        event->uid = owner;
        event->gid = owner >> 32;
        event->cgroup = req->cgroup;
        event->task_start = req->task->group_leader->start_boottime;
        bpf_get_current_comm(event->comm, sizeof(event->comm));
}

/* What is remembered of the executable; hooks without task storage have nothing. */
RF_INLINE void event_executable(const struct rf_task *facts, struct rf_event *event)
{
        event->exe_length = 0;
        if (!facts || !(facts->flags & RF_TASK_EXE_KNOWN)) {
                event->flags |= RF_EVENT_EXE_INCOMPLETE;
                return;
        }
        event->exe_length = facts->exe_length;
        bpf_probe_read_kernel(event->exe, sizeof(event->exe), facts->exe);
        if (facts->flags & RF_TASK_EXE_LONG)
                event->flags |= RF_EVENT_EXE_INCOMPLETE;
        if (facts->flags & RF_TASK_SEEDED)
                event->flags |= RF_EVENT_SEEDED;
}

RF_INLINE void event_object(struct request *req, struct question *q, struct rf_event *event)
{
        event->class_id = q->class_id;
        event->operations = q->operations;
        event->port = q->port;
        event->family = q->family;
        event->protocol = q->protocol;
        event->syscall = q->syscall;
        event->path_length = 0;
        __builtin_memcpy(event->address, q->address, sizeof(event->address));
        if (q->named && req->scratch) {
                __u32 position = req->scratch->position & (RF_PATH_MAX - 1);

                event->path_length = RF_PATH_MAX - position;
                bpf_probe_read_kernel(event->path, sizeof(event->path), &req->scratch->name[position]);
        }
}

/* Put one event into `ring`; what has no room is counted and nothing else. */
RF_INLINE void event_report(struct request *req, struct question *q, struct outcome *outcome, void *ring, __u32 lost, __s32 verdict)
{
        __u64 now = bpf_ktime_get_boot_ns();
        __u64 token = now ^ ((__u64)bpf_get_smp_processor_id() << 56);
        __u32 flags = q->named && req->scratch ? name_report(req, ring, token) : 0;
        struct rf_event *event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);

        if (!event) {
                total_add(lost);
                return;
        }
        event->record = RF_RECORD_EVENT;
        event->flags = flags;
        event->token = token;
        event->boot_ns = now;
        event->generation = req->generation;
        event->slot = req->slot;
        event->profile = req->profile_number;
        event->rule = outcome->rule;
        event->verdict = verdict;
        event->effect = RF_DECISION_EFFECT(outcome->head);
        event->reason = RF_DECISION_ERROR(outcome->head) ? req->reason : RF_REASON_DECIDED;
        event_subject(req, event);
        event_executable(RF_CONST_arming ? bpf_task_storage_get(RF_MAP_tasks, req->task, 0, 0) : 0, event);
        event_object(req, q, event);
        bpf_ringbuf_submit(event, 0);
}

RF_INLINE void outcome_report(struct request *req, struct question *q, struct outcome *outcome, __s32 verdict)
{
        __u32 effect = RF_DECISION_EFFECT(outcome->head);

        if (effect == RF_EFFECT_AUDIT && !RF_DECISION_ERROR(outcome->head)) {
                total_add(RF_TOTAL_OBSERVATIONS);
                event_report(req, q, outcome, RF_MAP_observations, RF_TOTAL_OBSERVATIONS_LOST, verdict);
        } else {
                total_add(RF_TOTAL_VIOLATIONS);
                event_report(req, q, outcome, RF_MAP_violations, RF_TOTAL_VIOLATIONS_LOST, verdict);
        }
}

/* The ruleset could not be read: nothing says what the policies want, so the request is refused and counted. */
RF_INLINE __u32 request_broken(struct question *q)
{
        total_add(RF_TOTAL_VIOLATIONS);
        total_add(RF_TOTAL_VIOLATIONS_LOST); /* without a table there is no rule to report */
        total_add(RF_TOTAL_UNDECIDED + RF_REASON_TABLE_MISSING);
        return q->refusal == REFUSES_NOTHING ? 0 : EPERM;
}

/* The errno that the hook answers with; 0: it goes on. */
RF_INLINE __u32 refusal_of(struct question *q, __u32 head)
{
        if (q->refusal == REFUSES_NOTHING || RF_DECISION_EFFECT(head) < RF_EFFECT_DENY)
                return 0;
        return q->refusal == REFUSES_WITH_ERRNO && RF_DECISION_ERRNO(head) ? RF_DECISION_ERRNO(head) : EPERM;
}

/* Decide, count, report. Returns the errno of a refusal, or 0. */
RF_INLINE __u32 request_decide(struct request *req, struct question *q)
{
        const __u32 *words = table_of(RF_MAP_words, req->slot, 0);
        void *counters = inner_of(RF_MAP_counters, req->slot);
        struct outcome outcome = {};
        __u32 effect, refusal;

        if (!req->profile || !words || !counters || !row_decide(req, q, words, &outcome))
                return request_broken(q);
        effect = RF_DECISION_EFFECT(outcome.head);
        also_count(req, counters, words, &outcome);
        if (effect == RF_EFFECT_ALLOW && !RF_DECISION_ERROR(outcome.head))
                return 0;
        if (RF_DECISION_ERROR(outcome.head)) {
                if (req->reason == RF_REASON_DECIDED)
                        req->reason = RF_REASON_SUBJECT_UNKNOWN;
                total_add(RF_TOTAL_UNDECIDED + (req->reason & (RF_REASONS - 1)));
        }
        rule_count(req, counters, outcome.rule);
        refusal = refusal_of(q, outcome.head);
        outcome_report(req, q, &outcome, -(__s32)refusal);
        req->kill = effect == RF_EFFECT_KILL && bpf_get_current_pid_tgid() >> 32 != 1;
        return refusal;
}

/* What a hook returns: the verifier of newer kernels takes constants only, so that each errno is one of its own. */
RF_INLINE int verdict_of(__u32 refusal)
{
        int verdict = -EPERM;

        if (!refusal)
                return 0;
#define RF_VERDICT(number)           \
        if (refusal == (number))     \
                verdict = -(number); \
        RF_OPAQUE(refusal);
        RF_VERDICT(EACCES)
        RF_VERDICT(ENOENT)
        RF_VERDICT(EROFS)
        RF_VERDICT(ECONNREFUSED)
        RF_VERDICT(ENETUNREACH)
        RF_VERDICT(EHOSTUNREACH)
#undef RF_VERDICT
        return verdict;
}

/* As request_decide, and then the signal: for hooks that may send one. PID 1 is refused and lives. */
RF_INLINE int request_enforce(struct request *req, struct question *q)
{
        __u32 refusal = request_decide(req, q);

        if (req->kill)
                bpf_send_signal(SIGKILL);
        return verdict_of(refusal);
}

/* Whether the profile has anything to say about a class: most profiles are silent about most classes. */
RF_INLINE int request_concerns(struct request *req, __u32 class_id)
{
        return !req->profile || req->profile->classes[class_id].labels;
}

/* Whether it does anything but allow one of these operations of the class, to anybody, of any object. */
RF_INLINE int request_asks(struct request *req, __u32 class_id, __u32 operations)
{
        return !req->profile || (req->profile->classes[class_id].asked & operations);
}

#endif
