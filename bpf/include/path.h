/* Questions about objects that have a path. */
#ifndef RINGFENCE_PATH_H
#define RINGFENCE_PATH_H

#include "abi.h"
#include "automaton.h"
#include "decide.h"
#include "name.h"
#include "request.h"

RF_INLINE void request_carry(struct request *req, struct question *q)
{
        struct rf_carried *carried = &req->scratch->carried;

        carried->generation = req->generation;
        carried->cgroup = req->cgroup;
        carried->operations = q->operations;
        carried->slot = req->slot;
        carried->profile_number = req->profile_number;
        carried->domain = req->domain;
        carried->processors = req->processors;
        carried->label = RF_LABEL_UNKNOWN;
        RF_FORGET();
}

RF_INLINE void request_take_back(struct request *req, struct question *q)
{
        struct rf_carried *carried = &req->scratch->carried;

        RF_FORGET();
        req->generation = carried->generation;
        req->cgroup = carried->cgroup;
        req->slot = carried->slot;
        req->profile_number = carried->profile_number;
        req->domain = carried->domain;
        req->processors = carried->processors;
        req->reason = carried->reason;
        q->operations = carried->operations;
        q->label = carried->label;
        req->profile = table_of(RF_MAP_profiles, req->slot, req->profile_number);
}

/* The label that the class's rules see for the name in scratch. */
RF_INLINE void label_of_name(struct request *req, __u32 class_id)
{
        struct rf_carried *carried = &req->scratch->carried;
        __u32 slot = carried->slot, label;
        const struct rf_entry *automaton = table_of(RF_MAP_automatons, slot, 0);
        const __u32 *words = table_of(RF_MAP_words, slot, 0);
        struct rf_profile *profile = table_of(RF_MAP_profiles, slot, carried->profile_number);

        carried->reason = RF_REASON_TABLE_MISSING;
        if (!automaton || !words || !profile)
                return;
        label = automaton_label(automaton, automaton_run(automaton, profile, req->scratch->name, RF_PATH_MAX,
                                                         req->scratch->position, RF_PATH_MAX, profile->start));
        if (label >= profile->path_label_count)
                return;
        label = profile->path_labels + 3 * label + (class_id == RF_CLASS_EXEC ? 1 : 0);
        carried->label = words[label & (RF_WORDS - 1)];
        carried->reason = RF_REASON_DECIDED;
}

/* Fill in the label of an object named by dentry and mount (addresses). Returns what kind of name it has. */
RF_INLINE __u32 question_path(struct request *req, struct question *q, __u64 dentry, __u64 mount, int fresh)
{
        struct name_result name;
        __u32 kind;

        q->label = RF_LABEL_UNKNOWN;
        if (!request_scratch(req)) {
                req->reason = RF_REASON_SCRATCH_BUSY;
                return NAME_UNDECIDED;
        }
        request_carry(req, q);
        name = name_read(req->scratch, req->task, dentry, mount, fresh);
        req->scratch->carried.kind = name.kind;
        req->scratch->carried.reason = name.reason;
        RF_FORGET();
        kind = req->scratch->carried.kind;
        q->named = kind == NAME_FOUND;
        if (kind == NAME_FOUND)
                label_of_name(req, q->class_id);
        else if (kind == NAME_NAMELESS || kind == NAME_INTERNAL)
                req->scratch->carried.label = RF_LABEL_NAMELESS;
        request_take_back(req, q);
        return req->scratch->carried.kind;
}

#endif
