/* Deciding: row[subject][label][operation], counted and reported. */
#ifndef RINGFENCE_DECIDE_H
#define RINGFENCE_DECIDE_H

#include "abi.h"
#include "kernel.h"
#include "request.h"

/* What is asked of a profile, beyond who asks. */
struct question {
        __u32 class_id;
        __u32 operations;
        __u32 label;
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

RF_INLINE __u32 credential_class(struct request *req, __u32 kind, __u32 id)
{
        struct rf_credential_key key = {.profile = req->profile_number, .kind = kind, .id = id};
        void *inner = bpf_map_lookup_elem(RF_MAP_credentials, &req->slot);
        __u32 *found = inner ? bpf_map_lookup_elem(inner, &key) : 0;

        return found ? *found : 0;
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
        return 1 + credential_class(req, 0, user) * req->profile->gid_classes + credential_class(req, 1, group);
}

RF_INLINE void rule_count(struct request *req, void *counters, __u32 rule)
{
        __u32 index = rule * req->processors + bpf_get_smp_processor_id();
        __u64 *sum = bpf_map_lookup_elem(counters, &index);

        if (sum)
                __sync_fetch_and_add(sum, 1);
}

struct outcome {
        __u32 head; /* word 0 of the decision */
        __u32 decision;
        __u32 rule;
};

/* The strictest decision over the operations that are asked for. 0: a look-up failed. */
RF_INLINE int row_decide(struct request *req, struct question *q, const __u32 *words, struct outcome *outcome)
{
        struct rf_profile *profile = req->profile;
        __u32 class_id = q->class_id < RF_CLASSES ? q->class_id : 0;
        __u32 labels = profile->labels[class_id], subject, row;

        if (q->label >= labels)
                return 0;
        subject = req->domain * profile->credentials + credential_of(req);
        row = words[(profile->cells[class_id] + subject * labels + q->label) & (RF_WORDS - 1)];
        outcome->decision = 0;
        outcome->head = 0;
        RF_LOOP
        for (__u32 i = 0; i < 4; i++) {
                __u32 decision, head;

                RF_OPAQUE(i);
                if (!(q->operations >> i))
                        break;
                if (!((q->operations >> i) & 1))
                        continue;
                decision = words[(row + i) & (RF_WORDS - 1)];
                head = words[decision & (RF_WORDS - 1)];
                if (!outcome->decision || RF_DECISION_RANK(head) > RF_DECISION_RANK(outcome->head)) {
                        outcome->decision = decision;
                        outcome->head = head;
                }
        }
        outcome->rule = words[(outcome->decision + 1) & (RF_WORDS - 1)];
        return 1;
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
RF_INLINE int request_broken(struct request *req, struct question *q)
{
        (void)req;
        (void)q;
        total_add(RF_TOTAL_VIOLATIONS);
        total_add(RF_TOTAL_VIOLATIONS_LOST); /* without a table there is no rule to report */
        total_add(RF_TOTAL_UNDECIDED + RF_REASON_TABLE_MISSING);
        return -EPERM;
}

/* Decide, count, report. Returns 0 or -EPERM, the verdict of the hook. */
RF_INLINE int request_decide(struct request *req, struct question *q)
{
        const __u32 *words = table_of(RF_MAP_words, req->slot, 0);
        void *counters = bpf_map_lookup_elem(RF_MAP_counters, &req->slot);
        struct outcome outcome = {};
        __u32 effect;
        __s32 verdict;

        if (!req->profile || !words || !counters || !row_decide(req, q, words, &outcome))
                return request_broken(req, q);
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
        verdict = effect >= RF_EFFECT_DENY ? -EPERM : 0;
        outcome_report(req, q, &outcome, verdict);
        req->kill = effect == RF_EFFECT_KILL && bpf_get_current_pid_tgid() >> 32 != 1;
        return verdict ? -EPERM : 0;
}

/* As request_decide, and then the signal: for hooks that may send one. PID 1 is refused and lives. */
RF_INLINE int request_enforce(struct request *req, struct question *q)
{
        int verdict = request_decide(req, q);

        if (req->kill)
                bpf_send_signal(SIGKILL);
        return verdict;
}

/* Whether the profile has anything to say about a class: most profiles are silent about most classes. */
RF_INLINE int request_concerns(struct request *req, __u32 class_id)
{
        return !req->profile || req->profile->labels[class_id];
}

#endif
