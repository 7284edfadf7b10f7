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
        carried->type = q->parts[1];
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
        q->parts[0] = carried->label;
        q->parts[1] = carried->type;
        req->profile = table_of(RF_MAP_profiles, req->slot, req->profile_number);
}

/* What the label of the name in scratch means to who asks (enum rf_column). */
RF_INLINE void label_of_name(struct request *req, __u64 column)
{
        struct rf_carried *carried = &req->scratch->carried;
        const struct rf_entry *automaton = table_of(RF_MAP_automatons, carried->slot, 0);
        const __u32 *words = table_of(RF_MAP_words, carried->slot, 0);
        struct rf_profile *profile = table_of(RF_MAP_profiles, carried->slot, carried->profile_number);
        __u64 label;

        carried->reason = RF_REASON_TABLE_MISSING;
        if (!automaton || !words || !profile)
                return;
        label = path_label(automaton, words, profile, req->scratch->name, RF_PATH_MAX, req->scratch->position & (RF_PATH_MAX - 1),
                           0);
        if (label >= profile->path_label_count)
                return;
        carried->label = path_column(words, profile, label, column);
        carried->reason = RF_REASON_DECIDED;
}

/* What was found of a name: a label from here on, and the request whole again. */
RF_INLINE void question_label(struct request *req, struct question *q, __u64 column)
{
        __u64 named;

        _Static_assert(NAME_FOUND == 0, "bits");
        RF_FORGET();
        if (req->scratch->carried.kind == NAME_FOUND)
                label_of_name(req, column);
        else if (req->scratch->carried.kind != NAME_UNDECIDED)
                req->scratch->carried.label = RF_LABEL_NAMELESS;
        request_take_back(req, q);
        named = req->scratch->carried.kind - 1; /* bits, not branches */
        RF_OPAQUE(named);
        q->named = named >> 63;
}

/* Fill in the label of an object named by dentry and mount (addresses), of `type`. Returns what kind of name it has. */
RF_INLINE __u32 question_path(struct request *req, struct question *q, __u64 dentry, __u64 mount, int fresh)
{
        if (!request_scratch(req)) {
                req->reason = RF_REASON_SCRATCH_BUSY;
                return NAME_UNDECIDED;
        }
        request_carry(req, q);
        name_read(req->scratch, (__u64)req->task, dentry, mount, fresh);
        question_label(req, q, q->class_id == RF_CLASS_EXEC ? RF_COLUMN_EXEC : RF_COLUMN_FILE);
        return req->scratch->carried.kind;
}

#endif
