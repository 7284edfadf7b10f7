/* A request: who asks, under which ruleset. Gathered once at the start of a hook and used to its end, so that a hook never mixes two
 * generations. */
#ifndef RINGFENCE_REQUEST_H
#define RINGFENCE_REQUEST_H

#include "abi.h"
#include "automaton.h"
#include "kernel.h"
#include "name.h"
#include "scratch.h"

struct request {
        struct task_struct *task;
        struct rf_task *facts; /* while they are looked up anew */
        struct rf_profile *profile;
        struct rf_scratch *scratch; /* claimed by request_scratch */
        __u64 cgroup;
        __u64 generation;
        __u64 epoch;
        __u32 slot;
        __u32 profile_number;
        __u32 domain;
        __u32 reason;
        __u32 processors;
        __u32 kill; /* what request_decide asks of the hook */
};

RF_INLINE void total_add(__u32 total)
{
        __u64 *sum = RF_AT(RF_MAP_totals, total);

        if (sum)
                __sync_fetch_and_add(sum, 1);
}

/* The map in a slot of a map of maps. */
RF_INLINE void *inner_of(void *outer, __u32 slot)
{
        return RF_AT(outer, slot);
}

/* Element `number` of the array in a slot of a map of maps. */
RF_INLINE void *table_of(void *outer, __u32 slot, __u32 number)
{
        void *inner = inner_of(outer, slot);

        return inner ? RF_AT(inner, number) : 0;
}

/* The same number, of which the verifier knows nothing any more: what is a constant on one way and another one on the next makes
 * it follow everything after once for each. words[0] is 0. */
RF_INLINE __u64 blurred(const __u32 *words, __u64 value)
{
        __u64 zero = words[0];

        value ^= zero | zero << 32;
        RF_OPAQUE(value);
        return value;
}

/* Which generation is live? 0: none, or the gate is open. */
RF_INLINE int request_generation(struct request *req)
{
        __u64 *control = RF_AT(RF_MAP_control, RF_CONTROL_LIVE);
        struct rf_slot *slot;
        __u64 open_until;

        if (!control || !*control)
                return 0;
        req->slot = *control & (RF_SLOTS - 1);
        control = RF_AT(RF_MAP_control, RF_CONTROL_OPEN_UNTIL);
        if (!control)
                return 0;
        open_until = *control;
        if (open_until && (open_until == ~0ULL || bpf_ktime_get_boot_ns() < open_until))
                return 0;
        slot = RF_AT(RF_MAP_slots, req->slot);
        if (!slot)
                return 0;
        if (slot->reverts_at && bpf_ktime_get_boot_ns() >= slot->reverts_at) {
                req->slot = slot->fallback & (RF_SLOTS - 1);
                if (!req->slot)
                        return 0;
                slot = RF_AT(RF_MAP_slots, req->slot);
                if (!slot)
                        return 0;
        }
        req->generation = slot->generation;
        req->epoch = slot->epoch;
        req->processors = slot->processors;
        return 1;
}

/* The nearest scope above the current task's cgroup, or NULL. */
RF_INLINE struct rf_scope *scope_nearest(struct request *req)
{
        void *scopes = inner_of(RF_MAP_scopes, req->slot);
        struct rf_scope *nearest = 0;

        if (!scopes)
                return 0;
        RF_LOOP
        for (int level = 0; level < (int)RF_SCOPE_DEPTH; level++) {
                __u64 id = bpf_get_current_ancestor_cgroup_id(level);
                struct rf_scope *scope;

                if (!id)
                        break;
                scope = bpf_map_lookup_elem(scopes, &id);
                if (scope)
                        nearest = scope;
        }
        return nearest;
}

RF_INLINE int request_scratch(struct request *req)
{
        if (!req->scratch)
                req->scratch = scratch_claim();
        return req->scratch != 0;
}

RF_INLINE void request_end(struct request *req)
{
        if (req->scratch)
                scratch_release(req->scratch);
        req->scratch = 0;
}

/* Whether the facts are about the program that runs now: a later exec whose record failed must not leave an old name in force. */
RF_INLINE int facts_current(struct request *req)
{
        return req->facts->exec_id == (__u32)req->task->self_exec_id;
}

/* Keep the name in scratch as the executable of `facts`. A longer one than fits stays unknown: undecided where a rule asks. */
RF_INLINE void facts_record(struct request *req, struct rf_task *facts, __u32 flags)
{
        struct rf_scratch *scratch = req->scratch;
        __u64 position = scratch->position & (RF_PATH_MAX - 1);
        __u64 length = RF_PATH_MAX - position;

        facts->flags &= ~(RF_TASK_EXE_KNOWN | RF_TASK_EXE_LONG | RF_TASK_SEEDED);
        facts->exe_length = length;
        facts->exec_id = req->task->self_exec_id;
        bpf_probe_read_kernel(facts->exe, sizeof(facts->exe), &scratch->name[position]);
        if (length > RF_EXE_INLINE)
                flags |= RF_TASK_EXE_LONG;
        facts->flags |= flags | RF_TASK_EXE_KNOWN;
}

/* The domain of the recorded executable under this generation. */
RF_INLINE __u32 facts_domain(struct request *req)
{
        const struct rf_entry *automaton = table_of(RF_MAP_automatons, req->slot, 0);
        const __u32 *words = table_of(RF_MAP_words, req->slot, 0);
        struct rf_profile *profile = req->profile;
        struct rf_task *facts = req->facts;
        __u32 label, domain;

        if (!automaton || !words || (facts->flags & (RF_TASK_EXE_KNOWN | RF_TASK_EXE_LONG)) != RF_TASK_EXE_KNOWN)
                return RF_DOMAIN_UNKNOWN;
        label = path_label(automaton, words, profile, facts->exe, RF_EXE_INLINE, 0, &facts->exe_length);
        domain = path_column(words, profile, label, RF_COLUMN_EXE);
        if (profile->parents > 1) /* what the parent executed is not recorded: its class is 0 */
                domain = words[(profile->domains_table + domain * profile->parents) & (RF_WORDS - 1)];
        return domain < profile->domains ? domain : RF_DOMAIN_UNKNOWN;
}

/* How a task that is in a scope now came to be there: see enum rf_arming. */
RF_INLINE __u32 arming_of(struct request *req, const struct rf_scope *scope)
{
        struct rf_task *facts = req->facts;

        if (!scope)
                return RF_TASK_OUTSIDE;
        if (!RF_CONST_arming)
                return RF_TASK_ARMED;
        if (facts->arming == RF_TASK_ARMED || facts->arming == RF_TASK_UNSEEN)
                return RF_TASK_ARMED;
        if (facts->exec_cgroup == req->cgroup)
                return RF_TASK_ARMED;
        if (facts->cgroup == req->cgroup && scope->since > facts->seen)
                return RF_TASK_ARMED;
        return RF_TASK_PENDING;
}

/* Find the domain of the task in profile `number`. */
RF_INLINE void facts_classify(struct request *req, __u32 number)
{
        struct rf_task *facts = req->facts;

        req->profile = table_of(RF_MAP_profiles, req->slot, number);
        if (req->profile && req->profile->domains > 2 && facts_current(req))
                facts->domain = facts_domain(req);
}

/* Look scope and domain up anew and remember both under the current tag. */
RF_INLINE void facts_refresh(struct request *req)
{
        struct rf_scope *scope = scope_nearest(req);
        struct rf_task *facts = req->facts;

        facts->arming = arming_of(req, scope);
        facts->profile = scope ? scope->profile + 1 : 0;
        facts->domain = RF_DOMAIN_UNKNOWN;
        if (scope)
                facts_classify(req, scope->profile);
        facts->cgroup = req->cgroup;
        facts->seen = req->epoch;
        facts->epoch = req->epoch;
}

/* Task storage was not to be had: the scope can be told, the subject cannot, and whoever is in scope counts as armed. */
RF_INLINE int subject_without_facts(struct request *req)
{
        struct rf_scope *scope = scope_nearest(req);

        total_add(RF_TOTAL_TASKS_LOST);
        if (!scope)
                return 0;
        req->profile_number = scope->profile;
        req->domain = RF_DOMAIN_UNKNOWN;
        return 1;
}

/* Profile and domain of the current task, from its facts. 0: it is not confined.
 * All results are numbers and no memory is held: programs go on from one state, which keeps the verifier's work small. */
RF_INLINE int request_subject(struct request *req)
{
        struct rf_task *facts = bpf_task_storage_get(RF_MAP_tasks, req->task, 0, 0);

        if (!facts)
                facts = bpf_task_storage_get(RF_MAP_tasks, req->task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (!facts)
                return subject_without_facts(req);
        if (facts->epoch != req->epoch || facts->cgroup != req->cgroup) {
                req->facts = facts;
                facts_refresh(req);
        }
        if (!facts->profile || facts->arming != RF_TASK_ARMED || (facts->flags & RF_TASK_EXEMPT))
                return 0;
        req->profile_number = facts->profile - 1;
        req->domain = facts->domain;
        return 1;
}

/* Begin a request of the current task. 0: nothing to decide (no generation, not in scope, exempt, not armed yet). */
RF_INLINE int request_begin(struct request *req)
{
        if (!request_generation(req))
                return 0;
        req->task = bpf_get_current_task_btf();
        if (req->task->flags & PF_KTHREAD)
                return 0;
        req->cgroup = bpf_get_current_cgroup_id();
        if (!request_subject(req))
                return 0;
        req->profile = table_of(RF_MAP_profiles, req->slot, req->profile_number);
        if (req->profile && req->profile->domains <= 2)
                req->domain = 1; /* nothing in this profile tells executables apart */
        return 1;
}

#endif
